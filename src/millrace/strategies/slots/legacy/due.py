"""When a non-sticky slot must be looked at because an exit may time out (slots 2.4; design section 9).

The rule that acts is `time_outs`; this is its half of exact skipping, and must not let a loop pass in which that rule
would act.
"""

from math import ceil

from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.legacy.time_outs import may_orphan, waits_since
from millrace.strategies.slots.reducer.model import Order, phase
from millrace.strategies.slots.slot import NEVER_NS, Slot
from millrace.strategies.slots.turn import Turn

_SECOND_NS = 1_000_000_000


def time_out_due_ns(grid: Grid, turn: Turn, slot: Slot) -> int:
    """Return when a non-sticky exit may time out; an aged one that the market has not left waits for a price."""
    state, cfg = slot.state, grid.cfg(slot)
    exits = [order for order in state.orders if order.role == "exit"]
    if not exits:
        return NEVER_NS
    both = phase(state) == "S2"
    if both:
        if state.s2_entered_at is None:
            return grid.loop_after_ns(turn.now_ns)
        at = state.s2_entered_at + cfg.s2_orphan_after_sec
    else:
        at = waits_since(exits[0], state, cfg) + cfg.s1_orphan_after_sec
    due_ns = ceil(at * _SECOND_NS)
    if due_ns > turn.now_ns:
        return grid.loop_at_ns(due_ns)
    if not may_orphan(state, cfg):
        return NEVER_NS
    return grid.loop_after_ns(turn.now_ns) if both else _left_behind_due_ns(grid, turn, slot, exits[0])


def _left_behind_due_ns(grid: Grid, turn: Turn, slot: Slot, order: Order) -> int:
    """Narrow the bounds to where the market leaves an aged exit behind; once it has, the next loop is due."""
    ticks = grid.instrument.ticks(order.price)
    sells = order.side == "sell"
    if turn.ticks < ticks if sells else turn.ticks > ticks:
        return grid.loop_after_ns(turn.now_ns)
    if sells:
        slot.low_ticks = max(slot.low_ticks, ticks - 1)
    else:
        slot.high_ticks = min(slot.high_ticks, ticks + 1)
    return NEVER_NS
