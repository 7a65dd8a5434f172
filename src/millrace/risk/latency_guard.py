"""What slow orders mean for trading: smaller ones, and in the end none that must be quick (runtime 2.11).

The shell measures and publishes what each evaluation found; this guard counts. Three evaluations in a row in which one
SLO of a venue is breached halve sizes there; six let no order leave that takes from a book, because a taker's price is
gone by the time that it arrives. Five in a row that keep it end both. A single bad evaluation does nothing, and one
that found too few samples is not published: it counts for neither side.
"""

from typing import Any, Final

from millrace.capacity.slo import CORE, SloTable
from millrace.core.commands import Alert, Lift, Place, Post, Severity, Style
from millrace.core.events import Measured
from millrace.core.guard import GuardView, Seen, Verdict
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind
from millrace.core.strategy import Interest

_NOTHING: Final = Interest()
_NOBODY: Final[frozenset[tuple[str, str]]] = frozenset()
_OBJECTION: Final = (ReasonCode.LATENCY_SLO.value,)
EVALUATED: Final = "slo/"
"""A figure of this name and an SLO's is its percentile in seconds, of a venue."""
FAILED: Final = "slo_failed"
"""The figure of a monitor that failed."""
CAUTION_AFTER: Final = 3
HALT_AFTER: Final = 6
RELEASE_AFTER: Final = 5
_MULTIPLIER: Final = 0.5


def slow_id(venue: str) -> str:
    """Return the id of the restriction that stands while a venue is slow."""
    return f"slow/{venue}"


class LatencyGuard:
    """Implements `core.guard.Guard`; counts breaches in a row by (venue, SLO), and what keeps a held one since."""

    name = "latency"
    reads: tuple[type, ...] = (Measured,)

    def __init__(self, slos: SloTable) -> None:
        self.slos = slos
        self._breaches: dict[tuple[str, str], int] = {}
        self._kept: dict[tuple[str, str], int] = {}

    def held(self) -> frozenset[tuple[str, str]]:
        """Return the (venue, SLO) that hold a throttle: they are judged by the last quarter minute."""
        if not self._breaches:
            return _NOBODY
        return frozenset(key for key, count in self._breaches.items() if count >= CAUTION_AFTER)

    def observe(self, seen: Seen, view: GuardView) -> list[Verdict]:
        """Count an evaluation; post, refresh or lift what follows."""
        del view
        if not isinstance(seen, Measured):
            return []
        if seen.name == FAILED:
            return self._failed(seen)
        if not seen.name.startswith(EVALUATED):
            return []
        slo = self.slos.of(seen.subject, seen.name.removeprefix(EVALUATED))
        if slo is None:
            return []
        key = (seen.subject, slo.name)
        count = self._breaches.get(key, 0)
        if not slo.met_by(seen.value):
            self._kept.pop(key, None)
            self._breaches[key] = count = count + 1
            text = f"{slo.name} of {seen.subject} p{slo.per_mille / 10:g} {seen.value * 1e3:.0f} ms, above"
            text += f" {slo.limit_ns / 1e6:.0f} ms in {count} evaluations"
            return self._breached(seen, count, text)
        if count < CAUTION_AFTER:
            self._breaches.pop(key, None)
            return []
        if count < HALT_AFTER:
            self._breaches[key] = CAUTION_AFTER  # six in a row halt takers, and the row ends here
        self._kept[key] = self._kept.get(key, 0) + 1
        if self._kept[key] < RELEASE_AFTER:
            return []
        del self._breaches[key], self._kept[key]
        return self._released(seen)

    def _breached(self, seen: Measured, count: int, text: str) -> list[Verdict]:
        if count not in {CAUTION_AFTER, HALT_AFTER}:
            return []
        halts = self._halted(seen.subject)
        text = f"{text}; nothing that takes from a book leaves" if halts else text
        severity = Severity.PAGE if halts else Severity.WARN
        return [
            Post(_restriction(seen, text)),
            Alert(severity, ReasonCode.LATENCY_SLO.value, text, seen.ts_ns),
        ]

    def _released(self, seen: Measured) -> list[Verdict]:
        venue = seen.subject
        still = sorted(slo for subject, slo in self.held() if subject == venue)
        if not still:
            text = f"{venue} is quick enough again"
            return [Lift(slow_id(venue), text, seen.ts_ns), Alert(Severity.INFO, "latency_kept", text, seen.ts_ns)]
        text = f"{', '.join(still)} of {venue} still too slow"
        return [Post(_restriction(seen, text))]

    def _failed(self, seen: Measured) -> list[Verdict]:
        """Take less risk at a venue whose times nobody can tell any more, until a person has looked."""
        text = f"measuring the times of {seen.subject} failed; restart the program and report it"
        restriction = Restriction(
            id=f"slo_failed/{seen.subject}",
            scope=_scope(seen.subject),
            level=Level.CAUTION,
            reason=ReasonCode.LATENCY_SLO,
            text=text,
            posted_by=self.name,
            posted_ns=seen.ts_ns,
            multiplier=_MULTIPLIER,
            recovery=Recovery.OPERATOR,
        )
        return [Post(restriction), Alert(Severity.PAGE, ReasonCode.LATENCY_SLO.value, text, seen.ts_ns)]

    def _halted(self, venue: str) -> bool:
        """Tell whether takers may not leave for a venue."""
        return any(count >= HALT_AFTER and subject in {venue, CORE} for (subject, _), count in self._breaches.items())

    def objections(self, places: tuple[Place, ...], view: GuardView) -> tuple[str, ...]:
        """Object to orders that take from a book of a venue that has been slow for long."""
        del view
        if not self._breaches:
            return ()
        late = (self._halted(place.instrument.venue) for place in places if place.style is not Style.POST_ONLY)
        return _OBJECTION if any(late) else ()

    def interest(self) -> Interest:
        """Return nothing: it acts on news alone."""
        return _NOTHING

    def status(self, view: GuardView) -> dict[str, Any]:
        """Return the evaluations in a row that breached an SLO, and those that kept it since, by venue."""
        del view
        return {
            f"{venue}/{slo}": {"breaches": count, "kept": self._kept.get((venue, slo), 0)}
            for (venue, slo), count in sorted(self._breaches.items())
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "breaches": [[*key, count] for key, count in sorted(self._breaches.items())],
            "kept": [[*key, count] for key, count in sorted(self._kept.items())],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._breaches = {(venue, slo): count for venue, slo, count in state["breaches"]}
        self._kept = {(venue, slo): count for venue, slo, count in state["kept"]}


def _scope(subject: str) -> Scope:
    return Scope(ScopeKind.GLOBAL) if subject == CORE else Scope(ScopeKind.VENUE, subject)


def _restriction(seen: Measured, text: str) -> Restriction:
    return Restriction(
        id=slow_id(seen.subject),
        scope=_scope(seen.subject),
        level=Level.CAUTION,
        reason=ReasonCode.LATENCY_SLO,
        text=text,
        posted_by=LatencyGuard.name,
        posted_ns=seen.ts_ns,
        multiplier=_MULTIPLIER,
        recovery=Recovery.AUTO,
    )
