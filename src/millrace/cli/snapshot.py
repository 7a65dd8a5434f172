"""`millrace snapshot`: look at a grid's snapshot, the old bot's or ours, and make one of a run.

Both only read; a run begins from a snapshot with `millrace demo --from-snapshot FILE` or `rehearse --from-snapshot`.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from millrace.cli.terms import NO_START, OK, json_text

if TYPE_CHECKING:
    from millrace.world.folder.grid_export import Summary


def grammar(snapshot: argparse.ArgumentParser) -> None:
    """Add the command's actions and flags."""
    actions = snapshot.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="say what a snapshot holds, and what of it cannot be read")
    show.add_argument("file", metavar="FILE", help="a snapshot of the old bot, or of a run")
    export = actions.add_parser("export", help="write the grid of a run, which may go on, as a snapshot")
    export.add_argument("--dir", default="runs/demo", metavar="DIR", help="the run's folder (default: runs/demo)")
    export.add_argument("--out", required=True, metavar="FILE", help="the file; the two before it are kept beside it")
    for action in (show, export):
        action.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Show a snapshot or make one; 3 when no run may begin from it."""
    from pathlib import Path

    from millrace.world.folder.grid_export import export_grid, summary

    found = export_grid(Path(given.dir), Path(given.out)) if given.action == "export" else summary(Path(given.file))
    print(json_text(found) if given.json else _text(found))
    if not given.json:
        for notice in found.notices:
            print(f"millrace: {notice}", file=sys.stderr)
    return OK if found.trades else NO_START


def _text(found: "Summary") -> str:
    reason = f" ({found.pause_reason})" if found.pause_reason else ""
    return "\n".join(
        (
            f"{found.file}: version {found.version}, {found.pair or 'no pair named'}, {found.mode.lower()}{reason}",
            f"  {found.slots} slots: {found.entries} entries, {found.exits} exits, {found.recoveries} recoveries",
            f"  {found.at_the_venue} of these orders are at the venue",
            f"  open positions: {found.long_base:g} long, {found.short_base:g} short; last price {found.last_price:g}",
            f"  {found.round_trips} round trips, {found.profit_usd:.6f} USD",
        )
    )
