"""What an open breaker means for trading: nothing that adds to a position leaves for that venue (runtime 2.18).

The breakers themselves stand in the shell, beside the calls whose outcomes they are told; each move of one is an event.
This guard turns the moves of the orders endpoint into a restriction and its lifting, so that a strategy sees one level
on the board and does not ask for what would only be refused. Exits stay allowed: they wait for the probe's turn.
"""

from typing import Any

from millrace.core.commands import Alert, Lift, Place, Post, Severity
from millrace.core.events import BreakerMoved, BreakerState
from millrace.core.guard import GuardView, Seen, Verdict
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind
from millrace.core.strategy import Interest
from millrace.risk.breakers import Endpoint

_ID = "breaker/"
_NOTHING = Interest()


def breaker_id(venue: str) -> str:
    """Return the id of the restriction that stands while a venue's orders endpoint fails."""
    return f"{_ID}{venue}"


class BreakerStop:
    """Implements `core.guard.Guard`; keeps each breaker's last state for those who look."""

    name = "breakers"
    reads: tuple[type, ...] = (BreakerMoved,)

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def observe(self, seen: Seen, view: GuardView) -> list[Verdict]:
        """Restrict the venue when its orders endpoint stops answering; lift that when it answers again."""
        del view
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

    def objections(self, place: Place, view: GuardView) -> tuple[str, ...]:
        """Return none: what it has to say stands on the board."""
        del place, view
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
