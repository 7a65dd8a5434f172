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


def result_hash(result: TickResult) -> str:
    """Return the SHA-256 of the canonical JSON, in hex."""
    return sha256(canonical_json(result)).hexdigest()
