"""One short world, and the program killed in it at every place at which it can be, one after the other.

Elsewhere kills are sampled; here none is left out: before and after each operation of the disk, each commit, each call
that leaves, at each turn of the loop, and at every byte of the journal. For the bytes it is enough to live on from each
end of a record, because a journal that was torn anywhere behind it is opened to the very same bytes, and that is
checked for each (runtime 2.15 A2, 2.21).
"""

from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import get_context
from typing import Final

import msgspec

from millrace.core.journal_format import HEADER_BYTES, RECORD_OVERHEAD_BYTES, Record, read_segment
from millrace.shell.journal import Journal
from millrace.sim.memory_disk import MemoryDisk
from millrace.sim.plug import Plug
from millrace.world.demo import FIRST_NS
from millrace.world.faults.fault_plan import Deed, FaultPlan, Kind
from millrace.world.faults.fault_premises import FOLDER
from millrace.world.faults.fault_world import FaultWorld, Verdict

_NAME: Final = "journal-000001.mrj"
_MINUTE_NS: Final = 60 * 1_000_000_000
_SNAPSHOT_NS: Final = 3 * _MINUTE_NS
_QUIET_NS: Final = 4 * _MINUTE_NS
"""How long after the last possible kill a world lives on."""
_LIVELY: Final = {"slots.count": 6}


class Point(msgspec.Struct, frozen=True):
    """Where to die: after so many places; in a write, after so many of its bytes."""

    place: int
    at_byte: int = 0


class Sweep(msgspec.Struct, frozen=True):
    """What came of it: how many points and bytes were tried, of how many; `broken` says what broke, and where."""

    minutes: float
    places: int
    points: int
    journal_bytes: int
    bytes_tried: int
    orders: int
    broken: list[str]


def every_kill(seed: int, minutes: float, *, jobs: int = 1, stride: int = 1) -> Sweep:
    """Kill one world's program at every point; with `stride` only at every so manieth, and so for the bytes."""
    world, plug = _world(seed, minutes)
    writes: list[tuple[int, bytes]] = []
    plug.writes = writes
    whole = world.live()
    content = world.premises.medium.content()[f"{FOLDER}/{_NAME}"]
    points = [Point(place) for place in range(0, plug.passed, stride)]
    points += [Point(place, at) for place, at in _inside(content[:HEADER_BYTES], writes)][::stride]
    with_kill = partial(_killed, seed, minutes)
    broken = _lines(whole, Point(-1)) + [line for lines in _spread(with_kill, points, jobs) for line in lines]
    tried, torn = _torn_anywhere(content, stride)
    return Sweep(minutes, plug.passed, len(points), len(content), tried, whole.orders, broken + torn)


def _world(seed: int, minutes: float) -> tuple[FaultWorld, Plug]:
    """Return a world in which nothing goes wrong by itself, and its plug."""
    killing_ns = round(minutes * _MINUTE_NS)
    snapshots = tuple(Deed(FIRST_NS + at, Kind.SNAPSHOT, 0) for at in range(_SNAPSHOT_NS, killing_ns, _SNAPSHOT_NS))
    end_ns = FIRST_NS + killing_ns
    plan = FaultPlan((), snapshots, end_ns, end_ns + _QUIET_NS)
    world = FaultWorld(seed, killing_ns + _QUIET_NS, plan=plan, changes=dict(_LIVELY))
    return world, world.premises.plug


def _killed(seed: int, minutes: float, point: Point) -> list[str]:
    """Live through the world with one death; every third takes the power with it."""
    world, _ = _world(seed, minutes)
    number = point.place + point.at_byte
    world.die_at(point.place, point.at_byte, power_loss=number % 3 == 0, number=number)
    return _lines(world.live(), point)


def _lines(verdict: Verdict, point: Point) -> list[str]:
    return [
        f"killed at {point.place}, byte {point.at_byte}: {oracle}: {text}" for _, oracle, text in verdict.violations
    ]


def _inside(header: bytes, writes: list[tuple[int, bytes]]) -> Iterator[tuple[int, int]]:
    """Yield for each write a byte in the middle of its first record, and the ends of all but its last."""
    for place, data in writes:
        ends = [end - HEADER_BYTES for end in _ends(header + data)]
        if ends:  # a segment's header is one write too, and holds no record
            yield place, ends[0] // 2
            yield from ((place, end) for end in ends[:-1])


def _spread(live: Callable[[Point], list[str]], points: list[Point], jobs: int) -> Iterator[list[str]]:
    if jobs == 1:
        yield from map(live, points)
        return
    with get_context("spawn").Pool(jobs) as workers:
        yield from workers.imap_unordered(live, points, chunksize=50)


def _torn_anywhere(content: bytes, stride: int) -> tuple[int, list[str]]:
    """Open the journal torn at each of its bytes: what is left must be what was whole before, and nothing else.

    The record before the torn one stands for all before it: reading goes from record to record.
    """
    header, path = content[:HEADER_BYTES], FOLDER / _NAME
    wrong, tried, before, begin = [], 0, HEADER_BYTES, HEADER_BYTES
    for end in _ends(content):
        for cut in range(begin, end, stride):
            disk = MemoryDisk(Plug())
            disk.replace(path, header + content[before:cut])
            Journal(FOLDER, disk).close()
            tried += 1
            if disk.read(path) != header + content[before:begin]:
                wrong.append(f"torn at byte {cut}: not opened to what was whole before")
        before, begin = begin, end
    return tried, wrong


def _ends(segment: bytes) -> list[int]:
    """Return where each whole record of a segment ends."""
    ends, at = [], HEADER_BYTES
    for found in read_segment(segment, _NAME, last=True):
        if isinstance(found, Record):
            at += RECORD_OVERHEAD_BYTES + len(found.payload)
            ends.append(at)
    return ends
