"""Fewer points of a long series, with its shape kept.

A browser draws five thousand points at once and half a million not at all. Every bucket of the series gives its lowest
and its highest point, so that no spike is lost; the first and the last point always stay.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

Point = TypeVar("Point")
MOST_POINTS = 5_000
_PER_BUCKET = 2
_ENDS = 2


def decimate(points: Sequence[Point], value: Callable[[Point], float], most: int = MOST_POINTS) -> list[Point]:
    """Return at most `most` (>= 4) of the points in their order: the ends, and minimum and maximum of each bucket."""
    if len(points) <= most:
        return list(points)
    buckets = (most - _ENDS) // _PER_BUCKET
    inner = range(1, len(points) - 1)
    chosen = [0]
    for bucket in range(buckets):
        places = inner[bucket * len(inner) // buckets : (bucket + 1) * len(inner) // buckets]
        low = min(places, key=lambda place: value(points[place]))
        high = max(places, key=lambda place: value(points[place]))
        chosen += sorted({low, high})
    return [points[place] for place in [*chosen, len(points) - 1]]
