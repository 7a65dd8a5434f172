"""One event through a slot's reducer, and everything that must follow from its actions.

This is the only caller of the reducer: market price and profit target are brought up to now before it, bookings,
cancels and placements carried out in causal order after it, and the invariants are checked on what came of it
(slots 1.3, 3, 4).
"""

from millrace.core.commands import Alert, Book, Cancel, Post, Severity
from millrace.core.events import Scalar
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.strategies.slots.books.residue import Move
from millrace.strategies.slots.entry_size.order_size import compound_units
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.placement import drop_entry, place, reprice_entry
from millrace.strategies.slots.reducer import actions as act
from millrace.strategies.slots.reducer import events as ev
from millrace.strategies.slots.reducer.invariants import (
    HALT_NUMBERS,
    POSITION_NUMBER,
    Violation,
    duplicate_txids,
    heal,
    normalise_flags,
    violations,
)
from millrace.strategies.slots.reducer.model import Cycle, Order, TradeId, WaitReason
from millrace.strategies.slots.reducer.refresh import REFRESH
from millrace.strategies.slots.reducer.transition import apply
from millrace.strategies.slots.signals.momentum_gate import is_kept_back
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.turn import Turn

_LEGS: tuple[TradeId, TradeId] = ("A", "B")
_TICKS = (ev.PriceTick, ev.TimerTick)
_MAKES_EXITS = (ev.Fill, ev.OrderEnded)


def reduce(grid: Grid, turn: Turn, slot: Slot, event: ev.Event, *, paced: bool = True) -> None:
    """Apply one event to the slot and carry out what it asks for."""
    sync(grid, turn, slot)
    if isinstance(event, _MAKES_EXITS):
        slot.state.profit_pct_runtime = grid.profit_target_pct(turn)
    held = slot.state.a.dust.volume, slot.state.b.dust.volume
    actions = apply(slot.state, event, grid.cfg(slot), grid.sizes(slot, turn, fresh=True))
    if actions or not isinstance(event, _TICKS):
        carry_out(grid, turn, slot, actions, paced=paced)
        for leg, volume in zip(_LEGS, held, strict=True):
            _record_dust(grid, turn, slot, leg, volume)


def _record_dust(grid: Grid, turn: Turn, slot: Slot, leg: TradeId, before: float) -> None:
    """Book what an event moved into or out of a leg's dust, with what is there now (slots 7.3)."""
    dust = slot.state.leg(leg).dust
    if dust.volume == before:
        return
    grid.dust_moves += 1
    values: dict[str, Scalar] = {
        "slot": slot.slot_id,
        "trade_id": leg,
        "moved": dust.volume - before,
        "volume": dust.volume,
        "cost": dust.cost,
        "fee": dust.fee,
    }
    turn.out.append(Book(grid.name, "dust", f"{grid.instrument.id}/dust/{grid.dust_moves}", values, turn.now_ns))


def sync(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Bring the slot's price and time up to the market view's."""
    state = slot.state
    state.now = max(state.now, turn.now)
    if turn.price > 0.0:
        state.market_price = turn.price
        state.last_price_update_at = grid.instrument_seconds(turn.market.last_ts_ns)


def carry_out(grid: Grid, turn: Turn, slot: Slot, actions: list[act.Action], *, paced: bool) -> None:
    """Carry out one transition's actions in their order, then check what must hold."""
    bookings = sum(isinstance(action, act.Book) for action in actions)
    cycles = iter(slot.state.completed_cycles[len(slot.state.completed_cycles) - bookings :])
    for action in actions:
        if isinstance(action, act.Place):
            if bookings:
                _size_again(grid, turn, slot, action.local_id)
            if not _waits_for_momentum(grid, turn, slot, action):
                place(grid, turn, slot, action.local_id, paced=paced)
        elif isinstance(action, act.Book):
            _book(grid, turn, slot, next(cycles))
        elif isinstance(action, act.Cancel):
            _cancel(grid, turn, slot, action)
        else:
            _rename(grid, slot, action.local_id, -action.recovery_id)
    settle(grid, turn, slot)


def settle(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Make flags and wait reasons say what the orders say, and check what must hold."""
    normalise_flags(slot.state)
    _explain_empty_legs(grid, turn, slot)
    check(grid, turn, slot)


def _waits_for_momentum(grid: Grid, turn: Turn, slot: Slot, action: act.Place) -> bool:
    """Take a new entry off its leg when the momentum gate keeps it back; one that a refresh moves is not new."""
    if action.role != "entry" or action.reason == REFRESH:
        return False
    entry = slot.state.order(action.local_id)
    if entry is None or not is_kept_back(grid, turn, slot, entry):
        return False
    drop_entry(grid, turn, slot, entry, WaitReason.MOMENTUM_DEFER)
    return True


def _size_again(grid: Grid, turn: Turn, slot: Slot, local_id: int) -> None:
    """Give the entry that follows a booking the size that the booked profit makes (slots 4.2 rule 5, 8.1)."""
    record = slot.record(local_id)
    if isinstance(record, Order) and record.role == "entry":
        reprice_entry(grid, turn, slot, record)


def _explain_empty_legs(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Give every empty leg a reason: its cooldown, or that the next loop's repair will arm it."""
    for leg in _LEGS:
        if slot.state.leg_order(leg) is not None:
            grid.clear_wait(slot, leg)
        elif leg not in slot.wait:
            cooling = turn.now < slot.state.leg(leg).cooldown_until
            slot.wait[leg] = WaitReason.COOLDOWN if cooling else WaitReason.SCHEDULER_DEFER


def _cancel(grid: Grid, turn: Turn, slot: Slot, action: act.Cancel) -> None:
    key = slot.sent.get(action.local_id)
    if key is not None:
        turn.out.append(Cancel(grid.name, key, action.reason))
        turn.calls_left -= 1
        return
    ended = ev.OrderEnded(action.local_id, "", "canceled", 0.0, 0.0, 0.0, turn.now)
    apply(slot.state, ended, grid.cfg(slot), grid.sizes(slot, turn))
    slot.forget(action.local_id)


def _cancel_strays(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Cancel what is at the venue without a record: an evicted recovery that the venue had not named yet, too."""
    for local_id in [known for known in slot.attempts if slot.record(known) is None]:
        if local_id in slot.sent:
            turn.out.append(Cancel(grid.name, slot.sent[local_id], "recovery_cap_evict_priority"))
        else:
            slot.forget(local_id)


def _rename(grid: Grid, slot: Slot, old_id: int, new_id: int) -> None:
    """Follow an exit that became a recovery: the order at the venue stays, its local name changes."""
    grid.releases.renamed(slot.slot_id, old_id, new_id)
    key = slot.sent.pop(old_id, None)
    if key is not None:
        slot.sent[new_id] = key
        grid.keys[key] = (slot.slot_id, new_id)
    if old_id in slot.attempts:
        slot.attempts[new_id] = slot.attempts.pop(old_id)
    if old_id in slot.partial_seen:
        slot.partial_seen.remove(old_id)
        slot.partial_seen.add(new_id)


def _book(grid: Grid, turn: Turn, slot: Slot, cycle: Cycle) -> None:
    if cycle.cause == "eviction":
        _cancel_strays(grid, turn, slot)
    if cycle.cause in ("eviction", "release"):
        left = cycle.volume if cycle.trade_id == "B" else -cycle.volume
        move_residue(grid, turn, slot.slot_id, cycle.cause, Move(left, cycle.exit_price, cycle.exit_fee), traded=False)
    slot.compound_units += compound_units(cycle.net_profit, cycle.exit_price)
    grid.note_cycle(cycle)
    turn.out.append(
        Book(
            strategy=grid.name,
            kind="cycle",
            key=f"{grid.instrument.id}/{grid.bookings}",
            values={
                "slot": slot.slot_id,
                "trade_id": cycle.trade_id,
                "cycle": cycle.cycle,
                "cause": cycle.cause,
                "released": cycle.released,
                "completes": cycle.completes,
                "entry_price": cycle.entry_price,
                "exit_price": cycle.exit_price,
                "volume": cycle.volume,
                "gross": cycle.gross_profit,
                "fees": cycle.fees,
                "net": cycle.net_profit,
                "settled": cycle.settled_usd,
                "entry_time": cycle.entry_time,
                "exit_time": cycle.exit_time,
                "regime": cycle.regime_at_entry,
                "would_defer": cycle.would_defer,
            },
            ts_ns=turn.now_ns,
        )
    )
    grid.check_loss_lock(turn)


def move_residue(grid: Grid, turn: Turn, slot_id: int, cause: str, move: Move, *, traded: bool) -> None:
    """Book what a write-off left in the account, or what a real trade took of it (slots 11.3).

    The slot may be gone by then: what it held is the account's all the same.
    """
    slot = grid.slots.get(slot_id)
    if slot is not None:
        slot.residue_base += move.base
    if traded:
        grid.residue.traded(move)
    else:
        grid.residue.written_off(move)
    key = f"{grid.instrument.id}/residue/{grid.residue.moves}"
    values = grid.residue.record(slot_id, cause, move) | {"traded": traded}
    turn.out.append(Book(grid.name, "residue", key, values, turn.now_ns))


def check(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Check the slot's invariants: heal, else quarantine the slot, else halt the strategy (slots 3)."""
    found = _violations(grid, turn, slot)
    if found and heal(slot.state, grid.cfg(slot)):
        found = _violations(grid, turn, slot)
    if found:
        condemn(grid, turn, slot, found)


def knows_its_position(grid: Grid, turn: Turn, slot: Slot) -> bool:
    """Tell whether the slot's records stand for what the ledger says it holds (slots 3, invariant 11)."""
    return not any(violation.number == POSITION_NUMBER for violation in _violations(grid, turn, slot))


def check_txid(grid: Grid, turn: Turn, slot: Slot, txid: str) -> None:
    """Check that one record alone claims a venue's order (slots 3, invariant 12)."""
    claims = 0
    for other in grid.slots.values():  # written out: it looks at every order of the grid at each acceptance
        for order in other.state.orders:
            if order.txid == txid:
                claims += 1
        for row in other.state.recovery_orders:
            if row.txid == txid:
                claims += 1
    if claims > 1:
        condemn(grid, turn, slot, duplicate_txids(other.state for other in grid.slots.values()))


def recheck(grid: Grid, turn: Turn, slot: Slot) -> Violation | None:
    """Heal a quarantined slot and let it trade again, or return the first violation that remains (slots 3)."""
    heal(slot.state, grid.cfg(slot))
    normalise_flags(slot.state)
    _explain_empty_legs(grid, turn, slot)
    found = _violations(grid, turn, slot) + duplicate_txids(other.state for other in grid.slots.values())
    if found:
        return found[0]
    slot.quarantined = False
    return None


def condemn(grid: Grid, turn: Turn, slot: Slot, found: list[Violation]) -> None:
    """Quarantine a slot over what is broken in it, and halt the strategy over what concerns all (slots 3)."""
    grid.violations += len(found)
    fresh, slot.quarantined = not slot.quarantined, True
    if fresh:
        text = f"slot {slot.slot_id}: " + "; ".join(f"({number}) {text}" for number, text in found)
        turn.out.append(Alert(Severity.PAGE, "invariant_violation", text, turn.now_ns))
    quarantined = sum(other.quarantined for other in grid.slots.values())
    fatal = any(violation.number in HALT_NUMBERS for violation in found)
    halts = fatal or quarantined > grid.settings.quarantine_halt_fraction * len(grid.slots)
    if fresh or (halts and turn.standing.level < Level.HALT):
        numbers = tuple(violation.number for violation in found)
        sticky = grid.is_sticky(slot)
        turn.out.append(grid.records.invariant(slot.slot_id, numbers, turn.now_ns, sticky=sticky, halted=halts))
    if halts:
        _halt(grid, turn, found)


def _violations(grid: Grid, turn: Turn, slot: Slot) -> list[Violation]:
    lots = turn.view.position(grid.position(slot.slot_id, "A")) + turn.view.position(grid.position(slot.slot_id, "B"))
    ledger_base = grid.instrument.volume(lots) - slot.residue_base
    return violations(slot.state, grid.cfg(slot), slot.wait, ledger_base)


def _halt(grid: Grid, turn: Turn, found: list[Violation]) -> None:
    turn.out.append(
        Post(
            Restriction(
                id=f"{grid.name}/invariants",
                scope=Scope(ScopeKind.STRATEGY, grid.name),
                level=Level.HALT,
                reason=ReasonCode.INVARIANT_VIOLATION,
                text="; ".join(violation.text for violation in found),
                posted_by=grid.name,
                posted_ns=turn.now_ns,
            )
        )
    )
