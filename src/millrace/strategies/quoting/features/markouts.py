"""Where the middle of the book went after each of our fills.

A markout is the move of the mid from a fill to its horizon, positive when it went our way, measured at the first book
at or after the horizon. One that had to wait more than a minute for a book says nothing of our fill any more: it
still settles what the fill is worth, and is marked late so that statistics leave it out (quoting 3).
"""

from collections import deque
from typing import Any, NamedTuple

from millrace.core.instrument import Lots
from millrace.strategies.quoting.model import BPS

HORIZONS_MS = (200, 500, 1_000, 5_000, 30_000)
_LATE_MS = 60_000
_MOST_PENDING = 1_024
"""Fills that wait at a horizon; before one more comes in, the oldest is settled at the mid of that moment, late."""
_NEVER = 1 << 62


class Markout(NamedTuple):
    """A fill at a horizon: `sign` +1 of a buy; mids are in half ticks, the fill's own and the one measured."""

    horizon_ms: int
    sign: int
    lots: Lots
    fill_ms: int
    fill_mid2: int
    mid2: int
    late: bool

    @property
    def bps(self) -> float:
        """The move our way, in bps of the mid at the fill."""
        return self.sign * (self.mid2 - self.fill_mid2) / self.fill_mid2 * BPS


class _Filled(NamedTuple):
    ms: int
    sign: int
    lots: Lots
    mid2: int


class Markouts:
    """Fills of one symbol that wait for their horizons."""

    __slots__ = ("_next_ms", "_waiting")

    def __init__(self) -> None:
        self._waiting: tuple[deque[_Filled], ...] = tuple(deque() for _ in HORIZONS_MS)
        self._next_ms = _NEVER

    def fill(self, ms: int, sign: int, lots: Lots, mid2: int) -> tuple[Markout, ...]:
        """Take a fill at a mid; return those that had to make room for it."""
        filled = _Filled(ms, sign, lots, mid2)
        crowded = []
        for horizon, waiting in zip(HORIZONS_MS, self._waiting, strict=True):
            if len(waiting) == _MOST_PENDING:
                crowded.append(_measured(waiting.popleft(), horizon, mid2, late=True))
            waiting.append(filled)
        self._next_ms = min(self._next_ms, ms + HORIZONS_MS[0])
        return tuple(crowded)

    def measure(self, ms: int, mid2: int) -> tuple[Markout, ...]:
        """Return the markouts that a book of this time and mid settles."""
        if ms < self._next_ms:
            return ()
        found = []
        for horizon, waiting in zip(HORIZONS_MS, self._waiting, strict=True):
            while waiting and waiting[0].ms + horizon <= ms:
                filled = waiting.popleft()
                found.append(_measured(filled, horizon, mid2, late=ms > filled.ms + horizon + _LATE_MS))
        self._wind()
        return tuple(found)

    def _wind(self) -> None:
        due = [first[0].ms + horizon for horizon, first in zip(HORIZONS_MS, self._waiting, strict=True) if first]
        self._next_ms = min(due, default=_NEVER)

    def snapshot(self) -> list[Any]:
        """Return the state as builtins."""
        return [[list(filled) for filled in waiting] for waiting in self._waiting]

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._waiting = tuple(deque(_Filled(*filled) for filled in waiting) for waiting in state)
        self._wind()


def _measured(filled: _Filled, horizon_ms: int, mid2: int, *, late: bool) -> Markout:
    return Markout(horizon_ms, filled.sign, filled.lots, filled.ms, filled.mid2, mid2, late)
