"""How long the stages of a quoting tick take: counted in fixed buckets, so memory does not grow with ticks (quoting 5).

The probe is told and never asked by what decides. A lap costs one look at the clock; what follows from it is counted
when the tick ends, so that a stage is not charged for the book-keeping of another. Exact samples are kept only where
a report asks for percentiles, and then a bounded number, the newest. Which ticks leave a trace depends on their number
alone, so that two runs of the same events trace the same ticks.
"""

import time
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from millrace.capacity.stage_budgets import (
    BUCKETS_MS,
    LEAST_SAMPLES,
    PER_MILLE,
    STAGES,
    nearest_rank,
)
from millrace.core.probe import QuoteStage

_MS: Final = 1_000_000
BOUNDS_NS: Final = tuple(round(bound * _MS) for bound in BUCKETS_MS)
_TOTAL: Final = int(QuoteStage.TICK_TOTAL)
_TRACES_KEPT: Final = 256
INSUFFICIENT: Final = "insufficient"
CPU_CLOCK: Final = time.thread_time_ns
"""The CPU time of this thread: what compute budgets are held against."""
WALL_CLOCK: Final = time.perf_counter_ns
"""Time as it passes: what SLOs are held against."""


class TickTrace(NamedTuple):
    """One traced tick: ns that each of the six stages took (-1: it did not run), and the whole."""

    symbol: str
    number: int
    golden: bool
    spans_ns: tuple[int, ...]
    total_ns: int

    @property
    def trace_id(self) -> str:
        """The tick's name, derived from what it is (quoting 2)."""
        return f"{self.symbol}:{self.number}"


class StageHistogram:
    """Counts of one stage's durations in the buckets of the contract; the last counts what is longer than all."""

    __slots__ = ("counts", "sum_ns")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_NS) + 1)
        self.sum_ns = 0

    def add(self, took_ns: int) -> None:
        """Count one duration."""
        self.counts[bisect_left(BOUNDS_NS, took_ns)] += 1
        self.sum_ns += took_ns

    @property
    def count(self) -> int:
        """How many durations were counted."""
        return sum(self.counts)

    def quantile_ms(self, per_mille: int) -> float | None:
        """Return the upper bound in ms of this rank's bucket; None of nothing, infinity beyond the last."""
        count = self.count
        if count == 0:
            return None
        rank, seen = -(-count * per_mille // 1000), 0
        for bound, found in zip(BUCKETS_MS, self.counts, strict=False):
            seen += found
            if seen >= rank:
                return bound
        return float("inf")


def trace_interval(rate: float) -> int:
    """Return k for "every k-th tick" of a rate in [0, 1]; 0 means none. Raises ValueError for another rate."""
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"a trace rate of {rate} is not between 0 and 1")
    return 0 if rate == 0.0 else max(1, round(1.0 / rate))


class TickTimes:
    """Implements `core.probe.TickProbe`; `clock` counts ns, the other settings are those of quoting 10, `trace`.

    `keep_samples` is how many durations of each stage are kept exactly, the newest; 0 keeps none.
    """

    def __init__(
        self,
        clock: Callable[[], int] = WALL_CLOCK,
        *,
        deadline_ms: float = 200.0,
        trace_rate: float = 0.2,
        golden_every: int = 100,
        keep_samples: int = 0,
    ) -> None:
        self.histograms = {name: StageHistogram() for name in STAGES}
        self.deadline_misses = 0
        self.ticks = 0
        self.traces: deque[TickTrace] = deque(maxlen=_TRACES_KEPT)
        self.golden: deque[TickTrace] = deque(maxlen=_TRACES_KEPT)
        self._clock = clock
        self._deadline_ns = round(deadline_ms * _MS)
        self._trace_every = trace_interval(trace_rate)
        self._golden_every = golden_every
        self._cells = tuple(self.histograms.values())
        self._counts = tuple(cell.counts for cell in self._cells)
        self._laps: list[int] = []  # stage and time in turn
        self._began_ns = 0
        self._symbol = ""
        self._number = 0
        self._samples = tuple(_Newest(keep_samples) for _ in STAGES) if keep_samples else ()

    @property
    def keeps_samples(self) -> bool:
        """Whether exact percentiles can be told."""
        return bool(self._samples)

    # Taking

    def begin(self, symbol: str, number: int) -> None:
        """A symbol's tick of this number begins now; one that never ended counts for nothing."""
        self._symbol, self._number = symbol, number
        self._laps = []
        self._began_ns = self._clock()

    def lap(self, stage: QuoteStage) -> None:
        """The stage that began at the last lap, or at the begin, ends now."""
        laps = self._laps
        laps.append(stage)
        laps.append(self._clock())

    def end(self) -> None:
        """The tick ends now: count it."""
        total_ns = self._clock() - self._began_ns
        laps, last_ns = self._laps, self._began_ns
        counts, cells, samples = self._counts, self._cells, self._samples
        for place in range(0, len(laps), 2):
            stage, at_ns = laps[place], laps[place + 1]
            took_ns = at_ns - last_ns
            last_ns = at_ns
            counts[stage][bisect_left(BOUNDS_NS, took_ns)] += 1
            cells[stage].sum_ns += took_ns
            if samples:
                samples[stage].add(took_ns)
        self._cells[_TOTAL].add(total_ns)
        if samples:
            samples[_TOTAL].add(total_ns)
        self.ticks += 1
        if total_ns > self._deadline_ns:
            self.deadline_misses += 1
        number = self._number
        if self._trace_every and number % self._trace_every == 0:
            self.traces.append(self._trace(total_ns, golden=False))
        if self._golden_every and number % self._golden_every == 0:
            self.golden.append(self._trace(total_ns, golden=True))

    def _trace(self, total_ns: int, *, golden: bool) -> TickTrace:
        spans, last_ns = [-1] * _TOTAL, self._began_ns
        for place in range(0, len(self._laps), 2):
            spans[self._laps[place]] = self._laps[place + 1] - last_ns
            last_ns = self._laps[place + 1]
        return TickTrace(self._symbol, self._number, golden, tuple(spans), total_ns)

    # Telling

    def percentiles(self) -> dict[str, dict[str, float | int | str]]:
        """Return by stage n and exact p50, p95 and p99 in ms, or "insufficient"; needs `keep_samples`.

        Raises ValueError when no samples are kept.
        """
        if not self._samples:
            raise ValueError("no samples are kept; make the probe with keep_samples")
        return {name: _percentiles(kept.ordered()) for name, kept in zip(STAGES, self._samples, strict=True)}

    def samples_ns(self, stage: QuoteStage) -> list[int]:
        """Return the kept durations of a stage in ns, sorted."""
        return self._samples[stage].ordered() if self._samples else []

    def status(self) -> dict[str, Any]:
        """Return count, mean and bucket percentiles in ms by stage, and the misses; strict JSON."""
        return {
            "ticks": self.ticks,
            "deadline_misses": self.deadline_misses,
            "stages": {name: _summary(cell) for name, cell in self.histograms.items()},
            "traces": [_trace_row(trace) for trace in list(self.traces)[-1:]],
        }


class _Newest:
    """The newest durations of one stage, at most as many as it was made for."""

    __slots__ = ("_kept", "_most", "_next")

    def __init__(self, most: int) -> None:
        self._kept = array("q")
        self._most = most
        self._next = 0

    def add(self, took_ns: int) -> None:
        if len(self._kept) < self._most:
            self._kept.append(took_ns)
        else:
            self._kept[self._next] = took_ns
            self._next = (self._next + 1) % self._most

    def ordered(self) -> list[int]:
        return sorted(self._kept)


def _percentiles(ordered: list[int]) -> dict[str, float | int | str]:
    found: dict[str, float | int | str] = {"count": len(ordered)}
    for name, per_mille in PER_MILLE.items():
        enough = len(ordered) >= LEAST_SAMPLES
        found[name] = nearest_rank(ordered, per_mille) / _MS if enough else INSUFFICIENT
    return found


def _summary(cell: StageHistogram) -> dict[str, float | int | str | None]:
    count = cell.count
    found: dict[str, float | int | str | None] = {
        "count": count,
        "mean_ms": cell.sum_ns / count / _MS if count else None,
    }
    for name, per_mille in PER_MILLE.items():
        bound = cell.quantile_ms(per_mille)
        found[f"{name}_ms"] = INSUFFICIENT if count < LEAST_SAMPLES else "over 1000" if bound == float("inf") else bound
    return found


def _trace_row(trace: TickTrace) -> dict[str, Any]:
    spans = dict(zip(STAGES, trace.spans_ns, strict=False))
    return {"trace_id": trace.trace_id, "golden": trace.golden, "spans_ns": spans, "total_ns": trace.total_ns}
