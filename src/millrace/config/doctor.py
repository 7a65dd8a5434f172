"""Tells before a run whether this machine, this folder and this configuration are fit for it.

Each check answers in one row and none stops the others, so that one call shows everything that must be mended. The
clocks are read by the caller twice, a moment apart: a wall clock that jumps would make orders look stale or new.
"""

import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

from millrace.config.settings import Settings
from millrace.core.failure import OperatorError, WorldError

State = Literal["ok", "warn", "fail"]

LEAST_PYTHON = (3, 11)
NEEDED = ("msgspec", "numpy")
OPTIONAL = {"rich": "ui", "pyarrow": "research", "plotly": "research"}
_GIB = 2**30
_FREE_FAIL = 100 * 2**20
_FREE_WARN = _GIB
_JUMP_WARN_NS = 50_000_000
_JUMP_FAIL_NS = 1_000_000_000
_EARLIEST_NS = 1_735_689_600 * 10**9
"""2025-01-01: a wall clock before the program was written was never set."""
_NS = 1e9


class Finding(NamedTuple):
    """One row: what was looked at, how it is, the fact, and what to do (empty when nothing)."""

    name: str
    state: State
    detail: str
    todo: str = ""


class ClockReadings(NamedTuple):
    """Wall and monotonic clock in nanoseconds, read together twice, a moment apart."""

    first_wall_ns: int
    first_monotonic_ns: int
    second_wall_ns: int
    second_monotonic_ns: int


def diagnose(
    folder: Path,
    clocks: ClockReadings,
    load: Callable[[], Settings],
    read_data: Callable[[], str] | None = None,
) -> list[Finding]:
    """Return a row per check.

    `folder` is where runs are written; `load` loads the configuration; `read_data` reads a recording and returns a line
    about it. Both may raise OperatorError or WorldError, which become rows.
    """
    findings = [_python(), *_packages(), _folder(folder), _space(folder), _clock(clocks), _ledger(folder)]
    findings += _configuration(load)
    if read_data is not None:
        findings.append(_data(read_data))
    return findings


def worst(findings: list[Finding]) -> State:
    """Return the worst state of all rows."""
    states = {finding.state for finding in findings}
    return "fail" if "fail" in states else "warn" if "warn" in states else "ok"


def _python() -> Finding:
    found = platform.python_version()
    if sys.version_info[:2] < LEAST_PYTHON:
        return Finding("python", "fail", found, "install Python 3.11 or later")
    return Finding("python", "ok", f"{found} on {platform.system()} {platform.machine()}")


def _packages() -> list[Finding]:
    findings = []
    for name in (*NEEDED, *OPTIONAL):
        try:
            findings.append(Finding(f"package {name}", "ok", version(name)))
        except PackageNotFoundError:
            if name in NEEDED:
                findings.append(Finding(f"package {name}", "fail", "absent", f"install {name}"))
            else:
                extra = f"install millrace[{OPTIONAL[name]}] to have reports and files that need it"
                findings.append(Finding(f"package {name}", "warn", "absent", extra))
    return findings


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())


def _folder(folder: Path) -> Finding:
    place = _existing(folder)
    if not place.is_dir():
        return Finding("run directory", "fail", f"{place} is a file", "name another directory")
    try:
        with tempfile.NamedTemporaryFile(dir=place) as probe:
            probe.write(b"probe")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return Finding("run directory", "fail", f"{place}: {error.strerror}", "make it writable or name another")
    made = "" if place == folder.absolute() else f" (will be made in {place})"
    return Finding("run directory", "ok", f"{folder} can be written{made}")


def _space(folder: Path) -> Finding:
    free = shutil.disk_usage(_existing(folder)).free
    detail = f"{free / _GIB:.1f} GiB free"
    if free < _FREE_FAIL:
        return Finding("disk space", "fail", detail, "free at least 1 GiB; a full disk stops new orders")
    if free < _FREE_WARN:
        return Finding("disk space", "warn", detail, "free at least 1 GiB before a long run")
    return Finding("disk space", "ok", detail)


def _clock(clocks: ClockReadings) -> Finding:
    wall_ns = clocks.second_wall_ns - clocks.first_wall_ns
    monotonic_ns = clocks.second_monotonic_ns - clocks.first_monotonic_ns
    apart_ns = abs(wall_ns - monotonic_ns)
    if clocks.second_wall_ns < _EARLIEST_NS:
        shown = datetime.fromtimestamp(clocks.second_wall_ns / _NS, tz=UTC).isoformat(timespec="seconds")
        return Finding("clock", "fail", f"the wall clock says {shown}", "set the clock")
    if monotonic_ns < 0 or apart_ns > _JUMP_FAIL_NS:
        detail = f"the wall clock moved {wall_ns / _NS:.3f} s in {monotonic_ns / _NS:.3f} s"
        return Finding("clock", "fail", detail, "let one time service set the clock, slowly")
    if apart_ns > _JUMP_WARN_NS:
        return Finding("clock", "warn", f"wall and monotonic clock {apart_ns / _NS:.3f} s apart", "check time service")
    return Finding("clock", "ok", f"wall and monotonic clock agree within {apart_ns / 1e6:.1f} ms")


def _ledger(folder: Path) -> Finding:
    """Commit through a write-ahead log with full sync, as the ledger will; some network disks cannot."""
    try:
        with tempfile.TemporaryDirectory(dir=_existing(folder)) as scratch:
            connection = sqlite3.connect(Path(scratch) / "probe.sqlite")
            try:
                mode = str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("CREATE TABLE probe (x INTEGER)")
                connection.execute("INSERT INTO probe VALUES (1)")
                connection.commit()
            finally:
                connection.close()
    except (OSError, sqlite3.Error) as error:
        return Finding("ledger", "fail", f"SQLite cannot write here: {error}", "use a local disk that can be written")
    if mode != "wal":
        return Finding("ledger", "fail", f"SQLite has no write-ahead log here ({mode})", "use a local disk")
    return Finding("ledger", "ok", f"SQLite {sqlite3.sqlite_version} commits with a write-ahead log")


def _configuration(load: Callable[[], Settings]) -> list[Finding]:
    try:
        settings = load()
    except OperatorError as error:
        return [Finding("configuration", "fail", str(error), "mend the named place")]
    detail = f"profile {settings.profile}, digest {settings.digest}"
    findings = [Finding("configuration", "ok", detail)]
    for notice in settings.notices:
        state: State = "warn" if notice.severity == "warning" else "ok"
        todo = f"see millrace config explain {notice.key}" if state == "warn" else ""
        findings.append(Finding(f"configuration {notice.code}", state, notice.text, todo))
    return findings


def _data(read_data: Callable[[], str]) -> Finding:
    try:
        return Finding("data file", "ok", read_data())
    except (OperatorError, WorldError) as error:
        return Finding("data file", "fail", str(error), "mend the file or name another")
