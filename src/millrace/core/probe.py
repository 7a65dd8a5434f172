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
