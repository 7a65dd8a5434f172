"""A run on disk: journal, ledger, snapshots and the simulated venue's own log in one folder.

`Run` is the only way in, for the first start and for every restart, so recovery cannot be forgotten. The venue's log is
the venue's, not ours: it survives the program as a real exchange would, and the program learns from it only what it
could have asked.
"""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from msgspec import structs

from millrace.config.settings import Settings
from millrace.core.clock import Clock
from millrace.core.events import Scalar
from millrace.core.failure import WorldError
from millrace.core.halts import STORAGE_ID, UNKNOWN_ID
from millrace.core.ids import SubPosition
from millrace.core.instrument import whole_account
from millrace.core.journal_format import RecordKind
from millrace.core.kill import KillOrder
from millrace.core.ledger import LedgerStore
from millrace.core.trouble_events import StorageRecovered
from millrace.shell.batching import BatchTally
from millrace.shell.code_version import code_version
from millrace.shell.journal import Journal, has_segments
from millrace.shell.kill_file import KillWatch
from millrace.shell.manifest import Manifest, RunStart, read_manifest, with_start, with_startup, write_manifest
from millrace.shell.sequencer import Sequencer
from millrace.shell.snapshots import Snapshots
from millrace.shell.tick_times import TickTimes
from millrace.sim.venue import SimVenue
from millrace.strategies.quoting.strategy import QuoteDesk
from millrace.strategies.slots.schedule import bootstrap_backlog
from millrace.strategies.slots.telemetry.vintage import StartupTimings, backlog_eta_sec
from millrace.world.afterwards.gates_run import GateWatch
from millrace.world.arb.desk import DESK, desk_markets, prediction_venues
from millrace.world.arb.quote_feed import Place, QuoteFeed
from millrace.world.arb.scans import join_scans
from millrace.world.assemble import (
    Program,
    build_executors,
    build_measures,
    config_event,
    follow_settings,
    manifest,
    venue_settings,
)
from millrace.world.book_telemetry import watch_books
from millrace.world.feed import Feed, no_feed
from millrace.world.folder.handover import waiting_handover
from millrace.world.folder.journaled_program import (
    JournaledProgram,
    changed_keys,
    check_change,
    kept_in_flight,
    settings_of,
)
from millrace.world.folder.recovery import Restored, check_agreement, restore_core
from millrace.world.folder.start_rule import StartRule, Strangers
from millrace.world.folder.startup import StartWatch
from millrace.world.lines import Lines
from millrace.world.premises import DepthConnection, Premises, Way
from millrace.world.quoting.book_feed import BookFeed
from millrace.world.quoting.desk import QUOTES, depth_venue, feed_delay, quote_markets
from millrace.world.quoting.metrics import QuoteMetrics
from millrace.world.simulation import Simulation
from millrace.world.telemetry import Telemetry

_SNAPSHOT_EVENTS = 5_000
_SNAPSHOT_NS = 300 * 1_000_000_000
_SECOND_NS = 1_000_000_000
_RECOVERY_NS = 30 * _SECOND_NS
_LOOK_NS = 50_000_000
_LEGS = 2
_LEAST_SLOTS_PER_LOOP = 2
_TICKS_KEPT = 4_096
"""Newest ticks whose exact percentiles the ramp's gates read."""


class Run:
    """An open run; feed it time through `simulation` and call `keep` between whiles.

    Raises WorldError when the premises cannot be continued, and OperatorError when they are of another run; nothing is
    left open then. Settings may be others than before: they hold from this start on, and the journal says so. `kills`
    stand from the start, before the first order. `rule` is what a person said of this start, `note` what was done to
    the files for it (`start_rule.prepare`); the journal keeps both.
    """

    def __init__(
        self,
        premises: Premises,
        settings: Settings,
        kills: tuple[KillOrder, ...] = (),
        rule: StartRule = StartRule.CONTINUE,
        note: str = "",
    ) -> None:
        self.folder = premises.folder
        self.settings = settings
        self.startup = StartupTimings()
        self.restart = False
        self.notices: tuple[str, ...] = ()
        self._clock = premises.clock
        self._disk = premises.disk
        self._kills = KillWatch(premises.kill_file, kills)
        self._rule = rule
        self._note = note
        with ExitStack() as opened:
            self._start = StartWatch(self._clock)
            self._began = False
            restored = self._restore(opened, premises)
            self._assemble(opened, restored, premises)
            premises.assembled(self.program, self.simulation)
            self._begin(restored)
            self._opened = opened.pop_all()

    def _restore(self, opened: ExitStack, premises: Premises) -> Restored:
        folder, disk = premises.folder, premises.disk
        opened.callback(premises.occupy().close)
        before = check_premises(premises, self.settings)
        has_journal = before is not None
        if not has_journal:
            write_manifest(folder, manifest(self.settings), disk)
        self.ledger = premises.ledger(create=not has_journal)
        opened.callback(self.ledger.close)
        if not has_journal and not _is_empty(self.ledger):
            raise WorldError(_missing(folder, "journal", "ledger"))
        self.snapshots = Snapshots(folder, disk)
        self.journal = Journal(folder, disk)
        opened.callback(self.journal.close)
        core = JournaledProgram(self.settings if before is None else settings_of(before.config))
        restored = restore_core(core, folder, disk, self.journal, self.snapshots, self.ledger)
        engine = core.program.engine
        kept = kept_in_flight(self.settings, engine.config, engine.overruled)
        self.settings, self._overruled = kept.settings, kept.overruled
        self._changed = changed_keys(engine.config, self.settings) if restored.seq else ()
        self._has_news = bool(self._changed) or kept.overruled != engine.overruled
        self._kept = kept.said
        core.become(self.settings)
        self.program: Program = core.program
        self._core = core
        self.restart = restored.seq > 0
        if self._rule is not StartRule.CONTINUE:
            self.journal.append_record(RecordKind.NOTE, f"start: {self._rule.value}; {self._note}".encode())
        self._said_before = self._write_start(premises, restored.seq)
        return restored

    def _write_start(self, premises: Premises, seq: int) -> bool:
        """Add this start to the manifest; tell whether a person explained an earlier one."""
        before = read_manifest(premises.folder, premises.disk) or manifest(self.settings)
        how = self._rule.value if seq or self._rule is not StartRule.CONTINUE else "begun"
        start = RunStart(seq, self._clock.now_ns(), code_version(), self.settings.digest, how)
        with suppress(WorldError):  # a full disk stops trading elsewhere; the list of starts is for people
            write_manifest(premises.folder, with_start(before, start), premises.disk)
        return any(earlier.how in {StartRule.ADOPT, StartRule.FIRST_START} for earlier in before.starts)

    def _assemble(self, opened: ExitStack, restored: Restored, premises: Premises) -> None:
        program, settings = self.program, self.settings
        ways, notices = self._connect(opened, premises)
        disk, folder = premises.disk, premises.folder
        self.measures = build_measures(program, self.ledger, lambda: disk.free_bytes(folder))
        self.telemetry = telemetry = Telemetry(program.venues, lambda: self.simulation.now_ns, program.latency)
        self.measures.latency = telemetry.latency
        telemetry.metrics.family("millrace_clock_skew_seconds", self.measures.skew_rows)
        if program.quotes is not None:
            self._time_ticks(program.quotes, telemetry)
        self.executors = executors = build_executors(
            settings,
            program,
            self.measures.ledger,
            ways,
            kill_file=premises.kill_file,
            probe=telemetry.probe,
            watch=telemetry.latency,
        )
        sequencer = Sequencer(program.engine, executors.carrier, self.journal, first_seq=restored.seq + 1)
        opened.callback(sequencer.close)
        telemetry.watch(sequencer, executors.by_venue, program.firewall)
        watch_books(telemetry.metrics, program.book_guard, lambda: self.simulation.now_ns)
        self._gates = GateWatch(self.ledger, self._starts)
        sequencer.listen(self._gates.listen)
        now_ns = max(premises.first_ns, program.engine.now_ns, *(way.now_ns for way in ways.values()))
        lines = tuple(ways.values())
        self.simulation = Simulation(
            sequencer,
            executors.carrier,
            lines[0] if len(lines) == 1 else Lines(lines),
            no_feed() if program.slots is None else Feed(program.instrument.id, premises.market(now_ns), self.venue),
            quotes=self._quotes(premises, now_ns),
            books=self._books(premises, now_ns),
            measures=self.measures,
            lazy=False,
            poll_ns=0 if program.slots is None else round(settings.slots.poll_interval_sec * _SECOND_NS),
        )
        self.simulation.now_ns = now_ns
        self.scans = join_scans(settings, program, self.simulation, self._clock, telemetry.metrics)
        if self.scans is not None:
            opened.callback(self.scans.close)
        told = (self._note,) if self._note else ()
        if self._changed:
            told = (*told, f"other settings than before: {', '.join(self._changed)}")
        self.notices = (*told, *self._kept, *restored.notices, *self.journal.notices, *notices)

    def _time_ticks(self, desk: QuoteDesk, telemetry: Telemetry) -> None:
        """Have the desk's stages timed, by real time, and what it counts shown with the rest."""
        trace = self.settings.quoting.trace
        rate = trace.sample_rate if trace.enabled else 0.0
        self.tick_times = TickTimes(
            deadline_ms=trace.deadline_ms, trace_rate=rate, golden_every=trace.golden_interval, keep_samples=_TICKS_KEPT
        )
        legacy = TickTimes(deadline_ms=trace.deadline_ms, trace_rate=0.0, golden_every=0)
        desk.probe, desk.legacy_probe = self.tick_times, legacy
        times = {"pipeline": self.tick_times, "legacy": legacy}
        calls = {} if telemetry.latency is None else telemetry.latency.requests
        found = self.program.reconciliation.discrepancies

        def told() -> dict[str, Any]:
            return self.program.quotes_now().telemetry()

        telemetry.expose(QuoteMetrics(told, times, calls, desk.venues, found, self._batches).families)

    def _batches(self, venue: str) -> BatchTally | None:
        """Return what became of the batches that left for a venue; None where nobody watches its calls."""
        calls = self.executors.by_venue[venue].calls
        return None if calls is None else calls.batches

    def _connect(self, opened: ExitStack, premises: Premises) -> tuple[dict[str, Way], tuple[str, ...]]:
        """Reach the program's venues; returns the ways to them by name, and notices for a person."""
        ways: dict[str, Way] = {}
        notices: list[str] = []
        self.venue: SimVenue | None = None
        if self.program.slots is not None:
            spot = premises.connect(venue_settings(self.settings, self.program.instrument))
            opened.callback(spot.held.close)
            ways[self.program.spot_venue], self.venue = spot.line, spot.here
            notices += spot.notices
        places: dict[str, Place] = {}
        for settings in prediction_venues(self.settings):
            found = premises.connect_markets(settings)
            opened.callback(found.held.close)
            ways[settings.venue], places[settings.venue] = found.line, Place(found.here, found.line)
            notices += found.notices
        self.prediction = places
        self.depth: DepthConnection | None = None
        chosen = depth_venue(self.settings)
        if chosen is not None:
            self.depth = premises.connect_books(chosen)
            opened.callback(self.depth.held.close)
            ways[chosen.venue] = self.depth.line
            notices += self.depth.notices
        return ways, tuple(notices)

    def _quotes(self, premises: Premises, after_ns: int) -> QuoteFeed | None:
        """Return what happens on the desk's markets after this time; None without a desk."""
        markets = desk_markets(self.settings)
        return None if markets is None else QuoteFeed(premises.quotes(markets, after_ns), self.prediction)

    def _books(self, premises: Premises, after_ns: int) -> BookFeed | None:
        """Return what happens on the quote desk's markets after this time; None without that desk."""
        markets = quote_markets(self.settings)
        if markets is None or self.depth is None:
            return None
        rows, delay = premises.book_rows(markets, after_ns), feed_delay(self.settings)
        return BookFeed(rows, self.depth.here, self.depth.line, delay, self.depth.fate)

    def _begin(self, restored: Restored) -> None:
        """Tell the core what it missed and that it may trade."""
        simulation = self.simulation
        now_ns, engine = simulation.now_ns, self.program.engine
        self._start.part(now_ns)
        self._fills = self.ledger.fills()
        if self._has_news or not self.restart:
            simulation.feed_event(config_event(self.settings, now_ns, self._changed, self._overruled))
        self._take_over(now_ns)
        self.startup = StartupTimings(tracked_orders=len(engine.unfinished()))
        unknown: list[str] = []
        for restriction in engine.board.active():
            if restriction.id.startswith(STORAGE_ID):
                simulation.feed_event(StorageRecovered(restriction.id.removeprefix(STORAGE_ID), now_ns))
            elif restriction.id.startswith(UNKNOWN_ID):
                unknown.append(restriction.id.removeprefix(UNKNOWN_ID))
        if simulation.sequencer.settle():
            check_agreement(self.program.orders, self.ledger)
        self.heed_kills()
        strangers = Strangers(simulation)
        simulation.sequencer.recover(now_ns, restart=self.restart, halted=tuple(unknown))
        self._await_recovery(now_ns)
        strangers.settle(self.ledger, self._rule, said_before=self._said_before)
        self._kept_seq, self._kept_ns = restored.seq - restored.tail_events, self._clock.monotonic_ns()
        self._end_start()

    def _end_start(self) -> None:
        """Measure the start once the venue has answered everything, and keep the figures with the start (slots 16)."""
        if self._began or self.simulation.executor.recovering:
            return
        self._began = True
        start, now_ns, slots = self._start, self.simulation.now_ns, self.program.slots
        start.part(now_ns)
        opened = 0 if slots is None else len(slots.grid.slots) - bootstrap_backlog(slots.grid)
        start.part(now_ns)
        replayed = self.ledger.fills() - self._fills
        counts = structs.replace(self.startup, replayed_fills=replayed, bootstrapped_slots=opened)
        self.startup = start.timings(counts)
        total_ms = self.startup.startup_total_ms or 0.0
        with suppress(WorldError):  # as for the list of starts: gate C then waits for the next one
            known = read_manifest(self.folder, self._disk)
            if known is not None and known.starts:
                done = with_startup(known, start.began_ns, counts.tracked_orders, total_ms)
                write_manifest(self.folder, done, self._disk)

    def _starts(self) -> tuple[RunStart, ...]:
        known = read_manifest(self.folder, self._disk)
        return () if known is None else known.starts

    def _take_over(self, now_ns: int) -> None:
        """Hand the core the snapshot that waits in the folder, unless it took over or has traded (slots 17)."""
        if self.program.slots is None or self.program.grid.grid.handover.source:
            return
        handover = waiting_handover(self.folder, self._disk, self.program.instrument, now_ns)
        if handover is not None and not self.ledger.orders():
            self.simulation.feed_event(handover)

    def _await_recovery(self, began_ns: int) -> None:
        """Let the venue answer; when it does not in time the halt stands, and the run begins all the same."""
        simulation = self.simulation
        while simulation.executor.recovering and simulation.now_ns < began_ns + _RECOVERY_NS:
            simulation.run_until(simulation.now_ns + _LOOK_NS)

    def startup_status(self) -> dict[str, Any]:
        """Return the `startup` object with what is left to open now (slots 16), and how the start went."""
        slots = self.settings.slots
        backlog = 0 if self.program.slots is None else bootstrap_backlog(self.program.grid.grid)
        per_loop = _LEGS * max(_LEAST_SLOTS_PER_LOOP, slots.max_entry_adds_per_loop)
        eta_sec = backlog_eta_sec(_LEGS * backlog, min(per_loop, slots.max_api_calls_per_loop), slots.poll_interval_sec)
        now = structs.replace(self.startup, bootstrap_backlog=backlog, bootstrap_eta_sec=eta_sec)
        return structs.asdict(now) | {"restart": self.restart, "notices": self.notices}

    def status(self) -> dict[str, Any]:
        """Return the grid's status with what the shell around it knows (slots 4.4, 16), and each desk's by its name.

        What there is of each venue is the leading one's here, the others' stand with their desks.
        """
        program, engine = self.program, self.program.engine
        leading = program.venues[0]
        found = {} if program.slots is None else program.slots.status(engine)
        if program.desk is not None:
            venues = {venue: self._venue_status(venue, DESK) for venue in program.desk_venues}
            found[program.desk.name] = program.desk.status(engine) | {"venues": venues}
        if program.quotes is not None:
            venues = {venue: self._venue_status(venue, QUOTES) for venue in sorted(program.quotes.venues)}
            times = self.tick_times.status()
            found[program.quotes.name] = program.quotes.status(engine) | {"venues": venues, "times": times}
        return found | {
            "startup": self.startup_status(),
            "reconciliation": self._reconciliation(leading),
            "guards": {guard.name: guard.status(engine) for guard in engine.guards},
            "gates": self._gates.status(self.simulation.now_ns),
            "private_api_metronome": self.executors.by_venue[leading].budget.status(self.simulation.now_ns),
            **self.telemetry.status(),
        }

    def _reconciliation(self, venue: str) -> dict[str, Any]:
        reconciler = self.executors.reconcilers[venue]
        return {"at_start": reconciler.at_start, "since": reconciler.found()}

    def _venue_status(self, venue: str, strategy: str) -> dict[str, Any]:
        executor = self.executors.by_venue[venue]
        standing = self.program.engine.board.standing_of(SubPosition(strategy, whole_account(venue), "", ""))
        return {
            "restrictions": list(standing.reasons),
            "calls_waiting": executor.waiting,
            "orders_unanswered": executor.unanswered,
            "reconciliation": self._reconciliation(venue),
        }

    def apply(self, settings: Settings, changed: tuple[str, ...], request: str) -> bool:
        """Go on under settings that a running program can take (`reload`); tell whether journal and ledger hold it.

        The event puts the new parts into the core; what the shell took of the settings follows here.
        """
        said = self._overruled_by(settings, changed)
        simulation, program = self.simulation, self.program
        simulation.feed_event(config_event(settings, simulation.now_ns, changed, said, request))
        self.settings = settings
        follow_settings(settings, program, self.executors)
        if self.telemetry.latency is not None:
            self.telemetry.latency.follow(program.latency.slos, program.latency.held)
        return simulation.sequencer.settle()

    def _overruled_by(self, settings: Settings, changed: tuple[str, ...]) -> dict[str, Scalar]:
        """Return what starts have said of each key that is now otherwise; one that is back at it is none any more."""
        now, engine = settings.flat(), self.program.engine
        said = {key: engine.config[key] for key in changed} | engine.overruled
        return {key: value for key, value in sorted(said.items()) if now[key] != value}

    def heed_kills(self) -> None:
        """Tell the core of kills that stand and that it does not know; call it at least each second of real time."""
        for request in self._kills.look(self.program.engine.board, self.simulation.now_ns):
            self.simulation.feed_event(request)

    def keep(self) -> str:
        """Write a snapshot when enough has happened or passed since the last; returns what went wrong, else ""."""
        self._end_start()
        seq, now_ns = self.simulation.sequencer.seq, self._clock.monotonic_ns()
        if seq - self._kept_seq >= _SNAPSHOT_EVENTS or now_ns - self._kept_ns >= _SNAPSHOT_NS:
            return self.snapshot()
        return ""

    def snapshot(self) -> str:
        """Write a snapshot now; returns why there is none, "" when there is one.

        Trading needs no snapshot, only a restart is slower without. There is none of a state that journal or ledger do
        not hold: a restart from it would never give them what they miss.
        """
        self._kept_ns = self._clock.monotonic_ns()
        settled = self.simulation.sequencer.settle()
        self._kept_seq = self.simulation.sequencer.seq
        if not settled:
            return "no snapshot while journal or ledger cannot be written"
        try:
            self.snapshots.write(self._kept_seq, self.program.engine.snapshot())
        except WorldError as error:
            return str(error)
        return ""

    def measure_by(self, clock: Clock) -> None:
        """Take durations, of commits and of the core's steps, by this clock instead of one that stands still."""
        self.measures.clock = clock
        if self.telemetry.latency is not None:
            self.simulation.sequencer.time_steps(clock.monotonic_ns, self.telemetry.latency.core_step)

    def hear_scans(self) -> None:
        """Tell the core what came of scans that run in other processes."""
        for event in () if self.scans is None else self.scans.come():
            self.simulation.feed_event(event)

    def close(self) -> None:
        """Leave everything durable and let go of the folder; orders stay on the book.

        Raises WorldError, with everything released, when the journal cannot be written.
        """
        with self._opened:
            self.snapshot()


def check_premises(premises: Premises, settings: Settings) -> Manifest | None:
    """Return what the journal to continue was begun with, None without one; refuses a run half gone, or another run.

    A missing ledger is not a first start (design section 5.5).
    """
    folder = premises.folder
    if not has_segments(folder, premises.disk):
        return None
    if not premises.has_ledger():
        raise WorldError(_missing(folder, "ledger", "journal"))
    saved = read_manifest(folder, premises.disk)
    if saved is None:
        raise WorldError(f"{folder} has a journal and no manifest.json; restore it or move the folder away")
    check_change(folder, saved.config, settings)
    return saved


def _is_empty(ledger: LedgerStore) -> bool:
    """Tell whether nothing was ever booked: a start that ended before its first event."""
    return not (ledger.orders() or ledger.fills() or ledger.bookings() or ledger.restrictions())


def _missing(folder: Path, missing: str, there: str) -> str:
    return (
        f"{folder} holds a {there} and no {missing}; a missing {missing} is not a first start. Restore it; or have the"
        " ledger made anew from the journal with --adopt, or say with --first-start that this run is new"
    )
