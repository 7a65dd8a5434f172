"""Gate B of a roll-out: is the momentum gate worth switching on? Judged from its shadow (slots 12.4, 20.3).

The shadow gate says of each entry whether it would have kept it back, so its evidence is the difference between all
entries and those that it would have let go. Seven days of it, recorded while the gate was off, are the least; a gate
that helps earns more per entry and lets neither waits nor stuck capital grow beyond a bound.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from millrace.core.commands import Book
from millrace.strategies.slots.stages.gate_check import Check, Evidence, Gate, Rule, at_least, at_most, gate_of, unknown
from millrace.strategies.slots.stages.momentum_shadow import MomentumEvidence, momentum_evidence
from millrace.strategies.slots.telemetry.vintage_day import KIND as DAY

CYCLE: Final = "cycle"
SHADOW_DAYS = 7
_LOOKED_BACK = 14
"""For how many days back a verdict is judged anew to say since when it holds; older ones are taken to be alike."""


class _Measure(NamedTuple):
    """One comparison: how to read it in the evidence, its bound in per cent, and in which direction it binds."""

    name: str
    sets: Callable[[MomentumEvidence], tuple[float | None, float | None]]
    limit_pct: float
    rule: Rule


_MEASURES = (
    _Measure("expectancy_change_pct", lambda seen: (seen.expectancy_actual, seen.expectancy_gated), 2.0, ">="),
    _Measure(
        "p95_stuck_age_change_pct",
        lambda seen: (seen.p95_stuck_age_sec_actual, seen.p95_stuck_age_sec_gated),
        15.0,
        "<=",
    ),
    _Measure(
        "p95_stuck_capital_change_pct",
        lambda seen: (seen.p95_stuck_capital_pct_actual, seen.p95_stuck_capital_pct_gated),
        10.0,
        "<=",
    ),
)


def gate_b(evidence: Evidence) -> Gate:
    """Judge the momentum gate by what it would have done."""
    records = evidence.of(CYCLE, DAY)
    ends = [place + 1 for place, row in enumerate(records) if _is_shadow_day(row)]
    days = _days(records, ends)
    if days.verdict != "pass":
        missing = f"{SHADOW_DAYS - len(ends)} more recorded days with the momentum gate in the shadow"
        checks = tuple(unknown(measure.name, measure.limit_pct, measure.rule, missing) for measure in _MEASURES)
        return gate_of("B", "momentum gate", (days, *checks))
    enough = ends[SHADOW_DAYS - 1 :][-_LOOKED_BACK:]
    seen = [(records[end - 1].ts_ns, momentum_evidence(records[:end])) for end in enough]
    return gate_of("B", "momentum gate", (days, *(_judged(measure, seen) for measure in _MEASURES)))


def _is_shadow_day(record: Book) -> bool:
    return record.kind == DAY and record.values.get("momentum_enabled") is False


def _days(records: Sequence[Book], ends: Sequence[int]) -> Check:
    if len(ends) < SHADOW_DAYS:
        missing = f"{SHADOW_DAYS - len(ends)} more recorded days with the momentum gate in the shadow"
        return unknown("shadow_days", SHADOW_DAYS, ">=", missing, value=len(ends))
    return at_least("shadow_days", len(ends), SHADOW_DAYS, records[ends[SHADOW_DAYS - 1] - 1].ts_ns)


def _judged(measure: _Measure, seen: Sequence[tuple[int, MomentumEvidence]]) -> Check:
    """Judge by the newest evidence, and say since which of the days before it the verdict has been the same."""
    name, limit_pct = measure.name, measure.limit_pct
    judge = at_least if measure.rule == ">=" else at_most
    check: Check | None = None
    for ts_ns, found in reversed(seen):
        change_pct = change(*measure.sets(found))
        if check is None:
            if change_pct is None:
                text = "entries and waits to compare with, on either side"
                return unknown(name, limit_pct, measure.rule, text)
            check = judge(name, change_pct, limit_pct, ts_ns)
            newest_pct = change_pct
        elif change_pct is None or judge(name, change_pct, limit_pct, ts_ns).verdict != check.verdict:
            break
        check = judge(name, newest_pct, limit_pct, ts_ns)
    assert check is not None  # noqa: S101  there is evidence of at least one day
    return check


def change(actual: float | None, gated: float | None) -> float | None:
    """Return by how much per cent of its size the gated figure is above the actual one; None without a size."""
    if actual is None or gated is None or (actual == 0.0 and gated != 0.0):
        return None
    return 0.0 if gated == actual else (gated - actual) / abs(actual) * 100.0
