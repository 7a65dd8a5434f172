"""`millrace study`: questions that one run cannot answer, asked of many runs and answered with a table.

`estimators` asks which estimate of fill time is right where the truth is known; nothing of it touches a recording.
`quoting` fits the quote desk's models to recordings, and prints what belongs into the configuration.
`slots` runs the grid in every declared variant over every month of the declared recordings. It reads no environment, so
that a study is what its file says.
"""

import argparse
import sys

from millrace.cli.terms import OK, Grammar, UsageError, json_text, progress_bar

_REPEATS = 400
_LIMIT = 50.0
"""Base sizes of the desk's largest position by its own settings: 5,000 of 100 USD."""


def grammar(studies: "argparse._SubParsersAction[Grammar]") -> None:
    """Add the studies, each with its flags."""
    estimators = studies.add_parser("estimators", help="estimates of fill time against a known truth")
    estimators.add_argument("--seed", type=int, default=1, metavar="SEED", help="of everything that is drawn (1)")
    estimators.add_argument(
        "--repeats", type=int, default=_REPEATS, metavar="N", help=f"draws of each case ({_REPEATS})"
    )
    estimators.add_argument("--json", action="store_true", help="print one JSON object")
    quoting = studies.add_parser("quoting", help="the quote desk's models fitted to recorded books and trades")
    quoting.add_argument("--data", required=True, nargs="+", metavar="FILE", help="recorded streams, each on its own")
    quoting.add_argument("--limit", type=float, default=_LIMIT, metavar="SIZES", help=f"largest position ({_LIMIT:g})")
    quoting.add_argument("--json", action="store_true", help="print one JSON object")
    slots = studies.add_parser("slots", help="the slot grid in many variants over many months")
    slots.add_argument("--plan", required=True, metavar="FILE", help="the study as TOML: recordings, axes, levels")
    slots.add_argument("--data", required=True, metavar="DIR", help="the folder of the recordings")
    slots.add_argument("--results", metavar="DIR", help="keep finished runs here, and make only those that are missing")
    slots.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that share the work (1)")
    slots.add_argument("--cluster", metavar="ADDRESS", help="let the workers of this Dask scheduler do it")
    slots.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Carry out one study and print its table."""
    return {"slots": _slots, "quoting": _quoting, "estimators": _estimators}[str(given.study)](given)


def _quoting(given: argparse.Namespace) -> int:
    from pathlib import Path

    from millrace.research.quoting_calibration import calibrate, calibration_text
    from millrace.world.quoting.recordings import open_recording

    if not 1.0 <= given.limit < float("inf"):
        raise UsageError("--limit counts base sizes and is at least 1")
    found = []
    with progress_bar(given, "quoting") as progress:
        for number, name in enumerate(given.data, start=1):
            found.append(calibrate(open_recording(Path(name)).rows(), given.limit))
            progress(number / len(given.data))
    print(json_text({"figures": found}) if given.json else "\n".join(calibration_text(one) for one in found))
    return OK


def _slots(given: argparse.Namespace) -> int:
    import signal
    from pathlib import Path

    from millrace.research.study_table import study_text
    from millrace.world.studies.plan import read_plan
    from millrace.world.studies.study import run_study

    if given.jobs < 1 or (given.cluster and given.jobs > 1):
        raise UsageError("--jobs is at least 1, and does not go with --cluster: all workers of a cluster are used")
    plan = read_plan(Path(given.plan))
    results = Path(given.results) if given.results else None
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # an interrupt ends the workers too
    try:
        with progress_bar(given, "study") as progress:
            found = run_study(
                plan, Path(given.data), results=results, jobs=given.jobs, cluster=given.cluster, progress=progress
            )
    finally:
        signal.signal(signal.SIGTERM, before)
    print(json_text(found) if given.json else f"{study_text(found.table)}\n* {found.runs} runs by {found.code}.")
    print(f"millrace: {found.runs} runs, {found.fresh} of them made now", file=sys.stderr)
    return OK


def _estimators(given: argparse.Namespace) -> int:
    from millrace.research.estimator_study import compare_estimators, estimator_table

    if given.repeats < 1 or given.seed < 0:
        raise UsageError("--repeats is at least 1, --seed at least 0")
    with progress_bar(given, "estimators") as progress:
        rows = compare_estimators(given.seed, given.repeats, progress)
    print(
        json_text({"seed": given.seed, "repeats": given.repeats, "rows": rows}) if given.json else estimator_table(rows)
    )
    return OK
