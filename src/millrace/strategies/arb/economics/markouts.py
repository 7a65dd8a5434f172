"""What our resting orders lose after they fill: the middle's move against us 5 s and 60 s later (arb 7.4).

A resting order is met when somebody wants to trade, and some of those know why. What that costs is measured from our
own fills, by venue and category, and until enough are known a share of the half spread stands in for it. The move that
counts is the worse of the two times, never a gain: luck is no forecast.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.model import Proposition

SOON_NS, LATE_NS = 5_000_000_000, 60_000_000_000
"""When a fill's move is looked at."""
REMEMBERED = 200
"""Fills kept per venue and category."""
_WAITING = 1_000
Middle = Callable[[InstrumentId, Outcome], float | None]
"""The middle of an outcome's book in dollars; None without a book."""


class Mark(msgspec.Struct):
    """One fill that is being watched: prices in dollars; `soon` is the move against us after 5 s, None before."""

    order: str
    family: str
    market: InstrumentId
    outcome: Outcome
    filled_ns: int
    middle: float
    half_spread: float
    forecast: float
    soon: float | None = None
    looked: bool = False


class Marked(NamedTuple):
    """A fill with both its moves, dollars per contract, positive when against us; None where no book told."""

    mark: Mark
    soon: float | None
    late: float | None


class _Saved(msgspec.Struct):
    waiting: list[Mark]
    moves: dict[str, list[tuple[float, float, float]]]


class MarkoutBook:
    """Fills under watch, and the moves that were seen."""

    def __init__(self, settings: EconomicsSettings) -> None:
        self._settings = settings
        self._waiting: list[Mark] = []
        self._moves: dict[str, list[tuple[float, float, float]]] = {}

    def expected(self, family: str, half_spread: float) -> float:
        """Return the expected move against a fill, dollars per contract: the prior, and what was seen (arb 7.4)."""
        weight, rows = self._settings.prior_weight, self._moves.get(family, ())
        prior = self._settings.adverse_prior * half_spread
        if not rows:
            return prior
        seen = max(sum(row[0] for row in rows), sum(row[1] for row in rows), 0.0)
        return (weight * prior + seen) / (weight + len(rows))

    def score(self, family: str, half_spread: float) -> float:
        """Return the share of the half spread that a fill is expected to lose, in [0, 1]."""
        return min(max(self.expected(family, half_spread) / half_spread, 0.0), 1.0) if half_spread > 0 else 1.0

    def filled(self, mark: Mark) -> None:
        """Watch a fill; of very many the oldest are let go."""
        self._waiting = [*self._waiting, mark][-_WAITING:]

    def due(self, now_ns: int, middle: Middle) -> list[Marked]:
        """Look at the fills whose time has come; returns those that have been seen twice."""
        done = []
        for mark in self._waiting:
            if not mark.looked and now_ns >= mark.filled_ns + SOON_NS:
                mark.soon, mark.looked = _against(mark, middle), True
            if now_ns >= mark.filled_ns + LATE_NS:
                done.append(Marked(mark, mark.soon, _against(mark, middle)))
        if done:
            self._waiting = [mark for mark in self._waiting if now_ns < mark.filled_ns + LATE_NS]
        for mark, soon, late in done:
            if soon is not None and late is not None:
                rows = [*self._moves.get(mark.family, []), (soon, late, mark.half_spread)]
                self._moves[mark.family] = rows[-REMEMBERED:]
        return done

    @property
    def next_ns(self) -> int | None:
        """When `due` must be called next; None when nothing is watched."""
        wanted = (mark.filled_ns + (LATE_NS if mark.looked else SOON_NS) for mark in self._waiting)
        return min(wanted, default=None)

    def status(self) -> dict[str, dict[str, float]]:
        """Return by venue and category how many fills are known and their mean moves, for people."""
        return {
            family: {
                "fills": len(rows),
                "after_5s_usd": round(sum(row[0] for row in rows) / len(rows), 6),
                "after_60s_usd": round(sum(row[1] for row in rows) / len(rows), 6),
            }
            for family, rows in sorted(self._moves.items())
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(_Saved(self._waiting, self._moves))
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self._waiting, self._moves = saved.waiting, saved.moves


def _against(mark: Mark, middle: Middle) -> float | None:
    now = middle(mark.market, mark.outcome)
    return None if now is None else mark.middle - now


def family_of(proposition: Proposition, category: str) -> str:
    """Return the market family of an outcome: its venue and category."""
    return f"{proposition.market.venue}|{category}"
