"""When each order passed which stage, told by those who handle it and read by nobody who decides (runtime 2.14).

A probe is write-only: `mark` returns nothing, so what it measures can change no decision and a replay needs none
(design section 5.9). The kernel and the shell tell it the stages; what it does with them is the shell's affair.
"""

from enum import IntEnum
from typing import Protocol


class Stage(IntEnum):
    """The stages of an order, in the order in which they usually come."""

    DETECT = 0
    PLAN = 1
    GATE = 2
    LEDGER = 3
    SEND = 4
    ACK = 5
    FIRST_FILL = 6
    DONE = 7


class OrderProbe(Protocol):
    """Takes the time at which an order passes a stage; the first mark of a stage counts."""

    def mark(self, client_id: str, stage: Stage, at_ns: int | None = None) -> None:
        """Note a stage as of `at_ns`, without it as of now."""
        ...

    def drop(self, client_id: str) -> None:
        """Forget an order that was refused: it will pass no further stage."""
        ...


class NoProbe:
    """Measures nothing: backtests, replays."""

    def mark(self, client_id: str, stage: Stage, at_ns: int | None = None) -> None:
        """Measure nothing."""

    def drop(self, client_id: str) -> None:
        """Forget nothing."""


NO_PROBE = NoProbe()


class QuoteStage(IntEnum):
    """The parts of one symbol's tick that are timed (quoting 5), in their order."""

    FETCH_MD = 0
    SPREAD = 1
    GUARDS = 2
    INVENTORY = 3
    QUEUE_AWARE = 4
    EMIT = 5
    TICK_TOTAL = 6

    @property
    def label(self) -> str:
        """The name in budgets, baselines and metrics: `stage_spread`, `tick_total`."""
        return "tick_total" if self is QuoteStage.TICK_TOTAL else f"stage_{self.name.lower()}"


class TickProbe(Protocol):
    """Takes how long the stages of a tick last; it answers nothing, so no decision can depend on it."""

    def begin(self, symbol: str, number: int) -> None:
        """A symbol's tick of this number begins now."""
        ...

    def lap(self, stage: QuoteStage) -> None:
        """The stage that began at the last lap, or at the begin, ends now."""
        ...

    def end(self) -> None:
        """The tick ends now."""
        ...


class NoTickProbe:
    """Measures nothing: replays."""

    def begin(self, symbol: str, number: int) -> None:
        """Measure nothing."""

    def lap(self, stage: QuoteStage) -> None:
        """Measure nothing."""

    def end(self) -> None:
        """Measure nothing."""


NO_TICK_PROBE = NoTickProbe()
