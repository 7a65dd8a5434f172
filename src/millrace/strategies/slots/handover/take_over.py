"""From a snapshot to a running grid: which orders are adopted, which positions are open, and the slots themselves.

An order of the snapshot that has the venue's id is adopted: the same order, not cancelled and not placed again. What
became of it since is asked of the venue, as at any start, so a fill that nobody saw is booked and an order that is gone
ends: its exit is placed anew, its entry is armed again (slots 4.6). Entries that never reached the venue are dropped,
exits that did not stay pending. For the first ten loops the grid moves nothing of its own accord (slots 10, P6).
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from millrace.core.commands import Alert, Post, Severity
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument
from millrace.core.permission import Level, ReasonCode
from millrace.core.recovery_events import AdoptedOrder, HandedOver, OpenedPosition
from millrace.strategies.slots.books.balance_recon import Baseline
from millrace.strategies.slots.books.pnl_audit import opening_records
from millrace.strategies.slots.grid import PAUSE_ID, Grid
from millrace.strategies.slots.grid_state import restore_grid, snapshot_grid
from millrace.strategies.slots.handover.grid_snapshot import GridSnapshot, SlotRecord, document_of, read_snapshot
from millrace.strategies.slots.placement import drop_entry, is_entry
from millrace.strategies.slots.reducer.invariants import duplicate_txids
from millrace.strategies.slots.reducer.model import Order, Recovery, TradeId, WaitReason
from millrace.strategies.slots.schedule import reschedule
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.telemetry.contract_blocks import take_blocks
from millrace.strategies.slots.telemetry.side_watch import SideWatch
from millrace.strategies.slots.transitions import condemn, settle
from millrace.strategies.slots.turn import Turn

_SECOND_NS: Final = 1_000_000_000
_PPM_PER_PCT, _PROFIT_MARGIN_PCT = 1e4, 0.1
_LEAST_ENTRY_PCT, _MOST_ENTRY_PCT = 0.05, 50.0
_LEGS: Final[tuple[TradeId, TradeId]] = ("A", "B")
_GRACEFUL: Final = ("signal", "process exit")
"""How the reason of a stop begins that is no halt (slots 4.6)."""
OWN: Final = frozenset(
    {
        "plain",
        "slots",
        "dirty",
        "unfunded",
        "capped",
        "short",
        "level",
        "free_seen",
        "windows",
        "sides",
        "handover",
        "audit",
        "removal",
    }
)
"""Parts of a grid's state that a snapshot tells by contract, derives, or leaves behind (slots 15.1, 17)."""


class _Claim(NamedTuple):
    """A record with the venue's id, and how the slots call it (negative: a recovery)."""

    slot: SlotRecord
    local_id: int
    record: Order | Recovery


def _claims(snapshot: GridSnapshot) -> Iterator[_Claim]:
    """Yield what is at the venue by the snapshot; of two records with one id the first."""
    seen: set[str] = set()
    for slot in snapshot.slots:
        for local_id, record in _records(slot):
            if record.txid and record.txid not in seen:
                seen.add(record.txid)
                yield _Claim(slot, local_id, record)


def _records(slot: SlotRecord) -> list[tuple[int, Order | Recovery]]:
    state = slot.state
    found: list[tuple[int, Order | Recovery]] = [(order.local_id, order) for order in state.orders]
    found += [(order.local_id, order) for order in state.cancelling]
    return found + [(-recovery.recovery_id, recovery) for recovery in state.recovery_orders]


def _key(facts: Instrument, slot_id: int, local_id: int, record: Order | Recovery) -> str:
    return f"{facts.id}/s{slot_id}/{record.trade_id}/c{record.cycle}/o{local_id}/adopted"


# ---- outside the core: what is handed over ---------------------------------------------------------------------------


def handed_over(snapshot: GridSnapshot, facts: Instrument, strategy: str, source: str, ts_ns: int) -> HandedOver:
    """Return the event that makes the snapshot's orders and positions the strategy's."""
    orders = tuple(_adopted(claim, facts, strategy) for claim in _claims(snapshot))
    positions = tuple(
        opened
        for slot in snapshot.slots
        for leg in _LEGS
        if (opened := _opened(slot, leg, snapshot, facts, strategy)) is not None
    )
    state = msgspec.json.encode(document_of(snapshot)).decode()
    return HandedOver(strategy, source, orders, positions, state, ts_ns)


def _adopted(claim: _Claim, facts: Instrument, strategy: str) -> AdoptedOrder:
    slot_id, record = claim.slot.slot_id, claim.record
    entry = is_entry(record)
    since = record.placed_at if isinstance(record, Order) else record.orphaned_at
    executed = (
        facts.lots(record.executed_volume),
        _money(record.executed_cost, facts),
        _money(record.executed_fee, facts),
    )
    return AdoptedOrder(
        record.txid,
        facts.id,
        record.side,
        facts.lots(record.volume),
        facts.ticks(record.price),
        SubPosition(strategy, facts.id, f"slot{slot_id}", record.trade_id),
        not entry,
        _key(facts, slot_id, claim.local_id, record),
        "entry" if entry else "exit",
        *executed,
        round(since * _SECOND_NS),
    )


def _opened(
    slot: SlotRecord, leg: TradeId, snapshot: GridSnapshot, facts: Instrument, strategy: str
) -> OpenedPosition | None:
    """Return the leg's position as its entries left it: what exits have executed since is news of those orders."""
    dust = slot.state.leg(leg).dust
    volume, cost, fees = dust.volume, dust.cost, dust.fee
    for _, record in _records(slot):
        if record.trade_id != leg or is_entry(record):
            continue
        volume += record.volume
        cost += record.volume * record.entry_price
        fees += record.entry_fee
    sign = 1.0 if leg == "B" else -1.0
    mark = snapshot.last_price or (cost / volume if volume else 0.0)
    if slot.residue_base * sign > 0.0:
        volume += abs(slot.residue_base)
        cost += abs(slot.residue_base) * mark
    lots = facts.lots(volume)
    if not lots:
        return None
    position = SubPosition(strategy, facts.id, f"slot{slot.slot_id}", leg)
    worth = facts.cost(facts.ticks(mark), lots)
    return OpenedPosition(position, lots if leg == "B" else -lots, _money(cost, facts), _money(fees, facts), worth)


def _money(usd: float, facts: Instrument) -> int:
    return round(usd * 10.0**facts.quote_decimals)


# ---- inside the core: the grid takes over ----------------------------------------------------------------------------


def take_over(grid: Grid, turn: Turn, event: HandedOver) -> None:
    """Become the grid of the snapshot; orders and positions are in the table already."""
    snapshot, _ = read_snapshot(msgspec.json.decode(event.state), trusted=True)
    told = _take_parts(grid, snapshot) if snapshot.parts else take_blocks(grid, snapshot.echo)
    grid.sizer.restore_state(snapshot.sizer)
    _take_tunables(grid, snapshot, told)
    adopted = {order.key for order in event.orders}
    grid.slots.clear()
    grid.keys.clear()
    grid.sides = SideWatch()
    for record in snapshot.slots:
        _take_slot(grid, turn, record, adopted)
    grid.next_slot_id = snapshot.next_slot_id
    grid.bookings = max(grid.bookings, snapshot.next_event_id - 1)
    _take_history(grid, snapshot)
    grid.handover.begin(event.source, turn.now_ns, grid.loop_after_ns(turn.now_ns), grid.loop_ns, snapshot)
    grid.releases.hold_until_ns = max(grid.releases.hold_until_ns, grid.handover.quiet_until_ns)
    for slot in grid.slots.values():
        _arrange(grid, turn, slot)
    duplicates = duplicate_txids(slot.state for slot in grid.slots.values())
    if duplicates and grid.slots:
        condemn(grid, turn, next(iter(grid.slots.values())), duplicates)
    _take_mode(grid, turn, snapshot)
    states = {slot.slot_id: slot.state for slot in grid.slots.values()}
    pair, day_loss = str(grid.instrument.id), grid.lock.loss_usd(turn.now_ns)
    turn.out += opening_records(grid.name, pair, states, grid.retired, day_loss, turn.now_ns)
    grid.wake_all()
    exits = sum(order.role == "exit" for slot in grid.slots.values() for order in slot.state.orders)
    text = f"{event.source}: {len(grid.slots)} slots, {len(event.orders)} orders adopted, {exits} exits wait"
    text = "; ".join([text, *told])
    turn.out.append(Alert(Severity.INFO, "handed_over", text, turn.now_ns))


def _take_parts(grid: Grid, snapshot: GridSnapshot) -> list[str]:
    """Take the exact states of our own parts; another version's are left behind. No release is under way any more."""
    before = snapshot_grid(grid)
    ours = {name: part for name, part in snapshot.parts.items() if name in before and name not in OWN}
    try:
        restore_grid(grid, before | ours)
        for record in snapshot.slots:
            grid.releases.forget_slot(record.slot_id)
    except (msgspec.ValidationError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        restore_grid(grid, before)
        snapshot.parts = {}
        told = f"the states of its parts are left behind ({type(error).__name__})"
        return [*take_blocks(grid, snapshot.echo), told]
    return []


def _take_tunables(grid: Grid, snapshot: GridSnapshot, told: list[str]) -> None:
    """Take what an operator set by hand, within the bounds of the request that sets it (slots 17, 18)."""
    entry_pct, profit_pct = snapshot.entry_pct, snapshot.profit_pct
    least = 2.0 * grid.instrument.maker_fee_ppm / _PPM_PER_PCT + _PROFIT_MARGIN_PCT
    if entry_pct is not None and _LEAST_ENTRY_PCT <= entry_pct <= _MOST_ENTRY_PCT:
        grid.set_tunables(entry_pct=entry_pct)
    elif entry_pct is not None:
        told.append(f"entry_pct {entry_pct:g} is out of bounds")
    if profit_pct is not None and profit_pct >= least:
        grid.set_tunables(profit_pct=profit_pct)
    elif profit_pct is not None:
        told.append(f"profit_pct {profit_pct:g} is below {least:g}")


def _take_slot(grid: Grid, turn: Turn, record: SlotRecord, adopted: set[str]) -> None:
    """Make the slot, its orders bound to those that were adopted; the age of exits begins anew where nobody said when.

    Else exits of a slot that is not sticky would time out for the time in which nobody ran, all at once (slots 10).
    """
    slot = Slot(record.slot_id, record.state, sticky=record.sticky)
    slot.quarantined = record.quarantined or record.damaged
    slot.residue_base, slot.compound_units = record.residue_base, record.compound_units
    slot.exits_wait_from = turn.now if record.exits_wait_from is None else record.exits_wait_from
    slot.gate_bypassed = record.gate_bypassed
    slot.plain = record.plain & {order.local_id for order in record.state.orders}
    grid.slots[slot.slot_id] = slot
    known = _records(record)
    slot.attempts = {local_id: record.attempts[local_id] for local_id, _ in known if local_id in record.attempts}
    for local_id, order in known:
        key = _key(grid.instrument, slot.slot_id, local_id, order)
        if key not in adopted:
            order.state = "pending"
            continue
        adopted.remove(key)
        slot.sent[local_id] = key
        slot.attempts.setdefault(local_id, 1)
        grid.keys[key] = (slot.slot_id, local_id)
        order.state = "live"
        if order.executed_volume > 0.0:
            slot.partial_seen.add(local_id)
    for order in [*slot.state.cancelling]:
        if order.local_id in slot.sent:
            order.state = "cancelling"
            slot.cancel_again.add(order.local_id)
        else:
            slot.state.cancelling.remove(order)


def _take_history(grid: Grid, snapshot: GridSnapshot) -> None:
    """Fill what looks back on cycles where our own parts did not: the sizer's rows, the day's losses, the baseline."""
    cycles = sorted(
        (cycle for slot in grid.slots.values() for cycle in slot.state.completed_cycles),
        key=lambda cycle: cycle.exit_time,
    )
    if not grid.cycles:
        for cycle in cycles:
            grid.remember(cycle)
    loss, lock = snapshot.loss, grid.lock
    if "lock" not in snapshot.parts:
        for cycle in cycles:
            lock.book(cycle.net_profit, round(cycle.exit_time * _SECOND_NS))
        if loss.day is not None:
            lock.at_least(loss.value, loss.day)
    if grid.balances.baseline is None and snapshot.baseline is not None:
        usd, base, price, ts = snapshot.baseline
        price = price or snapshot.last_price
        if price > 0.0:
            grid.balances.baseline = Baseline(usd, base, price, round(ts * _SECOND_NS))


def _arrange(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Drop entries that never left, say why legs are empty, and check what must hold."""
    for order in [*slot.state.orders]:
        if is_entry(order) and order.local_id not in slot.sent:
            drop_entry(grid, turn, slot, order, WaitReason.SCHEDULER_DEFER)
    settle(grid, turn, slot)
    reschedule(grid, turn, slot)


def _take_mode(grid: Grid, turn: Turn, snapshot: GridSnapshot) -> None:
    """Stay paused, and halted where it was for safety; a graceful stop is neither (slots 4.6)."""
    reason = snapshot.pause_reason
    if snapshot.mode == "HALTED" and not reason.lower().startswith(_GRACEFUL):
        text = reason or "halted in the snapshot, which does not say why"
        halt = grid.restriction("invariants", ReasonCode.INVARIANT_VIOLATION, text, turn.now_ns)
        turn.out.append(Post(msgspec.structs.replace(halt, level=Level.HALT)))
    elif snapshot.mode == "PAUSED":
        text = reason or "paused in the snapshot, which does not say why"
        turn.out.append(Post(grid.restriction(PAUSE_ID, ReasonCode.OPERATOR_PAUSE, text, turn.now_ns)))
