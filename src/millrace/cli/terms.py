"""What the commands have in common: exit codes, flags for settings, one way to print and to complain.

A command's module holds its grammar and what it does; whatever two of them need is here, so that two commands cannot
come to say the same thing in two ways.
"""

import argparse
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import NoReturn

    from millrace.config.settings import Settings

OK, FAILED, USAGE, NO_START = 0, 1, 2, 3
UNWATCHED_SECONDS = 60.0
"""How long something runs that nobody watches."""
FRAMES_PER_LINE = 20
"""Frames without a terminal per printed line: one line in five seconds."""
MAX_SPEED = 100_000.0


class UsageError(Exception):
    """The command line does not follow the grammar; the text holds the usage and what is wrong."""


class Grammar(argparse.ArgumentParser):
    """A parser that raises instead of leaving, so that `--json` holds for a wrong command line too."""

    def error(self, message: str) -> "NoReturn":
        """Raise UsageError with the line that argparse would print."""
        raise UsageError(f"{message}\n{self.format_usage()}".rstrip())


def settings_flags(command: argparse.ArgumentParser) -> None:
    """Add the flags of a command that reads the configuration."""
    command.add_argument("--config", metavar="FILE", help="a TOML file with settings")
    command.add_argument("--env", metavar="FILE", help="an old bot's .env file, over the contract's defaults")
    command.add_argument("--profile", metavar="NAME", help="a named set of settings under the file's")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting; may be repeated")
    command.add_argument("--json", action="store_true", help="print one JSON object")


def pace_flags(command: argparse.ArgumentParser, speed: float, folder: str) -> None:
    """Add the flags of a command that lets time pass in a folder."""
    command.add_argument(
        "--speed", type=float, default=speed, metavar="X", help=f"simulated seconds per second ({speed:g})"
    )
    command.add_argument(
        "--seconds", type=float, metavar="N", help="stop after so long (60 where there is no terminal)"
    )
    command.add_argument(
        "--from-snapshot", metavar="FILE", help="begin where the old bot, or another run, stopped: adopt its orders"
    )
    command.add_argument("--dir", default=folder, metavar="DIR", help=f"the run's folder (default: {folder})")


def check_pace(given: argparse.Namespace) -> None:
    """Raise OperatorError when the speed or the time to run cannot be meant."""
    from millrace.core.failure import OperatorError

    if not 0.0 < given.speed <= MAX_SPEED:
        raise OperatorError(f"--speed {given.speed:g} is not above 0 and at most {MAX_SPEED:g}")
    if given.seconds is not None and not given.seconds > 0.0:
        raise OperatorError(f"--seconds {given.seconds:g} is not above 0")


def take_snapshot(given: argparse.Namespace, folder: "Path", settings: "Settings") -> None:
    """Put the snapshot of --from-snapshot into the folder, and its orders onto the simulated venue's books."""
    from pathlib import Path

    from millrace.core.failure import OperatorError
    from millrace.world.demo import FIRST_NS
    from millrace.world.folder.handover import put_handover, rest_orders

    if given.from_snapshot is None:
        return
    if getattr(given, "adopt", False) or getattr(given, "first_start", False):
        raise OperatorError(
            "--from-snapshot begins a run in a new folder; it goes with neither --adopt nor --first-start"
        )
    for notice in put_handover(folder, Path(given.from_snapshot), settings, FIRST_NS):
        print(f"millrace: {notice}", file=sys.stderr)
    rest_orders(folder, settings)


def complain(text: str, code: int, *, as_json: bool) -> int:
    """Say what is wrong, as a line or as the one JSON object, and return the exit code."""
    if as_json:
        print(json_text({"error": text, "exit_code": code}))
    else:
        print(f"millrace: {text}", file=sys.stderr)
    return code


def json_text(value: object) -> str:
    """Return a value as indented JSON."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def chosen_settings(words: "Iterable[str]") -> dict[str, str]:
    """Return what `--set KEY=VALUE` says, by key; raises OperatorError for a word without an equals sign."""
    from millrace.core.failure import OperatorError

    chosen = {}
    for text in words:
        key, equals, value = text.partition("=")
        if not equals:
            raise OperatorError(f"--set {text} is not of the form KEY=VALUE")
        chosen[key.strip()] = value
    return chosen


def load(given: argparse.Namespace, profile: str, **overrides: str) -> "Settings":
    """Return the settings of a command: its profile, --profile, --config, --env, the environment, --set and flags."""
    import os
    from pathlib import Path

    from millrace.config.load import load_settings
    from millrace.config.migrate import PROFILE

    chosen = dict(overrides) | chosen_settings(given.set)
    if given.profile:
        chosen["profile"] = given.profile
    path, env_file = (Path(name) if name else None for name in (given.config, given.env))
    base = PROFILE if env_file else profile
    settings = load_settings(path, chosen, os.environ, profile=base, env_file=env_file)
    for notice in settings.notices:
        print(f"millrace: {notice.severity}: {notice.text}", file=sys.stderr)
    return settings


@contextmanager
def wish_to_stop() -> "Iterator[Callable[[], bool]]":
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


@contextmanager
def progress_bar(given: argparse.Namespace, what: str) -> "Iterator[Callable[[float], None]]":
    """Show a bar on a terminal; anywhere else nothing."""
    if given.json or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=1.0)
        yield lambda part: bars.update(task, completed=part)
