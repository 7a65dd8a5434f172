"""When a slot must be looked at again: the price bounds of its entries, and the next time at which anything is due.

This is the strategy's half of exact skipping (design section 9). A slot is looked at in a loop only when it was made
dirty by news, when its due time has come, or when the price stands outside its bounds, whether or not the engine skips
events; so skipping cannot change a decision. Bounds therefore always hold the price at which they were made: only the
print that leaves them is shown, and where the price has left already, the next loop is due.
"""

from dataclasses import replace
from math import ceil, floor, inf

from millrace.core.permission import Level
from millrace.strategies.slots import legacy_path
from millrace.strategies.slots.entry_size.order_size import EntrySizes, FloorCount
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.reducer.model import Order, TradeId, WaitReason
from millrace.strategies.slots.reducer.pricing import entry_price
from millrace.strategies.slots.reducer.refresh import drift_bounds, is_part_filled, refresh_bounds
from millrace.strategies.slots.signals.momentum_gate import note_waits
from millrace.strategies.slots.slot import NEVER_NS, NO_HIGH, NO_LOW, Slot
from millrace.strategies.slots.turn import Turn

_SECOND_NS = 1_000_000_000
_LEGS: tuple[TradeId, TradeId] = ("A", "B")
_RETRIED = frozenset(
    {WaitReason.UNFUNDED, WaitReason.MIN_SIZE_WAIT, WaitReason.CAPACITY_BLOCK, WaitReason.EXCHANGE_CANCELS}
)
_WOKEN_BY_OTHERS = frozenset({WaitReason.PAUSED, WaitReason.MOMENTUM_DEFER})
"""Whatever lifts the pause wakes every slot, and the momentum gate wakes those that it lets go."""
_FARTHEST = 1_000
"""A leg below the minimum looks for the price that ends its wait up to so many times higher or lower."""


def reschedule(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Work out the slot's bounds and due time from its state as it is now."""
    grid.rescheduled()
    slot.low_ticks, slot.high_ticks = NO_LOW, NO_HIGH
    due_ns = NEVER_NS
    # While no entry may leave, none is moved; whatever ends that wakes every slot.
    held = grid.handover.is_quiet(turn.now_ns)
    stays = turn.standing.level >= Level.REDUCE_ONLY or slot.quarantined or held
    for order in slot.state.orders:
        if order.local_id in slot.sent:
            if order.role == "entry" and not stays:
                due_ns = min(due_ns, _entry_due_ns(grid, turn, slot, order))
        elif not slot.is_cancelling(order.trade_id):
            due_ns = grid.loop_after_ns(turn.now_ns)
    if slot.cancel_again or any(-row.recovery_id not in slot.sent for row in slot.state.recovery_orders):
        due_ns = min(due_ns, grid.loop_after_ns(turn.now_ns))
    for leg in _LEGS:
        if slot.state.leg_order(leg) is None:
            due_ns = min(due_ns, _empty_leg_due_ns(grid, turn, slot, leg))
    if held:
        due_ns = min(due_ns, grid.loop_at_ns(grid.handover.quiet_until_ns))
    elif not grid.is_sticky(slot):
        due_ns = min(due_ns, legacy_path.time_out_due_ns(grid, turn, slot))
    slot.due_ns = min(due_ns, note_waits(grid, turn, slot))
    grid.sides.note(slot.slot_id, slot.state)


def _entry_due_ns(grid: Grid, turn: Turn, slot: Slot, order: Order) -> int:
    """Narrow the slot's bounds to the entry's; an entry already outside them is due in a loop instead.

    One that has filled in part is left alone until it counts as stale (slots 6.4).
    """
    if is_part_filled(order):
        stale_ns = ceil((order.executed_at + grid.settings.partial_open_max_age_sec) * _SECOND_NS)
        if stale_ns > turn.now_ns:
            return grid.loop_at_ns(stale_ns)
        low, high = drift_bounds(order, slot.state, grid.cfg(slot))
        cooldown_until = 0.0
    else:
        low, high = refresh_bounds(order, slot.state, grid.cfg(slot))
        cooldown_until = slot.state.leg(order.trade_id).refresh_cooldown_until
    scale = 10.0**grid.instrument.price_decimals
    low_ticks = floor(low * scale) if low < inf else NO_HIGH
    high_ticks = ceil(high * scale) if high < inf else NO_HIGH
    if low_ticks < turn.ticks < high_ticks:
        slot.low_ticks = max(slot.low_ticks, low_ticks)
        slot.high_ticks = min(slot.high_ticks, high_ticks)
        return NEVER_NS
    return max(grid.loop_after_ns(turn.now_ns), grid.loop_at_ns(round(cooldown_until * _SECOND_NS)))


def _empty_leg_due_ns(grid: Grid, turn: Turn, slot: Slot, leg: TradeId) -> int:
    reason = slot.wait.get(leg)
    if slot.quarantined or reason in _WOKEN_BY_OTHERS or slot.is_cancelling(leg):
        return NEVER_NS
    next_loop_ns = grid.loop_after_ns(turn.now_ns)
    if reason is WaitReason.MIN_SIZE_WAIT and turn.ticks > 0:
        _wait_for_size(grid, turn, slot, leg)
    if reason in _RETRIED:
        return max(next_loop_ns, grid.loop_at_ns(slot.retry_ns.get(leg, 0)))
    cooldown_ns = round(slot.state.leg(leg).cooldown_until * _SECOND_NS)
    return max(next_loop_ns, grid.loop_at_ns(cooldown_ns))


def _wait_for_size(grid: Grid, turn: Turn, slot: Slot, leg: TradeId) -> None:
    """Narrow the bounds to the nearest prices at which the leg's size would be valid.

    Slots of equal size ask the same question in the same loop, so answers at one price are remembered.
    """
    sizes, losses = grid.sizes(slot, turn), slot.state.leg(leg).consecutive_losses
    question = (turn.ticks, leg, losses, grid.is_sticky(slot), sizes.base(leg), sizes.multiplier(leg))
    if question not in grid.size_answers:
        if any(turn.ticks != asked[0] for asked in grid.size_answers):
            grid.size_answers.clear()
        grid.size_answers[question] = _valid_prices(grid, turn, sizes, leg, losses)
    low_ticks, high_ticks = grid.size_answers[question]
    slot.low_ticks = max(slot.low_ticks, low_ticks)
    slot.high_ticks = min(slot.high_ticks, high_ticks)


def _valid_prices(grid: Grid, turn: Turn, sizes: EntrySizes, leg: TradeId, losses: int) -> tuple[int, int]:
    """Return the nearest ticks below and above at which the size is valid; size is monotone in price, so bisect."""
    sizes = replace(sizes, floors=FloorCount())  # what is only asked must not count as lifted

    def is_valid(ticks: int) -> bool:
        sizes.mark = grid.instrument.price(ticks)
        return sizes.volume(leg, entry_price(leg, grid.instrument.price(ticks), losses, sizes.cfg)) is not None

    def nearest(far: int, none: int) -> int:
        near, valid = turn.ticks, far
        if is_valid(near) or not is_valid(far):
            return none
        while abs(valid - near) > 1:
            middle = (near + valid) // 2
            near, valid = (near, middle) if is_valid(middle) else (middle, valid)
        return valid

    return nearest(max(1, turn.ticks // _FARTHEST), NO_LOW), nearest(turn.ticks * _FARTHEST, NO_HIGH)


def bootstrap_backlog(grid: Grid) -> int:
    """Return how many slots have no order yet and wait to be opened."""
    return sum(slot.is_empty() for slot in grid.slots.values())
