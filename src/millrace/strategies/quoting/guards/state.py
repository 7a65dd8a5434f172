"""What the guards of a symbol remember from tick to tick: an immutable record, taken in and handed out.

A tick on which nothing is remembered anew hands the same record out again, so that the usual tick makes none.
"""

from typing import NamedTuple

import msgspec

STILL_HOLDS = -1
"""In place of the time since when a trigger is clear."""


class Latch(NamedTuple):
    """A trigger that held and keeps the level at SOFT; `clear_since_ms` is `STILL_HOLDS` until its value is better."""

    key: str
    clear_since_ms: int


class GuardState(msgspec.Struct, frozen=True, gc=False):
    """The halt that runs, how many came before it, what keeps the level up, and sides that flow has pushed away.

    `hard_count` halts came within the window before `hard_ms`. A side is `pressed` while flow is about to run it over.
    """

    halt_until_ms: int = 0
    hard_count: int = 0
    hard_ms: int = 0
    latches: tuple[Latch, ...] = ()
    bid_pressed: bool = False
    ask_pressed: bool = False
    bid_paused_until_ms: int = 0
    ask_paused_until_ms: int = 0
