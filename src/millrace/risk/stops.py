"""The kill switch: whoever asks for a stop gets a HALT at once, and only a person with a name lifts it (runtime 2.17).

Stopping is easy and needs no right: a file, a word in the environment, a request, a machine. Clearing is not: it names
the restriction that stands, who clears it and why, and it cannot end a restriction that holds until a time or that
some rule lifts by its own measure. That the reason for a kill went away (its file was removed) clears nothing.
"""

from typing import Any

from millrace.core.commands import Alert, Lift, Place, Post, Severity
from millrace.core.events import Operator
from millrace.core.guard import CancelScope, GuardView, Seen, Verdict
from millrace.core.kill import GLOBAL, KILL_ID, kill_id, read_scope
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind, scopes_of
from millrace.core.requests import accepted, refused
from millrace.core.strategy import Interest
from millrace.core.trouble_events import KillRequested, KillSource

HALT, CLEAR = "halt", "clear"
"""What an operator asks for."""
ACTIONS = {
    HALT: "stop everything, or scope=venue:NAME and the like; flatten=true takes orders off the book; reason=",
    CLEAR: "let it trade again: id= operator= reason=",
}


class KillSwitch:
    """A `Guard` without a state of its own: what it posted stands on the board and in the ledger.

    `known` are the scopes that this program can trade in. A kill that names another is a mistake made in a hurry, so it
    stops everything; a request that names another is refused, because it can be corrected at once.
    """

    name = "stops"
    reads: tuple[type, ...] = (KillRequested, Operator)

    def __init__(self, known: frozenset[Scope]) -> None:
        self._known = known | {GLOBAL}

    def observe(self, seen: Seen, view: GuardView) -> list[Verdict]:
        """Halt what is to be halted; answer an operator."""
        if isinstance(seen, KillRequested):
            return self._halt(seen, view)
        if isinstance(seen, Operator) and seen.action == HALT:
            return self._asked_to_halt(seen, view)
        if isinstance(seen, Operator) and seen.action == CLEAR:
            return _clear(seen, view)
        return []

    def _asked_to_halt(self, asked: Operator, view: GuardView) -> list[Verdict]:
        said = str(asked.args.get("scope", GLOBAL))
        scope = read_scope(said)
        if scope is None or not self._is_known(scope, view):
            known = ", ".join(sorted(str(one) for one in self._known))
            return [refused(asked, f"there is no scope {said} here; there are {known}")]
        flatten = asked.args.get("flatten") is True
        text = str(asked.args.get("reason", "operator"))
        wanted = KillRequested(KillSource.CONTROL, scope, text, flatten, asked.ts_ns)
        todo = "its orders leave the book" if flatten else "orders on the book stay there"
        standing = kill_id(KillSource.CONTROL, scope)
        text = f"halted {scope}, {todo}; clear it with id={standing}"
        return [*self._halt(wanted, view), accepted(asked, text, {"id": standing})]

    def _halt(self, wanted: KillRequested, view: GuardView) -> list[Verdict]:
        known = self._is_known(wanted.scope, view)
        scope = wanted.scope if known else GLOBAL
        text = wanted.text if known else f"{wanted.text} names {wanted.scope}, which is not here; everything stops"
        reason = ReasonCode.OPERATOR_HALT if wanted.source is KillSource.CONTROL else ReasonCode.KILL_SWITCH
        restriction = Restriction(
            id=kill_id(wanted.source, wanted.scope),
            scope=scope,
            level=Level.HALT,
            reason=reason,
            text=text,
            posted_by=self.name,
            posted_ns=view.now_ns,
            recovery=Recovery.OPERATOR,
        )
        verdicts: list[Verdict] = [Post(restriction)]
        asked = wanted.source is KillSource.CONTROL  # whoever asked gets an answer
        if not asked and all(standing.id != restriction.id for standing in view.restrictions()):
            told = f"{wanted.source.value} kill of {scope}: {text}"
            verdicts.append(Alert(Severity.PAGE, "kill", told, view.now_ns))
        if wanted.flatten_orders:
            verdicts.append(CancelScope(scope, restriction.id))
        return verdicts

    def _is_known(self, scope: Scope, view: GuardView) -> bool:
        if scope in self._known:
            return True
        positions = [*view.positions(), *(order.place.position for order in view.unfinished())]
        return any(scope in scopes_of(position) for position in positions)

    def objections(self, places: tuple[Place, ...], view: GuardView) -> tuple[str, ...]:
        """Have none: what it stops is on the board."""
        del places, view
        return ()

    def interest(self) -> Interest:
        """Wait for nothing."""
        return Interest()

    def status(self, view: GuardView) -> dict[str, Any]:
        """Return the kills in force (`millrace_kill_active`)."""
        active = [standing for standing in view.restrictions() if standing.id.startswith(KILL_ID)]
        return {"active": [{"id": kill.id, "scope": str(kill.scope), "text": kill.text} for kill in active]}

    def snapshot(self) -> dict[str, Any]:
        """Return nothing: the board has it."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take nothing."""


def _clear(asked: Operator, view: GuardView) -> list[Verdict]:
    """Lift one restriction by its id, with a name and a reason; the ledger keeps both."""
    given = {name: str(asked.args.get(name, "")).strip() for name in ("id", "operator", "reason")}
    missing = [f"{name}=" for name, value in given.items() if not value]
    if missing:
        return [refused(asked, f"say {', '.join(missing)} too; `restrictions` lists the ids")]
    found = next((one for one in view.restrictions() if one.id == given["id"]), None)
    if found is None:
        return [refused(asked, f"no restriction {given['id']} stands; `restrictions` lists the ids")]
    kept = _why_kept(found, view.now_ns)
    if kept:
        return [refused(asked, f"{found.id} {kept}")]
    lift = Lift(found.id, f"{given['operator']}: {given['reason']}", view.now_ns)
    return [lift, accepted(asked, f"{found.id} no longer holds {found.scope}")]


def _why_kept(restriction: Restriction, now_ns: int) -> str:
    """Return why nobody may clear a restriction now; "" when a person may."""
    if restriction.recovery is not Recovery.OPERATOR:
        return "ends by what it measures, not by a word"
    if restriction.scope == Scope(ScopeKind.STRATEGY, restriction.posted_by):
        return f"is {restriction.posted_by}'s own; ask it to resume"
    if now_ns < restriction.hold_until_ns:
        seconds = -((now_ns - restriction.hold_until_ns) // 1_000_000_000)
        return f"holds for another {seconds} s"
    return ""
