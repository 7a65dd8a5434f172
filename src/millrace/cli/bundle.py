"""`millrace bundle`: the last minutes of a run in one file that holds no secret and replays elsewhere.

It only reads the run's folder, so the program there may go on.
"""

import argparse
import sys

from millrace.cli.terms import FAILED, OK, json_text

MAX_MINUTES = 1e6


def grammar(bundle: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    bundle.add_argument("directory", metavar="DIR", help="the run's folder; its program may be running")
    bundle.add_argument("--minutes", type=float, default=15.0, metavar="N", help="how far back, in the run's time (15)")
    bundle.add_argument("--out", metavar="FILE", help="the zip to write (default: bundle-NAME-eventN.zip here)")
    bundle.add_argument("--config", metavar="FILE", help="a TOML file whose secrets must not be in it")
    bundle.add_argument("--json", action="store_true", help="print one JSON object")


def run(given: argparse.Namespace) -> int:
    """Pack the last minutes of a run."""
    from pathlib import Path

    from millrace.core.failure import OperatorError
    from millrace.world.afterwards.bundle import known_secrets, make_bundle

    if not 0.0 <= given.minutes <= MAX_MINUTES:
        raise OperatorError(f"--minutes {given.minutes:g} is not from 0 to {MAX_MINUTES:g}")
    out = Path(given.out) if given.out else None
    secrets = known_secrets(Path(given.config) if given.config else None)
    made = make_bundle(Path(given.directory), out, secrets, minutes=given.minutes)
    if given.json:
        print(json_text(made))
    else:
        for notice in made.notices:
            print(f"millrace: {notice}", file=sys.stderr)
        print(
            f"{made.file}: events {made.after_seq + 1} to {made.last_seq}, {made.redacted} records without secrets now"
        )
        print(
            f"replay it with: millrace replay {made.file}" if made.replays else "it does not replay; replay says where"
        )
    return OK if made.replays else FAILED
