"""What happens on binary markets on its way into a simulation: to the venue first, then to the program.

The rows come one by one and in time, because each changes what somebody can trade: there is nothing here to pass over
in bulk. A row may be for one of the two alone. What only the venue sees is a stretch in which our feed is old; what
only the program sees never happened (arb 17).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from millrace.core.binary_events import BinaryQuote, MarketResolved, StreamBeat, StreamReset
from millrace.core.instrument import InstrumentId, Ticks
from millrace.sim.venue import Delivery
from millrace.world.line import NEVER_NS

RowEvent = BinaryQuote | StreamBeat | StreamReset | MarketResolved


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
    """The rows of all binary markets, and the simulated venues that see them, by name."""

    def __init__(self, rows: Iterator[Row], places: Mapping[str, Place]) -> None:
        self.rows = 0
        self._places = places
        self._rows = rows
        self._next = next(rows, None)

    @property
    def next_ns(self) -> int:
        """Time of the next row; NEVER_NS when there is none."""
        return NEVER_NS if self._next is None else self._next.event.ts_ns

    def take(self) -> RowEvent | None:
        """Show the next row to its venue; returns it for the program, None when the program does not see it."""
        row = self._next
        assert row is not None  # noqa: S101  callers take a row that `next_ns` showed
        self._next = next(self._rows, None)
        self.rows += 1
        event = row.event
        if row.to_venue:
            if isinstance(event, BinaryQuote):
                place = self._places[event.market.venue]
                place.line.answer(place.venue.on_book(event))
            elif isinstance(event, MarketResolved):
                place = self._places[event.market.venue]
                place.line.answer(place.venue.resolve(event.market, event.yes_ticks, event.ts_ns))
        return event if row.to_program else None
