"""The books of all markets whose venue tells them by snapshot and change.

A book is served to strategies only while it is known to be the venue's and the firewall believes its top; anything else
is no book (runtime 2.2, 2.4).
"""

from typing import Any

from millrace.core.book_events import BookCause, BookDelta, BookNews, BookSnapshot, BookState
from millrace.core.commands import ResyncBook
from millrace.core.instrument import InstrumentId, Ticks
from millrace.market.books.order_book import OrderBook
from millrace.market.books.upkeep import KeptBook, VenueBooks


class Books:
    """Books by instrument, and what is counted by venue."""

    def __init__(self) -> None:
        self._books: dict[InstrumentId, KeptBook] = {}
        self._venues: dict[str, VenueBooks] = {}
        self._ticks: dict[InstrumentId, Ticks] = {}

    def know(self, instrument: InstrumentId, tick: Ticks) -> None:
        """Learn an instrument's tick, by which comparisons measure; 1 where it is not known."""
        self._ticks[instrument] = tick

    def observe(self, event: BookSnapshot | BookDelta) -> BookNews | None:
        """Take what a venue says; returns what became of the book when it is not simply the next change."""
        kept = self._books.get(event.instrument) or self.kept(event.instrument)
        return kept.changed(event) if isinstance(event, BookDelta) else kept.came(event)

    def live(self, instrument: InstrumentId) -> OrderBook | None:
        """Return an instrument's book while it may be believed."""
        kept = self._books.get(instrument)
        return None if kept is None else kept.served

    def state_of(self, instrument: InstrumentId) -> BookState:
        """Return what is known of an instrument's book."""
        kept = self._books.get(instrument)
        return BookState.EMPTY if kept is None else kept.state

    def kept(self, instrument: InstrumentId) -> KeptBook:
        """Return an instrument's book with all that is known of it."""
        kept = self._books.get(instrument)
        if kept is None:
            kept = self._books[instrument] = KeptBook(instrument, self.of_venue(instrument.venue))
        return kept

    def of_venue(self, venue: str) -> VenueBooks:
        """Return what is counted of a venue's books."""
        counts = self._venues.get(venue)
        if counts is None:
            counts = self._venues[venue] = VenueBooks()
        return counts

    def all(self) -> tuple[KeptBook, ...]:
        """Return every book, in the order in which they were first heard of."""
        return tuple(self._books.values())

    def counts(self) -> dict[str, VenueBooks]:
        """Return what is counted, by venue."""
        return dict(self._venues)

    def verified_ages_ns(self, venue: str, now_ns: int) -> list[int]:
        """Return how long ago each live book of a venue was last known to be the venue's."""
        live = (one for one in self._books.values() if one.instrument.venue == venue and one.state is BookState.LIVE)
        return [now_ns - one.verified_ns for one in live]

    def resync(self, command: ResyncBook) -> None:
        """Learn that a book is asked for: anew, or to be compared."""
        kept = self.kept(command.instrument)
        if command.only_check:
            kept.check(command.ts_ns, self._ticks.get(command.instrument, 1))
        else:
            kept.resync(command.ts_ns)

    def cut_off(self, venue: str | None, cause: BookCause, ts_ns: int) -> list[BookNews]:
        """Stop believing the books of a venue, None: of all; their connection is a new one."""
        found = [one for one in self._books.values() if venue is None or one.instrument.venue == venue]
        news = [one.cut_off(cause, ts_ns) for one in found]
        return [one for one in news if one is not None]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "books": {str(instrument): kept.snapshot() for instrument, kept in self._books.items()},
            "venues": {venue: counts.snapshot() for venue, counts in self._venues.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        for venue, saved in state["venues"].items():
            self.of_venue(venue).restore(saved)
        for text, saved in state["books"].items():
            self.kept(InstrumentId.parse(text)).restore(saved)
