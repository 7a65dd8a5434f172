"""Why an order is placed, changed or taken back: one closed set of words, for intents, metrics and people.

A cancel because of a halt carries the guard's own key instead (`vol`, `p95`, `refused`, `halt_cooldown`, ...), one
after a fault the fault's code, and one of an order that the market ran away from the word of `fast_cancel`.
"""

from enum import StrEnum


class Reason(StrEnum):
    """The words; `docs/quoting.md` says what each means to a trader."""

    NEW = "new"
    REPLACED = "replaced"
    RETREAT = "retreat"
    ADVANCE = "advance"
    SMALLER = "smaller"
    LARGER = "larger"
    STALE = "stale"
    BLOCKED = "blocked"
    CLOSING_ONLY = "closing_only"
    NO_ROOM = "no_room"
    TOO_SMALL = "too_small"
    LEVEL_OFF = "level_off"
    DOUBLE = "double"
