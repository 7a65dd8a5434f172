"""Latencies and profits: the last of them, and none that is too old.

The 95th percentile of latencies is the reference's, at index floor(0.95 n) of the sorted samples, but samples expire:
a desk that no longer hears from its venue does not know how slow it is (quoting 3 and 4.3, addition 2). Profits are
integers of the symbol's value unit, so their sums over a window lose nothing.
"""

from bisect import bisect_left, insort
from collections import deque
from math import sqrt
from typing import Any

from millrace.strategies.quoting.features.windows import GridWindow

_FEWEST_LATENCIES = 5
_FEWEST_PROFITS = 10
_PROFIT_GRID_MS = 10_000
_MINUTE_MS = 60_000


class LatencyWindow:
    """The last latencies of requests, in ms; with an expiry of 0 ms they stay until newer ones push them out."""

    __slots__ = ("_expiry_ms", "_samples", "_size", "_sorted")

    def __init__(self, size: int, expiry_ms: int) -> None:
        self._size = size
        self._expiry_ms = expiry_ms
        self._samples: deque[tuple[int, float]] = deque()
        self._sorted: list[float] = []

    def observe(self, ms: int, latency_ms: float) -> None:
        """Take what a request took."""
        self._samples.append((ms, latency_ms))
        insort(self._sorted, latency_ms)
        if len(self._samples) > self._size:
            self._drop()

    def _drop(self) -> None:
        _, oldest = self._samples.popleft()
        del self._sorted[bisect_left(self._sorted, oldest)]

    def p95_ms(self, now_ms: int) -> tuple[float | None, int]:
        """Return the 95th percentile, None with fewer than five samples, and how many there are."""
        samples = self._samples
        if self._expiry_ms:
            while samples and samples[0][0] <= now_ms - self._expiry_ms:
                self._drop()
        n = len(samples)
        return (self._sorted[19 * n // 20] if n >= _FEWEST_LATENCIES else None), n

    def snapshot(self) -> list[Any]:
        """Return the state as builtins."""
        return [list(sample) for sample in self._samples]

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._samples = deque((ms, latency_ms) for ms, latency_ms in state[-self._size :])
        self._sorted = sorted(latency_ms for _, latency_ms in self._samples)


class ProfitWindow:
    """Changes of a symbol's profit: the mean of the last ones, and over an hour how far their mean is from nothing."""

    __slots__ = ("_last", "_sum", "_window")

    def __init__(self, samples: int, window_min: int) -> None:
        self._last: deque[int] = deque(maxlen=samples)
        self._sum = 0
        self._window = GridWindow(_PROFIT_GRID_MS, window_min * _MINUTE_MS)

    def observe(self, ms: int, change: int) -> None:
        """Take a change of profit."""
        last = self._last
        if len(last) == last.maxlen:
            self._sum -= last[0]
        last.append(change)
        self._sum += change
        self._window.add(ms, change, change * change)

    def mean(self) -> float | None:
        """Return the mean of the last samples, None with fewer than ten."""
        return self._sum / len(self._last) if len(self._last) >= _FEWEST_PROFITS else None

    def z(self, now_ms: int) -> float | None:
        """Return mean / (deviation / sqrt(n)) over the window, 0 of changes all alike, None with fewer than ten."""
        window = self._window
        window.expire(now_ms)
        n, total = window.n, window.a
        if n < _FEWEST_PROFITS:
            return None
        spread = n * window.b - total * total  # n * (n - 1) times the variance, exact
        return total * sqrt((n - 1) / spread) if spread else 0.0

    def snapshot(self) -> list[Any]:
        """Return the state as builtins."""
        return [list(self._last), self._window.snapshot()]

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave."""
        last, window = state
        self._last.clear()
        self._last.extend(last)
        self._sum = sum(self._last)  # other settings may keep fewer of them
        self._window.restore(window)
