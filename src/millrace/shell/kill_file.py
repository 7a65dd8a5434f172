"""Kills from outside the program: files that anybody on the machine may touch, and the environment at its start.

A file is looked at each second and before each send, so that it holds even while everything else is stuck; a look is
one question to the file system. Whatever is wrong with a file makes it a kill of everything (runtime 2.17).
"""

from collections.abc import Mapping
from pathlib import Path

from millrace.core.failure import WorldError
from millrace.core.kill import GLOBAL, KillFile, KillOrder, read_kills, unreadable
from millrace.core.ports import Board
from millrace.core.trouble_events import KillRequested, KillSource

KILL_NAME = "KILL"
"""The kill file in a run's folder."""
KILL_VARIABLE = "MILLRACE_KILL"
_LIMIT_BYTES = 65_536
_Seen = tuple[int, int, int]


class KillFiles:
    """Implements `core.kill.KillFile` on files, which are read again when they changed."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._read: dict[Path, tuple[_Seen, tuple[KillOrder, ...]]] = {}

    def standing(self) -> tuple[KillOrder, ...]:
        """Return the kills of all files; one that is there and cannot be read kills everything."""
        found: tuple[KillOrder, ...] = ()
        for path in self._paths:
            try:
                there = path.stat()
            except FileNotFoundError:
                continue
            except OSError as error:
                found += unreadable(KillSource.FILE, str(path), error.strerror or str(error))
                continue
            seen = (there.st_mtime_ns, there.st_size, there.st_ino)
            known = self._read.get(path)
            if known is None or known[0] != seen:
                known = self._read[path] = (seen, _content(path))
            found += known[1]
        return found


def _content(path: Path) -> tuple[KillOrder, ...]:
    try:
        with path.open("rb") as file:
            raw = file.read(_LIMIT_BYTES + 1)
        if len(raw) > _LIMIT_BYTES:
            return unreadable(KillSource.FILE, str(path), f"more than {_LIMIT_BYTES} bytes")
        return read_kills(raw.decode(), KillSource.FILE, str(path))
    except OSError as error:
        return unreadable(KillSource.FILE, str(path), error.strerror or str(error))
    except UnicodeDecodeError as error:
        return unreadable(KillSource.FILE, str(path), error.reason)


def kills_of_environment(environ: Mapping[str, str]) -> tuple[KillOrder, ...]:
    """Return what MILLRACE_KILL asks for; an empty text asks for nothing."""
    text = environ.get(KILL_VARIABLE, "")
    return read_kills(text, KillSource.ENVIRONMENT, KILL_VARIABLE) if text.strip() else ()


class KillWatch:
    """Turns the kills that stand into events: each once, and again when it was cleared while it still stands."""

    def __init__(self, file: KillFile, at_start: tuple[KillOrder, ...] = ()) -> None:
        self._file = file
        self._at_start = at_start
        self._told: set[KillOrder] = set()

    def look(self, board: Board, now_ns: int) -> list[KillRequested]:
        """Return what the core must be told now."""
        standing, self._at_start = (*self._at_start, *self._file.standing()), ()
        if not standing:
            return []
        active = {restriction.id for restriction in board.active()}
        new = [order for order in standing if order not in self._told or order.restriction_id not in active]
        self._told.update(new)
        return [KillRequested(order.source, order.scope, order.text, order.flatten, now_ns) for order in new]


def write_kill(folder: Path, lines: tuple[str, ...]) -> Path:
    """Put the kill file into a run's folder, beside what it says already; returns where it is. Raises WorldError."""
    path = folder / KILL_NAME
    try:
        before = path.read_text().splitlines() if path.exists() else []
        if path.exists() and not any(line.strip() for line in before):
            before = [str(GLOBAL)]  # an empty file kills everything; what is added may not make it less
        scratch = path.with_suffix(".tmp")
        scratch.write_text("".join(f"{line}\n" for line in (*before, *lines)))
        scratch.replace(path)
    except (OSError, UnicodeDecodeError) as error:
        why = error.reason if isinstance(error, UnicodeDecodeError) else error.strerror
        raise WorldError(f"{path} cannot be written: {why}; `touch {path}` does the same") from error
    return path
