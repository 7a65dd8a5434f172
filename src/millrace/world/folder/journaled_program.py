"""A program that follows a journal, also where the journal says that from there on other settings hold.

An operator changes settings by starting the program again with others: positions, orders and what was learned stay, and
the new settings hold from the event that names them. That the old core steps up to that event and a new one, built from
the new settings and the old one's state, steps from there is the one rule that a restart, a replay, a bundle and an
audit share; otherwise each would need to be told what held when.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from millrace.config.in_flight import in_flight
from millrace.config.load import load_settings
from millrace.config.settings import Settings
from millrace.core.commands import Command
from millrace.core.events import ConfigApplied, Event, Scalar
from millrace.core.failure import OperatorError, WorldError
from millrace.world.assemble import Program, build_program
from millrace.world.remake import can_remake, put_in, remade


class JournaledProgram:
    """The program as it stands after the events stepped so far, and the settings in force."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.program: Program = build_program(settings)
        self.program.engine.applies = self._applied

    def step(self, event: Event) -> list[Command]:
        """Step the core; an event that names other settings is the first that a core of those steps."""
        if isinstance(event, ConfigApplied):
            self.become(settings_of(event.values))
        return self.program.engine.step(event)

    def become(self, settings: Settings) -> None:
        """Go on under these settings, with all that the core knows.

        Where only parts read what changed, those are made anew and the engine stays; a start may change more.
        """
        if settings.digest == self.settings.digest:
            return
        if can_remake(self.settings, settings):
            put_in(self.program, remade(self.program, self.settings, settings))
            self.settings = settings
            return
        state = self.program.engine.snapshot()
        self.settings, self.program = settings, build_program(settings)
        self.program.engine.restore(state)
        self.program.engine.applies = self._applied

    def _applied(self, event: ConfigApplied) -> None:
        """Follow an event that changes settings in flight; the engine that steps it can take no more than that."""
        if event.digest != self.settings.digest:
            settings = settings_of(event.values)
            put_in(self.program, remade(self.program, self.settings, settings))
            self.settings = settings

    def take(self, state: dict[str, Any], folder: Path, seq: int) -> None:
        """Restore the core from a snapshot's state; raises WorldError when it is not of this version's shape.

        Nothing is tried in its place: a version that cannot read its own past would not decide as it did either.
        """
        try:
            if state["config"]:
                self.become(settings_of(state["config"]))
            self.program.engine.restore(state)
        except (msgspec.ValidationError, KeyError, ValueError) as error:
            raise WorldError(
                f"{folder}: the snapshot of event {seq} is of another version ({error}); continue with the version"
                " that manifest.json names, or put the snapshots aside so that the whole journal is stepped again"
            ) from error


def settings_of(values: Mapping[str, Scalar]) -> Settings:
    """Return the settings of a recorded configuration; a knob without a value, or a later one, has its default.

    Raises WorldError for a configuration that only another version of this program can read.
    """
    try:
        return load_settings(overrides=_given(values))
    except OperatorError as error:
        raise WorldError(
            f"the recorded configuration is of another version ({error}); continue or replay the run with the version"
            " that its manifest.json names, or begin anew"
        ) from error


class KeptInFlight(NamedTuple):
    """The settings of a start with what was changed in flight before it; what was overruled so; and it in words."""

    settings: Settings
    overruled: dict[str, Scalar]
    said: tuple[str, ...]


def kept_in_flight(told: Settings, in_force: Mapping[str, Scalar], overruled: Mapping[str, Scalar]) -> KeptInFlight:
    """Return what a start goes on with: what was changed in flight stays, unless the start says something new.

    `overruled` is what an earlier start said of the keys that were changed since. A start that says the same again has
    settings older than the change; one that says anything else was told so by a person who had the last word. Raises
    OperatorError when the start's other settings do not go with what stays.
    """
    values = told.flat()
    stays = {key: said for key, said in overruled.items() if values[key] == said and in_force[key] != said}
    if not stays:
        return KeptInFlight(told, {}, ())
    try:
        settings = load_settings(overrides=_given({**values, **{key: in_force[key] for key in stays}}))
    except OperatorError as error:
        raise OperatorError(
            f"{', '.join(stays)} were changed while the program ran, and this start's settings do not go with that:"
            f" {error}"
        ) from error
    said = tuple(
        f"{key} = {in_force[key]} was set while the program ran and stays; this start says {value}, as one before that"
        " did: write the value in force into the start's settings, or change it with `millrace reload`"
        for key, value in stays.items()
    )
    return KeptInFlight(settings, stays, said)


def _given(values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return {key: value for key, value in values.items() if value is not None}


def changed_keys(before: Mapping[str, Scalar], settings: Settings) -> tuple[str, ...]:
    """Return what differs from a recorded configuration, in key order."""
    now, then = settings.flat(), settings_of(before).flat()
    return tuple(key for key in sorted(now) if now[key] != then[key])


def check_change(folder: Path, begun_with: Mapping[str, Scalar], settings: Settings) -> None:
    """Raise OperatorError when the settings cannot continue a run that was begun with others."""
    fixed = [key for key in changed_keys(begun_with, settings) if in_flight(key) == "never"]
    if fixed:
        raise OperatorError(
            f"{folder} was begun with other settings of what stays for a whole run ({', '.join(fixed)} differ); start"
            " with those, or begin anew with --fresh. A slot more is `millrace ask add_slot`"
        )
