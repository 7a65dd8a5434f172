"""The demo's program in a folder, driven by the test instead of a clock, with a disk that may fail."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from faulty_disk import FaultyDisk, FaultyLedger
from millrace.config.load import load_settings
from millrace.core.clock import SimulatedClock
from millrace.core.journal_format import RecordKind
from millrace.core.kill import KillOrder
from millrace.core.ledger import LedgerStore
from millrace.shell.journal import journal_records
from millrace.sim.candles import PrintColumns
from millrace.sim.market_generator import prints_from
from millrace.sim.venue_log import Accepted, VenueRecord, decode_record
from millrace.world.afterwards.audit import disagreements
from millrace.world.afterwards.replay import replay
from millrace.world.demo import FIRST_NS
from millrace.world.folder.run_folder import Run
from millrace.world.premises import FolderPremises

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
LIVELY = {"run.seed": 1, "slots.count": 12, "slots.entry_pct": 0.05, "slots.refresh_pct": 0.1, "slots.profit_pct": 0.6}
Wrap = Callable[[LedgerStore], LedgerStore]


def open_run(
    folder: Path,
    changes: Mapping[str, Any] | None = None,
    disk: FaultyDisk | None = None,
    wrap: Wrap | None = None,
    kills: tuple[KillOrder, ...] = (),
    *,
    still: bool = False,
) -> Run:
    """Return the demo's program with a market that trades a lot, or with `still` one in which nobody trades any more."""
    settings = load_settings(profile="demo", overrides={**LIVELY, **(changes or {})})

    def market(ts_ns: int) -> Iterator[PrintColumns]:
        return iter(()) if still else prints_from(settings.run.seed, ts_ns)

    wrap_ledger = wrap or (lambda store: store)
    premises = FolderPremises(folder, SimulatedClock(), market, FIRST_NS, disk=disk, wrap_ledger=wrap_ledger)
    return Run(premises, settings, kills)


def with_faults(folder: Path, changes: Mapping[str, Any] | None = None) -> tuple[Run, FaultyDisk, FaultyLedger]:
    disk = FaultyDisk()
    wrapped: list[FaultyLedger] = []

    def wrap(ledger: LedgerStore) -> LedgerStore:
        wrapped.append(FaultyLedger(ledger))
        return wrapped[0]

    return open_run(folder, changes, disk, wrap), disk, wrapped[0]


def as_killed(run: Run, folder: Path) -> Path:
    """Return a copy of the run's folder as a kill at this moment would leave it: what was not flushed is not in it."""
    return Path(shutil.copytree(run.folder, folder))


def venue_records(folder: Path) -> list[VenueRecord]:
    records = journal_records(folder / "venue")
    return [decode_record(record.payload) for record in records if record.kind is RecordKind.VENUE]


def slots_of(run: Run) -> list[dict[str, Any]]:
    """Return what every slot holds and says about its orders."""
    return [slot.snapshot() for slot in run.program.grid.grid.slots.values()]


def assert_sound(folder: Path, changes: Mapping[str, Any] | None = None) -> None:
    """Start once more, so that the venue has been asked, and compare journal, ledger, venue and slots."""
    open_run(folder, changes).close()
    found = disagreements(folder)
    assert not found, found
    accepted = Counter(record.client_id for record in venue_records(folder) if isinstance(record, Accepted))
    assert max(accepted.values(), default=0) <= 1, "an intent has two venue orders"
    result = replay(folder)
    assert result.divergence is None, result.divergence
