"""Taking slots out of the grid: their orders leave the book first, and what they earned or hold stays in the books.

A slot goes only when the venue has confirmed the end of every order of it; when a cancel is not confirmed in time the
slot stays and trades on, because an order that nobody tracks is worse than a slot too many (slots 18, P15). While in
position a slot goes only with `confirm`: its exits are taken off the book too, and what they would have closed moves to
the inventory residue at its entry price. Nothing is booked as profit or loss for that, realised sums move to the bucket
of retired slots, and so no total of the account changes (slots 7.3, P31).
"""

from typing import Annotated, Final

import msgspec

from millrace.core.commands import OK, REFUSED, Alert, Book, Cancel, Reply, Severity
from millrace.core.events import Operator, Scalar
from millrace.core.requests import Id, accepted, refused
from millrace.strategies.slots.books.pnl_audit import REMOVED
from millrace.strategies.slots.books.residue import Move
from millrace.strategies.slots.books.retired import totals_of
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.operator.action import OperatorAction
from millrace.strategies.slots.reducer.model import Order, Recovery, SlotState, TradeId, tracked_position
from millrace.strategies.slots.slot import NEVER_NS, Slot
from millrace.strategies.slots.stages.stage_record import note_stage
from millrace.strategies.slots.transitions import knows_its_position, move_residue
from millrace.strategies.slots.turn import Turn

_PATIENCE_NS = 60 * 1_000_000_000
"""How long the venue may take to confirm the cancels of one slot."""
_LEGS: tuple[TradeId, TradeId] = ("A", "B")


class RemoveSlot(msgspec.Struct, frozen=True):
    """Which slot; `confirm` also removes it while it is in position."""

    slot_id: Id
    confirm: bool = False


class RemoveSlots(msgspec.Struct, frozen=True):
    """How many, from the highest id down."""

    count: Annotated[int, msgspec.Meta(ge=1)]


def _remove_slot(grid: Grid, turn: Turn, asked: Operator, wanted: RemoveSlot) -> Reply:
    if wanted.slot_id not in grid.slots:
        return refused(asked, f"there is no slot {wanted.slot_id}")
    return _begin(grid, turn, asked, [wanted.slot_id], confirm=wanted.confirm)


def _remove_slots(grid: Grid, turn: Turn, asked: Operator, wanted: RemoveSlots) -> Reply:
    if wanted.count > len(grid.slots):
        return refused(asked, f"there are only {len(grid.slots)} slots")
    return _begin(grid, turn, asked, sorted(grid.slots, reverse=True)[: wanted.count], confirm=False)


def _begin(grid: Grid, turn: Turn, asked: Operator, slot_ids: list[int], *, confirm: bool) -> Reply:
    if grid.removal.is_active:
        return refused(asked, f"slot {grid.removal.slot_id} is being removed; wait until it is gone")
    grid.removal.begin(asked, slot_ids, confirm=confirm)
    answer = _next(grid, turn)
    if answer is not None:
        return answer
    slot_id = grid.removal.slot_id
    return accepted(asked, f"slot {slot_id} goes when its orders are off the book", {"removing": slot_id}, final=False)


def carry_on(grid: Grid, turn: Turn) -> None:
    """Look, after news of orders and in loops, whether the slot in hand may go by now or must stay after all."""
    removal = grid.removal
    if not removal.is_active:
        return
    slot = grid.slots[removal.queue[0]]
    if _in_position(slot) and not removal.confirm:
        answer: Reply | None = _stop(grid, turn, f"an entry of slot {slot.slot_id} filled before it was off the book")
    elif not slot.sent:
        _let_go(grid, turn, slot)
        answer = _next(grid, turn)
    elif turn.now_ns >= removal.ends_ns:
        orders = ", ".join(slot.sent.values())
        answer = _stop(grid, turn, f"the venue did not confirm the end of {orders}; slot {slot.slot_id} stays")
    else:
        return
    if answer is not None:
        turn.out.append(answer)
        turn.out.append(Alert(Severity.INFO, removal.action, answer.said, turn.now_ns))


def _next(grid: Grid, turn: Turn) -> Reply | None:
    """Begin with the next slot in the queue; returns the final answer when there is none, or one that must stay."""
    removal = grid.removal
    while removal.queue:
        slot = grid.slots[removal.queue[0]]
        if not knows_its_position(grid, turn, slot):
            return _stop(grid, turn, f"slot {slot.slot_id} does not know what it holds; reconcile it first")
        if _in_position(slot) and not removal.confirm:
            held = f"slot {slot.slot_id} is in position ({tracked_position(slot.state):+.8g} base units net)"
            todo = "confirm=true takes its exits off the book and keeps the coins as residue"
            return _stop(grid, turn, f"{held}; {todo}")
        removal.ends_ns = turn.now_ns + _PATIENCE_NS
        _take_off(grid, turn, slot)
        if slot.sent:
            return None
        _let_go(grid, turn, slot)
    data = {"removed": list(removal.removed), "slot_count": len(grid.slots)}
    text = f"{'slot' if len(removal.removed) == 1 else 'slots'} {', '.join(map(str, removal.removed))} removed"
    return removal.end(OK, text, data, turn.now_ns)


def _stop(grid: Grid, turn: Turn, reason: str) -> Reply:
    """Give up on the slot in hand and those after it: it is looked at in the next loop, and trades on."""
    removal = grid.removal
    stays = removal.queue[0]
    grid.dirty.add(stays)
    done = f"slots {', '.join(map(str, removal.removed))} removed; " if removal.removed else ""
    data = {"removed": list(removal.removed), "stopped_at": stays, "slot_count": len(grid.slots)}
    return removal.end(REFUSED, f"{done}{reason}", data, turn.now_ns)


def _in_position(slot: Slot) -> bool:
    return any(move.base for _, move in _held(slot.state))


def _held(state: SlotState) -> list[tuple[TradeId, Move]]:
    """Return what the slot's records stand for, by leg: signed base units, entry price, and the fee that was paid.

    The fee is in no cycle and was paid, so it counts against what the residue explains.
    """
    rows: list[Order | Recovery] = [*state.orders, *state.cancelling, *state.recovery_orders]
    found = []
    for row in rows:
        if isinstance(row, Order) and row.role == "entry":
            volume, fee = row.executed_volume, row.executed_fee
            price = row.executed_cost / volume if volume > 0.0 else row.price
        else:
            volume, price, fee = row.volume - row.executed_volume, row.entry_price, row.entry_fee
        found.append((row.trade_id, Move(volume if row.trade_id == "B" else -volume, price, -fee)))
    for leg in _LEGS:
        dust = state.leg(leg).dust
        if dust.volume > 0.0:
            signed = dust.volume if leg == "B" else -dust.volume
            found.append((leg, Move(signed, dust.cost / dust.volume, -dust.fee)))
    return [(leg, move) for leg, move in found if move.base]


def _take_off(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Ask for the cancel of every order of the slot that is at the venue and not on its way off the book.

    An order that takes what is there ends by itself, and what it trades is the release's that sent it.
    """
    for local_id, key in slot.sent.items():
        record = slot.record(local_id)
        if record is None or record.state not in ("cancelling", "closing"):
            if record is not None:
                record.state = "cancelling"
            turn.out.append(Cancel(grid.name, key, REMOVED))
    grid.dirty.add(slot.slot_id)


def _let_go(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Move what the slot holds to the residue and what it realised to the bucket, and forget the slot."""
    for _, move in _held(slot.state):
        move_residue(grid, turn, slot.slot_id, REMOVED, move, traded=False)
    totals = totals_of(slot.state)
    values: dict[str, Scalar] = {"slot": slot.slot_id, **msgspec.to_builtins(totals)}
    turn.out.append(Book(grid.name, "slot_retired", f"{grid.instrument.id}/slot{slot.slot_id}", values, turn.now_ns))
    grid.retired.take(slot.slot_id, totals)
    grid.drop_slot(slot.slot_id)
    grid.removal.removed.append(grid.removal.queue.pop(0))
    note_stage(grid, turn)


ACTIONS: Final[dict[str, OperatorAction]] = {
    "remove_slot": OperatorAction(RemoveSlot, _remove_slot, "take a slot out: slot_id= confirm="),
    "remove_slots": OperatorAction(RemoveSlots, _remove_slots, "take slots out, from the highest id down: count="),
}


def due_ns(grid: Grid) -> int:
    """Return the loop in which the venue's time to confirm is up."""
    return grid.loop_at_ns(grid.removal.ends_ns) if grid.removal.is_active else NEVER_NS
