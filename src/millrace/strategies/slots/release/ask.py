"""What an operator may ask about releases (slots 11.2, 18): release one exit, preview it, acknowledge a trip, recheck.

A refusal lists every gate as data, because "no" without figures makes people guess; there is no way to force one. A
release that has begun answers twice: that it has begun, and what came of it.
"""

from typing import Any, Literal

import msgspec
from msgspec import structs

from millrace.core.commands import Reply
from millrace.core.events import Operator
from millrace.core.permission import Level
from millrace.core.requests import Id, NoArguments, accepted, refused
from millrace.risk.reconciliation import ACTIONS as COMPARISON_ACTIONS
from millrace.risk.reconciliation import RECONCILE, ReconcileDrift
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.operator.action import OperatorAction
from millrace.strategies.slots.reducer.writeoff import closing_cycles
from millrace.strategies.slots.release.flow import begin, book_outcome
from millrace.strategies.slots.release.gates import Gates
from millrace.strategies.slots.release.recon import ReconGate, recon_gate
from millrace.strategies.slots.release.releases import MANUAL, Checks, Running
from millrace.strategies.slots.release.tiers import Waiting, gates_now, live_exits
from millrace.strategies.slots.slot import NEVER_NS, Slot
from millrace.strategies.slots.turn import Turn


class ReleaseSlot(msgspec.Struct, frozen=True):
    """Which exit: by its id (negative: a recovery), else the leg's oldest, else the slot's oldest."""

    slot_id: Id
    local_id: int | None = None
    exit_local_id: int | None = None
    trade_id: Literal["A", "B"] | None = None
    preview: bool = False


class ReleaseOldest(msgspec.Struct, frozen=True):
    """The slot whose oldest exit that passes all gates is to be released."""

    slot_id: Id
    preview: bool = False


def _release_slot(grid: Grid, turn: Turn, asked: Operator, wanted: ReleaseSlot) -> Reply:
    slot = grid.slots.get(wanted.slot_id)
    if slot is None:
        return refused(asked, f"there is no slot {wanted.slot_id}")
    local_id = wanted.exit_local_id if wanted.local_id is None else wanted.local_id
    rows = live_exits(slot)
    if local_id is not None:
        chosen = next((row for row in rows if row.local_id == local_id), None)
        text = _not_live(slot, local_id)
    else:
        chosen = next((row for row in rows if wanted.trade_id in (None, row.record.trade_id)), None)
        leg = "" if wanted.trade_id is None else f" of leg {wanted.trade_id}"
        text = f"slot {wanted.slot_id} has no exit{leg} on the book"
    if chosen is None:
        return refused(asked, text, {"slot_id": wanted.slot_id})
    return _judged(grid, turn, asked, chosen, preview=wanted.preview)


def _release_oldest(grid: Grid, turn: Turn, asked: Operator, wanted: ReleaseOldest) -> Reply:
    slot = grid.slots.get(wanted.slot_id)
    rows = [] if slot is None else live_exits(slot)
    if not rows:
        text = (
            f"there is no slot {wanted.slot_id}" if slot is None else f"slot {wanted.slot_id} has no exit on the book"
        )
        return refused(asked, text, {"slot_id": wanted.slot_id})
    adx = grid.read_bars(turn).adx
    chosen = next((row for row in rows if gates_now(grid, turn, row.record, adx).ok), rows[0])
    return _judged(grid, turn, asked, chosen, preview=wanted.preview)


def _judged(grid: Grid, turn: Turn, asked: Operator, chosen: Waiting, *, preview: bool) -> Reply:
    """Begin the release, or answer with every gate that stands against it."""
    gates, gate = gates_now(grid, turn, chosen.record, grid.read_bars(turn).adx), recon_gate(grid, turn)
    data, name = _data(grid, turn, chosen, gates, gate), f"slot {chosen.slot_id} exit {chosen.local_id}"
    against = _against(turn, chosen, gates, gate)
    warning = f"; warning: {', '.join(data['warnings'])}" if data["warnings"] else ""
    if preview:
        may = f"may not be released: {against}" if against else "may be released"
        return accepted(asked, f"preview: {name} {may}{warning}", data | {"eligible": not against})
    checks = Checks(gates.age.ok, gates.distance.ok, gates.regime.ok, not gate.blocks_all)
    if against:
        nothing = Running(chosen.slot_id, chosen.local_id, MANUAL, NEVER_NS, checks)
        book_outcome(grid, turn, nothing, "refused")
        return refused(asked, f"{name}: {against}", data)
    begin(grid, turn, chosen.slot, chosen.local_id, MANUAL, checks, asked)
    return accepted(asked, f"{name} is being cancelled; what comes of it follows{warning}", data, final=False)


def _against(turn: Turn, chosen: Waiting, gates: Gates, gate: ReconGate) -> str:
    """Return what stands against a release by hand; empty when nothing does."""
    if turn.standing.level >= Level.HALT:
        return "trading is halted; exits stay as they are"
    if chosen.slot.quarantined:
        return "its slot is in quarantine: what it holds is not certain; resume says what is wrong"
    parts = [] if gates.ok else [f"gates: {gates.as_text()}"]
    if gate.blocks_all:
        parts.append(f"recon: {gate.reason}")
    return "; ".join(parts)


def _data(grid: Grid, turn: Turn, chosen: Waiting, gates: Gates, gate: ReconGate) -> dict[str, Any]:
    """Return the gates and what would be booked now, as builtins."""
    cycles = closing_cycles(chosen.record, turn.price, None, grid.cfg(chosen.slot)) if turn.price > 0.0 else []
    net_usd = sum(cycle.net_profit for cycle in cycles)
    warnings = []
    if gate.enabled and not gate.available:
        warnings.append(f"the balances cannot be compared ({gate.status or 'no baseline'})")
    if grid.lock.would_hit(net_usd, turn.now_ns):
        warnings.append("the booking hits the daily loss limit and pauses trading")
    return {
        "slot_id": chosen.slot_id,
        "local_id": chosen.local_id,
        "trade_id": chosen.record.trade_id,
        "gates": gates.as_data(),
        "recon": gate.as_data(),
        "projected": {
            "close_mode": grid.settings.release.close_mode,
            "mark": turn.price,
            "volume": chosen.record.volume - chosen.record.executed_volume,
            "gross": sum(cycle.gross_profit for cycle in cycles),
            "fees": sum(cycle.fees for cycle in cycles),
            "net": net_usd,
        },
        "warnings": warnings,
    }


def _not_live(slot: Slot, local_id: int) -> str:
    """Say why an exit that was named cannot be released."""
    record = slot.record(local_id)
    if record is None:
        return f"slot {slot.slot_id} has no exit {local_id}"
    where = "is on its way off the book" if record.state in ("cancelling", "closing") else "is not on the book"
    return f"slot {slot.slot_id} order {local_id} {where}; only a live exit is released"


def _release_ack(grid: Grid, turn: Turn, asked: Operator, _: NoArguments) -> Reply:
    if not grid.releases.tripped:
        return refused(asked, "no release has tripped the reconciliation gate")
    gate = structs.replace(recon_gate(grid, turn), tripped=False)
    grid.releases.tripped = False
    still = f"; it still blocks: {gate.reason}" if gate.reason else ""
    return accepted(asked, f"the trip of the reconciliation gate is acknowledged{still}", {"recon": gate.as_data()})


def _reconcile_drift(grid: Grid, turn: Turn, asked: Operator, _: ReconcileDrift) -> Reply:
    """Say how the gate stands; the guard that compares with the venue has answered for orders and totals."""
    gate = recon_gate(grid, turn)
    verdict = gate.reason or ("clear" if gate.available else f"the balances cannot be compared ({gate.status})")
    return accepted(asked, f"gate of releases: {verdict}", {"recon": gate.as_data()})


RELEASE_ACTIONS: dict[str, OperatorAction] = {
    "release_slot": OperatorAction(
        ReleaseSlot, _release_slot, "close a waiting exit: slot_id= [local_id= | trade_id=A|B] [preview=true]"
    ),
    "release_oldest_eligible": OperatorAction(
        ReleaseOldest, _release_oldest, "close the slot's oldest exit that passes all gates: slot_id= [preview=true]"
    ),
    RECONCILE: OperatorAction(ReconcileDrift, _reconcile_drift, COMPARISON_ACTIONS[RECONCILE]),
    "release_ack": OperatorAction(
        NoArguments, _release_ack, "acknowledge that a release tripped the reconciliation gate"
    ),
}
"""The actions of this module; `operate` joins them into the table."""
