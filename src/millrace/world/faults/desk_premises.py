"""Simulated premises with prediction venues: the desk's venues, books and lines outlive the program and go on alone.

While nobody runs, books move, requests in flight arrive, and markets end and pay. Whatever of it was told to a dead
program is lost, so that the next start has to ask for it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, takewhile

from millrace.core.commands import Approved, Command
from millrace.sim.faults import Faults
from millrace.sim.prediction.settings import PredictionSettings
from millrace.sim.prediction.venue import PredictionVenue
from millrace.world.arb.desk import DeskMarkets
from millrace.world.arb.quote_feed import Place, QuoteFeed, Row
from millrace.world.assemble import Program
from millrace.world.faults.fault_premises import MortalLine, MortalPremises, Nothing
from millrace.world.premises import MarketConnection
from millrace.world.simulation import Simulation


class DeskPremises(MortalPremises):
    """Implements `world.premises.Premises` for a desk alone; its markets are quoted up to `end_ns` and then no more."""

    def __init__(
        self,
        venues: Mapping[str, PredictionVenue],
        faults: Mapping[str, Faults],
        markets: DeskMarkets,
        now_ns: int,
        end_ns: int,
        on_commit: Callable[[list[Command]], None],
        on_send: Callable[[Approved, int], None],
        on_start: Callable[[Program, Simulation], None],
    ) -> None:
        super().__init__(now_ns, on_commit, on_start)
        self._by_venue = {
            name: MortalLine(venue, faults[name], self.plug, on_send) for name, venue in sorted(venues.items())
        }
        self.lines = tuple(self._by_venue.values())
        self._venues = venues
        self._markets = markets
        self._rows = list(takewhile(lambda row: row.event.ts_ns <= end_ns, markets.rows(now_ns)))

    def connect_markets(self, settings: PredictionSettings) -> MarketConnection:
        """Reach a venue."""
        line = self._by_venue[settings.venue]
        line.connect()
        return MarketConnection(line, Nothing(), (), self._venues[settings.venue])

    def quotes(self, markets: DeskMarkets, after_ns: int) -> Iterator[Row]:
        """Return the rows after this time, up to the end: closed markets let everything come to rest."""
        del markets  # they were made once, for every life of the world
        return islice(self._rows, bisect_right(self._rows, after_ns, key=lambda row: row.event.ts_ns), None)

    def pass_time(self, until_ns: int) -> None:
        """Let venues and network go on without a program up to and including `until_ns`."""
        places = {name: Place(self._venues[name], line) for name, line in self._by_venue.items()}
        after_ns = max(self.first_ns, *(venue.now_ns for venue in self._venues.values()))
        feed = QuoteFeed(self.quotes(self._markets, after_ns), places)
        while True:
            line = min(self.lines, key=lambda one: one.next_ns)
            arrival_ns, row_ns = line.next_ns, feed.next_ns
            if row_ns <= min(arrival_ns, until_ns):
                feed.take()
            elif arrival_ns <= until_ns:
                ts_ns, kind, payload = line.pop()
                line.arrive(kind, payload, ts_ns)
            else:
                break
        super().pass_time(until_ns)
