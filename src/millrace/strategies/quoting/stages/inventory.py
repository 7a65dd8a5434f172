"""The fourth stage: how what is held moves both prices, and shrinks the side that would hold more of it (quoting 4.4).

Long moves prices down and short moves them up, always; a pair that would touch is left where it was. How much is held
comes from the ledger through the features, never from a placeholder.
"""

from millrace.strategies.quoting.model import BPS, Features, InventoryAdjustment, SkewReason, SpreadDecision
from millrace.strategies.quoting.settings import SkewSettings

_FULL_PCT = 100.0
DISABLED = InventoryAdjustment(0.0, 0.0, 0.0, 0.0, SkewReason.DISABLED)


def inventory_pct(position: float, max_position: float) -> float:
    """Return a position as percent of the largest, within -100 and 100; 0 where none is allowed (quoting 3)."""
    if max_position <= 0:
        return 0.0
    return min(max(_FULL_PCT * position / max_position, -_FULL_PCT), _FULL_PCT)


def skew_bps(pct: float, cfg: SkewSettings) -> tuple[float, SkewReason]:
    """Return the skew of an inventory, positive when long, and what shaped it."""
    off = pct - cfg.target_pct
    beyond = abs(off) - cfg.clamp_pct
    if beyond < 0.0 or off == 0.0:
        return 0.0, SkewReason.DEADBAND
    size = (beyond if cfg.mode == "shifted" else abs(off)) * cfg.slope_bps_per_1pct
    reason = SkewReason.SKEW
    if size >= cfg.max_skew_bps:
        size, reason = cfg.max_skew_bps, SkewReason.CAPPED
    return (size if off > 0.0 else -size), reason


def shifts_bps(skew: float, *, center: bool) -> tuple[float, float]:
    """Return how a skew moves bid and ask, in bps, positive upwards; the reducing side moves more, or both alike."""
    if skew == 0.0:
        return 0.0, 0.0
    if center:
        return -skew / 2.0, -skew / 2.0
    return (-skew / 4.0, -skew / 2.0) if skew > 0.0 else (-skew / 2.0, -skew / 4.0)


def skewed(bid: float, ask: float, pct: float, cfg: SkewSettings) -> tuple[float, float, float, SkewReason]:
    """Return skew and both shifts of a pair of prices; the shifts are zero where the pair would touch or cross."""
    skew, reason = skew_bps(pct, cfg)
    bid_shift, ask_shift = shifts_bps(skew, center=cfg.shape == "center")
    if bid * (1.0 + bid_shift / BPS) >= ask * (1.0 + ask_shift / BPS):
        return skew, 0.0, 0.0, reason
    return skew, bid_shift, ask_shift, reason


def inventory_stage(features: Features, spread: SpreadDecision, cfg: SkewSettings) -> InventoryAdjustment:
    """Return what inventory does to this tick's prices and sizes."""
    if not cfg.enabled:
        return DISABLED
    pct = features.inventory_pct
    bid_scale = ask_scale = 1.0
    if cfg.size_skew and pct:
        growing = max(0.0, 1.0 - abs(pct) / _FULL_PCT)
        if pct > 0.0:
            bid_scale = growing
        else:
            ask_scale = growing
    if spread.half_bid_bps is not None and spread.half_ask_bps is not None:
        lean = (spread.half_bid_bps - spread.half_ask_bps) / 2.0
        reason = SkewReason.SKEW if lean else SkewReason.DEADBAND
        return InventoryAdjustment(-lean, -lean, pct, 2.0 * lean, reason, bid_scale, ask_scale)
    half = spread.spread_bps / 2.0 / BPS
    skew, bid_shift, ask_shift, reason = skewed(1.0 - half, 1.0 + half, pct, cfg)
    return InventoryAdjustment(bid_shift, ask_shift, pct, skew, reason, bid_scale, ask_scale)
