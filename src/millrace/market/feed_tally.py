"""What one venue's feed was like: when it last spoke, what was judged how, and how much of it was dirty lately.

The last half minute is counted in pieces of five seconds, so that a column of rows counts exactly as the same rows one
by one. Versions that come late or twice say nothing about the quality of a book, so they are counted, but not as dirty.
"""

from collections import Counter
from typing import Any

import numpy as np

from millrace.core.data_quality import FeedHealth, QuoteReason, Verdict
from millrace.market.waiting_rows import MOST_ROWS, joined, last_of, packed

_BUCKET_NS = 5_000_000_000
_BUCKETS = 6
"""Half a minute: five whole pieces and the present one."""
NOT_DIRTY = frozenset({QuoteReason.DUPLICATE, QuoteReason.OUT_OF_ORDER, QuoteReason.QUARANTINED})


class FeedTally:
    """One venue's feed; `heard_ns` is when its newest message or heartbeat came."""

    __slots__ = (
        "_accepted",
        "_bucket",
        "_buckets",
        "_judged",
        "_now",
        "_rows",
        "_waiting",
        "heard_ns",
        "reasons",
        "shifts",
    )

    def __init__(self) -> None:
        self.heard_ns = 0
        self._accepted = 0
        self._judged: Counter[Verdict] = Counter()
        self.reasons: Counter[QuoteReason] = Counter()
        self.shifts = 0
        self._bucket = -1
        self._now = [0, 0]
        self._buckets: dict[int, list[int]] = {}
        self._waiting: list[bytes] = []
        self._rows = 0

    @property
    def verdicts(self) -> dict[Verdict, int]:
        """How many observations were judged how."""
        plain = {Verdict.ACCEPT: self._accepted} if self._accepted else {}
        return dict(self._judged + Counter(plain))

    def accepted(self, ts_ns: int) -> None:
        """Count one plainly accepted observation."""
        if self._waiting:
            self.accepted_block(packed(ts_ns), ts_ns)
            return
        self._accepted += 1
        self._at(ts_ns)[0] += 1

    def accepted_block(self, times: bytes, newest_ns: int) -> None:
        """Count a block of them by their times, oldest first; when each came is looked at when somebody asks."""
        rows = len(times) // 8
        self._accepted += rows
        self.heard_ns = max(self.heard_ns, newest_ns)
        self._waiting.append(times)
        self._rows += rows
        if self._rows > MOST_ROWS:
            self._count()

    def _count(self) -> None:
        """Sort the waiting rows of the last half minute into its pieces."""
        if not self._waiting:
            return
        since_ns = (max(last_of(times) for times in self._waiting) // _BUCKET_NS - _BUCKETS + 1) * _BUCKET_NS
        times = joined([times for times in self._waiting if last_of(times) >= since_ns])
        pieces = times[times >= since_ns] // _BUCKET_NS
        self._waiting.clear()
        self._rows = 0
        found, counts = np.unique(pieces, return_counts=True)
        for bucket, count in zip(found.tolist(), counts.tolist(), strict=True):
            self._at(bucket * _BUCKET_NS)[0] += count

    def judged(self, ts_ns: int, verdict: Verdict, reasons: tuple[QuoteReason, ...]) -> None:
        """Count one that was not plainly accepted."""
        self._count()
        self._judged[verdict] += 1
        self.reasons.update(reasons)
        bucket = self._at(ts_ns)
        bucket[0] += 1
        bucket[1] += verdict is Verdict.REJECT and not NOT_DIRTY.issuperset(reasons)

    def heard(self, ts_ns: int) -> None:
        """Note that the venue spoke."""
        self.heard_ns = max(self.heard_ns, ts_ns)

    def _at(self, ts_ns: int) -> list[int]:
        """Return the counts of a time's piece: seen, rejected."""
        self.heard_ns = max(self.heard_ns, ts_ns)
        bucket = ts_ns // _BUCKET_NS
        if bucket == self._bucket:
            return self._now
        found = self._buckets.get(bucket)
        if found is None:
            if len(self._buckets) > 2 * _BUCKETS:
                self._buckets = {at: kept for at, kept in self._buckets.items() if at > bucket - _BUCKETS}
            found = self._buckets[bucket] = [0, 0]
        if bucket > self._bucket:
            self._bucket, self._now = bucket, found
        return found

    def health(self, now_ns: int) -> FeedHealth:
        """Return how much of the last half minute was dirty."""
        self._count()
        first = now_ns // _BUCKET_NS - _BUCKETS + 1
        kept = [counts for at, counts in self._buckets.items() if at >= first]
        return FeedHealth(sum(seen for seen, _ in kept), sum(rejected for _, rejected in kept))

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        self._count()
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
        self._judged = Counter({Verdict(name): count for name, count in state["verdicts"].items()})
        self._accepted = 0
        self.reasons = Counter({QuoteReason(name): count for name, count in state["reasons"].items()})
        self._buckets = {at: [seen, rejected] for at, seen, rejected in state["buckets"]}
        self._now = self._buckets.get(self._bucket, [0, 0])
