"""A rehearsal: program and venue as two processes, started, watched, killed and started again by a third.

Only real processes on a real disk show what a kill leaves behind, so this module holds no part of either side: it runs
the command line and sends signals. Children end by themselves when whoever started them is gone, because their standard
input ends then; and when this process leaves, none of them is left.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import msgspec

from millrace.core.clock import Clock
from millrace.core.failure import WorldError

_LOOK_NS = 100_000_000
_LAST_LINES = 12
_PATIENCE_SEC = 180.0
"""How long a side may take to end after it was asked to."""


class _Complaint(msgspec.Struct):
    error: str


class Side:
    """One of the two processes, which may be started again and again."""

    def __init__(self, name: str, words: Sequence[str], leash: int, *, captured: bool) -> None:
        self.name = name
        self.starts = 0
        self._command = [sys.executable, "-m", "millrace.cli", "rehearse", "--only", name, "--leash", *words]
        self._leash = leash
        self._pipe = subprocess.PIPE if captured else None
        self._process: subprocess.Popen[str] | None = None

    def start(self, *more: str) -> None:
        """Start it; signals of the terminal go to us, and we pass them on."""
        self._process = subprocess.Popen(  # noqa: S603  our own command line
            [*self._command, *more],
            stdin=self._leash,
            stdout=self._pipe,
            stderr=self._pipe,
            text=True,
            start_new_session=True,
        )
        self.starts += 1

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it. Raises WorldError, with its last words, when it ended by itself."""
        process = self._process
        if process is None or process.poll() is None:
            return False
        said = process.communicate()
        if process.returncode >= 0:
            raise WorldError(f"the {self.name} ended by itself with code {process.returncode}: {_last_words(said)}")
        return True

    def kill(self) -> None:
        """Kill -9; raises WorldError when it had ended by itself before."""
        if self._process is not None and not self.was_killed:
            self._process.kill()
            self._process.communicate()

    def stop(self) -> str:
        """Ask it to stop; returns what it printed. One that has only begun to start may end by the signal itself."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
        return self.result(0, -signal.SIGTERM)

    def result(self, *well: int) -> str:
        """Wait until it has ended by itself; returns what it printed.

        Raises WorldError when it did not end well, which is with 0 where no other codes are named.
        """
        process = self._process
        if process is None:
            return ""
        try:
            said = process.communicate(timeout=_PATIENCE_SEC)
        except subprocess.TimeoutExpired as error:
            raise WorldError(f"the {self.name} does not end within {_PATIENCE_SEC:g} s") from error
        if process.returncode not in (well or (0,)):
            raise WorldError(f"the {self.name} ended with code {process.returncode}: {_last_words(said)}")
        return said[0] or ""

    def abandon(self) -> None:
        """Leave no process behind, whatever it was doing."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


class Rehearsal:
    """The two processes of one folder; `words` are the settings that both are given on the command line."""

    def __init__(self, folder: Path, words: Sequence[str], speed: float, *, captured: bool) -> None:
        self.folder = folder
        self._leash = os.pipe()
        both = ["--dir", str(folder), "--speed", repr(speed), *words]
        self.venue = Side("venue", both, self._leash[0], captured=captured)
        self.program = Side("program", both, self._leash[0], captured=captured)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.program.abandon()
        self.venue.abandon()
        for end in self._leash:
            os.close(end)

    def open_market(self) -> None:
        """Start the venue; from the second time on its clock goes on as if it had been there all the time."""
        self.venue.start(*self._same_clock())

    def close_market(self) -> None:
        """Start the venue so that it takes calls, and nothing changes but by them."""
        self.venue.start("--closed", *self._same_clock())

    def _same_clock(self) -> list[str]:
        return ["--same-clock"] if self.venue.starts else []

    def settle(self) -> dict[str, Any]:
        """Stop the market, let a program learn everything that it does not know, and end both; returns its words."""
        self.venue.stop()
        self.close_market()
        self.program.start("--until-quiet", "--json")
        said = self.program.result()
        self.venue.stop()
        result: dict[str, Any] = msgspec.json.decode(said)
        return result

    def watch(
        self,
        clock: Clock,
        seconds: float | None,
        stopped: Callable[[], bool],
        tell: Callable[[str], None],
        program_words: Sequence[str] = (),
    ) -> str:
        """Keep both sides running, whoever kills them, until time is up or the wish to stop; returns the last words.

        Raises WorldError when a side ends by itself: it has said why.
        """
        end_ns = None if seconds is None else clock.monotonic_ns() + round(seconds * 1e9)
        self.open_market()
        self.program.start(*program_words)
        while not stopped() and (end_ns is None or clock.monotonic_ns() < end_ns):
            clock.sleep_until(clock.now_ns() + _LOOK_NS)
            if stopped():
                break
            if self.venue.was_killed:
                tell("the venue was killed; it starts again")
                self.open_market()
            if self.program.was_killed:
                tell("the program was killed; it starts again")
                self.program.start(*program_words)
        said = self.program.stop()
        self.venue.stop()
        return said


def _last_words(said: tuple[str | None, str | None]) -> str:
    """Return why a process ended: the error that it printed as an object, else the end of what it said."""
    out, err = (part or "" for part in said)
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(out, type=_Complaint).error
    return " / ".join(err.strip().splitlines()[-_LAST_LINES:]) or "it said nothing here"
