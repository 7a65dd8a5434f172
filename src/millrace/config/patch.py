"""The values that somebody wants changed, out of a file and single settings, read whole before anything is asked.

A start fills what a file does not name from its profile; a change in flight leaves it as it is in force. So here is
only what was written down, and every line of it that cannot be used is reported at once, with its place: one typing
error must not be found per try (quoting 10). Whether the values go together only the program can tell, which knows the
others. The environment has no part in it: what changes a running program is said where one sees it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from millrace.config.load import Given, read_given
from millrace.config.settings import Notice
from millrace.config.toml_file import read_toml
from millrace.core.events import Scalar
from millrace.core.failure import OperatorError

REPLACED: Final = frozenset({"unusable", "out_of_range", "clamped", "adjusted"})
"""Codes of notices that say that another value holds than the one that was written."""


def read_patch(path: Path | None, chosen: Mapping[str, Scalar]) -> tuple[dict[str, Scalar], tuple[Notice, ...]]:
    """Return the values to change by key, those of `chosen` before the file's, and what is to be noticed of them.

    Raises OperatorError that names every problem with its place.
    """
    lines = [Given(entry.name, entry.value, "file", entry.where) for entry in (read_toml(path) if path else [])]
    lines += [Given(name, value, "command line", f"--set {name}") for name, value in chosen.items()]
    values, notices, problems = _read(lines)
    if problems:
        raise OperatorError("nothing was asked of the program:\n  " + "\n  ".join(problems))
    return values, tuple(notices)


def read_asked(asked: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return the values of a request by key; raises OperatorError that names every problem."""
    values, _, problems = _read([Given(name, value, "command line", f"asked {name}") for name, value in asked.items()])
    if problems:
        raise OperatorError("; ".join(problems))
    return values


def _read(lines: list[Given]) -> tuple[dict[str, Scalar], list[Notice], list[str]]:
    """Return values, notices and problems; a value that a start would replace by another is a problem here."""
    values, notices, problems = read_given(lines)
    return values, notices, [*problems, *(notice.text for notice in notices if notice.code in REPLACED)]
