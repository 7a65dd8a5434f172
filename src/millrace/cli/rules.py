"""`millrace rules`: what the arbitrage desk believes about markets, looked at and decided by a person.

`load` says what a rules file supports, `generate` proposes one from venues' metadata, and `review` lists the rows of a
mapping that must not trade and why. Exit code 1 means that something is wrong in the files
themselves, so that a script can refuse to start with them.
"""

import argparse
from typing import TYPE_CHECKING

from millrace.cli import rules_file
from millrace.cli.terms import FAILED, OK, Grammar, json_text

if TYPE_CHECKING:
    from pathlib import Path

    from millrace.strategies.arb.mapping.records import MappingMap

_SHOWN = 40
"""Findings that are printed for a person; the count and --json have them all."""


def grammar(actions: "argparse._SubParsersAction[Grammar]") -> None:
    """Add the actions, each with its flags."""
    rules_file.grammar(actions)
    review = actions.add_parser("review", help="what of a mapping is blocked, and why")
    review.add_argument("--map", action="append", default=[], metavar="FILE", help="a mapping (CSV); may be repeated")
    review.add_argument("--json", action="store_true", help="print one JSON object")

    measure = actions.add_parser("measure", help="how often the matcher is wrong, on recorded and made pairs")
    measure.add_argument("--data", required=True, metavar="DIR", help="the folder of the recordings")
    measure.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Carry out one action."""
    return _RUNNERS[given.action](given)


def _review(given: argparse.Namespace) -> int:
    from pathlib import Path

    from millrace.strategies.arb.mapping.qa import blocked_groups, check_rows
    from millrace.strategies.arb.mapping.records import Severity, joined

    found = joined(tuple(_read_map(Path(name)) for name in given.map))
    findings = check_rows(found)
    blocked = blocked_groups(findings)
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    passed = sum(row.group_id not in blocked for row in found.rows)
    if given.json:
        rows = [finding._asdict() for finding in findings]
        print(json_text({"rows": len(found.rows), "pass": passed, "errors": errors, "findings": rows}))
    else:
        print(f"{len(found.rows)} rows read, {passed} pass, {errors} errors")
        print("\n".join(f"{finding.severity:<7} {finding.check:<18} {finding.text}" for finding in findings[:_SHOWN]))
        if len(findings) > _SHOWN:
            print(f"... and {len(findings) - _SHOWN} more; --json lists all")
    return FAILED if errors else OK


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


def _read_map(path: "Path") -> "MappingMap":
    """Read a mapping, packed or not; raises OperatorError when it is no text."""
    import gzip

    from millrace.core.failure import OperatorError
    from millrace.strategies.arb.mapping.load import parse_map

    data = path.read_bytes()
    try:
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    except (gzip.BadGzipFile, EOFError, UnicodeDecodeError) as error:
        raise OperatorError(f"{path}: is no UTF-8 text, or a damaged gzip file; write the mapping as CSV") from error
    return parse_map(text, str(path))


_RUNNERS = {"load": rules_file.load, "generate": rules_file.generate, "review": _review, "measure": _measure}
