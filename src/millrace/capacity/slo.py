"""Whether orders still leave in the time that trading needs: exact percentiles over the last minute (runtime 2.11).

A percentile of few samples is an accident, so fewer than 50 in the window say nothing, neither good nor bad. Whether it
is over is asked of the last quarter minute alone: samples from before the trouble ended must not hold a throttle, and a
venue to which nothing is sent any more is asked a question a second, so silence cannot hold one either.
"""

from collections import deque
from typing import Final

import msgspec

from millrace.capacity.stage_budgets import nearest_rank

_SECOND_NS: Final = 1_000_000_000
_MS: Final = 1_000_000
EVERY_NS: Final = 5 * _SECOND_NS
WINDOW_NS: Final = 60 * _SECOND_NS
LEAST_SAMPLES: Final = 50
RECOVERY_NS: Final = 15 * _SECOND_NS
LEAST_RECOVERY_SAMPLES: Final = 10
KEPT: Final = 4_096
CORE: Final = "core"
"""The subject of what is no venue's: the step itself."""
_P95, _P99 = 950, 990


class SloSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits in ms, and whether anything is watched; the knobs of section `slo` say what each means."""

    enabled: bool
    core_step_ms: float
    detect_plan_ms: float
    plan_submit_ms: float
    submit_ack_ms: float
    detect_ack_ms: float
    prediction_ack_ms: float


CORE_STEP: Final = "core_step"
DETECT_PLAN: Final = "detect_plan"
PLAN_SUBMIT: Final = "plan_submit"
SUBMIT_ACK: Final = "submit_ack"
DETECT_ACK: Final = "detect_ack"


class Slo(msgspec.Struct, frozen=True, gc=False):
    """A percentile, given per mille, and the most ns that it may be."""

    name: str
    limit_ns: int
    per_mille: int

    def met_by(self, seconds: float) -> bool:
        """Tell whether a percentile in seconds keeps the limit; exactly the limit does."""
        return seconds <= self.limit_ns / _SECOND_NS


class SloTable:
    """The SLOs of a program; the `slow` venues match with a delay of their own, so their answers may take longer."""

    def __init__(self, settings: SloSettings, slow: frozenset[str] = frozenset()) -> None:
        self.settings = settings
        limits = {
            CORE_STEP: (settings.core_step_ms, _P99),
            DETECT_PLAN: (settings.detect_plan_ms, _P95),
            PLAN_SUBMIT: (settings.plan_submit_ms, _P95),
            SUBMIT_ACK: (settings.submit_ack_ms, _P95),
            DETECT_ACK: (settings.detect_ack_ms, _P95),
        }
        late_ms = settings.prediction_ack_ms
        own_ms = max(0.0, settings.detect_ack_ms - settings.submit_ack_ms)
        of_slow = {**limits, SUBMIT_ACK: (late_ms, _P95), DETECT_ACK: (late_ms + own_ms, _P95)}
        self._slow = slow if settings.enabled else frozenset()
        self._usual = _slos(limits) if settings.enabled else {}
        self._late = _slos(of_slow)

    def of(self, subject: str, name: str) -> Slo | None:
        """Return an SLO of a venue or of the core; None for a name that is none, or when nothing is watched."""
        return (self._late if subject in self._slow else self._usual).get(name)


def _slos(limits: dict[str, tuple[float, int]]) -> dict[str, Slo]:
    return {name: Slo(name, round(limit_ms * _MS), rank) for name, (limit_ms, rank) in limits.items()}


class LatencyRing:
    """The newest durations of one figure with their times: at most 4,096 of the last minute."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: deque[tuple[int, int]] = deque(maxlen=KEPT)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, ts_ns: int, value_ns: int) -> None:
        """Take a duration that ended at `ts_ns`."""
        self._rows.append((ts_ns, value_ns))

    def forget(self, before_ns: int) -> None:
        """Drop what ended before this time."""
        while self._rows and self._rows[0][0] < before_ns:
            self._rows.popleft()

    def percentile_s(self, per_mille: int, now_ns: int, window_ns: int, least: int) -> float | None:
        """Return the percentile in seconds by nearest rank over the window that ends now; None: insufficient."""
        values = sorted(value_ns for ts_ns, value_ns in self._rows if ts_ns > now_ns - window_ns)
        return nearest_rank(values, per_mille) / _SECOND_NS if len(values) >= least else None
