"""What the desk has searched outside its steps: the combination lane, a few components at a time (runtime 2.10).

The fixed lanes are incremental and need no scan; this one solves integer programs, so it runs elsewhere, over books
that were copied in a step, and its finds come back as an event. They are proved again in integers on the books of that
moment, become rows of a report, and never a plan. A search that is late, fails or errs too often costs itself depth or
its turn, and nobody else anything.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from millrace.capacity.lane_policy import LaneBudgets, LanePolicy
from millrace.core.binary_events import LaneScanned, LaneStatus
from millrace.core.commands import Alert, Book, Intent, Post, Scan, Severity
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.strategies.arb.combo.lane import books_of, checked, setup_of
from millrace.strategies.arb.combo.settings import ComboSettings
from millrace.strategies.arb.lanes.detector import Detector
from millrace.strategies.arb.model import Lane
from millrace.strategies.arb.rules.joint import Component, Joint

COMBO = Lane.COMBO.value
JOBS = {COMBO: "millrace.strategies.arb.combo.lane:prepare"}
"""The function of each lane that is scanned, as the runner finds it in another process."""
_ERROR_SCANS = 10
"""Errors count over so many scans where those come less often than once a second."""


def budgets_of(settings: ComboSettings) -> LaneBudgets:
    """Return how often and how deep the combination lane is scanned."""
    defaults, every_ns = LaneBudgets(), round(settings.every_sec * 1_000_000_000)
    return LaneBudgets(
        slots=1,
        cycle_ns=every_ns,
        depth=settings.components,
        least_depth=min(defaults.least_depth, settings.components),
        errors_ns=max(defaults.errors_ns, _ERROR_SCANS * every_ns),
    )


class _Saved(msgspec.Struct):
    policy: dict[str, Any]
    at: int
    proved: int
    void: int


class LaneScans:
    """The scans of one desk; `proved` and `void` count what became of finds."""

    def __init__(self, strategy: str, settings: ComboSettings) -> None:
        self.proved = 0
        self.void = 0
        self._strategy = strategy
        self._settings = settings
        self._policy = LanePolicy([COMBO], budgets_of(settings))
        self._at = 0
        self._now_ns = 0

    def next_ns(self, joint: Joint) -> int | None:
        """Return when the next scan is due; None where nothing is searched."""
        if not (self._settings.reporting and joint.components) or self._policy.halted(COMBO):
            return None
        return self._policy.next_ns

    def due(self, joint: Joint, now_ns: int) -> list[Intent]:
        """Return the scans that are due; the shell then asks for their setup and books."""
        if not (self._settings.reporting and joint.components):
            return []
        self._now_ns = now_ns
        scans = self._policy.due(now_ns)
        if scans:
            self._at = (self._at + self._policy.depth(COMBO, now_ns)) % len(joint.components)
        return [Scan(self._strategy, lane, number, now_ns) for lane, number in scans]

    def setup(self, detector: Detector, joint: Joint) -> bytes:
        """Return what the search prepares from; the same bytes while rules and settings are the same."""
        return setup_of(detector.universe, joint, self._settings)

    def books(self, detector: Detector, joint: Joint) -> bytes:
        """Return the books of the components whose turn it is."""
        return books_of(detector, joint, self._settings, self._turn(joint.components))

    def _turn(self, components: Sequence[Component]) -> list[Component]:
        depth = min(self._policy.depth(COMBO, self._now_ns), len(components))
        return [components[(self._at + step) % len(components)] for step in range(depth)]

    def heard(self, event: LaneScanned, detector: Detector, joint: Joint) -> list[Intent]:
        """Return what an answer leads to: a row for each find that holds, a word about what went wrong."""
        news = self._policy.heard(event)
        if not news.asked:
            return []
        found = checked(event, detector, joint, self._settings)
        self.proved += len(found.proved)
        self.void += len(found.void)
        said: list[Intent] = [
            Book(self._strategy, "arb_combo", f"combo/{event.scan}/{number}", basket.row(), event.ts_ns)
            for number, basket in enumerate(found.proved)
        ]
        if event.status is LaneStatus.FAILED:
            text = f"the scan of lane {event.lane} failed: {event.text}"
            said.append(Alert(Severity.WARN, "lane_error", text, event.ts_ns))
        if news.shallower:
            depth = self._policy.depth(event.lane, event.ts_ns)
            text = f"lane {event.lane} came late three times and now looks at {depth} components a scan"
            said.append(Alert(Severity.INFO, "lane_shallower", text, event.ts_ns))
        if news.halt:
            text = f"its scans failed five times: {event.text}"
            stop = Restriction(
                f"{self._strategy}/lane/{event.lane}",
                Scope(ScopeKind.LANE, event.lane),
                Level.HALT,
                ReasonCode.CONSECUTIVE_ERRORS,
                text,
                self._strategy,
                event.ts_ns,
            )
            said.append(Post(stop))
        return said

    def resume(self) -> None:
        """Let a halted lane be scanned again."""
        self._policy.resume(COMBO)

    def started(self) -> None:
        """Forget the scans of the life before, which nobody answers."""
        self._policy.forget_asked()

    def status(self, now_ns: int) -> dict[str, Any]:
        """Return depth and counts for people."""
        halted = self._policy.halted(COMBO)
        depth = self._policy.depth(COMBO, now_ns)
        return {"depth": depth, "halted": halted, "proved": self.proved, "void": self.void}

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(
            _Saved(self._policy.snapshot(), self._at, self.proved, self.void)
        )
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self._policy.restore(saved.policy)
        self._at, self.proved, self.void = saved.at, saved.proved, saved.void
