"""What shrinks a stake: doubt about the edge, unsteady returns, losses so far, locked capital, a full cluster (arb 9).

Each function returns a multiplier within [0, 1] or a cap; none can enlarge what came before it, so their order does not
matter and no combination of good news adds up to more than the growth-optimal stake.
"""

from collections.abc import Sequence
from math import hypot
from typing import Any, Final

import msgspec
import numpy as np

from millrace.sizing.stake_settings import StakeSettings

TIERS: Final = ((0.05, 0.75), (0.10, 0.50), (0.15, 0.25), (0.20, 0.0))
"""Drawdown from the high-water mark, and the multiplier from there (arb 9.6)."""
_SHUT = len(TIERS)
_HOUR_NS = 3_600 * 10**9
_NORMAL = 1.4826
"""Median absolute deviations to standard deviations."""
_WINSOR = 0.05


def uncertainty(parts: Sequence[float]) -> float:
    """Return the relative standard error of an edge from independent parts of it."""
    return hypot(*parts)


def doubt_shrink(relative_error: float) -> float:
    """Return 1 / (1 + u^2): what remains of a stake whose edge is known with that relative error (arb 9.3)."""
    return 1 / (1 + relative_error * relative_error)


def variance_shrink(returns: Sequence[float], settings: StakeSettings) -> float:
    """Return 1 less the haircut min(1, 0.5 x deviation) of returns per dollar risked (arb 9.4)."""
    recent = returns[-settings.variance_outcomes :]
    if len(recent) < 2:  # noqa: PLR2004  one outcome has no deviation
        return 1.0
    return 1 - min(1.0, settings.variance_share * float(np.std(recent, ddof=1)))


def loss_budget(bankroll_usd: float, confidence: float, settings: StakeSettings) -> float:
    """Return what one basket may lose at worst, in dollars; 0 when that is below the least (arb 9.5)."""
    low, high = settings.loss_share_low, settings.loss_share_high
    budget = bankroll_usd * (low + (high - low) * min(max(confidence, 0.0), 1.0))
    return 0.0 if budget < settings.loss_least_usd else min(budget, settings.loss_most_usd)


def lock_brake(hours: float, settings: StakeSettings) -> float:
    """Return the second brake for locked capital, 1 - min(0.5, 0.001 (hours - 1)), where it is switched on (9.8)."""
    if not settings.lock_brake:
        return 1.0
    return 1 - min(settings.lock_most, settings.lock_per_hour * max(hours - 1, 0.0))


def cluster_penalty(used_usd: float, budget_usd: float, settings: StakeSettings) -> float:
    """Return max(0.1, 1 - 0.75 x use) for the share of a cluster's budget that is used (arb 9.11)."""
    use = min(max(used_usd / budget_usd, 0.0), 1.0) if budget_usd > 0 else 1.0
    return max(0.1, 1 - settings.cluster_penalty * use)


def winsorised(values: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return values with the outer five per cent on each side drawn in (arb 9.9)."""
    found = np.asarray(values, dtype=np.float64)
    low, high = np.quantile(found, (_WINSOR, 1 - _WINSOR))
    return np.clip(found, low, high)


def robust_deviation(values: Sequence[float]) -> float:
    """Return the median absolute deviation as a standard deviation."""
    found = np.asarray(values, dtype=np.float64)
    return float(np.median(np.abs(found - np.median(found)))) * _NORMAL


class Drawdown(msgspec.Struct, gc=False):
    """The tier of one equity curve: entered at once, left one at a time (arb 9.6).

    After a shut-down the way back opens when half of the loss is regained; other tiers are left after trades or hours.
    """

    high_usd: float | None = None
    tier: int = 0
    shut_usd: float = 0.0
    trades: int = 0
    since_ns: int = 0

    @property
    def multiplier(self) -> float:
        """What remains of a stake."""
        return TIERS[self.tier - 1][1] if self.tier else 1.0

    def traded(self) -> None:
        """Count an ended trade towards the way back."""
        self.trades += 1

    def observe(self, equity_usd: float, now_ns: int, settings: StakeSettings) -> float:
        """Take the equity and return the multiplier."""
        if self.high_usd is None or equity_usd > self.high_usd:
            self.high_usd = equity_usd
        if self.high_usd <= 0:
            return self.multiplier
        fallen = 1 - equity_usd / self.high_usd
        reached = sum(fallen >= tier - 1e-12 for tier, _ in TIERS)
        if reached > self.tier:
            self.tier, self.trades, self.since_ns = reached, 0, now_ns
        if self.tier == _SHUT and (reached == _SHUT or not self.shut_usd):
            self.shut_usd = min(self.shut_usd or equity_usd, equity_usd)
        if reached < self.tier and self._may_rise(equity_usd, now_ns, settings):
            self.tier -= 1
            self.trades, self.since_ns, self.shut_usd = 0, now_ns, 0.0
        return self.multiplier

    def _may_rise(self, equity_usd: float, now_ns: int, settings: StakeSettings) -> bool:
        if self.tier == _SHUT and self.high_usd is not None:
            return equity_usd >= self.shut_usd + (self.high_usd - self.shut_usd) / 2
        hours = (now_ns - self.since_ns) / _HOUR_NS
        return self.trades >= settings.drawdown_trades or hours >= settings.drawdown_hours
