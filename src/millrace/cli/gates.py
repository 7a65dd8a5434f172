"""`millrace gates`: whether a run may go to its next stage, judged from its own records.

Each check is a line with its value, its limit, its verdict and since when. The exit code is 0 when every gate that was
asked for is green and 1 when one is not, so that a roll-out script can wait for it.
"""

import argparse
from typing import TYPE_CHECKING

from millrace.cli.terms import FAILED, OK, Grammar, json_text

if TYPE_CHECKING:
    from millrace.strategies.slots.stages.gate_check import Gate

GATES = ("A", "B", "C")
SECOND_NS = 1_000_000_000
MARKS = {"pass": "green", "fail": "RED", "not_enough_data": "wait"}


def grammar(strategies: "argparse._SubParsersAction[Grammar]") -> None:
    """Add the command's strategies and flags."""
    slots = strategies.add_parser("slots", help="the slot grid's gates A, B and C")
    slots.add_argument("--dir", default="runs/demo", metavar="DIR", help="the run's folder (default: runs/demo)")
    slots.add_argument("--gate", action="append", choices=GATES, help="only this gate; may be repeated (default: all)")
    slots.add_argument("--since", metavar="TIME", help="judge from here on, as 2026-01-31 or 2026-01-31T12:00 (UTC)")
    slots.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Judge a run's gates and print them."""
    from pathlib import Path

    from millrace.world.afterwards.gates_run import judge

    gates = judge(Path(given.dir), given.gate or GATES, _since_ns(given.since))
    passed = all(gate.passes for gate in gates)
    if given.json:
        print(json_text({"pass": passed, "gates": {gate.name: gate.status() for gate in gates}}))
    else:
        print("\n".join(line for gate in gates for line in _lines(gate)))
    return OK if passed else FAILED


def _since_ns(text: str | None) -> int:
    """Return a time of the command line in ns; raises OperatorError when it is none."""
    from datetime import UTC, datetime

    from millrace.core.failure import OperatorError

    if text is None:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise OperatorError(f"--since {text} is no time; write 2026-01-31 or 2026-01-31T12:00") from error
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * SECOND_NS)


def _lines(gate: "Gate") -> list[str]:
    rows = [f"{gate.name}  {MARKS[gate.verdict]:<5}  {gate.title}{_since(gate.since_ns)}"]
    for check in gate.checks:
        value = "-" if check.value is None else f"{check.value:.6g}"
        told = f"   {check.reason}" if check.reason else _since(check.since_ns)
        rows.append(
            f"   {MARKS[check.verdict]:<5}  {check.name:<24} {value:>10} {check.rule} {check.limit:<8.6g}{told}"
        )
    return rows


def _since(ts_ns: int | None) -> str:
    from datetime import UTC, datetime

    if ts_ns is None:
        return ""
    return f"   since {datetime.fromtimestamp(ts_ns // SECOND_NS, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"
