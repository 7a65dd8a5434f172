"""The one way in which a run folder is opened: first start and restart alike (runtime 2.16, design sections 5.5, 5.6).

Order of a restart: ledger (integrity checked), newest snapshot, journal tail stepped again with every command compared,
ledger completed from it, then the venue asked about each order that was not finished. What the venue knows is told to
the core as events; what it never saw counts as lost and the strategy places it anew under its own rules. Only then may
the program trade. Running it twice changes nothing the second time.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from millrace.core.codec import encode_commands
from millrace.core.commands import OrderState
from millrace.core.engine import Engine
from millrace.core.events import (
    CancelRefused,
    EndStatus,
    Event,
    OrderAccepted,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    RejectReason,
)
from millrace.core.failure import WorldError
from millrace.core.ledger import LedgerStore
from millrace.orders.table import OpenOrder, OrderTable
from millrace.shell.journal import read_journal
from millrace.shell.snapshots import Snapshots
from millrace.sim.venue import SimVenue, VenueOrder

_ENDED = {OrderState.CANCELLED: EndStatus.CANCELLED, OrderState.EXPIRED: EndStatus.EXPIRED}


class Restored(NamedTuple):
    """Where a restart stands after the tail: the last event's number, and how many events were stepped again."""

    seq: int
    tail_events: int
    notices: tuple[str, ...]


def restore_engine(engine: Engine, folder: Path, snapshots: Snapshots, ledger: LedgerStore) -> Restored:
    """Bring the engine to where the journal ends, and the ledger with it.

    Raises WorldError when the journal does not give the commands that it recorded.
    """
    notices: list[str] = []
    saved = snapshots.latest()
    notices += saved.notices
    after_seq = 0
    if saved.state is not None:
        engine.restore(saved.state)
        after_seq = saved.seq
    seq, count = after_seq, 0
    for step in read_journal(folder, after_seq=after_seq, on_torn=lambda torn: notices.append(str(torn))):
        commands = engine.step(step.event)
        if step.commands is not None and encode_commands(commands) != encode_commands(step.commands):
            raise WorldError(
                f"{folder}: event {step.seq} gives other commands than it did; run `millrace replay` on the folder, and"
                " continue with the version and settings that its manifest names"
            )
        if commands:
            ledger.commit(commands)
        seq, count = step.seq, count + 1
    return Restored(seq, count, tuple(notices))


def reconcile(orders: OrderTable, venue: SimVenue, prefix: str, now_ns: int) -> Iterator[Event]:
    """Yield what the venue knows and the core does not, order by order, as events at `now_ns`.

    Raises WorldError when the venue holds an order of this installation that the core never made.
    """
    known = set()
    for order in orders.unfinished():
        known.add(order.client_id)
        found = venue.order_status(order.client_id)
        if found is None:
            text = "the venue never had it"
            yield OrderRejected(order.client_id, RejectReason.LOST, text, now_ns)
        else:
            yield from _differences(order, found, now_ns)
    for instrument in venue.settings.instruments:
        for found in venue.open_orders(instrument.id):
            if found.client_id.startswith(prefix) and found.client_id not in known:
                raise WorldError(
                    f"the venue holds order {found.venue_order_id} ({found.client_id}) with our tag that journal and"
                    " ledger do not know; restore them before trading"
                )


def _differences(order: OpenOrder, found: VenueOrder, now_ns: int) -> Iterator[Event]:
    if order.state in (OrderState.INTENT, OrderState.SENT, OrderState.UNKNOWN):
        yield OrderAccepted(order.client_id, found.venue_order_id, now_ns)
    progress = OrderProgress(order.client_id, found.cum_lots, found.cum_cost, found.cum_fee, now_ns)
    if found.state in _ENDED:
        yield OrderEnded(progress, _ENDED[found.state], found.reason)
        return
    if found.cum_lots > order.cum_lots:
        yield progress
    if order.cancel_out and not found.state.is_terminal:
        yield CancelRefused(order.client_id, RejectReason.LOST.value, now_ns)


def check_first_start(folder: Path, *, has_journal: bool, has_ledger: bool) -> None:
    """Refuse a folder in which one of journal and ledger is missing (design section 5.5)."""
    if has_journal != has_ledger:
        missing, there = ("ledger", "journal") if has_journal else ("journal", "ledger")
        raise WorldError(
            f"{folder} holds a {there} and no {missing}; a missing {missing} is not a first start. Restore it, or move"
            " the folder away to start anew"
        )
