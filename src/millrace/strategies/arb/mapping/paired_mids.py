"""The prices of a mapped pair, sampled at the same instants, and what they say of the mapping.

The same proposition has nearly the same price wherever it trades. Both mids are taken at one instant of one clock:
series that are joined by position correlate with anything (arb 14.2, 14.3, W-34).
"""

from collections import deque
from statistics import median

import numpy as np

from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.strategies.arb.mapping.settings import SECOND_NS, MappingSettings

_HALVES = 2 * PAYOUT_TICKS
"""Twice a mid is a whole number of ticks; this is two dollars in them."""
KEPT = 64
"""Samples of a pair: an hour at one a minute."""


class PairedMids:
    """The samples of one pair, as the prices of the propositions that it joins, and how long an edge has stood."""

    __slots__ = ("_edge_since_ns", "_gaps", "_left", "_right", "_times")

    def __init__(self) -> None:
        self._times: deque[int] = deque(maxlen=KEPT)
        self._left: deque[int] = deque(maxlen=KEPT)
        self._right: deque[int] = deque(maxlen=KEPT)
        self._gaps: deque[int] = deque(maxlen=KEPT)
        self._edge_since_ns: list[int | None] = [None, None]

    def add(self, ts_ns: int, left: int, right: int) -> None:
        """Keep one sample: time, and twice the mid of each proposition in ticks."""
        self._times.append(ts_ns)
        self._left.append(left)
        self._right.append(right)
        self._gaps.append(abs(left - right))

    def see_edge(self, ts_ns: int, direction: int, *, stands: bool) -> None:
        """Note whether one direction of the pair has an edge worth blocking at this instant."""
        if not stands:
            self._edge_since_ns[direction] = None
        elif self._edge_since_ns[direction] is None:
            self._edge_since_ns[direction] = ts_ns

    def edge_age_ns(self, now_ns: int) -> int:
        """Return how long the longer of the two edges has stood without a break, in ns."""
        return max((now_ns - since for since in self._edge_since_ns if since is not None), default=0)

    def gap(self, settings: MappingSettings) -> float | None:
        """Return the median |gap| in dollars; None before there are enough samples over long enough."""
        if not self._enough(settings):
            return None
        return float(median(self._gaps)) / _HALVES

    def coherent(self, settings: MappingSettings) -> bool:
        """Tell whether the prices support the mapping: a small gap, and a joint move when one of them moved."""
        gap = self.gap(settings)
        if gap is None or gap > settings.coherent_gap:
            return False
        if max(max(side) - min(side) for side in (self._left, self._right)) <= settings.moved * _HALVES:
            return True
        series = np.array([self._left, self._right], dtype=np.float64)
        if not series.std(axis=1).all():
            return False  # one moved and the other stood still
        return float(np.asarray(np.corrcoef(series))[0, 1]) >= settings.correlation

    def _enough(self, settings: MappingSettings) -> bool:
        if len(self._times) < settings.paired_mids:
            return False
        return self._times[-1] - self._times[0] >= settings.paired_sec * SECOND_NS

    def snapshot(self) -> dict[str, object]:
        """Return the whole state as plain values."""
        samples = [list(sample) for sample in zip(self._times, self._left, self._right, strict=True)]
        return {"samples": samples, "edges": list(self._edge_since_ns)}

    def restore(self, state: dict[str, list[list[int]]]) -> None:
        """Take the state of a snapshot."""
        for kept in (self._times, self._left, self._right, self._gaps):
            kept.clear()
        for ts_ns, left, right in state["samples"]:
            self.add(ts_ns, left, right)
        self._edge_since_ns = [*state["edges"]]  # type: ignore[list-item]  # two times, or None
