"""The records of a run as they lie in its folder: bookings and starts, read beside a program that may be writing them.

Whoever judges a run afterwards reads what was written down and nothing else. A run that trades has its bookings in the
ledger; a backtest keeps only its journal, whose commands hold the same bookings.
"""

import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from millrace.core.commands import Book
from millrace.core.failure import OperatorError, WorldError
from millrace.shell.disk import RealDisk
from millrace.shell.journal import has_segments, read_journal
from millrace.shell.ledger_extract import reading
from millrace.shell.manifest import RunStart, read_manifest

_LAST = (
    "SELECT max(ts) FROM (SELECT max(updated_ns) AS ts FROM orders UNION SELECT max(ts_ns) FROM fills"
    " UNION SELECT max(ts_ns) FROM bookings)"
)
_BOOKINGS = "SELECT strategy, kind, booking_key, vals, ts_ns FROM bookings ORDER BY number"
_values = msgspec.msgpack.Decoder(dict[str, str | int | float | bool | None]).decode


class RunRecords(NamedTuple):
    """A run's bookings of some kinds, its starts, and the last time that it wrote down anything, 0 if it never did."""

    bookings: tuple[Book, ...]
    starts: tuple[RunStart, ...]
    last_ns: int


def read_run(folder: Path, ledger: Path, kinds: frozenset[str]) -> RunRecords:
    """Return the records of these kinds; raises OperatorError where there is no run, WorldError where it is damaged.

    Where there is no ledger the journal is read in its place.
    """
    disk = RealDisk()
    if not folder.is_dir() or not has_segments(folder, disk):
        raise OperatorError(f"{folder}: no run lies there; name the folder that demo, rehearse or backtest --out wrote")
    manifest = read_manifest(folder, disk)
    starts = () if manifest is None else manifest.starts
    if not ledger.exists():
        return _from_journal(folder, kinds, starts)
    try:
        with reading(ledger) as base:
            rows: list[Any] = base.execute(_BOOKINGS).fetchall()
            last_ns: int = base.execute(_LAST).fetchone()[0] or 0
    except (sqlite3.Error, msgspec.DecodeError) as error:
        raise WorldError(f"{ledger} cannot be read: {error}; repair or restore it") from error
    books = (Book(row[0], row[1], row[2], _values(row[3]), row[4]) for row in rows if row[1] in kinds)
    return RunRecords(tuple(books), starts, last_ns)


def _from_journal(folder: Path, kinds: frozenset[str], starts: tuple[RunStart, ...]) -> RunRecords:
    books, last_ns = list[Book](), 0
    for step in read_journal(folder, RealDisk()):
        last_ns = max(last_ns, step.event.ts_ns)
        books += [found for found in step.commands or () if isinstance(found, Book) and found.kind in kinds]
    return RunRecords(tuple(books), starts, last_ns)
