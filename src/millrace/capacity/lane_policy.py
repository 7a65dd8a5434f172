"""Which lanes are scanned in a cycle, how deep, and what a late or broken one costs it (runtime 2.10).

A scan runs outside the step and may come late or not at all, and then it contributes nothing: the shell measures, and
says so by an event. Everything here follows from these events and the time that they carry, so a replay comes to the
same depths, the same halts and the same merged list without running a single scan. A lane that cannot be served now is
served in a later cycle; none is skipped in silence.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from millrace.core.binary_events import LaneScanned, LaneStatus

_MILLI, _SECOND = 1_000_000, 1_000_000_000
_PPM = 1_000_000
Item = TypeVar("Item")


class LaneBudgets(msgspec.Struct, frozen=True, kw_only=True):
    """Budgets in nanoseconds, with the contract's defaults; `slots` is how many scans run at once.

    Depth is how many candidates, or connected components, one scan looks at.
    """

    slots: int = 2
    cycle_ns: int = _SECOND
    soft_ns: int = 150 * _MILLI
    hard_ns: int = 400 * _MILLI
    depth: int = 640
    least_depth: int = 10
    misses: int = 3
    recover_ppm: int = 100_000
    clean_ns: int = 60 * _SECOND
    errors: int = 5
    errors_ns: int = 60 * _SECOND


class LaneNews(NamedTuple):
    """What an answer changed: the lane has to be halted, or looks less deep than before; nothing if not `asked` for."""

    asked: bool = True
    halt: bool = False
    shallower: bool = False


class _Lane(msgspec.Struct):
    depth: int
    deficit_ns: int = 0
    cost_ns: int = 0
    scan: int = 0
    waiting: bool = False
    misses: int = 0
    clean_from_ns: int = 0
    errors_ns: list[int] = []
    halted: bool = False


class _Saved(msgspec.Struct):
    lanes: dict[str, _Lane]
    turn: int
    cycle_ns: int
    scans: int


class LanePolicy:
    """The lanes of one strategy, in the order of their rank."""

    def __init__(self, lanes: Sequence[str], budgets: LaneBudgets) -> None:
        self._budgets = budgets
        self._lanes = {lane: _Lane(budgets.depth, cost_ns=budgets.soft_ns) for lane in lanes}
        self._turn = 0
        self._cycle_ns = -budgets.cycle_ns
        self._scans = 0

    @property
    def next_ns(self) -> int:
        """When the next cycle may begin."""
        return self._cycle_ns + self._budgets.cycle_ns

    def due(self, now_ns: int) -> list[tuple[str, int]]:
        """Return the lanes to scan now, each with the number of its scan; empty within a cycle.

        With no more lanes than slots all are due. Beyond that they take turns by deficit round robin: each waiting lane
        is credited the soft budget, and one whose scans come late costs more.
        """
        if now_ns < self.next_ns:
            return []
        self._cycle_ns = now_ns
        budgets = self._budgets
        ready = [name for name, lane in self._lanes.items() if not (lane.halted or lane.waiting)]
        free = budgets.slots - sum(lane.waiting for lane in self._lanes.values())
        if len(ready) > free:
            ready = self._in_turn(ready, max(free, 0))
        found = []
        for name in ready:
            self._scans += 1
            lane = self._lanes[name]
            lane.scan, lane.waiting = self._scans, True
            found.append((name, self._scans))
        return found

    def _in_turn(self, ready: list[str], free: int) -> list[str]:
        for name in ready:
            lane = self._lanes[name]
            lane.deficit_ns = min(lane.deficit_ns, self._budgets.hard_ns) + self._budgets.soft_ns
        names = list(self._lanes)
        turned = [name for name in names[self._turn :] + names[: self._turn] if name in ready]
        taken = [name for name in turned if self._lanes[name].deficit_ns >= self._lanes[name].cost_ns][:free]
        for name in taken:
            self._lanes[name].deficit_ns -= self._lanes[name].cost_ns
            self._turn = (names.index(name) + 1) % len(names)
        return taken

    def heard(self, event: LaneScanned) -> LaneNews:
        """Take a scan's answer; one that was not asked for changes nothing.

        Three misses in a row halve the depth. Five errors within a minute say that the lane must be halted.
        """
        lane = self._lanes.get(event.lane)
        if lane is None or not lane.waiting or lane.scan != event.scan:
            return LaneNews(asked=False)
        lane.depth, lane.clean_from_ns = self._recovered(lane, event.ts_ns)
        lane.waiting = False
        lane.cost_ns = self._budgets.soft_ns
        match event.status:
            case LaneStatus.DONE:
                lane.misses = 0
                return LaneNews()
            case LaneStatus.LATE:
                return self._missed(lane, event.ts_ns)
            case LaneStatus.FAILED:
                return self._failed(lane, event.ts_ns)

    def _missed(self, lane: _Lane, ts_ns: int) -> LaneNews:
        lane.cost_ns = self._budgets.hard_ns
        lane.misses += 1
        lane.clean_from_ns = ts_ns
        if lane.misses < self._budgets.misses:
            return LaneNews()
        lane.misses = 0
        before = lane.depth
        lane.depth = max(before // 2, self._budgets.least_depth)
        return LaneNews(shallower=lane.depth < before)

    def _failed(self, lane: _Lane, ts_ns: int) -> LaneNews:
        budgets = self._budgets
        lane.misses = 0
        lane.clean_from_ns = ts_ns
        recent = [at_ns for at_ns in lane.errors_ns if ts_ns - at_ns < budgets.errors_ns]
        lane.errors_ns = [*recent, ts_ns][-budgets.errors :]
        halt = len(lane.errors_ns) == budgets.errors and not lane.halted
        lane.halted = lane.halted or halt
        return LaneNews(halt=halt)

    def _recovered(self, lane: _Lane, now_ns: int) -> tuple[int, int]:
        """A lane's depth after its clean minutes, a tenth of the full depth for each, and from when the next counts."""
        minutes = max(now_ns - lane.clean_from_ns, 0) // self._budgets.clean_ns
        gained = minutes * self._budgets.depth * self._budgets.recover_ppm // _PPM
        return min(lane.depth + gained, self._budgets.depth), lane.clean_from_ns + minutes * self._budgets.clean_ns

    def depth(self, lane: str, now_ns: int) -> int:
        """Return how deep a lane looks."""
        return self._recovered(self._lanes[lane], now_ns)[0]

    def halted(self, lane: str) -> bool:
        """Tell whether a lane was halted by its errors."""
        return self._lanes[lane].halted

    def resume(self, lane: str) -> None:
        """Let a halted lane run again; its errors are forgotten."""
        self._lanes[lane].halted = False
        self._lanes[lane].errors_ns = []

    def forget_asked(self) -> None:
        """Stop waiting for scans: after a start nobody answers those of the life before."""
        for lane in self._lanes.values():
            lane.waiting = False

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        saved = _Saved(self._lanes, self._turn, self._cycle_ns, self._scans)
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; lanes that exist no more are dropped, new ones start fresh."""
        saved = msgspec.convert(state, _Saved)
        self._lanes |= {name: lane for name, lane in saved.lanes.items() if name in self._lanes}
        self._turn = saved.turn % max(len(self._lanes), 1)
        self._cycle_ns, self._scans = saved.cycle_ns, saved.scans


def merged(
    found: Mapping[str, Sequence[Item]],
    rank: Sequence[str],
    score: Callable[[Item], float],
    key: Callable[[Item], str],
) -> list[Item]:
    """Return the items of all lanes by lane rank, descending score and key, in whatever order the lanes answered."""
    return [item for lane in rank if lane in found for item in _ranked(found[lane], score, key)]


def _ranked(items: Sequence[Item], score: Callable[[Item], float], key: Callable[[Item], str]) -> list[Item]:
    """Return items by descending score; a key is asked only of those whose score another has as well."""
    if len(items) == 1:
        return [*items]
    scores = [-score(item) for item in items]
    shared = Counter(scores)
    keys = [key(item) if shared[one] > 1 else "" for one, item in zip(scores, items, strict=True)]
    return [items[at] for at in sorted(range(len(items)), key=lambda at: (scores[at], keys[at]))]
