"""`millrace config migrate OLD.env`: an old bot's environment file as a TOML file, and a report of every name in it.

Nothing is overwritten: both files are new, or the command refuses.
"""

import argparse

from millrace.cli.terms import OK, Grammar, json_text


def grammar(actions: "argparse._SubParsersAction[Grammar]") -> None:
    """Add the command's flags."""
    command = actions.add_parser("migrate", help="turn an old bot's .env file into a TOML file, with a report")
    command.add_argument("env_file", metavar="OLD.env", help="the old bot's environment file; it is only read")
    command.add_argument("--out", default="millrace.toml", metavar="FILE", help="the new file (default: millrace.toml)")
    command.add_argument("--json", action="store_true", help="print the report as one JSON object")


def run(given: argparse.Namespace) -> int:
    """Write the TOML file and the report beside it, and print the report."""
    from pathlib import Path

    from millrace.config.migrate import as_toml, migrate, report
    from millrace.core.failure import OperatorError

    found = migrate(Path(given.env_file))
    out = Path(given.out)
    beside = out.with_name(out.name + ".report.txt")
    text = report(found)
    for path in (out, beside):
        if path.exists():
            raise OperatorError(f"{path} exists already; give another --out or move it away")
    out.write_text(as_toml(found), encoding="utf-8")
    beside.write_text(text, encoding="utf-8")
    print(json_text(found) if given.json else f"{text}\nwritten: {out} and {beside}")
    return OK
