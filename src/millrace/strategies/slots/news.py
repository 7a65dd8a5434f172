"""What the venue says about our orders, as events of the slots they belong to (slots 4.2 rule 8, 4.3, 4.5, 15.4).

Every update carries cumulative values, so a `Fill` is made only from an order that finished. A refusal is one of four
things: no money (the leg waits), a price that would cross (priced once more), a limit of the venue (later), or an error
that counts towards a pause. What our own executor did not send is none of them: it is priced anew, at once when it had
waited too long (that shows when its call has come), else in the next loop. An unknown outcome stays live until somebody
knows better.
"""

from typing import Literal

from millrace.core.commands import Alert, OrderState, OrderUpdate, Post, Refused, Severity
from millrace.core.events import NOT_SENT, RejectReason
from millrace.core.permission import ReasonCode
from millrace.strategies.slots.books.residue import Move
from millrace.strategies.slots.grid import RETRY_NS, Grid
from millrace.strategies.slots.placement import drop_entry, is_entry, place, place_exits, reprice_entry
from millrace.strategies.slots.reducer.events import Fill, OrderEnded, PartFill, RecoveryFill
from millrace.strategies.slots.reducer.model import PARTIAL_CANCEL, Order, Recovery, WaitReason, bind, set_regime
from millrace.strategies.slots.reducer.pricing import clear_of_market
from millrace.strategies.slots.release import flow as release_flow
from millrace.strategies.slots.release.tiers import run_tiers
from millrace.strategies.slots.schedule import reschedule
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.transitions import check, check_txid, knows_its_position, move_residue, reduce, sync
from millrace.strategies.slots.turn import Turn

_WAITS_FOR = {
    RejectReason.INSUFFICIENT_FUNDS: WaitReason.UNFUNDED,
    RejectReason.OPEN_ORDER_LIMIT: WaitReason.CAPACITY_BLOCK,
    RejectReason.BELOW_MINIMUM: WaitReason.MIN_SIZE_WAIT,
}
_ENDS: dict[OrderState, Literal["canceled", "expired"]] = {
    OrderState.CANCELLED: "canceled",
    OrderState.EXPIRED: "expired",
}
CANCEL_PUT_OFF = frozenset({RejectReason.RATE_LIMIT.value, RejectReason.LOST.value})
"""Refusals of a cancel after which it is sent again; any other says that news of the order's end is on its way."""
CANARY = "PHANTOM_POSITION_CANARY"
"""Marks an order that ended part filled in logs; `handled=false` means that a position has no record (slots 6.5)."""
_STANDS = frozenset({OrderState.OPEN, OrderState.PARTIAL})
_BUSINESS = frozenset(
    {
        RejectReason.INSUFFICIENT_FUNDS,
        RejectReason.OPEN_ORDER_LIMIT,
        RejectReason.POST_ONLY_WOULD_CROSS,
        RejectReason.RATE_LIMIT,
        RejectReason.LOST,
        *NOT_SENT,
    }
)
"""Refusals that belong to trading, and orders that never left: tried again, never counted as errors."""


def order_news(grid: Grid, turn: Turn, update: OrderUpdate) -> None:
    """Apply one order's news to the slot that placed it."""
    grid.note_headroom(turn)
    owner = grid.keys.get(update.place.key)
    if owner is None:
        if update.d_lots:
            _unclaimed(grid, turn, update)
        return
    slot, local_id = grid.slots[owner[0]], owner[1]
    if update.d_lots and slot.record(local_id) is None:
        _filled_after_write_off(grid, turn, slot, update)
    state = update.state
    if state is OrderState.REJECTED:
        _rejected(grid, turn, slot, local_id, update)
    elif state.is_terminal:
        _finished(grid, turn, slot, local_id, update)
    else:
        _at_venue(grid, turn, slot, local_id, update)
    reschedule(grid, turn, slot)
    if grid.releases.again:
        run_tiers(grid, turn)


def _unclaimed(grid: Grid, turn: Turn, update: OrderUpdate) -> None:
    """Keep an execution that no record stands for as residue, at its real price, and tell of it.

    Its slot may not trade on as if it had not happened: it waits until a person has looked and resumes.
    """
    place = update.place
    text = f"{place.key} executed {update.d_lots} lots after its slot had let it go; resume when you have looked"
    turn.out.append(Alert(Severity.PAGE, "unclaimed_fill", text, turn.now_ns))
    if update.state in _ENDS:
        _tell_partial_cancel(grid, turn, update, handled=False)
    slot_id = int(place.position.group.removeprefix("slot"))
    _to_residue(grid, turn, slot_id, "unclaimed_fill", update)
    slot = grid.slots.get(slot_id)
    if slot is not None:
        check(grid, turn, slot)
        slot.quarantined = True


def _at_venue(grid: Grid, turn: Turn, slot: Slot, local_id: int, update: OrderUpdate) -> None:
    """Take news of an order that has not ended: it stands, has filled in part, or nobody knows."""
    state = update.state
    if state in _STANDS:
        grid.errors = 0
        if bind(slot.state, local_id, update.client_id) and update.previous not in _STANDS:
            check_txid(grid, turn, slot, update.client_id)
    if state is OrderState.UNKNOWN:
        text = f"{update.place.key}: {update.text}"
        turn.out.append(Alert(Severity.WARN, "order_unknown", text, turn.now_ns))
        record = slot.record(local_id)
        if record is None or record.state == "cancelling":
            # It was to leave the book; asking once more can do no harm, and its leg waits for the answer.
            slot.cancel_again.add(local_id)
    elif update.d_lots:
        _part_filled(grid, turn, slot, local_id, update)
    elif update.previous is state and update.text in CANCEL_PUT_OFF:
        slot.cancel_again.add(local_id)


def refused(grid: Grid, turn: Turn, news: Refused) -> None:
    """Take back an order that the restriction board did not let through."""
    owner = grid.keys.pop(news.place.key, None)
    if owner is None:
        return
    slot, local_id = grid.slots[owner[0]], owner[1]
    slot.sent.pop(local_id, None)
    release_flow.not_sent(grid, turn, slot, local_id, "the closing order was not allowed to leave")
    record = slot.record(local_id)
    if isinstance(record, Order) and record.role == "entry":
        drop_entry(grid, turn, slot, record, WaitReason.PAUSED)
    reschedule(grid, turn, slot)


def _filled_after_write_off(grid: Grid, turn: Turn, slot: Slot, update: OrderUpdate) -> None:
    """Take what an evicted recovery traded after all out of the inventory residue that its booking left."""
    _to_residue(grid, turn, slot.slot_id, "fill_after_write_off", update)
    text = f"{update.place.key} executed {update.d_lots} lots after it had been booked at the market"
    turn.out.append(Alert(Severity.WARN, "fill_after_write_off", text, turn.now_ns))


def _to_residue(grid: Grid, turn: Turn, slot_id: int, cause: str, update: OrderUpdate) -> None:
    """Take an execution into the inventory residue, as it happened."""
    facts = grid.instrument
    volume = facts.volume(update.d_lots)
    price = facts.quote_float(update.d_cost) / volume
    move = Move(update.place.side.sign * volume, price, facts.quote_float(update.d_fee))
    move_residue(grid, turn, slot_id, cause, move, traded=True)


def balance_news(grid: Grid, turn: Turn) -> None:
    """Look again at what waits for money when free money grew; pending exits go at once."""
    free = (turn.free_base() or 0, turn.free_quote() or 0)
    if free[0] > grid.free_seen[0] or free[1] > grid.free_seen[1]:
        for slot_id in sorted(grid.unfunded):
            slot = grid.slots[slot_id]
            place_exits(grid, turn, slot)
            reschedule(grid, turn, slot)
        grid.wake(grid.unfunded)
    grid.free_seen = free


def _let_go(grid: Grid, slot: Slot, local_id: int, key: str) -> None:
    grid.keys.pop(key, None)
    slot.forget(local_id)
    grid.wake(grid.capped)


def _average(grid: Grid, update: OrderUpdate) -> float:
    """Return the average price: the limit itself when the cost says so, else cost / volume."""
    facts = grid.instrument
    if update.cum_cost == facts.cost(update.place.limit_ticks, update.cum_lots):
        return facts.price(update.place.limit_ticks)
    return facts.quote_float(update.cum_cost) / facts.volume(update.cum_lots)


def _part_filled(grid: Grid, turn: Turn, slot: Slot, local_id: int, update: OrderUpdate) -> None:
    if local_id not in slot.partial_seen:
        slot.partial_seen.add(local_id)
        grid.windows.partial_open(update.client_id, turn.now)
    facts = grid.instrument
    volume, cost = facts.volume(update.cum_lots), facts.quote_float(update.cum_cost)
    fee = facts.quote_float(update.cum_fee)
    reduce(grid, turn, slot, PartFill(local_id, update.client_id, volume, cost, fee, turn.now))


def _finished(grid: Grid, turn: Turn, slot: Slot, local_id: int, update: OrderUpdate) -> None:
    record = slot.record(local_id)
    _let_go(grid, slot, local_id, update.place.key)
    releasing = grid.releases.take(slot.slot_id, local_id)
    if record is None:
        # A recovery that was evicted and whose order is now off the book.
        if releasing is not None:
            release_flow.fail(grid, turn, releasing, "it was evicted meanwhile")
        return
    closes, before_usd = record.state == "closing", slot.state.total_profit
    first_ids = slot.state.next_order_id, slot.state.next_recovery_id
    if update.cum_lots and is_entry(record):
        slot.gate_bypassed = False
    if update.state is OrderState.FILLED:
        _filled(grid, turn, slot, local_id, update)
        if releasing is not None:
            release_flow.filled(grid, turn, slot, releasing, before_usd)
    else:
        grid.windows.ended(update.client_id)
        end = _end_of(grid, turn, local_id, update)
        if releasing is not None:
            release_flow.ended(grid, turn, slot, releasing, end)
        else:
            reduce(grid, turn, slot, end)
        if update.cum_lots and not closes:
            handled = slot.record(local_id) is None and knows_its_position(grid, turn, slot)
            _tell_partial_cancel(grid, turn, update, handled=handled)
            slot.quarantined = slot.quarantined or not handled
        _place_replacement(grid, turn, slot, record)
    _stamp_regime(grid, turn, slot, *first_ids)


def _filled(grid: Grid, turn: Turn, slot: Slot, local_id: int, update: OrderUpdate) -> None:
    record, facts = slot.record(local_id), grid.instrument
    if record is None:
        return
    txid, price = update.client_id, _average(grid, update)
    volume, fee = facts.volume(update.cum_lots), facts.quote_float(update.cum_fee)
    grid.errors = 0
    grid.scheduler.filled(record.side, turn.now)
    if isinstance(record, Recovery):
        grid.windows.ended(txid)
        reduce(grid, turn, slot, RecoveryFill(-local_id, txid, record.side, price, volume, fee, turn.now))
        return
    if record.state == "closing":
        # It took what was there: how long that took says nothing of how fast resting orders fill.
        grid.windows.ended(txid)
    else:
        grid.windows.filled(txid, turn.now, record.placed_at)
    reduce(grid, turn, slot, Fill(local_id, txid, record.side, price, volume, fee, turn.now))


def _end_of(grid: Grid, turn: Turn, local_id: int, update: OrderUpdate) -> OrderEnded:
    facts = grid.instrument
    price = _average(grid, update) if update.cum_lots else 0.0
    volume, fee = facts.volume(update.cum_lots), facts.quote_float(update.cum_fee)
    return OrderEnded(local_id, update.client_id, _ENDS[update.state], volume, price, fee, turn.now)


def _tell_partial_cancel(grid: Grid, turn: Turn, update: OrderUpdate, *, handled: bool) -> None:
    """Count an order that ended part filled and tell of it, by the marker that operators look for (slots 6.5)."""
    facts, place = grid.instrument, update.place
    grid.windows.partial_cancel(update.client_id, turn.now)
    grid.partial_cancels_handled += handled
    grid.partial_cancels_unhandled += not handled
    executed, volume = facts.volume(update.cum_lots), facts.volume(place.lots)
    text = f"{CANARY} txid={update.client_id} vol_exec={executed} vol={volume} handled={str(handled).lower()}"
    severity = Severity.WARN if handled else Severity.PAGE
    turn.out.append(Alert(severity, "partial_cancel", text, turn.now_ns))


def _place_replacement(grid: Grid, turn: Turn, slot: Slot, ended: Order | Recovery) -> None:
    """Send the entry that waited for its predecessor to leave the book (slots 4.3)."""
    order = slot.state.leg_order(ended.trade_id)
    if order is not None and order.role == "entry" and order.local_id not in slot.sent:
        if turn.price > 0.0:
            reprice_entry(grid, turn, slot, order)
        place(grid, turn, slot, order.local_id, paced=False)


def _stamp_regime(grid: Grid, turn: Turn, slot: Slot, first_order: int, first_recovery: int) -> None:
    """Stamp the direction label on the exits and carve-outs that this news made (slots 2.6, 6.2a, 12.7)."""
    for order in slot.state.orders:
        if order.local_id >= first_order and order.role == "exit" and order.regime_at_entry is None:
            set_regime(slot.state, order.local_id, grid.direction(turn))
    for row in slot.state.recovery_orders:
        if row.recovery_id >= first_recovery and row.reason == PARTIAL_CANCEL and row.regime_at_entry is None:
            row.regime_at_entry = grid.direction(turn)


def _rejected(grid: Grid, turn: Turn, slot: Slot, local_id: int, update: OrderUpdate) -> None:
    record = slot.record(local_id)
    grid.keys.pop(update.place.key, None)
    slot.sent.pop(local_id, None)
    if record is None:
        slot.forget(local_id)
        return
    reason = update.reject or RejectReason.OTHER
    release_flow.not_sent(grid, turn, slot, local_id, f"its order was refused: {reason.value}")
    if record in slot.state.cancelling:
        # It was to leave the book anyway and never stood there.
        slot.forget(local_id)
        reduce(grid, turn, slot, OrderEnded(local_id, update.client_id, "canceled", 0.0, 0.0, 0.0, turn.now))
        _place_replacement(grid, turn, slot, record)
        return
    if reason not in _BUSINESS:
        _count_error(grid, turn, update)
    if reason in _WAITS_FOR:
        if isinstance(record, Order) and record.role == "entry":
            drop_entry(grid, turn, slot, record, _WAITS_FOR[reason])
            # The venue's limits are not ours: neither a price nor the end of an order tells when they pass.
            slot.retry_ns[record.trade_id] = turn.now_ns + RETRY_NS
        else:
            grid.unfunded.add(slot.slot_id)
    elif reason is RejectReason.TOO_OLD or (
        reason is RejectReason.POST_ONLY_WOULD_CROSS and slot.attempts.get(local_id, 0) == 1
    ):
        _price_again(grid, turn, slot, record)
        place(grid, turn, slot, local_id, paced=False)


def _price_again(grid: Grid, turn: Turn, slot: Slot, record: Order | Recovery) -> None:
    """Move an order that would have crossed to where it may rest now."""
    sync(grid, turn, slot)
    if isinstance(record, Order) and record.role == "entry":
        reprice_entry(grid, turn, slot, record)
    else:
        record.price = clear_of_market(record.trade_id, record.price, turn.price, grid.cfg(slot))


def _count_error(grid: Grid, turn: Turn, update: OrderUpdate) -> None:
    grid.errors += 1
    text = f"{update.place.key}: {update.text}"
    turn.out.append(Alert(Severity.WARN, "order_rejected", text, turn.now_ns))
    if grid.errors >= grid.settings.max_consecutive_errors:
        text = f"{grid.errors} refused orders in a row, the last: {update.text}"
        restriction = grid.restriction("errors", ReasonCode.CONSECUTIVE_ERRORS, text, turn.now_ns)
        turn.out.append(Post(restriction))
