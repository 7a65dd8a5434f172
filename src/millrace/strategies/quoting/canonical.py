"""A tick's result as bytes that are equal if and only if the results are: what replays are compared by (quoting 1).

Keys are sorted, floats are written with the fewest digits that give them back, and neither hash order nor the version
of Python has a say. NaN and infinity cannot occur: the records refuse them, and so does this.
"""

from hashlib import sha256

import msgspec

from millrace.strategies.quoting.tick_result import TickResult

_ENCODER = msgspec.json.Encoder(order="sorted")


def canonical_json(result: TickResult) -> bytes:
    """Return the canonical JSON of a result, in UTF-8."""
    return _ENCODER.encode(result)


class ResultChain:
    """One hash over every so many results of a symbol, each with the one before: equal chains, equal results.

    It is what a golden trace leaves (quoting 5): a run and its replay are compared by one word for each symbol, at a
    hundredth of what keeping or hashing every result would cost.
    """

    __slots__ = ("_every", "digest")

    def __init__(self, every: int) -> None:
        self._every = every
        self.digest = ""

    def add(self, result: TickResult) -> None:
        """Take a result; those whose tick is not a multiple of `every` change nothing."""
        if result.context.features.tick % self._every == 0:
            self.digest = sha256(self.digest.encode() + canonical_json(result)).hexdigest()
