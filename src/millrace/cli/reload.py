"""`millrace reload`: change settings of a running program, and read back what is in force.

It asks by the same door as `millrace ask`; what it adds is that a file can be read, and is checked whole before the
program hears of it. What a file does not name stays as it is.
"""

import argparse
from typing import TYPE_CHECKING

from millrace.cli.terms import FAILED, OK, USAGE, chosen_settings, json_text

if TYPE_CHECKING:
    from millrace.core.events import Scalar
    from millrace.shell.mailbox import Answer


def grammar(reload: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    reload.add_argument("--dir", default="runs/demo", metavar="DIR", help="the program's run folder (runs/demo)")
    reload.add_argument("--config", metavar="FILE", help="a TOML file; what it does not name stays as it is")
    reload.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting; may be repeated")
    reload.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    reload.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Change settings of a running program; 0 they are in force, 1 it cannot take them now, 2 they are wrong."""
    import sys
    from pathlib import Path

    from millrace.cli.ask import ASK_PATIENCE_NS
    from millrace.config.patch import read_patch
    from millrace.core.failure import OperatorError
    from millrace.shell.clock import WallClock
    from millrace.shell.mailbox import RELOAD, ask

    values, notices = read_patch(Path(given.config) if given.config else None, chosen_settings(given.set))
    for notice in notices:
        print(f"millrace: {notice.severity}: {notice.text}", file=sys.stderr)
    if not values:
        raise OperatorError("nothing to change; name settings with --config FILE or --set KEY=VALUE")
    folder = Path(given.dir)
    if not folder.is_dir():
        raise OperatorError(f"{folder}: no such folder; name the folder of the running program with --dir")
    words: dict[str, Scalar] = {**values, "dry_run": True} if given.dry_run else dict(values)
    answer = ask(folder, RELOAD, words, WallClock(), ASK_PATIENCE_NS)
    print(json_text(answer) if given.json else f"{'ok' if answer.ok else 'refused'}: {answer.message}")
    return _exit_code(answer)


def _exit_code(answer: "Answer") -> int:
    from millrace.world.reload import UNUSABLE

    return OK if answer.ok else USAGE if answer.code == UNUSABLE else FAILED
