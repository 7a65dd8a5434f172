"""A generated book and what has changed in it since somebody last looked.

The book is kept by the class that keeps a program's own books, so that a change means the same on both sides.
"""

from millrace.core.binary_events import BookLevel, Levels
from millrace.core.instrument import Lots, Ticks
from millrace.market.books.order_book import BookSide, OrderBook


class Ladder:
    """Both sides of a true book; changes are kept until they are taken."""

    __slots__ = ("_asks", "_bids", "book")

    def __init__(self) -> None:
        self.book = OrderBook()
        self._bids: dict[Ticks, Lots] = {}
        self._asks: dict[Ticks, Lots] = {}

    def side(self, *, bids: bool) -> BookSide:
        """Return one side."""
        return self.book.bid_side if bids else self.book.ask_side

    def put(self, ticks: Ticks, lots: Lots, *, bids: bool) -> None:
        """Let `lots` rest at a price, and say so."""
        self.side(bids=bids).set(ticks, lots)
        (self._bids if bids else self._asks)[ticks] = lots

    def cut(self, depth: int, *, bids: bool) -> None:
        """Drop what lies below the first `depth` levels, and say so."""
        side = self.side(bids=bids)
        if len(side) > depth:
            for ticks, _ in side.levels()[depth:]:
                self.put(ticks, 0, bids=bids)

    def changes(self) -> tuple[Levels, Levels]:
        """Return what changed, bids and asks, and begin anew."""
        found = _levels(self._bids), _levels(self._asks)
        self._bids, self._asks = {}, {}
        return found


def _levels(changed: dict[Ticks, Lots]) -> Levels:
    return tuple([BookLevel(ticks, lots) for ticks, lots in changed.items()])
