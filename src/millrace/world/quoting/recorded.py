"""The quote desk over recorded books and trades: what `millrace backtest quoting` does.

The program, its ledger and the simulated venue are those of any run; only the market was recorded. Each file is a run
of its own with a fresh desk. The recorder's receive time stands for the venue's, and the program hears of a row later
still, by the feed's delay: what is modest about that is meant to be.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from msgspec import structs

from millrace.config.settings import Settings
from millrace.core.clock import Clock
from millrace.core.commands import AmendOrder, CancelOrder, Command, ResyncBook, Submit
from millrace.core.events import BalanceReport, Event, Print, Started
from millrace.core.failure import OperatorError, WorldError
from millrace.core.instrument import PPM, Instrument
from millrace.research.quoting_profit import PartOfProfit, ProfitRow, profit_parts, profit_row
from millrace.research.quoting_report import QuotingRunReport, RecordedRun
from millrace.research.verified_rows import Verified
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.sequencer import Sequencer
from millrace.sim.depth.settings import FeedDelay
from millrace.sim.depth.venue import DepthVenue
from millrace.strategies.quoting.quoted import QuotedSymbol
from millrace.world.assemble import Program, build_executors, build_program, config_event
from millrace.world.feed import no_feed
from millrace.world.line import SimulatedLine
from millrace.world.quoting.book_feed import BookFeed, Row
from millrace.world.quoting.desk import QuoteMarkets, depth_venue
from millrace.world.quoting.recordings import Recording, open_recording
from millrace.world.simulation import Simulation

HORIZONS_MS: Final = (1_000, 5_000, 30_000)
_MS: Final = 1_000_000
_SECOND_NS: Final = 1_000_000_000
_PERIODS: Final = 288
_LEAST_PERIOD_NS: Final = 5 * _SECOND_NS
_BLOCK: Final = 6
_PPM_PER_BPS: Final = 100
_MOST_FEE_BPS: Final = 100
_AFTER_NS: Final = 2 * _SECOND_NS
Progress = Callable[[float], None]


class Fees(NamedTuple):
    """What the account pays, in bps; None: what the venue asked of an ordinary account."""

    maker_bps: float | None = None
    taker_bps: float | None = None

    def of(self, facts: Instrument) -> Instrument:
        """Return an instrument with these fees; raises OperatorError for one that is no fee."""
        for name, bps in (("--maker-fee-bps", self.maker_bps), ("--taker-fee-bps", self.taker_bps)):
            if bps is not None and not -_MOST_FEE_BPS <= bps <= _MOST_FEE_BPS:
                raise OperatorError(f"{name} {bps:g} is not between -{_MOST_FEE_BPS} (a rebate) and {_MOST_FEE_BPS}")
        maker = facts.maker_fee_ppm if self.maker_bps is None else round(self.maker_bps * _PPM_PER_BPS)
        taker = facts.taker_fee_ppm if self.taker_bps is None else round(self.taker_bps * _PPM_PER_BPS)
        return structs.replace(facts, maker_fee_ppm=maker, taker_fee_ppm=taker)


VENUES_FEES: Final = Fees()


def run_quoting(
    settings: Sequence[Settings],
    files: Sequence[Path],
    clock: Clock,
    *,
    fees: Fees = VENUES_FEES,
    progress: Progress = lambda _: None,
) -> QuotingRunReport:
    """Quote each recording under each of the settings, and report what came of it.

    Raises OperatorError for a file that cannot be used, and WorldError when a bug stopped trading.
    """
    began_ns = clock.monotonic_ns()
    recordings = [open_recording(path) for path in files]
    jobs = [(recording, chosen) for recording in recordings for chosen in settings]
    runs = []
    for number, (recording, chosen) in enumerate(jobs):
        share = _Share(progress, number / len(jobs), 1 / len(jobs))
        runs.append(RecordedDesk(chosen, recording, fees).report(share))
    return QuotingRunReport(tuple(runs), (clock.monotonic_ns() - began_ns) / _SECOND_NS)


class _Share(NamedTuple):
    """One run's part of the progress of all."""

    progress: Progress
    before: float
    width: float

    def done(self, part: float) -> None:
        """Say how far this run is."""
        self.progress(self.before + self.width * part)


_NOBODY = _Share(lambda _: None, 0.0, 1.0)


class RecordedDesk:
    """The desk over one recording under one set of settings; `report` lets it happen."""

    def __init__(self, settings: Settings, recording: Recording, fees: Fees) -> None:
        self.settings, self.recording = settings, recording
        self.facts = fees.of(recording.instrument)
        self.verified = Verified(recording.rows())
        rows = iter(self.verified)
        first = next(rows, None)
        if first is None:
            raise OperatorError(f"{recording.path}: none of its books is whole; is the recording damaged?")
        last = recording.clock.corrected(recording.clock.last_ns)
        self.first_ns, self.last_ns = first.ts_ns, last
        ticks = first.bids[0].ticks if not isinstance(first, Print) and first.bids else 0
        markets = QuoteMarkets((self.facts,), {str(self.facts.id): ticks}, lambda _: _after(first, rows))
        self.program: Program = build_program(settings, quoted=markets)
        rules = depth_venue(settings, markets)
        assert rules is not None  # noqa: S101  its markets are given
        venue = self.venue = DepthVenue(rules)
        line = SimulatedLine(venue)
        executors = build_executors(settings, self.program, MemoryLedger(), {rules.venue: line}, reconciles=False)
        sequencer = Sequencer(self.program.engine, executors.carrier, None, sync=False)
        # What made one row later than another was recorded with them.
        delay = FeedDelay(settings.run.seed, settings.quote_desk.feed_delay_ms * _MS)
        feed = BookFeed(markets.rows(0), venue, line, delay)
        self.feed = feed
        self.simulation = Simulation(sequencer, executors.carrier, line, no_feed(), books=feed, lazy=True)
        self.commands: Counter[str] = Counter()
        self.most_held = 0
        sequencer.listen(self._count)
        begin_ns = self.first_ns - 1
        self.simulation.feed_event(config_event(settings, begin_ns))
        self.simulation.feed_event(BalanceReport(rules.venue, venue.balances(), begin_ns))
        self.simulation.feed_event(Started(restart=False, ts_ns=begin_ns))

    @property
    def symbol(self) -> QuotedSymbol:
        """What the desk quotes."""
        desk = self.program.quotes
        assert desk is not None  # noqa: S101  its markets are given
        return next(iter(desk.symbols.values()))

    def _count(self, event: Event, commands: list[Command]) -> None:
        del event
        for command in commands:
            if not isinstance(command, ResyncBook) or not command.only_check:
                self.commands[type(command).__name__] += 1
        if commands:
            self.most_held = max(self.most_held, abs(self.program.engine.position(self.symbol.position)))

    def report(self, share: _Share = _NOBODY) -> RecordedRun:
        """Let it happen, and return what it came to."""
        period_ns = max((self.last_ns - self.first_ns) // _PERIODS, _LEAST_PERIOD_NS)
        accounts: dict[int, list[ProfitRow]] = {horizon: [] for horizon in HORIZONS_MS}
        at_ns = self.first_ns
        self._note(accounts, at_ns)
        while at_ns < self.last_ns:
            at_ns = min(at_ns + period_ns, self.last_ns)
            self.simulation.run_until(at_ns)
            self._note(accounts, at_ns)
            share.done((at_ns - self.first_ns) / max(self.last_ns - self.first_ns, 1))
        self.simulation.run_until(self.last_ns + _AFTER_NS)
        self._note(accounts, self.last_ns + _AFTER_NS)
        fault = self.program.engine.fault
        if fault is not None:
            raise WorldError(f"the run halted on a bug, {fault!r}; its result means nothing, report it") from fault
        parts = {str(horizon): self._parts(rows) for horizon, rows in accounts.items() if self.symbol.tally.fills}
        return self._told(parts, accounts[HORIZONS_MS[0]][-1].traded)

    def _note(self, accounts: dict[int, list[ProfitRow]], at_ns: int) -> None:
        for horizon, rows in accounts.items():
            rows.append(profit_row(self.symbol.reducer, at_ns // _MS, horizon))

    def _parts(self, rows: list[ProfitRow]) -> list[PartOfProfit]:
        return profit_parts([rows], _BLOCK, self.settings.run.seed)

    def _told(self, parts: dict[str, list[PartOfProfit]], turnover: float) -> RecordedRun:
        symbol, facts, clock = self.symbol, self.facts, self.recording.clock
        tally = symbol.tally
        shifts = clock.shifts_ns
        return RecordedRun(
            data=self.recording.path.name,
            instrument=str(facts.id),
            profile=self.settings.quote_desk.profile,
            seconds=(self.last_ns - self.first_ns) / _SECOND_NS,
            rows=self.feed.rows,
            gaps=self.verified.gaps,
            dark_seconds=self.verified.dark_ns / _SECOND_NS,
            clock_shift_ms=(min(shifts) / _MS, max(shifts) / _MS),
            latency_ms=(clock.median_ns / _MS, clock.p95_ns / _MS),
            assumptions=self._assumptions(),
            placed=self.commands[Submit.__name__],
            amended=self.commands[AmendOrder.__name__],
            cancelled=self.commands[CancelOrder.__name__],
            fills=tally.fills,
            takers=tally.takers,
            turnover=turnover,
            position=facts.volume(self.program.engine.position(symbol.position)),
            most_held=facts.volume(self.most_held),
            ticks=dict(tally.ticks),
            faults=dict(tally.faults),
            refusals=dict(tally.refusals),
            guard_reasons=dict(tally.guard_reasons),
            resyncs=self.commands[ResyncBook.__name__],
            parts=parts,
        )

    def _assumptions(self) -> dict[str, str]:
        chosen, facts = self.settings.quote_desk, self.facts
        bps = PPM // 10_000
        return {
            "maker fee": f"{facts.maker_fee_ppm / bps:g} bps",
            "taker fee": f"{facts.taker_fee_ppm / bps:g} bps",
            "queue": chosen.queue,
            "feed delay": f"{chosen.feed_delay_ms} ms",
            "request": f"{chosen.request_latency_ms} to {chosen.request_latency_ms + chosen.latency_jitter_ms} ms",
            "answer": f"{chosen.response_latency_ms} ms",
            "order": f"{self.settings.quoting.emit.base_size_usd:g} {facts.quote}",
            "market": "does not react to our orders",
        }


def _after(first: Row, rows: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rows
