"""`millrace rules`: what the arbitrage desk believes about markets, looked at and decided by a person.

`load` says what a rules file supports, `generate` proposes one from venues' metadata, `review` lists what of a mapping
is blocked and takes decisions, `discover` proposes dependencies, `measure` says how often the matcher is wrong. Exit
code 1 means that something is wrong in the files themselves, so that a script can refuse to start with them.
"""

import argparse

from millrace.cli import rules_file, rules_review
from millrace.cli.terms import OK, Grammar, json_text


def grammar(actions: "argparse._SubParsersAction[Grammar]") -> None:
    """Add the actions, each with its flags."""
    rules_file.grammar(actions)
    rules_review.grammar(actions)
    measure = actions.add_parser("measure", help="how often the matcher is wrong, on recorded and made pairs")
    measure.add_argument("--data", required=True, metavar="DIR", help="the folder of the recordings")
    measure.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Carry out one action."""
    return _RUNNERS[given.action](given)


def _measure(given: argparse.Namespace) -> int:
    from pathlib import Path

    from millrace.research.arb_matching import measure, table

    found = measure(Path(given.data))
    if given.json:
        print(json_text([{**each._asdict(), "false_passed": each.false_passed._asdict(),
                          "true_passed": each.true_passed._asdict()} for each in found]))  # fmt: skip
    else:
        print(table(found))
    return OK


_RUNNERS = {
    "load": rules_file.load,
    "generate": rules_file.generate,
    "review": rules_review.review,
    "discover": rules_review.discover,
    "measure": _measure,
}
