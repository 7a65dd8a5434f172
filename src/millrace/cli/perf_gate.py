"""`millrace perf-gate` and `millrace baseline`: whether the quoting stages became slower, and what they are held to.

Exit codes of the gate: 0 nothing is slower, 1 at least one stage is, 2 the input cannot be used. A stage that is
missing is input that cannot be used.
"""

import argparse
from typing import TYPE_CHECKING

from millrace.cli.terms import FAILED, OK, Grammar, json_text

if TYPE_CHECKING:
    from pathlib import Path

    from millrace.research.perf_baseline import StageChange


def grammar(gate: argparse.ArgumentParser) -> None:
    """Add the gate's flags."""
    gate.add_argument("--baseline", metavar="FILE", required=True, help="a profile, a budget file or a lock")
    gate.add_argument("--current", metavar="FILE", required=True, help="the profile to judge")
    gate.add_argument("--threshold", type=float, metavar="PCT", help="allowed growth (the baseline's own, or 3.0)")
    gate.add_argument("--metric", default="p95", metavar="NAME", help="p50, p95 or p99 (default: p95)")
    gate.add_argument("--min-abs-us", type=float, default=5.0, metavar="US", help="smaller changes are none (5)")
    gate.add_argument("--require", default="all", metavar="LIST", help="all, or stages with commas between them")
    gate.add_argument("--output", metavar="FILE.md", help="write the report as a page")
    gate.add_argument(
        "--json", nargs="?", const="", metavar="FILE", help="write the report as JSON; without FILE print it"
    )


def run(given: argparse.Namespace) -> int:
    """Compare two profiles and print the report."""
    from pathlib import Path

    from millrace.capacity.stage_budgets import STAGES
    from millrace.research.perf_gate import compare, markdown
    from millrace.research.perf_profile import read_profile

    required = STAGES if given.require == "all" else tuple(name.strip() for name in given.require.split(","))
    report = compare(
        read_profile(Path(given.baseline)),
        read_profile(Path(given.current)),
        threshold_pct=given.threshold,
        metric=given.metric,
        min_abs_us=given.min_abs_us,
        required=required,
    )
    page = markdown(report)
    if given.output:
        _write(Path(given.output), page)
    if given.json:
        _write(Path(given.json), json_text(report) + "\n")
    print(json_text(report) if given.json == "" else page, end="\n" if given.json == "" else "")
    return OK if report.passed else FAILED


def baseline_grammar(actions: "argparse._SubParsersAction[Grammar]") -> None:
    """Add what can be done with a baseline."""
    update = actions.add_parser("update", help="make a measured profile of real ticks the baseline")
    update.add_argument("--profile", metavar="FILE", required=True, help="what was measured")
    update.add_argument("--baseline", metavar="FILE", required=True, help="the baseline to write")
    update.add_argument("--dry-run", action="store_true", help="show what would change and write nothing")
    update.add_argument("--accept-regression", default="", metavar="REASON", help="why a slower baseline is right")
    update.add_argument("--json", action="store_true", help="print one JSON object")
    lock = actions.add_parser("lock", help="freeze a baseline with its limits under a seal")
    lock.add_argument("--baseline", metavar="FILE", required=True, help="the baseline")
    lock.add_argument("--output", metavar="FILE", required=True, help="the lock to write")
    lock.add_argument("--json", action="store_true", help="print one JSON object")


def run_baseline(given: argparse.Namespace) -> int:
    """Update or lock a baseline."""
    from pathlib import Path

    from millrace.research import perf_baseline

    if given.action == "lock":
        document = perf_baseline.lock(Path(given.baseline))
        _write(Path(given.output), json_text(document) + "\n")
        print(
            json_text(document) if given.json else f"locked {given.baseline} in {given.output}, seal {document['seal']}"
        )
        return OK
    found = perf_baseline.update(Path(given.profile), Path(given.baseline), reason=given.accept_regression)
    if not given.dry_run:
        _write(Path(given.baseline), json_text(found.document) + "\n")
    if given.json:
        print(json_text({"written": not given.dry_run, "accepted": found.accepted, "changes": found.changes}))
    else:
        for row in found.changes:
            print(_change_line(row))
        print("nothing written (--dry-run)" if given.dry_run else f"written to {given.baseline}")
    return OK


def _change_line(row: "StageChange") -> str:
    if row.old_ms is None or row.change_pct is None:
        return f"{row.stage:<18} p95 {'-':>10} -> {row.new_ms:>10.6g} ms"
    return f"{row.stage:<18} p95 {row.old_ms:>10.6g} -> {row.new_ms:>10.6g} ms  {row.change_pct:+.2f} %"


def _write(path: "Path", text: str) -> None:
    """Write a file so that a reader sees the old one or the whole new one."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
