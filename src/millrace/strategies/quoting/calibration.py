"""What the models of spread and queue need to know of a market, estimated from counts (quoting 4.2, 4.5).

It runs outside a tick, on what a recording or a session counted; a person looks at the fit and writes it into the
settings. Fills get fewer with distance like A exp(-k d) in most markets, so the logarithm of their rate is a line; a
distance at which much was seen says more about it than one at which little was.
"""

from collections.abc import Sequence
from math import exp, log
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from millrace.core.failure import WorldError
from millrace.strategies.quoting.glft import GlftModel

_FEWEST_DISTANCES = 3
_LEAST_AVERSION, _LARGEST_AVERSION = 1e-9, 1e6


class Intensity(NamedTuple):
    """Fills a second at no distance, their decay by bps, and the share of the variation that the line explains."""

    fills_per_sec: float
    decay_per_bps: float
    r_squared: float


def fitted_intensity(distances_bps: Sequence[float], fills: Sequence[int], seconds: float) -> Intensity:
    """Fit log fill rate to distance by least squares, each distance weighted by its fills; those without say nothing.

    Raises WorldError when fewer than three distances had fills, or when fills do not get fewer with distance.
    """
    seen = [(distance, count) for distance, count in zip(distances_bps, fills, strict=True) if count > 0]
    if len(seen) < _FEWEST_DISTANCES or seconds <= 0.0:
        raise WorldError(
            f"{len(seen)} distances had fills in {seconds:g} s, {_FEWEST_DISTANCES} are needed; count for longer"
        )
    distance = np.array([one for one, _ in seen])
    weight = np.array([float(count) for _, count in seen])
    rate = np.log(weight / seconds)
    slope, level = np.polyfit(distance, rate, 1, w=np.sqrt(weight))
    if slope >= 0.0:
        raise WorldError("fills do not get fewer with distance, so no decay can be fitted; look at the counts")
    mean = np.average(rate, weights=weight)
    missed = np.average((rate - level - slope * distance) ** 2, weights=weight)
    spread = np.average((rate - mean) ** 2, weights=weight)
    return Intensity(exp(float(level)), -float(slope), 1.0 - float(missed / spread) if spread > 0.0 else 1.0)


def aversion_for_limit(intensity: Intensity, vol_bps_sqrt_sec: float, limit: float) -> float:
    """Return the aversion at which, with `limit` base sizes held, the side that reduces stands at the middle.

    Beyond that a position is worth nothing to hold, which is what a limit says. Raises WorldError for a market without
    volatility or a limit of less than one base size: nothing follows from them.
    """
    if vol_bps_sqrt_sec <= 0.0 or limit < 1.0:
        raise WorldError(f"no aversion follows from a volatility of {vol_bps_sqrt_sec:g} and a limit of {limit:g}")
    fills, decay, _ = intensity

    def room_bps(log_aversion: float) -> float:
        model = GlftModel(fills, decay, exp(log_aversion))
        return model.half_width_bps - (2.0 * limit - 1.0) / 2.0 * model.lean_bps(vol_bps_sqrt_sec)

    low, high = log(_LEAST_AVERSION), log(_LARGEST_AVERSION)
    if room_bps(low) <= 0.0:
        raise WorldError(f"a limit of {limit:g} sizes is too far for any aversion; name a smaller one")
    return exp(float(brentq(room_bps, low, high)))
