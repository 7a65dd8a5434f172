"""The desk's figures: detected, expected, simulated and realised, by lane and family, under three filters (arb 17).

The four columns never fill in for one another: one that has no value in any row is null. The same rows are summed raw,
without those whose prices or sizes are too small to be believed, and without the most extreme results, because a
conclusion that one trade or one cent-priced book makes is none; where the sign of a sum differs, it is said.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from millrace.research.arb_facts import ArbFacts, basket_of, money_of
from millrace.strategies.arb.telemetry.rows import OPENED, BasketRow, DecisionRow, Outcome

TOTAL = "total"
_NANO = 1e9
_DAY_SEC = 86_400.0
_DROPPED_SHARE = 100
"""The top hundredth is dropped, at least the single largest."""
BAND = (0.6, 1.3)
BAND_TRADES = 50
"""Realised over expected must lie in this band, per lane, from so many trades on."""


class Filter(StrEnum):
    """Which rows are summed."""

    RAW = "raw"
    MICRO = "micro_filtered"
    OUTLIERS = "outlier_removed"


class Pair(NamedTuple):
    """A decision and its basket's rows; none while it is open or was rejected."""

    decision: DecisionRow
    ended: tuple[BasketRow, ...]

    @property
    def money(self) -> int | None:
        """The cash that its basket made, None before its end."""
        values = [money for money in map(money_of, self.ended) if money is not None]
        return sum(values) if values else None


class Sums(NamedTuple):
    """One scope under one filter; money in nano-dollars, None where no row has a value."""

    detected_rows: int
    opened: int
    capital_nano: int
    detected_nano: int
    expected_nano: int | None
    simulated_nano: int | None
    realised_nano: int | None


def pairs_of(facts: ArbFacts) -> list[Pair]:
    """Return each decision with what became of it."""
    ended: defaultdict[str, list[BasketRow]] = defaultdict(list)
    for row in facts.baskets:
        ended[basket_of(row)].append(row)
    return [Pair(row, tuple(ended[row.basket]) if row.basket else ()) for row in facts.decisions]


def filtered(pairs: Sequence[Pair], chosen: Filter) -> list[Pair]:
    """Return the rows that a filter leaves; the largest results go, both signs, by their size."""
    if chosen is Filter.MICRO:
        return [pair for pair in pairs if pair.decision.micro_ok]
    if chosen is Filter.RAW:
        return list(pairs)
    by_size = sorted((pair for pair in pairs if pair.money is not None), key=lambda pair: -abs(pair.money or 0))
    dropped = {pair.decision.decision_id for pair in by_size[: max(1, len(by_size) // _DROPPED_SHARE)]}
    return [pair for pair in pairs if pair.decision.decision_id not in dropped]


def sums_of(pairs: Iterable[Pair]) -> Sums:
    """Return the sums of some rows; what is expected, simulated and realised counts for opened ones only."""
    every = list(pairs)
    opened = [pair for pair in every if pair.decision.verdict == OPENED]
    ended = [row for pair in opened for row in pair.ended]
    return Sums(
        len(every),
        len(opened),
        sum(pair.decision.cost_nano + pair.decision.fee_nano for pair in opened),
        sum(pair.decision.detected_nano for pair in every),
        _sum(pair.decision.expected_nano for pair in opened),
        _sum(row.simulated_nano for row in ended),
        _sum(row.realised_nano for row in ended),
    )


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def by_scope(pairs: Sequence[Pair], name: Callable[[Pair], str]) -> dict[str, list[Pair]]:
    """Return the rows of each scope, in the order of the names, and all together as the total."""
    found: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        found[name(pair)].append(pair)
    return {**{scope: found[scope] for scope in sorted(found)}, TOTAL: list(pairs)}


def sign_flips(pairs: Sequence[Pair]) -> list[str]:
    """Return the conclusions of some rows that a filter turns round: column and filter."""
    raw, found = sums_of(pairs), []
    for chosen in (Filter.MICRO, Filter.OUTLIERS):
        other = sums_of(filtered(pairs, chosen))
        for column in ("detected_nano", "expected_nano", "simulated_nano", "realised_nano"):
            one, two = getattr(raw, column), getattr(other, column)
            if one is not None and two is not None and one * two < 0:
                found.append(f"{column.removesuffix('_nano')} under {chosen.value}")
    return found


def ratio_of(pairs: Sequence[Pair], *, paper: bool) -> float | None:
    """Return cash over expectation of what ended; None without any, or where nothing was expected."""
    ended = [pair for pair in pairs if pair.ended and pair.decision.expected_nano is not None]
    expected = sum(pair.decision.expected_nano or 0 for pair in ended)
    rows = [row for pair in ended for row in pair.ended]
    moved = _sum(row.simulated_nano if paper else row.realised_nano for row in rows)
    return None if moved is None or not expected else moved / expected


def quality(pairs: Sequence[Pair], *, paper: bool) -> dict[str, Any]:
    """Return the ratios of some rows: strict JSON, null where there is nothing to divide (arb 17)."""
    opened = [pair for pair in pairs if pair.decision.verdict == OPENED]
    rows = [row for pair in opened for row in pair.ended]
    traded = [row for row in rows if row.outcome != Outcome.ABANDONED.value]
    money = [pair.money for pair in opened if pair.money is not None]
    gains = sum(money)
    planned = sum(row.planned_nano for row in traded)
    hedges = sorted(row.hedge_ns / _NANO for row in traded if row.hedge_ns is not None)
    return {
        "conversion": _over(len(opened), len(pairs)),
        "cash_over_expected": ratio_of(pairs, paper=paper),
        "trades": len(traded),
        "fill_quality": _over(sum(row.matched_lots for row in rows), sum(row.lots for row in rows)),
        "slippage_error": _over(sum(row.slippage_nano for row in traded), planned),
        "concentration_family": _herfindahl((pair.decision.family, _capital(pair)) for pair in opened),
        "concentration_cluster": _herfindahl((pair.decision.cluster, _capital(pair)) for pair in opened),
        "concentration_venue": _herfindahl((leg.venue, leg.cost_nano) for pair in opened for leg in pair.decision.legs),
        "hedge_sec_median": hedges[len(hedges) // 2] if hedges else None,
        "hedge_sec_worst": hedges[-1] if hedges else None,
        "naked_sec": sum(row.naked_ns for row in rows) / _NANO if rows else None,
        "repair_share": _over(sum(row.repair_nano for row in traded), planned),
        "capital_days_per_dollar": _over(sum(row.capital_ns for row in rows) / _NANO / _DAY_SEC, gains / _NANO),
    }


def ends(pairs: Sequence[Pair]) -> dict[str, int]:
    """Return how many opened baskets ended how; what has no row yet is open."""
    counts = Counter(pair.ended[0].outcome for pair in pairs if pair.ended)
    still = sum(pair.decision.verdict == OPENED and not pair.ended for pair in pairs)
    return {outcome.value: counts[outcome.value] for outcome in Outcome} | {"open": still}


def reasons(pairs: Sequence[Pair]) -> dict[str, int]:
    """Return the rejected rows by their primary reason, the most frequent first."""
    counts = Counter(pair.decision.reason for pair in pairs if pair.decision.verdict != OPENED)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def aliases(pairs: Sequence[Pair]) -> int:
    """Return how many further findings of the same basket were collapsed into the rows."""
    return sum(len([name for name in pair.decision.aliases.split(",") if name]) for pair in pairs)


def _capital(pair: Pair) -> int:
    return pair.decision.cost_nano + pair.decision.fee_nano


def _over(one: float, other: float) -> float | None:
    return one / other if other else None


def _herfindahl(shares: Iterable[tuple[str, int]]) -> float | None:
    """Return the sum of squared shares: 1.0 when everything is in one place."""
    sums: Counter[str] = Counter()
    for name, value in shares:
        sums[name] += value
    total = sum(sums.values())
    return sum((value / total) ** 2 for value in sums.values()) if total else None
