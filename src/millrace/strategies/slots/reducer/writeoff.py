"""Releasing an exit: its executed part is booked as it happened, the rest at the mark (slots 2.9, 11.3).

It reuses the booking of an exit, because a second way of closing a position would drift from the first.
"""

from math import inf, isfinite

from millrace.strategies.slots.reducer.actions import Action
from millrace.strategies.slots.reducer.booking import book, fill_in
from millrace.strategies.slots.reducer.events import Release
from millrace.strategies.slots.reducer.fills import Executed, cycle_of, leave_position, seen
from millrace.strategies.slots.reducer.model import Cause, Cycle, Order, Recovery, SlotConfig, SlotState
from millrace.strategies.slots.reducer.volume import Sizes


def release(state: SlotState, event: Release, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    """Close an exit (or, negative id, a recovery) at `event.mark`; a missing fee is the maker fee of the rest.

    The rest leaves the tracked position without a trade: the caller writes it to the inventory residue.
    """
    fee_known = event.fee is None or isfinite(event.fee)
    if not (0.0 < event.mark < inf and fee_known):
        state.rejected_events += 1
        return []
    state.advance(event.ts)
    record = state.recovery(-event.local_id) if event.local_id < 0 else state.order(event.local_id)
    if record is None or (not isinstance(record, Recovery) and record.role != "exit"):
        return []
    cycles = closing_cycles(record, event.mark, event.fee, cfg)
    last = len(cycles) - 1
    actions: list[Action] = [book(state, cycle, cfg, completes=place == last) for place, cycle in enumerate(cycles)]
    if isinstance(record, Recovery):
        state.recovery_orders.remove(record)
        return actions
    state.orders.remove(record)
    return actions + leave_position(state, record, cfg, sizes)


def closing_cycles(record: Order | Recovery, mark: float, fee: float | None, cfg: SlotConfig) -> list[Cycle]:
    """Return what a release books, amounts filled in: the executed part as it traded, the rest at the mark."""
    rest = record.volume - record.executed_volume
    entry_fee, cycles = record.entry_fee, []
    if record.executed_volume > 0.0:
        part_fee = entry_fee * min(1.0, record.executed_volume / record.volume)
        entry_fee -= part_fee
        cause: Cause = "recovery" if isinstance(record, Recovery) else "exit"
        cycles.append(fill_in(cycle_of(record, seen(record), part_fee, cause)))
    if rest > 0.0:
        closed = Executed(rest, mark, mark * rest * cfg.maker_fee_pct / 100.0 if fee is None else fee)
        cycles.append(fill_in(cycle_of(record, closed, entry_fee, "release")))
    return cycles
