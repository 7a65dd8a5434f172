"""The `millrace` command.

Nothing heavy is imported here: each command imports what it needs when it runs, so that help and errors are instant
(design section 9). Exit codes: 0 ok, 1 a domain failure (a replay that diverges, a check that is red), 2 usage or
configuration, 3 the program could not start or had to stop.
"""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

OK, FAILED, USAGE, NO_START = 0, 1, 2, 3


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    top = argparse.ArgumentParser(prog="millrace", description="One trading engine: simulate, backtest, replay.")
    top.add_argument("--version", action="store_true", help="print the version and exit")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    _demo(commands.add_parser("demo", help="watch the slot grid trade on the built-in market, offline"))
    backtest = commands.add_parser("backtest", help="run a strategy over a recording")
    _backtest(backtest.add_subparsers(dest="strategy", metavar="STRATEGY", required=True))
    replay = commands.add_parser("replay", help="feed a run's journal to the engine again and compare every command")
    replay.add_argument("directory", metavar="DIR", help="a folder that demo or backtest --out wrote")
    replay.add_argument("--json", action="store_true", help="print one JSON object")
    config = commands.add_parser("config", help="look at the configuration")
    _config(config.add_subparsers(dest="action", metavar="ACTION", required=True))
    doctor = commands.add_parser("doctor", help="check this machine and folder before a run")
    doctor.add_argument("--dir", default="runs", metavar="DIR", help="where runs are to be written (default: runs)")
    doctor.add_argument("--data", metavar="FILE", help="also try to read this recording")
    _settings(doctor)
    return top


def _settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", metavar="FILE", help="a TOML file with settings")
    command.add_argument("--profile", metavar="NAME", help="a named set of settings under the file's")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting; may be repeated")
    command.add_argument("--json", action="store_true", help="print one JSON object")


def _demo(demo: argparse.ArgumentParser) -> None:
    demo.add_argument("--speed", type=float, default=240.0, metavar="X", help="simulated seconds per second (240)")
    demo.add_argument("--seconds", type=float, metavar="N", help="stop after so long (60 where there is no terminal)")
    demo.add_argument("--dir", default="runs/demo", metavar="DIR", help="the run's folder (default: runs/demo)")
    demo.add_argument("--fresh", action="store_true", help="put an earlier run aside and start anew")
    _settings(demo)


def _backtest(strategies: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    slots = strategies.add_parser("slots", help="the slot grid on candles or trades")
    slots.add_argument("--data", required=True, metavar="FILE", help="candles or trades, parquet or csv")
    slots.add_argument("--instrument", metavar="ID", help="whose facts hold, e.g. kraken:DOGE/USD")
    slots.add_argument("--out", metavar="DIR", help="write report.txt, report.json, report.html and the journal there")
    slots.add_argument("--eager", action="store_true", help="wake the strategy on every print (slower, same commands)")
    _settings(slots)


def _config(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    explain = actions.add_parser("explain", help="where a setting's value comes from, its bounds and its meaning")
    explain.add_argument("key", metavar="KEY", nargs="?", help="e.g. slots.entry_pct or PAIR_ENTRY_PCT; none: all")
    _settings(explain)


def main(argv: "Sequence[str] | None" = None) -> int:
    """Run one command and return its exit code."""
    given = parser().parse_args(argv)
    if given.version:
        from importlib.metadata import version

        print(version("millrace"))
        return OK
    if given.command is None:
        parser().print_help()
        return USAGE
    from millrace.commands import run
    from millrace.core.failure import OperatorError, WorldError

    try:
        return run(given)
    except OperatorError as error:
        return _complain(given, str(error), USAGE)
    except WorldError as error:
        return _complain(given, str(error), NO_START)
    except BrokenPipeError:
        return OK


def _complain(given: argparse.Namespace, text: str, code: int) -> int:
    if getattr(given, "json", False):
        from json import dumps

        print(dumps({"error": text, "exit_code": code}))
    else:
        print(f"millrace: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
