"""Sums over the last stretch of time, exact and of bounded size, whoever asks how often.

Events are added up in the cells of a fixed grid of time, and a window is its last cells, the present one included. The
sums are integers, so that taking an old cell away leaves nothing behind; at most `cells` of them are kept, also while
nobody asks.
"""

from collections import deque
from typing import Any


class GridWindow:
    """Count `n` and two integer sums, `a` and `b`, over the last `cells` cells of `grid_ms` each."""

    __slots__ = ("_cells", "_grid_ms", "_rows", "a", "b", "n")

    def __init__(self, grid_ms: int, window_ms: int) -> None:
        self._grid_ms = grid_ms
        self._cells = window_ms // grid_ms
        self._rows: deque[list[int]] = deque()  # [cell, n, a, b]
        self.n = 0
        self.a = 0
        self.b = 0

    def add(self, ms: int, a: int, b: int = 0) -> None:
        """Count an event of this time, which is not before the last one."""
        cell, rows = ms // self._grid_ms, self._rows
        if rows and rows[-1][0] >= cell:
            row = rows[-1]
            row[1] += 1
            row[2] += a
            row[3] += b
        else:
            self.expire(ms)
            rows.append([cell, 1, +a, +b])  # numbers also of what was only true or false
        self.n += 1
        self.a += a
        self.b += b

    def expire(self, ms: int) -> None:
        """Let what is too old by now drop out; to be called before the sums are read."""
        rows, oldest = self._rows, ms // self._grid_ms - self._cells
        while rows and rows[0][0] <= oldest:
            _, n, a, b = rows.popleft()
            self.n -= n
            self.a -= a
            self.b -= b

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()
        self.n = self.a = self.b = 0

    def snapshot(self) -> list[list[int]]:
        """Return the state as builtins."""
        return [list(row) for row in self._rows]

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.clear()
        self._rows.extend([list(row) for row in state])
        for _, n, a, b in self._rows:
            self.n += n
            self.a += a
            self.b += b
