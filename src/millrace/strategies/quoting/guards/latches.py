"""How the level of a symbol's guards is left: not at the threshold, and not at once (quoting 4.3 addition 3).

What held keeps the level at SOFT until its value has been better than 0.8 of the soft threshold for five seconds. A
halt leaves its triggers here too, so that HARD becomes SOFT and never nothing.
"""

from millrace.strategies.quoting.guards.state import STILL_HOLDS, Latch
from millrace.strategies.quoting.guards.triggers import pnl_score, volatility
from millrace.strategies.quoting.model import Features, GuardReason
from millrace.strategies.quoting.settings import RiskGuardSettings


def kept(
    latches: tuple[Latch, ...], found: list[GuardReason], features: Features, cfg: RiskGuardSettings
) -> tuple[tuple[Latch, ...], list[GuardReason]]:
    """Return the latches after this tick, sorted by key, and the reasons of those that hold though nothing triggers.

    `found` is what triggers now. The same tuple is handed out again when nothing changed.
    """
    triggered = {reason.key for reason in found}
    after = [Latch(key, STILL_HOLDS) for key in triggered]
    held: list[GuardReason] = []
    for latch in latches:
        if latch.key in triggered:
            continue
        value, limit, is_worse = _against_exit(latch.key, features, cfg)
        since = STILL_HOLDS if is_worse else latch.clear_since_ms
        if not is_worse and since == STILL_HOLDS:
            since = features.now_ms
        if is_worse or features.now_ms - since < cfg.exit_hold_ms:
            after.append(Latch(latch.key, since))
            held.append(GuardReason(latch.key, value, limit))
    after.sort()
    kept_now = tuple(after)
    return (latches if kept_now == latches else kept_now), held


def _against_exit(key: str, features: Features, cfg: RiskGuardSettings) -> tuple[float, float, bool]:
    """Return a trigger's value, the value at which it is left, and whether it is still worse; plain causes just end."""
    if key == "vol":
        value, limit = volatility(features, cfg) or 0.0, cfg.vol_soft_bps * cfg.exit_ratio
        return value, limit, value >= limit
    if key == "p95":
        value, limit = features.latency_p95_ms or 0.0, cfg.latency_soft_ms * cfg.exit_ratio
        return value, limit, value > limit
    if key == "pnl_z":
        value, limit = pnl_score(features, cfg), cfg.pnl_soft_z * cfg.exit_ratio
        return value, limit, value < limit
    if key == "inv":
        value, limit = abs(features.inventory_pct), cfg.inventory_soft_pct * cfg.exit_ratio
        return value, limit, value > limit
    if key == "takers":
        limit = cfg.takers_soft * cfg.exit_ratio
        return float(features.taker_fills), limit, features.taker_fills >= limit
    if key == "vpin":
        value, limit = features.vpin or 0.0, cfg.vpin_soft * cfg.exit_ratio
        return value, limit, value >= limit
    return 0.0, 0.0, False
