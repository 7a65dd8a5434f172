"""Books and trades of the quote desk's venue on their way: the venue sees a row when it happens, the program later.

What the venue does to our orders therefore comes from the market as it is, while the desk prices from the market as it
was: that gap is most of what a maker loses to those who are faster. A book that the core does not believe any more is
asked for (`ResyncBook`): the question travels to the venue, and the answer is the venue's book of that moment, told
after the same delay as everything else (runtime 2.4).
"""

import heapq
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from msgspec.structs import replace

from millrace.core.binary_events import StreamReset
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.commands import Command, ResyncBook
from millrace.core.events import Event, Print
from millrace.core.instrument import InstrumentId
from millrace.sim.depth.settings import FeedDelay
from millrace.sim.venue import Delivery
from millrace.sim.venue_clock import TRUE_CLOCK, VenueClock
from millrace.world.line import NEVER_NS

Row = BookSnapshot | BookDelta | Print
"""What happens at the venue, at its time."""
Told = Row | StreamReset
"""What the program is told: a row, or that the stream was connected anew."""
Fate = Callable[[Row], tuple[Told, ...]]
"""What reaches the program of a row or an answer: itself, nothing, more than one, or another one (fault worlds)."""
_ASKED: Final = 0
_TOLD: Final = 1


class DepthVenueHere(Protocol):
    """A venue that trades against books and trades that it is shown."""

    def on_book(self, event: BookSnapshot | BookDelta) -> list[Delivery]:
        """Take what changed in a book, and return what it does to our orders."""
        ...

    def on_trade(self, event: Print) -> list[Delivery]:
        """Take a trade, and return what of ours it filled."""
        ...

    def book_now(self, instrument: InstrumentId, ts_ns: int, *, polled: bool = False) -> BookSnapshot:
        """Return the book as it is, as the answer to a question."""
        ...


class Answering(Protocol):
    """The way back from a venue, and the clock that its messages are stamped by."""

    clock: VenueClock

    def answer(self, deliveries: list[Delivery]) -> None:
        """Put news that nobody asked for on its way."""
        ...


def whole(row: Row) -> tuple[Told, ...]:
    """Let a row arrive as it is."""
    return (row,)


class BookFeed:
    """The rows of one venue, the venue itself, and what is on its way to the program; `rows` counts what was shown.

    Rows come in the order of their times. `delay` lies between a change at the venue and our hearing of it, and its
    least also between our question about a book and its arrival there.
    """

    def __init__(
        self, rows: Iterator[Row], venue: DepthVenueHere, line: Answering, delay: FeedDelay, fate: Fate = whole
    ) -> None:
        self.rows = 0
        self.resyncs = 0
        self._rows = rows
        self._venue = venue
        self._line = line
        self._delay = delay
        self._fate = fate
        self._under_way: list[tuple[int, int, int, Told | ResyncBook]] = []
        self._shown: dict[InstrumentId, None] = {}
        self._count = 0
        self._next = next(rows, None)

    @property
    def next_ns(self) -> int:
        """When something happens next at the venue, or reaches us; NEVER_NS when nothing does any more."""
        row_ns = NEVER_NS if self._next is None else self._next.ts_ns
        return min(row_ns, self._under_way[0][0]) if self._under_way else row_ns

    def hear(self, event: Event, commands: list[Command]) -> None:
        """Send the questions about books that a step asked."""
        del event
        for command in commands:
            if isinstance(command, ResyncBook):
                self.resyncs += 1
                self._push(command.ts_ns + self._delay.base_ns, _ASKED, command)

    def take(self) -> Told | None:
        """Let the next thing happen; returns what the program is shown, None where it happened at the venue alone.

        At equal times what is on its way comes before what happens, so that nobody hears of a change at its own moment.
        """
        row = self._next
        if self._under_way and (row is None or self._under_way[0][0] <= row.ts_ns):
            ts_ns, _, kind, found = heapq.heappop(self._under_way)
            if kind == _ASKED:
                assert isinstance(found, ResyncBook)  # noqa: S101  pushed as such
                answer = self._venue.book_now(found.instrument, ts_ns, polled=found.only_check)
                self._meets_fate(replace(answer, requested_ns=found.ts_ns))
                return None
            assert not isinstance(found, ResyncBook)  # noqa: S101  pushed as such
            self.rows += 1
            return found
        assert row is not None  # noqa: S101  callers take a row that `next_ns` showed
        self._next = next(self._rows, None)
        filled = self._venue.on_trade(row) if isinstance(row, Print) else self._venue.on_book(row)
        self._line.answer(filled)
        self._shown[row.instrument] = None
        self._meets_fate(row)
        return None

    def _meets_fate(self, row: Row) -> None:
        """Tell what becomes of a row on its way; a stream that is connected anew begins with every book."""
        for told in self._fate(row):
            self._tell(told)
            if isinstance(told, StreamReset):
                for instrument in self._shown:
                    self._tell(self._venue.book_now(instrument, row.ts_ns))

    def _tell(self, row: Told) -> None:
        ts_ns = self._delay.heard_ns(row.ts_ns)
        told, clock = replace(row, ts_ns=ts_ns), self._line.clock
        if clock is not TRUE_CLOCK and isinstance(told, BookSnapshot | BookDelta) and told.venue_ts_ns:
            told = replace(told, venue_ts_ns=clock.shows(told.venue_ts_ns))
        self._push(ts_ns, _TOLD, told)

    def _push(self, ts_ns: int, kind: int, found: Told | ResyncBook) -> None:
        self._count += 1
        heapq.heappush(self._under_way, (ts_ns, self._count, kind, found))
