"""The momentum gate at work in a grid: whom it keeps back, when it looks again, when a slot goes past it (slots 12.3).

A leg that is kept back is empty with a reason of its own, and costs nothing until a bar closes: the gate then looks at
all of them at once and has only those looked at that it lets go. A slot with nothing on the book is dark; when it has
been for too long both its legs go out, and the gate leaves the slot alone until one of them fills.
"""

from millrace.core.commands import Alert, Severity
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.reducer.model import Order, TradeId, WaitReason
from millrace.strategies.slots.signals.momentum import kept_back
from millrace.strategies.slots.signals.regime_bands import gate_mode
from millrace.strategies.slots.slot import NEVER_NS, Slot
from millrace.strategies.slots.turn import Turn

_SECOND_NS = 1_000_000_000
_LEGS: tuple[TradeId, TradeId] = ("A", "B")


def against(grid: Grid, turn: Turn) -> TradeId | None:
    """Return the leg that the market runs against by the bars closed up to now, whether or not the gate is on."""
    read = grid.read_bars(turn)
    return kept_back(gate_mode(grid.settings.regime, read.band), read.signal, read.di_signal)


def held_leg(grid: Grid, turn: Turn, slot: Slot) -> TradeId | None:
    """Return the leg of the slot that the gate keeps back now; None where it is off or the slot is past it."""
    if not grid.settings.momentum.enabled or slot.gate_bypassed or not grid.is_sticky(slot):
        return None
    return against(grid, turn)


def is_kept_back(grid: Grid, turn: Turn, slot: Slot, entry: Order) -> bool:
    """Tell whether a new entry must not leave, and stamp it with what the gate says, on or not (slots 12.4)."""
    entry.would_defer = grid.is_sticky(slot) and against(grid, turn) == entry.trade_id
    return entry.would_defer and held_leg(grid, turn, slot) is not None


def let_go_dark(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Let a slot past the gate that has been dark for too long (slots 12.3)."""
    dark_ns = slot.dark_since_ns
    if dark_ns is None or turn.now_ns < dark_ns + _max_defer_ns(grid) or held_leg(grid, turn, slot) is None:
        return
    slot.gate_bypassed = True
    grid.momentum.overrides_total += 1
    dark_sec = (turn.now_ns - dark_ns) / _SECOND_NS
    text = f"slot {slot.slot_id} had nothing on the book for {dark_sec:.0f} s; both legs go out until one fills"
    turn.out.append(Alert(Severity.INFO, "momentum_override", text, turn.now_ns))


def note_waits(grid: Grid, turn: Turn, slot: Slot) -> int:
    """Keep the slot's clocks and the owner of its one-sidedness right; return when a dark slot is due.

    Called whenever a slot is rescheduled: a leg's age begins when it is first kept back, the slot's dark time when a
    leg of the empty slot is, and neither begins anew while it goes on.
    """
    if not slot.wait and not slot.deferred_ns:
        slot.dark_since_ns = None
        return NEVER_NS
    waits = [leg for leg in _LEGS if slot.wait.get(leg) is WaitReason.MOMENTUM_DEFER]
    if waits or slot.deferred_ns:
        slot.deferred_ns = {leg: slot.deferred_ns.get(leg, turn.now_ns) for leg in waits}
    if not slot.is_empty():
        slot.dark_since_ns = None
    elif waits and slot.dark_since_ns is None:
        slot.dark_since_ns = turn.now_ns
    own_one_sidedness(slot)
    if not waits:
        return NEVER_NS
    grid.momentum.look_ns = min(grid.momentum.look_ns, grid.next_bar_loop_ns(turn.now_ns))
    if slot.dark_since_ns is None:
        return NEVER_NS
    return max(grid.loop_after_ns(turn.now_ns), grid.loop_at_ns(slot.dark_since_ns + _max_defer_ns(grid)))


def own_one_sidedness(slot: Slot) -> None:
    """Name momentum as the source of a slot's one side while it keeps the other back; repair leaves it then (5.3)."""
    state = slot.state
    if state.long_only or state.short_only:
        missing: TradeId = "A" if state.long_only else "B"
        if slot.wait.get(missing) is WaitReason.MOMENTUM_DEFER:
            state.mode_source = "momentum"
        elif state.mode_source == "momentum":
            state.mode_source = "balance"


def look_at_waits(grid: Grid, turn: Turn) -> None:
    """Have every slot looked at that has a leg which the gate keeps back no more; call it in each loop."""
    gate = grid.momentum
    if turn.now_ns < gate.look_ns:
        return
    gate.look_ns = NEVER_NS
    for slot in grid.slots.values():
        waits = {leg for leg, reason in slot.wait.items() if reason is WaitReason.MOMENTUM_DEFER}
        if waits - {held_leg(grid, turn, slot)}:
            grid.dirty.add(slot.slot_id)
        elif waits:
            gate.look_ns = grid.next_bar_loop_ns(turn.now_ns)


def _max_defer_ns(grid: Grid) -> int:
    return round(grid.settings.momentum.max_defer_sec * _SECOND_NS)
