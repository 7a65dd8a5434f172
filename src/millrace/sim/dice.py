"""Chance from a hash: each draw depends on the seed and on what it is for, and on no other draw.

A shared generator would make every draw depend on how many came before it, so that one more fault here would change
all luck there. With these, one seed is one history, and a change of one thing leaves the rest as it was (runtime 2.21).
"""

from hashlib import blake2b

from millrace.core.instrument import PPM

_WORD = 8


class Dice:
    """The draws of one seed; `what` names a draw, and the same name gives the same number."""

    __slots__ = ("_key",)

    def __init__(self, seed: int, purpose: str) -> None:
        self._key = blake2b(f"{purpose}/{seed}".encode(), digest_size=32).digest()

    def draw(self, *what: str | int) -> int:
        """Return 64 random bits."""
        text = "/".join(str(part) for part in what).encode()
        return int.from_bytes(blake2b(text, key=self._key, digest_size=_WORD).digest(), "little")

    def between(self, low: int, high: int, *what: str | int) -> int:
        """Return a number from `low` to `high`, both included."""
        return low + self.draw(*what) % (high - low + 1)

    def often(self, ppm: int, *what: str | int) -> bool:
        """Return True so many times in a million."""
        return self.draw(*what) % PPM < ppm
