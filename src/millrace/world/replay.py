"""Strict replay: a run's journal through the same engine, every command compared (runtime 2.21 rule 2).

It is the proof that nothing but the journaled events decided, so it starts from a fresh engine and trusts no snapshot.
"""

from collections import deque
from pathlib import Path

import msgspec

from millrace.config.load import load_settings
from millrace.core.codec import encode_commands
from millrace.core.commands import Command
from millrace.core.events import Scalar
from millrace.core.failure import OperatorError
from millrace.shell.code_version import code_version
from millrace.shell.journal import JournalStep, read_journal
from millrace.shell.manifest import read_manifest
from millrace.world.assemble import build_program

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
    """What a replay found; `divergence` is None when every command came again byte for byte."""

    events: int
    commands: int
    command_hash: str
    notices: list[str]
    divergence: Divergence | None


def replay(folder: Path) -> ReplayResult:
    """Step a fresh engine through the folder's journal; raises OperatorError when the folder holds none."""
    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is None:
        raise OperatorError(
            f"{folder} holds no run: there is no manifest.json in it; give a folder of demo or backtest"
        )
    engine = build_program(load_settings(overrides=given(manifest.config))).engine
    before: deque[str] = deque(maxlen=_EVENTS_BEFORE)
    notices: list[str] = []
    if manifest.code_version != code_version():
        notices.append(f"the journal was made by other code ({manifest.code_version}); this is {code_version()}")
    events = commands = 0
    for step in read_journal(folder, on_torn=lambda torn: notices.append(str(torn))):
        events += 1
        made = engine.step(step.event)
        commands += len(made)
        if encode_commands(made) != encode_commands(step.commands or []):
            divergence = _describe(step, made, list(before))
            return ReplayResult(events, commands, engine.command_hash.hex(), notices, divergence)
        before.append(repr(step.event)[:500])
    return ReplayResult(events, commands, engine.command_hash.hex(), notices, None)


def given(config: dict[str, Scalar]) -> dict[str, Scalar]:
    """Return a recorded configuration as overrides; a knob without a value is left to its default."""
    return {key: value for key, value in config.items() if value is not None}


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
