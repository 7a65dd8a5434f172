"""What goes wrong in a world, and when: the whole schedule follows from the seed.

Each seed leaves some kinds of trouble out, so that others are seen alone and in pairs; the last part of every run is
quiet, because only then can be judged whether everything heals (runtime 2.21 rule 6). A new kind is one more entry of
`Kind`, a line in `_KINDS`, and a line where the world does its deeds.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from msgspec import structs

from millrace.sim.dice import Dice
from millrace.sim.faults import CALL_FAULTS, NEWS_FAULTS, Fault, FaultMenu

_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_LONGEST_QUIET_NS: Final = 20 * _MINUTE
SNAPSHOT_NS: Final = 5 * _MINUTE


class Kind(StrEnum):
    """One thing that happens to the world."""

    CALLS = "calls fail"
    STORM = "too many requests"
    OUTAGE = "outage"
    DISK_FULL = "disk full"
    SYNC_ERROR = "sync error"
    READ_ONLY = "disk read-only"
    LEDGER = "ledger fails"
    WELL = "disk and ledger well"
    KILL = "kill"
    POWER_LOSS = "power loss"
    STOP = "stop"
    SECOND = "second instance"
    VENUE_RESTART = "venue restarts with an empty book"
    PURGE = "venue purges orders"
    EXPIRY = "orders expire"
    SKEW = "the venue's clock goes wrong"
    CLOCK_STEP = "our clock steps ahead, and back"
    LITTLE_SPACE = "little space on the disk"
    KILL_FILE = "kill file"
    NO_KILL_FILE = "kill file gone"
    HALT = "operator halts"
    UNHALT = "operator lifts"
    ASK = "operator asks for something"
    SNAPSHOT = "snapshot"
    QUIET = "from now on nothing goes wrong"


class Deed(NamedTuple):
    """Something that happens at a time; `draw` decides what its kind leaves open."""

    at_ns: int
    kind: Kind
    draw: int


class FaultPlan(NamedTuple):
    """The schedule of one world; after `quiet_ns` nothing goes wrong any more."""

    menus: tuple[FaultMenu, ...]
    deeds: tuple[Deed, ...]
    quiet_ns: int
    end_ns: int


class _Rate(NamedTuple):
    """How often a kind happens in two hours, and how long it may last."""

    most: int
    longest_ns: int = 0


_KINDS: Final = {
    Kind.CALLS: _Rate(4, 10 * _MINUTE),
    Kind.STORM: _Rate(2, 2 * _MINUTE),
    Kind.OUTAGE: _Rate(2, 5 * _MINUTE),
    Kind.DISK_FULL: _Rate(2, 3 * _MINUTE),
    Kind.SYNC_ERROR: _Rate(2, 3 * _MINUTE),
    Kind.READ_ONLY: _Rate(1, 3 * _MINUTE),
    Kind.LEDGER: _Rate(2, 3 * _MINUTE),
    Kind.KILL: _Rate(3),
    Kind.POWER_LOSS: _Rate(2),
    Kind.STOP: _Rate(1),
    Kind.SECOND: _Rate(2),
    Kind.VENUE_RESTART: _Rate(1),
    Kind.PURGE: _Rate(2),
    Kind.EXPIRY: _Rate(3),
    Kind.SKEW: _Rate(1, 5 * _MINUTE),
    Kind.CLOCK_STEP: _Rate(2),
    Kind.LITTLE_SPACE: _Rate(1, 3 * _MINUTE),
    Kind.KILL_FILE: _Rate(1, 5 * _MINUTE),
    Kind.HALT: _Rate(1, 5 * _MINUTE),
    Kind.ASK: _Rate(24),
}
_RETRY_AFTER_NS: Final = 40 * _SECOND
_NEWS: Final = (*NEWS_FAULTS, Fault.ANSWER_LOST)
_MENUS: Final = frozenset({Kind.CALLS, Kind.STORM, Kind.OUTAGE})
_CLOSERS: Final = {Kind.HALT: Kind.UNHALT, Kind.KILL_FILE: Kind.NO_KILL_FILE} | dict.fromkeys(
    (Kind.DISK_FULL, Kind.SYNC_ERROR, Kind.READ_ONLY, Kind.LEDGER, Kind.SKEW, Kind.LITTLE_SPACE), Kind.WELL
)
PLACES: Final = 400
"""A death comes after at most so many of the places at which the program can die."""
_FEW: Final = 20
_PERIOD_NS: Final = 2 * _HOUR


def fault_plan(seed: int, first_ns: int, span_ns: int, kinds: frozenset[Kind] | None = None) -> FaultPlan:
    """Return the schedule of a world that begins at `first_ns` and lasts `span_ns`; `kinds` None draws which occur."""
    dice = Dice(seed, "plan")
    chosen = [kind for kind in _KINDS if (dice.often(500_000, "has", kind) if kinds is None else kind in kinds)]
    end_ns = first_ns + span_ns
    quiet_ns = end_ns - min(_LONGEST_QUIET_NS, span_ns // 2)
    menus: list[FaultMenu] = []
    deeds: list[Deed] = []
    for kind in chosen:
        rate = _KINDS[kind]
        for period in range(-(-span_ns // _PERIOD_NS)):
            for number in range(dice.between(1, rate.most, "count", kind, period)):
                name = (kind, period, number)
                at_ns = first_ns + period * _PERIOD_NS + dice.draw("at", *name) % min(_PERIOD_NS, span_ns)
                if at_ns >= quiet_ns:
                    continue
                until_ns = min(at_ns + dice.between(_SECOND, max(rate.longest_ns, _SECOND), "long", *name), quiet_ns)
                if kind in _MENUS:
                    menus.append(_menu(kind, dice.draw("menu", *name), at_ns, until_ns))
                else:
                    deeds.append(Deed(at_ns, kind, dice.draw("draw", *name)))
                if kind in _CLOSERS:
                    deeds.append(Deed(until_ns, _CLOSERS[kind], 0))
                if kind in _CLOSERS and kind is not Kind.HALT:
                    deeds += _companions(dice, name, at_ns, until_ns, quiet_ns)
    deeds += [Deed(at_ns, Kind.SNAPSHOT, 0) for at_ns in range(first_ns + SNAPSHOT_NS, end_ns, SNAPSHOT_NS)]
    deeds.append(Deed(quiet_ns, Kind.QUIET, 0))
    return FaultPlan(tuple(menus), tuple(sorted(deeds)), quiet_ns, end_ns)


def _companions(dice: Dice, name: tuple[str, int, int], at_ns: int, until_ns: int, quiet_ns: int) -> list[Deed]:
    """Return deaths while something else is wrong, and soon after: two troubles at once find more than one."""
    found = []
    if dice.often(333_333, "dies within", *name):
        found.append(Deed((at_ns + until_ns) // 2, Kind.KILL, _soon(dice.draw("within", *name))))
    if dice.often(333_333, "dies after", *name):
        later_ns = until_ns + dice.between(_SECOND, 2 * _MINUTE, "later", *name)
        found.append(Deed(later_ns, Kind.POWER_LOSS, _soon(dice.draw("after", *name))))
    return [deed for deed in found if deed.at_ns < quiet_ns]


def _soon(draw: int) -> int:
    """Return a draw whose death comes within a few places."""
    return draw - draw % PLACES + draw % _FEW


def _menu(kind: Kind, draw: int, from_ns: int, until_ns: int) -> FaultMenu:
    if kind is Kind.OUTAGE:
        lost = _window(draw, from_ns, until_ns, 1_000_000, (Fault.REQUEST_LOST,), 1_000_000, (Fault.ANSWER_LOST,))
        return structs.replace(lost, item_faults=())
    if kind is Kind.STORM:
        storm = _window(draw, from_ns, until_ns, 1_000_000, (Fault.RATE_LIMITED,), 0, ())
        return structs.replace(storm, retry_after_ns=_RETRY_AFTER_NS, item_faults=())
    calls = tuple(fault for number, fault in enumerate(CALL_FAULTS) if draw >> number & 1) or CALL_FAULTS
    share_ppm = 100_000 + draw // 1_024 % 800_001
    return _window(draw, from_ns, until_ns, share_ppm, calls, share_ppm, _NEWS)


def _window(
    draw: int,
    from_ns: int,
    until_ns: int,
    share_ppm: int,
    calls: tuple[Fault, ...],
    news_share_ppm: int,
    news: tuple[Fault, ...],
) -> FaultMenu:
    return FaultMenu(draw, share_ppm, news_share_ppm, from_ns, until_ns, call_faults=calls, news_faults=news)
