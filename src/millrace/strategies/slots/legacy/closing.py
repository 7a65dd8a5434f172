"""What an operator may do to recoveries of non-sticky slots: close one softly, or give up those far off (slots 18).

Nothing here starts by itself: a predecessor that drained recoveries on its own booked losses without consent (P7). A
soft close takes the order off the book and places it again at the guard distance from the market; what it then trades
is booked as it happens, with its cause. Giving up a stale recovery cancels it and books nothing: the coins move to the
inventory residue at their entry price. Carve-outs are left alone by both; sticky slots are refused and told of release.
"""

from math import inf
from typing import Annotated, Final

import msgspec

from millrace.core.commands import Cancel, Reply
from millrace.core.events import Operator
from millrace.core.permission import Level
from millrace.core.requests import Id, NoArguments, accepted, refused
from millrace.strategies.slots.books.pnl_audit import GIVEN_UP
from millrace.strategies.slots.books.residue import Move
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.operator.action import OperatorAction
from millrace.strategies.slots.reducer.events import RecoveryCancel
from millrace.strategies.slots.reducer.model import PARTIAL_CANCEL, SOFT_CLOSE, Recovery
from millrace.strategies.slots.reducer.pricing import clear_of_market
from millrace.strategies.slots.reducer.transition import apply
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.transitions import move_residue
from millrace.strategies.slots.turn import Turn

_LEAVING = ("cancelling", "closing")
"""States of a recovery that leaves the book already, perhaps because a release closes it."""
_INSTEAD = "release_slot slot_id=ID closes an exit there, with its gates"


class SoftClose(msgspec.Struct, frozen=True):
    """Which recovery of which slot; without an id its oldest."""

    slot_id: Id
    recovery_id: Id | None = None


class CancelStale(msgspec.Struct, frozen=True):
    """How far from the market, in per cent of it, and how many at most."""

    min_distance_pct: Annotated[float, msgspec.Meta(ge=0.0)] = 3.0
    max_batch: Annotated[int, msgspec.Meta(ge=1, le=20)] = 8


def takes_over(grid: Grid, turn: Turn, slot: Slot, recovery: Recovery) -> bool:
    """Decide about a recovery that is to be placed: True when it was given up and is not placed any more.

    One that is being closed softly gets its price here, at each placement, because the market has moved since.
    """
    if grid.releases.is_closing(slot.slot_id, -recovery.recovery_id):
        return False
    if recovery.reason == GIVEN_UP:
        _give_up(grid, turn, slot, recovery)
        return True
    if recovery.reason == SOFT_CLOSE:
        far = inf if recovery.trade_id == "A" else 0.0
        recovery.price = clear_of_market(recovery.trade_id, far, turn.price, grid.cfg(slot))
    return False


def _give_up(grid: Grid, turn: Turn, slot: Slot, recovery: Recovery) -> None:
    signed = recovery.volume if recovery.trade_id == "B" else -recovery.volume
    cancelled = RecoveryCancel(recovery.recovery_id, recovery.txid, turn.now)
    apply(slot.state, cancelled, grid.cfg(slot), grid.sizes(slot, turn))
    slot.forget(-recovery.recovery_id)
    move_residue(
        grid, turn, slot.slot_id, GIVEN_UP, Move(signed, recovery.entry_price, -recovery.entry_fee), traded=False
    )


def _soft_close(grid: Grid, turn: Turn, asked: Operator, wanted: SoftClose) -> Reply:
    slot = grid.slots.get(wanted.slot_id)
    if slot is None:
        return refused(asked, f"there is no slot {wanted.slot_id}")
    if _waits(grid, slot):
        return refused(asked, f"slot {slot.slot_id} is sticky: its exits wait; {_INSTEAD}")
    detached = [row for row in slot.state.recovery_orders if row.reason not in (PARTIAL_CANCEL, GIVEN_UP)]
    rows = [row for row in detached if row.state not in _LEAVING]
    chosen = [row for row in rows if wanted.recovery_id in (None, row.recovery_id)]
    if not chosen:
        open_ids = [row.recovery_id for row in rows]
        name = "recovery" if wanted.recovery_id is None else f"recovery {wanted.recovery_id}"
        text = f"slot {slot.slot_id} has no {name} to close; it has {open_ids or 'none'}"
        return refused(asked, text, {"recovery_ids": open_ids})
    return _close(grid, turn, asked, slot, min(chosen, key=lambda row: (row.orphaned_at, row.recovery_id)))


def _soft_close_next(grid: Grid, turn: Turn, asked: Operator, _none: NoArguments) -> Reply:
    """Close the recovery that has waited longest and is not being closed yet."""
    waiting = [(row.orphaned_at, slot.slot_id, row.recovery_id) for slot, row in _closable(grid)]
    if not waiting:
        return refused(asked, _nothing(grid))
    _, slot_id, recovery_id = min(waiting)
    slot = grid.slots[slot_id]
    row = next(row for row in slot.state.recovery_orders if row.recovery_id == recovery_id)
    return _close(grid, turn, asked, slot, row)


def _close(grid: Grid, turn: Turn, asked: Operator, slot: Slot, recovery: Recovery) -> Reply:
    if turn.standing.level >= Level.HALT:
        return refused(asked, "trading is halted: what leaves the book now could not be placed again")
    if turn.stale:
        return refused(asked, "there is no fresh price to close at")
    was = recovery.price
    recovery.reason = SOFT_CLOSE
    _off_the_book(grid, turn, slot, recovery)
    data = {"slot_id": slot.slot_id, "recovery_id": recovery.recovery_id, "price": was, "market": turn.price}
    name = f"recovery {recovery.recovery_id} of slot {slot.slot_id}"
    text = f"{name} leaves {was:g} and is placed again near {turn.price:g}"
    return accepted(asked, text, data)


def _cancel_stale(grid: Grid, turn: Turn, asked: Operator, wanted: CancelStale) -> Reply:
    """Give up recoveries far from the market, farthest first; one that has filled in part is left to fill."""
    if turn.stale:
        return refused(asked, "there is no fresh price to measure distances from")
    far = [
        (-abs(row.price - turn.price) / turn.price * 100.0, slot.slot_id, row.recovery_id, slot, row)
        for slot, row in _closable(grid)
        if row.executed_volume <= 0.0
    ]
    far = [found for found in far if -found[0] >= wanted.min_distance_pct]
    if not far:
        return refused(asked, f"{_nothing(grid)} at {wanted.min_distance_pct:g} % or more from the market")
    far.sort(key=lambda found: found[:3])
    given_up = []
    for distance, slot_id, recovery_id, slot, row in far[: wanted.max_batch]:
        row.reason = GIVEN_UP
        _off_the_book(grid, turn, slot, row)
        given_up.append({"slot_id": slot_id, "recovery_id": recovery_id, "distance_pct": -distance})
    text = f"{len(given_up)} of {len(far)} leave the book; their coins become residue at their entry price"
    return accepted(asked, text, {"cancelled": given_up, "left": len(far) - len(given_up)})


def _closable(grid: Grid) -> list[tuple[Slot, Recovery]]:
    return [
        (slot, row)
        for slot in grid.slots.values()
        if not _waits(grid, slot)
        for row in slot.state.recovery_orders
        if row.reason not in (PARTIAL_CANCEL, SOFT_CLOSE, GIVEN_UP) and row.state not in _LEAVING
    ]


def _waits(grid: Grid, slot: Slot) -> bool:
    """Tell whether the slot's exits wait for ever: it is sticky, or the legacy path is switched off."""
    return grid.is_sticky(slot) or not grid.settings.legacy_recovery


def _nothing(grid: Grid) -> str:
    if all(_waits(grid, slot) for slot in grid.slots.values()):
        return f"every slot is sticky: exits wait, and {_INSTEAD}; there is no recovery to close"
    return "no slot that is not sticky has a recovery to close"


def _off_the_book(grid: Grid, turn: Turn, slot: Slot, recovery: Recovery) -> None:
    """Ask for the cancel; when the order has ended it is placed again, and `takes_over` decides about it then."""
    key = slot.sent.get(-recovery.recovery_id)
    if key is not None:
        recovery.state = "cancelling"
        turn.out.append(Cancel(grid.name, key, recovery.reason))
    grid.dirty.add(slot.slot_id)


ACTIONS: Final[dict[str, OperatorAction]] = {
    "soft_close": OperatorAction(SoftClose, _soft_close, "bring a recovery to the market: slot_id= [recovery_id=]"),
    "soft_close_next": OperatorAction(NoArguments, _soft_close_next, "the same for the recovery that waited longest"),
    "cancel_stale_recoveries": OperatorAction(
        CancelStale, _cancel_stale, "give up recoveries far off: min_distance_pct=3 max_batch=8"
    ),
}
