"""When one market's book is asked for anew, and when it is given up for a while (runtime 2.4 rule 4).

A book that is wrong is asked for at once, but not more often than a venue would stand: five seconds lie between two
resyncs of a market, a fourth within a minute puts the market into quarantine, and an answer that does not come is asked
for again, each time later. What it decides is a record; the guard makes it orders and postings.
"""

from collections import deque
from enum import Enum
from typing import Any, Final

from millrace.core.book_events import BookCause

SECOND_NS: Final = 1_000_000_000
GAP_NS: Final = 5 * SECOND_NS
"""Least time between two resyncs of a market, and how long its snapshot may take."""
WINDOW_NS: Final = 60 * SECOND_NS
MOST_IN_WINDOW: Final = 3
"""So many resyncs of a market in a minute are served; one more is a quarantine."""
ATTEMPTS: Final = 3
"""After so many questions without an answer the market is not quotable."""
HOLD_NS: Final = 60 * SECOND_NS
LONGEST_HOLD_NS: Final = 15 * HOLD_NS
RELAPSE_NS: Final = 10 * HOLD_NS
"""A quarantine lasts a minute, twice as long as the last one within ten minutes, at most a quarter of an hour."""


class Step(Enum):
    """What a market needs now."""

    NOTHING = 0
    ASK = 1
    GIVE_UP = 2


class BookCare:
    """One market's resyncs; `due_ns` is when it wants to be looked at next, 0 while it needs nothing.

    `held_until_ns` is the earliest end of a quarantine, 0 without one; `unquotable` that no snapshot came.
    """

    __slots__ = (
        "_asked_ns",
        "_attempts",
        "_begun",
        "_left_ns",
        "_level",
        "cause",
        "due_ns",
        "held_until_ns",
        "unquotable",
        "wrong_ns",
    )

    def __init__(self) -> None:
        self.due_ns = 0
        self.cause = BookCause.NO_SNAPSHOT
        self.held_until_ns = 0
        self.unquotable = False
        self.wrong_ns = 0
        self._asked_ns = 0
        self._attempts = 0
        self._begun: deque[int] = deque(maxlen=MOST_IN_WINDOW)
        self._level = 0
        self._left_ns = 0

    @property
    def is_restricted(self) -> bool:
        """Tell whether the market is in quarantine or given up."""
        return self.unquotable or self.held_until_ns > 0

    @property
    def was_asked_for(self) -> bool:
        """Tell whether the snapshot that is awaited was asked for."""
        return self._attempts > 0

    def awaits(self, cause: BookCause, ts_ns: int) -> None:
        """A snapshot should come by itself; it is asked for when it does not come in time."""
        self._wrong(cause, ts_ns)
        self.due_ns = max(ts_ns + GAP_NS, self.held_until_ns)

    def spoilt(self, cause: BookCause, ts_ns: int) -> bool:
        """The book turned out wrong; True when that happened too often and the market goes into quarantine."""
        self._wrong(cause, ts_ns)
        if self.is_restricted:
            self.due_ns = max(self.due_ns, ts_ns + GAP_NS)
            return False
        begun = self._begun
        if len(begun) == MOST_IN_WINDOW and ts_ns - begun[0] <= WINDOW_NS:
            relapse = self._left_ns and ts_ns - self._left_ns <= RELAPSE_NS
            self._level = self._level + 1 if relapse else 0
            self.held_until_ns = self.due_ns = ts_ns + min(HOLD_NS << min(self._level, 8), LONGEST_HOLD_NS)
            return True
        self._attempts = 0
        self.due_ns = max(ts_ns, self._asked_ns + GAP_NS) if self._asked_ns else ts_ns
        return False

    def _wrong(self, cause: BookCause, ts_ns: int) -> None:
        self.cause = cause
        self.wrong_ns = self.wrong_ns or ts_ns

    def step(self, now_ns: int) -> Step:
        """Return what is due; one that says ASK, or GIVE_UP, wants `asked` to be called."""
        if not self.due_ns or now_ns < self.due_ns:
            return Step.NOTHING
        return Step.GIVE_UP if self._attempts == ATTEMPTS and not self.unquotable else Step.ASK

    def asked(self, now_ns: int) -> None:
        """The book was asked for: its snapshot may take five seconds, twice as long with each attempt."""
        if not self._attempts:
            self._begun.append(now_ns)
        self._asked_ns = now_ns
        self._attempts = min(self._attempts + 1, ATTEMPTS)
        wait_ns = WINDOW_NS if self.unquotable else GAP_NS << (self._attempts - 1)
        self.due_ns = now_ns + wait_ns

    def live(self, now_ns: int) -> bool:
        """The book is live; True when that ends a quarantine, or that the market was given up."""
        self._attempts = 0
        self.wrong_ns = 0
        if self.held_until_ns and now_ns < self.held_until_ns:
            return False  # it stays asked for at the end of the hold: only a snapshot after that ends it
        self.due_ns = 0
        ended = self.is_restricted
        if self.held_until_ns:
            self.held_until_ns, self._left_ns = 0, now_ns
            self._begun.clear()
        self.unquotable = False
        return ended

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "due": [self.due_ns, self.cause.value, self.wrong_ns],
            "asked": [self._asked_ns, self._attempts],
            "begun": list(self._begun),
            "held": [self.held_until_ns, self._level, self._left_ns],
            "unquotable": self.unquotable,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.due_ns, cause, self.wrong_ns = state["due"]
        self.cause = BookCause(cause)
        self._asked_ns, self._attempts = state["asked"]
        self._begun = deque(state["begun"], maxlen=MOST_IN_WINDOW)
        self.held_until_ns, self._level, self._left_ns = state["held"]
        self.unquotable = state["unquotable"]
