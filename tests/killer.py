"""Kills of the demo's program at the points of the submit path, as copies of what they would leave (runtime 2.15 A2).

A copy is as good as a kill: what the program had not handed to the system is not in it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo_runs import as_killed, slots_of
from millrace.core.commands import RecordFill, Submit
from millrace.core.events import OrderProgress, Timer
from millrace.world.folder.run_folder import Run

POINTS = [
    "before the journal",
    "journaled, commands not",
    "after the journal, before the ledger",
    "after the ledger, before it is sent",
    "sent, not arrived",
    "accepted, no news yet",
    "cancel sent, not arrived",
    "filled, no news yet",
    "fill journaled, not in the ledger",
    "after the news",
]


class Killer:
    """Copies the run's folder, as a kill would leave it, when a point of the submit path is passed the n-th time."""

    def __init__(self, run: Run, folder: Path, times: tuple[int, ...]) -> None:
        self.run, self.folder, self.times = run, folder, times
        self.passed = dict.fromkeys(POINTS, 0)
        self.states: dict[str, list[dict[str, Any]]] = {}
        line, venue, journal, ledger = run.simulation.line, run.venue, run.journal, run.ledger
        self.before(journal, "append_event", lambda _, event: "before the journal" if type(event) is Timer else None)
        self.before(journal, "append_commands", self.without_commands)
        self.before(ledger, "commit", self.uncommitted)
        self.before(line, "place", lambda *_: "after the ledger, before it is sent")
        self.before(venue, "place", lambda *_: "sent, not arrived")
        self.before(venue, "cancel", lambda *_: "cancel sent, not arrived")
        self.after(venue, "place", lambda *_: "accepted, no news yet")
        self.after(venue, "on_print", lambda answers: "filled, no news yet" if progress(answers) else None)
        run.simulation.sequencer.listen(lambda event, _: self.here(progress_point(event)))

    def without_commands(self, _: int, commands: list) -> str | None:
        if not has(commands, Submit):
            return None
        self.run.journal.flush()
        return "journaled, commands not"

    def uncommitted(self, commands: list) -> str | None:
        if has(commands, RecordFill):
            return "fill journaled, not in the ledger"
        return "after the journal, before the ledger" if has(commands, Submit) else None

    def before(self, part: Any, method: str, point: Callable[..., str | None]) -> None:
        whole = getattr(part, method)

        def watched(*args: Any) -> Any:
            self.here(point(*args))
            return whole(*args)

        setattr(part, method, watched)

    def after(self, part: Any, method: str, point: Callable[[Any], str | None]) -> None:
        whole = getattr(part, method)

        def watched(*args: Any) -> Any:
            answers = whole(*args)
            self.here(point(answers))
            return answers

        setattr(part, method, watched)

    def here(self, point: str | None) -> None:
        if point is None:
            return
        self.passed[point] += 1
        if self.passed[point] in self.times:
            name = f"{point} {self.passed[point]}"
            as_killed(self.run, self.folder / name)
            self.states[name] = slots_of(self.run)


def has(commands: list, kind: type) -> bool:
    return any(isinstance(command, kind) for command in commands)


def progress(answers: list) -> bool:
    return any(isinstance(answer.event, OrderProgress) for answer in answers)


def progress_point(event: object) -> str | None:
    return "after the news" if isinstance(event, OrderProgress) else None
