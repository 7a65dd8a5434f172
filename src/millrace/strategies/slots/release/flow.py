"""How one release goes: the exit is cancelled, its end awaited, and only then is anything booked (slots 11.3).

* The cancel is confirmed: what had executed is booked as it traded, and the rest at the mark without a trade (residue,
  `CLOSE_MODE=synthetic`), or by an order that takes what is there within `CLOSE_SLIP_PCT` (`market`).
* The order had filled instead: that is a normal fill, and the release says so.
* No word within ten seconds, no fresh price, a halt, a loss that would close the day's lock on a tier's release, a
  closing order that was refused or found nobody: the release has failed. Its exit, or what is left of it, goes back on
  the book at its price when its order has ended, by the same rule as any exit that the venue ended (slots 6.3).

In market mode what the closing order does not fill is never written off: who chose it wants books that are trades.
"""

from typing import Literal

from msgspec import structs

from millrace.core.commands import OK as REPLY_OK
from millrace.core.commands import REFUSED as REPLY_REFUSED
from millrace.core.commands import Alert, Book, Cancel, Reply, Severity
from millrace.core.events import Operator, Scalar
from millrace.core.permission import Level
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.placement import is_entry
from millrace.strategies.slots.reducer.events import OrderEnded, PartFill, Release
from millrace.strategies.slots.reducer.model import Order, Recovery
from millrace.strategies.slots.reducer.writeoff import closing_cycles
from millrace.strategies.slots.release.recon import recon_gate
from millrace.strategies.slots.release.releases import CONFIRM_NS, MANUAL, Checks, Running
from millrace.strategies.slots.slot import NEVER_NS, Slot
from millrace.strategies.slots.transitions import reduce
from millrace.strategies.slots.turn import Turn

_HOLD_NS = 300 * 1_000_000_000
"""After a failed release the tiers leave the book alone for so long, so that an exit is not moved about for ever."""
Outcome = Literal["released", "filled", "failed", "refused"]


def begin(
    grid: Grid, turn: Turn, slot: Slot, local_id: int, tier: int, checks: Checks, asked: Operator | None = None
) -> None:
    """Take a live exit off the book; its release goes on when the venue has confirmed that."""
    record = slot.record(local_id)
    assert record is not None  # noqa: S101  the caller has just chosen it
    record.state = "cancelling"
    request = None if asked is None else (asked.request, asked.action)
    grid.releases.start(Running(slot.slot_id, local_id, tier, turn.now_ns + CONFIRM_NS, checks, asked=request))
    turn.out.append(Cancel(grid.name, slot.sent[local_id], "release"))
    turn.calls_left -= 1


def projected_net_usd(grid: Grid, turn: Turn, slot: Slot, record: Order | Recovery) -> float:
    """Return what a release would book now, net."""
    return sum(cycle.net_profit for cycle in closing_cycles(record, turn.price, None, grid.cfg(slot)))


def ended(grid: Grid, turn: Turn, slot: Slot, running: Running, end: OrderEnded) -> None:
    """Carry a release on after its order has left the book without having filled."""
    before = slot.state.total_profit
    if running.closing:
        reduce(grid, turn, slot, end)
        if end.exec_volume > 0.0:
            _released(grid, turn, running, running.net_usd + slot.state.total_profit - before)
        else:
            fail(grid, turn, running, "the closing order found nobody; the exit goes back on the book")
        return
    obstacle = _obstacle(grid, turn, slot, running)
    if obstacle:
        reduce(grid, turn, slot, end)
        fail(grid, turn, running, obstacle)
    elif grid.settings.release.close_mode == "market":
        _close(grid, turn, slot, running, end)
    else:
        if end.exec_volume > 0.0:
            cost = end.exec_volume * end.avg_price
            part = PartFill(end.local_id, end.txid, end.exec_volume, cost, end.fee, turn.now)
            reduce(grid, turn, slot, part)
        reduce(grid, turn, slot, Release(end.local_id, turn.price, None, turn.now, f"tier {running.tier}"))
        _released(grid, turn, running, slot.state.total_profit - before)


def filled(grid: Grid, turn: Turn, slot: Slot, running: Running, before_usd: float) -> None:
    """Tell of a release whose order filled: the exit's own, in the race with its cancel, or the one that closes it."""
    if running.closing:
        _released(grid, turn, running, running.net_usd + slot.state.total_profit - before_usd)
        return
    grid.releases.totals["filled"] += 1
    _conclude(grid, turn, running, "filled", "its order filled before it could be cancelled; a normal fill")


def not_sent(grid: Grid, turn: Turn, slot: Slot, local_id: int, why: str) -> None:
    """Give up a release whose order never stood: the exit waits for its place on the book again."""
    running = grid.releases.take(slot.slot_id, local_id)
    record = slot.record(local_id)
    if record is not None and not is_entry(record):
        record.state = "pending"
    if running is not None:
        fail(grid, turn, running, why)


def time_out(grid: Grid, turn: Turn) -> None:
    """Give up the releases whose cancel was not confirmed in time; their orders stay `cancelling` until they end."""
    for running in grid.releases.overdue(turn.now_ns):
        fail(grid, turn, running, "no end of its order within 10 s; the exit goes back when it has ended")


def fail(grid: Grid, turn: Turn, running: Running, why: str) -> None:
    """Count and tell that a release did not happen."""
    grid.releases.totals["failed"] += 1
    if running.tier != MANUAL:
        grid.releases.hold_until_ns = turn.now_ns + _HOLD_NS
    _conclude(grid, turn, running, "failed", why)


def _obstacle(grid: Grid, turn: Turn, slot: Slot, running: Running) -> str:
    """Return why nothing may be booked although the exit is off the book; empty when it may."""
    if turn.now_ns > running.until_ns:
        # After a restart the venue's answer may come before the clock's word that its time is up.
        return "the end of its order came after its 10 s"
    if turn.stale:
        return "there is no fresh price to book at"
    if turn.standing.level >= Level.HALT:
        return "trading was halted meanwhile"
    if running.tier == MANUAL:
        return ""
    if turn.standing.level >= Level.REDUCE_ONLY:
        return "trading was restricted meanwhile"
    record = slot.record(running.local_id)
    if record is not None and grid.lock.would_hit(projected_net_usd(grid, turn, slot, record), turn.now_ns):
        return "the booking would hit the daily loss limit"
    return ""


def _close(grid: Grid, turn: Turn, slot: Slot, running: Running, end: OrderEnded) -> None:
    """Book what had executed and send an order for the rest that takes what is there.

    The reducer puts the rest back under its next id (slots 6.3); `placement` sees by that id how it is to be sent.
    """
    state = slot.state
    new_id = -state.next_recovery_id if running.local_id < 0 else state.next_order_id
    before = state.total_profit
    closing = structs.replace(running, local_id=new_id, until_ns=NEVER_NS, closing=True)
    grid.releases.start(closing)
    reduce(grid, turn, slot, end)
    closing = structs.replace(closing, net_usd=state.total_profit - before)
    grid.releases.start(closing)
    record = slot.record(new_id)
    if record is None or is_entry(record):
        # What was left was too little for an order of its own.
        grid.releases.take(slot.slot_id, new_id)
        _released(grid, turn, running, closing.net_usd)
    elif new_id not in slot.sent:
        not_sent(grid, turn, slot, new_id, "the closing order could not be paid or was not allowed to leave")


def _released(grid: Grid, turn: Turn, running: Running, net_usd: float) -> None:
    """Count a release that was booked and look at the hard gate at once (slots 11.3 step 6)."""
    grid.releases.released(running.tier, net_usd, turn.now)
    gate = recon_gate(grid, turn)
    grid.releases.tripped = grid.releases.tripped or gate.blocks_all
    gate = structs.replace(gate, tripped=grid.releases.tripped)
    grid.releases.again = running.tier != MANUAL
    text = f"booked {net_usd:+.4f} {grid.instrument.quote} at {turn.price:g}"
    _conclude(grid, turn, running, "released", f"{text}; {gate.reason}" if gate.reason else text, net_usd)


def _conclude(grid: Grid, turn: Turn, running: Running, outcome: Outcome, text: str, net_usd: float = 0.0) -> None:
    said = f"slot {running.slot_id} exit {running.local_id}: {outcome}; {text}"
    severity = Severity.INFO if outcome != "failed" else Severity.WARN
    turn.out.append(Alert(severity, "release", said, turn.now_ns))
    book_outcome(grid, turn, running, outcome, net_usd)
    if running.asked is not None:
        request, action = running.asked
        data = {"slot_id": running.slot_id, "local_id": running.local_id, "outcome": outcome, "net_usd": net_usd}
        code = REPLY_REFUSED if outcome == "failed" else REPLY_OK
        turn.out.append(Reply(request, action, code, said, data, turn.now_ns))


def book_outcome(grid: Grid, turn: Turn, running: Running, outcome: Outcome, net_usd: float = 0.0) -> None:
    """Append what became of a release, and which gates it had passed (slots 7.3, 20.3)."""
    grid.releases.booked += 1
    checks = running.checks
    values: dict[str, Scalar] = {
        "tier": running.tier,
        "outcome": outcome,
        "slot": running.slot_id,
        "local_id": running.local_id,
        "mark": turn.price,
        "net": net_usd,
        "gate_age_ok": checks.age,
        "gate_distance_ok": checks.distance,
        "gate_regime_ok": checks.regime,
        "recon_ok": checks.recon,
    }
    key = f"{grid.instrument.id}/release/{grid.releases.booked}"
    turn.out.append(Book(grid.name, "release", key, values, turn.now_ns))
