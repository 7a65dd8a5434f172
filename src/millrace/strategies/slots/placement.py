"""From what the reducer wants to what leaves: the placement rules in their order (slots 4.2).

Entries may be dropped (paused, stale price, capacity, no funds) or deferred (loop budget); the leg then says why it
waits and is tried again on news or after a while. Exits are never dropped: one that cannot leave now stays pending and
is tried again, before any entry.
"""

from millrace.core.commands import Place, Side, Style
from millrace.core.permission import Level
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.invariants import normalise_flags
from millrace.strategies.slots.model import Order, Recovery, WaitReason
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.turn import Turn


def place(grid: Grid, turn: Turn, slot: Slot, local_id: int, *, paced: bool) -> None:
    """Send one order of the slot if the rules allow it now; `paced` entries count against the loop's budget."""
    record = slot.record(local_id)
    if record is None or local_id in slot.sent:
        return
    if isinstance(record, Order) and record.role == "entry":
        _place_entry(grid, turn, slot, record, paced=paced)
    else:
        _place_exit(grid, turn, slot, record, local_id)


def place_exits(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Try every pending exit and recovery of the slot again."""
    for local_id in slot.unsent():
        record = slot.record(local_id)
        if isinstance(record, Recovery) or (record is not None and record.role == "exit"):
            place(grid, turn, slot, local_id, paced=False)


def drop_entry(grid: Grid, turn: Turn, slot: Slot, order: Order, reason: WaitReason) -> None:
    """Take an unsent entry off its leg and say why the leg waits."""
    slot.state.orders.remove(order)
    slot.forget(order.local_id)
    normalise_flags(slot.state)
    grid.set_wait(slot, order.trade_id, reason, turn.now_ns)


def entry_block(grid: Grid, turn: Turn, slot: Slot) -> WaitReason | None:
    """Return why no entry of the slot may leave now (rules 1 to 3), None when one may."""
    if turn.standing.level >= Level.REDUCE_ONLY or slot.quarantined:
        return WaitReason.PAUSED
    if turn.stale:
        return WaitReason.STALE_PRICE
    if turn.open_orders >= grid.safe_cap:
        return WaitReason.CAPACITY_BLOCK
    return None


def _place_entry(grid: Grid, turn: Turn, slot: Slot, order: Order, *, paced: bool) -> None:
    blocked = entry_block(grid, turn, slot)
    if blocked is not None:
        drop_entry(grid, turn, slot, order, blocked)
        return
    if slot.is_cancelling(order.trade_id):
        return
    if paced and not grid.scheduler.has_room:
        grid.scheduler.defer(turn.now)
        return
    if not _send(grid, turn, slot, order, order.local_id):
        drop_entry(grid, turn, slot, order, WaitReason.UNFUNDED)
        return
    if paced:
        grid.scheduler.used += 1
    grid.clear_wait(slot, order.trade_id)


def _place_exit(grid: Grid, turn: Turn, slot: Slot, record: Order | Recovery, local_id: int) -> None:
    if turn.standing.level >= Level.HALT or turn.stale:
        return
    if not _send(grid, turn, slot, record, local_id):
        grid.unfunded.add(slot.slot_id)


def _send(grid: Grid, turn: Turn, slot: Slot, record: Order | Recovery, local_id: int) -> bool:
    """Reserve the money and ask for the order; False when the money is not there."""
    instrument = grid.instrument
    side = Side(record.side)
    ticks = instrument.ticks(record.price)
    lots = instrument.lots(record.volume)
    if not turn.reserve(side, ticks, lots):
        return False
    attempt = slot.attempts.get(local_id, 0) + 1
    key = f"{instrument.id}/s{slot.slot_id}/{record.trade_id}/c{record.cycle}/o{local_id}/a{attempt}"
    slot.attempts[local_id] = attempt
    slot.sent[local_id] = key
    grid.keys[key] = (slot.slot_id, local_id)
    is_entry = isinstance(record, Order) and record.role == "entry"
    if isinstance(record, Order):
        record.placed_at = turn.now
    turn.out.append(
        Place(
            instrument=instrument.id,
            side=side,
            lots=lots,
            limit_ticks=ticks,
            style=Style.POST_ONLY,
            position=grid.position(slot.slot_id, record.trade_id),
            reduces=not is_entry,
            key=key,
            purpose="entry" if is_entry else "exit",
        )
    )
    return True
