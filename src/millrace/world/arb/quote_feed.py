"""What happens on binary markets on its way into a simulation: to the venue first, then to the program.

The rows come one by one and in time, because each changes what somebody can trade: there is nothing here to pass over
in bulk. A row may be for one of the two alone. What only the venue sees is a stretch in which our feed is old; what
only the program sees never happened (arb 17).

Where the firewall believes no stream any more, the venue is asked for the book, as a program does that polls (runtime
2.2): its answer is the book as the venue last had it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, Protocol

from msgspec.structs import replace

from millrace.core.binary_events import BinaryQuote, MarketResolved, QuoteSource, StreamBeat, StreamReset
from millrace.core.events import Print
from millrace.core.instrument import InstrumentId, Ticks
from millrace.sim.venue import Delivery
from millrace.world.line import NEVER_NS

_POLL_EVERY_NS: Final = 5_000_000_000
"""Least time between two questions for one market's book (runtime 2.4)."""
Unsettled = Callable[[], tuple[InstrumentId, ...]]
RowEvent = BinaryQuote | Print | StreamBeat | StreamReset | MarketResolved


class Row(Protocol):
    """Something that happens on a market, and who gets to see it."""

    @property
    def event(self) -> RowEvent:
        """What happens, at its time."""
        ...

    @property
    def to_venue(self) -> bool:
        """Whether it happened at the venue."""
        ...

    @property
    def to_program(self) -> bool:
        """Whether the program is shown it."""
        ...


class BookVenue(Protocol):
    """A venue that trades against books that it is shown."""

    def on_book(self, quote: BinaryQuote) -> list[Delivery]:
        """Take a market's book, and return what it fills."""
        ...

    def on_trade(self, trade: Print) -> list[Delivery]:
        """Take a trade of others, and return what it fills."""
        ...

    def resolve(self, market: InstrumentId, yes_ticks: Ticks | None, ts_ns: int) -> list[Delivery]:
        """End a market, and return what is paid."""
        ...


class Answering(Protocol):
    """The way back from a venue."""

    def answer(self, deliveries: list[Delivery]) -> None:
        """Put news that nobody asked for on its way."""
        ...


class Place(NamedTuple):
    """A venue and the way back from it."""

    venue: BookVenue
    line: Answering


class QuoteFeed:
    """The rows of all binary markets, and the simulated venues that see them by name; `polls` are books asked for."""

    def __init__(self, rows: Iterator[Row], places: Mapping[str, Place]) -> None:
        self.rows = 0
        self.polls = 0
        self._places = places
        self._rows = rows
        self._unsettled: Unsettled = tuple
        self._books: dict[InstrumentId, BinaryQuote] = {}
        self._polled_ns: dict[InstrumentId, int] = {}
        self._answers: deque[BinaryQuote] = deque()
        self._next = next(rows, None)

    def poll_for(self, unsettled: Unsettled) -> None:
        """Ask the venues for the books of these markets while their streams live, each every five seconds at most."""
        self._unsettled = unsettled

    def _poll(self, venue: str, ts_ns: int) -> None:
        for market in self._unsettled():
            book = self._books.get(market)
            if market.venue == venue and book is not None and ts_ns - self._polled_ns.get(market, 0) >= _POLL_EVERY_NS:
                self._polled_ns[market] = ts_ns
                self.polls += 1
                self._answers.append(replace(book, source=QuoteSource.POLL, ts_ns=ts_ns, venue_ts_ns=ts_ns))

    @property
    def next_ns(self) -> int:
        """Time of the next row; NEVER_NS when there is none."""
        if self._answers:
            return self._answers[0].ts_ns
        return NEVER_NS if self._next is None else self._next.event.ts_ns

    def take(self) -> RowEvent | None:
        """Show the next row to its venue; returns it for the program, None when the program does not see it."""
        if self._answers:
            return self._answers.popleft()
        row = self._next
        assert row is not None  # noqa: S101  callers take a row that `next_ns` showed
        self._next = next(self._rows, None)
        self.rows += 1
        event = row.event
        if row.to_venue:
            if isinstance(event, BinaryQuote):
                self._books[event.market] = event
                place = self._places[event.market.venue]
                place.line.answer(place.venue.on_book(event))
            elif isinstance(event, Print):
                place = self._places[event.instrument.venue]
                place.line.answer(place.venue.on_trade(event))
            elif isinstance(event, MarketResolved):
                place = self._places[event.market.venue]
                place.line.answer(place.venue.resolve(event.market, event.yes_ticks, event.ts_ns))
        if isinstance(event, StreamBeat) and row.to_program:
            self._poll(event.venue, event.ts_ns)
        return event if row.to_program else None
