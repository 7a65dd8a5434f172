"""What a grid writes down so that its stages can be judged later: append-only bookings, each unique by its key.

A gate that reads a counter in memory forgets at a restart and cannot be checked by another person. So everything that
the gates of slots 20.3 ask is booked like money: which stage the grid is in, how long there was no headroom, which
invariant broke, how many entries were sent and how many the cap held back.
"""

from typing import Any, Final

from millrace.core.commands import Book
from millrace.core.events import Scalar

STAGE: Final = "stage"
LOW_HEADROOM: Final = "low_headroom"
INVARIANT: Final = "invariant"


class GateRecords:
    """Counters of one grid and the stage that was booked last; `pair` and `strategy` name its bookings."""

    def __init__(self, strategy: str, pair: str) -> None:
        self.entries_sent = 0
        self.entries_blocked = 0
        self._strategy = strategy
        self._pair = pair
        self._stage: dict[str, Scalar] = {}
        self._numbers = {STAGE: 0, INVARIANT: 0}

    def entries(self) -> dict[str, Scalar]:
        """Return how many entries were sent, and how many legs came to wait for the cap, since the grid began."""
        return {"entries_sent": self.entries_sent, "entries_blocked": self.entries_blocked}

    def stage(self, values: dict[str, Scalar], now_ns: int) -> Book | None:
        """Return the record of the stage that holds from now on; None while it is the one booked last."""
        if values == self._stage:
            return None
        self._stage = values
        return self._numbered(STAGE, values | self.entries(), now_ns)

    def low_headroom(self, since_ns: int, now_ns: int, headroom: int, *, ended: bool) -> Book:
        """Return the record of a stretch without headroom, at ten minutes or at its end (slots 9, 20.3)."""
        values: dict[str, Scalar] = {
            "since_ns": since_ns,
            "seconds": (now_ns - since_ns) / 1e9,
            "headroom": headroom,
            "ended": ended,
        }
        key = f"{self._pair}/{since_ns}{'/end' if ended else ''}"
        return Book(self._strategy, LOW_HEADROOM, key, values, now_ns)

    def invariant(self, slot_id: int, numbers: tuple[int, ...], now_ns: int, *, sticky: bool, halted: bool) -> Book:
        """Return the record of broken invariants, by the contract's numbers (slots 3)."""
        values: dict[str, Scalar] = {
            "slot": slot_id,
            "numbers": ",".join(str(number) for number in numbers),
            "sticky": sticky,
            "halted": halted,
        }
        return self._numbered(INVARIANT, values, now_ns)

    def _numbered(self, kind: str, values: dict[str, Scalar], now_ns: int) -> Book:
        self._numbers[kind] += 1
        return Book(self._strategy, kind, f"{self._pair}/{kind}/{self._numbers[kind]}", values, now_ns)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {**self.entries(), "stage": dict(self._stage), "numbers": dict(self._numbers)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.entries_sent, self.entries_blocked = state["entries_sent"], state["entries_blocked"]
        self._stage, self._numbers = dict(state["stage"]), dict(state["numbers"])
