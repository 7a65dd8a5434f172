"""The failure words and the two families of error.

Every part answers "what happens when this fails?" with one of six words, so that an operator and a reader see the
same small vocabulary everywhere (design section 3). Code raises one of two families only: the operator's fault, which
a person mends in a file or a command, and the world's fault, which a person or time mends outside the program.
"""

from enum import StrEnum


class Failure(StrEnum):
    """What a part does when it fails."""

    PROPAGATE = "propagate"
    UNAVAILABLE = "unavailable"
    DEFER = "defer"
    FAIL_CLOSED = "fail_closed"
    DEGRADED = "degraded"
    FATAL = "fatal"


class OperatorError(Exception):
    """Something that the person at the keyboard can mend; the text names the place and what to do."""


class WorldError(Exception):
    """Something outside failed (disk, venue, network); the text names it and what to do."""
