"""How much the middle of a book moves: by time for real trading, by samples as the reference does.

`TimedVolatility` is an average of squared log returns per second in which a return's weight halves every half-life, so
a busy feed does not forget faster. It divides by the weight that time has given so far, or a fresh start would count
the unseen past as calm. `SampledVolatility` gives both figures of the reference, which count samples (quoting 3).
"""

from collections import deque
from math import exp2, fsum, log, sqrt
from typing import Any

from millrace.strategies.quoting.model import BPS

_MS_IN_SECOND = 1_000.0
_KNOWN_MS = 5_000
"""Time with a book before the figure is believed."""
_FEWEST_MIDS = 3


class TimedVolatility:
    """Volatility in bps per square root of a second. Several mids of one millisecond are one: the last."""

    __slots__ = ("_anchor", "_anchor_ms", "_half_life_ms", "_last", "_last_ms", "_start_ms", "_variance")

    def __init__(self, half_life_sec: float) -> None:
        self._half_life_ms = half_life_sec * _MS_IN_SECOND
        self._start_ms = 0
        self._anchor = 0  # the mid, twice in ticks, up to which returns are in the variance
        self._anchor_ms = 0
        self._last = 0
        self._last_ms = 0
        self._variance = 0.0  # per second

    def observe(self, ms: int, mid2: int) -> None:
        """Take a mid, in half ticks."""
        if ms > self._last_ms:
            if self._last:
                self._variance = self._folded()
                self._anchor, self._anchor_ms = self._last, self._last_ms
            else:
                self._anchor, self._anchor_ms, self._start_ms = mid2, ms, ms
            self._last_ms = ms
        self._last = mid2

    def _folded(self) -> float:
        """Return the variance with the return from the anchor to the last mid in it."""
        passed = self._last_ms - self._anchor_ms
        if passed == 0:
            return self._variance
        kept = exp2(-passed / self._half_life_ms)
        if self._last == self._anchor:
            return kept * self._variance
        move = log(self._last / self._anchor)
        return kept * self._variance + (1.0 - kept) * (move * move * _MS_IN_SECOND / passed)

    def bps_sqrt_sec(self, now_ms: int) -> float | None:
        """Return the volatility, None before five seconds were seen."""
        seen = now_ms - self._start_ms
        if not self._last or seen < _KNOWN_MS:
            return None
        since = exp2((self._last_ms - now_ms) / self._half_life_ms)
        weight = 1.0 - exp2(-seen / self._half_life_ms)
        return BPS * sqrt(since * self._folded() / weight)

    def snapshot(self) -> list[Any]:
        """Return the state as builtins."""
        return [self._start_ms, self._anchor, self._anchor_ms, self._last, self._last_ms, self._variance]

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._start_ms, self._anchor, self._anchor_ms, self._last, self._last_ms, self._variance = state


class SampledVolatility:
    """The reference's figures in bps: an average of absolute moves, and the deviation of the last returns."""

    __slots__ = ("_alpha", "_known", "_last", "_returns", "_stdev", "abs_ema_bps")

    def __init__(self, window: int, stdev_mids: int) -> None:
        self._alpha = 2.0 / (window + 1.0)
        self._returns: deque[float] = deque(maxlen=stdev_mids - 1)
        self._last = 0.0
        self._stdev = 0.0
        self._known = True
        self.abs_ema_bps = 0.0

    def observe(self, mid: float) -> None:
        """Take a mid, in any unit."""
        last = self._last
        if last:
            if mid == last:
                self.abs_ema_bps -= self._alpha * self.abs_ema_bps
                self._returns.append(0.0)
            else:
                self.abs_ema_bps += self._alpha * (abs(mid - last) / last * BPS - self.abs_ema_bps)
                self._returns.append(log(mid / last))
            self._known = False
        self._last = mid

    def stdev_bps(self) -> float:
        """Return the sample deviation of the last log returns, 0 before three mids."""
        if not self._known:
            returns = self._returns
            n = len(returns)
            if n >= _FEWEST_MIDS - 1:
                mean = fsum(returns) / n
                self._stdev = BPS * sqrt(fsum([(each - mean) ** 2 for each in returns]) / (n - 1))
            self._known = True
        return self._stdev

    def snapshot(self) -> list[Any]:
        """Return the state as builtins."""
        return [self._last, self.abs_ema_bps, list(self._returns)]

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._last, self.abs_ema_bps, returns = state
        self._returns.clear()
        self._returns.extend(returns)
        self._stdev, self._known = 0.0, False
