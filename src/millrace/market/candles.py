"""Closed bars, built from prints as they come or from whole columns of them at once (slots 12.1).

A backtest skips what cannot matter and then hands over the prints that it skipped as columns; the bars must come out
the same as if every print had been shown alone, or skipping would change decisions. Both ways therefore end in the same
state.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from millrace.core.instrument import Lots, Ticks

_FEW_PRINTS = 16
"""Up to so many prints a loop is faster than columns."""


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One closed bar; a `missing` one saw no print and carries the close before it."""

    start_ns: int
    open_ticks: Ticks
    high_ticks: Ticks
    low_ticks: Ticks
    close_ticks: Ticks
    lots: Lots
    missing: bool = False


class BarBuilder:
    """Bars of `bar_ns` on the UTC grid; the newest `keep` closed ones are remembered.

    A bar holds the prints of [start, start + bar_ns) and closes when a time at or past its end is seen. Times that go
    backwards count as the newest time seen. Nothing closes before the first print. ValueError on sizes below one.
    """

    __slots__ = (
        "_closed",
        "_high",
        "_index",
        "_keep",
        "_last",
        "_lots",
        "_low",
        "_now_ns",
        "_open",
        "_printed",
        "_undrained",
        "bar_ns",
    )

    def __init__(self, bar_ns: int, keep: int) -> None:
        if bar_ns < 1 or keep < 1:
            raise ValueError(f"bars need a length and a memory of at least one: {bar_ns} ns, {keep} bars")
        self.bar_ns = bar_ns
        self._keep = keep
        self._closed: deque[Bar] = deque(maxlen=keep)
        self._undrained = 0
        self._now_ns = 0
        self._index: int | None = None
        self._printed = False
        self._open = self._high = self._low = self._last = 0
        self._lots = 0

    def observe(self, ts_ns: int, ticks: Ticks, lots: Lots) -> None:
        """Take one print."""
        self.advance(ts_ns)
        self._take(self._now_ns // self.bar_ns, (ticks, ticks, ticks, ticks, lots))

    def observe_many(
        self, ts_ns: npt.NDArray[np.int64], ticks: npt.NDArray[np.int64], lots: npt.NDArray[np.int64]
    ) -> None:
        """Take columns of prints, oldest first; the same as `observe` on each."""
        if len(ts_ns) <= _FEW_PRINTS:
            for print_ in zip(ts_ns.tolist(), ticks.tolist(), lots.tolist(), strict=True):
                self.observe(*print_)
            return
        times = np.maximum(np.maximum.accumulate(ts_ns), self._now_ns)
        indices = times // self.bar_ns
        starts = np.flatnonzero(np.diff(indices, prepend=indices[0] - 1))
        starts = starts[-self._keep - 1 :]
        ends = np.append(starts[1:], len(indices)) - 1
        first = starts[0]
        groups = zip(
            ticks[starts].tolist(),
            np.maximum.reduceat(ticks[first:], starts - first).tolist(),
            np.minimum.reduceat(ticks[first:], starts - first).tolist(),
            ticks[ends].tolist(),
            np.add.reduceat(lots[first:], starts - first).tolist(),
            strict=True,
        )
        for index, group in zip(indices[starts].tolist(), groups, strict=True):
            self._close_until(index)
            self._take(index, group)
        self._now_ns = int(times[-1])

    def advance(self, now_ns: int) -> None:
        """Close what ended at or before `now_ns`."""
        if now_ns > self._now_ns:
            self._now_ns = now_ns
            self._close_until(now_ns // self.bar_ns)

    def closed(self) -> list[Bar]:
        """Return the remembered closed bars, oldest first."""
        return list(self._closed)

    def since_drain(self) -> list[Bar]:
        """Return the bars that closed since the last drain, oldest first; at most `keep`, the newest."""
        return list(islice(self._closed, len(self._closed) - self._undrained, None)) if self._undrained else []

    def drain_closed(self) -> list[Bar]:
        """Return what `since_drain` does, and count it as drained."""
        fresh = self.since_drain()
        self._undrained = 0
        return fresh

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "now_ns": self._now_ns,
            "index": self._index,
            "printed": self._printed,
            "bar": [self._open, self._high, self._low, self._last, self._lots],
            "undrained": self._undrained,
            "closed": [list(msgspec.structs.astuple(bar)) for bar in self._closed],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._now_ns, self._index, self._printed = state["now_ns"], state["index"], state["printed"]
        self._open, self._high, self._low, self._last, self._lots = state["bar"]
        self._undrained = state["undrained"]
        self._closed = deque((Bar(*row) for row in state["closed"]), maxlen=self._keep)

    def _take(self, index: int, group: tuple[Ticks, Ticks, Ticks, Ticks, Lots]) -> None:
        """Merge prints (open, high, low, close, lots) of the bar `index` into the open bar."""
        open_, high, low, self._last, lots = group
        if self._printed:
            self._high, self._low, self._lots = max(self._high, high), min(self._low, low), self._lots + lots
        else:
            self._index, self._printed = index, True
            self._open, self._high, self._low, self._lots = open_, high, low, lots

    def _close_until(self, index: int) -> None:
        """Close the open bar and the missing ones before the bar `index`."""
        if self._index is None or index <= self._index:
            return
        self._closed.extend(self._ended(self._index, index))
        self._undrained = min(self._keep, self._undrained + index - self._index)
        self._index, self._printed, self._lots = index, False, 0

    def _ended(self, first: int, index: int) -> Iterator[Bar]:
        if self._printed:
            yield Bar(first * self.bar_ns, self._open, self._high, self._low, self._last, self._lots)
            first += 1
        last = self._last
        for missing in range(max(first, index - self._keep), index):
            yield Bar(missing * self.bar_ns, last, last, last, last, 0, missing=True)
