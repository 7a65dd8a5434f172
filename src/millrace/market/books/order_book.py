"""One instrument's book: lots by price on each side, and its best prices first when somebody looks.

Prices are kept in two sorted lists with the best one at the end, so that a change near the top, where most changes are,
moves little. It says nothing of whether the book is right; that is `books` and `verify` (runtime 2.4).
"""

from bisect import bisect_left, insort

from millrace.core.binary_events import BookLevel, Levels
from millrace.core.instrument import Lots, Ticks


class BookSide:
    """The levels of one side; `sign` is +1 for bids and -1 for asks."""

    __slots__ = ("_keys", "_lots", "_sign")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._keys: list[int] = []  # sign * price, ascending: the best price is the last
        self._lots: dict[Ticks, Lots] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def set(self, ticks: Ticks, lots: Lots) -> None:
        """Let `lots` rest at a price; 0 takes the level away."""
        if lots == 0:
            if self._lots.pop(ticks, None) is not None:
                del self._keys[bisect_left(self._keys, self._sign * ticks)]
            return
        if ticks not in self._lots:
            insort(self._keys, self._sign * ticks)
        self._lots[ticks] = lots

    def cut(self, depth: int) -> None:
        """Drop what lies below the first `depth` levels."""
        surplus = len(self._keys) - depth
        if surplus > 0:
            for key in self._keys[:surplus]:
                del self._lots[self._sign * key]
            del self._keys[:surplus]

    def best(self) -> BookLevel | None:
        """Return the best level, None of an empty side."""
        if not self._keys:
            return None
        ticks = self._sign * self._keys[-1]
        return BookLevel(ticks, self._lots[ticks])

    def lots_at(self, ticks: Ticks) -> Lots:
        """Return what rests at a price."""
        return self._lots.get(ticks, 0)

    def levels(self, depth: int | None = None) -> Levels:
        """Return the first `depth` levels, or all, best first."""
        keys = self._keys if depth is None else self._keys[-depth:]
        sign, lots = self._sign, self._lots
        return tuple([BookLevel(sign * key, lots[sign * key]) for key in reversed(keys)])


class OrderBook:
    """Both sides; satisfies `core.book_events.Depth`. Times are integer nanoseconds."""

    __slots__ = ("ask_side", "bid_side", "seq", "ts_ns", "venue_ts_ns")

    def __init__(self) -> None:
        self.bid_side = BookSide(1)
        self.ask_side = BookSide(-1)
        self.seq = 0
        self.ts_ns = 0
        self.venue_ts_ns = 0

    def best_bid(self) -> BookLevel | None:
        """Return the best bid."""
        return self.bid_side.best()

    def best_ask(self) -> BookLevel | None:
        """Return the best ask."""
        return self.ask_side.best()

    def bids(self, depth: int | None = None) -> Levels:
        """Return bids, best first."""
        return self.bid_side.levels(depth)

    def asks(self, depth: int | None = None) -> Levels:
        """Return asks, best first."""
        return self.ask_side.levels(depth)

    def replace(self, bids: Levels, asks: Levels) -> None:
        """Become this book."""
        self.bid_side, self.ask_side = BookSide(1), BookSide(-1)
        self.change(bids, asks)

    def change(self, bids: Levels, asks: Levels) -> None:
        """Apply levels with what rests there now."""
        for ticks, lots in bids:
            self.bid_side.set(ticks, lots)
        for ticks, lots in asks:
            self.ask_side.set(ticks, lots)
