"""One instrument's book: lots by price on each side, and its best prices first when somebody looks.

Prices are kept in two sorted lists with the best one at the end, so that a change near the top, where most changes are,
moves little. It says nothing of whether the book is right; that is `upkeep` (runtime 2.4).
"""

from bisect import bisect_left, insort

from millrace.core.binary_events import BookLevel, Levels
from millrace.core.instrument import Lots, Ticks

Top = tuple[Ticks, Lots, Ticks, Lots]
"""Best bid and its lots, best ask and its lots; zeros of an empty side."""


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
        """Let lots rest at one price; 0 takes the level away."""
        self.change((BookLevel(ticks, lots),))

    def change(self, levels: Levels) -> bool:
        """Let lots rest at prices, 0 takes a level away; False when some are negative, or rest at no price."""
        sign, keys, held = self._sign, self._keys, self._lots
        sound = True
        for ticks, lots in levels:
            if lots > 0:
                if ticks not in held:
                    insort(keys, sign * ticks)
                    sound = sound and ticks > 0
                held[ticks] = lots
            elif lots < 0:
                sound = False
            elif held.pop(ticks, None) is not None:
                del keys[bisect_left(keys, sign * ticks)]
        return sound

    def replace(self, levels: Levels) -> bool:
        """Become these levels, in whatever order they come; False when one was negative or is no price."""
        self._lots = {ticks: lots for ticks, lots in levels if lots > 0}
        self._keys = sorted([self._sign * ticks for ticks in self._lots])
        return all(lots >= 0 and ticks > 0 for ticks, lots in levels)

    def cut(self, depth: int) -> None:
        """Drop what lies below the first `depth` levels."""
        surplus = len(self._keys) - depth
        if surplus > 0:
            for key in self._keys[:surplus]:
                del self._lots[self._sign * key]
            del self._keys[:surplus]

    def best_ticks(self) -> Ticks:
        """Return the best price, 0 of an empty side."""
        return self._sign * self._keys[-1] if self._keys else 0

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

    def digits(self, depth: int) -> str:
        """Return the digits of the first levels, price and lots of each, best first."""
        sign, lots = self._sign, self._lots
        return "".join([f"{sign * key}{lots[sign * key]}" for key in self._keys[: -depth - 1 : -1]])


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

    def top(self) -> Top:
        """Return the best prices and what rests there."""
        bids, asks = self.bid_side, self.ask_side
        bid, ask = bids.best_ticks(), asks.best_ticks()
        return bid, bids.lots_at(bid), ask, asks.lots_at(ask)

    @property
    def is_crossed(self) -> bool:
        """Tell whether the best bid is not below the best ask; a side that is empty crosses nothing."""
        bid, ask = self.bid_side.best_ticks(), self.ask_side.best_ticks()
        return bid >= ask > 0

    def replace(self, bids: Levels, asks: Levels) -> bool:
        """Become this book; False when something in it cannot be."""
        sound = self.bid_side.replace(bids)
        return self.ask_side.replace(asks) and sound

    def change(self, bids: Levels, asks: Levels) -> bool:
        """Apply levels with what rests there now; False when one cannot be."""
        sound = self.bid_side.change(bids)
        return self.ask_side.change(asks) and sound

    def cut(self, depth: int) -> None:
        """Drop what lies below the first `depth` levels of each side."""
        self.bid_side.cut(depth)
        self.ask_side.cut(depth)
