"""What executed volume does to a slot: an entry becomes an exit, an exit becomes a booked cycle (slots 2.6, 6.2, 6.3).

All functions take the cumulative executed volume of one order and leave no record of that order behind, so the same
news cannot act twice. Volume that is too small for an order of its own goes to the leg's dust record, never away.
"""

from dataclasses import replace
from typing import NamedTuple

from millrace.strategies.slots.reducer.actions import Action, Book, place_order, place_recovery
from millrace.strategies.slots.reducer.booking import book
from millrace.strategies.slots.reducer.legs import clear_stale_s2, follow_up, fresh_entry_price
from millrace.strategies.slots.reducer.model import (
    EXIT_SIDE,
    PARTIAL_CANCEL,
    SOFT_CLOSE,
    Cause,
    Cycle,
    Dust,
    Order,
    Recovery,
    SlotConfig,
    SlotState,
)
from millrace.strategies.slots.reducer.pricing import exit_price
from millrace.strategies.slots.reducer.volume import Sizes, noise, tradeable, whole_lots


class Executed(NamedTuple):
    """Cumulative execution of one order: base units, average USD price, USD fee."""

    volume: float
    price: float
    fee: float


def latest(record: Order | Recovery, told: Executed) -> Executed:
    """Return the execution as told, or what was seen before when that is more (news out of order)."""
    if record.executed_volume > told.volume:
        return seen(record)
    return told


def seen(record: Order | Recovery) -> Executed:
    """Return the part fill noted on the record; its volume must be positive."""
    return Executed(record.executed_volume, record.executed_cost / record.executed_volume, record.executed_fee)


def cycle_of(record: Order | Recovery, done: Executed, entry_fee: float, cause: Cause) -> Cycle:
    """Return the cycle that closes `done.volume` of a position at `done.price`, amounts not filled in yet."""
    entry_time = record.entry_filled_at
    if isinstance(record, Recovery):
        entry_time = entry_time or record.orphaned_at
    return Cycle(
        record.trade_id,
        record.cycle,
        record.entry_price,
        done.price,
        done.volume,
        entry_fee=entry_fee,
        exit_fee=done.fee,
        entry_time=entry_time,
        from_recovery=isinstance(record, Recovery),
        regime_at_entry=record.regime_at_entry,
        released=cause in ("release", "market_release"),
        cause=cause,
        would_defer=record.would_defer,
    )


# ---- exits -----------------------------------------------------------------------------------------------------------


class _Rest(NamedTuple):
    """What is left of a position after a booking: whole lots that go on as an order (0: none) and their fee."""

    volume: float
    entry_fee: float


def _book_executed(state: SlotState, record: Order | Recovery, done: Executed, cfg: SlotConfig) -> tuple[Book, _Rest]:
    """Book what executed and route the rest: to an order again when tradeable, else to dust (slots 6.3)."""
    left = record.volume - done.volume
    share = 1.0 if left <= 0.0 else done.volume / record.volume
    fee = record.entry_fee * share
    fee_left = record.entry_fee - fee
    goes_on = left > cfg.lot + noise(record.volume, cfg) and tradeable(left, record.price, cfg)
    booked = book(state, cycle_of(record, done, fee, _cause(record)), cfg, completes=not goes_on)
    volume = whole_lots(left, cfg) if goes_on else 0.0
    residue = left - volume
    if residue > noise(record.volume, cfg):
        residue_fee = fee_left * residue / left
        state.leg(record.trade_id).dust.add(residue, record.entry_price, residue_fee)
        fee_left -= residue_fee
    return booked, _Rest(volume, fee_left)


def _cause(record: Order | Recovery) -> Cause:
    """Return what a trade of the record is booked under (slots 7.1, P7)."""
    if record.state == "closing":
        return "market_release"
    if isinstance(record, Recovery):
        return SOFT_CLOSE if record.reason == SOFT_CLOSE else "recovery"
    return "exit"


def exit_executed(state: SlotState, order: Order, done: Executed, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    """Book an exit that ended with `done`; its leg leaves the position only when nothing tradeable is left."""
    booked, rest = _book_executed(state, order, done, cfg)
    if rest.volume > 0.0:
        return [booked, replace_exit(state, order, rest.volume, rest.entry_fee, "exit_remainder")]
    state.orders.remove(order)
    return [booked, *leave_position(state, order, cfg, sizes)]


def leave_position(state: SlotState, order: Order, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    """Advance the leg past the cycle of its closed exit and arm the next entry."""
    leg = state.leg(order.trade_id)
    leg.cycle = max(leg.cycle, order.cycle + 1)
    actions = follow_up(state, order.trade_id, cfg, sizes, "cycle_complete")
    clear_stale_s2(state)
    return actions


def replace_exit(state: SlotState, order: Order, volume: float, entry_fee: float, reason: str) -> Action:
    """Put the rest of an ended exit back at the same price under a new id, in the same place of the order list."""
    again = replace(
        order,
        local_id=state.take_order_id(),
        volume=volume,
        entry_fee=entry_fee,
        placed_at=state.now,
        txid="",
        state="pending",
        executed_volume=0.0,
        executed_cost=0.0,
        executed_fee=0.0,
        executed_at=0.0,
    )
    state.orders[state.orders.index(order)] = again
    return place_order(again, reason)


def recovery_executed(state: SlotState, recovery: Recovery, done: Executed, cfg: SlotConfig) -> list[Action]:
    """Book a recovery that ended with `done`; no follow-up entry, because its leg trades on already."""
    booked, rest = _book_executed(state, recovery, done, cfg)
    if rest.volume > 0.0:
        return [
            booked,
            replace_recovery(state, recovery, rest.volume, rest.entry_fee, "recovery_remainder"),
        ]
    state.recovery_orders.remove(recovery)
    return [booked]


def replace_recovery(state: SlotState, recovery: Recovery, volume: float, entry_fee: float, reason: str) -> Action:
    """Put the rest of an ended recovery back at the same price under a new recovery id."""
    again = replace(
        recovery,
        recovery_id=state.take_recovery_id(),
        volume=volume,
        entry_fee=entry_fee,
        txid="",
        state="pending",
        executed_volume=0.0,
        executed_cost=0.0,
        executed_fee=0.0,
        executed_at=0.0,
    )
    state.recovery_orders[state.recovery_orders.index(recovery)] = again
    return place_recovery(again, reason)


# ---- entries ---------------------------------------------------------------------------------------------------------


class _Position(NamedTuple):
    """A position big enough for an exit order, dust merged in, and the dust that stays behind."""

    volume: float
    price: float
    fee: float
    exit_price: float
    dust_left: Dust


def _position(state: SlotState, entry: Order, done: Executed, cfg: SlotConfig) -> _Position | None:
    """Merge the execution with the leg's dust; None when an exit of it would be below the minimums (slots 6.2c)."""
    dust = state.leg(entry.trade_id).dust
    volume, price, fee, left = done.volume, done.price, done.fee, Dust()
    if dust.volume > 0.0:
        total = dust.volume + done.volume
        volume = whole_lots(total, cfg)
        price = (dust.cost + done.volume * done.price) / total
        fee = dust.fee + done.fee
        residue = total - volume
        if residue > noise(total, cfg):
            left = Dust(residue, residue * price, fee * residue / total)
            fee -= left.fee
    target = exit_price(entry.trade_id, price, state, cfg)
    return _Position(volume, price, fee, target, left) if tradeable(volume, target, cfg) else None


def entry_filled(state: SlotState, entry: Order, done: Executed, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    """Turn a finished entry into the leg's exit for what executed; the other leg's entry stays (slots 2.6)."""
    state.orders.remove(entry)
    state.total_fees += done.fee
    position = _position(state, entry, done, cfg)
    if position is None:
        return _to_dust(state, entry, done, cfg, sizes)
    return _open_exit(state, entry, position)


def entry_ended(state: SlotState, entry: Order, done: Executed, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    """Handle an entry cancelled or expired after a part fill: carve-out, exit or dust (slots 6.2 a, b, c)."""
    state.orders.remove(entry)
    state.total_fees += done.fee
    position = _position(state, entry, done, cfg)
    if position is None:
        return _to_dust(state, entry, done, cfg, sizes)
    rest = whole_lots(entry.volume - done.volume, cfg)
    if not tradeable(rest, fresh_entry_price(state, entry.trade_id, cfg), cfg):
        return _open_exit(state, entry, position)
    carved = _carve_out(state, entry, position)
    return [carved, *follow_up(state, entry.trade_id, cfg, sizes, "partial_remainder", volume=rest)]


def late_entry_fill(state: SlotState, entry: Order, done: Executed, cfg: SlotConfig) -> list[Action]:
    """Handle an entry that executed although a refresh had taken it off the leg already.

    An empty leg takes the position as usual; a taken leg keeps its order and the position becomes a carve-out. Too
    little for an exit becomes dust. The replacement entry moves on to the next cycle, so that numbers stay apart.
    """
    state.cancelling.remove(entry)
    state.total_fees += done.fee
    leg = state.leg(entry.trade_id)
    position = _position(state, entry, done, cfg)
    if position is None:
        leg.dust.add(done.volume, done.price, done.fee)
        return []
    current = state.leg_order(entry.trade_id)
    if current is None:
        return _open_exit(state, entry, position)
    carved = _carve_out(state, entry, position)
    if current.role == "entry":
        current.cycle = leg.cycle
    return [carved]


def _open_exit(state: SlotState, entry: Order, position: _Position) -> list[Action]:
    state.leg(entry.trade_id).dust = position.dust_left
    order = Order(
        state.take_order_id(),
        EXIT_SIDE[entry.trade_id],
        "exit",
        position.exit_price,
        position.volume,
        entry.trade_id,
        entry.cycle,
        placed_at=state.now,
        entry_price=position.price,
        entry_fee=position.fee,
        entry_filled_at=state.now,
        regime_at_entry=entry.regime_at_entry,
        would_defer=entry.would_defer,
    )
    state.orders.append(order)
    clear_stale_s2(state)
    return [place_order(order, "entry_fill_exit")]


def _carve_out(state: SlotState, entry: Order, position: _Position) -> Action:
    leg = state.leg(entry.trade_id)
    leg.dust = position.dust_left
    leg.cycle = max(leg.cycle, entry.cycle + 1)
    recovery = Recovery(
        state.take_recovery_id(),
        EXIT_SIDE[entry.trade_id],
        position.exit_price,
        position.volume,
        entry.trade_id,
        entry.cycle,
        entry_price=position.price,
        orphaned_at=state.now,
        entry_fee=position.fee,
        entry_filled_at=state.now,
        reason=PARTIAL_CANCEL,
        regime_at_entry=entry.regime_at_entry,
        would_defer=entry.would_defer,
    )
    state.recovery_orders.append(recovery)
    return place_recovery(recovery, PARTIAL_CANCEL)


def _to_dust(state: SlotState, entry: Order, done: Executed, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    """Keep the execution as dust and re-arm the entry: for the rest when tradeable, else at normal size."""
    state.leg(entry.trade_id).dust.add(done.volume, done.price, done.fee)
    rest = whole_lots(entry.volume - done.volume, cfg)
    if tradeable(rest, fresh_entry_price(state, entry.trade_id, cfg), cfg):
        return follow_up(state, entry.trade_id, cfg, sizes, "partial_remainder", volume=rest)
    return follow_up(state, entry.trade_id, cfg, sizes, "dust_rearm")
