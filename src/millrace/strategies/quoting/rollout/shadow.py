"""Both quoters on the same features, side by side, and how far they agree; nothing of it leaves (quoting 8).

What is compared is what each wants to rest, not how it gets there: one replaces where the other amends, and neither has
orders out. Every disagreement gets the name of its class, so that a person can explain or waive it by name, and a gate
can ask whether all of them were.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from millrace.core.commands import Side
from millrace.core.instrument import Lots, Ticks
from millrace.strategies.quoting.model import BPS, GuardLevel
from millrace.strategies.quoting.settings_growth import RolloutSettings
from millrace.strategies.quoting.tick_result import TickResult

LIMIT_PRICE_BPS = 5.0
LIMIT_SIZE_PCT = 10.0
"""Differences beyond these are told at once and not only counted."""
_KEPT = 4_096
_FULL_PCT = 100.0


class Mismatch(StrEnum):
    """Why two ticks do not agree; the first that applies."""

    ONE_FAULTED = "one_faulted"
    ONE_HALTED = "one_halted"
    GUARD_LEVEL = "guard_level"
    BLOCKED_SIDE = "blocked_side"
    ORDER_COUNT = "order_count"
    SIDE_ORDER = "side_order"
    SPREAD_FLOOR = "spread_floor"
    SPREAD = "spread"
    PRICE = "price"
    SIZE = "size"


class Wanted(NamedTuple):
    """An order that a path wants to rest."""

    side: Side
    ticks: Ticks
    lots: Lots


class Comparison(NamedTuple):
    """One tick of both paths: the class of their difference, None where they agree, and the largest differences.

    Differences are of orders that both want: price in bps, size in percent of the frozen quoter's.
    """

    mismatch: Mismatch | None
    price_bps: float
    size_pct: float

    @property
    def is_beyond_limits(self) -> bool:
        """Whether a person should hear of it at once."""
        return self.price_bps > LIMIT_PRICE_BPS or self.size_pct > LIMIT_SIZE_PCT


def wanted_of(result: TickResult) -> tuple[Wanted, ...]:
    """Return what a tick wants to rest: bids before asks, each side from the nearest level outwards."""
    quotes = result.context.quotes
    bids = [Wanted(Side.BUY, quote.bid_ticks, quote.bid_lots) for quote in quotes if quote.bid_lots]
    asks = [Wanted(Side.SELL, quote.ask_ticks, quote.ask_lots) for quote in quotes if quote.ask_lots]
    return (*bids, *asks)


def compared(pipeline: TickResult, legacy: TickResult, cfg: RolloutSettings) -> Comparison:
    """Compare one tick of both paths: as many orders, the same sides, prices and sizes within the tolerances."""
    ours, theirs = wanted_of(pipeline), wanted_of(legacy)
    pairs = list(zip(ours, theirs, strict=False))
    price = max((abs(a.ticks - b.ticks) / b.ticks * BPS for a, b in pairs if a.side is b.side), default=0.0)
    size = max((abs(a.lots - b.lots) / b.lots * _FULL_PCT for a, b in pairs if a.side is b.side), default=0.0)
    sides_agree = [a.side for a in ours] == [b.side for b in theirs]
    if sides_agree and price <= cfg.shadow_price_bps and size <= cfg.shadow_size_pct:
        return Comparison(None, price, size)
    return Comparison(_class_of(pipeline, legacy, ours, theirs, price_off=price > cfg.shadow_price_bps), price, size)


def _class_of(
    pipeline: TickResult,
    legacy: TickResult,
    ours: tuple[Wanted, ...],
    theirs: tuple[Wanted, ...],
    *,
    price_off: bool,
) -> Mismatch:
    if (pipeline.fault is None) is not (legacy.fault is None):
        return Mismatch.ONE_FAULTED
    guarded = _guards_differ(pipeline, legacy)
    if guarded is not None:
        return guarded
    if len(ours) != len(theirs):
        return Mismatch.ORDER_COUNT
    if [a.side for a in ours] != [b.side for b in theirs]:
        return Mismatch.SIDE_ORDER
    one, other = pipeline.context.spread, legacy.context.spread
    if not price_off or one is None or other is None:
        return Mismatch.PRICE if price_off else Mismatch.SIZE
    if one.floor_binding is not other.floor_binding:
        return Mismatch.SPREAD_FLOOR
    return Mismatch.PRICE if one.spread_bps == other.spread_bps else Mismatch.SPREAD


def _guards_differ(pipeline: TickResult, legacy: TickResult) -> Mismatch | None:
    one, other = pipeline.context.guards, legacy.context.guards
    if one is None or other is None:
        return None
    if (one.level is GuardLevel.HARD) is not (other.level is GuardLevel.HARD):
        return Mismatch.ONE_HALTED
    if one.level is not other.level:
        return Mismatch.GUARD_LEVEL
    return None if one.blocked_sides is other.blocked_sides else Mismatch.BLOCKED_SIDE


class ShadowReport(msgspec.Struct):
    """What the comparisons of one shadow came to; `since_ns` is the first one's time, `price_bps` the last ones."""

    compared: int = 0
    agreed: int = 0
    beyond_limits: int = 0
    since_ns: int = 0
    until_ns: int = 0
    mismatches: dict[str, int] = msgspec.field(default_factory=dict)
    price_bps: list[float] = msgspec.field(default_factory=list)

    def take(self, comparison: Comparison, ts_ns: int) -> None:
        """Count one tick of both paths."""
        if not self.compared:
            self.since_ns = ts_ns
        self.compared += 1
        self.until_ns = ts_ns
        self.agreed += comparison.mismatch is None
        self.beyond_limits += comparison.is_beyond_limits
        if comparison.mismatch is not None:
            self.mismatches[comparison.mismatch] = self.mismatches.get(comparison.mismatch, 0) + 1
        if len(self.price_bps) == _KEPT:
            del self.price_bps[: _KEPT // 2]
        self.price_bps.append(comparison.price_bps)

    @property
    def agreement_pct(self) -> float | None:
        """The share of ticks on which both want the same; None of nothing."""
        return _FULL_PCT * self.agreed / self.compared if self.compared else None

    @property
    def median_price_bps(self) -> float | None:
        """The median difference of prices that both want; None of nothing."""
        ordered = sorted(self.price_bps)
        return ordered[(len(ordered) - 1) // 2] if ordered else None

    def unexplained(self, waived: Iterable[str]) -> list[str]:
        """Return the classes of mismatch that occurred and that nobody explained or waived by name."""
        return sorted(set(self.mismatches) - set(waived))

    def shown(self, waived: Iterable[str] = ()) -> dict[str, Any]:
        """Return it as strict JSON."""
        return {
            "compared": self.compared,
            "agreement_pct": self.agreement_pct,
            "median_price_bps": self.median_price_bps,
            "beyond_limits": self.beyond_limits,
            "lasted_ns": self.until_ns - self.since_ns,
            "mismatches": dict(sorted(self.mismatches.items())),
            "unexplained": self.unexplained(waived),
        }
