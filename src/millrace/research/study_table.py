"""From the cells of a study to what they say: one row per variant, an out-of-sample choice, and how sure both are.

A table of many runs invites picking the best and believing it. So the variant is chosen on the earlier stretches only
and judged on the later ones, differences carry block-bootstrap intervals, and the wide interval allows for every
comparison that was made beside it. Money is in the quote currency; daily figures are basis points of a
stretch's opening equity.
"""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Literal

import msgspec
import numpy as np
from numpy.random import default_rng

from millrace.core.failure import OperatorError
from millrace.research.block_bootstrap import Interval, Matrix, mean_intervals
from millrace.research.slots_report import SlotsRunReport, hold_equity, worst_drawdown
from millrace.strategies.slots.stages.momentum_shadow import MomentumEvidence

Sample = Literal["choose", "report"]
Levels = dict[str, str]
_DAY_NS = 86_400 * 10**9
_BPS = 10_000.0
_SAMPLES: tuple[Sample, ...] = ("choose", "report")


class Shadow(msgspec.Struct, frozen=True):
    """What the momentum gate would have done while it was off (slots 12.4), as sums that can be added up.

    `entries` were made and brought `net` in booked trips; `entries_passed` of them, with `net_passed`, would have
    passed the gate.
    """

    entries: int
    net: float
    entries_passed: int
    net_passed: float


class CellOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one run over one stretch came to. `equity` and `hold` are at the opening, each UTC midnight and the end.

    `stuck_pct` is the share of equity in waiting exits at the end (slots 16); it has no clock time in it, so that equal
    cells are equal wherever they ran.
    """

    first_ns: int
    last_ns: int
    net: float
    fees: float
    worst_fall: float
    fills: int
    round_trips: int
    max_open_orders: int
    stuck_pct: float
    violations: int
    command_hash: str
    shadow: Shadow | None
    equity: list[float]
    hold: list[float]


class Cell(msgspec.Struct, frozen=True):
    """An outcome and what it belongs to: the stretch, the sample it is used in, the level of each axis."""

    stretch: str
    sample: Sample
    levels: Levels
    outcome: CellOutcome


class StudyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One variant in one sample: sums over its stretches, the worst fall of any, the mean share stuck at their ends.

    `over_hold` and `over_base` are in bps a day, against holding and against the group's baseline (None for itself).
    """

    sample: Sample
    levels: Levels
    stretches: int
    net: float
    fees: float
    equity_change: float
    less_holding: float
    worst_fall: float
    fills: int
    round_trips: int
    max_open_orders: int
    stuck_pct: float
    violations: int
    shadow: Shadow | None
    over_hold: Interval
    over_base: Interval | None


class Choice(msgspec.Struct, frozen=True):
    """The variant of a group that did best against holding in the first sample, and what it did in the second."""

    group: Levels
    chosen: Levels
    rank: int
    of: int
    over_base: Interval | None
    over_hold: Interval


class StudyTable(msgspec.Struct, frozen=True):
    """The answer of a study; `comparisons` counts the intervals against a baseline of the report sample.

    `clear` of them exclude 0 by themselves, `clear_wide` also allowing for all comparisons in their group.
    """

    rows: list[StudyRow]
    choices: list[Choice]
    comparisons: int
    clear: int
    clear_wide: int


def cell_outcome(report: SlotsRunReport) -> CellOutcome:
    """Return the figures of a run that a study compares."""
    times = [point.ts_ns for point in report.equity]
    first_day, last_day = report.first_ns // _DAY_NS, report.last_ns // _DAY_NS
    midnights = [day * _DAY_NS for day in range(first_day + 1, last_day + 1)]
    places = np.searchsorted(times, midnights, side="right").tolist()
    points = [report.equity[place] for place in (0, *(place - 1 for place in places), len(times) - 1)]
    return CellOutcome(
        first_ns=report.first_ns,
        last_ns=report.last_ns,
        net=report.totals.net_profit,
        fees=report.totals.fees,
        worst_fall=worst_drawdown(report.equity),
        fills=report.totals.fills,
        round_trips=report.totals.round_trips,
        max_open_orders=report.totals.max_open_orders,
        stuck_pct=float(report.slot_vintage["stuck_capital_pct"]),
        violations=report.totals.violations,
        command_hash=report.totals.command_hash,
        shadow=_shadow(report.momentum_shadow),
        equity=[point.equity for point in points],
        hold=[hold_equity(report, point.price) for point in points],
    )


def _shadow(seen: MomentumEvidence | None) -> Shadow | None:
    if seen is None or seen.expectancy_actual is None:
        return None
    net_passed = (seen.expectancy_gated or 0.0) * seen.entries_gated
    return Shadow(seen.entries_actual, seen.expectancy_actual * seen.entries_actual, seen.entries_gated, net_passed)


def study_table(cells: Sequence[Cell], within: Sequence[str], *, block: int, resamples: int, seed: int) -> StudyTable:
    """Return the table; variants are compared inside a group of equal levels of the `within` axes.

    The first variant of a group is its baseline. Every variant of a group must have been run on the same stretches.
    """
    rows: list[StudyRow] = []
    choices = []
    groups = _by(cells, lambda cell: {axis: cell.levels[axis] for axis in within})
    for place, (group, members) in enumerate(groups):
        made = {sample: _group_rows(sample, members, block, resamples, [seed, place]) for sample in _SAMPLES}
        rows += [row for sample in _SAMPLES for row in made[sample]]
        if made["choose"] and made["report"]:
            choices.append(_choice(group, made["choose"], made["report"]))
    compared = [row.over_base for row in rows if row.sample == "report" and row.over_base is not None]
    return StudyTable(
        rows=rows,
        choices=choices,
        comparisons=len(compared),
        clear=sum(one.low > 0.0 or one.high < 0.0 for one in compared),
        clear_wide=sum(one.wide_low > 0.0 or one.wide_high < 0.0 for one in compared),
    )


def _group_rows(
    sample: Sample, cells: Sequence[Cell], block: int, resamples: int, seed: Sequence[int]
) -> list[StudyRow]:
    variants = _by([cell for cell in cells if cell.sample == sample], lambda cell: cell.levels)
    if not variants:
        return []
    stretches = [cell.stretch for cell in variants[0][1]]
    for levels, members in variants:
        if [cell.stretch for cell in members] != stretches:
            raise OperatorError(f"{_named(levels)} was not run on the same stretches as {_named(variants[0][0])}")
    days = [len(cell.outcome.equity) - 1 for cell in variants[0][1]]
    daily = np.column_stack([np.concatenate([_daily_bps(cell.outcome) for cell in members]) for _, members in variants])
    rng = default_rng([*seed, _SAMPLES.index(sample)])
    over_hold = mean_intervals(daily, days, block, resamples, rng)
    others = daily[:, 1:] - daily[:, :1]
    over_base = [None, *(mean_intervals(others, days, block, resamples, rng) if len(variants) > 1 else ())]
    return [
        _row(sample, levels, [cell.outcome for cell in members], hold, base)
        for (levels, members), hold, base in zip(variants, over_hold, over_base, strict=True)
    ]


def _daily_bps(outcome: CellOutcome) -> Matrix:
    """Return the daily change of equity less holding, in bps of the opening equity."""
    return np.diff(np.subtract(outcome.equity, outcome.hold)) / outcome.equity[0] * _BPS


def _row(
    sample: Sample, levels: Levels, found: Sequence[CellOutcome], hold: Interval, base: Interval | None
) -> StudyRow:
    return StudyRow(
        sample=sample,
        levels=levels,
        stretches=len(found),
        net=sum(one.net for one in found),
        fees=sum(one.fees for one in found),
        equity_change=sum(one.equity[-1] - one.equity[0] for one in found),
        less_holding=sum(one.equity[-1] - one.hold[-1] for one in found),
        worst_fall=max(one.worst_fall for one in found),
        fills=sum(one.fills for one in found),
        round_trips=sum(one.round_trips for one in found),
        max_open_orders=max(one.max_open_orders for one in found),
        stuck_pct=fmean(one.stuck_pct for one in found),
        violations=sum(one.violations for one in found),
        shadow=_added([one.shadow for one in found if one.shadow is not None]),
        over_hold=hold,
        over_base=base,
    )


def _added(seen: Sequence[Shadow]) -> Shadow | None:
    if not seen:
        return None
    return Shadow(
        sum(one.entries for one in seen),
        sum(one.net for one in seen),
        sum(one.entries_passed for one in seen),
        sum(one.net_passed for one in seen),
    )


def _choice(group: Levels, early: Sequence[StudyRow], late: Sequence[StudyRow]) -> Choice:
    chosen = max(early, key=lambda row: row.over_hold.mean).levels
    row = next(row for row in late if row.levels == chosen)
    rank = 1 + sum(other.over_hold.mean > row.over_hold.mean for other in late)
    return Choice(group, chosen, rank, len(late), row.over_base, row.over_hold)


def _by(cells: Sequence[Cell], key: Callable[[Cell], Levels]) -> list[tuple[Levels, list[Cell]]]:
    """Return the cells in groups of one key each, in order of first appearance."""
    groups: list[tuple[Levels, list[Cell]]] = []
    for cell in cells:
        wanted = key(cell)
        members = next((members for levels, members in groups if levels == wanted), None)
        if members is None:
            groups.append((wanted, [cell]))
        else:
            members.append(cell)
    return groups


def _named(levels: Levels) -> str:
    return ", ".join(f"{axis} {level}" for axis, level in levels.items())


def study_text(table: StudyTable) -> str:
    """Return the table as Markdown: the choices first, then the rows of each sample."""
    lines = []
    for sample, title in (("report", "Later stretches (report)"), ("choose", "Earlier stretches (choose)")):
        rows = [row for row in table.rows if row.sample == sample]
        if rows:
            lines += [title, "", *_markdown(rows), ""]
    lines += _shadow_lines(table.rows)
    for choice in table.choices:
        lines.append(
            f"* {_named(choice.group) or 'all'}: the earlier stretches choose {_named(choice.chosen)}, later number"
            f" {choice.rank} of {choice.of}: {_span(choice.over_hold)} bps a day over holding, "
            + ("itself the baseline." if choice.over_base is None else f"{_span(choice.over_base)} over the baseline.")
        )
    lines.append(
        f"* Of {table.comparisons} later comparisons with a baseline, {table.clear} intervals exclude 0 by themselves,"
        f" {table.clear_wide} when all of a group are allowed for."
    )
    return "\n".join(lines)


def _shadow_lines(rows: Sequence[StudyRow]) -> list[str]:
    """Return what the gate's shadow said in the later stretches, where it was off and would have passed some."""
    lines = [
        f"* {_named(row.levels)}: {seen.net / seen.entries:+.4f} of {seen.entries:,},"
        f" {seen.net_passed / seen.entries_passed:+.4f} of {seen.entries_passed:,}"
        for row in rows
        if row.sample == "report" and (seen := row.shadow) is not None and seen.entries and seen.entries_passed
    ]
    title = "The momentum gate's shadow, later stretches: net per entry of all, and of those that it would have passed"
    return [title, "", *lines, ""] if lines else []


def _markdown(rows: Sequence[StudyRow]) -> list[str]:
    axes = list(rows[0].levels)
    names = [
        *(*axes, "realised net", "fees", "equity change", "less holding", "worst fall", "fills", "round trips"),
        *("stuck at ends", "bps/day over holding [95 %]", "bps/day over baseline [95 %] (all at once)"),
    ]
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    for row in rows:
        base = "-" if row.over_base is None else _span(row.over_base, wide=True)
        values = [
            *(row.levels[axis] for axis in axes),
            *(f"{row.net:+,.0f}", f"{row.fees:,.0f}", f"{row.equity_change:+,.0f}", f"{row.less_holding:+,.0f}"),
            *(f"{row.worst_fall:,.0f}", f"{row.fills:,}", f"{row.round_trips:,}", f"{row.stuck_pct:.0f} %"),
            *(_span(row.over_hold), base),
        ]
        lines.append("| " + " | ".join(values) + " |")
    return lines


def _span(interval: Interval, *, wide: bool = False) -> str:
    text = f"{interval.mean:+.2f} [{interval.low:+.2f}, {interval.high:+.2f}]"
    return f"{text} ({interval.wide_low:+.2f}, {interval.wide_high:+.2f})" if wide else text
