"""A run on disk: journal, ledger, snapshots and the simulated venue's own log in one folder.

`open_run` is the only way in, for the first start and for every restart, so recovery cannot be forgotten. The venue's
log is the venue's, not ours: it survives the program as a real exchange would, and the program learns from it only what
it could have asked.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from millrace.config.settings import Settings
from millrace.core.clock import Clock
from millrace.core.events import Started
from millrace.core.failure import OperatorError, WorldError
from millrace.core.journal_format import RecordKind
from millrace.shell.executor import Executor
from millrace.shell.journal import Journal, journal_records
from millrace.shell.ledger_sqlite import SqliteLedger
from millrace.shell.manifest import read_manifest, write_manifest
from millrace.shell.sequencer import Sequencer
from millrace.shell.snapshots import Snapshots
from millrace.sim.candles import PrintColumns
from millrace.sim.venue import SimVenue, VenueSettings
from millrace.sim.venue_log import VenueRecord, decode_record, encode_record
from millrace.world.assemble import (
    Program,
    balance_event,
    build_program,
    call_budget,
    config_event,
    manifest,
    venue_settings,
)
from millrace.world.feed import Feed
from millrace.world.recovery import check_first_start, reconcile, restore_engine
from millrace.world.simulation import SimulatedLine, Simulation

LEDGER = "ledger.db"
VENUE = "venue"
JOURNAL_GLOB = "journal-*.mrj"
_SNAPSHOT_EVENTS = 5_000
_SNAPSHOT_NS = 300 * 1_000_000_000
_SECOND_NS = 1_000_000_000
Market = Callable[[int], Iterator[PrintColumns]]


class Startup(NamedTuple):
    """What the start took and found (slots 16); durations in milliseconds."""

    restart: bool
    reconcile_ms: float
    replay_ms: float
    bootstrap_ms: float
    tracked_orders: int
    replayed_fills: int
    notices: tuple[str, ...]


class Run:
    """An open run; feed it time through `simulation` and call `keep` between whiles."""

    def __init__(self, folder: Path, settings: Settings, clock: Clock, market: Market, first_ns: int) -> None:
        self.folder = folder
        self.settings = settings
        self.program: Program = build_program(settings)
        self.ledger: SqliteLedger
        self.startup: Startup
        self._clock = clock
        self._open(market, first_ns)

    def _open(self, market: Market, first_ns: int) -> None:
        folder, settings, clock = self.folder, self.settings, self._clock
        restart = check_folder(folder, settings)
        folder.mkdir(parents=True, exist_ok=True)
        if not restart:
            write_manifest(folder, manifest(settings))
        self.ledger = SqliteLedger(folder / LEDGER, create=not restart)
        self.snapshots = Snapshots(folder)
        began_ns = clock.monotonic_ns()
        restored = restore_engine(self.program.engine, folder, self.snapshots, self.ledger)
        replayed_ns = clock.monotonic_ns()
        self.journal = Journal(folder)
        self._venue_log = Journal(folder / VENUE)
        self.venue = open_venue(folder / VENUE, venue_settings(settings, self.program.instrument), self._log_venue)
        now_ns = max(first_ns, self.program.engine.now_ns, self.venue.now_ns)
        line = SimulatedLine(self.venue)
        executor = Executor(self.ledger, line, call_budget(settings))
        sequencer = Sequencer(self.program.engine, executor, self.journal, first_seq=restored.seq + 1)
        feed = Feed(self.program.instrument.id, market(now_ns + 1))
        self.simulation = Simulation(sequencer, executor, line, feed, lazy=False)
        self._kept_seq, self._kept_ns = restored.seq, clock.monotonic_ns()
        self._tell_start(now_ns, restart=restart)
        ended_ns = clock.monotonic_ns()
        self.startup = Startup(
            restart=restart,
            reconcile_ms=(ended_ns - replayed_ns) / 1e6,
            replay_ms=(replayed_ns - began_ns) / 1e6,
            bootstrap_ms=0.0,
            tracked_orders=self.program.engine.live_orders(self.program.instrument.id),
            replayed_fills=0,
            notices=(*restored.notices, *self.journal.notices, *self._venue_log.notices),
        )

    def _tell_start(self, now_ns: int, *, restart: bool) -> None:
        simulation = self.simulation
        if not restart:
            simulation.feed_event(config_event(self.settings, now_ns))
        for event in reconcile(self.program.orders, self.venue, self.program.client_prefix, now_ns):
            simulation.feed_event(event)
        simulation.feed_event(balance_event(self.venue, now_ns))
        simulation.feed_event(Started(restart=restart, ts_ns=now_ns))

    def _log_venue(self, record: VenueRecord) -> None:
        self._venue_log.append_record(RecordKind.VENUE, encode_record(record))
        self._venue_log.flush()

    def keep(self) -> None:
        """Write a snapshot when enough has happened or passed since the last."""
        seq, now_ns = self.simulation.sequencer.seq, self._clock.monotonic_ns()
        if seq - self._kept_seq >= _SNAPSHOT_EVENTS or now_ns - self._kept_ns >= _SNAPSHOT_NS:
            self.snapshot()

    def snapshot(self) -> None:
        """Write a snapshot now; the journal up to it is synced first."""
        self.journal.sync()
        self._kept_seq = self.simulation.sequencer.seq
        self._kept_ns = self._clock.monotonic_ns()
        self.snapshots.write(self._kept_seq, self.program.engine.snapshot())

    def close(self) -> None:
        """Leave everything durable; orders stay on the book."""
        self.snapshot()
        self.journal.close()
        self._venue_log.close()
        self.ledger.close()


def check_folder(folder: Path, settings: Settings) -> bool:
    """Tell whether the folder holds a run to continue; refuses one made with other settings or half gone."""
    saved = read_manifest(folder) if folder.is_dir() else None
    has_journal = folder.is_dir() and any(folder.glob(JOURNAL_GLOB))
    check_first_start(folder, has_journal=has_journal, has_ledger=(folder / LEDGER).exists())
    if not has_journal:
        return False
    if saved is None:
        raise WorldError(f"{folder} has a journal and no manifest.json; restore it or move the folder away")
    if saved.config_digest != settings.digest:
        now = settings.flat()
        changed = sorted(key for key in now.keys() | saved.config.keys() if now.get(key) != saved.config.get(key))
        raise OperatorError(
            f"{folder} was begun with other settings ({', '.join(changed)} differ); start with those, or begin anew"
            " with --fresh"
        )
    return True


def open_venue(folder: Path, settings: VenueSettings, log: Callable[[VenueRecord], None]) -> SimVenue:
    """Return the venue as its log left it, or a new one."""
    if not folder.is_dir():
        return SimVenue(settings, log)
    records = (decode_record(record.payload) for record in journal_records(folder) if record.kind is RecordKind.VENUE)
    return SimVenue.rebuild(settings, records, log)
