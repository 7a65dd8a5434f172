"""How many new entries may leave per loop, and which go first (slots 9).

Entries are what fills the book up, so they are paced: a base number per loop, fewer as the open-order headroom
shrinks, none when there is no headroom. What does not fit waits in the slot's state and is drained oldest first; among
entries of equal age the side that filled less in the last hour goes first, so that one-way fills do not starve a side
(P4).
"""

from collections import deque
from typing import Any

from millrace.strategies.slots.reducer.model import Side

_WINDOW_SEC = 3600.0
_TIGHT, _NARROW, _MODERATE = 5, 10, 20


def entry_cap(headroom: int, base: int) -> int:
    """Return how many entries one loop may add at this open-order headroom (slots 9)."""
    base = max(1, base)
    if headroom < 1:
        return 0
    if headroom <= _TIGHT:
        return 1
    if headroom <= _NARROW:
        return min(base, 2)
    if headroom <= _MODERATE:
        return min(base, 3)
    return base


class EntryScheduler:
    """Counters of the pacing, and the memory of recent fills that fairness needs. Times are float seconds."""

    def __init__(self, base_per_loop: int) -> None:
        self.base_per_loop = base_per_loop
        self.cap = max(1, base_per_loop)
        self.used = 0
        self.deferred_total = 0
        self.drained_total = 0
        self.last_deferred_at: float | None = None
        self.last_drained_at: float | None = None
        self._loop = -1
        self._fills: deque[tuple[float, Side]] = deque()
        self._balance = 0

    def open_loop(self, loop: int, headroom: int) -> None:
        """Start the budget of this loop number; news that come before the next loop share it."""
        if loop != self._loop:
            self._loop = loop
            self.cap = entry_cap(headroom, self.base_per_loop)
            self.used = 0

    @property
    def has_room(self) -> bool:
        """Whether one more paced entry fits this loop."""
        return self.used < self.cap

    def defer(self, now: float) -> None:
        """Count an entry that has to wait."""
        self.deferred_total += 1
        self.last_deferred_at = now

    def drain(self, now: float) -> None:
        """Count a waiting entry that leaves."""
        self.drained_total += 1
        self.last_drained_at = now

    def filled(self, side: Side, now: float) -> None:
        """Remember on which side an order filled."""
        self._fills.append((now, side))
        self._balance += 1 if side == "buy" else -1
        self._trim(now)

    def behind(self, now: float) -> Side | None:
        """Return the side that filled less in the last hour, None when they are even."""
        self._trim(now)
        if self._balance == 0:
            return None
        return "sell" if self._balance > 0 else "buy"

    def _trim(self, now: float) -> None:
        while self._fills and self._fills[0][0] < now - _WINDOW_SEC:
            self._balance -= 1 if self._fills.popleft()[1] == "buy" else -1

    def status(self, pending: int) -> dict[str, Any]:
        """Return the `entry_scheduler` object."""
        return {
            "cap_per_loop": self.cap,
            "used_this_loop": self.used,
            "pending_entries": pending,
            "deferred_total": self.deferred_total,
            "drained_total": self.drained_total,
            "last_deferred_at": self.last_deferred_at,
            "last_drained_at": self.last_drained_at,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "cap": self.cap,
            "used": self.used,
            "loop": self._loop,
            "deferred_total": self.deferred_total,
            "drained_total": self.drained_total,
            "last_deferred_at": self.last_deferred_at,
            "last_drained_at": self.last_drained_at,
            "fills": [list(fill) for fill in self._fills],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.cap = state["cap"]
        self.used = state["used"]
        self._loop = state["loop"]
        self.deferred_total = state["deferred_total"]
        self.drained_total = state["drained_total"]
        self.last_deferred_at = state["last_deferred_at"]
        self.last_drained_at = state["last_drained_at"]
        self._fills = deque((ts, side) for ts, side in state["fills"])
        self._balance = sum(1 if side == "buy" else -1 for _, side in self._fills)
