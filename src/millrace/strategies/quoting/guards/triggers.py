"""What holds against quoting a symbol now: five triggers with two thresholds each, and what has only one (quoting 4.3).

A trigger is judged on the features alone. Whether a level may be left already is a question of time, and `latches`
answers it.
"""

from millrace.strategies.quoting.guards.market_wide import MarketBit
from millrace.strategies.quoting.model import BlockedSides, Features, GuardLevel, GuardReason, PortfolioSnapshot
from millrace.strategies.quoting.settings import RiskGuardSettings

PNL_DEAD_ZONE = 0.1
PNL_SCALE = 8.0
"""The reference's score: the mean of the deltas by this, nothing for a mean this near to zero."""

LATENCY_UNKNOWN = "p95_unknown"
ONLY_GROWTH = frozenset({"inv", "market_inventory"})
"""Triggers that speak against holding more, and not against quoting."""
Reasons = list[GuardReason]
_SOFT, _HARD = GuardLevel.SOFT, GuardLevel.HARD


def volatility(features: Features, cfg: RiskGuardSettings) -> float | None:
    """Return the volatility that the guards judge, in bps: of a second, or of the last samples; None: not known."""
    return features.vol_bps_sqrt_sec if cfg.live_volatility else features.vol_stdev_bps


def pnl_score(features: Features, cfg: RiskGuardSettings) -> float:
    """Return the score of the deltas of profit, 0 while too few are known."""
    if cfg.pnl_mode == "zscore":
        return features.pnl_z or 0.0
    mean = features.pnl_mean or 0.0
    return 0.0 if abs(mean) <= PNL_DEAD_ZONE else mean / PNL_SCALE


def judged(features: Features, cfg: RiskGuardSettings) -> tuple[Reasons, Reasons]:
    """Return what holds at HARD and what holds at SOFT; a trigger that holds at HARD does not stand under SOFT too.

    With `one_sided_inventory` an inventory above its hard threshold stands under SOFT: it stops growth only.
    """
    hard: Reasons = []
    soft: Reasons = []
    _judge_market(features, cfg, hard, soft)
    _judge_account(features, cfg, hard, soft)
    if features.portfolio.market_bits:
        _append_bits(hard, soft, features.portfolio)
    return hard, soft


def _judge_market(features: Features, cfg: RiskGuardSettings, hard: Reasons, soft: Reasons) -> None:
    """Volatility, latency, toxicity."""
    vol = volatility(features, cfg)
    if vol is None:
        soft.append(GuardReason("vol_unknown", 0.0, 0.0))
    elif vol >= cfg.vol_soft_bps:
        _append(hard, soft, "vol", vol, cfg.vol_soft_bps, cfg.vol_hard_bps, is_hard=vol >= cfg.vol_hard_bps)
    latency = features.latency_p95_ms
    if latency is None:
        if cfg.latency_expires:
            soft.append(GuardReason(LATENCY_UNKNOWN, 0.0, 0.0))
    elif latency > cfg.latency_soft_ms:
        is_hard = latency > cfg.latency_hard_ms
        _append(hard, soft, "p95", latency, cfg.latency_soft_ms, cfg.latency_hard_ms, is_hard=is_hard)
    if cfg.vpin_soft and features.vpin is not None and features.vpin >= cfg.vpin_soft:
        soft.append(GuardReason("vpin", features.vpin, cfg.vpin_soft))


def _judge_account(features: Features, cfg: RiskGuardSettings, hard: Reasons, soft: Reasons) -> None:
    """Profit, inventory, fills that took, loss of the day."""
    score = pnl_score(features, cfg)
    if score < cfg.pnl_soft_z:
        _append(hard, soft, "pnl_z", score, cfg.pnl_soft_z, cfg.pnl_hard_z, is_hard=score < cfg.pnl_hard_z)
    held = abs(features.inventory_pct)
    if held > cfg.inventory_soft_pct:
        is_hard = held > cfg.inventory_hard_pct
        found = soft if cfg.one_sided_inventory else hard
        _append(found, soft, "inv", held, cfg.inventory_soft_pct, cfg.inventory_hard_pct, is_hard=is_hard)
    takers = features.taker_fills
    if takers >= cfg.takers_soft:
        _append(hard, soft, "takers", takers, cfg.takers_soft, cfg.takers_hard, is_hard=takers >= cfg.takers_hard)
    if cfg.daily_loss and features.day_pnl is not None and features.day_pnl <= -cfg.daily_loss:
        hard.append(GuardReason("day_loss", features.day_pnl, -cfg.daily_loss, _HARD))


def _append(hard: Reasons, soft: Reasons, key: str, value: float, low: float, high: float, *, is_hard: bool) -> None:
    if is_hard:
        hard.append(GuardReason(key, float(value), float(high), _SOFT if hard is soft else _HARD))
    else:
        soft.append(GuardReason(key, float(value), float(low)))


def _append_bits(hard: Reasons, soft: Reasons, portfolio: PortfolioSnapshot) -> None:
    """What is wrong with all symbols together stops this one; too much at risk stops growth only."""
    for bit in MarketBit:
        if portfolio.market_bits & bit:
            found, level = (soft, _SOFT) if bit is MarketBit.INVENTORY else (hard, _HARD)
            found.append(GuardReason(f"market_{bit.label}", float(bit), 0.0, level))


def growth_stopped(features: Features, cfg: RiskGuardSettings) -> bool:
    """Tell whether the position may only become smaller (quoting 4.3 additions 1 and 5)."""
    if features.portfolio.market_bits & MarketBit.INVENTORY:
        return True
    return cfg.one_sided_inventory and abs(features.inventory_pct) > cfg.inventory_hard_pct


def sides_of(features: Features, *, bid: bool, ask: bool) -> tuple[BlockedSides, BlockedSides]:
    """Return the sides that may not be quoted, and those that may only close, where growth is stopped on these."""
    reduces_bid, reduces_ask = features.position < 0, features.position > 0
    blocked = BlockedSides.of(bid=bid and not reduces_bid, ask=ask and not reduces_ask)
    return blocked, BlockedSides.of(bid=bid and reduces_bid, ask=ask and reduces_ask)
