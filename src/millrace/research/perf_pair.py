"""Whether code became slower, from runs of both versions in turn: noise that both share cancels (quoting 5.1).

One run of the same code differs from the next by some per cent, and more when something else uses the machine. So
versions run in pairs, in turn first and second, and a stage is slower only when the lower end of a 95 % interval over
the pairs lies above the limit: 3 % for the median of the runs' p50, 15 % for that of their p95.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from millrace.capacity.stage_budgets import DEFINITION, STAGES
from millrace.core.failure import OperatorError
from millrace.research.perf_profile import Profile

LEAST_PAIRS: Final = 7
LEAST_TICKS: Final = 5_000
RULES: Final = {"p50": 3.0, "p95": 15.0}
"""The most per cent by which each percentile may grow."""
DEFAULT_MIN_ABS_US: Final = 1.0
_RESAMPLES: Final = 4_000
_LOW, _HIGH = 2.5, 97.5
_SEED: Final = 5_01
_US: Final = 1e3
Figures = NDArray[np.float64]


class PairVerdict(msgspec.Struct, frozen=True):
    """One stage and percentile: medians over the runs in us, the change in per cent with its 95 % interval."""

    stage: str
    metric: str
    baseline_us: float
    current_us: float
    change_pct: float
    low_pct: float
    high_pct: float
    limit_pct: float
    verdict: str


class PairReport(msgspec.Struct, frozen=True):
    """What the pairs say; `ticks` are those of each run."""

    passed: bool
    pairs: int
    ticks: int
    clock: str
    min_abs_us: float
    percentile_definition: str
    baseline: str
    current: str
    stages: tuple[PairVerdict, ...]
    violations: tuple[str, ...]


def judge(pairs: Sequence[tuple[Profile, Profile]], *, min_abs_us: float = DEFAULT_MIN_ABS_US) -> PairReport:
    """Compare paired runs, the baseline's first in each; raises OperatorError for what cannot be compared.

    That are too few pairs or ticks, a stage that is missing anywhere, another clock or kind of machine.
    """
    if len(pairs) < LEAST_PAIRS:
        raise OperatorError(f"{len(pairs)} pairs are too few to tell noise from change; run {LEAST_PAIRS} or more")
    if not 0.0 <= min_abs_us < float("inf"):
        raise OperatorError(f"--min-abs-us {min_abs_us:g} is not 0 or more")
    _comparable(pairs)
    rows = tuple(_verdict(pairs, stage, metric, min_abs_us) for stage in STAGES for metric in RULES)
    violations = tuple(
        f"{row.stage}: {row.metric} {row.baseline_us:.2f} -> {row.current_us:.2f} us, {row.change_pct:+.1f} %, at least"
        f" {row.low_pct:+.1f} %, limit +{row.limit_pct:g} %"
        for row in rows
        if row.verdict == "regression"
    )
    first = pairs[0]
    return PairReport(
        passed=not violations,
        pairs=len(pairs),
        ticks=min(side.stages[STAGES[-1]].count or 0 for pair in pairs for side in pair),
        clock=first[0].clock,
        min_abs_us=min_abs_us,
        percentile_definition=DEFINITION,
        baseline=first[0].commit,
        current=first[1].commit,
        stages=rows,
        violations=violations,
    )


def _comparable(pairs: Sequence[tuple[Profile, Profile]]) -> None:
    sides = [side for pair in pairs for side in pair]
    for side in sides:
        missing = [stage for stage in STAGES if stage not in side.stages]
        if missing:
            raise OperatorError(f"{side.name}: {', '.join(missing)} missing; what is missing does not pass")
        if min(row.count or 0 for row in side.stages.values()) < LEAST_TICKS:
            raise OperatorError(f"{side.name}: a run of fewer than {LEAST_TICKS:,} ticks of each stage says too little")
    for what in ("clock", "host", "source"):
        found = sorted({getattr(side, what) for side in sides})
        if len(found) > 1:
            raise OperatorError(f"runs of different {what} are not compared: {' and '.join(found)}")


def _verdict(pairs: Sequence[tuple[Profile, Profile]], stage: str, metric: str, min_abs_us: float) -> PairVerdict:
    figures = np.array([[(side.stages[stage].of(metric) or 0.0) * _US for side in pair] for pair in pairs])
    before, now = (float(one) for one in np.median(figures, axis=0))
    low, high = _interval(figures)
    limit = RULES[metric]
    worse = low > limit and now - before > min_abs_us
    change = (now / before - 1.0) * 100.0
    return PairVerdict(stage, metric, before, now, change, low, high, limit, "regression" if worse else "ok")


def _interval(figures: Figures) -> tuple[float, float]:
    """Return a 95 % interval of the change in per cent: whole pairs are drawn again, with the same seed each time."""
    drawn = np.random.default_rng(_SEED).integers(0, len(figures), (_RESAMPLES, len(figures)))
    medians = np.median(figures[drawn], axis=1)
    low, high = np.percentile((medians[:, 1] / medians[:, 0] - 1.0) * 100.0, (_LOW, _HIGH))
    return float(low), float(high)


def markdown(report: PairReport) -> str:
    """Return the report as a page."""
    rows = [
        f"# Paired stage times: {'passed' if report.passed else 'REGRESSION'}",
        "",
        f"{report.pairs} pairs of {report.ticks:,} ticks, {report.clock} clock:",
        f"{report.baseline} against {report.current}.",
        f"Medians over the runs; {report.percentile_definition}.",
        f"Slower is what the lower end of the 95 % interval says, by more than {report.min_abs_us:g} us.",
        "",
        "| stage | | baseline us | current us | change | 95 % interval | limit | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {row.stage} | {row.metric} | {row.baseline_us:.2f} | {row.current_us:.2f} | {row.change_pct:+.1f} % |"
        f" {row.low_pct:+.1f} to {row.high_pct:+.1f} % | +{row.limit_pct:g} % | {row.verdict} |"
        for row in report.stages
    ]
    rows += ["", *(f"- **{text}**" for text in report.violations)]
    return "\n".join(rows).rstrip() + "\n"
