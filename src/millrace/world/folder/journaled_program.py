"""A program that follows a journal, also where the journal says that from there on other settings hold.

An operator changes settings by starting the program again with others: positions, orders and what was learned stay, and
the new settings hold from the event that names them. That the old core steps up to that event and a new one, built from
the new settings and the old one's state, steps from there is the one rule that a restart, a replay, a bundle and an
audit share; otherwise each would need to be told what held when.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from millrace.config.load import load_settings
from millrace.config.settings import Settings
from millrace.core.commands import Command
from millrace.core.events import ConfigApplied, Event, Scalar
from millrace.core.failure import OperatorError, WorldError
from millrace.world.assemble import Program, build_program

_OF_THE_RUN = frozenset(
    {"run.instrument", "run.seed", "run.installation", "slots.enabled", "slots.count", "arb.enabled", "quoting.enabled"}
)
_VENUES = ("venue.", "prediction.", "quoting.")
"""What a run is, and what its first start did; another needs another run."""


class JournaledProgram:
    """The program as it stands after the events stepped so far, and the settings in force."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.program: Program = build_program(settings)

    def step(self, event: Event) -> list[Command]:
        """Step the core; an event that names other settings is the first that a core of those steps."""
        if isinstance(event, ConfigApplied):
            self.become(settings_of(event.values))
        return self.program.engine.step(event)

    def become(self, settings: Settings) -> None:
        """Go on under these settings, with all that the core knows."""
        if settings.digest != self.settings.digest:
            state = self.program.engine.snapshot()
            self.settings, self.program = settings, build_program(settings)
            self.program.engine.restore(state)

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
        return load_settings(overrides={key: value for key, value in values.items() if value is not None})
    except OperatorError as error:
        raise WorldError(
            f"the recorded configuration is of another version ({error}); continue or replay the run with the version"
            " that its manifest.json names, or begin anew"
        ) from error


def changed_keys(before: Mapping[str, Scalar], settings: Settings) -> tuple[str, ...]:
    """Return what differs from a recorded configuration, in key order."""
    now, then = settings.flat(), settings_of(before).flat()
    return tuple(key for key in sorted(now) if now[key] != then[key])


def check_change(folder: Path, begun_with: Mapping[str, Scalar], settings: Settings) -> None:
    """Raise OperatorError when the settings cannot continue a run that was begun with others."""
    fixed = [key for key in changed_keys(begun_with, settings) if key in _OF_THE_RUN or key.startswith(_VENUES)]
    if fixed:
        raise OperatorError(
            f"{folder} was begun with other settings of what stays for a whole run ({', '.join(fixed)} differ); start"
            " with those, or begin anew with --fresh. A slot more is `millrace ask add_slot`"
        )
