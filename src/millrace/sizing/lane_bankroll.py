"""How the bankroll is shared among lanes: by what each earned, smoothed, and never more than there is (arb 9.7).

A lane's score is how steadily it earned and how often it won. A lane whose returns may well be negative gets nothing.
Renormalising is the last step, after smoothing and whenever lanes join: fractions that sum to more than one are money
that does not exist.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import msgspec
import numpy as np

from millrace.sizing.overlays import robust_deviation, winsorised
from millrace.sizing.stake_settings import StakeSettings

_ONE_SIDED_90 = 1.2815515655446004


class _Saved(msgspec.Struct):
    returns: dict[str, list[float]]
    fractions: dict[str, float]


class LaneBankroll:
    """Outcomes of each lane, as return per dollar risked, and the fraction of the bankroll that it may use."""

    def __init__(self, lanes: Sequence[str], settings: StakeSettings) -> None:
        self._settings = settings
        self._returns: dict[str, list[float]] = {lane: [] for lane in lanes}
        self._fractions: dict[str, float] = dict.fromkeys(lanes, settings.lane_fraction)

    def returns(self, lane: str) -> list[float]:
        """Return a lane's last outcomes, the oldest first."""
        return self._returns.get(lane, [])

    def ended(self, lane: str, return_per_dollar: float) -> None:
        """Take the realised return of one basket per dollar risked; a lane that is off keeps it and gets no share."""
        known = self._settings.lane_outcomes
        self._returns[lane] = [*self._returns.get(lane, []), return_per_dollar][-known:]
        if lane in self._fractions:
            weight = self._settings.lane_smoothing
            self._fractions[lane] = weight * self._target(self._returns[lane]) + (1 - weight) * self._fractions[lane]

    def fraction(self, lane: str) -> float:
        """Return the fraction of the bankroll that a lane may use; over all lanes they sum to one at most."""
        if self._loses(self.returns(lane)):
            return 0.0
        whole = sum(share for name, share in self._fractions.items() if not self._loses(self.returns(name)))
        return self._fractions.get(lane, 0.0) / max(whole, 1.0)

    def _target(self, returns: list[float]) -> float:
        settings = self._settings
        if len(returns) < settings.lane_least_outcomes:
            return settings.lane_fraction
        deviation = robust_deviation(returns)
        mean = float(np.mean(winsorised(returns)))
        steady = (mean > 0) - (mean < 0) if deviation <= 0 else mean / deviation
        earned = min(max(0.5 + steady / 2, 0.0), 1.0)
        won = sum(value > 0 for value in returns) / len(returns)
        score = settings.lane_mean_weight * earned + (1 - settings.lane_mean_weight) * won
        return settings.lane_least + (settings.lane_most - settings.lane_least) * score

    def _loses(self, returns: list[float]) -> bool:
        """Tell whether the lower 90 % bound of the mean return is negative, given enough outcomes."""
        if len(returns) < self._settings.lane_loser_outcomes:
            return False
        error = float(np.std(returns, ddof=1)) / sqrt(len(returns))
        return float(np.mean(returns)) - _ONE_SIDED_90 * error < 0

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(_Saved(self._returns, self._fractions))
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave: of lanes that were switched on or off since, what holds now counts."""
        saved = msgspec.convert(state, _Saved)
        self._returns = saved.returns
        self._fractions = {lane: saved.fractions.get(lane, begins) for lane, begins in self._fractions.items()}
