"""The daily realised-loss lock of a strategy (slots 7.5): measure, compare, say what changed.

It only counts and compares; pausing, posting the restriction and refusing a resume are the strategy's, which asks
`check` before and after it trades. The sum takes losing bookings alone, so a profit of the day buys no more losses.
"""

import math
from enum import StrEnum
from typing import Any, Final

import msgspec

DAY_NS: Final = 86_400 * 10**9
_TOLERANCE_USD: Final = 1e-12


class LossLockChange(StrEnum):
    """What `check` found; after ROLLED_OVER the pause stays, its reason changes, and a person resumes."""

    LOCKED = "locked"
    ROLLED_OVER = "rolled_over"
    LIMIT_RAISED = "limit_raised"


class _Saved(msgspec.Struct):
    limit_usd: float
    locked_day: int | None
    losses_usd: list[tuple[int, float]]


class LossLock:
    """Losses by UTC day of the booking's exit; a limit of zero or less switches the lock off."""

    def __init__(self, limit_usd: float) -> None:
        self._limit_usd = _finite(limit_usd)
        self._locked_day: int | None = None
        self._losses_usd: dict[int, float] = {}

    @property
    def locked(self) -> bool:
        """Whether the lock was on at the last check; a resume is refused while it is."""
        return self._locked_day is not None

    @property
    def opens_ns(self) -> int | None:
        """When the UTC day ends for which the lock is on; None while it is off."""
        return None if self._locked_day is None else (self._locked_day + 1) * DAY_NS

    def set_limit(self, limit_usd: float) -> None:
        """Take a new limit, in force from the next check; raises ValueError when it is not a finite number."""
        self._limit_usd = _finite(limit_usd)

    def book(self, net_usd: float, exit_ns: int) -> None:
        """Count a booking (a cycle, release or eviction) by its exit time; raises ValueError when net is not finite."""
        if _finite(net_usd) < 0.0:
            day = exit_ns // DAY_NS
            self._losses_usd[day] = self._losses_usd.get(day, 0.0) - net_usd

    def at_least(self, loss_usd: float, day: int) -> None:
        """Count a day's loss as no smaller than somebody else saw it; raises ValueError when it is not finite."""
        self._losses_usd[day] = max(self._losses_usd.get(day, 0.0), _finite(loss_usd))

    def loss_usd(self, now_ns: int) -> float:
        """Return the realised loss of the UTC day of `now_ns`, as a positive number."""
        return self._losses_usd.get(now_ns // DAY_NS, 0.0)

    def would_hit(self, net_usd: float, now_ns: int) -> bool:
        """Tell whether a booking of this result now would be the one that closes the lock (slots 11.5)."""
        return self._limit_usd > 0.0 and net_usd < 0.0 and self._reached(self.loss_usd(now_ns) - net_usd)

    def _reached(self, loss_usd: float) -> bool:
        return loss_usd + _TOLERANCE_USD >= self._limit_usd

    def check(self, now_ns: int) -> LossLockChange | None:
        """Compare the day's loss with the limit, inclusively; returns what changed, None when nothing did."""
        today = now_ns // DAY_NS
        for day in [day for day in self._losses_usd if day < today]:
            del self._losses_usd[day]
        hit = self._limit_usd > 0.0 and self._reached(self.loss_usd(now_ns))
        before = self._locked_day
        self._locked_day = today if hit else None
        if before is None:
            return LossLockChange.LOCKED if hit else None
        if hit:
            return None
        return LossLockChange.ROLLED_OVER if today > before else LossLockChange.LIMIT_RAISED

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "limit_usd": self._limit_usd,
            "locked_day": self._locked_day,
            "losses_usd": [list(item) for item in self._losses_usd.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; raises ValueError, with the lock unchanged, when it is none."""
        saved = msgspec.convert(state, _Saved)
        self._limit_usd = _finite(saved.limit_usd)
        self._locked_day = saved.locked_day
        self._losses_usd = dict(saved.losses_usd)


def _finite(usd: float) -> float:
    if not math.isfinite(usd):
        raise ValueError(f"{usd} is not an amount of money")
    return usd
