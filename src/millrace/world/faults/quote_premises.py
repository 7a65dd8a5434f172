"""Simulated premises with a venue of order books: books, queues and the line outlive the program and go on alone.

While nobody runs, the market moves, our resting orders fill and requests in flight arrive; whatever of it was told to a
dead program is lost. Messages of books meet faults of their own on their way to the program, never on their way to the
venue.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import chain, takewhile

from millrace.core.commands import Approved, Command
from millrace.sim.depth.settings import DepthVenueSettings, FeedDelay
from millrace.sim.depth.venue import DepthVenue
from millrace.sim.faults import Faults
from millrace.world.assemble import Program
from millrace.world.faults.fault_premises import MortalLine, MortalPremises, Nothing
from millrace.world.premises import DepthConnection
from millrace.world.quoting.book_feed import BookFeed, Fate, Row
from millrace.world.quoting.desk import QuoteMarkets
from millrace.world.simulation import Simulation

_UNHEARD = FeedDelay(0, 0)


class QuotePremises(MortalPremises):
    """Implements `world.premises.Premises` for a quote desk alone; its markets move up to `end_ns` and then no more."""

    def __init__(
        self,
        venue: DepthVenue,
        faults: Faults,
        fate: Fate,
        markets: QuoteMarkets,
        now_ns: int,
        end_ns: int,
        on_commit: Callable[[list[Command]], None],
        on_send: Callable[[Approved, int], None],
        on_start: Callable[[Program, Simulation], None],
    ) -> None:
        super().__init__(now_ns, on_commit, on_start)
        self.line = MortalLine(venue, faults, self.plug, on_send)
        self.lines = (self.line,)
        self._fate = fate
        self._venue = venue
        self._rows = list(takewhile(lambda row: row.ts_ns <= end_ns, markets.rows(now_ns + 1)))

    def connect_books(self, settings: DepthVenueSettings) -> DepthConnection:
        """Reach the venue."""
        del settings  # there is one
        self.line.connect()
        return DepthConnection(self.line, Nothing(), (), self._venue, self._fate)

    def book_rows(self, markets: QuoteMarkets, after_ns: int) -> Iterator[Row]:
        """Return the rows after this time, up to the end; to a program that starts late each book is shown first."""
        del markets  # they were made once, for every life of the world
        first = bisect_right(self._rows, after_ns, key=lambda row: row.ts_ns)
        known = {row.instrument for row in self._rows[:first]}
        books = [self._venue.book_now(instrument, after_ns) for instrument in sorted(known)]
        return chain(books, iter(self._rows[first:]))

    def pass_time(self, until_ns: int) -> None:
        """Let venue and network go on without a program up to and including `until_ns`."""
        first = bisect_right(self._rows, max(self.first_ns, self._venue.now_ns), key=lambda row: row.ts_ns)
        feed = BookFeed(iter(self._rows[first:]), self._venue, self.line, _UNHEARD, lambda _: ())
        while True:
            row_ns, arrival_ns = feed.next_ns, self.line.next_ns
            if row_ns <= min(arrival_ns, until_ns):
                feed.take()
            elif arrival_ns <= until_ns:
                ts_ns, kind, payload = self.line.pop()
                self.line.arrive(kind, payload, ts_ns)
            else:
                break
        super().pass_time(until_ns)
