"""Makes an incident bundle by itself when a bug was caught in the core (runtime 1.4, 2.21 rule 7).

What led to a bug is in the journal for hours, the attention of a person is not, so the evidence is packed at once. It
is made between two slices of time, never within the step, whose cancels leave first; at most once in ten minutes of
the machine's clock, however often the program is started anew, and up to a number that no disk minds. Trading never
stops over it.
"""

from pathlib import Path
from typing import Final

from millrace.core.clock import Clock
from millrace.core.commands import Alert, Command
from millrace.core.events import Event
from millrace.core.failure import OperatorError, WorldError
from millrace.core.permission import ReasonCode
from millrace.shell.sequencer import Sequencer
from millrace.world.afterwards.bundle import known_secrets, make_bundle

INCIDENTS: Final = "incidents"
APART_NS: Final = 600 * 10**9
MOST: Final = 20
_CODES: Final = (ReasonCode.CORE_EXCEPTION.value, ReasonCode.GUARD_FAILURE.value)
_PREFIX: Final = "incident-"


class Incidents:
    """Listens to one run in a folder; call `keep` between whiles."""

    def __init__(self, folder: Path, clock: Clock, sequencer: Sequencer) -> None:
        self._run = folder
        self._folder = folder / INCIDENTS
        self._clock = clock
        self._sequencer = sequencer
        self._found = ""
        sequencer.listen(self.step)

    def step(self, event: Event, commands: list[Command]) -> None:
        """Look for the alert of a bug."""
        del event
        for command in commands:
            if isinstance(command, Alert) and command.code in _CODES and not self._found:
                self._found = f"{command.code}: {command.text}"

    def keep(self) -> str:
        """Write the bundle that is due; returns what a person should be told of it, "" when there is none to write."""
        if not self._found:
            return ""
        reason, self._found = self._found, ""
        now_ns = self._clock.now_ns()
        made = sorted(self._folder.glob(f"{_PREFIX}*.zip"))
        if len(made) >= MOST:
            return f"{reason}: no bundle, {self._folder} holds {len(made)}; move them away"
        if made and abs(now_ns - int(made[-1].stem.removeprefix(_PREFIX))) < APART_NS:
            return f"{reason}: no second bundle within ten minutes of {made[-1].name}"
        self._sequencer.settle()
        try:
            info = make_bundle(self._run, self._folder / f"{_PREFIX}{now_ns:020}.zip", known_secrets(), reason=reason)
        except (WorldError, OperatorError, OSError) as error:
            return f"{reason}: no bundle: {error}"
        return f"{reason}: replay it with `millrace replay {info.file}`"
