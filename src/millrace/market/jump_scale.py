"""How far a price usually moves from one observation to the next: the measure of what counts as a jump (runtime 2.2).

It is an average of the moves with a half-life of one minute, kept as integer sums per minute that weigh half of the
next one's. So it does not matter whether moves come one by one or as a column, which keeps skipping exact. A minute
that weighs less than a fifty-thousandth is forgotten, so nobody need count a quiet month's rows to know its end.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BUCKET_NS = 60_000_000_000
"""The half-life; a minute's moves count half when it is over."""
LEAST_COUNT = 8
"""Fewer moves count as so many, the missing ones as none: one large move at the start is no habit."""
MEMORY = 16
"""Minutes that count, the present one included."""


class Minute(NamedTuple):
    """One minute's moves: its number since 1970, the sum of their sizes, and how many they were."""

    bucket: int
    moved: int
    moves: int


def memory_begins_ns(now_ns: int) -> int:
    """Return the time before which moves do not count any more."""
    return (now_ns // BUCKET_NS - MEMORY + 1) * BUCKET_NS


class JumpScale:
    """The average size of a move, in the units in which moves are told."""

    __slots__ = ("_bucket", "_count", "_past", "_sum")

    def __init__(self) -> None:
        self._bucket = 0
        self._sum = self._count = 0
        self._past: list[Minute] = []

    def add(self, ts_ns: int, move: int) -> None:
        """Take the size of one move."""
        bucket = ts_ns // BUCKET_NS
        if bucket > self._bucket:
            self._turn(bucket)
        self._sum += move
        self._count += 1

    def add_many(self, ts_ns: NDArray[np.int64], moves: NDArray[np.int64]) -> None:
        """Take columns of moves, oldest first; the same as `add` on each."""
        last = int(ts_ns[-1]) // BUCKET_NS
        buckets = range(max(int(ts_ns[0]) // BUCKET_NS, last - MEMORY + 1), last + 1)
        starts = np.searchsorted(ts_ns, [bucket * BUCKET_NS for bucket in buckets]).tolist()
        for bucket, start, end in zip(buckets, starts, [*starts[1:], len(ts_ns)], strict=True):
            if end > start:
                if bucket > self._bucket:
                    self._turn(bucket)
                self._sum += int(moves[start:end].sum())
                self._count += end - start

    def mean(self, now_ns: int) -> float:
        """Return the average as of now."""
        newest = max(now_ns // BUCKET_NS, self._bucket)
        moved = count = 0
        for minute in self._minutes(newest):
            weight = 1 << (MEMORY - newest + minute.bucket)
            moved += minute.moved * weight
            count += minute.moves * weight
        return moved / max(count, LEAST_COUNT << MEMORY)

    def _turn(self, bucket: int) -> None:
        self._past = self._minutes(bucket)
        self._bucket = bucket
        self._sum = self._count = 0

    def _minutes(self, newest: int) -> list[Minute]:
        """Return the minutes with moves that count in this one, oldest first."""
        minutes = [*self._past, Minute(self._bucket, self._sum, self._count)]
        return [minute for minute in minutes if minute.moves and minute.bucket > newest - MEMORY]

    def snapshot(self, now_ns: int) -> list[list[int]]:
        """Return as builtins what counts now."""
        return [list(minute) for minute in self._minutes(max(now_ns // BUCKET_NS, self._bucket))]

    def restore(self, state: list[list[int]]) -> None:
        """Take a state that `snapshot` gave."""
        *self._past, (self._bucket, self._sum, self._count) = [Minute(*one) for one in state] or [Minute(0, 0, 0)]
