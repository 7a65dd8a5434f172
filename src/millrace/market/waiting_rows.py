"""Accepted rows that nobody has counted yet, kept as the bytes in which they came.

What a price usually moves by is asked for once in a long while, and a backtest hands over thousands of short blocks. So
rows wait here, blocks and single ones in their order, and are counted together, which costs a fraction of counting each
block. Counting them later gives the same sums as counting them at once.
"""

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
    """The rows of one stream; `count` is how many wait. Prices come as one column of prints or two of quotes."""

    __slots__ = ("_one", "_other", "_ts", "count")

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.count = 0
        self._ts: list[bytes] = []
        self._one: list[bytes] = []
        self._other: list[bytes] = []

    def begin(self, ts_ns: int, middle: int) -> None:
        """Start behind an accepted row that was counted already."""
        self.add(ts_ns, middle)
        self.count = 0

    def add_block(self, columns: tuple[bytes, ...], rows: int) -> None:
        """Let a block's rows wait: times and prices of prints, or times, bids and asks of quotes."""
        self._ts.append(columns[0])
        self._one.append(columns[1])
        self._other.append(columns[-1])
        self.count += rows

    def add(self, ts_ns: int, middle: int) -> None:
        """Let one row wait."""
        half = middle // 2
        self._ts.append(ts_ns.to_bytes(8, "little", signed=True))
        self._one.append(half.to_bytes(8, "little", signed=True))
        self._other.append((middle - half).to_bytes(8, "little", signed=True))
        self.count += 1

    def take(self) -> Rows:
        """Return the rows, and wait for others."""
        ts_ns, one, other = (_joined(parts) for parts in (self._ts, self._one, self._other))
        self._clear()
        return Rows(ts_ns, one + other)


def _joined(parts: list[bytes]) -> NDArray[np.int64]:
    return np.frombuffer(b"".join(parts), dtype="<i8")
