"""The grid's regular loop, at multiples of the poll interval (slots 4.1, 5.2, 5.3, 9).

Only slots that something happened to are looked at (see `schedule`), exits before entries, in an order that does not
depend on anything but the state. A stale price skips the cycle and pauses nothing.
"""

from math import inf

from millrace.core.commands import Alert, Cancel, Severity
from millrace.strategies.slots.bootstrap import Opening, add_entry, bootstrap, repair_legs
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.placement import (
    drop_entry,
    entry_block,
    entry_headroom,
    opening_block,
    place,
    place_exits,
    reprice_entry,
    size_wait,
)
from millrace.strategies.slots.reducer.actions import Place
from millrace.strategies.slots.reducer.events import PriceTick, TimerTick
from millrace.strategies.slots.reducer.legs import fresh_entry_price
from millrace.strategies.slots.reducer.model import ENTRY_SIDE, Order, Side, TradeId, WaitReason
from millrace.strategies.slots.reducer.refresh import has_drifted, is_stale_partial
from millrace.strategies.slots.schedule import reschedule
from millrace.strategies.slots.signals.momentum_gate import held_leg, is_kept_back, let_go_dark
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.telemetry.watch import take_baseline, watch_loop
from millrace.strategies.slots.transitions import carry_out, reduce, sync
from millrace.strategies.slots.turn import Turn

_MIN_DRAIN_DRIFT_PCT = 0.05
_ON_ITS_WAY_SEC = 300.0
_CALLS_OF_TWO = 2
_LEGS: tuple[TradeId, TradeId] = ("B", "A")


def run_loop(grid: Grid, turn: Turn) -> None:
    """Run one loop if any slot asks for it."""
    chosen = _candidates(grid, turn)
    watch_loop(grid, turn)
    if not chosen:
        return
    if turn.stale:
        grid.stale_wait = True
        return
    grid.dirty.clear()
    take_baseline(grid, turn)
    grid.scheduler.open_loop(turn.now_ns // grid.loop_ns, entry_headroom(grid, turn))
    grid.floors.begin_loop()
    turn.calls_left = grid.settings.max_api_calls_per_loop - _calls_on_their_way(grid, turn)
    _exits_first(grid, turn, chosen)
    _drain(grid, turn, chosen, skip_drifted=True)
    for slot in sorted(chosen, key=_oldest_entry):
        _tick(grid, turn, slot)
    _arm(grid, turn, chosen)
    _drain(grid, turn, chosen, skip_drifted=False)
    for slot in chosen:
        reschedule(grid, turn, slot)


def _candidates(grid: Grid, turn: Turn) -> list[Slot]:
    ticks, now_ns, dirty = turn.ticks, turn.now_ns, grid.dirty
    return [
        slot
        for slot_id, slot in grid.slots.items()
        if slot.due_ns <= now_ns or slot.low_ticks >= ticks or slot.high_ticks <= ticks or slot_id in dirty
    ]


def _exits_first(grid: Grid, turn: Turn, chosen: list[Slot]) -> None:
    """Send what waits to leave the book or to close a position; entries get their side's money back after that."""
    short, grid.short = grid.short, set()
    for slot in chosen:
        sync(grid, turn, slot)
        _cancel_again(grid, turn, slot)
        _cancel_stale_partials(grid, turn, slot)
        place_exits(grid, turn, slot)
    if short - grid.short:
        grid.wake(grid.unfunded)


def _oldest_entry(slot: Slot) -> tuple[float, int]:
    """Order slots so that no entry waits for its refresh behind younger ones."""
    return min([order.placed_at for order in slot.state.orders if order.role == "entry"], default=inf), slot.slot_id


def _cancel_again(grid: Grid, turn: Turn, slot: Slot) -> None:
    for local_id in sorted(slot.cancel_again):
        key = slot.sent.get(local_id)
        if key is not None:
            turn.out.append(Cancel(grid.name, key, "cancel_again"))
            turn.calls_left -= 1
    slot.cancel_again.clear()


def _cancel_stale_partials(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Take part-filled entries that the market left off the book, when what remains may be placed anew (slots 6.4)."""
    if grid.handover.is_quiet(turn.now_ns):
        return
    max_age_sec = grid.settings.partial_open_max_age_sec
    for order in slot.state.orders:
        if not is_stale_partial(order, slot.state, grid.cfg(slot), max_age_sec):
            continue
        if turn.calls_left >= 1 and entry_block(grid, turn, slot) is None:
            order.state = "cancelling"
            turn.out.append(Cancel(grid.name, slot.sent[order.local_id], "stale_partial"))
            turn.calls_left -= 1


def _tick(grid: Grid, turn: Turn, slot: Slot) -> None:
    """Show the slot the price, if it can move an entry and the loop can still place what that takes off, and the time.

    A price that moves nothing changes no more than `sync` did at the loop's beginning.
    """
    if grid.handover.is_quiet(turn.now_ns):
        return
    room = grid.scheduler.has_room and turn.calls_left >= _CALLS_OF_TWO
    if room and has_drifted(slot.state, grid.cfg(slot)) and entry_block(grid, turn, slot) is None:
        next_id = slot.state.next_order_id
        reduce(grid, turn, slot, PriceTick(turn.price, turn.now), paced=False)
        if slot.state.next_order_id > next_id:
            grid.scheduler.used += 1
    if not grid.is_sticky(slot):
        reduce(grid, turn, slot, TimerTick(turn.now))


def _drain(grid: Grid, turn: Turn, chosen: list[Slot], *, skip_drifted: bool) -> None:
    """Send deferred entries at today's target, oldest first, the side that is behind first among equals."""
    waiting = [
        (order.placed_at, slot.slot_id, order.local_id, slot, order)
        for slot in chosen
        for order in slot.state.orders
        if order.role == "entry" and order.local_id not in slot.sent and not slot.is_cancelling(order.trade_id)
    ]
    behind: Side | None = grid.scheduler.behind(turn.now) if waiting else None
    waiting.sort(key=lambda row: (row[0], row[4].side != behind, row[1], row[2]))
    for _, _, local_id, slot, order in waiting:
        if skip_drifted and _drifted(grid, slot, order):
            continue
        blocked = entry_block(grid, turn, slot) is not None
        if not blocked and not (grid.scheduler.has_room and turn.calls_left >= 1):
            return
        if not (blocked or slot.attempts.get(local_id)) and is_kept_back(grid, turn, slot, order):
            drop_entry(grid, turn, slot, order, WaitReason.MOMENTUM_DEFER)
            continue
        reprice_entry(grid, turn, slot, order)
        place(grid, turn, slot, local_id, paced=True)
        if local_id in slot.sent:
            grid.scheduler.drain(turn.now)


def _drifted(grid: Grid, slot: Slot, order: Order) -> bool:
    market = slot.state.market_price
    limit_pct = max(_MIN_DRAIN_DRIFT_PCT, grid.settings.refresh_pct)
    target = fresh_entry_price(slot.state, order.trade_id, grid.cfg(slot))
    return abs(order.price - target) / market * 100.0 > limit_pct


def _arm(grid: Grid, turn: Turn, chosen: list[Slot]) -> None:
    """Open empty slots and re-arm empty legs; both are free of the entry cap (slots 4.2 rule 4), not of the calls."""
    legs = [
        (slot, leg)
        for slot in chosen
        if not slot.is_empty()
        for leg in _LEGS
        if slot.state.leg_order(leg) is None and not slot.is_cancelling(leg)
    ]
    _bootstrap(grid, turn, [slot for slot in chosen if slot.is_empty()])
    _repair(grid, turn, legs)


def _calls_on_their_way(grid: Grid, turn: Turn) -> int:
    """Return how many orders and cancels the venue has not answered; one without news for minutes is not on its way.

    An entry that has to wait for its call leaves at an old price, so a loop sends no more than can leave by the next.
    """
    since = turn.now - _ON_ITS_WAY_SEC
    return sum(
        order.state == "pending" and order.local_id in slot.sent and order.placed_at > since
        for slot in grid.slots.values()
        for order in slot.state.orders
    ) + sum(len(slot.state.cancelling) for slot in grid.slots.values())


def _bootstrap(grid: Grid, turn: Turn, empty: list[Slot]) -> None:
    """Open empty slots: most round trips first, then lowest id, a few per loop (slots 5.2)."""
    empty.sort(key=lambda slot: (-slot.state.total_round_trips, slot.slot_id))
    opened = 0
    for slot in empty:
        blocked = opening_block(grid, turn, slot)
        if blocked is not None:
            opening = Opening([], {"A": blocked, "B": blocked})
        elif opened >= max(2, grid.scheduler.cap) or turn.calls_left < _CALLS_OF_TWO:
            opening = Opening([], {"A": WaitReason.BOOTSTRAP_PENDING, "B": WaitReason.BOOTSTRAP_PENDING})
        else:
            let_go_dark(grid, turn, slot)
            held = held_leg(grid, turn, slot)
            opening = bootstrap(slot.state, grid.cfg(slot), grid.sizes(slot, turn), *_free(turn), held)
            opened += bool(opening.actions)
        _open(grid, turn, slot, opening)


def _repair(grid: Grid, turn: Turn, legs: list[tuple[Slot, TradeId]]) -> None:
    """Re-arm empty legs, longest waiting first; the first that cannot be paid ends its side's in this loop."""
    behind = grid.scheduler.behind(turn.now)
    legs.sort(key=lambda row: (row[0].state.leg(row[1]).cooldown_until, ENTRY_SIDE[row[1]] != behind))
    exhausted: set[TradeId] = set()
    for slot, leg in legs:
        blocked = entry_block(grid, turn, slot)
        if slot.state.mode_source == "momentum" and leg != held_leg(grid, turn, slot):
            slot.state.mode_source = "balance"
        if blocked is not None:
            opening = Opening([], {leg: blocked})
        elif turn.now < slot.state.leg(leg).cooldown_until:
            opening = Opening([], {leg: WaitReason.COOLDOWN})
        elif leg == held_leg(grid, turn, slot):
            opening = Opening([], {leg: WaitReason.MOMENTUM_DEFER})
        elif leg not in repair_legs(slot.state, grid.cfg(slot), exhausted, *_free(turn)):
            opening = Opening([], {leg: WaitReason.UNFUNDED})
        elif turn.calls_left < 1:
            opening = Opening([], {leg: WaitReason.SCHEDULER_DEFER})
        else:
            opening = add_entry(slot.state, leg, grid.cfg(slot), grid.sizes(slot, turn))
        _open(grid, turn, slot, opening)
        if slot.wait.get(leg) is WaitReason.UNFUNDED:
            exhausted.add(leg)


def _open(grid: Grid, turn: Turn, slot: Slot, opening: Opening) -> None:
    for leg, said in opening.waits.items():
        reason = said
        if said is WaitReason.MIN_SIZE_WAIT:
            reason = size_wait(grid, turn, grid.sizes(slot, turn), leg)
        if reason is WaitReason.EXCHANGE_CANCELS and slot.wait.get(leg) is not reason:
            text = f"slot {slot.slot_id} leg {leg}: the venue keeps ending its entries; it waits"
            turn.out.append(Alert(Severity.WARN, "exchange_cancels", text, turn.now_ns))
        if reason is WaitReason.UNFUNDED:
            grid.note_shortage(turn)
        grid.set_wait(slot, leg, reason, turn.now_ns)
    slot.plain.update(action.local_id for action in opening.actions if isinstance(action, Place))
    carry_out(grid, turn, slot, opening.actions, paced=False)


def _free(turn: Turn) -> tuple[float | None, float | None]:
    base, quote = turn.free_base(), turn.free_quote()
    facts = turn.instrument
    return (
        None if base is None else facts.base_float(base),
        None if quote is None else facts.quote_float(quote),
    )
