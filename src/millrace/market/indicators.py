"""Indicators that are fed one bar at a time and can be written down and taken up again exactly.

A run that is resumed from a snapshot must decide as if it had never stopped, bit for bit, so an indicator's whole state
has to be plain numbers that we can store. The incremental libraries of the field (talipp among them) keep theirs in
object graphs without such a form, and array libraries recompute from history; both are the reason that these two short
formulas live here.
"""

from typing import Any, NamedTuple


class Ema:
    """Exponential moving average with alpha = 2 / (n + 1), seeded with the mean of the first n values (slots 12.2).

    `value` is None until n values were seen. ValueError when n < 1.
    """

    __slots__ = ("_alpha", "_n", "_seen", "_sum", "value")

    def __init__(self, n: int) -> None:
        if n < 1:
            raise ValueError(f"an average needs at least one value, not {n}")
        self._n = n
        self._alpha = 2.0 / (n + 1)
        self._seen = 0
        self._sum = 0.0
        self.value: float | None = None

    def push(self, value: float) -> float | None:
        """Take the next value and return the average after it."""
        if self.value is not None:
            self.value += self._alpha * (value - self.value)
            return self.value
        self._seen += 1
        self._sum += value
        if self._seen == self._n:
            self.value = self._sum / self._n
        return self.value

    def snapshot(self) -> list[Any]:
        """Return the state as builtins."""
        return [self._seen, self._sum, self.value]

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._seen, self._sum, self.value = state


class _Reach(NamedTuple):
    """A bar's high, low and close."""

    high: float
    low: float
    close: float


class Adx:
    """Wilder's average directional index (slots 12.5); a flat series gives 0.

    `value`, `plus_di` and `minus_di` are None until 2n + 1 bars were seen. ValueError when n < 2.
    """

    __slots__ = ("_adx", "_bars", "_before", "_down", "_dx_sum", "_n", "_range", "_up", "minus_di", "plus_di", "value")

    def __init__(self, n: int) -> None:
        if n < 2:  # noqa: PLR2004 - the bound that the docstring names
            raise ValueError(f"a directional index needs at least two bars, not {n}")
        self._n = n
        self._bars = 0
        self._before: _Reach | None = None
        self._range = self._up = self._down = 0.0
        self._dx_sum = self._adx = 0.0
        self.value: float | None = None
        self.plus_di: float | None = None
        self.minus_di: float | None = None

    def push(self, high: float, low: float, close: float) -> float | None:
        """Take the next closed bar and return the index after it."""
        self._bars += 1
        before, self._before = self._before, _Reach(high, low, close)
        if before is None:
            return None
        self._smooth(before, self._before)
        moves = self._bars - 1
        if moves < self._n:
            return None
        plus_di, minus_di, dx = self._directions()
        if moves < 2 * self._n:
            self._dx_sum += dx
            if moves == 2 * self._n - 1:
                self._adx = self._dx_sum / self._n
            return None
        self._adx = (self._adx * (self._n - 1) + dx) / self._n
        self.value, self.plus_di, self.minus_di = self._adx, plus_di, minus_di
        return self.value

    def _smooth(self, before: _Reach, bar: _Reach) -> None:
        """Add one move to the smoothed sums: plainly for the first n, then s - s/n + x."""
        up, down = bar.high - before.high, before.low - bar.low
        true_range = max(bar.high, before.close) - min(bar.low, before.close)
        if self._bars - 1 > self._n:
            self._range -= self._range / self._n
            self._up -= self._up / self._n
            self._down -= self._down / self._n
        self._range += true_range
        if up > down and up > 0.0:
            self._up += up
        elif down > up and down > 0.0:
            self._down += down

    def _directions(self) -> tuple[float, float, float]:
        if self._range <= 0.0:
            return 0.0, 0.0, 0.0
        plus_di, minus_di = 100.0 * self._up / self._range, 100.0 * self._down / self._range
        both = plus_di + minus_di
        return plus_di, minus_di, 100.0 * abs(plus_di - minus_di) / both if both > 0.0 else 0.0

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "bars": self._bars,
            "before": None if self._before is None else list(self._before),
            "sums": [self._range, self._up, self._down, self._dx_sum, self._adx],
            "out": [self.value, self.plus_di, self.minus_di],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._bars = state["bars"]
        self._before = None if state["before"] is None else _Reach(*state["before"])
        self._range, self._up, self._down, self._dx_sum, self._adx = state["sums"]
        self.value, self.plus_di, self.minus_di = state["out"]
