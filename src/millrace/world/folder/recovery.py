"""How a run folder is continued after any end of the program (runtime 2.16, design sections 5.5, 5.6).

Order of a restart: ledger (integrity checked), newest snapshot, journal tail stepped again with every command compared,
ledger completed from it. Journal and ledger must then agree, or the program does not start. What happened at the venue
meanwhile is asked afterwards, by the comparison that never stops (`shell.reconciler`), and until it is answered the
venue is halted. Running it twice changes nothing the second time.
"""

from pathlib import Path
from typing import Any, NamedTuple

from millrace.core.codec import encode_commands
from millrace.core.commands import Command
from millrace.core.failure import WorldError
from millrace.core.journal_format import RecordKind
from millrace.core.ledger import LedgerStore
from millrace.orders.table import OrderTable
from millrace.shell.disk import Disk
from millrace.shell.journal import Journal, read_journal
from millrace.shell.snapshots import Snapshots
from millrace.world.folder.journaled_program import JournaledProgram

_BATCH = 10_000


class Restored(NamedTuple):
    """Where a restart stands after the tail: the last event's number, and how many events were stepped again."""

    seq: int
    tail_events: int
    notices: tuple[str, ...]


def restore_core(
    core: JournaledProgram, folder: Path, disk: Disk, journal: Journal, snapshots: Snapshots, ledger: LedgerStore
) -> Restored:
    """Bring the core to where the journal ends, and the ledger with it.

    Commands of the last event that the program did not live to write are written now. Raises WorldError when the
    journal has a gap or does not give the commands that it recorded, or when the ledger holds other orders.
    """
    saved = snapshots.latest(journal.last_seq)
    if saved.state is not None:
        core.take(saved.state, folder, saved.seq)
    if journal.last_seq:
        # The ledger may hold nothing that the journal could still lose, and what a killed program wrote is not synced.
        journal.append_record(RecordKind.NOTE, b"reopened")
        journal.sync()
    seq, count, batch, unwritten = saved.seq, 0, list[Command](), list[Command]()
    for step in read_journal(folder, disk, after_seq=seq):
        if step.seq != seq + 1:
            raise WorldError(f"{folder}: events {seq + 1} to {step.seq - 1} are missing from the journal; restore them")
        if unwritten:
            raise _diverged(folder, seq)
        commands = core.step(step.event)
        if step.commands is None:
            unwritten = commands
        elif encode_commands(commands) != encode_commands(step.commands):
            raise _diverged(folder, step.seq)
        seq, count = step.seq, count + 1
        if len(batch) >= _BATCH:
            _complete(ledger, batch)
        batch += commands
    if unwritten:
        journal.append_commands(seq, unwritten)
        journal.sync()
    _complete(ledger, batch)
    return Restored(seq, count, tuple(saved.notices))


def _complete(ledger: LedgerStore, batch: list[Command]) -> None:
    reused = ledger.commit(batch).reused_keys
    batch.clear()
    if reused:
        raise WorldError(f"the ledger holds {', '.join(reused)} with another payload than the journal; restore it")


def _diverged(folder: Path, seq: int) -> WorldError:
    return WorldError(
        f"{folder}: event {seq} gives other commands than it did; run `millrace replay` on the folder, and continue"
        " with the version and settings that its manifest names"
    )


def check_agreement(orders: OrderTable, ledger: LedgerStore) -> None:
    """Raise WorldError unless core and ledger tell the same of live orders and positions."""
    live: dict[str, Any] = {
        f"order {order.client_id}": (order.cum_lots, order.terms, order.wanted) for order in orders.unfinished()
    }
    booked: dict[str, Any] = {
        f"order {row.client_id}": (row.cum_lots, row.terms, row.wanted) for row in ledger.orders(live_only=True)
    }
    live |= {f"position {position}": lots for position, lots in orders.positions().items()}
    booked |= {f"position {row.position}": row.lots for row in ledger.positions()}
    wrong = sorted(name for name in live.keys() | booked.keys() if live.get(name) != booked.get(name))
    if wrong:
        raise WorldError(
            f"journal and ledger do not agree on {len(wrong)} orders and positions, the first: {wrong[0]}; one of"
            " them is not of this run or was restored from an older copy. Restore both from the same time"
        )
