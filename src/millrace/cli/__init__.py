"""The `millrace` command.

Nothing heavy is imported here: each command imports what it needs when it runs, so that help and errors are instant
(design section 9). Exit codes: 0 ok, 1 a domain failure (a replay that diverges, a check that is red), 2 usage or
configuration, 3 the program could not start or had to stop. With `--json` exactly one object goes to stdout, also when
something is wrong; notices go to stderr.
"""

import sys
from typing import TYPE_CHECKING

from millrace.cli import (
    ask,
    backtest,
    bundle,
    demo,
    doctor,
    explain,
    gates,
    kill,
    migrate,
    perf_gate,
    rehearse,
    reload,
    replay,
    report,
    rollout,
    rules,
    simtest,
    snapshot,
    study,
)
from millrace.cli.terms import NO_START, OK, USAGE, Grammar, UsageError, complain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence


def parser() -> Grammar:
    """Return the command line's grammar."""
    top = Grammar(prog="millrace", description="One trading engine: simulate, backtest, replay.")
    top.add_argument("--version", action="store_true", help="print the version and exit")
    top.set_defaults(json=False)
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    demo.grammar(commands.add_parser("demo", help="watch slot grid and desk trade on built-in markets, offline"))
    rehearse.grammar(commands.add_parser("rehearse", help="run program and venue as two processes, and kill them"))
    recorded = commands.add_parser("backtest", help="run a strategy over a recording")
    backtest.grammar(recorded.add_subparsers(dest="strategy", metavar="STRATEGY", required=True))
    replay.grammar(
        commands.add_parser("replay", help="feed a run's journal to the engine again and compare every command")
    )
    bundle.grammar(
        commands.add_parser("bundle", help="pack the last minutes of a run, without secrets, to be replayed elsewhere")
    )
    ask.grammar(commands.add_parser("ask", help="ask a running program to pause, resume, halt or change something"))
    reload.grammar(commands.add_parser("reload", help="change settings of a running program, all of them or none"))
    kill.grammar(commands.add_parser("kill", help="stop a program at once, also one that answers nothing"))
    simtest.grammar(commands.add_parser("simtest", help="let the whole program live through worlds that go wrong"))
    studied = commands.add_parser("study", help="compare many runs, or estimates with a known truth")
    study.grammar(studied.add_subparsers(dest="study", metavar="STUDY", required=True))
    judged = commands.add_parser("gates", help="judge from a run's records whether it may go to its next stage")
    gates.grammar(judged.add_subparsers(dest="strategy", metavar="STRATEGY", required=True))
    told = commands.add_parser("report", help="what a run's records say, and whether they agree with each other")
    report.grammar(told.add_subparsers(dest="strategy", metavar="STRATEGY", required=True))
    perf_gate.grammar(commands.add_parser("perf-gate", help="whether the quoting stages became slower than a baseline"))
    of_baseline = commands.add_parser("baseline", help="what the quoting stages' times are held against")
    perf_gate.baseline_grammar(of_baseline.add_subparsers(dest="action", metavar="ACTION", required=True))
    rollout.grammar(commands.add_parser("rollout", help="move the quote desk's symbols to the pipeline, step by step"))
    of_rules = commands.add_parser("rules", help="the arbitrage desk's rules and mappings: look, and decide")
    rules.grammar(of_rules.add_subparsers(dest="action", metavar="ACTION", required=True))
    snapshot.grammar(commands.add_parser("snapshot", help="look at a grid's snapshot, or make one of a run"))
    config = commands.add_parser("config", help="look at the configuration, or bring an old bot's along")
    of_config = config.add_subparsers(dest="action", metavar="ACTION", required=True)
    explain.grammar(of_config)
    migrate.grammar(of_config)
    doctor.grammar(commands.add_parser("doctor", help="check this machine and folder before a run"))
    return top


_RUNNERS: "dict[str, Callable[[argparse.Namespace], int]]" = {
    "demo": demo.run,
    "rehearse": rehearse.run,
    "backtest": backtest.run,
    "replay": replay.run,
    "bundle": bundle.run,
    "ask": ask.run,
    "reload": reload.run,
    "kill": kill.run,
    "simtest": simtest.run,
    "gates": gates.run,
    "report": report.run,
    "perf-gate": perf_gate.run,
    "baseline": perf_gate.run_baseline,
    "rollout": rollout.run,
    "rules": rules.run,
    "snapshot": snapshot.run,
    "config": lambda given: migrate.run(given) if given.action == "migrate" else explain.run(given),
    "doctor": doctor.run,
    "study": study.run,
}


def main(argv: "Sequence[str] | None" = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        code = _run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        return _deaf()
    return code


def _run(words: "Sequence[str]") -> int:
    as_json = "--json" in words
    try:
        given = _parsed(words)
    except UsageError as error:
        message, _, usage = str(error).partition("\n")
        return complain(message if as_json else f"{message}\n{usage}", USAGE, as_json=as_json)
    if given.version:
        from importlib.metadata import version

        print(version("millrace"))
        return OK
    if given.command is None:
        parser().print_help()
        return USAGE
    from millrace.core.failure import OperatorError, WorldError

    try:
        return _RUNNERS[given.command](given)
    except UsageError as error:
        return complain(str(error), USAGE, as_json=as_json)
    except OperatorError as error:
        return complain(str(error), USAGE, as_json=as_json)
    except WorldError as error:
        return complain(str(error), NO_START, as_json=as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return complain(f"{place}{error.strerror or error}", NO_START, as_json=as_json)
    except KeyboardInterrupt:
        return complain("interrupted", NO_START, as_json=as_json)


def _parsed(words: "Sequence[str]") -> "argparse.Namespace":
    """Parse; NAME=VALUE words of `ask` may stand behind its flags, which argparse alone would not take there."""
    grammar = parser()
    given, left = grammar.parse_known_args(words)
    if given.command == "ask" and not any(word.startswith("-") for word in left):
        given.args += left
    elif left:
        known = f"`millrace {given.command} --help` lists what it takes"
        raise UsageError(f"unrecognized arguments: {' '.join(left)}; {known}")
    return given


def _deaf() -> int:
    """Go quietly when nobody reads any more (`millrace ... | head`); what the interpreter flushes goes nowhere."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK
