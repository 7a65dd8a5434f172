"""How sure a mean of daily figures is, when one day resembles the next.

Positions last for days, so daily gains are not independent and the textbook error is too small. Whole blocks of
consecutive days are drawn again instead (Politis and Romano 1992, circular blocks); a block never reaches from one
stretch of the recordings into another. All columns are drawn with the same days, so that what they share stays shared.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
_LEVEL = 0.95
_TAILS = (2.5, 97.5)
_CHUNK = 500
"""Resamples at a time, so that memory does not grow with their number."""


class Interval(msgspec.Struct, frozen=True):
    """A mean, its 95 % interval, and the wider one that holds for all columns at once with 95 %.

    The wide interval is the mean plus and minus the 95 % quantile of the largest studentised deviation of any column:
    one of many comparisons looks good by chance, and it says how good.
    """

    mean: float
    low: float
    high: float
    wide_low: float
    wide_high: float


def block_days(lengths: Sequence[int], block: int, resamples: int, rng: Generator) -> NDArray[np.int64]:
    """Return day numbers, a row each resample: blocks of each stretch, as many days as it has (`lengths` in days)."""
    parts, first = [], 0
    for length in lengths:
        starts = rng.integers(0, length, (resamples, -(-length // block), 1))
        days = (starts + np.arange(min(block, length))) % length
        parts.append(first + days.reshape(resamples, -1)[:, :length])
        first += length
    return np.concatenate(parts, axis=1)


def mean_intervals(daily: Matrix, lengths: Sequence[int], block: int, resamples: int, rng: Generator) -> list[Interval]:
    """Return an interval for the mean of each column of `daily` (days x columns); `lengths` add up to its days.

    A column that is the same every day has an interval of no width and does not widen the others'.
    """
    means = daily.mean(axis=0)
    drawn = np.concatenate(
        [
            daily[block_days(lengths, block, min(_CHUNK, resamples - done), rng)].mean(axis=1)
            for done in range(0, resamples, _CHUNK)
        ]
    )
    low, high = np.percentile(drawn, _TAILS, axis=0)
    errors = drawn.std(axis=0)
    moves = errors > 0.0
    apart = np.abs(drawn[:, moves] - means[moves]) / errors[moves]
    reach = float(np.quantile(apart.max(axis=1), _LEVEL)) * errors if moves.any() else errors
    rows = zip(*(column.tolist() for column in (means, low, high, means - reach, means + reach)), strict=True)
    return [Interval(*row) for row in rows]
