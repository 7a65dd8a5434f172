"""`millrace ask`: a word of the operator to a running program, and the program's answer.

The request lies in the run's folder until the program takes it between two steps; the answer is read back from the
core.
"""

import argparse

from millrace.cli.terms import FAILED, OK, json_text

ASK_PATIENCE_NS = 5_000_000_000


def grammar(ask: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    actions = (
        "pause", "resume", "halt", "clear", "restrictions", "add_slot", "external_flow", "set_entry_pct",
        "set_profit_pct", "accept_order", "book_adjustment",
    )  # fmt: skip
    ask.add_argument("action", choices=actions, metavar="ACTION", help=", ".join(actions))
    ask.add_argument("args", nargs="*", metavar="NAME=VALUE", help="e.g. reason=lunch, scope=venue:kraken, value=0.3")
    ask.add_argument("--dir", default="runs/demo", metavar="DIR", help="the program's run folder (default: runs/demo)")
    ask.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Ask a running program for something and print its answer."""
    from pathlib import Path

    import msgspec

    from millrace.core.failure import OperatorError
    from millrace.shell.clock import WallClock
    from millrace.shell.mailbox import ask as put

    args: dict[str, str | float | bool | None] = {}
    for text in given.args:
        name, equals, value = text.partition("=")
        if not equals:
            raise OperatorError(f"{text} is not of the form NAME=VALUE")
        try:
            args[name] = msgspec.json.decode(value, type=float | bool)
        except (msgspec.DecodeError, msgspec.ValidationError):
            args[name] = value
    folder = Path(given.dir)
    if not folder.is_dir():
        raise OperatorError(f"{folder}: no such folder; name the folder of the running program with --dir")
    answer = put(folder, given.action, args, WallClock(), ASK_PATIENCE_NS)
    if given.json:
        print(json_text(answer))
    else:
        reasons = f" ({', '.join(answer.reasons)})" if answer.reasons else ""
        print(f"{answer.message}; mode {answer.mode}{reasons}")
        for standing in answer.restrictions:
            print(f"  {standing.level.name:<11} {standing.scope}  id={standing.id}  {standing.text}")
    return OK if answer.ok else FAILED
