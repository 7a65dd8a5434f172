"""Whether the exits of a slot wait for ever: the operator's choice per slot, and what follows from a change (slots 10).

A toggle cancels nothing. What could follow from it is that exits which have waited long time out at once, so turning
stickiness off needs a confirmation that names them, and their clocks start anew at the toggle; a change of the
configuration at a start restarts them in the same way.
"""

from collections.abc import Collection
from typing import Any, Final

import msgspec

from millrace.core.commands import Reply
from millrace.core.events import Operator
from millrace.core.requests import Id, accepted, refused
from millrace.strategies.slots import legacy_path
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.operator.action import OperatorAction
from millrace.strategies.slots.reducer.model import phase
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.turn import Turn


class ToggleSticky(msgspec.Struct, frozen=True):
    """Which slot; without `sticky` the other of what it is now. Turning it off needs `confirm`."""

    slot_id: Id
    sticky: bool | None = None
    confirm: bool = False


def _toggle(grid: Grid, turn: Turn, asked: Operator, wanted: ToggleSticky) -> Reply:
    slot = grid.slots.get(wanted.slot_id)
    if slot is None:
        return refused(asked, f"there is no slot {wanted.slot_id}")
    was = grid.is_sticky(slot)
    sticky = not was if wanted.sticky is None else wanted.sticky
    exits = [] if sticky or not was else _overdue(grid, turn, slot)
    data: dict[str, Any] = {"slot_id": slot.slot_id, "sticky": sticky, "exits": exits}
    if was and not sticky:
        if not (legacy_path.is_there() and grid.settings.legacy_recovery):
            return refused(asked, "there is no legacy path, or LEGACY_RECOVERY is off, so exits wait anyway")
        if not wanted.confirm:
            ids = ", ".join(str(row["local_id"]) for row in exits)
            aged = f"exits {ids} are old enough to time out" if exits else "no exit is old enough to time out yet"
            text = f"slot {slot.slot_id} would not be sticky any more; {aged}, and their clocks would start anew;"
            return refused(asked, f"{text} confirm=true does it", data)
        slot.exits_wait_from = turn.now
    slot.sticky = sticky
    if sticky:
        slot.state.s2_entered_at = None
    grid.dirty.add(slot.slot_id)
    return accepted(asked, f"slot {slot.slot_id} is {'' if sticky else 'not '}sticky; nothing was cancelled", data)


def _overdue(grid: Grid, turn: Turn, slot: Slot) -> list[dict[str, Any]]:
    """Return the exits whose age alone would let them time out at once."""
    chosen = grid.settings
    limit_sec = chosen.s2_orphan_after_sec if phase(slot.state) == "S2" else chosen.s1_orphan_after_sec
    exits = [order for order in slot.state.orders if order.role == "exit"]
    ages = [(order, turn.now - (order.entry_filled_at or order.placed_at or turn.now)) for order in exits]
    return [
        {"local_id": order.local_id, "side": order.side, "price": order.price, "age_sec": age, "limit_sec": limit_sec}
        for order, age in ages
        if age >= limit_sec
    ]


def follow_settings(grid: Grid, turn: Turn, changed: Collection[str]) -> None:
    """Take a new global choice, for slots without one of their own: where they cease to be sticky, clocks restart."""
    if "slots.sticky_mode_enabled" not in changed:
        return
    sticky = grid.settings.sticky_mode_enabled
    for slot in grid.slots.values():
        if slot.sticky is None and sticky:
            slot.state.s2_entered_at = None
        elif slot.sticky is None:
            slot.exits_wait_from = turn.now


ACTIONS: Final[dict[str, OperatorAction]] = {
    "toggle_sticky": OperatorAction(ToggleSticky, _toggle, "let exits wait, or not: slot_id= sticky= confirm="),
}
