"""The books of all instruments whose venue tells them by snapshot and change.

A book is served to strategies only while it is known to be the venue's; anything else is no book (runtime 2.4).
"""

from typing import Any

from millrace.core.binary_events import BookLevel, Levels
from millrace.core.book_events import BookEvent, BookSnapshot
from millrace.core.instrument import InstrumentId
from millrace.market.books.order_book import OrderBook


class Books:
    """Books by instrument."""

    def __init__(self) -> None:
        self._live: dict[InstrumentId, OrderBook] = {}

    def observe(self, event: BookEvent) -> None:
        """Take a snapshot or what changed since."""
        if isinstance(event, BookSnapshot):
            book = self._live.setdefault(event.instrument, OrderBook())
            book.replace(event.bids, event.asks)
        else:
            found = self._live.get(event.instrument)
            if found is None:
                return
            book = found
            book.change(event.bids, event.asks)
        book.seq, book.ts_ns, book.venue_ts_ns = event.seq, event.ts_ns, event.venue_ts_ns

    def live(self, instrument: InstrumentId) -> OrderBook | None:
        """Return an instrument's book while it is known to be right."""
        return self._live.get(instrument)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            str(instrument): [book.seq, book.ts_ns, book.venue_ts_ns, book.bids(), book.asks()]
            for instrument, book in self._live.items()
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        for text, (seq, ts_ns, venue_ts_ns, bids, asks) in state.items():
            book = self._live[InstrumentId.parse(text)] = OrderBook()
            book.replace(_levels(bids), _levels(asks))
            book.seq, book.ts_ns, book.venue_ts_ns = seq, ts_ns, venue_ts_ns


def _levels(saved: list[list[int]]) -> Levels:
    return tuple(BookLevel(ticks, lots) for ticks, lots in saved)
