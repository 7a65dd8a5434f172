"""The ramp's decisions, a line each and never changed, and the controller's memory in the last of them.

A controller that is started again goes on where the last line stands; one that rolled back stays rolled back until a
person approves another beginning, which is a line too (quoting 8). A torn last line, of a machine that died while it
was written, is left where it is and told.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from millrace.core.failure import OperatorError, WorldError
from millrace.strategies.quoting.rollout.ramp import RampDecision, RampState


class Begun(NamedTuple):
    """Where a log leaves the controller, and what a person should know about it."""

    state: RampState
    notices: tuple[str, ...]


class DecisionLog:
    """One append-only file of JSON lines; raises WorldError when it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self) -> Begun:
        """Return the last state, a fresh one of a new log; raises OperatorError for a line that is no decision."""
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return Begun(RampState(), ())
        except OSError as error:
            raise OperatorError(f"{self._path}: {error.strerror or error}") from error
        torn, whole = lines[-1], [line for line in lines[:-1] if line]
        notices = (f"{self._path}: its last line was torn and does not count",) if torn else ()
        if not whole:
            return Begun(RampState(), notices)
        try:
            return Begun(msgspec.convert(json.loads(whole[-1])["state"], RampState), notices)
        except (ValueError, KeyError, TypeError, msgspec.ValidationError) as error:
            text = f"{self._path}, line {len(whole)}: no decision of the ramp ({error}); begin another log"
            raise OperatorError(text) from error

    def write(self, decision: RampDecision, state: RampState) -> None:
        """Append a decision and the state after it; it is on disk when this returns."""
        self._append(decision.row() | {"state": msgspec.to_builtins(state)})

    def answered(self, pct: int, followed: bool, text: str, ts_ns: int, state: RampState) -> None:
        """Append what the program said to a step."""
        row = {"ts_ns": ts_ns, "action": "followed" if followed else "not_followed", "pct": pct, "reason": text}
        self._append(row | {"state": msgspec.to_builtins(state)})

    def approved(self, state: RampState, ts_ns: int) -> None:
        """Append that a person let the ramp begin again."""
        row = {"ts_ns": ts_ns, "action": "approved", "pct": 0, "reason": "a person approved another beginning"}
        self._append(row | {"state": msgspec.to_builtins(state)})

    def _append(self, row: dict[str, Any]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab+") as file:
                if file.tell() and not _ends_whole(self._path):
                    file.write(b"\n")
                file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise WorldError(f"{self._path}: {error.strerror or error}; no decision may go unwritten") from error


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
