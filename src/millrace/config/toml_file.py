"""A TOML file as a flat list of names, values and places.

The standard parser gives no line numbers, so the line of a name is found by a second, simple look at the text; where
the look fails (exotic spelling) the file is still named. Legacy names may stand at the top or in a table `[legacy]`.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from millrace.core.failure import OperatorError

_TABLE = re.compile(r"\[\s*([^\[\]]+?)\s*\]")
_ASSIGNMENT = re.compile(r"([A-Za-z0-9_.\"' -]+?)\s*=")
LEGACY_TABLE = "legacy"


class FileEntry(NamedTuple):
    """A name with its value as parsed, and where it stands."""

    name: str
    value: Any
    where: str


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _line(text: str, path: tuple[str, ...]) -> int | None:
    table: tuple[str, ...] = ()
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if header := _TABLE.match(line):
            table = _parts(header[1])
            if table == path:
                return number
        elif (assigned := _ASSIGNMENT.match(line)) and table + _parts(assigned[1]) == path:
            return number
    return None


def _leaves(table: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for name, value in table.items():
        here = (*path, name)
        found += _leaves(value, here) if isinstance(value, dict) and value else [(here, value)]
    return found


def read_toml(path: Path) -> list[FileEntry]:
    """Return every value of the file; raises OperatorError when it cannot be read or is not TOML."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"configuration file {path} cannot be read: {error}") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OperatorError(f"configuration file {path} is not TOML: {error}") from error
    entries = []
    for parts, value in _leaves(document):
        number = _line(text, parts)
        where = f"{path} line {number}" if number else str(path)
        named = parts[1:] if parts[0] == LEGACY_TABLE and len(parts) > 1 else parts
        entries.append(FileEntry(".".join(named), value, where))
    return entries
