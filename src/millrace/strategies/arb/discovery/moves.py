"""How two prices move together, measured on one clock.

Series that are joined by position compare Monday with Friday. Here both are read at the same instants, each as the last
price that was known then and not too old, and what is correlated are the changes between instants (arb 15, W-34).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millrace.core.instrument import InstrumentId

_FRESH_PERIODS = 3
"""A price older than so many periods is none."""


class Moves(NamedTuple):
    """Correlation of changes over so many points, and both prices at the instants where both were known.

    `changes` is how often the stiller of the two moved.
    """

    correlation: float
    points: int
    changes: int
    left: NDArray[np.float64]
    right: NDArray[np.float64]


Prices = Mapping[InstrumentId, tuple[NDArray[np.int64], NDArray[np.float64]]]
"""Of each market: times in ns, ascending, and mids of YES in dollars."""


def on_clock(times: NDArray[np.int64], values: NDArray[np.float64], clock: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the price known at each instant of a clock; NaN where there was none, or an old one."""
    if not len(times):
        return np.full(len(clock), np.nan)
    places = np.searchsorted(times, clock, side="right") - 1
    found = values[np.maximum(places, 0)].astype(np.float64)
    period = int(clock[1] - clock[0]) if len(clock) > 1 else 0
    known = (places >= 0) & (clock - times[np.maximum(places, 0)] <= _FRESH_PERIODS * period)
    return np.where(known, found, np.nan)


def common_clock(prices: Prices, period_ns: int) -> NDArray[np.int64]:
    """Return the instants at which everything is read: multiples of the period that cover all series."""
    ends = [(int(times[0]), int(times[-1])) for times, _ in prices.values() if len(times)]
    if not ends:
        return np.empty(0, dtype=np.int64)
    first, last = min(start for start, _ in ends), max(end for _, end in ends)
    return np.arange(-(-first // period_ns) * period_ns, last + period_ns, period_ns, dtype=np.int64)


def moves(left: NDArray[np.float64], right: NDArray[np.float64]) -> Moves:
    """Return how two series that were read on one clock move; no correlation where one never moved."""
    both = ~(np.isnan(left) | np.isnan(right))
    usable = both[1:] & both[:-1]
    changes = np.array([np.diff(left)[usable], np.diff(right)[usable]])
    points = int(usable.sum())
    correlation = 0.0
    if points > 1 and changes.std(axis=1).all():
        correlation = float(np.asarray(np.corrcoef(changes))[0, 1])
    moved = int(np.count_nonzero(changes, axis=1).min()) if points else 0
    return Moves(correlation, points, moved, left[both], right[both])


def shared_words(sets: Sequence[frozenset[str]], most: int) -> set[str]:
    """Return the words that more than one, and at most so many, of the sets have."""
    counts: dict[str, int] = {}
    for words in sets:
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    return {word for word, count in counts.items() if 1 < count <= most}
