"""Which way orders flow at the best prices, and whether that is unusual.

Order-flow imbalance is Cont, Kukanov and Stoikov's (2014): each change of the book adds what came to the best bid and
left the best ask, and takes away what left the bid and came to the ask. It is divided by the mean size of the two best
queues, so that 1 is one whole queue. How unusual its 10 s value is, is told by the mean of its absolute values, each
sample cut off at three of the scale so that one storm does not hide the next (quoting 3 and 4.3, addition 6).
"""

from math import pi, sqrt
from typing import Any

from millrace.core.instrument import Lots, Ticks
from millrace.strategies.quoting.features.windows import GridWindow

_GRID_MS = 10
_SHORT_MS, _LONG_MS = 1_000, 10_000
_SAMPLE_MS = 1_000
_KNOWN_SAMPLES = 30
"""Seconds with a book before the scale is believed."""
_HALF_LIFE_SAMPLES = 300.0
_CUT = 3.0
_SMALLEST_SCALE = 0.25
"""In quiet markets nearly nothing flows; a quarter of a queue is never called unusual."""
_GAUSS = sqrt(pi / 2.0)
"""Standard deviation of a normal variable over its mean absolute value."""
_KEPT = 2.0 ** (-1.0 / _HALF_LIFE_SAMPLES)


class OrderFlow:
    """Order-flow imbalance of one symbol over 1 s and 10 s."""

    __slots__ = ("_ask", "_ask_lots", "_bid", "_bid_lots", "_long", "_mean_abs", "_samples", "_second", "_short")

    def __init__(self) -> None:
        self._bid: Ticks = 0
        self._bid_lots: Lots = 0
        self._ask: Ticks = 0
        self._ask_lots: Lots = 0
        self._short = GridWindow(_GRID_MS, _SHORT_MS)
        self._long = GridWindow(_GRID_MS, _LONG_MS)
        self._second = 0
        self._samples = 0
        self._mean_abs = 0.0

    def observe(self, ms: int, bid: Ticks, bid_lots: Lots, ask: Ticks, ask_lots: Lots) -> None:
        """Take the best prices after a change of the book."""
        long = self._long
        if ms // _SAMPLE_MS > self._second:
            self._sample(ms)
        flow = 0
        if self._bid:
            if bid >= self._bid:
                flow += bid_lots
            if bid <= self._bid:
                flow -= self._bid_lots
            if ask <= self._ask:
                flow -= ask_lots
            if ask >= self._ask:
                flow += self._ask_lots
        self._bid, self._bid_lots, self._ask, self._ask_lots = bid, bid_lots, ask, ask_lots
        long.add(ms, flow, bid_lots + ask_lots)
        if flow:
            self._short.add(ms, flow)

    def lose_book(self) -> None:
        """Forget the last best prices: what happens until the next book is not known to be flow."""
        self._bid = 0

    def short(self, now_ms: int) -> float:
        """Return the flow of the last second in mean queues."""
        self._short.expire(now_ms)
        self._long.expire(now_ms)
        return self._in_queues(self._short.a)

    def long(self, now_ms: int) -> float:
        """Return the flow of the last ten seconds in mean queues."""
        self._long.expire(now_ms)
        return self._in_queues(self._long.a)

    def long_z(self, now_ms: int) -> float | None:
        """Return the 10 s flow in multiples of its usual size, None while that is not known."""
        return None if self._samples < _KNOWN_SAMPLES else self.long(now_ms) / self._scale()

    def _in_queues(self, flow: int) -> float:
        depth = self._long.b
        return 2.0 * flow * self._long.n / depth if flow and depth else 0.0

    def _scale(self) -> float:
        return max(_SMALLEST_SCALE, _GAUSS * self._mean_abs)

    def _sample(self, ms: int) -> None:
        """Take the 10 s flow into the scale: once a second, as it stood before the first book of that second."""
        self._second = ms // _SAMPLE_MS
        size = abs(self.long(ms))
        self._samples += 1
        if self._samples <= _KNOWN_SAMPLES:
            self._mean_abs += (size - self._mean_abs) / self._samples
        else:
            self._mean_abs = _KEPT * self._mean_abs + (1.0 - _KEPT) * min(size, _CUT * self._scale())

    def snapshot(self) -> list[Any]:
        """Return the state as builtins."""
        best = [self._bid, self._bid_lots, self._ask, self._ask_lots]
        return [best, self._short.snapshot(), self._long.snapshot(), self._second, self._samples, self._mean_abs]

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave."""
        best, short, long, self._second, self._samples, self._mean_abs = state
        self._bid, self._bid_lots, self._ask, self._ask_lots = best
        self._short.restore(short)
        self._long.restore(long)
