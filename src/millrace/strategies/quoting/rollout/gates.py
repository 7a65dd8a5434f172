"""The gates of the ramp: each looks at measured figures and says pass, wait, fail, or back at once (quoting 8).

A figure that is missing fails; the reference fed its controller constants, and it always passed. A gate that compares
with the frozen quoter does not apply while one of the two groups is empty, and says so.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from millrace.strategies.quoting.settings_growth import RolloutSettings

FAIRNESS_ROLLBACK = frozenset({1, 2, 7})
"""Statements of section 7 whose violation rolls back at once."""
_HOUR_NS = 3_600_000_000_000
_REPLAYS = 3


class GateState(StrEnum):
    """What a gate says. Waiting holds the step without blame: too few fills so far."""

    PASS = "pass"  # noqa: S105  no password
    WAIT = "wait"
    FAIL = "fail"
    MISSING = "missing"
    ROLLBACK = "rollback"
    NOT_APPLICABLE = "not_applicable"


class GateVerdict(NamedTuple):
    """One gate's word: the figure that it looked at, None without one, and the bounds that it was held to."""

    gate: str
    state: GateState
    value: float | None
    bounds: str


class GroupFigures(msgspec.Struct, frozen=True):
    """What the symbols of one path did since the step began; None: not measured.

    A share or a mean of nothing is None too, and then the count beside it is 0.
    """

    orders: int | None = None
    fills: int | None = None
    rejected_pct: float | None = None
    markout_200ms_bps: float | None = None
    markout_500ms_bps: float | None = None


class RampMetrics(msgspec.Struct, frozen=True):
    """What was measured when the gates are looked at; None: the metric is missing.

    `p95_change_pct` is each stage's and the tick's 95th percentile against the baseline. `replay_differences` counts
    those of `replays` shadow replays. `fairness` are the numbers of the violated statements of section 7.
    `mismatches_waived` says that every class of shadow mismatch is explained or waived by name.
    """

    p95_change_pct: Mapping[str, float] | None = None
    tick_p95_ms: float | None = None
    deadline_miss_pct: float | None = None
    partial_failures_pct: float | None = None
    replays: int | None = None
    replay_differences: int | None = None
    fairness: tuple[int, ...] | None = None
    pipeline: GroupFigures = GroupFigures()
    legacy: GroupFigures = GroupFigures()
    taker_share_pct: float | None = None
    slippage_bps: float | None = None
    shadow_agreement_pct: float | None = None
    shadow_comparisons: int | None = None
    shadow_ns: int | None = None
    mismatches_waived: bool | None = None


class Step(NamedTuple):
    """The step that is looked at: its share of symbols, and whether each path and the allocator has any to work on."""

    pct: int
    has_legacy: bool
    allocates: bool


def judge(metrics: RampMetrics, step: Step, settings: RolloutSettings) -> tuple[GateVerdict, ...]:
    """Return the word of every gate of a step; at 0 % those of the shadow."""
    gates = _SHADOW_GATES if step.pct == 0 else _STEP_GATES
    return tuple(gate(metrics, step, settings) for gate in gates)


def _below(gate: str, value: float | None, most: float, rollback: float | None = None, *, strict: bool) -> GateVerdict:
    """Hold a figure to a bound; strict: reaching it fails. Beyond `rollback`, or if both are one, go back at once."""
    sign = "<" if strict else "<="
    bounds = f"{sign} {most:g}" if rollback is None else f"{sign} {most:g}, back beyond {rollback:g}"
    if value is None:
        return GateVerdict(gate, GateState.MISSING, None, bounds)
    state = GateState.PASS if (value < most if strict else value <= most) else GateState.FAIL
    if rollback is not None and state is GateState.FAIL and (value > rollback or rollback == most):
        state = GateState.ROLLBACK
    return GateVerdict(gate, state, value, bounds)


def _stage_p95(metrics: RampMetrics, _step: Step, cfg: RolloutSettings) -> GateVerdict:
    changes = metrics.p95_change_pct
    worst = max(changes.values()) if changes else None
    return _below("stage_p95", worst, cfg.stage_p95_pass_pct, cfg.stage_p95_rollback_pct, strict=False)


def _tick_p95(metrics: RampMetrics, _step: Step, cfg: RolloutSettings) -> GateVerdict:
    return _below("tick_p95", metrics.tick_p95_ms, cfg.tick_p95_limit_ms, cfg.tick_p95_rollback_ms, strict=False)


def _deadline(metrics: RampMetrics, _step: Step, cfg: RolloutSettings) -> GateVerdict:
    value = metrics.deadline_miss_pct
    return _below("deadline_miss", value, cfg.deadline_miss_pass_pct, cfg.deadline_miss_rollback_pct, strict=True)


def _partial(metrics: RampMetrics, _step: Step, cfg: RolloutSettings) -> GateVerdict:
    most = cfg.partial_failures_pct
    return _below("partial_failures", metrics.partial_failures_pct, most, most, strict=True)


def _determinism(metrics: RampMetrics, _step: Step, _cfg: RolloutSettings) -> GateVerdict:
    found, bounds = metrics.replay_differences, f"no difference in {_REPLAYS} replays"
    if found is None or metrics.replays is None:
        return GateVerdict("determinism", GateState.MISSING, None, bounds)
    if found:
        return GateVerdict("determinism", GateState.ROLLBACK, found, bounds)
    state = GateState.PASS if metrics.replays >= _REPLAYS else GateState.WAIT
    return GateVerdict("determinism", state, 0, bounds)


def _fairness(metrics: RampMetrics, step: Step, _cfg: RolloutSettings) -> GateVerdict:
    bounds = "all eight statements of section 7; back on 1, 2 or 7"
    if not step.allocates:
        return GateVerdict("fairness", GateState.NOT_APPLICABLE, None, "the allocator is off at this step")
    broken = metrics.fairness
    if broken is None:
        return GateVerdict("fairness", GateState.MISSING, None, bounds)
    state = GateState.PASS
    if broken:
        state = GateState.ROLLBACK if FAIRNESS_ROLLBACK & set(broken) else GateState.FAIL
    return GateVerdict("fairness", state, len(broken), bounds)


def _rejects(metrics: RampMetrics, step: Step, cfg: RolloutSettings) -> GateVerdict:
    if not step.has_legacy:
        return _alone("rejects")
    if 0 in (metrics.pipeline.orders, metrics.legacy.orders):
        return GateVerdict("rejects", GateState.WAIT, None, "both groups have orders that ended")
    ours, theirs = metrics.pipeline.rejected_pct, metrics.legacy.rejected_pct
    delta = None if ours is None or theirs is None else ours - theirs
    return _below("rejects", delta, cfg.rejects_delta_points, cfg.rejects_delta_points, strict=True)


def _fills(metrics: RampMetrics, step: Step, cfg: RolloutSettings) -> GateVerdict:
    counts = [metrics.pipeline.fills, *([metrics.legacy.fills] if step.has_legacy else [])]
    known = [count for count in counts if count is not None]
    bounds = f">= {cfg.min_fills} per group"
    if len(known) < len(counts):
        return GateVerdict("fills", GateState.MISSING, None, bounds)
    fewest = min(known)
    return GateVerdict("fills", GateState.PASS if fewest >= cfg.min_fills else GateState.WAIT, fewest, bounds)


def _markout(metrics: RampMetrics, step: Step, cfg: RolloutSettings) -> GateVerdict:
    bounds = f"not worse by more than {cfg.markout_worse_bps:g} bps, of {cfg.markout_min_fills} fills"
    if not step.has_legacy:
        return _alone("markout")
    ours, theirs = metrics.pipeline, metrics.legacy
    if ours.fills is None or theirs.fills is None:
        return GateVerdict("markout", GateState.MISSING, None, bounds)
    if min(ours.fills, theirs.fills) < cfg.markout_min_fills:
        return GateVerdict("markout", GateState.WAIT, None, bounds)
    pairs = (
        (ours.markout_200ms_bps, theirs.markout_200ms_bps),
        (ours.markout_500ms_bps, theirs.markout_500ms_bps),
    )
    worse = [legacy - pipeline for pipeline, legacy in pairs if pipeline is not None and legacy is not None]
    if len(worse) < len(pairs):
        return GateVerdict("markout", GateState.MISSING, None, bounds)
    most = max(worse)
    return GateVerdict("markout", GateState.PASS if most <= cfg.markout_worse_bps else GateState.FAIL, most, bounds)


def _taker_share(metrics: RampMetrics, _step: Step, cfg: RolloutSettings) -> GateVerdict:
    value = metrics.taker_share_pct
    return _below("taker_share", value, cfg.taker_share_pass_pct, cfg.taker_share_rollback_pct, strict=False)


def _slippage(metrics: RampMetrics, _step: Step, cfg: RolloutSettings) -> GateVerdict:
    if metrics.pipeline.fills == 0:
        return GateVerdict("slippage", GateState.WAIT, None, "the pipeline has a fill")
    return _below("slippage", metrics.slippage_bps, cfg.slippage_bps, strict=False)


def _agreement(metrics: RampMetrics, _step: Step, cfg: RolloutSettings) -> GateVerdict:
    bounds = f">= {cfg.shadow_agreement_pct:g} % of {cfg.shadow_min_comparisons} or more, in an hour or more"
    share, count, lasted_ns = metrics.shadow_agreement_pct, metrics.shadow_comparisons, metrics.shadow_ns
    if share is None or count is None or lasted_ns is None:
        return GateVerdict("shadow_agreement", GateState.MISSING, None, bounds)
    if count < cfg.shadow_min_comparisons or lasted_ns < _HOUR_NS:
        return GateVerdict("shadow_agreement", GateState.WAIT, share, bounds)
    state = GateState.PASS if share >= cfg.shadow_agreement_pct else GateState.FAIL
    return GateVerdict("shadow_agreement", state, share, bounds)


def _mismatches(metrics: RampMetrics, _step: Step, _cfg: RolloutSettings) -> GateVerdict:
    waived, bounds = metrics.mismatches_waived, "every class of mismatch explained or waived by name"
    if waived is None:
        return GateVerdict("shadow_mismatches", GateState.MISSING, None, bounds)
    return GateVerdict("shadow_mismatches", GateState.PASS if waived else GateState.FAIL, None, bounds)


def _alone(gate: str) -> GateVerdict:
    return GateVerdict(gate, GateState.NOT_APPLICABLE, None, "no symbol is left on the frozen quoter")


Gate = Callable[[RampMetrics, Step, RolloutSettings], GateVerdict]
_SHADOW_GATES: tuple[Gate, ...] = (_stage_p95, _tick_p95, _deadline, _determinism, _agreement, _mismatches)
_STEP_GATES: tuple[Gate, ...] = (
    _stage_p95,
    _tick_p95,
    _deadline,
    _partial,
    _determinism,
    _fairness,
    _rejects,
    _fills,
    _markout,
    _taker_share,
    _slippage,
)
