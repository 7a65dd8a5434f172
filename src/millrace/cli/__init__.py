"""The `millrace` command.

Nothing heavy is imported here: each command imports what it needs when it runs, so that help and errors are instant
(design section 9). Exit codes: 0 ok, 1 a domain failure (a replay that diverges, a check that is red), 2 usage or
configuration, 3 the program could not start or had to stop. With `--json` exactly one object goes to stdout, also when
something is wrong; notices go to stderr.
"""

import argparse
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import NoReturn

    from millrace.config.settings import Settings
    from millrace.world.replay import Divergence
    from millrace.world.sitting import Frame

OK, FAILED, USAGE, NO_START = 0, 1, 2, 3
UNWATCHED_SECONDS = 60.0
"""How long a demo runs when nobody watches it."""
FRAMES_PER_LINE = 20
"""Frames of a demo without a terminal per printed line: one line in five seconds."""
MAX_SPEED = 100_000.0
MAX_MINUTES = 1e6
DOCTOR_WAIT_NS = 50_000_000
ASK_PATIENCE_NS = 5_000_000_000


class UsageError(Exception):
    """The command line does not follow the grammar; the text holds the usage and what is wrong."""


class Grammar(argparse.ArgumentParser):
    """A parser that raises instead of leaving, so that `--json` holds for a wrong command line too."""

    def error(self, message: str) -> "NoReturn":
        """Raise UsageError with the line that argparse would print."""
        raise UsageError(f"{message}\n{self.format_usage()}".rstrip())


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    from millrace.cli import rehearse, simtest

    top = Grammar(prog="millrace", description="One trading engine: simulate, backtest, replay.")
    top.add_argument("--version", action="store_true", help="print the version and exit")
    top.set_defaults(json=False)
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    _demo(commands.add_parser("demo", help="watch the slot grid trade on the built-in market, offline"))
    rehearse.grammar(commands.add_parser("rehearse", help="run program and venue as two processes, and kill them"))
    backtest = commands.add_parser("backtest", help="run a strategy over a recording")
    _backtest(backtest.add_subparsers(dest="strategy", metavar="STRATEGY", required=True))
    replay = commands.add_parser("replay", help="feed a run's journal to the engine again and compare every command")
    replay.add_argument("directory", metavar="DIR", help="a folder that demo or backtest --out wrote, or a bundle")
    replay.add_argument("--json", action="store_true", help="print one JSON object")
    _bundle(
        commands.add_parser("bundle", help="pack the last minutes of a run, without secrets, to be replayed elsewhere")
    )
    _ask(commands.add_parser("ask", help="ask a running program to pause, resume, halt or change something"))
    _kill(commands.add_parser("kill", help="stop a program at once, also one that answers nothing"))
    simtest.grammar(commands.add_parser("simtest", help="let the whole program live through worlds that go wrong"))
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
    told = demo.add_mutually_exclusive_group()
    told.add_argument("--fresh", action="store_true", help="put an earlier run and its market aside and start anew")
    told.add_argument("--adopt", action="store_true", help="go on without the ledger: make it anew from the journal")
    told.add_argument("--first-start", action="store_true", help="put earlier files aside; the venue stays what it is")
    _settings(demo)


def _backtest(strategies: "argparse._SubParsersAction[Grammar]") -> None:
    slots = strategies.add_parser("slots", help="the slot grid on candles or trades")
    slots.add_argument("--data", required=True, metavar="FILE", help="candles or trades, parquet or csv")
    slots.add_argument("--instrument", metavar="ID", help="whose facts hold, e.g. kraken:DOGE/USD")
    slots.add_argument("--out", metavar="DIR", help="write report.txt, report.json, report.html and the journal there")
    slots.add_argument("--eager", action="store_true", help="wake the strategy on every print (slower, same commands)")
    _settings(slots)


def _ask(ask: argparse.ArgumentParser) -> None:
    actions = (
        "pause", "resume", "halt", "clear", "restrictions", "add_slot", "external_flow", "set_entry_pct",
        "set_profit_pct",
    )  # fmt: skip
    ask.add_argument("action", choices=actions, metavar="ACTION", help=", ".join(actions))
    ask.add_argument("args", nargs="*", metavar="NAME=VALUE", help="e.g. reason=lunch, scope=venue:kraken, value=0.3")
    ask.add_argument("--dir", default="runs/demo", metavar="DIR", help="the program's run folder (default: runs/demo)")
    ask.add_argument("--json", action="store_true", help="print one JSON object")


def _kill(kill: argparse.ArgumentParser) -> None:
    kill.add_argument("scopes", nargs="*", metavar="SCOPE", help="global (default), venue:kraken, strategy:slots, ...")
    kill.add_argument("--flatten", action="store_true", help="also take the scope's orders off the book")
    kill.add_argument("--dir", default="runs/demo", metavar="DIR", help="the program's run folder (default: runs/demo)")
    kill.add_argument("--json", action="store_true", help="print one JSON object")


def _bundle(bundle: argparse.ArgumentParser) -> None:
    bundle.add_argument("directory", metavar="DIR", help="the run's folder; its program may be running")
    bundle.add_argument("--minutes", type=float, default=15.0, metavar="N", help="how far back, in the run's time (15)")
    bundle.add_argument("--out", metavar="FILE", help="the zip to write (default: bundle-NAME-eventN.zip here)")
    bundle.add_argument("--config", metavar="FILE", help="a TOML file whose secrets must not be in it")
    bundle.add_argument("--json", action="store_true", help="print one JSON object")


def _config(actions: "argparse._SubParsersAction[Grammar]") -> None:
    explain = actions.add_parser("explain", help="where a setting's value comes from, its bounds and its meaning")
    explain.add_argument("key", metavar="KEY", nargs="?", help="e.g. slots.entry_pct or PAIR_ENTRY_PCT; none: all")
    _settings(explain)


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
        given = parser().parse_args(words)
    except UsageError as error:
        message, _, usage = str(error).partition("\n")
        return _complain(message if as_json else f"{message}\n{usage}", USAGE, as_json=as_json)
    if given.version:
        from importlib.metadata import version

        print(version("millrace"))
        return OK
    if given.command is None:
        parser().print_help()
        return USAGE
    from millrace.cli import rehearse, simtest
    from millrace.core.failure import OperatorError, WorldError

    runners = {
        "demo": demo, "backtest": backtest, "replay": replay, "bundle": bundle, "ask": ask, "kill": kill,
        "simtest": simtest.simtest, "rehearse": rehearse.rehearse, "config": explain, "doctor": doctor,
    }  # fmt: skip
    try:
        return runners[given.command](given)
    except UsageError as error:
        return _complain(str(error), USAGE, as_json=as_json)
    except OperatorError as error:
        return _complain(str(error), USAGE, as_json=as_json)
    except WorldError as error:
        return _complain(str(error), NO_START, as_json=as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _complain(f"{place}{error.strerror or error}", NO_START, as_json=as_json)
    except KeyboardInterrupt:
        return _complain("interrupted", NO_START, as_json=as_json)


def _deaf() -> int:
    """Go quietly when nobody reads any more (`millrace ... | head`); what the interpreter flushes goes nowhere."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


def _complain(text: str, code: int, *, as_json: bool) -> int:
    if as_json:
        print(_json({"error": text, "exit_code": code}))
    else:
        print(f"millrace: {text}", file=sys.stderr)
    return code


def _json(value: object) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _load(given: argparse.Namespace, profile: str, **overrides: str) -> "Settings":
    """Return the settings of a command: its own profile, then --profile, --config, the environment, --set and flags."""
    import os
    from pathlib import Path

    from millrace.config.load import load_settings
    from millrace.core.failure import OperatorError

    chosen = dict(overrides)
    for text in given.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise OperatorError(f"--set {text} is not of the form KEY=VALUE")
        chosen[key.strip()] = value
    if given.profile:
        chosen["profile"] = given.profile
    path = Path(given.config) if given.config else None
    settings = load_settings(path, chosen, os.environ, profile=profile)
    for notice in settings.notices:
        print(f"millrace: {notice.severity}: {notice.text}", file=sys.stderr)
    return settings


def demo(given: argparse.Namespace) -> int:
    """Watch the slot grid trade on the built-in market."""
    import os
    from pathlib import Path

    from millrace.core.failure import OperatorError
    from millrace.shell.clock import WallClock
    from millrace.shell.kill_file import kills_of_environment
    from millrace.world.demo import Demo, put_aside, refuse_foreign
    from millrace.world.start_rule import StartRule

    if not 0.0 < given.speed <= MAX_SPEED:
        raise OperatorError(f"--speed {given.speed:g} is not above 0 and at most {MAX_SPEED:g}")
    if given.seconds is not None and not given.seconds > 0.0:
        raise OperatorError(f"--seconds {given.seconds:g} is not above 0")
    settings = _load(given, "demo")
    folder = Path(given.dir)
    refuse_foreign(folder)
    aside = put_aside(folder) if given.fresh else None
    if aside is not None:
        print(f"millrace: the earlier run is kept in {aside}", file=sys.stderr)
    on_terminal = sys.stdout.isatty() and not given.json
    seconds = given.seconds if given.seconds is not None or on_terminal else UNWATCHED_SECONDS
    rule = StartRule.ADOPT if given.adopt else StartRule.FIRST_START if given.first_start else StartRule.CONTINUE
    sitting = Demo(settings, folder, WallClock(), kills_of_environment(os.environ), rule)
    if on_terminal:
        from millrace.world.demo_view import LiveView

        with _wish_to_stop() as stopped, LiveView() as view:
            result = sitting.play(given.speed, seconds, view.show, stopped)
    else:
        from millrace.world.demo_view import line

        def show(frame: "Frame") -> None:
            if not given.json and frame.number % FRAMES_PER_LINE == 1:
                print(line(frame), flush=True)

        with _wish_to_stop() as stopped:
            result = sitting.play(given.speed, seconds, show, stopped)
    if given.json:
        print(_json(result))
    else:
        from millrace.world.demo_view import farewell

        print(farewell(result))
    return OK


@contextmanager
def _wish_to_stop() -> "Iterator[Callable[[], bool]]":
    """Turn the first Ctrl-C or SIGTERM into a wish that is asked for between steps; a second one interrupts."""
    import signal

    wishes: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]

    def wish(number: int, _: object) -> None:
        wishes.append(number)
        signal.signal(number, signal.default_int_handler)

    for number in numbers:
        signal.signal(number, wish)
    try:
        yield lambda: bool(wishes)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def backtest(given: argparse.Namespace) -> int:
    """Run the slot grid over a recording and report it."""
    from pathlib import Path

    from millrace.research.slots_report import report_object, write_report
    from millrace.research.slots_text import report_text
    from millrace.shell.clock import WallClock
    from millrace.world.slots_run import run_slots

    overrides = {"run.instrument": given.instrument} if given.instrument else {}
    profile = "demo_btc" if given.instrument == "kraken:BTC/USDC" else "demo"
    settings = _load(given, profile, **overrides)
    out = Path(given.out) if given.out else None
    with _progress(given) as progress:
        report = run_slots(settings, Path(given.data), WallClock(), out=out, lazy=not given.eager, progress=progress)
    text = report_text(report, color=sys.stdout.isatty() and not given.json)
    if out is not None:
        from millrace.research.slots_page import report_page

        written = write_report(report, out, report_page(report), report_text(report))
        names = ", ".join(path.name for path in written.values())
        print(f"millrace: wrote {names} and the journal to {out}", file=sys.stderr)
    print(_json(report_object(report)) if given.json else text)
    return OK


@contextmanager
def _progress(given: argparse.Namespace) -> "Iterator[Callable[[float], None]]":
    """Show a bar on a terminal; anywhere else nothing."""
    if given.json or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("backtest", total=1.0)
        yield lambda part: bars.update(task, completed=part)


def replay(given: argparse.Namespace) -> int:
    """Feed a journal to a fresh engine and compare every command."""
    from pathlib import Path

    from millrace.world.replay import replay as run_replay

    result = run_replay(Path(given.directory))
    if given.json:
        print(_json(result))
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


def bundle(given: argparse.Namespace) -> int:
    """Pack the last minutes of a run."""
    from pathlib import Path

    from millrace.core.failure import OperatorError
    from millrace.world.bundle import known_secrets, make_bundle

    if not 0.0 <= given.minutes <= MAX_MINUTES:
        raise OperatorError(f"--minutes {given.minutes:g} is not from 0 to {MAX_MINUTES:g}")
    out = Path(given.out) if given.out else None
    secrets = known_secrets(Path(given.config) if given.config else None)
    made = make_bundle(Path(given.directory), out, secrets, minutes=given.minutes)
    if given.json:
        print(_json(made))
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


def _divergence_text(found: "Divergence") -> str:
    """Return the first diverging command with the event that led to it, a line each."""
    head, _, rest = found.first_difference.partition(": recorded ")
    recorded, _, replayed = rest.partition(", replayed ")
    rows = [f"diverged at {head}", f"  event     {found.event}", f"  recorded  {recorded}", f"  replayed  {replayed}"]
    return "\n".join([*rows, "Every event before it gave the recorded commands; --json prints the last of them."])


def ask(given: argparse.Namespace) -> int:
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
        print(_json(answer))
    else:
        reasons = f" ({', '.join(answer.reasons)})" if answer.reasons else ""
        print(f"{answer.message}; mode {answer.mode}{reasons}")
        for standing in answer.restrictions:
            print(f"  {standing.level.name:<11} {standing.scope}  id={standing.id}  {standing.text}")
    return OK if answer.ok else FAILED


def kill(given: argparse.Namespace) -> int:
    """Write the kill file of a run's folder, which a program there obeys within a second."""
    from pathlib import Path

    from millrace.core.events import KillSource
    from millrace.core.failure import OperatorError
    from millrace.core.kill import kill_id, read_scope
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
        print(_json({"file": str(path), "lines": lines, "restrictions": ids}))
    else:
        print(f"wrote {path}: {'; '.join(lines)}. A program that runs there halts within a second.")
        print(f"To trade again remove the file, then: millrace ask clear id={ids[0]} operator=YOU reason=WHY")
    return OK


def explain(given: argparse.Namespace) -> int:
    """Print where settings come from."""
    from millrace.config.explain import explain as explain_one
    from millrace.config.explain import explain_all, explain_lines, explain_text

    settings = _load(given, "default")
    found = [explain_one(settings, given.key)] if given.key else explain_all(settings)
    if given.json:
        print(_json(found[0] if given.key else found))
    else:
        print(explain_text(found[0]) if given.key else explain_lines(found))
    return OK


def doctor(given: argparse.Namespace) -> int:
    """Check this machine and folder before a run."""
    from pathlib import Path

    from millrace.config.doctor import ClockReadings, diagnose, worst
    from millrace.shell.clock import WallClock

    clock = WallClock()
    wall_ns, monotonic_ns = clock.now_ns(), clock.monotonic_ns()
    clock.sleep_until(wall_ns + DOCTOR_WAIT_NS)
    clocks = ClockReadings(wall_ns, monotonic_ns, clock.now_ns(), clock.monotonic_ns())

    def read_data() -> str:
        from millrace.research.market_files import read_market_file
        from millrace.venues.kraken.facts import instrument_facts

        facts = read_market_file(Path(given.data), instrument_facts(_load(given, "demo").run.instrument)).facts
        return f"{facts.rows} {facts.kind}, {facts.missing_bars} missing"

    findings = diagnose(Path(given.dir), clocks, lambda: _load(given, "default"), read_data if given.data else None)
    verdict = worst(findings)
    if given.json:
        print(_json({"verdict": verdict, "findings": [finding._asdict() for finding in findings]}))
    else:
        for finding in findings:
            print(f"{finding.state:<5} {finding.name:<14} {finding.detail}")
            if finding.todo:
                print(f"{'':20} -> {finding.todo}")
    return FAILED if verdict == "fail" else OK
