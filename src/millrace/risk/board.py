"""The restriction board: the one place that decides whether an order may leave (runtime 2.1, design section 5).

It admits or refuses and never resizes. Guards post restrictions; the strictest level and the smallest multiplier of all
that cover an order hold. What cannot be evaluated is refused, and so that evaluation itself cannot fail, a restriction
is checked when it is posted: a malformed one is turned away with a ValueError before anything has changed.
"""

import math
from typing import Any, Final

import msgspec

from millrace.core.commands import Approved, ApprovedAmend, Place, Refused
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId, Lots
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind, Standing, scopes_of

_UNRESTRICTED: Final = Standing(Level.OPEN, 1.0, ())
_LENIENCE: Final = (Recovery.OPERATOR, Recovery.PROBATION, Recovery.AUTO)
_BOARD_FAILURE: Final = (ReasonCode.BOARD_FAILURE.value,)
_EXCEEDS: Final = (ReasonCode.EXCEEDS_OPEN_POSITION.value,)
_REASONS: Final = frozenset(reason.value for reason in ReasonCode)


class _Saved(msgspec.Struct):
    version: int
    posted: list[Restriction]


def refreshed(old: Restriction, new: Restriction) -> Restriction:
    """Return what holds after `new` was posted under the id of `old`: nothing gets looser until it is lifted.

    The ledger keeps the same result. The time of the first posting stays while the level does, so that a guard which
    repeats itself changes nothing.
    """
    said = new if new.level >= old.level else old
    return Restriction(
        id=old.id,
        scope=old.scope,
        level=said.level,
        reason=said.reason,
        text=said.text,
        posted_by=said.posted_by,
        posted_ns=new.posted_ns if new.level > old.level else old.posted_ns,
        multiplier=min(old.multiplier, new.multiplier),
        hold_until_ns=max(old.hold_until_ns, new.hold_until_ns),
        recovery=min(old.recovery, new.recovery, key=_LENIENCE.index),
    )


class RestrictionBoard:
    """Implements `core.ports.Board`."""

    def __init__(self) -> None:
        self.version = 0
        self._posted: dict[str, Restriction] = {}
        self._standings: dict[tuple[str, InstrumentId], Standing] = {}
        self._standings_of: dict[tuple[str, InstrumentId, str, str], Standing] = {}

    def permit(
        self, place: Place, client_id: str, coverable_lots: Lots, ts_ns: int, objections: tuple[str, ...] = ()
    ) -> Approved | Refused:
        """Admit or refuse; `coverable_lots` is what a reducing order may still close, or a hedging one add.

        HALT admits nothing, exits included; REDUCE_ONLY admits orders that reduce or hedge; at every level such an
        order may not exceed what is open or lacking, and any other may have no objections. An order whose numbers, or
        whose objections, cannot be judged is refused with `board_failure`.
        """
        reasons = self._against(place, coverable_lots, objections, increases=place.adds)
        if reasons is not None:
            return Refused(place, reasons, ts_ns)
        return Approved(place, client_id, self.version, ts_ns)

    def permit_amend(
        self,
        before: Place,
        after: Place,
        client_id: str,
        revision: int,
        coverable_lots: Lots,
        ts_ns: int,
        objections: tuple[str, ...] = (),
    ) -> ApprovedAmend | Refused:
        """Admit or refuse new terms of an open order; `coverable_lots` is counted as if the order were not there.

        More lots, or a price that trades sooner, of an order that does not reduce is judged like a new order with the
        new terms. Anything else is admitted up to REDUCE_ONLY. HALT admits cancels, and an amend is none.
        """
        sooner = after.side.sign * (after.limit_ticks - before.limit_ticks) > 0
        increases = after.adds and (after.lots > before.lots or sooner)
        reasons = self._against(after, coverable_lots, objections, increases=increases)
        if reasons is not None:
            return Refused(after, reasons, ts_ns, is_amend=True)
        terms = (after.lots, after.limit_ticks)
        return ApprovedAmend(before, client_id, revision, *terms, increases, self.version, ts_ns)

    def _against(
        self, place: Place, coverable_lots: Lots, objections: tuple[str, ...], *, increases: bool
    ) -> tuple[str, ...] | None:
        """Return why it may not leave; None when it may."""
        if not _can_be_judged(place, coverable_lots):
            return _BOARD_FAILURE
        standing = self.standing_of(place.position)
        if standing.level is Level.HALT or (standing.level is Level.REDUCE_ONLY and increases):
            return standing.reasons
        if not place.adds:
            return _EXCEEDS if place.lots > coverable_lots else None
        if increases and objections:
            return objections if _REASONS.issuperset(objections) else _BOARD_FAILURE
        return None

    def standing(self, strategy: str, instrument: InstrumentId) -> Standing:
        """Return the effective level and multiplier, with the reason codes of the restrictions at that level.

        For the strategy's own lane and the instrument's own family; `standing_of` knows others.
        """
        found = self._standings.get((strategy, instrument))
        if found is None:
            found = self._standings[strategy, instrument] = self.standing_of(SubPosition(strategy, instrument, "", ""))
        return found

    def standing_of(self, position: SubPosition) -> Standing:
        """Return the same for orders of a sub-position."""
        key = (position.strategy, position.instrument, position.lane, position.family)
        found = self._standings_of.get(key)
        if found is None:
            found = self._standings_of[key] = self._evaluate(scopes_of(position))
        return found

    def _evaluate(self, scopes: tuple[Scope, ...]) -> Standing:
        covering = [restriction for restriction in self._posted.values() if restriction.scope in scopes]
        if not covering:
            return _UNRESTRICTED
        level = max(restriction.level for restriction in covering)
        reasons = dict.fromkeys(restriction.reason.value for restriction in covering if restriction.level == level)
        return Standing(level, min(restriction.multiplier for restriction in covering), tuple(reasons))

    def post(self, restriction: Restriction) -> bool:
        """Add or refresh a restriction; True when the board changed.

        Raises ValueError, with the board unchanged, when the restriction is malformed or names the scope of another.
        """
        _check(restriction)
        old = self._posted.get(restriction.id)
        if old is not None:
            if old.scope != restriction.scope:
                raise ValueError(f"restriction {restriction.id!r} covers {old.scope}, not {restriction.scope}")
            restriction = refreshed(old, restriction)
            if restriction == old:
                return False
        self._posted[restriction.id] = restriction
        self._changed()
        return True

    def lift(self, restriction_id: str) -> bool:
        """Remove a restriction; True when it was there."""
        if self._posted.pop(restriction_id, None) is None:
            return False
        self._changed()
        return True

    def _changed(self) -> None:
        self.version += 1
        self._forget()

    def _forget(self) -> None:
        self._standings.clear()
        self._standings_of.clear()

    def active(self) -> list[Restriction]:
        """Return the restrictions in force, in the order in which they were first posted."""
        return list(self._posted.values())

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {"version": self.version, "posted": msgspec.to_builtins(self.active())}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; raises ValueError, with the board unchanged, when it is none."""
        saved = msgspec.convert(state, _Saved)
        for restriction in saved.posted:
            _check(restriction)
        self.version = saved.version
        self._posted = {restriction.id: restriction for restriction in saved.posted}
        self._forget()


def _can_be_judged(place: Place, coverable_lots: Lots) -> bool:
    """Tell whether comparisons with these numbers mean what they say: a float NaN would pass any of them."""
    return (
        type(place.lots) is int
        and place.lots > 0
        and type(place.limit_ticks) is int
        and type(coverable_lots) is int
        and place.position.instrument == place.instrument
    )


def _check(restriction: Restriction) -> None:
    """Raise ValueError unless every field can be compared and means something."""
    scope, multiplier = restriction.scope, restriction.multiplier
    if not isinstance(scope, Scope):
        raise ValueError(f"restriction {restriction.id!r} has no scope")  # noqa: TRY004  one error for the caller
    texts = (scope.name, restriction.text, restriction.posted_by)
    times = (restriction.posted_ns, restriction.hold_until_ns)
    sound = {
        "id": isinstance(restriction.id, str) and restriction.id != "",
        "scope": isinstance(scope.kind, ScopeKind) and (scope.kind is ScopeKind.GLOBAL) == (scope.name == ""),
        "level": isinstance(restriction.level, Level),
        "reason": isinstance(restriction.reason, ReasonCode),
        "texts": all(isinstance(text, str) for text in texts),
        "times": all(type(time) is int for time in times),
        "multiplier": type(multiplier) in {int, float} and math.isfinite(multiplier) and 0.0 < multiplier <= 1.0,
        "recovery": isinstance(restriction.recovery, Recovery),
    }
    wrong = [field for field, good in sound.items() if not good]
    if wrong:
        raise ValueError(f"restriction {restriction.id!r} is malformed: {', '.join(wrong)}")
