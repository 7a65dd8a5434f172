"""Orders that fail in a row stop their scope, and a few small ones must succeed before it trades on (2.17 rule 4).

A failure is an attempt that did not come where it was meant to: refused for its form or without a good reason, or lost.
It is none when the venue's answer is part of trading: no money, a post-only price that would cross, the limit of open
orders, the pace of calls; and it is none when the order never left, because our own executor kept it back or our
program ended first. An order that the venue took, at once or after a question, is a success and ends the run. What the
venue owes an answer about counts when it is known.

Five in a row at a venue, three in a family that groups markets, eight in all halt that scope. After 15 minutes it is on
probation: sizes at a quarter, no order that adds to a position above the venue's minimum, and no more of them at a time
than may still be needed. Three successes, exits included, end it; one failure begins the 15 minutes anew.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from millrace.core.commands import Alert, Lift, OrderState, OrderUpdate, Place, Post, Severity
from millrace.core.events import NOT_SENT, RejectReason, Timer
from millrace.core.guard import GuardView, Seen, Verdict
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, Lots
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind, scopes_of
from millrace.core.strategy import Interest
from millrace.risk.settings import StopsSettings

ECONOMIC: Final = frozenset(
    {
        RejectReason.INSUFFICIENT_FUNDS,
        RejectReason.POST_ONLY_WOULD_CROSS,
        RejectReason.OPEN_ORDER_LIMIT,
        RejectReason.RATE_LIMIT,
        RejectReason.MARKET_CLOSED,
    }
)
"""Refusals that belong to trading."""
MULTIPLIER: Final = 0.25
"""What sizes are multiplied by on probation (2.1 rule 3)."""
_MARGIN_PCT: Final = 102
"""A size this much of the minimum, in per cent, still counts as the minimum: strategies round up, with a margin."""
_UNCONFIRMED: Final = frozenset({OrderState.INTENT, OrderState.SENT, OrderState.UNKNOWN})
_TAKEN: Final = frozenset({OrderState.OPEN, OrderState.PARTIAL, OrderState.FILLED})
_OBJECTION: Final = (ReasonCode.PROBATION.value,)


class _Run(msgspec.Struct, gc=False):
    """One scope: failures in a row; when its halt ends; on probation the successes that are still needed."""

    scope: Scope
    failures: int = 0
    halted_until_ns: int | None = None
    needed: int | None = None


class FailureCaps:
    """A `Guard`."""

    name = "failure_caps"
    reads: tuple[type, ...] = (OrderUpdate, Timer)

    def __init__(self, instruments: Sequence[Instrument], settings: StopsSettings) -> None:
        self.settings = settings
        self._limits = {
            ScopeKind.VENUE: settings.venue_failures,
            ScopeKind.FAMILY: settings.family_failures,
            ScopeKind.GLOBAL: settings.total_failures,
        }
        self._instruments = {instrument.id: instrument for instrument in instruments}
        self._hold_ns = round(settings.probation_after_sec * 1e9)
        self._wanted = settings.probation_orders
        self._runs: dict[Scope, _Run] = {}

    def observe(self, seen: Seen, view: GuardView) -> list[Verdict]:
        """Count one outcome, or begin the probations that are due."""
        verdicts: list[Verdict] = []
        if isinstance(seen, OrderUpdate):
            succeeded = _outcome(seen)
            if succeeded is not None:
                for scope in self._counting(seen.place.position):
                    verdicts += self._succeeded(scope, view) if succeeded else self._failed(scope, seen, view)
            return verdicts
        for run in self._runs.values():
            if run.halted_until_ns is not None and view.now_ns >= run.halted_until_ns:
                verdicts += self._on_probation(run, view)
        return verdicts

    def _counting(self, position: SubPosition) -> list[Scope]:
        """Return the scopes that count an order; an instrument that is a family of its own is covered by its venue."""
        scopes = [scope for scope in scopes_of(position) if self._limits.get(scope.kind)]
        return [scope for scope in scopes if scope.kind is not ScopeKind.FAMILY or position.names_family]

    def _succeeded(self, scope: Scope, view: GuardView) -> list[Verdict]:
        run = self._runs.get(scope)
        if run is None or run.halted_until_ns is not None:
            return []
        run.failures = 0
        if run.needed is None:
            return []
        run.needed -= 1
        if run.needed > 0:
            return []
        run.needed = None
        text = f"{scope}: {self._wanted} orders succeeded"
        return [
            Lift(_id("probation", scope), text, view.now_ns),
            Alert(Severity.INFO, "probation_passed", text, view.now_ns),
        ]

    def _failed(self, scope: Scope, update: OrderUpdate, view: GuardView) -> list[Verdict]:
        run = self._runs.setdefault(scope, _Run(scope))
        run.failures += 1
        on_probation = run.needed is not None
        if run.halted_until_ns is not None or not (on_probation or run.failures >= self._limits[scope.kind]):
            return []
        run.halted_until_ns, run.needed = view.now_ns + self._hold_ns, None
        why = "an order failed on probation" if on_probation else f"{run.failures} orders in a row failed"
        last = update.reject or RejectReason.OTHER
        text = f"{scope}: {why}, the last with {last.value}"
        halt = self._restriction("halt", scope, Level.HALT, text, view.now_ns, run.halted_until_ns)
        return [
            Post(halt),
            Lift(_id("probation", scope), text, view.now_ns),
            Alert(Severity.PAGE, ReasonCode.EXECUTION_FAILURES.value, text, view.now_ns),
        ]

    def _on_probation(self, run: _Run, view: GuardView) -> list[Verdict]:
        run.halted_until_ns, run.needed, run.failures = None, self._wanted, 0
        text = f"{run.scope}: on probation until {self._wanted} orders of least size succeed"
        caution = self._restriction("probation", run.scope, Level.CAUTION, text, view.now_ns, 0)
        return [
            Post(caution),
            Lift(_id("halt", run.scope), text, view.now_ns),
            Alert(Severity.WARN, ReasonCode.PROBATION.value, text, view.now_ns),
        ]

    def _restriction(
        self, part: str, scope: Scope, level: Level, text: str, now_ns: int, hold_until_ns: int
    ) -> Restriction:
        return Restriction(
            id=_id(part, scope),
            scope=scope,
            level=level,
            reason=ReasonCode.EXECUTION_FAILURES if level is Level.HALT else ReasonCode.PROBATION,
            text=text,
            posted_by=self.name,
            posted_ns=now_ns,
            multiplier=1.0 if level is Level.HALT else MULTIPLIER,
            hold_until_ns=hold_until_ns,
            recovery=Recovery.PROBATION,
        )

    def objections(self, places: tuple[Place, ...], view: GuardView) -> tuple[str, ...]:
        """Object on probation to what is larger than the venue's minimum, and to more orders than are needed."""
        for run in self._runs.values():
            tried = [] if run.needed is None else [one for one in places if run.scope in scopes_of(one.position)]
            if run.needed is None or not tried:
                continue
            if any(one.lots > least_lots(self._instruments[one.instrument], one.limit_ticks) for one in tried):
                return _OBJECTION
            under_way = sum(
                order.state in _UNCONFIRMED and not order.place.reduces and run.scope in scopes_of(order.place.position)
                for order in view.unfinished()
            )
            if under_way + len(tried) > run.needed:
                return _OBJECTION
        return ()

    def interest(self) -> Interest:
        """Return when the next probation begins."""
        due = [run.halted_until_ns for run in self._runs.values() if run.halted_until_ns is not None]
        return Interest(deadline_ns=min(due, default=None))

    def status(self, view: GuardView) -> dict[str, Any]:
        """Return the runs by scope: `millrace_consecutive_failures`, and what is needed to end a stop."""
        del view
        return {
            str(scope): {
                "consecutive_failures": run.failures,
                "limit": self._limits[scope.kind],
                "halted_until_ns": run.halted_until_ns,
                "probation_orders_needed": run.needed,
            }
            for scope, run in self._runs.items()
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {"runs": msgspec.to_builtins(list(self._runs.values()))}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._runs = {run.scope: run for run in msgspec.convert(state["runs"], list[_Run])}


def least_lots(instrument: Instrument, limit_ticks: int) -> Lots:
    """Return the largest size that counts as the venue's minimum at this price: minimums of lots and cost, rounded up.

    At a price without a cost (0 ticks) the minimum of lots alone decides.
    """
    per_lot = instrument.cost(limit_ticks, 10**instrument.lot_decimals)
    by_cost = -(-instrument.min_cost * 10**instrument.lot_decimals // per_lot) if per_lot > 0 else 0
    with_margin = -(-max(instrument.min_lots, by_cost) * _MARGIN_PCT // 100)
    return -(-with_margin // instrument.lot) * instrument.lot


def _outcome(update: OrderUpdate) -> bool | None:
    """Return whether an attempt succeeded; None for what is no outcome of one."""
    if update.previous not in _UNCONFIRMED:
        return None
    if update.state in _TAKEN:
        return True
    if update.state is not OrderState.REJECTED or update.reject in ECONOMIC or update.reject in NOT_SENT:
        return None
    return False


def _id(part: str, scope: Scope) -> str:
    return f"failures/{part}/{scope}"
