"""What an operator may ask of a running grid (slots 9, 18): pause, resume, add a slot, move a distance.

Every request is an event in the journal. The answer is an alert with the outcome, written after the core has acted, so
that what a person reads is what is in force.
"""

from collections.abc import Mapping
from math import isfinite

from millrace.core.commands import Alert, Book, Lift, Post, Severity
from millrace.core.events import Operator, Scalar
from millrace.core.permission import ReasonCode
from millrace.strategies.slots.capacity_health import NORMAL
from millrace.strategies.slots.grid import PAUSE_ID, Grid
from millrace.strategies.slots.status import capacity
from millrace.strategies.slots.transitions import recheck
from millrace.strategies.slots.turn import Turn

REFUSED = "refused"
"""How the answer to a request that was not carried out begins."""
_MIN_ENTRY_PCT, _MAX_ENTRY_PCT = 0.05, 50.0
_FEE_LEGS, _PROFIT_MARGIN_PCT = 2.0, 0.1
_RATIO_FOR_MORE = 0.90


def operate(grid: Grid, turn: Turn, event: Operator) -> None:
    """Carry out one request; requests that are not the grid's are left alone."""
    strategy = event.args.get("strategy", grid.name)
    if strategy != grid.name:
        return
    if event.action == "pause":
        answer = _pause(grid, turn, str(event.args.get("reason", "operator")))
    elif event.action == "resume":
        answer = _resume(grid, turn)
    elif event.action == "add_slot":
        answer = _add_slot(grid, turn, force=event.args.get("force") is True)
    elif event.action == "external_flow":
        answer = _external_flow(grid, turn, event.args)
    elif event.action == "set_entry_pct":
        answer = _set_entry_pct(grid, event.args.get("value"))
    elif event.action == "set_profit_pct":
        answer = _set_profit_pct(grid, event.args.get("value"))
    else:
        return
    turn.out.append(Alert(Severity.INFO, event.action, answer, turn.now_ns))


def _pause(grid: Grid, turn: Turn, text: str) -> str:
    turn.out.append(Post(grid.restriction(PAUSE_ID, ReasonCode.OPERATOR_PAUSE, text, turn.now_ns)))
    return "ok: paused; exits stay on the book"


def _resume(grid: Grid, turn: Turn) -> str:
    if grid.lock.locked:
        return "refused: the daily loss lock is active until the UTC day ends or its limit is raised"
    for slot in grid.slots.values():
        remaining = recheck(grid, turn, slot) if slot.quarantined else None
        if remaining is not None:
            return f"refused: slot {slot.slot_id} is in quarantine: ({remaining.number}) {remaining.text}"
    for tail in (PAUSE_ID, "errors", "invariants"):
        turn.out.append(Lift(f"{grid.name}/{tail}", "resumed by the operator", turn.now_ns))
    grid.errors = 0
    grid.wake_all()
    return "ok: resumed"


def _add_slot(grid: Grid, turn: Turn, *, force: bool) -> str:
    chosen = grid.settings
    wanted = len(grid.slots) + 1
    if 2 * wanted > grid.safe_cap:
        return f"refused: {wanted} slots may need {2 * wanted} orders, the safe cap is {grid.safe_cap}"
    if wanted > chosen.sticky_max_target_slots:
        return f"refused: {wanted} slots are more than STICKY_MAX_TARGET_SLOTS={chosen.sticky_max_target_slots}"
    if wanted > chosen.sticky_target_slots and chosen.open_order_safety_ratio < _RATIO_FOR_MORE:
        return (
            f"refused: more than {chosen.sticky_target_slots} slots need OPEN_ORDER_SAFETY_RATIO >= {_RATIO_FOR_MORE}"
        )
    band = capacity(grid, turn).status_band
    if band != NORMAL and not force:
        return f"refused: the capacity band is {band}; force=true adds the slot all the same"
    slot = grid.add_slot()
    warning = "" if band == NORMAL else f"; the capacity band is {band}"
    return f"ok: slot {slot.slot_id} added{warning}"


def _external_flow(grid: Grid, turn: Turn, args: Mapping[str, Scalar]) -> str:
    """Book a deposit (+) or withdrawal (-) by other hands, so that it does not count as drift (slots 7.3, 7.7)."""
    usd, base = _number(args.get("usd", 0.0)), _number(args.get("base", 0.0))
    if usd is None or base is None or (usd == 0.0 and base == 0.0):
        return "refused: say usd=AMOUNT, base=AMOUNT or both; + came in, - left"
    grid.balances.flow(usd, base)
    key = f"{grid.instrument.id}/flow/{grid.balances.flows}"
    turn.out.append(Book(grid.name, "external_flow", key, {"usd": usd, "base": base}, turn.now_ns))
    return f"ok: {usd:+g} {grid.instrument.quote} and {base:+g} {grid.instrument.base} moved the baseline"


def _set_entry_pct(grid: Grid, value: Scalar) -> str:
    number = _number(value)
    if number is None or not _MIN_ENTRY_PCT <= number <= _MAX_ENTRY_PCT:
        return f"refused: entry_pct must be a number from {_MIN_ENTRY_PCT} to {_MAX_ENTRY_PCT}, not {value!r}"
    grid.set_tunables(entry_pct=number)
    grid.wake_all()
    return f"ok: entry_pct {grid.entry_pct:g}"


def _set_profit_pct(grid: Grid, value: Scalar) -> str:
    number = _number(value)
    least = _FEE_LEGS * grid.instrument.maker_fee_ppm / 1e4 + _PROFIT_MARGIN_PCT
    if number is None or number < least:
        return f"refused: profit_pct must be a number of at least {least:g}, not {value!r}"
    grid.set_tunables(profit_pct=number)
    return f"ok: profit_pct {grid.profit_pct:g}"


def _number(value: Scalar) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)
