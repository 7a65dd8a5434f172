"""A market whose whole book is known, told as a venue tells it: by snapshots and numbered or summed changes."""

from collections.abc import Iterator
from random import Random

from millrace.core.binary_events import BookLevel, Levels
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.instrument import InstrumentId
from millrace.market.books.checksum import checksum
from millrace.market.books.order_book import OrderBook

MS = 1_000_000
SECOND = 1_000 * MS
NOON = 20_454 * 86_400 * SECOND + 43_200 * SECOND
COIN = InstrumentId("bybit", "COIN/USDT")
MIDDLE = 100_000


class TruthMarket:
    """The venue's own book. `depth` is what it tells, 0 for all; `numbered` and `summed` how it can be verified."""

    def __init__(
        self, seed=0, *, at=COIN, depth=0, numbered=True, summed=False, step_ns=100 * MS, first_ns=NOON, calm=False
    ):
        self.dice, self.at, self.depth, self.calm = Random(seed), at, depth, calm
        self.numbered, self.summed, self.step_ns = numbered, summed, step_ns
        self.now_ns, self.seq, self.middle = first_ns, 1_000, MIDDLE
        self.bids = {MIDDLE - 1 - step: 100 + step for step in range(30)}
        self.asks = {MIDDLE + 1 + step: 100 + step for step in range(30)}

        self.told = self._sides()

    def sides(self) -> tuple[Levels, Levels]:
        return self.told

    def _sides(self) -> tuple[Levels, Levels]:
        depth = self.depth or None
        bids = [BookLevel(ticks, self.bids[ticks]) for ticks in sorted(self.bids, reverse=True)][:depth]
        asks = [BookLevel(ticks, self.asks[ticks]) for ticks in sorted(self.asks)][:depth]
        return tuple(bids), tuple(asks)

    def sum(self) -> int | None:
        if not self.summed:
            return None
        book = OrderBook()
        book.replace(*self.sides())
        return checksum(book)

    def snapshot(self, ts_ns=None, *, polled=False, requested_ns=0) -> BookSnapshot:
        bids, asks = self.sides()
        seq = self.seq if self.numbered else 0
        ts_ns = self.now_ns if ts_ns is None else ts_ns
        return BookSnapshot(self.at, ts_ns, self.now_ns, seq, bids, asks, self.sum(), polled, requested_ns, self.depth)

    def delta(self) -> BookDelta:
        """Let some orders come and go, sometimes the price, and tell what changed of what is told."""
        before = [dict(side) for side in self.sides()]
        self.now_ns += self.step_ns
        dice = self.dice
        if dice.random() < 0.2 and not self.calm:
            self._move(dice.choice((-2, -1, 1, 2)))
        for side, sign in ((self.bids, -1), (self.asks, 1)):
            for _ in range(dice.randrange(3)):
                ticks = self.middle + sign * (1 + min(int(dice.expovariate(0.3)), 40))
                side[ticks] = 0 if side.get(ticks) and dice.random() < 0.4 else dice.randrange(1, 10_000)
        self.bids = {ticks: lots for ticks, lots in self.bids.items() if lots} or {self.middle - 1: 5}
        self.asks = {ticks: lots for ticks, lots in self.asks.items() if lots} or {self.middle + 1: 5}
        self.told = self._sides()
        changed = []
        for old, new, whole in zip(before, map(dict, self.told), (self.bids, self.asks), strict=True):
            # Levels that fall out of what is told are not said to be gone.
            gone = [BookLevel(ticks, 0) for ticks in old if ticks not in new and ticks not in whole]
            changed.append((*gone, *(BookLevel(ticks, lots) for ticks, lots in new.items() if old.get(ticks) != lots)))
        first = self.seq + 1
        self.seq += dice.randrange(1, 4)
        numbers = (first, self.seq) if self.numbered else (0, 0)
        return BookDelta(self.at, self.now_ns, self.now_ns, *numbers, *changed, self.sum())

    def _move(self, ticks: int) -> None:
        self.middle += ticks
        self.bids = {price: lots for price, lots in self.bids.items() if price < self.middle}
        self.asks = {price: lots for price, lots in self.asks.items() if price > self.middle}

    def deltas(self, count: int) -> Iterator[BookDelta]:
        for _ in range(count):
            yield self.delta()
