"""`millrace kill`: stop a program at once, also one that answers nothing.

It writes the kill file, which the executor looks at before every order that leaves; no running program is needed for
it.
"""

import argparse

from millrace.cli.terms import OK, json_text


def grammar(kill: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    kill.add_argument("scopes", nargs="*", metavar="SCOPE", help="global (default), venue:kraken, strategy:slots, ...")
    kill.add_argument("--flatten", action="store_true", help="also take the scope's orders off the book")
    kill.add_argument("--dir", default="runs/demo", metavar="DIR", help="the program's run folder (default: runs/demo)")
    kill.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Write the kill file of a run's folder, which a program there obeys within a second."""
    from pathlib import Path

    from millrace.core.failure import OperatorError
    from millrace.core.kill import kill_id, read_scope
    from millrace.core.trouble_events import KillSource
    from millrace.shell.kill_file import write_kill

    folder = Path(given.dir)
    if not folder.is_dir():
        raise OperatorError(f"{folder}: no such folder; name the folder of the running program with --dir")
    scopes = [read_scope(text) for text in given.scopes or ["global"]]
    if None in scopes:
        wrong = given.scopes[scopes.index(None)]
        raise OperatorError(f"{wrong} is no scope; write global, or a kind and a name like venue:kraken")
    lines = tuple(f"{scope} flatten" if given.flatten else str(scope) for scope in scopes)
    path = write_kill(folder, lines)
    ids = [kill_id(KillSource.FILE, scope) for scope in scopes if scope is not None]
    if given.json:
        print(json_text({"file": str(path), "lines": lines, "restrictions": ids}))
    else:
        print(f"wrote {path}: {'; '.join(lines)}. A program that runs there halts within a second.")
        again = f"millrace ask clear id={ids[0]} operator=YOU reason=WHY --dir {folder}"
        print(f"To trade again remove the file, then: {again}")
    return OK
