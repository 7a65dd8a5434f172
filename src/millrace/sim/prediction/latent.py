"""The hidden figure of each event: a random walk from which fair prices and final answers of all its markets follow.

An event's figure starts at 0, has variance 1 when the event ends, and every market of it asks whether the figure ends
between two bounds. So prices of linked markets can never contradict each other, whatever the path: what contradicts is
planted. Hours are drawn from (seed, hour) alone, so a path can be opened anywhere.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HOUR_NS = 3_600_000_000_000
_MINUTES = 60
_MINUTE_NS = HOUR_NS // _MINUTES
_ANCHORS, _PATHS = 1, 2


class LatentPaths:
    """The figures of all events; event number g ends `ends_hours[g]` whole hours after the universe begins."""

    def __init__(self, seed: int, ends_hours: Ints) -> None:
        self._seed = seed
        self._ends = ends_hours.astype(np.int64)
        hours = int(self._ends.max(initial=1))
        steps = np.random.default_rng([seed, _ANCHORS]).standard_normal((hours, len(self._ends)))
        steps *= (np.arange(hours)[:, None] < self._ends) / np.sqrt(self._ends)
        self._anchors = np.vstack([np.zeros(len(self._ends)), np.cumsum(steps, axis=0)])
        self._hour = -1
        self._path = np.zeros((0, 0))

    @property
    def final(self) -> Floats:
        """Where each figure ends."""
        final: Floats = self._anchors[-1]
        return final

    def at(self, groups: Ints, after_ns: Ints) -> Floats:
        """Return figures at times since the beginning, all of them within one hour."""
        if not len(groups):
            return np.zeros(0)
        hour = min(int(after_ns[0] // HOUR_NS), len(self._anchors) - 2)
        path = self._of_hour(hour)
        minute, rest = np.divmod(np.minimum(after_ns - hour * HOUR_NS, HOUR_NS - 1), _MINUTE_NS)
        before, after = path[minute, groups], path[minute + 1, groups]
        found: Floats = before + (after - before) * (rest / _MINUTE_NS)
        return found

    def _of_hour(self, hour: int) -> Floats:
        """Return the minutes of an hour, from its first to the next one's first."""
        if hour != self._hour:
            first, last = self._anchors[hour], self._anchors[hour + 1]
            steps = np.random.default_rng([self._seed, _PATHS, hour]).standard_normal((_MINUTES, len(self._ends)))
            steps *= (hour < self._ends) / np.sqrt(self._ends * _MINUTES)
            steps += (last - first - steps.sum(axis=0)) / _MINUTES
            self._path = np.vstack([first, first + np.cumsum(steps, axis=0)])
            self._hour = hour
        return self._path

    def chance(self, groups: Ints, after_ns: Ints, figure: Floats, low: Floats, high: Floats) -> Floats:
        """Return the probability that each figure, standing where it does, ends in [low, high)."""
        left = np.maximum(1.0 - after_ns / (self._ends[groups] * HOUR_NS), 1e-9)
        spread = np.sqrt(left)
        found: Floats = ndtr((high - figure) / spread) - ndtr((low - figure) / spread)
        return found
