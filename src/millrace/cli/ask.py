"""`millrace ask`: a word of the operator to a running program, and the program's answer.

The request lies in the run's folder until the program takes it between two steps; the answer is read back from the
core.
"""

import argparse
from typing import TYPE_CHECKING

from millrace.cli.terms import FAILED, OK, json_text

if TYPE_CHECKING:
    from millrace.core.events import Scalar

ASK_PATIENCE_NS = 15_000_000_000
"""What takes the venue's answer is done within ten seconds or not at all (slots 11.3)."""
LIST = "actions"
"""The word that asks nothing of a program but prints what may be asked."""


def grammar(ask: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    ask.add_argument("action", metavar="ACTION", help=f"what to do; `millrace ask {LIST}` lists what may be asked")
    ask.add_argument("args", nargs="*", metavar="NAME=VALUE", help="e.g. reason=lunch, scope=venue:kraken, value=0.3")
    ask.add_argument("--dir", default="runs/demo", metavar="DIR", help="the program's run folder (default: runs/demo)")
    ask.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Ask a running program for something and print its answer."""
    from pathlib import Path

    from millrace.core.failure import OperatorError
    from millrace.shell.clock import WallClock
    from millrace.shell.mailbox import ask as put
    from millrace.world.catalogue import actions

    known = actions()
    if given.action == LIST:
        print(json_text(known) if given.json else "\n".join(f"{name:<24}{line}" for name, line in known.items()))
        return OK
    if given.action not in known:
        raise OperatorError(f"nothing answers to {given.action}; there are {', '.join(known)}")
    args = dict(map(argument, given.args))
    folder = Path(given.dir)
    if not folder.is_dir():
        raise OperatorError(f"{folder}: no such folder; name the folder of the running program with --dir")
    answer = put(folder, given.action, args, WallClock(), ASK_PATIENCE_NS)
    if given.json:
        print(json_text(answer))
    else:
        reasons = f" ({', '.join(answer.reasons)})" if answer.reasons else ""
        print(f"{'ok' if answer.ok else 'refused'}: {answer.message}; mode {answer.mode}{reasons}")
        if answer.data:
            print(json_text(answer.data))
        if not answer.final:
            print("  it goes on; the program's alerts and status tell how it ends")
        for standing in answer.restrictions:
            print(f"  {standing.level.name:<11} {standing.scope}  id={standing.id}  {standing.text}")
    return OK if answer.ok else FAILED


def argument(word: str) -> "tuple[str, Scalar]":
    """Return name and value of NAME=VALUE; numbers, true and false are what they look like, the rest is text.

    Raises OperatorError for a word without an equals sign.
    """
    import msgspec

    from millrace.core.failure import OperatorError

    name, equals, value = word.partition("=")
    if not equals:
        raise OperatorError(f"{word} is not of the form NAME=VALUE")
    try:
        decoded: Scalar = msgspec.json.decode(value, type=int | float | bool)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return name, value
    return name, decoded
