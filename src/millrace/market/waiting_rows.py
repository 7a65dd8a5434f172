"""Accepted rows that nobody has counted yet, kept as the bytes in which they came.

What a price usually moves by is asked for once in a long while, and a backtest hands over thousands of short blocks. So
rows wait here, blocks and single ones in their order, and those that count when somebody asks are counted together;
most are then so old that nobody looks at them at all.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_ROWS = 65_536
"""Rows that may wait before they are counted, so that memory stays bounded."""


class Rows(NamedTuple):
    """Times and twice the middle prices, oldest first; the first row is the one before them, if there is one."""

    ts_ns: NDArray[np.int64]
    middle: NDArray[np.int64]


class WaitingRows:
    """The rows of one stream; `count` is how many wait."""

    __slots__ = ("_parts", "count")

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.count = 0
        self._parts: list[tuple[bytes, bytes, bytes]] = []

    def begin(self, ts_ns: int, middle: int) -> None:
        """Start behind an accepted row that was counted already."""
        self.add(ts_ns, middle)
        self.count = 0

    def add_block(self, times: bytes, one: bytes, other: bytes) -> None:
        """Let a block's rows wait: times, and the two prices whose sum is the middle, a print's own twice."""
        self._parts.append((times, one, other))
        self.count += len(times) // 8

    def add(self, ts_ns: int, middle: int) -> None:
        """Let one row wait."""
        half = middle // 2
        self._parts.append((packed(ts_ns), packed(half), packed(middle - half)))
        self.count += 1

    def take(self, since_ns: int) -> Rows:
        """Return the rows since then with one before them, maybe more, and wait for others."""
        parts = self._parts
        first = len(parts) - 1
        while first > 0 and first_of(parts[first][0]) >= since_ns:
            first -= 1
        ts_ns, one, other = (joined(column) for column in zip(*parts[first:], strict=True))
        self._clear()
        return Rows(ts_ns, one + other)


def packed(value: int) -> bytes:
    """Return a number as a column of one row."""
    return value.to_bytes(8, "little", signed=True)


def first_of(column: bytes) -> int:
    """Return a column's first number."""
    return int.from_bytes(column[:8], "little", signed=True)


def last_of(column: bytes) -> int:
    """Return a column's last number."""
    return int.from_bytes(column[-8:], "little", signed=True)


def joined(parts: Sequence[bytes]) -> NDArray[np.int64]:
    """Return columns that follow one another as one array."""
    return np.frombuffer(b"".join(parts), dtype="<i8")
