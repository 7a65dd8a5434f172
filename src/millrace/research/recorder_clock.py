"""Recorded lines, each a receive time and one message, and the clock of the computer that received them put right.

The recorders' clocks were wrong by up to a second, in either direction, and one of them wanders by a quarter of that
within an hour, so that messages seem to arrive before they were sent. The receive times of each five minutes are
therefore moved so that the fastest message among them took `LEAST_LATENCY_NS`, and never go back. What the truth was
nobody can know: only differences of latency within some minutes are real.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from millrace.core.failure import OperatorError

LEAST_LATENCY_NS: Final = 2_000_000
"""What the fastest message of a file is taken to have needed: a low figure for a reader in the venue's region."""
PIECE_NS: Final = 300_000_000_000
"""So long a clock is taken to be wrong by the same amount."""
LONGEST_REST_NS: Final = 86_400_000_000_000
_MS: Final = 1_000_000
_NS_DIGITS: Final = 19
_UNIT_BY_DIGITS: Final = {_NS_DIGITS: 1, 16: 1_000, 13: _MS}


class Clock(NamedTuple):
    """What was done to a file's receive times: each piece's shift was added, after which latencies are as said.

    Times are ns; pieces count from `first_ns`, the first receive time of the recorder; `last_ns` is its last.
    """

    first_ns: int
    last_ns: int
    shifts_ns: tuple[int, ...]
    median_ns: int
    p95_ns: int
    worst_ns: int

    def corrected(self, received_ns: int) -> int:
        """Return a receive time as it is taken to have been."""
        return received_ns + self.shifts_ns[(received_ns - self.first_ns) // PIECE_NS]


def calibrated(latencies: list[tuple[int, int]], first_ns: int, end_ns: int) -> Clock:
    """Return the shifts of a file's pieces; one in which nothing says when it was sent has that of the piece before."""
    least: dict[int, int] = {}
    for received_ns, latency_ns in latencies:
        piece = (received_ns - first_ns) // PIECE_NS
        least[piece] = min(latency_ns, least.get(piece, latency_ns))
    shifts: list[int] = []
    for piece in range((end_ns - first_ns) // PIECE_NS + 1):
        known = least.get(piece)
        before = shifts[-1] if shifts else LEAST_LATENCY_NS - latencies[0][1]
        shifts.append(before if known is None else LEAST_LATENCY_NS - known)
    ordered = sorted(latency_ns + shifts[(at_ns - first_ns) // PIECE_NS] for at_ns, latency_ns in latencies)
    quantiles = ordered[len(ordered) // 2], ordered[len(ordered) * 95 // 100], ordered[-1]
    return Clock(first_ns, end_ns, tuple(shifts), *quantiles)


def receive_ns(text: bytes, before_ns: int, path: Path, number: int) -> int:
    """Return a line's receive time in ns, its unit told by how many digits it has, and never before the last one's.

    Raises OperatorError for what is no time, and for one that lies a day and more after the line before: a recorder
    that rested so long wrote another file, and one wrong time would pull all that follows with it.
    """
    unit = _UNIT_BY_DIGITS.get(len(text))
    if unit is None or not text.isdigit():
        raise OperatorError(f"{path}:{number}: does not begin with a receive time in ns, us or ms")
    found = int(text) * unit
    if before_ns and found - before_ns >= LONGEST_REST_NS:
        raise OperatorError(f"{path}:{number}: its receive time is a day or more after that of the line before")
    return max(before_ns, found)


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield the lines that hold something; raises OperatorError when the file cannot be read."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                if not line.isspace():
                    yield line
    except (OSError, EOFError) as error:
        raise OperatorError(f"{path}: cannot be read: {error}") from error
