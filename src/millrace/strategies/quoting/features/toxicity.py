"""How one-sided trading is, counted by volume and not by time: VPIN of Easley, Lopez de Prado and O'Hara (2012).

Trades fill buckets of equal volume, and the figure is the share of the last fifty buckets' volume that was bought more
than sold or sold more than bought: 0 where takers balance, 1 where all of them go one way. A bucket is a fiftieth of
what an hour trades here lately, so the figure looks back about an hour in any market. The venue says who took, so no
side has to be guessed from prices (quoting 4.3, addition 7).
"""

from collections import deque
from typing import Any

from millrace.core.instrument import Lots
from millrace.strategies.quoting.features.windows import GridWindow

_BUCKETS = 50
_GRID_MS = 10_000
_HOUR_MS = 3_600_000
_KNOWN_MS = 60_000
"""Time of watching before an hour's volume is guessed from it."""


class Toxicity:
    """The buckets of one symbol."""

    __slots__ = ("_bought", "_buckets", "_from_ms", "_hour", "_size", "_sold", "_uneven", "_volume")

    def __init__(self) -> None:
        self._hour = GridWindow(_GRID_MS, _HOUR_MS)
        self._from_ms = 0
        self._buckets: deque[tuple[Lots, Lots]] = deque()  # lots of a full bucket, and by how many its sides differ
        self._volume = 0
        self._uneven = 0
        self._size: Lots = 0  # of the bucket that is being filled; 0 before the first
        self._bought: Lots = 0
        self._sold: Lots = 0

    def observe(self, ms: int, lots: Lots, sold: Lots) -> None:
        """Take a trade: its lots, and how many of them a seller took; the rest a buyer took."""
        if not self._from_ms:
            self._from_ms = ms
        self._hour.add(ms, lots)
        if ms - self._from_ms < _KNOWN_MS:
            return
        if not self._size:
            self._size = self._next_size(ms)
        bought = lots - sold
        while bought + sold >= (room := self._size - self._bought - self._sold):
            part = sold * room // (bought + sold)  # a trade that fills a bucket goes into it with both its sides
            self._close(self._bought + room - part, self._sold + part)
            bought, sold = bought - room + part, sold - part
            self._bought = self._sold = 0
            self._size = self._next_size(ms)
        self._bought += bought
        self._sold += sold

    def _next_size(self, ms: int) -> Lots:
        """Return a fiftieth of an hour's volume; the trade at hand is in it, so none fills many more than fifty."""
        self._hour.expire(ms)
        watched_ms = min(max(ms - self._from_ms, _KNOWN_MS), _HOUR_MS)
        return max(1, self._hour.a * _HOUR_MS // (watched_ms * _BUCKETS))

    def _close(self, bought: Lots, sold: Lots) -> None:
        self._buckets.append((bought + sold, abs(bought - sold)))
        self._volume += bought + sold
        self._uneven += abs(bought - sold)
        if len(self._buckets) > _BUCKETS:
            volume, uneven = self._buckets.popleft()
            self._volume -= volume
            self._uneven -= uneven

    def vpin(self) -> float | None:
        """Return the uneven share of the last fifty buckets, None before there are so many."""
        return self._uneven / self._volume if len(self._buckets) == _BUCKETS else None

    def snapshot(self) -> list[Any]:
        """Return the state as builtins."""
        buckets = [list(bucket) for bucket in self._buckets]
        return [self._hour.snapshot(), self._from_ms, buckets, self._size, self._bought, self._sold]

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave."""
        hour, self._from_ms, buckets, self._size, self._bought, self._sold = state
        self._hour.restore(hour)
        self._buckets = deque((volume, uneven) for volume, uneven in buckets)
        self._volume = sum(volume for volume, _ in self._buckets)
        self._uneven = sum(uneven for _, uneven in self._buckets)
