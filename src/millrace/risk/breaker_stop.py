"""What failing calls mean for trading: nothing that adds to a position leaves for that venue (runtime 2.14, 2.18).

The breakers themselves stand in the shell, beside the calls whose outcomes they are told; each move of one is an event.
This guard turns the moves of the orders endpoint into a restriction and its lifting, so that a strategy sees one level
on the board and does not ask for what would only be refused. Exits stay allowed: they wait for the probe's turn. An
executor that fails twice within a minute is a bug and no outage, so its venue halts until a person has looked.
"""

from typing import Any

from millrace.core.commands import Alert, Lift, Place, Post, Severity
from millrace.core.guard import GuardView, Seen, Verdict
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind
from millrace.core.strategy import Interest
from millrace.core.trouble_events import BreakerMoved, BreakerState, ExecutorFailed
from millrace.risk.breakers import Endpoint

_ID = "breaker/"
_NOTHING = Interest()


def breaker_id(venue: str) -> str:
    """Return the id of the restriction that stands while a venue's orders endpoint fails."""
    return f"{_ID}{venue}"


class BreakerStop:
    """Implements `core.guard.Guard`; keeps each breaker's last state for those who look."""

    name = "breakers"
    reads: tuple[type, ...] = (BreakerMoved, ExecutorFailed)

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def observe(self, seen: Seen, view: GuardView) -> list[Verdict]:
        """Restrict the venue when its orders endpoint stops answering; lift that when it answers again."""
        del view
        if isinstance(seen, ExecutorFailed):
            return _executor_failed(seen)
        if not isinstance(seen, BreakerMoved):
            return []
        self._states[f"{seen.venue}/{seen.endpoint}"] = seen.state.value
        name = f"{seen.venue} {seen.endpoint}"
        if seen.state is BreakerState.HALF_OPEN:
            return []
        closed = seen.state is BreakerState.CLOSED
        text = f"breaker of {name} {seen.state.value}: {seen.text}"
        told: Verdict = Alert(
            Severity.INFO if closed else Severity.WARN, f"breaker_{seen.state.value}", text, seen.ts_ns
        )
        if seen.endpoint != Endpoint.ORDERS:
            return [told]
        if closed:
            return [Lift(breaker_id(seen.venue), seen.text, seen.ts_ns), told]
        return [Post(_restriction(seen)), told]

    def objections(self, places: tuple[Place, ...], view: GuardView) -> tuple[str, ...]:
        """Return none: what it has to say stands on the board."""
        del places, view
        return ()

    def interest(self) -> Interest:
        """Return nothing: it acts on news alone."""
        return _NOTHING

    def status(self, view: GuardView) -> dict[str, Any]:
        """Return the last state of each breaker that ever moved."""
        del view
        return dict(self._states)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {"states": dict(self._states)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._states = dict(state["states"])


def _executor_failed(seen: ExecutorFailed) -> list[Verdict]:
    """Tell a person; halt the venue when it was the second failure within a minute."""
    text = f"carrying orders out to {seen.venue} failed: {seen.text}"
    if not seen.again:
        return [Alert(Severity.WARN, ReasonCode.EXECUTOR_FAILURE.value, text, seen.ts_ns)]
    restriction = Restriction(
        id=f"executor/{seen.venue}",
        scope=Scope(ScopeKind.VENUE, seen.venue),
        level=Level.HALT,
        reason=ReasonCode.EXECUTOR_FAILURE,
        text=text,
        posted_by=BreakerStop.name,
        posted_ns=seen.ts_ns,
        recovery=Recovery.OPERATOR,
    )
    return [Post(restriction), Alert(Severity.PAGE, ReasonCode.EXECUTOR_FAILURE.value, text, seen.ts_ns)]


def _restriction(moved: BreakerMoved) -> Restriction:
    return Restriction(
        id=breaker_id(moved.venue),
        scope=Scope(ScopeKind.VENUE, moved.venue),
        level=Level.REDUCE_ONLY,
        reason=ReasonCode.BREAKER_OPEN,
        text=f"{moved.endpoint} endpoint: {moved.text}",
        posted_by=BreakerStop.name,
        posted_ns=moved.ts_ns,
        recovery=Recovery.AUTO,
    )
