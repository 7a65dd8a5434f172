"""`millrace simtest`: the whole program in worlds that go wrong, one per seed.

Exit code 1 means that an oracle was broken; the line above says which, and how to live through that world again.
"""

import argparse
import sys

from millrace.cli.terms import FAILED, OK, UsageError, json_text

SHORTEST_HOURS, LONGEST_HOURS = 1 / 12, 744.0
LONGEST_SWEEP_MINUTES = 60.0


def grammar(simtest: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    simtest.add_argument("--seeds", type=int, default=20, metavar="N", help="how many worlds (20), from --first on")
    simtest.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (0)")
    simtest.add_argument("--seed", type=int, metavar="SEED", help="this one world")
    simtest.add_argument("--desk", choices=("slots", "arb", "quoting"), default="slots", help="who lives there (slots)")
    simtest.add_argument("--hours", type=float, default=2.0, metavar="H", help="simulated hours of each world (2)")
    simtest.add_argument("--minutes", type=float, metavar="M", help="the same in minutes")
    simtest.add_argument("--jobs", type=int, default=1, metavar="J", help="processes that share the work (1)")
    simtest.add_argument("--resume", metavar="FILE", help="keep verdicts here, and skip the worlds that are in it")
    simtest.add_argument("--trace", action="store_true", help="with --seed: tell what happens in it")
    simtest.add_argument(
        "--every-kill", type=float, metavar="MINUTES", help="one short world, killed at every place and byte in turn"
    )
    simtest.add_argument("--stride", type=int, default=1, metavar="N", help="with --every-kill: every Nth only (1)")
    simtest.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Live through fault worlds."""
    from pathlib import Path

    from millrace.shell.clock import WallClock
    from millrace.world.faults.simtest import live, sit, told
    from millrace.world.sitting import clock_text

    if given.minutes is not None:
        given.hours = given.minutes / 60.0
    if given.seeds < 1 or given.jobs < 1 or not SHORTEST_HOURS <= given.hours <= LONGEST_HOURS:
        raise UsageError(f"--seeds and --jobs are at least 1, --hours from {SHORTEST_HOURS:g} to {LONGEST_HOURS:g}")
    if given.stride < 1 or (given.every_kill is not None and not 1 <= given.every_kill <= LONGEST_SWEEP_MINUTES):
        raise UsageError(f"--stride is at least 1, --every-kill from 1 to {LONGEST_SWEEP_MINUTES:g} minutes")
    if given.every_kill is not None:
        if given.desk != "slots":
            raise UsageError("--every-kill is of the grid's world; leave --desk out")
        return _every_kill(given)
    if given.trace:
        if given.seed is None:
            raise UsageError("--trace needs --seed: one world at a time can be told")
        verdict = live(
            given.seed,
            given.hours,
            lambda ts_ns, text: print(clock_text(ts_ns), text, file=sys.stderr),
            desk=given.desk,
        )
        print(
            json_text(verdict._asdict())
            if given.json
            else "\n".join(told(verdict, given.desk)) or f"sound: {verdict.world_hash}"
        )
        return FAILED if verdict.violations else OK
    sitting = sit(
        range(given.first, given.first + given.seeds) if given.seed is None else [given.seed],
        given.hours,
        WallClock().monotonic_ns,
        jobs=given.jobs,
        desk=given.desk,
        resume=Path(given.resume) if given.resume else None,
        show=lambda verdict: print("".join(f"{line}\n" for line in told(verdict, given.desk)), end="", file=sys.stderr),
    )
    count = f"{sitting.seeds} worlds of {sitting.hours:.3g} h, {sitting.lives} lives, {sitting.orders:,} orders"
    if sitting.closings:
        count += f", {sitting.closings:,} closings"
    text = f"{count}; {sitting.violations} violations; {sitting.speed:,.0f} x real time on a core"
    print(json_text(sitting) if given.json else text)
    return FAILED if sitting.violations else OK


def _every_kill(given: argparse.Namespace) -> int:
    """Kill one world's program at every place."""
    from millrace.world.faults.every_kill import every_kill

    sweep = every_kill(given.seed or 0, given.every_kill, jobs=given.jobs, stride=given.stride)
    for line in sweep.broken:
        print(line, file=sys.stderr)
    count = (
        f"{sweep.points:,} deaths at {sweep.places:,} places, {sweep.bytes_tried:,} of {sweep.journal_bytes:,} bytes"
    )
    print(json_text(sweep) if given.json else f"{count}; {len(sweep.broken)} violations")
    return FAILED if sweep.broken else OK
