"""What the venue says about our orders, as events of the slots they belong to (slots 4.2 rule 8, 4.3, 4.5, 15.4).

Every update carries cumulative values, so a `Fill` is made only from an order that finished. A refusal is one of four
things: no money (the leg waits), a price that would cross (priced once more), a limit of the venue (later), or an error
that counts towards a pause. An unknown outcome stays live until somebody knows better.
"""

from typing import Literal

from millrace.core.commands import Alert, OrderState, OrderUpdate, Post, Refused, Severity
from millrace.core.events import RejectReason
from millrace.core.permission import ReasonCode
from millrace.strategies.slots.events import Fill, OrderEnded, PartFill, RecoveryFill
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.legs import fresh_entry_price
from millrace.strategies.slots.model import Order, Recovery, WaitReason, bind, set_regime
from millrace.strategies.slots.placement import drop_entry, place
from millrace.strategies.slots.pricing import exit_price
from millrace.strategies.slots.schedule import reschedule
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.transitions import reduce
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
_LATER = frozenset({RejectReason.RATE_LIMIT, RejectReason.POST_ONLY_WOULD_CROSS, RejectReason.LOST})


def order_news(grid: Grid, turn: Turn, update: OrderUpdate) -> None:
    """Apply one order's news to the slot that placed it."""
    grid.note_headroom(turn)
    owner = grid.keys.get(update.place.key)
    if owner is None:
        if update.d_lots:
            text = f"{update.place.key} executed {update.d_lots} lots after its slot had let it go"
            turn.out.append(Alert(Severity.PAGE, "unclaimed_fill", text, turn.now_ns))
        return
    slot, local_id = grid.slots[owner[0]], owner[1]
    state = update.state
    if state is OrderState.REJECTED:
        _rejected(grid, turn, slot, local_id, update)
    elif state.is_terminal:
        _finished(grid, turn, slot, local_id, update)
    elif state is OrderState.UNKNOWN:
        text = f"{update.place.key}: {update.text}"
        turn.out.append(Alert(Severity.WARN, "order_unknown", text, turn.now_ns))
    elif update.d_lots:
        _part_filled(grid, turn, slot, local_id, update)
    elif update.previous is not state:
        grid.errors = 0
        bind(slot.state, local_id, update.client_id)
    elif update.text in CANCEL_PUT_OFF:
        slot.cancel_again.add(local_id)
    reschedule(grid, turn, slot)


def refused(grid: Grid, turn: Turn, news: Refused) -> None:
    """Take back an order that the restriction board did not let through."""
    owner = grid.keys.pop(news.place.key, None)
    if owner is None:
        return
    slot, local_id = grid.slots[owner[0]], owner[1]
    slot.sent.pop(local_id, None)
    record = slot.record(local_id)
    if isinstance(record, Order) and record.role == "entry":
        drop_entry(grid, turn, slot, record, WaitReason.PAUSED)
    reschedule(grid, turn, slot)


def balance_news(grid: Grid, turn: Turn) -> None:
    """Look again at what waits for money when free money grew; pending exits go at once."""
    free = (turn.free_base() or 0, turn.free_quote() or 0)
    if free[0] > grid.free_seen[0] or free[1] > grid.free_seen[1]:
        for slot_id in sorted(grid.unfunded):
            slot = grid.slots[slot_id]
            for local_id in slot.unsent():
                record = slot.record(local_id)
                if isinstance(record, Recovery) or (record is not None and record.role == "exit"):
                    place(grid, turn, slot, local_id, paced=False)
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
    if record is None:
        # A recovery that was evicted and whose order is now off the book.
        return
    facts = grid.instrument
    volume, fee = facts.volume(update.cum_lots), facts.quote_float(update.cum_fee)
    price = _average(grid, update) if update.cum_lots else 0.0
    txid, side = update.client_id, record.side
    next_id = slot.state.next_order_id
    if update.state is OrderState.FILLED:
        if isinstance(record, Recovery):
            grid.windows.ended(txid)
            reduce(grid, turn, slot, RecoveryFill(-local_id, txid, side, price, volume, fee, turn.now))
            return
        grid.windows.filled(txid, turn.now, record.placed_at)
        if record.role == "entry":
            grid.scheduler.entry_filled(side, turn.now)
        reduce(grid, turn, slot, Fill(local_id, txid, side, price, volume, fee, turn.now))
    else:
        if update.cum_lots:
            _tell_partial_cancel(grid, turn, update, volume)
        else:
            grid.windows.ended(txid)
        reduce(grid, turn, slot, OrderEnded(local_id, txid, _ENDS[update.state], volume, price, fee, turn.now))
        _place_replacement(grid, turn, slot, record)
    _stamp_regime(grid, turn, slot, next_id)


def _tell_partial_cancel(grid: Grid, turn: Turn, update: OrderUpdate, volume: float) -> None:
    grid.windows.partial_cancel(update.client_id, turn.now)
    grid.partial_cancels_handled += 1
    text = f"PHANTOM_POSITION_CANARY txid={update.client_id} vol_exec={volume} now={turn.now} handled=true"
    turn.out.append(Alert(Severity.WARN, "partial_cancel", text, turn.now_ns))


def _place_replacement(grid: Grid, turn: Turn, slot: Slot, ended: Order | Recovery) -> None:
    """Send the entry that waited for its predecessor to leave the book (slots 4.3)."""
    order = slot.state.leg_order(ended.trade_id)
    if order is not None and order.role == "entry" and order.local_id not in slot.sent:
        place(grid, turn, slot, order.local_id, paced=False)


def _stamp_regime(grid: Grid, turn: Turn, slot: Slot, first_new_id: int) -> None:
    """Stamp the direction label on the exits that this news made (slots 2.6, 12.7)."""
    for order in slot.state.orders:
        if order.local_id >= first_new_id and order.role == "exit" and order.regime_at_entry is None:
            set_regime(slot.state, order.local_id, grid.direction(turn))


def _rejected(grid: Grid, turn: Turn, slot: Slot, local_id: int, update: OrderUpdate) -> None:
    record = slot.record(local_id)
    grid.keys.pop(update.place.key, None)
    slot.sent.pop(local_id, None)
    if record is None:
        return
    reason = update.reject or RejectReason.OTHER
    if record in slot.state.cancelling:
        # It was to leave the book anyway and never stood there.
        reduce(grid, turn, slot, OrderEnded(local_id, update.client_id, "canceled", 0.0, 0.0, 0.0, turn.now))
        _place_replacement(grid, turn, slot, record)
        return
    entry = record if isinstance(record, Order) and record.role == "entry" else None
    if reason in _WAITS_FOR:
        if entry is not None:
            drop_entry(grid, turn, slot, entry, _WAITS_FOR[reason])
        else:
            grid.unfunded.add(slot.slot_id)
    elif reason not in _LATER:
        _count_error(grid, turn, update)
    elif reason is RejectReason.POST_ONLY_WOULD_CROSS and slot.attempts.get(local_id, 0) == 1:
        _price_again(grid, turn, slot, record)
        place(grid, turn, slot, local_id, paced=False)


def _price_again(grid: Grid, turn: Turn, slot: Slot, record: Order | Recovery) -> None:
    """Move an order that would have crossed to where it may rest now."""
    slot.state.market_price = turn.price or slot.state.market_price
    cfg = grid.cfg(slot)
    if isinstance(record, Order) and record.role == "entry":
        record.price = fresh_entry_price(slot.state, record.trade_id, cfg)
    else:
        record.price = exit_price(record.trade_id, record.entry_price, slot.state, cfg)


def _count_error(grid: Grid, turn: Turn, update: OrderUpdate) -> None:
    grid.errors += 1
    text = f"{update.place.key}: {update.text}"
    turn.out.append(Alert(Severity.WARN, "order_rejected", text, turn.now_ns))
    if grid.errors >= grid.settings.max_consecutive_errors:
        text = f"{grid.errors} refused orders in a row, the last: {update.text}"
        restriction = grid.restriction("errors", ReasonCode.CONSECUTIVE_ERRORS, text, turn.now_ns)
        turn.out.append(Post(restriction))
