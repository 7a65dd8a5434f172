"""Maker and taker legs apart: what filled of each, and whether resting orders did as was expected (arb 7, 8.7).

A resting order is judged by its own row: it filled whole or not, against its chance; and what its fill lost, against
what it was expected to lose. A refused one says nothing of either. Taker legs are those of baskets that ended.
"""

from collections.abc import Sequence
from typing import Any

from millrace.strategies.arb.telemetry.rows import BasketRow, RestRow

_CONTRACT_LOTS = 1_000_000


def legs_of(baskets: Sequence[BasketRow], rests: Sequence[RestRow]) -> dict[str, Any]:
    """Return both styles' figures by venue; strict JSON, null where there is nothing to divide."""
    venues = sorted({leg.venue for row in baskets for leg in row.legs} | {row.venue for row in rests})
    return {
        "maker": {venue: _resting([row for row in rests if row.venue == venue]) for venue in venues},
        "taker": {venue: _taking(baskets, venue) for venue in venues},
    }


def _resting(rows: Sequence[RestRow]) -> dict[str, Any]:
    rested = [row for row in rows if not row.refused]
    filled = [row for row in rested if row.filled_lots]
    soon = [(row.forecast, row.soon) for row in filled if row.forecast is not None and row.soon is not None]
    late = [(row.forecast, row.late) for row in filled if row.forecast is not None and row.late is not None]
    whole = [float(row.filled_lots >= row.lots) for row in rested]
    return {
        "orders": len(rows),
        "refused": len(rows) - len(rested),
        "contracts": sum(row.filled_lots for row in rested) / _CONTRACT_LOTS,
        "filled": _over(sum(row.filled_lots for row in rested), sum(row.lots for row in rested)),
        "whole": _mean(whole),
        "chance": _mean([row.chance for row in rested]),
        "brier": _mean([(row.chance - came) ** 2 for row, came in zip(rested, whole, strict=True)]),
        "adverse_expected_usd": _mean([expected for expected, _ in late]),
        "adverse_5s_usd": _mean([move for _, move in soon]),
        "adverse_60s_usd": _mean([move for _, move in late]),
    }


def _taking(baskets: Sequence[BasketRow], venue: str) -> dict[str, Any]:
    legs = [(row.lots, leg.lots) for row in baskets for leg in row.legs if leg.venue == venue and leg.style == "taker"]
    return {
        "legs": len(legs),
        "contracts": sum(bought for _, bought in legs) / _CONTRACT_LOTS,
        "filled": _over(sum(min(bought, wanted) for wanted, bought in legs), sum(wanted for wanted, _ in legs)),
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _over(one: float, other: float) -> float | None:
    return one / other if other else None
