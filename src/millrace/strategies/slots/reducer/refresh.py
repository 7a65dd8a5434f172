"""Moving an entry that the market left behind, at most one per price tick (slots 2.3).

`refresh_bounds` is the other half of the bargain with the engine: strictly inside the bounds a price tick changes
nothing for that entry, so the engine need not call for it.
"""

from millrace.strategies.slots.reducer.actions import Action, Cancel, place_order
from millrace.strategies.slots.reducer.model import Direction, Leg, Order, SlotConfig, SlotState
from millrace.strategies.slots.reducer.pricing import (
    backoff_multiplier,
    entry_distance_pct,
    entry_price,
    kept_distance_pct,
)
from millrace.strategies.slots.reducer.volume import Sizes

REFRESH = "refresh_entry"
"""Reason of the placement that takes a drifted entry's place."""
_EDGE = 1e-9
"""Relative width given up at each bound, far above float noise and far below a price step."""


def refresh_one(state: SlotState, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    """Refresh the first entry that has drifted and may move; returns its cancel and placement, or nothing."""
    for index, order in enumerate(state.orders):
        if not _movable(order) or not _drifted(order, state, cfg):
            continue
        leg = state.leg(order.trade_id)
        if state.now < leg.refresh_cooldown_until:
            continue
        return _refresh(state, index, leg, cfg, sizes)
    return []


def has_drifted(state: SlotState, cfg: SlotConfig) -> bool:
    """Tell whether a price tick could move an entry, or count towards its refresh cooldown."""
    return any(_movable(order) and _drifted(order, state, cfg) for order in state.orders)


def _drifted(order: Order, state: SlotState, cfg: SlotConfig) -> bool:
    market = state.market_price
    reference = market
    if cfg.refresh_drift_basis == "target":
        losses = state.leg(order.trade_id).consecutive_losses
        reference = entry_price(order.trade_id, market, losses, cfg, order.distance_pct)
    return abs(order.price - reference) / market * 100.0 > cfg.refresh_pct


def _movable(order: Order) -> bool:
    return order.role == "entry" and order.executed_volume <= 0.0 and order.state != "cancelling"


def _refresh(state: SlotState, index: int, leg: Leg, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    old = state.orders[index]
    limit = cfg.max_consecutive_refreshes
    if leg.consecutive_refreshes >= limit and leg.refresh_cooldown_until > 0.0:
        leg.consecutive_refreshes = 0
        leg.refresh_cooldown_until = 0.0
    direction = _direction(old, state.market_price)
    count = leg.consecutive_refreshes + 1 if direction == leg.last_refresh_direction else 1
    if count >= limit:
        leg.consecutive_refreshes = count
        leg.last_refresh_direction = direction
        leg.refresh_cooldown_until = state.now + cfg.refresh_cooldown_sec
        return []
    price = entry_price(old.trade_id, state.market_price, leg.consecutive_losses, cfg)
    volume = sizes.volume(old.trade_id, price)
    if volume is None or (price == old.price and volume == old.volume):
        return []
    del state.orders[index]
    old.state = "cancelling"
    state.cancelling.append(old)
    new = Order(state.take_order_id(), old.side, "entry", price, volume, old.trade_id, old.cycle, placed_at=state.now)
    new.distance_pct, new.would_defer = kept_distance_pct(old.trade_id, cfg), old.would_defer
    state.orders.append(new)
    leg.consecutive_refreshes = count
    leg.last_refresh_direction = direction
    return [Cancel(old.local_id, old.txid, "stale_entry"), place_order(new, REFRESH)]


def is_part_filled(order: Order) -> bool:
    """Tell whether an order is an entry that has filled in part and is not on its way off the book."""
    return order.role == "entry" and order.executed_volume > 0.0 and order.state != "cancelling"


def is_stale_partial(order: Order, state: SlotState, cfg: SlotConfig, max_age_sec: float) -> bool:
    """Tell whether the market has left a part-filled entry that nothing touched for so long (slots 6.4).

    The caller cancels it; what becomes of the two parts is decided when its end is told (slots 6.2).
    """
    if not is_part_filled(order) or not state.market_price > 0.0:
        return False
    return state.now - order.executed_at >= max_age_sec and _drifted(order, state, cfg)


def _direction(order: Order, market: float) -> Direction:
    if order.side == "buy":
        return "down" if market < order.price else "up"
    return "up" if market > order.price else "down"


def refresh_bounds(order: Order, state: SlotState, cfg: SlotConfig) -> tuple[float, float]:
    """Return (low, high) in USD: a price tick strictly between neither acts on the entry nor changes a counter.

    Never too wide: half a price step and float noise are given up at both ends, and low >= high means "any price may
    act". (0, inf) for an order that a tick cannot move. The leg's refresh cooldown is ignored, which is on the safe
    side: until `refresh_cooldown_until` no price acts on the leg. The bounds hold until the state changes otherwise.
    """
    return drift_bounds(order, state, cfg) if _movable(order) else (0.0, float("inf"))


def drift_bounds(order: Order, state: SlotState, cfg: SlotConfig) -> tuple[float, float]:
    """Return (low, high) in USD: strictly between them an entry's drift is at most `refresh_pct`, movable or not."""
    slack = cfg.refresh_pct / 100.0
    if cfg.refresh_drift_basis == "market":
        factor, half_step = 1.0, 0.0
    else:
        half_step = 0.5 * 10.0**-cfg.price_decimals
        factor = _target_factor(order, state, cfg)
    if slack < 0.0 or factor + slack <= 0.0:
        return float("inf"), 0.0
    low = (order.price + half_step) / (factor + slack)
    if factor > 0.0:
        # Below this the backed-off price may round to zero and the un-backed-off one takes its place.
        low = max(low, half_step / factor)
    if factor > slack:
        high = (order.price - half_step) / (factor - slack)
    else:
        high = float("inf") if order.price > half_step else 0.0
    return low * (1.0 + _EDGE), high * (1.0 - _EDGE)


def _target_factor(order: Order, state: SlotState, cfg: SlotConfig) -> float:
    """Return target price / market price; the un-backed-off one where back-off would give no positive price."""
    kept = order.distance_pct
    distance = (entry_distance_pct(order.trade_id, cfg) if kept is None else kept) / 100.0
    losses = state.leg(order.trade_id).consecutive_losses
    if order.trade_id == "A":
        return 1.0 + distance * backoff_multiplier(losses, cfg)
    backed_off = 1.0 - distance * backoff_multiplier(losses, cfg)
    return backed_off if backed_off > 0.0 else 1.0 - distance
