"""Strict replay: a run's journal through the same engine, every command compared (runtime 2.21 rule 2).

It is the proof that nothing but the journaled events decided, so it starts from a fresh engine and trusts no snapshot.
A bundle is the exception: its journal begins at the snapshot that lies beside it. A bug that halted the run happens
again in the replay, and is shown with the place in the code.
"""

from collections import deque
from pathlib import Path
from traceback import extract_tb
from typing import NamedTuple

import msgspec

from millrace.core.codec import encode_commands
from millrace.core.commands import Command
from millrace.core.failure import OperatorError, WorldError
from millrace.shell.bundle_file import unpacked
from millrace.shell.code_version import code_version
from millrace.shell.journal import JournalStep, read_journal
from millrace.shell.manifest import read_manifest
from millrace.shell.snapshots import Snapshots
from millrace.world.assemble import Program
from millrace.world.folder.journaled_program import JournaledProgram, settings_of

_EVENTS_BEFORE = 50


class Divergence(msgspec.Struct, frozen=True):
    """The first event whose commands differ: texts of what was recorded and what came now, and the events before it."""

    seq: int
    event: str
    recorded: list[str]
    replayed: list[str]
    first_difference: str
    events_before: list[str]


class ReplayResult(msgspec.Struct, frozen=True):
    """What a replay found; `divergence` is None when every command came again byte for byte.

    `faults` are the bugs of strategies and guards that the step caught, each with its event and its place in the code.
    """

    events: int
    commands: int
    command_hash: str
    notices: list[str]
    divergence: Divergence | None
    faults: list[str] = []


class Replayed(NamedTuple):
    """A replay, and the program as it stands at its end."""

    result: ReplayResult
    program: Program


def replay(path: Path) -> ReplayResult:
    """Step an engine through the journal of a folder or a bundle; raises OperatorError when it holds none."""
    if path.is_file():
        with unpacked(path) as folder:
            return step_again(folder).result
    return step_again(path).result


def step_again(folder: Path) -> Replayed:
    """Step an engine through a folder's journal and compare; raises OperatorError when the folder holds none."""
    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is None:
        raise OperatorError(
            f"{folder} holds no run: there is no manifest.json in it; give a folder of demo or backtest"
        )
    core = JournaledProgram(settings_of(manifest.config))
    notices: list[str] = []
    if manifest.code_version != code_version():
        notices.append(f"the journal was made by other code ({manifest.code_version}); this is {code_version()}")
    comparison = _Comparison(folder, core)
    for step in read_journal(folder, on_torn=lambda torn: notices.append(str(torn))):
        if not comparison.same(step):
            break
    if comparison.divergence is None and comparison.unwritten is not None:
        seq, count = comparison.unwritten.seq, len(comparison.made)
        notices.append(f"the program ended before it wrote the {count} commands that event {seq} led to")
    counts = (comparison.events, comparison.commands, core.program.engine.command_hash.hex())
    return Replayed(ReplayResult(*counts, notices, comparison.divergence, comparison.faults), core.program)


class _Comparison:
    """Steps an engine event by event beside what was recorded, up to the first difference."""

    def __init__(self, folder: Path, core: JournaledProgram) -> None:
        self.events = 0
        self.commands = 0
        self.faults: list[str] = []
        self.divergence: Divergence | None = None
        self.unwritten: JournalStep | None = None
        self.made: list[Command] = []
        self._folder = folder
        self._core = core
        self._before: deque[str] = deque(maxlen=_EVENTS_BEFORE)
        self._seq = 0

    def same(self, step: JournalStep) -> bool:
        """Step once; False when it gave other commands than were recorded.

        What is missing after the very last event is no difference: the program ended before it wrote its answer.
        """
        if self.unwritten is not None:
            self.divergence = _describe(self.unwritten, self.made, list(self._before)[:-1])
            return False
        self._follow(step.seq)
        self.made = self._core.step(step.event)
        engine = self._core.program.engine
        self.events += 1
        self.commands += len(self.made)
        if engine.fault is not None:
            self.faults.append(_fault(step.seq, engine.fault))
            engine.fault = None
        if step.commands is None and self.made:
            self.unwritten = step
        elif encode_commands(self.made) != encode_commands(step.commands or []):
            self.divergence = _describe(step, self.made, list(self._before))
            return False
        self._before.append(repr(step.event)[:500])
        return True

    def _follow(self, seq: int) -> None:
        """Take up the journal where it begins: at the first event, or behind a snapshot."""
        if self.events == 0 and seq > 1:
            saved = Snapshots(self._folder).latest(seq - 1)
            if saved.state is None:
                raise WorldError(f"{self._folder}: the journal begins with event {seq} and has no snapshot before it")
            self._core.take(saved.state, self._folder, saved.seq)
            self._seq = saved.seq
        if seq != self._seq + 1:
            raise WorldError(f"{self._folder}: events {self._seq + 1} to {seq - 1} are missing from the journal")
        self._seq = seq


def _fault(seq: int, error: Exception) -> str:
    """Return a bug with its place in the code, innermost first, without the paths of this machine."""
    frames = reversed(extract_tb(error.__traceback__))
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    return f"event {seq}: {type(error).__name__}: {error} ({places})"


def _describe(step: JournalStep, made: list[Command], before: list[str]) -> Divergence:
    recorded = [repr(command) for command in step.commands or []]
    replayed = [repr(command) for command in made]
    place = next(
        (at for at, pair in enumerate(zip(recorded, replayed, strict=False)) if pair[0] != pair[1]),
        min(len(recorded), len(replayed)),
    )
    was = recorded[place] if place < len(recorded) else "no command"
    now = replayed[place] if place < len(replayed) else "no command"
    return Divergence(
        seq=step.seq,
        event=repr(step.event)[:2000],
        recorded=recorded,
        replayed=replayed,
        first_difference=f"event {step.seq}, command {place + 1}: recorded {was}, replayed {now}",
        events_before=before,
    )
