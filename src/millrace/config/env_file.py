"""The `.env` file of a predecessor as names, values and places, read as its own loader would have read it.

Such a file holds the settings of more than one program, and its owner cannot be asked to clean it first: what we do
not know is named and left alone, and a value is shown only where the name is ours, because secrets stand there too.
"""

from io import StringIO
from pathlib import Path
from typing import NamedTuple

from millrace.config.knobs import IGNORED_PREFIXES, LEGACY, SWITCHES, nearest
from millrace.config.settings import Notice
from millrace.core.failure import OperatorError

_FAMILIES = ("TP_", "STICKY_", "RELEASE_", "REBALANCE_", "TREND_", "MOMENTUM_", "REGIME_", "VOLATILITY_", "PAIR_")
"""Prefixes of the contract's knobs: a name that begins so and is not known is most likely misspelt (slots 21)."""


class EnvEntry(NamedTuple):
    """A name that is a knob's, its value as text, and where it stands."""

    name: str
    value: str
    where: str


class EnvFile(NamedTuple):
    """What a file says: knobs, names without a value (the default holds), and a notice for everything else."""

    entries: tuple[EnvEntry, ...]
    empty: tuple[str, ...]
    ignored: tuple[str, ...]
    notices: tuple[Notice, ...]


def read_env(path: Path) -> EnvFile:
    """Return the file's content; the later line of a name holds. Raises OperatorError when it cannot be read."""
    from dotenv.parser import parse_stream  # noqa: PLC0415 - only who has such a file waits for the parser

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"environment file {path} cannot be read: {error}") from error
    entries: dict[str, EnvEntry] = {}
    empty: list[str] = []
    ignored: dict[str, str] = {}
    notices: list[Notice] = []
    for binding in parse_stream(StringIO(text)):
        where = f"{path} line {_line(binding.original.string, binding.original.line)}"
        if binding.error:
            notices.append(Notice("warning", "unreadable", "", f"{where} is not of the form NAME=VALUE; left out"))
        elif binding.key is None:
            continue
        elif not (binding.key in LEGACY or binding.key in SWITCHES):
            ignored.setdefault(binding.key, where)
        elif not (binding.value or "").strip():
            empty.append(binding.key)
        else:
            twin = entries.pop(binding.key, None)
            if twin is not None:
                notices.append(given_twice(binding.key, twin.where, where))
            entries[binding.key] = EnvEntry(binding.key, (binding.value or "").strip(), where)
    notices += [_left_alone(name, where) for name, where in ignored.items() if not name.startswith(IGNORED_PREFIXES)]
    if retired := [name for name in ignored if name.startswith(IGNORED_PREFIXES)]:
        text = f"accepted and ignored, the throughput sizer took their place: {', '.join(retired)} ({path})"
        notices.append(Notice("info", "ignored", retired[0], text))
    return EnvFile(tuple(entries.values()), tuple(empty), tuple(ignored), tuple(notices))


def given_twice(name: str, earlier: str, later: str) -> Notice:
    """Return the notice of a setting that the file says twice, be it under two of its names."""
    return Notice("warning", "given_twice", name, f"{name} stands at {earlier} and at {later}; the later one holds")


def _line(original: str, first: int) -> int:
    """Return the line of the name itself: the parser counts the blank lines before it to the same binding."""
    return first + len(original[: len(original) - len(original.lstrip())].splitlines())


def _left_alone(name: str, where: str) -> Notice:
    if name.startswith(_FAMILIES):
        known = nearest(name, (*LEGACY, *SWITCHES))
        return Notice("warning", "unknown", name, f"{where}: {name} is not a knob of the slot grid{known}; ignored")
    return Notice("info", "ignored", name, f"{where}: {name} is not ours; ignored")
