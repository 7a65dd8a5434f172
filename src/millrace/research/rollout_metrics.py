"""From a text of metrics to what the ramp's gates look at; what the text does not say stays unknown.

The controller reads what everybody can read, the exposition of the running program, and never a number of its own: the
reference's fed itself constants and always passed (quoting 8, 15 no. 18). Counters are compared with the last poll's,
so a gate judges what happened since and not since the program began.
"""

from collections.abc import Mapping
from math import isnan
from typing import Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from millrace.capacity.stage_budgets import STAGES, TICK_TOTAL
from millrace.core.failure import OperatorError
from millrace.research.perf_profile import Profile
from millrace.strategies.quoting.rollout.desk_ramp import Path
from millrace.strategies.quoting.rollout.gates import GroupFigures, RampMetrics

_PREFIX: Final = "millrace_quoting_"
_STATEMENTS: Final = range(1, 9)
_SECOND_NS: Final = 1_000_000_000
_FULL_PCT: Final = 100.0
_Labels = tuple[tuple[str, str], ...]
Samples = Mapping[tuple[str, _Labels], float]


class Replays(NamedTuple):
    """How often the shadow was replayed and how many of the replays differed; None: nobody did."""

    times: int | None = None
    differences: int | None = None


def read_samples(text: str, source: str) -> dict[tuple[str, _Labels], float]:
    """Return the desk's samples in an exposition by name and labels; raises OperatorError when it is none."""
    found: dict[tuple[str, _Labels], float] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name.startswith(_PREFIX):
                    labels = tuple(sorted(sample.labels.items()))
                    found[sample.name.removeprefix(_PREFIX), labels] = sample.value
    except ValueError as error:
        raise OperatorError(f"{source} is no text of metrics: {error}") from error
    return found


def ramp_metrics(now: Samples, before: Samples | None, baseline: Profile | None, replays: Replays) -> RampMetrics:
    """Return what the gates look at; `before` are the last poll's samples, None at the first."""
    stages = {name: now.get(("stage_p95_ms", (("stage", name),))) for name in STAGES}
    agreement = _one(now, "shadow_match_ratio")
    lasted = _one(now, "shadow_seconds")
    compared, unexplained = _one(now, "shadow_compared"), _one(now, "shadow_unexplained")
    failed = _worst(now, "partial_fail_rate")
    return RampMetrics(
        p95_change_pct=_changes(stages, baseline),
        tick_p95_ms=stages[TICK_TOTAL],
        deadline_miss_pct=_misses(now, before or {}),
        partial_failures_pct=None if failed is None else _FULL_PCT * failed,
        replays=replays.times,
        replay_differences=replays.differences,
        fairness=_fairness(now),
        pipeline=_group(now, Path.PIPELINE),
        legacy=_group(now, Path.LEGACY),
        taker_share_pct=_one(now, "taker_share_pct"),
        slippage_bps=_of_path(now, "path_slippage_bps", Path.PIPELINE),
        shadow_agreement_pct=None if agreement is None else _FULL_PCT * agreement,
        shadow_comparisons=None if compared is None else int(compared),
        shadow_ns=None if lasted is None else round(lasted * _SECOND_NS),
        mismatches_waived=None if unexplained is None else unexplained == 0.0,
    )


def _one(samples: Samples, name: str) -> float | None:
    return samples.get((name, ()))


def _worst(samples: Samples, name: str) -> float | None:
    """Return the largest of a family, whatever its labels; what is no number is worse than any."""
    found = [value for (of, _), value in samples.items() if of == name]
    return max(found, key=lambda value: (isnan(value), value), default=None)


def _of_path(samples: Samples, name: str, path: Path) -> float | None:
    return samples.get((name, (("path", path.value),)))


def _changes(stages: Mapping[str, float | None], baseline: Profile | None) -> dict[str, float] | None:
    """Return how each 95th percentile changed in percent; None unless every stage is known on both sides."""
    found: dict[str, float] = {}
    for name, value in stages.items():
        row = None if baseline is None else baseline.stages.get(name)
        if value is None or row is None or row.p95 is None or row.p95 <= 0.0:
            return None
        found[name] = _FULL_PCT * (value - row.p95) / row.p95
    return found


def _misses(now: Samples, before: Samples) -> float | None:
    """Return the share of ticks over the deadline since the last poll; of a restarted counter since its restart."""
    misses, ticks = _one(now, "tick_deadline_miss_total"), _one(now, "tick_duration_ms_count")
    if misses is None or not ticks:
        return None
    earlier_misses, earlier = _one(before, "tick_deadline_miss_total") or 0.0, _one(before, "tick_duration_ms_count")
    if not earlier or earlier > ticks or earlier_misses > misses:
        return _FULL_PCT * misses / ticks
    return _FULL_PCT * (misses - earlier_misses) / (ticks - earlier) if ticks > earlier else None


def _fairness(now: Samples) -> tuple[int, ...] | None:
    held = {number: now.get(("allocator_fairness_broken", (("statement", str(number)),))) for number in _STATEMENTS}
    if any(value is None for value in held.values()):
        return None
    return tuple(number for number, value in held.items() if value)


def _group(now: Samples, path: Path) -> GroupFigures:
    fills, orders = _of_path(now, "path_fills", path), _of_path(now, "path_orders", path)
    markouts = {ms: now.get(("path_markout_bps", (("horizon_ms", str(ms)), ("path", path.value)))) for ms in (200, 500)}
    return GroupFigures(
        orders=None if orders is None else int(orders),
        fills=None if fills is None else int(fills),
        rejected_pct=_of_path(now, "path_rejected_pct", path),
        markout_200ms_bps=markouts[200],
        markout_500ms_bps=markouts[500],
    )
