"""The second stage: how wide to quote, in bps of full width (quoting 4.2).

Four scores in [0, 1] widen a base: volatility, thin books, slow answers and losses. A risk that rises may widen at once
while narrowing goes in small steps, and what a round trip costs in fees is a floor that no other limit goes under.
"""

import msgspec

from millrace.strategies.quoting.glft import GlftModel, half_distances
from millrace.strategies.quoting.model import BPS, Features, Freshness, MarketData, SpreadDecision, SpreadReason
from millrace.strategies.quoting.settings import SpreadSettings

_CHANGE_BPS = 0.001
"""Smaller changes do not begin a cool-off."""
_LATENCY_SAMPLES = 5


class SpreadState(msgspec.Struct, frozen=True, gc=False):
    """The width before floor and stale widening, and when it last changed; None: never."""

    spread_bps: float | None = None
    changed_ms: int | None = None


def spread_stage(
    features: Features, book: MarketData, freshness: Freshness, state: SpreadState, cfg: SpreadSettings, base_usd: float
) -> tuple[SpreadDecision, SpreadState]:
    """Return the width of this tick and what the next one needs of it; `base_usd` is what one base size is worth."""
    if not cfg.enabled:
        zero = (0.0, 0.0, 0.0, 0.0)
        return _decided(cfg.base_spread_bps, SpreadReason.DEFAULT, 0.0, zero, features, book, freshness, cfg), state
    volatility = features.vol_bps_sqrt_sec if cfg.live_volatility else features.vol_abs_ema_bps
    scores = _scores(features, book, volatility, cfg)
    if cfg.model == "glft" and volatility is not None:
        return _glft(features, book, freshness, volatility, scores, cfg, base_usd), state
    vol, liquidity, latency, pnl = scores
    target = (
        cfg.base_spread_bps
        + cfg.vol_weight * cfg.vol_sensitivity * vol
        + cfg.liquidity_weight * cfg.liquidity_sensitivity * liquidity
        + cfg.latency_weight * cfg.latency_sensitivity * latency
        + cfg.pnl_weight * cfg.pnl_dev_sensitivity * pnl
    )
    spread, reason, state = _smoothed(target, features.now_ms, state, cfg)
    decision = _decided(spread, reason, target, scores, features, book, freshness, cfg, volatility or 0.0)
    return decision, state


def _scores(
    features: Features, book: MarketData, volatility: float | None, cfg: SpreadSettings
) -> tuple[float, float, float, float]:
    """Score volatility, liquidity, latency and profit; an unknown live volatility counts as wild."""
    if volatility is None:
        vol = 1.0
    else:
        vol = (volatility - cfg.vol_calm_bps) / (cfg.vol_wild_bps - cfg.vol_calm_bps)
        vol = 0.0 if vol < 0.0 else min(vol, 1.0)
    depth = (features.depth_bid + features.depth_ask) / 2.0
    if cfg.liquidity_unit == "base":
        good, poor = cfg.liquidity_good_base, cfg.liquidity_poor_base
    else:
        depth *= book.mid_price
        good, poor = cfg.liquidity_good_usd, cfg.liquidity_poor_usd
    liquidity = (good - depth) / (good - poor)
    liquidity = 0.0 if liquidity < 0.0 else min(liquidity, 1.0)
    latency = pnl = 0.0
    if features.latency_p95_ms is not None and features.latency_n >= _LATENCY_SAMPLES:
        latency = (features.latency_p95_ms - cfg.latency_fast_ms) / (cfg.latency_slow_ms - cfg.latency_fast_ms)
        latency = 0.0 if latency < 0.0 else min(latency, 1.0)
    if features.pnl_mean is not None:
        pnl = features.pnl_mean / cfg.pnl_poor
        pnl = 0.0 if pnl < 0.0 else min(pnl, 1.0)
    return vol, liquidity, latency, pnl


def _smoothed(
    target: float, now_ms: int, state: SpreadState, cfg: SpreadSettings
) -> tuple[float, SpreadReason, SpreadState]:
    """Limit a target to its bounds, and how fast the width follows it."""
    last = cfg.base_spread_bps if state.spread_bps is None else state.spread_bps
    wanted = min(max(target, cfg.min_spread_bps), cfg.max_spread_bps)
    reason = SpreadReason.ADAPTIVE
    if cfg.fast_widen and wanted > last:
        spread = wanted
    else:
        if state.changed_ms is not None and now_ms - state.changed_ms < cfg.cooloff_ms:
            wanted, reason = last, SpreadReason.ADAPTIVE_COOLOFF
        spread = last + min(max(wanted - last, -cfg.clamp_step_bps), cfg.clamp_step_bps)
    if state.changed_ms is None or abs(spread - last) > _CHANGE_BPS:
        return spread, reason, SpreadState(spread, now_ms)
    return spread, reason, state if spread == state.spread_bps else SpreadState(spread, state.changed_ms)


def _decided(
    spread: float,
    reason: SpreadReason,
    target: float,
    scores: tuple[float, float, float, float],
    features: Features,
    book: MarketData,
    freshness: Freshness,
    cfg: SpreadSettings,
    volatility: float = 0.0,
) -> SpreadDecision:
    """Put stale widening and the fee floor on a width."""
    if freshness.used_stale:
        spread += cfg.stale_widen_bps
        reason = SpreadReason.STALE_WIDENED
    floor = 0.0
    if cfg.fee_floor:
        terms = features.terms
        floor = 2.0 * terms.maker_fee_bps + cfg.min_edge_bps
        least = terms.tick * terms.price_unit / book.mid_price * BPS
        floor = max(floor, least)
    vol, liquidity, latency, pnl = scores
    total = (
        cfg.vol_sensitivity * vol
        + cfg.liquidity_sensitivity * liquidity
        + cfg.latency_sensitivity * latency
        + cfg.pnl_dev_sensitivity * pnl
    )
    binding = spread < floor
    return SpreadDecision(
        floor if binding else spread, reason, cfg.base_spread_bps, target, volatility, liquidity, vol, latency, pnl,
        binding, None, None, floor, total,
    )  # fmt: skip


def _glft(
    features: Features,
    book: MarketData,
    freshness: Freshness,
    volatility: float,
    scores: tuple[float, float, float, float],
    cfg: SpreadSettings,
    base_usd: float,
) -> SpreadDecision:
    """Quote as the model says, within the same limits; the lean never moves a side past the middle."""
    model = GlftModel(cfg.glft_fills_per_sec, cfg.glft_decay_per_bps, cfg.glft_aversion)
    held = features.position * features.terms.lot_unit * book.mid_price / base_usd
    bid, ask = half_distances(model, held, volatility)
    width = min(max(bid + ask, cfg.min_spread_bps), cfg.max_spread_bps)
    made = _decided(width, SpreadReason.GLFT, bid + ask, scores, features, book, freshness, cfg, volatility)
    half = made.spread_bps / 2.0
    lean = min(max((bid - ask) / 2.0, -half), half)
    return SpreadDecision(
        made.spread_bps, made.reason, made.base_spread_bps, made.target_spread_bps, volatility, made.liquidity_score,
        made.vol_score, made.latency_score, made.pnl_score, made.floor_binding, half + lean, half - lean,
        made.floor_bps, made.total_score,
    )  # fmt: skip
