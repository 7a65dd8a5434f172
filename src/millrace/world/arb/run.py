"""The desk over what was recorded: what `millrace backtest arb` does.

Three kinds of recordings are known. Books with their depth are traded: the desk, the venue and the ledger are those of
any run. Best quotes without sizes, and price snapshots, are looked at only: nobody knows what could have been bought,
so no profit is claimed of them. Of each it is counted what a naive screen would have shown (`arb_survey`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from millrace.config.settings import Settings
from millrace.core.binary_events import BinaryQuote
from millrace.core.clock import Clock
from millrace.core.commands import Alert, Book, Command, Post, RecordFill, Submit
from millrace.core.events import BalanceReport, Event, Started
from millrace.core.failure import OperatorError, WorldError
from millrace.core.fee_terms import FeeSchedule
from millrace.core.instrument import InstrumentId
from millrace.research.arb_data.kalshi_books import RecordedBooks, RecordedRow
from millrace.research.arb_data.top_quotes import is_ladder, is_snapshot, ladder, snapshots
from millrace.research.arb_report import ArbRunReport, Bound, TradingCounts
from millrace.research.arb_survey import Group, Seen, Survey, Surveyor, added
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.sequencer import Sequencer
from millrace.sim.prediction.venue import PredictionVenue
from millrace.strategies.arb.listing import UNKNOWN_FEES
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.telemetry.rows import BASKET, DECISION, OPENED
from millrace.venues.kalshi import fees as kalshi_fees
from millrace.venues.polymarket import fees as polymarket_fees
from millrace.world.arb.bound import BoundDesk, Claims, RuleFiles, read_claims
from millrace.world.arb.desk import DeskMarkets, prediction_venues
from millrace.world.arb.quote_feed import Place, QuoteFeed
from millrace.world.arb.scans import join_here
from millrace.world.assemble import Program, build_executors, build_program, config_event
from millrace.world.feed import no_feed
from millrace.world.line import SimulatedLine
from millrace.world.lines import Lines
from millrace.world.simulation import Simulation

_SECOND_NS = 1_000_000_000
_AFTER_NS = 60 * _SECOND_NS
_SLICES = 200
_DEPTH = 10
_CUP = "win the 2026 FIFA World Cup"
"""The one group of the recorded snapshots whose markets exclude each other."""
Progress = Callable[[float], None]
_UNBOUND = RuleFiles()


class _Run(NamedTuple):
    program: Program
    simulation: Simulation
    venues: tuple[PredictionVenue, ...]


def run_arb(
    settings: Settings, data: Path, clock: Clock, *, bound: RuleFiles = _UNBOUND, progress: Progress = lambda _: None
) -> ArbRunReport:
    """Look at a recording, trade it where its depth is known, and report both; `bound` names the files that bind it.

    Raises OperatorError for a recording or a file that cannot be used, and WorldError when a bug stopped trading.
    """
    began_ns = clock.monotonic_ns()
    claims = read_claims(bound, clock.now_ns())
    held: Bound | None = None
    files = sorted(data.glob("*.parquet")) if data.is_dir() else [data]
    if not files or not all(path.is_file() for path in files):
        raise OperatorError(f"{data}: no recording here; name a folder of books or ladders, or a file of snapshots")
    if any(path.name.endswith(".book.parquet") for path in files):
        kind, (survey, trading, held) = "books with depth", _books(settings, data, claims, progress)
    elif all(is_ladder(path) for path in files):
        fees = kalshi_fees.published(files[0].name.partition("-")[0])
        found = [_surveyed(*ladder(path), fees) for path in files]
        kind, survey, trading = "best quotes without sizes", added(found), None
    elif len(files) == 1 and is_snapshot(files[0]):
        kind, survey, trading = "price snapshots", _surveyed(*snapshots(files[0], _CUP), _sports_fees()), None
    else:
        raise OperatorError(
            f"{data}: holds neither books (*.book.parquet), nor ladders alone, nor one file of snapshots"
        )
    wall_seconds = (clock.monotonic_ns() - began_ns) / _SECOND_NS
    return ArbRunReport(str(data), kind, claims.rules.version, survey, trading, wall_seconds, held)


def _sports_fees() -> FeeSchedule:
    found = polymarket_fees.published("sports")
    assert found is not None  # noqa: S101  the category is in the published table
    return found


def _surveyed(group: Group, rows: Iterable[Seen], fees: FeeSchedule) -> Survey:
    return Surveyor(group, fees).run(rows)


# Books


def _books(settings: Settings, folder: Path, claims: Claims, progress: Progress) -> tuple[Survey, TradingCounts, Bound]:
    """Trade a folder of recorded books, and look at each of its quotes on the way."""
    books = RecordedBooks(folder, kalshi_fees.published, _DEPTH)
    screen = _Screen(books.facts)
    markets = DeskMarkets(
        books.facts,
        claims.rules,
        claims.table,
        lambda after_ns: screen.watched(books.rows(after_ns + 1)),
        claims.decisions,
        claims.mapping.sources[0] if claims.mapping.sources else "",
    )
    run = assemble_desk(settings, markets, books.first_ns)
    desk = run.program.desk
    assert desk is not None  # noqa: S101  its markets are given
    bound = BoundDesk(desk, claims)
    counts = _Counts()
    run.simulation.sequencer.listen(counts.step)
    start_desk(settings, run, books.first_ns - 1)
    span_ns = books.last_ns - books.first_ns
    for part in range(1, _SLICES + 1):
        run.simulation.run_until(books.first_ns + span_ns * part // _SLICES)
        progress(part / _SLICES)
        bound.look()
    run.simulation.run_until(books.last_ns + _AFTER_NS)
    run.simulation.sequencer.close()
    fault = run.program.engine.fault
    if fault is not None:
        raise WorldError(f"the run halted on a bug, {fault!r}; its result means nothing, report it") from fault
    return screen.survey(), counts.report(run), bound.report()


class _Screen:
    """Looks at each recorded quote as a screen would, market by market."""

    def __init__(self, facts: Iterable[MarketFacts]) -> None:
        self._surveyors: dict[InstrumentId, Surveyor] = {}
        for one in facts:
            group = Group(str(one.market), (one.market,), exhaustive=True, sizes=True, quotes=True)
            self._surveyors[one.market] = Surveyor(group, one.fees or UNKNOWN_FEES)

    def watched(self, rows: Iterator[RecordedRow]) -> Iterator[RecordedRow]:
        """Pass rows on, and look at their quotes."""
        for row in rows:
            quote = row.event
            if isinstance(quote, BinaryQuote):
                yes, no = (asks[0] if asks else (None, None) for asks in (quote.yes_asks, quote.no_asks))
                seen = Seen(quote.ts_ns, quote.market, yes[0], no[0], yes[1], no[1])
                self._surveyors[quote.market].see(seen)
            yield row

    def survey(self) -> Survey:
        """Return the counts of all markets together."""
        return added(one.finish() for one in self._surveyors.values() if one.survey.moments)


# The desk alone, in memory


def assemble_desk(settings: Settings, markets: DeskMarkets, from_ns: int) -> _Run:
    """Return a program with the desk alone over these markets and their simulated venues, not started."""
    program = build_program(settings, markets)
    ledger = MemoryLedger()
    venues = tuple(PredictionVenue(chosen) for chosen in prediction_venues(settings, markets))
    lines = {venue.settings.venue: SimulatedLine(venue) for venue in venues}
    executors = build_executors(settings, program, ledger, lines, reconciles=False)
    sequencer = Sequencer(program.engine, executors.carrier, None, sync=False)
    places = {venue.settings.venue: Place(venue, lines[venue.settings.venue]) for venue in venues}
    quotes = QuoteFeed(markets.rows(from_ns - 1), places)
    ways = tuple(lines.values())
    line = ways[0] if len(ways) == 1 else Lines(ways)
    simulation = Simulation(sequencer, executors.carrier, line, no_feed(), quotes=quotes, lazy=True)
    join_here(settings, program, simulation)
    return _Run(program, simulation, venues)


def start_desk(settings: Settings, run: _Run, ts_ns: int) -> None:
    """Tell the program its configuration, its balances, and that it may trade."""
    run.simulation.feed_event(config_event(settings, ts_ns))
    for venue in run.venues:
        run.simulation.feed_event(BalanceReport(venue.settings.venue, venue.balances(), ts_ns))
    run.simulation.feed_event(Started(restart=False, ts_ns=ts_ns))


class _Counts:
    """What the desk decided and booked, as its commands say."""

    def __init__(self) -> None:
        self._reasons: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._restrictions: Counter[str] = Counter()
        self._alerts: Counter[str] = Counter()
        self._opened = self._orders = self._fills = 0
        self._nano = {"detected": 0, "expected": 0, "simulated": 0}

    def step(self, event: Event, commands: list[Command]) -> None:
        """Take in one step of the engine."""
        del event
        for command in commands:
            if isinstance(command, Book):
                self._booked(command)
            elif isinstance(command, Submit):
                self._orders += 1
            elif isinstance(command, RecordFill):
                self._fills += 1
            elif isinstance(command, Post):
                self._restrictions[command.restriction.reason.value] += 1
            elif isinstance(command, Alert):
                self._alerts[command.code] += 1

    def _booked(self, book: Book) -> None:
        values = book.values
        if book.kind == DECISION:
            self._nano["detected"] += _nano(values["detected_nano"])
            if values["verdict"] == OPENED:
                self._opened += 1
                self._nano["expected"] += _nano(values["expected_nano"])
            else:
                self._reasons[str(values["reason"])] += 1
        elif book.kind == BASKET:
            self._outcomes[str(values["outcome"])] += 1
            self._nano["simulated"] += _nano(values["simulated_nano"])

    def report(self, run: _Run) -> TradingCounts:
        """Return the counts, with what the venues hold and owe in the end."""
        cash = {
            f"{venue.settings.venue}:{asset}": (venue.settings.opening[asset], free + hold)
            for venue in run.venues
            for asset, (free, hold) in venue.balances().items()
        }
        return TradingCounts(
            rows=run.simulation.events,
            opened=self._opened,
            rejected=dict(self._reasons.most_common()),
            baskets=dict(self._outcomes.most_common()),
            orders=self._orders,
            fills=self._fills,
            detected_usd=self._nano["detected"] / 1e9,
            expected_usd=self._nano["expected"] / 1e9,
            simulated_usd=self._nano["simulated"] / 1e9,
            cash=cash,
            open_contracts=sum(sum(venue.positions().values()) for venue in run.venues) / 1e6,
            restrictions=dict(self._restrictions.most_common()),
            alerts=dict(self._alerts.most_common()),
        )


def _nano(value: object) -> int:
    return value if isinstance(value, int) else 0
