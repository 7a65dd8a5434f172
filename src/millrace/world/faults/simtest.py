"""Many fault worlds, one per seed: what `millrace simtest` does.

Worlds share nothing, so they are spread over processes, and a file of verdicts lets a long sitting be continued. A
world that breaks an oracle is shown with the command that lives through it again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import msgspec

from millrace.core.failure import OperatorError
from millrace.shell.code_version import code_version
from millrace.world.faults.desk_world import DeskWorld
from millrace.world.faults.fault_world import FaultWorld, Verdict
from millrace.world.faults.quote_world import QuoteWorld
from millrace.world.sitting import clock_text

_HOUR_NS: Final = 3_600 * 1_000_000_000
_PER_WORKER: Final = 200
"""Worlds that a process lives through before a fresh one takes over: memory stays bounded, whatever leaks."""


class Sitting(msgspec.Struct, frozen=True):
    """What a number of worlds came to; `seconds` is what they cost here, `speed` simulated time over that, per core."""

    seeds: int
    hours: float
    violations: int
    broken: list[str]
    seconds: float
    speed: float
    steps: int
    orders: int
    lives: int
    closings: int
    deeds: dict[str, int]


WORLDS: Final[dict[str, type[FaultWorld]]] = {"slots": FaultWorld, "arb": DeskWorld, "quoting": QuoteWorld}
"""Which strategy lives in a world, and the world."""


def live(
    seed: int, hours: float, tell: Callable[[int, str], None] = lambda _, __: None, *, desk: str = "slots"
) -> Verdict:
    """Live through one world of a strategy."""
    return WORLDS[desk](seed, round(hours * _HOUR_NS), tell=tell).live()


def sit(
    seeds: Iterable[int],
    hours: float,
    now_ns: Callable[[], int],
    *,
    jobs: int = 1,
    desk: str = "slots",
    resume: Path | None = None,
    show: Callable[[Verdict], None] = lambda _: None,
) -> Sitting:
    """Live through all seeds; `show` is called with each verdict, in the order of the seeds.

    With `resume` verdicts are kept in a file, and those already in it for the same code and hours are not lived again.
    """
    began_ns = now_ns()
    wanted = list(seeds)
    known = {} if resume is None else _kept(resume, hours, desk)
    todo = [seed for seed in wanted if seed not in known]
    verdicts = [known[seed] for seed in wanted if seed in known]
    for verdict in _lived(todo, hours, jobs, desk):
        verdicts.append(verdict)
        if resume is not None:
            with resume.open("ab") as file:
                file.write(msgspec.json.encode(_line(verdict, desk)) + b"\n")
        show(verdict)
    seconds = (now_ns() - began_ns) / 1e9
    deeds: Counter[str] = Counter()
    for verdict in verdicts:
        deeds.update(verdict.deeds)
    return Sitting(
        seeds=len(verdicts),
        hours=hours,
        violations=sum(len(verdict.violations) for verdict in verdicts),
        broken=[text for verdict in verdicts for text in told(verdict, desk)],
        seconds=seconds,
        speed=len(todo) * hours * 3_600 / (seconds * jobs) if seconds else 0.0,
        steps=sum(verdict.steps for verdict in verdicts),
        orders=sum(verdict.orders for verdict in verdicts),
        lives=sum(verdict.lives for verdict in verdicts),
        closings=sum(verdict.closings for verdict in verdicts),
        deeds=dict(sorted(deeds.items())),
    )


def _lived(seeds: list[int], hours: float, jobs: int, desk: str) -> Iterator[Verdict]:
    if jobs == 1 or len(seeds) == 1:
        yield from (live(seed, hours, desk=desk) for seed in seeds)
        return
    with get_context("spawn").Pool(jobs, maxtasksperchild=_PER_WORKER) as workers:
        yield from workers.imap(partial(live, hours=hours, desk=desk), seeds)


def told(verdict: Verdict, desk: str = "slots") -> list[str]:
    """Return what was broken in a world, a line each, and how to see it again; nothing for a sound one."""
    if not verdict.violations:
        return []
    lines = [f"seed {verdict.seed} at {clock_text(at)}: {oracle}: {text}" for at, oracle, text in verdict.violations]
    which = "" if desk == "slots" else f" --desk {desk}"
    return [*lines, f"  again: millrace simtest{which} --seed {verdict.seed} --hours {verdict.hours:.6g} --trace"]


def _line(verdict: Verdict, desk: str) -> dict[str, Any]:
    return {"code": code_version(), "desk": desk, "verdict": verdict}


def _kept(path: Path, hours: float, desk: str) -> dict[int, Verdict]:
    """Return the verdicts of a file that hold for this code; a torn last line is cut off."""
    if not path.exists():
        return {}
    found = {}
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    for number, line in enumerate(whole.splitlines()):
        try:
            row = msgspec.json.decode(line)
            known = (row["code"], row.get("desk", "slots"))
            verdict = msgspec.convert(row["verdict"], Verdict)
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            raise OperatorError(f"{path}: line {number + 1} is no verdict of simtest; name another file") from error
        if known == (code_version(), desk) and verdict.hours == hours:
            found[verdict.seed] = verdict
    if torn:
        path.write_bytes(whole + b"\n" if whole else b"")
    return found
