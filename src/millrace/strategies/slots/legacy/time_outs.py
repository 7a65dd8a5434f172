"""The non-sticky timer: exits that waited too long are orphaned into recoveries, the oldest evicted (slots 2.4, 2.5).

Nothing here runs for a sticky slot, and nothing evicts unless the configuration lets an eviction book a loss (P7).
"""

from millrace.strategies.slots.reducer.actions import Action, Cancel, Orphan
from millrace.strategies.slots.reducer.booking import book, start_cooldown
from millrace.strategies.slots.reducer.fills import Executed, cycle_of
from millrace.strategies.slots.reducer.legs import follow_up
from millrace.strategies.slots.reducer.model import PARTIAL_CANCEL, Order, Recovery, SlotConfig, SlotState
from millrace.strategies.slots.reducer.volume import Sizes


def time_out_exits(state: SlotState, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    """Orphan at most one exit whose time is over; needs a known market price."""
    exits = [order for order in state.orders if order.role == "exit"]
    buys = [order for order in exits if order.side == "buy"]
    sells = [order for order in exits if order.side == "sell"]
    if buys and sells:
        return _time_out_s2(state, buys[0], sells[0], cfg, sizes)
    state.s2_entered_at = None
    market = state.market_price
    if not exits or market <= 0.0:
        return []
    order = exits[0]
    age = state.now - waits_since(order, state, cfg)
    moved_away = market < order.price if order.side == "sell" else market > order.price
    if age >= cfg.s1_orphan_after_sec and moved_away:
        return _orphan(state, order, "s1_timeout", cfg, sizes)
    return []


def waits_since(order: Order, state: SlotState, cfg: SlotConfig) -> float:
    """Return since when an exit counts as waiting: a slot that ceased to be sticky begins anew (slots 10)."""
    return max(order.entry_filled_at or order.placed_at or state.now, cfg.exits_wait_from)


def _time_out_s2(state: SlotState, buy: Order, sell: Order, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    """Orphan the exit further from market once both legs have waited long enough; a tie takes the sell exit."""
    if state.s2_entered_at is None:
        state.s2_entered_at = state.now
        return []
    market = state.market_price
    if state.now - state.s2_entered_at < cfg.s2_orphan_after_sec or market <= 0.0:
        return []
    buy_is_further = abs(buy.price - market) / market > abs(sell.price - market) / market
    actions = _orphan(state, buy if buy_is_further else sell, "s2_timeout", cfg, sizes)
    if actions:
        state.s2_entered_at = None
    return actions


def _orphan(state: SlotState, order: Order, reason: str, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    """Move an exit to the recoveries and free its leg; refuses when full and eviction may not book."""
    if not cfg.recovery_orders_enabled:
        return []
    made_room = _make_room(state, cfg)
    if made_room is None:
        return []
    actions = made_room
    state.orders.remove(order)
    recovery = Recovery(
        state.take_recovery_id(),
        order.side,
        order.price,
        order.volume,
        order.trade_id,
        order.cycle,
        entry_price=order.entry_price,
        orphaned_at=state.now,
        entry_fee=order.entry_fee,
        entry_filled_at=order.entry_filled_at,
        txid=order.txid,
        reason=reason,
        regime_at_entry=order.regime_at_entry,
        executed_volume=order.executed_volume,
        executed_cost=order.executed_cost,
        executed_fee=order.executed_fee,
        executed_at=order.executed_at,
        state=order.state,
        would_defer=order.would_defer,
    )
    state.recovery_orders.append(recovery)
    actions.append(Orphan(order.local_id, recovery.recovery_id, reason))
    leg = state.leg(order.trade_id)
    start_cooldown(leg, state.now, cfg)
    leg.cycle += 1
    return actions + follow_up(state, order.trade_id, cfg, sizes, f"orphan_{order.trade_id}")


def _make_room(state: SlotState, cfg: SlotConfig) -> list[Action] | None:
    """Evict until one more recovery fits; None when that is needed and not allowed or not possible.

    Carve-outs are exempt and do not count; a recovery that is filling is not thrown out either.
    """
    evicted = _evicted(state, cfg)
    if evicted is None:
        return None
    actions: list[Action] = []
    market = state.market_price
    for recovery in evicted:
        if recovery.txid:
            actions.append(Cancel(-recovery.recovery_id, recovery.txid, "recovery_cap_evict_priority"))
        state.recovery_orders.remove(recovery)
        fee = market * recovery.volume * cfg.maker_fee_pct / 100.0
        closed = Executed(recovery.volume, market, fee)
        actions.append(book(state, cycle_of(recovery, closed, recovery.entry_fee, "eviction"), cfg))
    return actions


def may_orphan(state: SlotState, cfg: SlotConfig) -> bool:
    """Tell whether one more exit can become a recovery; until then only news of a recovery changes the answer."""
    return cfg.recovery_orders_enabled and _evicted(state, cfg) is not None


def _evicted(state: SlotState, cfg: SlotConfig) -> list[Recovery] | None:
    """Return the recoveries that must go for one more, first to go first; None when that is not allowed."""
    detached = [recovery for recovery in state.recovery_orders if recovery.reason != PARTIAL_CANCEL]
    excess = len(detached) + 1 - max(1, cfg.max_recovery_slots)
    if excess <= 0:
        return []
    evictable = [recovery for recovery in detached if recovery.executed_volume <= 0.0]
    if not cfg.recovery_evict_books or len(evictable) < excess:
        return None
    market = state.market_price
    evictable.sort(key=lambda row: (-abs(row.price - market) / market, row.orphaned_at, row.recovery_id))
    return evictable[:excess]
