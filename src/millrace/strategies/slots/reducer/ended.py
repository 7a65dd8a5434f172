"""Orders that end without a full fill, and part fills of open ones (slots 6).

Idempotent by construction: whatever is done removes the record or gives it a new id, and part fills only move up, so
the same row told by stream, poll and replay changes the slot once.
"""

from math import inf, isfinite

from millrace.strategies.slots.reducer.actions import Action
from millrace.strategies.slots.reducer.events import OrderEnded, PartFill, RecoveryCancel
from millrace.strategies.slots.reducer.fills import (
    Executed,
    entry_ended,
    exit_executed,
    late_entry_fill,
    latest,
    recovery_executed,
    replace_exit,
    replace_recovery,
    seen,
)
from millrace.strategies.slots.reducer.legs import note_cancel
from millrace.strategies.slots.reducer.model import Order, Recovery, SlotConfig, SlotState
from millrace.strategies.slots.reducer.volume import Sizes


def find_cancelling(state: SlotState, local_id: int) -> Order | None:
    """Return the refreshed-away entry with this id whose end is not confirmed yet."""
    for order in state.cancelling:
        if order.local_id == local_id:
            return order
    return None


def find_record(state: SlotState, local_id: int) -> Order | Recovery | None:
    """Return the order, the entry under cancellation, or (negative id) the recovery that an event names."""
    if local_id < 0:
        return state.recovery(-local_id)
    return state.order(local_id) or find_cancelling(state, local_id)


def part_filled(state: SlotState, event: PartFill) -> list[Action]:
    """Note how far an open order has executed; a lower cumulative volume than seen before is old news."""
    volume, cost, fee = event.exec_volume, event.exec_cost, event.exec_fee
    if not (0.0 < volume < inf and 0.0 < cost < inf and isfinite(fee)):
        state.rejected_events += 1
        return []
    state.advance(event.ts)
    record = find_record(state, event.local_id)
    if record is not None and volume > record.executed_volume:
        record.executed_volume, record.executed_cost, record.executed_fee = volume, cost, fee
        record.executed_at = state.now
    return []


def order_ended(state: SlotState, event: OrderEnded, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    """Follow section 6.2 for an entry and 6.3 for an exit or a recovery; rejects rows without a usable price."""
    told = Executed(event.exec_volume, event.avg_price, event.fee)
    if not 0.0 <= told.volume < inf or (told.volume > 0.0 and not (0.0 < told.price < inf and isfinite(told.fee))):
        state.rejected_events += 1
        return []
    state.advance(event.ts)
    record = find_record(state, event.local_id)
    if record is None:
        return []
    done = latest(record, told)
    if done.volume <= 0.0:
        return _ended_untouched(state, record)
    if isinstance(record, Recovery):
        return recovery_executed(state, record, done, cfg)
    if record.role == "exit":
        return exit_executed(state, record, done, cfg, sizes)
    if state.order(record.local_id) is None:
        return late_entry_fill(state, record, done, cfg)
    return entry_ended(state, record, done, cfg, sizes)


def recovery_cancelled(state: SlotState, event: RecoveryCancel, cfg: SlotConfig) -> list[Action]:
    """Drop a recovery that was cancelled on purpose; one that has executed in part is booked (slots 2.6)."""
    recovery = state.recovery(event.recovery_id)
    if recovery is None:
        return []
    if recovery.executed_volume > 0.0:
        return recovery_executed(state, recovery, seen(recovery), cfg)
    state.recovery_orders.remove(recovery)
    return []


def _ended_untouched(state: SlotState, record: Order | Recovery) -> list[Action]:
    """Put an exit or recovery back as it was; an entry goes and the repair pass re-arms its leg."""
    if isinstance(record, Recovery):
        return [replace_recovery(state, record, record.volume, record.entry_fee, "recovery_replaced")]
    if record.role == "exit":
        return [replace_exit(state, record, record.volume, record.entry_fee, "exit_replaced")]
    if state.order(record.local_id) is None:
        state.cancelling.remove(record)
    else:
        state.orders.remove(record)
        note_cancel(state, record.trade_id)
    return []
