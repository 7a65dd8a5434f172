"""How far a price usually moves from one observation to the next: the measure of what counts as a jump (runtime 2.2).

It is an average of the moves with a half-life of one minute, kept as integer sums per minute that are halved when a
minute ends. So it does not matter whether moves come one by one or as a column, which keeps skipping exact.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BUCKET_NS = 60_000_000_000
"""The half-life; a minute's moves count half when it is over."""
LEAST_COUNT = 8
"""Fewer moves count as so many, the missing ones as none: one large move at the start is no habit."""


class JumpScale:
    """The average size of a move, in the units in which moves are told."""

    __slots__ = ("_bucket", "_count", "_past", "_past_count", "_sum")

    def __init__(self) -> None:
        self._bucket = 0
        self._sum = self._count = 0
        self._past = self._past_count = 0.0

    def add(self, ts_ns: int, move: int) -> None:
        """Take the size of one move."""
        bucket = ts_ns // BUCKET_NS
        if bucket > self._bucket:
            self._roll(bucket)
        self._sum += move
        self._count += 1

    def add_many(self, ts_ns: NDArray[np.int64], moves: NDArray[np.int64]) -> None:
        """Take columns of moves, oldest first; the same as `add` on each."""
        first, last = int(ts_ns[0]) // BUCKET_NS, int(ts_ns[-1]) // BUCKET_NS
        if last - first < len(ts_ns):
            buckets: Sequence[int] = range(first, last + 1)
        else:
            buckets = np.unique(ts_ns // BUCKET_NS).tolist()
        starts = np.searchsorted(ts_ns, [bucket * BUCKET_NS for bucket in buckets]).tolist()
        for bucket, start, end in zip(buckets, starts, [*starts[1:], len(ts_ns)], strict=True):
            if end > start:
                if bucket > self._bucket:
                    self._roll(bucket)
                self._sum += int(moves[start:end].sum())
                self._count += end - start

    def mean(self, now_ns: int) -> float:
        """Return the average as of now."""
        bucket = now_ns // BUCKET_NS
        if bucket > self._bucket:
            self._roll(bucket)
        return (self._past + self._sum) / max(self._past_count + self._count, LEAST_COUNT)

    def _roll(self, bucket: int) -> None:
        kept = 0.5 ** (bucket - self._bucket)
        self._past = (self._past + self._sum) * kept
        self._past_count = (self._past_count + self._count) * kept
        self._bucket = bucket
        self._sum = self._count = 0

    def snapshot(self) -> list[float]:
        """Return the state as builtins."""
        return [self._bucket, self._sum, self._count, self._past, self._past_count]

    def restore(self, state: list[float]) -> None:
        """Take a state that `snapshot` gave."""
        self._bucket, self._sum, self._count = (int(value) for value in state[:3])
        self._past, self._past_count = state[3:]
