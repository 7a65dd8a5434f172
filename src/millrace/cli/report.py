"""`millrace report arb`: what the desk found, opened and made, from its own records.

The report is red, and the exit code 1, when one of its identities does not hold: then rows, ledger and venues tell
different stories and no figure of it should be believed.
"""

import argparse
from typing import TYPE_CHECKING

from millrace.cli.terms import FAILED, OK, json_text

if TYPE_CHECKING:
    from millrace.cli.terms import Grammar


def grammar(strategies: "argparse._SubParsersAction[Grammar]") -> None:
    """Add the command's strategies and flags."""
    arb = strategies.add_parser("arb", help="the arbitrage desk's figures, identities and run gates")
    arb.add_argument("--dir", default="runs/demo", metavar="DIR", help="the run's folder (default: runs/demo)")
    arb.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Print a run's report."""
    from pathlib import Path

    from millrace.research.arb_kpi_report import arb_report, arb_text
    from millrace.world.arb.records import read_arb

    report = arb_report(read_arb(Path(given.dir)))
    print(json_text(report) if given.json else arb_text(report), end="\n" if given.json else "")
    return OK if report["holds"] else FAILED
