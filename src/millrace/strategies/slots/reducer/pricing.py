"""Where entries and exits stand: distances, loss back-off and post-only guards (slots 2.1).

Formulas are written in the contract's order of operations, because golden vectors bind the rounded result.
"""

from millrace.strategies.slots.reducer.model import SlotConfig, SlotState, TradeId


def entry_distance_pct(trade_id: TradeId, cfg: SlotConfig) -> float:
    """Return the leg's entry distance from market in per cent."""
    own = cfg.entry_pct_a if trade_id == "A" else cfg.entry_pct_b
    return own if own is not None and own > 0.0 else cfg.entry_pct


def backoff_multiplier(losses: int, cfg: SlotConfig) -> float:
    """Return the factor on the entry distance after `losses` consecutive losses."""
    if losses < cfg.loss_backoff_start or not cfg.entry_backoff_enabled:
        return 1.0
    return min(cfg.backoff_max_multiplier, 1.0 + cfg.backoff_factor * (losses - cfg.loss_backoff_start + 1))


def kept_distance_pct(trade_id: TradeId, cfg: SlotConfig) -> float | None:
    """Return the distance that a fresh entry of the leg keeps; None where every entry has the configured one."""
    return entry_distance_pct(trade_id, cfg) if cfg.entry_pct_adapts else None


def entry_price(
    trade_id: TradeId, market: float, losses: int, cfg: SlotConfig, distance_pct: float | None = None
) -> float:
    """Return the limit price of an entry of the leg: a fresh one, or one that keeps a distance of its own."""
    distance = entry_distance_pct(trade_id, cfg) if distance_pct is None else distance_pct
    away = distance * backoff_multiplier(losses, cfg) / 100.0
    price = round(market * (1.0 + away if trade_id == "A" else 1.0 - away), cfg.price_decimals)
    if price <= 0.0:
        plain = distance / 100.0
        price = round(market * (1.0 + plain if trade_id == "A" else 1.0 - plain), cfg.price_decimals)
    return price


def clear_of_market(trade_id: TradeId, price: float, market: float, cfg: SlotConfig) -> float:
    """Return an exit's price, moved away from market by the guard distance if it stands closer; never towards it."""
    guard = cfg.entry_pct / 100.0
    if market <= 0.0:
        return price
    if trade_id == "A":
        away = max(round(market * (1.0 - guard), cfg.price_decimals), 10.0**-cfg.price_decimals)
        return min(price, away)
    return max(price, round(market * (1.0 + guard), cfg.price_decimals))


def exit_price(trade_id: TradeId, entry_fill: float, state: SlotState, cfg: SlotConfig) -> float:
    """Return the limit price of the exit of an entry filled at `entry_fill`; at least one price step.

    The market term keeps the exit post-only when price has run past the target; without a known market it is left out.
    """
    target = (state.profit_pct_runtime or cfg.profit_pct) / 100.0
    guard = cfg.entry_pct / 100.0
    market = state.market_price
    if trade_id == "A":
        price = entry_fill * (1.0 - target)
        if market > 0.0:
            price = min(price, market * (1.0 - guard))
    else:
        price = max(entry_fill * (1.0 + target), market * (1.0 + guard))
    return max(round(price, cfg.price_decimals), 10.0**-cfg.price_decimals)
