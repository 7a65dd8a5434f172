"""The last price at regular times, whatever happened between them.

Signals that are defined "per loop" must not depend on how often the program really looped, nor on what a backtest
skipped. So samples stand on their own grid of times and are drawn from the prints, alone or in columns with the same
result.
"""

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from millrace.core.instrument import Ticks

_FEW_PRINTS = 16
"""Up to so many prints a loop is faster than columns."""


class SampleGrid:
    """The last price at each g = k * `step_ns`, the newest `keep` of them.

    A sample exists at g only if a print exists with ts <= g and g - ts <= `max_age_ns`; a print exactly at g counts for
    g. Times that go backwards count as the newest time seen. ValueError on a step or memory below one, or an age < 0.
    """

    __slots__ = ("_keep", "_kept", "_last_ticks", "_last_ts_ns", "_max_age_ns", "_now_ns", "step_ns")

    def __init__(self, step_ns: int, keep: int, max_age_ns: int) -> None:
        if step_ns < 1 or keep < 1 or max_age_ns < 0:
            raise ValueError(f"not a grid of samples: step {step_ns} ns, {keep} kept, maximal age {max_age_ns} ns")
        self.step_ns = step_ns
        self._keep = keep
        self._max_age_ns = max_age_ns
        self._kept: deque[Ticks] = deque(maxlen=keep)
        self._now_ns = 0
        self._last_ts_ns: int | None = None
        self._last_ticks: Ticks = 0

    def observe(self, ts_ns: int, ticks: Ticks) -> None:
        """Take one print."""
        self.advance(ts_ns)
        self._last_ts_ns, self._last_ticks = self._now_ns, ticks

    def observe_many(self, ts_ns: npt.NDArray[np.int64], ticks: npt.NDArray[np.int64]) -> None:
        """Take columns of prints, oldest first; the same as `observe` on each."""
        if len(ts_ns) <= _FEW_PRINTS:
            for ts, price in zip(ts_ns.tolist(), ticks.tolist(), strict=True):
                self.observe(ts, price)
            return
        times = np.maximum(np.maximum.accumulate(ts_ns), self._now_ns)
        self.observe(int(times[0]), int(ticks[0]))
        first = (times + (self.step_ns - 1)) // self.step_ns
        behind = np.minimum(first[1:] - 1, (times[:-1] + self._max_age_ns) // self.step_ns)
        counts = np.clip(behind - first[:-1] + 1, 0, self._keep)
        enough = int(np.searchsorted(np.cumsum(counts[::-1]), self._keep)) + 1
        self._kept.extend(np.repeat(ticks[:-1][-enough:], counts[-enough:])[-self._keep :].tolist())
        self._now_ns = self._last_ts_ns = int(times[-1])
        self._last_ticks = int(ticks[-1])

    def advance(self, now_ns: int) -> None:
        """Let time pass: grid times before `now_ns` are settled."""
        if now_ns > self._now_ns:
            self._kept.extend([self._last_ticks] * self._pending(now_ns - 1))
            self._now_ns = now_ns

    def samples_until(self, g_ns: int) -> list[Ticks]:
        """Return the samples at grid times up to and including `g_ns`, oldest first.

        A time before the newest one seen is answered as of that one: what is settled is not taken back.
        """
        return [*self._kept, *[self._last_ticks] * self._pending(g_ns)][-self._keep :]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "step_ns": self.step_ns,
            "now_ns": self._now_ns,
            "last": [self._last_ts_ns, self._last_ticks],
            "kept": list(self._kept),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; samples of another step say nothing on this grid and are left out."""
        self._now_ns = state["now_ns"]
        self._last_ts_ns, self._last_ticks = state["last"]
        self._kept = deque(state["kept"] if state["step_ns"] == self.step_ns else (), maxlen=self._keep)

    def _pending(self, until_ns: int) -> int:
        """Return how many unsettled grid times up to `until_ns` the last print covers, at most `keep`."""
        if self._last_ts_ns is None:
            return 0
        first = -(-self._now_ns // self.step_ns)
        last = min(until_ns, self._last_ts_ns + self._max_age_ns) // self.step_ns
        return min(max(0, last - first + 1), self._keep)
