"""Where idle money should stand when the price trends: less of it when the price rises, more when it falls (slots 13).

Two averages of the price, a fast and a slow one, give a score; the score moves the target away from its base within a
floor and a ceiling. The contract calls its time constants half-lives and defines alpha = 1 - exp(-dt / halflife); the
formula binds, so a "half-life" of 1800 s leaves 37 % of an old value after 1800 s, not 50 %.
"""

from math import exp
from typing import Any

import msgspec

RESTART_GAPS = 2.0
"""Averages that were not fed for more than so many slow half-lives start anew at the price."""
JUMP = 0.02
"""A target that moved by more than this holds for `hysteresis_sec`."""


class TrendSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the dynamic target (slots 21): seconds, ratios of idle money, and relative price scores."""

    enabled: bool = False
    fast_halflife_sec: float = 1800.0
    slow_halflife_sec: float = 14_400.0
    sensitivity: float = 5.0
    floor: float = 0.15
    ceiling: float = 0.60
    min_samples: int = 24
    hysteresis_sec: float = 600.0
    smooth_halflife_sec: float = 900.0
    dead_zone: float = 0.001


def alpha(dt_sec: float, halflife_sec: float) -> float:
    """Return the weight of a new value after `dt_sec` seconds, in [0, 1]; 1 where there is nothing to smooth."""
    if halflife_sec <= 0.0:
        return 1.0
    return 1.0 - exp(-max(0.0, dt_sec) / halflife_sec)


class Trend:
    """The dynamic target after the samples shown so far; times are float seconds.

    `target` is None until the first sample. The averages survive a restart; only a long gap starts them anew.
    """

    def __init__(self, settings: TrendSettings) -> None:
        self._settings = settings
        self.fast = self.slow = 0.0
        self.samples = 0
        self.last_at = 0.0
        self.smoothed: float | None = None
        self.target: float | None = None
        self.hold_until = 0.0

    @property
    def is_warm(self) -> bool:
        """Whether enough samples were seen to move the target."""
        return self.samples >= self._settings.min_samples

    @property
    def score(self) -> float:
        """Relative distance of the fast average above the slow one; 0 without samples."""
        return (self.fast - self.slow) / self.slow if self.slow > 0.0 else 0.0

    def push(self, price: float, base: float, now: float) -> float:
        """Take the price of this moment and return the idle ratio to aim for, `base` while nothing is known better."""
        chosen = self._settings
        dt = now - self.last_at
        if self.samples == 0 or dt > RESTART_GAPS * chosen.slow_halflife_sec:
            self.fast = self.slow = price
            self.samples = 0
        else:
            self.fast += alpha(dt, chosen.fast_halflife_sec) * (price - self.fast)
            self.slow += alpha(dt, chosen.slow_halflife_sec) * (price - self.slow)
        self.samples += 1
        self.last_at = now
        if self.is_warm and self.smoothed is not None and self.target is not None:
            self.target = self._followed(self.target, self.smoothed, self._wanted(base), dt)
        else:
            self.smoothed = self.target = base
            self.hold_until = 0.0
        return self.target

    def _wanted(self, base: float) -> float:
        chosen = self._settings
        if abs(self.score) < chosen.dead_zone:
            return base
        return min(max(base - chosen.sensitivity * self.score, chosen.floor), chosen.ceiling)

    def _followed(self, target: float, smoothed: float, wanted: float, dt: float) -> float:
        """Smooth what is wanted and return it, or the target as it is while an earlier jump still holds."""
        self.smoothed = smoothed + alpha(dt, self._settings.smooth_halflife_sec) * (wanted - smoothed)
        if self.last_at < self.hold_until:
            return target
        if abs(self.smoothed - target) > JUMP:
            self.hold_until = self.last_at + self._settings.hysteresis_sec
        return self.smoothed

    def status(self, now: float) -> dict[str, Any]:
        """Return the `trend` object (slots 18)."""
        return {
            "enabled": self._settings.enabled,
            "warm": self.is_warm,
            "samples": self.samples,
            "fast_ema": self.fast if self.samples else None,
            "slow_ema": self.slow if self.samples else None,
            "score": self.score if self.samples else None,
            "target": self.target,
            "smoothed_target": self.smoothed,
            "hold_sec": max(0.0, self.hold_until - now),
        }

    def snapshot(self) -> list[Any]:
        """Return the state as builtins."""
        return [self.fast, self.slow, self.samples, self.last_at, self.smoothed, self.target, self.hold_until]

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.fast, self.slow, self.samples, self.last_at, self.smoothed, self.target, self.hold_until = state
