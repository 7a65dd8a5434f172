"""`millrace perf-gate` and `millrace baseline`: whether the quoting stages became slower, and what they are held to.

Exit codes of the gate: 0 nothing is slower, 1 at least one stage is, 2 the input cannot be used. A stage that is
missing is input that cannot be used. Given two files it compares them; with `--pair` it runs a commit and this code in
turn, which is what tells a change from noise.
"""

import argparse
from typing import TYPE_CHECKING

from millrace.cli.terms import FAILED, OK, Grammar, UsageError, json_text, progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    from millrace.research.perf_baseline import StageChange


def grammar(gate: argparse.ArgumentParser) -> None:
    """Add the gate's flags."""
    gate.add_argument("--baseline", metavar="FILE", help="a profile, a budget file or a lock")
    gate.add_argument("--current", metavar="FILE", help="the profile to judge")
    gate.add_argument("--pair", metavar="REV", help="instead: run this commit and the code here in turn, and compare")
    gate.add_argument("--pairs", type=int, default=7, metavar="N", help="with --pair: how often (7 or more)")
    gate.add_argument(
        "--ticks", type=int, default=5_000, metavar="N", help="with --pair: ticks of a run (5000 or more)"
    )
    gate.add_argument("--symbols", type=int, default=10, metavar="N", help="with --pair: symbols that tick (10)")
    gate.add_argument("--threshold", type=float, metavar="PCT", help="allowed growth (the baseline's own, or 3.0)")
    gate.add_argument("--metric", default="p95", metavar="NAME", help="p50, p95 or p99 (default: p95)")
    gate.add_argument(
        "--min-abs-us",
        type=float,
        metavar="US",
        help="smaller changes are none (5; with --pair 1, as runs cancel noise)",
    )
    gate.add_argument("--require", default="all", metavar="LIST", help="all, or stages with commas between them")
    gate.add_argument("--output", metavar="FILE.md", help="write the report as a page")
    gate.add_argument(
        "--json", nargs="?", const="", metavar="FILE", help="write the report as JSON; without FILE print it"
    )


def run(given: argparse.Namespace) -> int:
    """Compare two profiles, or a commit and the code here, and print the report."""
    if given.pair is not None:
        return _run_pair(given)
    if given.baseline is None or given.current is None:
        raise UsageError("name --baseline FILE and --current FILE, or --pair REV")
    from pathlib import Path

    from millrace.capacity.stage_budgets import STAGES
    from millrace.research.perf_gate import DEFAULT_MIN_ABS_US, compare, markdown
    from millrace.research.perf_profile import read_profile

    required = STAGES if given.require == "all" else tuple(name.strip() for name in given.require.split(","))
    report = compare(
        read_profile(Path(given.baseline)),
        read_profile(Path(given.current)),
        threshold_pct=given.threshold,
        metric=given.metric,
        min_abs_us=DEFAULT_MIN_ABS_US if given.min_abs_us is None else given.min_abs_us,
        required=required,
    )
    _tell(given, markdown(report), report)
    return OK if report.passed else FAILED


def _run_pair(given: argparse.Namespace) -> int:
    from millrace.research.perf_pair import DEFAULT_MIN_ABS_US, LEAST_PAIRS, LEAST_TICKS, judge, markdown
    from millrace.world.quoting.perf_runs import paired

    if given.baseline or given.current or given.threshold is not None or given.metric != "p95":
        raise UsageError("--pair has rules of its own: no --baseline, --current, --threshold or --metric")
    if given.pairs < LEAST_PAIRS or given.ticks < LEAST_TICKS:
        raise UsageError(f"--pair needs {LEAST_PAIRS} pairs of {LEAST_TICKS} ticks, or more")
    arguments = ("--ticks", str(given.ticks), "--symbols", str(given.symbols))
    with progress_bar(given, "running both versions in turn") as told:
        found = paired(given.pair, given.pairs, arguments, told)
    report = judge(found, min_abs_us=DEFAULT_MIN_ABS_US if given.min_abs_us is None else given.min_abs_us)
    _tell(given, markdown(report), report)
    return OK if report.passed else FAILED


def _tell(given: argparse.Namespace, page: str, report: object) -> None:
    """Write the report where that was asked for, and print it."""
    from pathlib import Path

    if given.output:
        _write(Path(given.output), page)
    if given.json:
        _write(Path(given.json), json_text(report) + "\n")
    print(json_text(report) if given.json == "" else page, end="\n" if given.json == "" else "")


def baseline_grammar(actions: "argparse._SubParsersAction[Grammar]") -> None:
    """Add what can be done with a baseline."""
    update = actions.add_parser("update", help="make a measured profile of real ticks the baseline")
    update.add_argument("--profile", metavar="FILE", required=True, help="what was measured")
    update.add_argument("--baseline", metavar="FILE", required=True, help="the baseline to write")
    update.add_argument("--dry-run", action="store_true", help="show what would change and write nothing")
    update.add_argument("--accept-regression", default="", metavar="REASON", help="why a slower baseline is right")
    update.add_argument("--json", action="store_true", help="print one JSON object")
    measure = actions.add_parser("measure", help="run the real pipeline and write what its stages took")
    measure.add_argument("--data", metavar="FILE", help="a recording of books and trades (default: generated ones)")
    measure.add_argument("--ticks", type=int, default=10_000, metavar="N", help="ticks in all (10000)")
    measure.add_argument("--symbols", type=int, default=10, metavar="N", help="generated symbols that tick (10)")
    measure.add_argument("--clock", choices=("cpu", "wall"), default="cpu", help="the gate compares CPU time (cpu)")
    measure.add_argument("--output", metavar="FILE", required=True, help="the profile to write")
    measure.add_argument("--json", action="store_true", help="print the profile")
    lock = actions.add_parser("lock", help="freeze a baseline with its limits under a seal")
    lock.add_argument("--baseline", metavar="FILE", required=True, help="the baseline")
    lock.add_argument("--output", metavar="FILE", required=True, help="the lock to write")
    lock.add_argument("--json", action="store_true", help="print one JSON object")


def run_baseline(given: argparse.Namespace) -> int:
    """Measure the stages, or update or lock a baseline."""
    if given.action == "measure":
        return _run_measure(given)
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


def _run_measure(given: argparse.Namespace) -> int:
    from datetime import UTC, datetime
    from pathlib import Path

    from millrace.world.quoting.perf_runs import commit_here
    from millrace.world.quoting.tick_workload import generated, measure, profile, recorded

    path = Path(given.data) if given.data else None
    workload = generated(given.ticks, given.symbols) if path is None else recorded(path, given.ticks)
    times = measure(workload, given.clock)
    moment = datetime.now(tz=UTC).isoformat(timespec="seconds")
    document = profile(workload, times, given.clock, commit_here(), moment)
    _write(Path(given.output), json_text(document) + "\n")
    if given.json:
        print(json_text(document))
    else:
        for stage, row in document["stages"].items():
            print(f"{stage:<18} " + "  ".join(f"{name} {row[name] * 1e3:7.1f} us" for name in ("p50", "p95", "p99")))
        print(f"{times.ticks} ticks, {given.clock} clock, {workload.source}; written to {given.output}")
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
