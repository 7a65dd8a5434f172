"""`millrace replay`: a journal, or a bundle of one, through a fresh engine, every command compared.

The first command that differs is printed with the event that led to it; the exit code is 1 then.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from millrace.cli.terms import FAILED, OK, json_text

if TYPE_CHECKING:
    from millrace.world.afterwards.replay import Divergence


def grammar(replay: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    replay.add_argument("directory", metavar="DIR", help="a folder that demo or backtest --out wrote, or a bundle")
    replay.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Feed a journal to a fresh engine and compare every command."""
    from pathlib import Path

    from millrace.world.afterwards.replay import replay as run_replay

    result = run_replay(Path(given.directory))
    if given.json:
        print(json_text(result))
    else:
        for notice in result.notices:
            print(f"millrace: {notice}", file=sys.stderr)
        for fault in result.faults:
            print(f"a bug that was caught happens again at {fault}")
        if result.divergence is None:
            print(f"{result.events} events, {result.commands} commands, all the same; hash {result.command_hash}")
        else:
            print(_divergence_text(result.divergence))
    return OK if result.divergence is None else FAILED


def _divergence_text(found: "Divergence") -> str:
    """Return the first diverging command with the event that led to it, a line each."""
    head, _, rest = found.first_difference.partition(": recorded ")
    recorded, _, replayed = rest.partition(", replayed ")
    rows = [f"diverged at {head}", f"  event     {found.event}", f"  recorded  {recorded}", f"  replayed  {replayed}"]
    return "\n".join([*rows, "Every event before it gave the recorded commands; --json prints the last of them."])
