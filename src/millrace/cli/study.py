"""`millrace study`: questions that one run cannot answer, asked of many runs and answered with a table.

`estimators` asks which estimate of fill time is right where the truth is known; nothing of it touches a recording.
"""

import argparse

from millrace.cli.terms import OK, Grammar, UsageError, json_text, progress_bar

_REPEATS = 400


def grammar(studies: "argparse._SubParsersAction[Grammar]") -> None:
    """Add the studies, each with its flags."""
    estimators = studies.add_parser("estimators", help="estimates of fill time against a known truth")
    estimators.add_argument("--seed", type=int, default=1, metavar="SEED", help="of everything that is drawn (1)")
    estimators.add_argument(
        "--repeats", type=int, default=_REPEATS, metavar="N", help=f"draws of each case ({_REPEATS})"
    )
    estimators.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Carry out one study and print its table."""
    return _estimators(given)


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
