"""What several looks at one edge say, so that a single odd snapshot neither opens nor enlarges a trade (arb 9.9).

The edge that counts is the median of the last looks within ten seconds, or the worst of them while they are few. A look
that stands far out blocks, and a size grows by a quarter from one look to the next at most.
"""

from statistics import median
from typing import Any, NamedTuple

import msgspec

from millrace.sizing.stake_settings import StakeSettings

KEPT = 9
"""Looks kept of one edge."""
REMEMBERED = 4_096
"""Edges kept; the one looked at longest ago goes first."""
_SCALE = 0.6745
"""Median absolute deviations to standard deviations, the other way round."""


class Look(NamedTuple):
    """The edge that may be counted on, whether this look stands out, and whether too many did in a row."""

    edge: float
    outlier: bool
    alert: bool


class _Course(msgspec.Struct, gc=False):
    looks: list[tuple[int, float]] = []
    outliers: int = 0
    allowed: float = 0.0
    allowed_ns: int = 0


class _Saved(msgspec.Struct):
    courses: list[tuple[str, _Course]]


class Looks:
    """The last looks at each edge, by its direction key."""

    def __init__(self, settings: StakeSettings) -> None:
        self._settings = settings
        self._window_ns = round(settings.look_window_sec * 1e9)
        self._courses: dict[str, _Course] = {}

    def look(self, key: str, now_ns: int, edge: float, tick: float) -> Look:
        """Take one look, an edge in dollars per contract; `tick` is the least deviation that can stand out.

        Looking again at the same moment is the same look: it takes the place of the one before.
        """
        course = self._courses.pop(key, None) or _Course()
        self._courses[key] = course
        while len(self._courses) > REMEMBERED:
            del self._courses[next(iter(self._courses))]
        again = bool(course.looks) and course.looks[-1][0] == now_ns
        recent = [one for one in course.looks if 0 < now_ns - one[0] <= self._window_ns]
        outlier = self._stands_out([value for _, value in recent], edge, tick)
        course.outliers = (max(course.outliers, 1) if again else course.outliers + 1) if outlier else 0
        course.looks = [*recent, (now_ns, edge)][-KEPT:]
        values = [value for _, value in course.looks]
        counted = median(values) if len(values) >= self._settings.looks else min(values)
        return Look(min(counted, edge), outlier, course.outliers >= self._settings.outlier_alert)

    def _stands_out(self, before: list[float], edge: float, tick: float) -> bool:
        if len(before) < self._settings.looks:
            return False
        middle = median(before)
        deviation = max(median(abs(value - middle) for value in before), tick)
        return _SCALE * abs(edge - middle) / deviation > self._settings.outlier_score

    def most(self, key: str, now_ns: int) -> float:
        """Return the largest size that the look before allows now, in whatever unit sizes are told; inf without one."""
        course = self._courses.get(key)
        if course is None or course.allowed <= 0 or now_ns - course.allowed_ns > self._window_ns:
            return float("inf")
        return course.allowed * (1 + self._settings.growth_per_look)

    def allowed(self, key: str, now_ns: int, size: float) -> None:
        """Remember what this look allowed."""
        course = self._courses[key]
        course.allowed, course.allowed_ns = size, now_ns

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(_Saved(list(self._courses.items())))
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._courses = dict(msgspec.convert(state, _Saved).courses)
