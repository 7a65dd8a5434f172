"""From what the reducer wants to what leaves: the placement rules in their order (slots 4.2).

Entries may be dropped (paused, stale price, capacity, no funds) or deferred (loop budget); the leg then says why it
waits and is tried again on news or after a while. Exits are never dropped: one that cannot leave now stays pending and
is tried again, before any entry; while one waits for money, no entry may take money of its side.
"""

from millrace.core.commands import Place, Side, Style
from millrace.core.instrument import Ticks
from millrace.core.permission import Level, ReasonCode
from millrace.strategies.slots import legacy_path
from millrace.strategies.slots.entry_size.order_size import EntrySizes
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.reducer.invariants import normalise_flags
from millrace.strategies.slots.reducer.legs import fresh_entry_price
from millrace.strategies.slots.reducer.model import Order, Recovery, TradeId, WaitReason
from millrace.strategies.slots.reducer.pricing import clear_of_market, kept_distance_pct
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.turn import Turn

CLOSE_SLIP_PCT = 1.0
"""How far from the last price a release at the market may trade, in per cent (slots 11.3; the figure is ours)."""
_PROBATION = (ReasonCode.PROBATION.value,)


def place(grid: Grid, turn: Turn, slot: Slot, local_id: int, *, paced: bool) -> None:
    """Send one order of the slot if the rules allow it now; `paced` entries count against the loop's budget."""
    record = slot.record(local_id)
    if record is None or local_id in slot.sent:
        return
    if isinstance(record, Order) and record.role == "entry":
        _place_entry(grid, turn, slot, record, paced=paced)
    else:
        _place_exit(grid, turn, slot, record, local_id)


def place_exits(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Try every pending exit and recovery of the slot again, at its price unless that would take by now."""
    for local_id in slot.unsent():
        record = slot.record(local_id)
        if record is None or is_entry(record):
            continue
        if turn.price > record.price if record.side == "sell" else 0.0 < turn.price < record.price:
            record.price = clear_of_market(record.trade_id, record.price, turn.price, grid.cfg(slot))
        place(grid, turn, slot, local_id, paced=False)


def is_entry(record: Order | Recovery) -> bool:
    """Tell whether a record is an entry; everything else closes a position."""
    return isinstance(record, Order) and record.role == "entry"


def reprice_entry(grid: Grid, turn: Turn, slot: Slot, order: Order) -> None:
    """Move an unsent entry to the target and size of now; its leg waits when there is no valid size."""
    price = fresh_entry_price(slot.state, order.trade_id, grid.cfg(slot))
    sizes = grid.sizes(slot, turn, fresh=order.local_id not in slot.plain)
    volume = sizes.volume(order.trade_id, price) if price > 0.0 else None
    if volume is None:
        drop_entry(grid, turn, slot, order, size_wait(grid, turn, sizes, order.trade_id))
    else:
        order.price, order.volume = price, volume
        order.distance_pct = kept_distance_pct(order.trade_id, grid.cfg(slot))


def size_wait(grid: Grid, turn: Turn, sizes: EntrySizes, leg: TradeId) -> WaitReason:
    """Return what a leg without a valid size waits for: another price, or money where its size is a share of it."""
    if not sizes.is_short(leg):
        return WaitReason.MIN_SIZE_WAIT
    grid.note_shortage(turn)
    return WaitReason.UNFUNDED


def drop_entry(grid: Grid, turn: Turn, slot: Slot, order: Order, reason: WaitReason) -> None:
    """Take an unsent entry off its leg and say why the leg waits."""
    slot.state.orders.remove(order)
    slot.forget(order.local_id)
    normalise_flags(slot.state)
    grid.set_wait(slot, order.trade_id, reason, turn.now_ns)


def entry_block(grid: Grid, turn: Turn, slot: Slot) -> WaitReason | None:
    """Return why no entry of the slot may leave now (rules 1 to 3), None when one may."""
    if turn.standing.level >= Level.REDUCE_ONLY or slot.quarantined:
        return WaitReason.PAUSED
    if grid.removal.keeps_off(slot.slot_id, exits=False):
        return WaitReason.PAUSED
    if turn.stale:
        return WaitReason.STALE_PRICE
    if entry_headroom(grid, turn) < 1:
        return WaitReason.CAPACITY_BLOCK
    return None


def entry_headroom(grid: Grid, turn: Turn) -> int:
    """Return how many more orders entries may make: up to the safe cap, with ENTRY_CAP_POLICY a few beyond (slots 9).

    Exits always count against the cap. When they have used it up, the reserve lets so many entries in all stand beside
    them, never more than the venue allows, so that waiting exits do not end the trading.
    """
    headroom, chosen = grid.safe_cap - turn.open_orders, grid.settings
    if headroom > 0 or chosen.entry_cap_policy == "none":
        return headroom
    entries = sum(
        order.role == "entry" and order.local_id in slot.sent
        for slot in grid.slots.values()
        for order in (*slot.state.orders, *slot.state.cancelling)
    )
    room = min(chosen.entry_reserve_orders - entries, chosen.open_orders_per_pair_limit - turn.open_orders)
    return max(headroom, room)


def opening_block(grid: Grid, turn: Turn, slot: Slot) -> WaitReason | None:
    """Return why an empty slot may not be opened now: under CAUTION no new slot is (runtime 1.3, 2.1).

    Probation is a caution that only orders can end, and a grid without any could never give them.
    """
    standing = turn.standing
    if standing.level is Level.CAUTION and standing.reasons != _PROBATION:
        return WaitReason.PAUSED
    return entry_block(grid, turn, slot)


def _place_entry(grid: Grid, turn: Turn, slot: Slot, order: Order, *, paced: bool) -> None:
    blocked = entry_block(grid, turn, slot)
    if blocked is not None:
        drop_entry(grid, turn, slot, order, blocked)
        return
    if slot.is_cancelling(order.trade_id):
        return
    if paced:
        grid.scheduler.open_loop(turn.now_ns // grid.loop_ns, entry_headroom(grid, turn))
        if not grid.scheduler.has_room:
            grid.scheduler.defer(turn.now)
            return
    if order.side in grid.short or not _send(grid, turn, slot, order, order.local_id):
        drop_entry(grid, turn, slot, order, WaitReason.UNFUNDED)
        return
    if paced:
        grid.scheduler.used += 1
    grid.records.entries_sent += 1
    grid.clear_wait(slot, order.trade_id)


def _place_exit(grid: Grid, turn: Turn, slot: Slot, record: Order | Recovery, local_id: int) -> None:
    if isinstance(record, Recovery) and legacy_path.takes_over(grid, turn, slot, record):
        return
    if turn.standing.level >= Level.HALT or turn.stale or grid.removal.keeps_off(slot.slot_id, exits=True):
        return
    if not _send(grid, turn, slot, record, local_id):
        grid.unfunded.add(slot.slot_id)
        grid.short.add(record.side)


def _send(grid: Grid, turn: Turn, slot: Slot, record: Order | Recovery, local_id: int) -> bool:
    """Reserve the money and ask for the order; False when the money is not there."""
    instrument = grid.instrument
    side = Side(record.side)
    closes = not is_entry(record) and grid.releases.is_closing(slot.slot_id, local_id)
    ticks = _taking_ticks(grid, turn, side) if closes else instrument.ticks(record.price)
    lots = instrument.lots(record.volume)
    if not turn.reserve(side, ticks, lots):
        grid.note_shortage(turn)
        return False
    attempt = slot.attempts.get(local_id, 0) + 1
    key = f"{instrument.id}/s{slot.slot_id}/{record.trade_id}/c{record.cycle}/o{local_id}/a{attempt}"
    slot.attempts[local_id] = attempt
    slot.sent[local_id] = key
    grid.keys[key] = (slot.slot_id, local_id)
    entry = is_entry(record)
    if isinstance(record, Order):
        record.placed_at = turn.now
    if closes:
        record.state = "closing"
    turn.out.append(
        Place(
            instrument=instrument.id,
            side=side,
            lots=lots,
            limit_ticks=ticks,
            style=Style.IOC if closes else Style.POST_ONLY,
            position=grid.position(slot.slot_id, record.trade_id),
            reduces=not entry,
            key=key,
            purpose="entry" if entry else "exit",
        )
    )
    return True


def _taking_ticks(grid: Grid, turn: Turn, side: Side) -> Ticks:
    """Return the limit of an order that takes what is there, so far from the last price that a gap cannot cost more."""
    worst = turn.price * (1.0 + side.sign * CLOSE_SLIP_PCT / 100.0)
    tick = grid.instrument.tick
    return max(round(grid.instrument.ticks(worst) / tick) * tick, tick)
