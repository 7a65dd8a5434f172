"""What one venue's feed was like: when it last spoke, what was judged how, and how much of it was dirty lately.

The last half minute is counted in pieces of five seconds, so that a column of rows counts exactly as the same rows one
by one. Versions that come late or twice say nothing about the quality of a book, so they are counted, but not as dirty.
"""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace.core.data_quality import FeedHealth, QuoteReason, Verdict

_BUCKET_NS = 5_000_000_000
_BUCKETS = 6
"""Half a minute: five whole pieces and the present one."""
NOT_DIRTY = frozenset({QuoteReason.DUPLICATE, QuoteReason.OUT_OF_ORDER, QuoteReason.QUARANTINED})


class FeedTally:
    """One venue's feed; `heard_ns` is when its newest message or heartbeat came."""

    __slots__ = ("_bucket", "_buckets", "_now", "heard_ns", "reasons", "shifts", "verdicts")

    def __init__(self) -> None:
        self.heard_ns = 0
        self.verdicts: Counter[Verdict] = Counter()
        self.reasons: Counter[QuoteReason] = Counter()
        self.shifts = 0
        self._bucket = -1
        self._now = [0, 0]
        self._buckets: dict[int, list[int]] = {}

    def accepted(self, ts_ns: int) -> None:
        """Count one plainly accepted observation."""
        self.verdicts[Verdict.ACCEPT] += 1
        self._at(ts_ns)[0] += 1

    def accepted_many(self, ts_ns: NDArray[np.int64]) -> None:
        """Count a column of them, oldest first."""
        self.verdicts[Verdict.ACCEPT] += len(ts_ns)
        newest_ns = int(ts_ns[-1])
        last = newest_ns // _BUCKET_NS
        recent = [at * _BUCKET_NS for at in range(max(int(ts_ns[0]) // _BUCKET_NS, last - _BUCKETS + 1), last + 1)]
        starts = np.searchsorted(ts_ns, recent).tolist()
        for bucket_ns, start, end in zip(recent, starts, [*starts[1:], len(ts_ns)], strict=True):
            if end > start:
                self._at(bucket_ns)[0] += end - start
        self.heard_ns = max(self.heard_ns, newest_ns)

    def judged(self, ts_ns: int, verdict: Verdict, reasons: tuple[QuoteReason, ...]) -> None:
        """Count one that was not plainly accepted."""
        self.verdicts[verdict] += 1
        self.reasons.update(reasons)
        bucket = self._at(ts_ns)
        bucket[0] += 1
        bucket[1] += verdict is Verdict.REJECT and not NOT_DIRTY.issuperset(reasons)

    def heard(self, ts_ns: int) -> None:
        """Note that the venue spoke."""
        self.heard_ns = max(self.heard_ns, ts_ns)

    def _at(self, ts_ns: int) -> list[int]:
        self.heard_ns = max(self.heard_ns, ts_ns)
        bucket = ts_ns // _BUCKET_NS
        if bucket > self._bucket:
            self._bucket = bucket
            if len(self._buckets) > 2 * _BUCKETS:
                self._buckets = {at: kept for at, kept in self._buckets.items() if at > bucket - _BUCKETS}
            self._now = self._buckets[bucket] = [0, 0]
        return self._now

    def health(self, now_ns: int) -> FeedHealth:
        """Return how much of the last half minute was dirty."""
        first = now_ns // _BUCKET_NS - _BUCKETS + 1
        kept = [counts for at, counts in self._buckets.items() if at >= first]
        return FeedHealth(sum(seen for seen, _ in kept), sum(rejected for _, rejected in kept))

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "heard_ns": self.heard_ns,
            "verdicts": {verdict.value: count for verdict, count in self.verdicts.items()},
            "reasons": {reason.value: count for reason, count in self.reasons.items()},
            "shifts": self.shifts,
            "bucket": self._bucket,
            "buckets": [[at, *counts] for at, counts in self._buckets.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.heard_ns, self.shifts, self._bucket = state["heard_ns"], state["shifts"], state["bucket"]
        self.verdicts = Counter({Verdict(name): count for name, count in state["verdicts"].items()})
        self.reasons = Counter({QuoteReason(name): count for name, count in state["reasons"].items()})
        self._buckets = {at: [seen, rejected] for at, seen, rejected in state["buckets"]}
        self._now = self._buckets.get(self._bucket, [0, 0])
