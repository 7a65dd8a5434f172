"""The width and the lean of Gueant, Lehalle and Fernandez-Tapia: quoting under inventory risk without an end of day.

It is Avellaneda and Stoikov's problem in its stationary form (quoting 4.2, 13), so it suits markets that never close.
Distances are bps of the price, inventory counts base sizes; the figures come from `calibration`.
"""

from math import log1p, sqrt
from typing import NamedTuple


class GlftModel(NamedTuple):
    """How orders fill, `fills_per_sec` x exp(-`decay_per_bps` x distance), and how much inventory is disliked."""

    fills_per_sec: float
    decay_per_bps: float
    aversion: float

    @property
    def half_width_bps(self) -> float:
        """Distance of both sides without inventory risk: what the fills' decay alone asks for."""
        return log1p(self.aversion / self.decay_per_bps) / self.aversion

    def lean_bps(self, vol_bps_sqrt_sec: float) -> float:
        """Return how far one base size held moves both prices, at a volatility in bps per square root of a second."""
        fills, decay, aversion = self
        ratio = aversion / decay
        return vol_bps_sqrt_sec * sqrt(aversion / (2.0 * decay * fills) * (1.0 + ratio) ** (1.0 + 1.0 / ratio))


def half_distances(model: GlftModel, held: float, vol_bps_sqrt_sec: float) -> tuple[float, float]:
    """Return the distances of bid and ask from the middle, in bps, with `held` base sizes; short is negative."""
    half, lean = model.half_width_bps, model.lean_bps(vol_bps_sqrt_sec)
    return half + (2.0 * held + 1.0) / 2.0 * lean, half - (2.0 * held - 1.0) / 2.0 * lean
