"""Decides whether a profile of the quoting stages is slower than its baseline (quoting 5.1).

What is missing never passes: a stage that one side lacks, another clock, another host class make a comparison unusable
and not green. A change counts when it passes the threshold and is large enough to be a change at all; exactly the
threshold passes, whatever the last bit of a product of floats says.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from millrace.capacity.stage_budgets import DEFINITION, PER_MILLE, STAGES
from millrace.core.failure import OperatorError
from millrace.research.perf_profile import Profile

DEFAULT_PCT: Final = 3.0
DEFAULT_MIN_ABS_US: Final = 5.0
_TOLERANCE: Final = 1e-9
_MOST_PCT: Final = 1_000.0
LIMITS: Final = {
    "cache_hit_ratio_min": ("cache_hit_ratio", 1),
    "deadline_miss_pct_max": ("deadline_miss_pct", -1),
    "fetch_p95_ms_max": ("fetch_p95_ms", -1),
}
"""Limits of a lock, the fact of a profile that each is about, and whether more (1) or less (-1) is better."""


class StageVerdict(msgspec.Struct, frozen=True):
    """One stage: what both sides took in ms, the change in per cent, and "ok", "regression" or "not required"."""

    stage: str
    baseline_ms: float | None
    current_ms: float | None
    change_pct: float | None
    baseline_count: int | None
    current_count: int | None
    verdict: str


class GateReport(msgspec.Struct, frozen=True):
    """What the gate found; `passed` is False with at least one violation."""

    passed: bool
    metric: str
    threshold_pct: float
    threshold_from: str
    min_abs_us: float
    percentile_definition: str
    baseline: dict[str, str]
    current: dict[str, str]
    stages: tuple[StageVerdict, ...]
    violations: tuple[str, ...]
    notes: tuple[str, ...]


def compare(
    baseline: Profile,
    current: Profile,
    *,
    threshold_pct: float | None = None,
    metric: str = "p95",
    min_abs_us: float = DEFAULT_MIN_ABS_US,
    required: Sequence[str] = STAGES,
) -> GateReport:
    """Compare two profiles; the threshold given wins over the baseline's, which wins over 3 %.

    Raises OperatorError where they cannot be compared: a required stage or the metric missing on either side, another
    clock or host class, a threshold that is none, or a limit of a lock about which the current profile says nothing.
    """
    _comparable(baseline, current, metric, required)
    limit_pct, limit_from = _threshold(threshold_pct, baseline)
    if not 0.0 <= min_abs_us < float("inf"):
        raise OperatorError(f"--min-abs-us {min_abs_us:g} is not 0 or more")
    rows = tuple(_judge(stage, baseline, current, metric, limit_pct, min_abs_us) for stage in STAGES)
    violations = [
        f"{row.stage}: {metric} {row.baseline_ms:.6g} -> {row.current_ms:.6g} ms, {row.change_pct:+.2f} % is above"
        f" +{limit_pct:g} %"
        for row in rows
        if row.verdict == "regression"
    ]
    violations += _limits(baseline, current)
    notes = [
        f"{side.name}: {', '.join(side.unknown)} ignored: no stage" for side in (baseline, current) if side.unknown
    ]
    if not (baseline.host and current.host):
        notes.append("the host class is not stated on both sides; nothing shows that they are the same")
    return GateReport(
        passed=not violations,
        metric=metric,
        threshold_pct=limit_pct,
        threshold_from=limit_from,
        min_abs_us=min_abs_us,
        percentile_definition=DEFINITION,
        baseline=_side(baseline),
        current=_side(current),
        stages=rows,
        violations=tuple(violations),
        notes=tuple(notes),
    )


def _comparable(baseline: Profile, current: Profile, metric: str, required: Sequence[str]) -> None:
    if metric not in PER_MILLE:
        raise OperatorError(f"--metric {metric} is none of {', '.join(PER_MILLE)}")
    strange = [stage for stage in required if stage not in STAGES]
    if strange or not required:
        raise OperatorError(f"--require {', '.join(strange) or 'nothing'}: the stages are {', '.join(STAGES)}")
    for side in (baseline, current):
        missing = [stage for stage in required if stage not in side.stages]
        if missing:
            raise OperatorError(f"{side.name}: {', '.join(missing)} missing; what is missing does not pass")
        silent = [stage for stage in required if side.stages[stage].of(metric) is None]
        if silent:
            raise OperatorError(f"{side.name}: no {metric} of {', '.join(silent)}")
    if baseline.clock != current.clock:
        raise OperatorError(
            f"{baseline.name} was measured by the {baseline.clock} clock, {current.name} by the {current.clock} clock"
        )
    if baseline.host and current.host and baseline.host != current.host:
        raise OperatorError(f"{baseline.name} is of host class {baseline.host}, {current.name} of {current.host}")


def _threshold(given: float | None, baseline: Profile) -> tuple[float, str]:
    if given is not None:
        if not 0.0 <= given <= _MOST_PCT:
            raise OperatorError(f"--threshold {given:g} is not between 0 and {_MOST_PCT:g} per cent")
        return given, "flag"
    if baseline.regress_pct is not None:
        return baseline.regress_pct, "baseline file"
    return DEFAULT_PCT, "default"


def exceeds(baseline: float, current: float, limit_pct: float) -> bool:
    """Tell whether a value grew by more than so many per cent; exactly as many is not more, up to rounding."""
    return current > baseline * (1.0 + limit_pct / 100.0) * (1.0 + _TOLERANCE)


def _judge(
    stage: str, baseline: Profile, current: Profile, metric: str, limit_pct: float, min_abs_us: float
) -> StageVerdict:
    sides = [profile.stages.get(stage) for profile in (baseline, current)]
    values = [side.of(metric) if side else None for side in sides]
    counts = [side.count if side else None for side in sides]
    before, now = values
    if before is None or now is None:
        return StageVerdict(stage, before, now, None, counts[0], counts[1], "not required")
    worse = exceeds(before, now, limit_pct) and (now - before) * 1e3 > min_abs_us
    change_pct = (now - before) / before * 100.0
    return StageVerdict(stage, before, now, change_pct, counts[0], counts[1], "regression" if worse else "ok")


def _limits(baseline: Profile, current: Profile) -> list[str]:
    """Return what a lock's limits say against the current profile."""
    found = []
    for key, (fact, better) in LIMITS.items():
        limit = baseline.limits.get(key)
        if limit is None:
            continue
        value = current.facts.get(fact)
        if value is None:
            raise OperatorError(f"{current.name}: the lock limits {fact} to {limit:g}, and it does not say {fact}")
        if (limit - value) * better > _TOLERANCE:
            found.append(f"{fact}: {value:g} is {'below' if better > 0 else 'above'} the lock's {limit:g}")
    return found


def _side(profile: Profile) -> dict[str, str]:
    return {
        "file": profile.name,
        "shape": profile.shape,
        "clock": profile.clock,
        "host": profile.host or "not stated",
        "commit": profile.commit or "not stated",
    }


def markdown(report: GateReport) -> str:
    """Return the report as a page: every stage, then what is wrong."""
    rows = [
        f"# Stage performance gate: {'passed' if report.passed else 'REGRESSION'}",
        "",
        f"{report.metric} ({report.percentile_definition}).",
        f"Limit: +{report.threshold_pct:g} % ({report.threshold_from}) and {report.min_abs_us:g} us.",
        "",
        *(
            f"- {title}: {side['file']} ({side['shape']}, {side['clock']} clock, host {side['host']},"
            f" commit {side['commit']})"
            for title, side in (("baseline", report.baseline), ("current", report.current))
        ),
        "",
        "| stage | baseline ms | n | current ms | n | change | verdict |",
        "|---|---|---|---|---|---|---|",
        *(_line(row) for row in report.stages),
        "",
        *(f"- **{text}**" for text in report.violations),
        *(f"- {text}" for text in report.notes),
    ]
    return "\n".join(rows).rstrip() + "\n"


def _line(row: StageVerdict) -> str:
    change = "-" if row.change_pct is None else f"{row.change_pct:+.2f} %"
    cells = (
        row.stage,
        _cell(row.baseline_ms),
        _cell(row.baseline_count),
        _cell(row.current_ms),
        _cell(row.current_count),
        change,
        row.verdict,
    )
    return f"| {' | '.join(cells)} |"


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
