"""An observation that may be true but is not believed yet waits for others that agree with it (runtime 2.2).

A sudden price, or two outcomes that cost far less than a dollar together, is either an error or just what the desk is
for. So it is neither traded on nor thrown away. Two later observations that agree with it, or one snapshot, make it
true; an ordinary one ends it. After half a minute the next snapshot decides, so nothing is suspected for ever.
"""

from enum import IntEnum
from typing import Any, NamedTuple

from millrace.core.data_quality import QuoteReason
from millrace.market.firewall_settings import FirewallSettings, ns


class Measure(NamedTuple):
    """Why an observation is suspect: the value seen, how far it lies off, and one price step in the same units."""

    reason: QuoteReason
    value: int
    excess: int
    step: int

    def is_near(self, first: "Measure", share: float) -> bool:
        """Tell whether it lies within this share of the first one's excess of it, or within a step."""
        return abs(self.value - first.value) <= max(share * first.excess, self.step)


class Belief(IntEnum):
    """What is thought of a suspect observation: a suspicion of its own, one of the same, or it is true."""

    NEW = 0
    SAME = 1
    TRUE = 2


class Suspicion:
    """The suspect state of one market; `since_ns` is when it began, 0 while nothing is suspected."""

    __slots__ = ("_agreed", "_gap_ns", "_last_ns", "_limit_ns", "_measures", "_needed", "_share", "since_ns", "version")

    def __init__(self, settings: FirewallSettings) -> None:
        self._gap_ns = ns(settings.confirm_gap_sec)
        self._share = settings.confirm_share
        self._limit_ns = ns(settings.suspect_limit_sec)
        self._needed = 2
        self.clear()

    def clear(self) -> None:
        """Forget it: an ordinary observation came, or it turned out true."""
        self.since_ns = 0
        self.version = -1
        self._measures: tuple[Measure, ...] = ()
        self._agreed = 0
        self._last_ns = 0

    def is_overdue(self, now_ns: int) -> bool:
        """Tell whether it lasts too long, so that a snapshot must decide."""
        return self.since_ns > 0 and now_ns - self.since_ns > self._limit_ns

    def weigh(self, measures: tuple[Measure, ...], version: int, ts_ns: int, *, snapshot: bool) -> Belief:
        """Take a suspect observation. When it is believed, the caller ends the suspicion."""
        if self.since_ns == 0:
            self.since_ns = ts_ns
        elif snapshot and (self.is_overdue(ts_ns) or self._agrees(measures, share=0.0)):
            return Belief.TRUE
        elif self._agrees(measures, self._share):
            if ts_ns - self._last_ns >= self._gap_ns:
                self._agreed += 1
                self._last_ns = ts_ns
            return Belief.TRUE if self._agreed >= self._needed else Belief.SAME
        self.version, self._measures = version, measures
        self._agreed, self._last_ns = 0, ts_ns
        return Belief.NEW

    def _agrees(self, measures: tuple[Measure, ...], share: float) -> bool:
        """Tell whether these suspect nothing else, and lie within this share of the excess, or one step."""
        waiting = {measure.reason: measure for measure in self._measures}
        return all(seen.reason in waiting and seen.is_near(waiting[seen.reason], share) for seen in measures)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "since_ns": self.since_ns,
            "version": self.version,
            "agreed": [self._agreed, self._last_ns],
            "seen": saved_measures(self._measures),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.since_ns, self.version = state["since_ns"], state["version"]
        self._agreed, self._last_ns = state["agreed"]
        self._measures = read_measures(state["seen"])


def saved_measures(measures: tuple[Measure, ...]) -> list[list[Any]]:
    """Return them as builtins."""
    return [[measure.reason.value, *measure[1:]] for measure in measures]


def read_measures(saved: list[list[Any]]) -> tuple[Measure, ...]:
    """Return what `saved_measures` saved."""
    return tuple(Measure(QuoteReason(row[0]), *row[1:]) for row in saved)
