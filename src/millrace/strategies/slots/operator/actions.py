"""What an operator may ask of a running grid (slots 18): the table of actions, and those that are short.

Every request is an event in the journal. Its arguments are read by the rules of the whole table before anything
happens, and the reply is a command of the same step, so that what a person reads is what is in force.
"""

from typing import Annotated

import msgspec

from millrace.core.commands import Book, Lift, Post, Reply
from millrace.core.events import Operator
from millrace.core.failure import OperatorError
from millrace.core.permission import ReasonCode
from millrace.core.requests import NoArguments, accepted, asked_for, refused
from millrace.strategies.slots import legacy_path
from millrace.strategies.slots.books import audit_action
from millrace.strategies.slots.entry_size import layer_actions
from millrace.strategies.slots.grid import PAUSE_ID, Grid
from millrace.strategies.slots.operator import removal, stickiness
from millrace.strategies.slots.operator.action import OperatorAction
from millrace.strategies.slots.release.ask import RELEASE_ACTIONS
from millrace.strategies.slots.telemetry.capacity_health import NORMAL
from millrace.strategies.slots.telemetry.status import capacity
from millrace.strategies.slots.transitions import recheck
from millrace.strategies.slots.turn import Turn

_FEE_LEGS, _PROFIT_MARGIN_PCT = 2.0, 0.1
_RATIO_FOR_MORE = 0.90


class Pause(msgspec.Struct, frozen=True):
    """Why, in the operator's words."""

    reason: str = "operator"


class AddSlot(msgspec.Struct, frozen=True):
    """`force` adds the slot although the capacity band is not normal."""

    force: bool = False


class ExternalFlow(msgspec.Struct, frozen=True):
    """What came in (+) or left (-), in USD and base units."""

    usd: float = 0.0
    base: float = 0.0


class EntryPct(msgspec.Struct, frozen=True):
    """The entry distance in per cent."""

    value: Annotated[float, msgspec.Meta(ge=0.05, le=50.0)]


class ProfitPct(msgspec.Struct, frozen=True):
    """The profit distance in per cent."""

    value: float


def operate(grid: Grid, turn: Turn, event: Operator) -> None:
    """Carry out one request; requests that are not the grid's are left alone."""
    try:
        found = asked_for(ACTIONS, grid.name, event)
    except OperatorError as error:
        turn.out.append(refused(event, str(error)))
        return
    if found is not None:
        action, arguments = found
        turn.out.append(action.carry_out(grid, turn, event, arguments))


def _pause(grid: Grid, turn: Turn, asked: Operator, wanted: Pause) -> Reply:
    turn.out.append(Post(grid.restriction(PAUSE_ID, ReasonCode.OPERATOR_PAUSE, wanted.reason, turn.now_ns)))
    return accepted(asked, "paused; exits stay on the book")


def _resume(grid: Grid, turn: Turn, asked: Operator, _: NoArguments) -> Reply:
    if grid.lock.locked:
        return refused(asked, "the daily loss lock is active until the UTC day ends or its limit is raised")
    for slot in grid.slots.values():
        remaining = recheck(grid, turn, slot) if slot.quarantined else None
        if remaining is not None:
            text = f"slot {slot.slot_id} is in quarantine: ({remaining.number}) {remaining.text}"
            return refused(asked, text, {"slot_id": slot.slot_id, "invariant": remaining.number})
    for tail in (PAUSE_ID, "errors", "invariants"):
        turn.out.append(Lift(f"{grid.name}/{tail}", "resumed by the operator", turn.now_ns))
    grid.errors = 0
    grid.wake_all()
    return accepted(asked, "resumed")


def _add_slot(grid: Grid, turn: Turn, asked: Operator, wanted: AddSlot) -> Reply:
    chosen = grid.settings
    count = len(grid.slots) + 1
    if 2 * count > grid.safe_cap:
        return refused(asked, f"{count} slots may need {2 * count} orders, the safe cap is {grid.safe_cap}")
    if count > chosen.sticky_max_target_slots:
        text = f"{count} slots are more than STICKY_MAX_TARGET_SLOTS={chosen.sticky_max_target_slots}"
        return refused(asked, text)
    if count > chosen.sticky_target_slots and chosen.open_order_safety_ratio < _RATIO_FOR_MORE:
        text = f"more than {chosen.sticky_target_slots} slots need OPEN_ORDER_SAFETY_RATIO >= {_RATIO_FOR_MORE}"
        return refused(asked, text)
    band = capacity(grid, turn).status_band
    if band != NORMAL and not wanted.force:
        return refused(asked, f"the capacity band is {band}; force=true adds the slot all the same", {"band": band})
    slot = grid.add_slot()
    warning = "" if band == NORMAL else f"; the capacity band is {band}"
    return accepted(asked, f"slot {slot.slot_id} added{warning}", {"slot_id": slot.slot_id, "band": band})


def _external_flow(grid: Grid, turn: Turn, asked: Operator, moved: ExternalFlow) -> Reply:
    """Book a deposit (+) or withdrawal (-) by other hands, so that it does not count as drift (slots 7.3, 7.7)."""
    usd, base = moved.usd, moved.base
    if usd == 0.0 and base == 0.0:
        return refused(asked, "say usd=AMOUNT, base=AMOUNT or both; + came in, - left")
    grid.balances.flow(usd, base)
    key = f"{grid.instrument.id}/flow/{grid.balances.flows}"
    turn.out.append(Book(grid.name, "external_flow", key, {"usd": usd, "base": base}, turn.now_ns))
    return accepted(asked, f"{usd:+g} {grid.instrument.quote} and {base:+g} {grid.instrument.base} moved the baseline")


def _set_entry_pct(grid: Grid, _: Turn, asked: Operator, wanted: EntryPct) -> Reply:
    grid.set_tunables(entry_pct=wanted.value)
    grid.wake_all()
    in_force = grid.entry_pct_in_force
    text = f"entry_pct {grid.entry_pct:g}"
    if in_force != grid.entry_pct:
        text += f"; {in_force:g} of the ADX band is in force while the band is known (REGIME_ADX_ENABLED)"
    return accepted(asked, text, {"entry_pct": grid.entry_pct, "entry_pct_in_force": in_force})


def _set_profit_pct(grid: Grid, _: Turn, asked: Operator, wanted: ProfitPct) -> Reply:
    least = _FEE_LEGS * grid.instrument.maker_fee_ppm / 1e4 + _PROFIT_MARGIN_PCT
    if wanted.value < least:
        return refused(asked, f"value must be a number of at least {least:g}, twice the maker fee and a margin")
    grid.set_tunables(profit_pct=wanted.value)
    return accepted(asked, f"profit_pct {grid.profit_pct:g}", {"profit_pct": grid.profit_pct})


ACTIONS: dict[str, OperatorAction] = {
    "pause": OperatorAction(Pause, _pause, "send no new entries: reason="),
    "resume": OperatorAction(NoArguments, _resume, "trade again after a pause, errors or a halt of the grid's own"),
    "add_slot": OperatorAction(AddSlot, _add_slot, "open one more slot; force=true in spite of the capacity band"),
    "set_entry_pct": OperatorAction(EntryPct, _set_entry_pct, "move the entry distance: value= per cent, 0.05 to 50"),
    "set_profit_pct": OperatorAction(ProfitPct, _set_profit_pct, "move the profit distance: value= per cent"),
    **RELEASE_ACTIONS,
    "external_flow": OperatorAction(ExternalFlow, _external_flow, "tell what came in (+) or left (-): usd= base="),
    **audit_action.ACTIONS,
    **removal.ACTIONS,
    **layer_actions.ACTIONS,
    **stickiness.ACTIONS,
    **legacy_path.actions(),
}
"""Every action of the grid by its name; the one list that the program, `millrace ask` and the tests read."""
