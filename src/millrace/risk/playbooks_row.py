"""The parts of a playbook: what it watches for, what it does then, what must be measured before it ends.

A row of the table in runtime 2.20 becomes one `Playbook` value. The kinds of action are a closed list, so that a row
can ask for nothing that no code carries out: a row with a kind that has no code yet is refused when it is made.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from millrace.core.guard import GuardView
from millrace.core.permission import Level, ReasonCode, Scope
from millrace.risk.playbooks_facts import Facts

STALE_NS: Final = 30_000_000_000
"""A figure that was not published for so long says nothing any more; while one is awaited it comes every 10 s."""


class Case(NamedTuple):
    """What a predicate is asked about: the facts and the view now, and the venue, part or market in question."""

    facts: Facts
    view: GuardView
    subject: str
    now_ns: int

    def figure(self, name: str) -> float | None:
        """Return the last published figure of the subject; None when there was none."""
        reading = self.facts.readings.get((name, self.subject))
        return None if reading is None else reading.value

    def fresh(self, name: str) -> float | None:
        """Return that figure unless it is older than `STALE_NS`."""
        reading = self.facts.readings.get((name, self.subject))
        return None if reading is None or self.now_ns - reading.ts_ns > STALE_NS else reading.value


Predicate = Callable[[Case], bool]
Scopes = Callable[[Case], tuple[Scope, ...]]


class Act(StrEnum):
    """The closed list of what a playbook may do (runtime 2.20)."""

    POST_RESTRICTION = "post_restriction"
    SET_MODE = "set_mode"
    SET_GOVERNOR_CEILING = "set_governor_ceiling"
    PAUSE_LANES = "pause_lanes"
    CANCEL_SCOPE = "cancel_scope"
    RESUBSCRIBE = "resubscribe"
    ROTATE_ENDPOINT = "rotate_endpoint"
    SNAPSHOT_BUNDLE = "snapshot_bundle"
    PAGE = "page"


CARRIED_OUT: Final = frozenset({Act.POST_RESTRICTION, Act.SET_MODE, Act.PAGE})
"""The kinds that have code; the others come with the parts that they act on."""


class Action(msgspec.Struct, frozen=True):
    """One action: a restriction over `scopes`, a `mode` booked on the positions within them, or a page."""

    act: Act
    scopes: Scopes | None = None
    level: Level = Level.OPEN
    multiplier: float = 1.0
    mode: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for an action that nothing carries out, or whose parts are missing."""
        if self.act not in CARRIED_OUT:
            raise ValueError(f"nothing carries out {self.act.value} yet")
        if (self.act is not Act.PAGE) != (self.scopes is not None):
            raise ValueError(f"{self.act.value} {'needs' if self.scopes is None else 'takes no'} scopes")
        if (self.act is Act.POST_RESTRICTION) != (self.level > Level.OPEN) or (self.act is Act.SET_MODE) != bool(
            self.mode
        ):
            raise ValueError(f"{self.act.value} with level {self.level.name} and mode {self.mode!r}")


class Rung(msgspec.Struct, frozen=True):
    """Do `actions`, in order, once `when` has held for `for_ns`; `why` tells people what holds."""

    why: str
    when: Predicate
    actions: tuple[Action, ...]
    for_ns: int = 0


class Playbook(msgspec.Struct, frozen=True):
    """One row: any rung starts it, and it stands until no rung holds and `recovered` held for `hold_ns`.

    With `recovered` None only an operator ends it, by lifting what it posted. An escalation is a rung whose time
    counts from the start, and that need hold only at its end. `figures` are published while it stands. A predicate
    that raises counts as true, and its time as run, when `severity` is 3, and as false, with an alert, when it is less.
    """

    name: str
    severity: int
    reason: ReasonCode
    subjects: Callable[[Facts], tuple[str, ...]]
    rungs: tuple[Rung, ...]
    recovered: Predicate | None = None
    hold_ns: int = 0
    escalations: tuple[Rung, ...] = ()
    figures: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Rung, ...]:
        """The rungs, then the escalations: what is numbered in the state of a book that stands."""
        return (*self.rungs, *self.escalations)
