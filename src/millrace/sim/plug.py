"""Where a simulated program can die, and the dying.

Every place at which a real kill would leave something half done reports here by name. The plug counts them, so that
one run can be repeated with its end at each of them in turn, and pulls when its count is up. What it raises is no
Exception: no handler of the program may catch its own death.
"""

from typing import Final

_NEVER: Final = -1


class Killed(BaseException):
    """The program ends here, as by kill -9; the text names the place."""


class Plug:
    """Counts the places at which the program could die; `passed` is how many it lived through.

    With `writes` a list, it is given each write that passes: the place's number and the bytes.

    Who is dead stays dead: whatever an unwinding program still tries at one of the places dies too, as if never tried.
    """

    __slots__ = ("_bytes", "_left", "is_dead", "passed", "writes")

    def __init__(self) -> None:
        self.passed = 0
        self.is_dead = False
        self.writes: list[tuple[int, bytes]] | None = None
        self._left = _NEVER
        self._bytes = 0

    def arm(self, places: int, at_byte: int = 0) -> None:
        """Let so many places pass and pull at the next; a write is cut after `at_byte` bytes (modulo its length)."""
        self._left = places
        self._bytes = at_byte

    def revive(self) -> None:
        """Let the next program live."""
        self._left = _NEVER
        self.is_dead = False

    def at(self, place: str) -> None:
        """Pass a place, or die there."""
        if self._is_here():
            raise Killed(place)

    def within(self, data: bytes) -> int | None:
        """Pass the writing of some bytes: None, or how many of them are written before the caller must die."""
        if self.writes is not None:
            self.writes.append((self.passed, data))
        return self._bytes % (len(data) + 1) if self._is_here() else None

    def _is_here(self) -> bool:
        if self.is_dead:
            return True
        self.passed += 1
        if self._left == _NEVER:
            return False
        if self._left:
            self._left -= 1
            return False
        self._left = _NEVER
        self.is_dead = True
        return True
