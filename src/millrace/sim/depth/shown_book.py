"""One market's book as the venue has it without us, and what our own orders took out of it.

Our orders are not in it: recorded and generated markets do not know of us. So what we take is remembered beside the
book, level by level, and is not there again while the level stands; what the level grows by is new.
"""

from collections.abc import Iterator
from math import inf

from millrace.core.binary_events import BookLevel, Levels
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.commands import Side
from millrace.core.instrument import Lots, Ticks
from millrace.market.books.order_book import BookSide, OrderBook


class ShownBook:
    """The book of one instrument; `is_known` once a snapshot was shown."""

    __slots__ = ("_traded", "_used", "book", "is_known")

    def __init__(self) -> None:
        self.book = OrderBook()
        self.is_known = False
        self._used: dict[Side, dict[Ticks, Lots]] = {Side.BUY: {}, Side.SELL: {}}
        self._traded: dict[Side, dict[Ticks, Lots]] = {Side.BUY: {}, Side.SELL: {}}

    def side(self, side: Side) -> BookSide:
        """Return where orders of this side rest."""
        return self.book.bid_side if side is Side.BUY else self.book.ask_side

    def standing(self, side: Side, ticks: Ticks) -> float:
        """Return the lots that rest at a price; infinite beyond the last level that is shown, where nobody knows."""
        resting = self.side(side)
        lots = resting.lots_at(ticks)
        if lots:
            return float(lots)
        levels = resting.levels()
        is_seen = bool(levels) and side.sign * (ticks - levels[-1].ticks) >= 0
        return 0.0 if is_seen else inf

    def best_against(self, side: Side) -> Ticks | None:
        """Return the first price that an order of this side could take."""
        best = self.side(side.opposite).best()
        return None if best is None else best.ticks

    def offers(self, side: Side, limit_ticks: Ticks) -> Iterator[BookLevel]:
        """Yield what an order of this side can still take up to its limit, best first."""
        used = self._used[side.opposite]
        for ticks, shown in self.side(side.opposite).levels():
            if side.sign * (limit_ticks - ticks) < 0:
                return
            lots = shown - used.get(ticks, 0)
            if lots > 0:
                yield BookLevel(ticks, lots)

    def use(self, side: Side, levels: Levels) -> None:
        """Note that orders of this side took so much of the levels against them."""
        used = self._used[side.opposite]
        for ticks, lots in levels:
            used[ticks] = used.get(ticks, 0) + lots

    def note_trade(self, side: Side, ticks: Ticks, lots: Lots) -> None:
        """Remember what traded at a price where orders of this side rest, until the book says so too."""
        traded = self._traded[side]
        traded[ticks] = traded.get(ticks, 0) + lots

    def traded(self, side: Side, ticks: Ticks) -> Lots:
        """Return what traded at a price since the book told its level."""
        return self._traded[side].get(ticks, 0)

    def show(self, event: BookSnapshot | BookDelta) -> None:
        """Take a newer book."""
        if isinstance(event, BookSnapshot):
            self.book.replace(event.bids, event.asks)
            self.is_known = True
            for side, used in self._used.items():
                self._traded[side].clear()
                resting = self.side(side)
                self._used[side] = {
                    ticks: min(lots, resting.lots_at(ticks)) for ticks, lots in used.items() if resting.lots_at(ticks)
                }
        else:
            self.book.change(event.bids, event.asks)
            for side, levels in ((Side.BUY, event.bids), (Side.SELL, event.asks)):
                used, traded = self._used[side], self._traded[side]
                if used or traded:
                    for ticks, lots in levels:
                        traded.pop(ticks, None)
                        gone = used.pop(ticks, 0)
                        if gone and lots:
                            used[ticks] = min(gone, lots)
        self.book.seq = event.seq
        self.book.ts_ns = self.book.venue_ts_ns = event.ts_ns

    def saved(self) -> list[object]:
        """Return the state as builtins, for comparison."""
        rest = [sorted(kept[side].items()) for kept in (self._used, self._traded) for side in Side]
        book = self.book
        return [
            self.is_known,
            book.seq,
            book.ts_ns,
            list(map(tuple, book.bids())),
            list(map(tuple, book.asks())),
            *rest,
        ]
