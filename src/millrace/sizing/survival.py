"""Fill times by Kaplan and Meier: every waiting exit says "longer than this", and none is thrown away or guessed.

The contract's percentile gives an exit that still waits a weight as if it had filled now (slots 14.6); product-limit
estimates use what is known of it and no more. Importing scipy takes longer than the rest of the program together: only
a sizer that was asked for this estimate imports this module, when it is made and not when it first trades.
"""

from collections.abc import Sequence
from typing import NamedTuple

from scipy.stats import CensoredData, ecdf

_SHARES = (0.5, 0.75, 0.95)
_ROUNDING = 1e-9
"""Half of twenty trips, multiplied up from nineteen twentieths and so on, is a hair off a half."""


class FillTimes(NamedTuple):
    """Percentiles in seconds; without `median_seen` fewer than half have filled, and the median is a lower bound."""

    median_sec: float
    p75_sec: float
    p95_sec: float
    median_seen: bool


def fill_times(durations_sec: Sequence[float], ages_sec: Sequence[float]) -> FillTimes:
    """Return the times by which 50, 75 and 95 % of exits fill, from finished durations and ages of waiting exits.

    A percentile that the estimate does not reach is answered with the longest time seen, finished or waiting: the
    truth is at least that. Every row counts alike; the estimator has no recency weights, the look-back is what makes
    it forget. At least one duration is needed.
    """
    survival = ecdf(CensoredData(uncensored=durations_sec, right=ages_sec)).sf
    filled = 1.0 - survival.probabilities
    places = filled.searchsorted([share - _ROUNDING for share in _SHARES])
    times = [*survival.quantiles.tolist(), max(*durations_sec, *ages_sec, 0.0)]
    median_sec, p75_sec, p95_sec = (times[place] for place in places.tolist())
    return FillTimes(median_sec, p75_sec, p95_sec, median_seen=int(places[0]) < len(filled))
