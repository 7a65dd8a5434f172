"""Bigger orders where capital turns over faster, smaller ones where it stalls (slots 14).

Sizing stands between the strategy and its money, so it is a total function: no input raises, every answer is finite and
not negative, and too little data means "leave the size alone". The multipliers are worked out once per update; asking
for a size is then two look-ups, because every entry of every slot asks.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import msgspec

from millrace.sizing.regime import RANGING, REGIME_NAMES, normalise_regime
from millrace.sizing.throughput_stats import (
    AGGREGATE,
    BUCKETS,
    LARGEST,
    SIDE_BUCKETS,
    BucketStats,
    Trip,
    bucket_stats,
    deal_exits,
    deal_trips,
    number,
    profit_per_sec,
    side_bucket,
)

__all__ = ["BucketStats", "ThroughputConfig", "ThroughputResult", "ThroughputSizer"]

AgeReference = Literal["p90", "max"]
Estimator = Literal["weighted", "kaplan_meier"]

_MAX_AGGRESSION = 3.0
_P90 = 0.9
_OLDEST: Final = "max"
_DECIMALS, _PROFIT_DECIMALS = 6, 12
_NO_DATA = "insufficient_data"
_SURVIVAL: Final = "kaplan_meier"
_BEYOND = "median_beyond_last_fill"
Learn = Callable[[Sequence[Trip], Sequence[float]], tuple[BucketStats, str]]
"""A bucket's finished trips and ages of waiting exits, both ascending, to its statistics and reason."""


class ThroughputConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the sizer: the TP_* knobs of slots 21 without their prefix.

    `shadow` computes and reports but leaves sizes alone; `log_updates` asks the caller to record each
    update. `estimator` says what a waiting exit tells of fill times: `weighted` is the contract's percentile
    (14.5, 14.6), `kaplan_meier` takes it as right-censored, without a gate or a weight.
    """

    enabled: bool = False
    shadow: bool = False
    lookback_cycles: int = 500
    min_samples: int = 20
    min_samples_per_bucket: int = 10
    full_confidence_samples: int = 50
    floor_mult: float = 0.5
    ceiling_mult: float = 2.0
    censored_weight: float = 0.5
    age_pressure_trigger: float = 1.5
    age_pressure_sensitivity: float = 0.5
    age_pressure_floor: float = 0.3
    age_pressure_reference: AgeReference = "p90"
    util_threshold: float = 0.7
    util_sensitivity: float = 0.8
    util_floor: float = 0.4
    recency_halflife: int = 100
    log_updates: bool = True
    estimator: Estimator = "weighted"


class ThroughputResult(msgspec.Struct, frozen=True, gc=False):
    """Why a size is what it is: the factors and their product, clamped once (slots 14.10)."""

    throughput_mult: float
    age_pressure: float
    util_penalty: float
    final_mult: float
    bucket_key: str
    reason: str
    sufficient_data: bool


class ThroughputSizer:
    """Multipliers per bucket, refreshed by `update` on the regime cadence and after a restore.

    `base_errors` counts infinite base sizes that were answered with 0.
    """

    def __init__(self, config: ThroughputConfig) -> None:
        self.config = config
        self.base_errors = 0
        self._tame = _tamed(config)
        self._bucket_stats = _estimate(config, self._tame.censored_weight)
        self._active_regime = RANGING
        self._reset()

    def _reset(self) -> None:
        self._stats: dict[str, BucketStats] = {}
        self._multipliers = dict.fromkeys(BUCKETS, 1.0)
        self._reasons = dict.fromkeys(BUCKETS, _NO_DATA)
        self._n_completed = dict.fromkeys(BUCKETS, 0)
        self._sufficient = dict.fromkeys(BUCKETS, False)
        self._last_update_n = 0
        self._age_pressure = 1.0
        self._ref_age_sec = 0.0
        self._oldest_age_sec = 0.0
        self._util_ratio = 0.0
        self._util_penalty = 1.0
        self._price_in()

    def update(
        self,
        completed_cycles: object,
        open_exits: object,
        regime_label: object = None,
        free_doge: object = 0.0,
        *,
        now: object = None,
    ) -> dict[str, BucketStats]:
        """Learn from finished cycles and waiting exits; return the statistics of the buckets with enough data.

        Rows are dicts with the fields of slots 14.1, times in seconds, `free_doge` the free base balance. `now`
        (seconds) is needed only by open rows that carry `entry_filled_at` instead of an age. Never raises.
        """
        label = normalise_regime(regime_label)
        if label is not None:
            self._active_regime = label
        if not self.config.enabled:
            return {}
        tame = self._tame
        self._reset()
        trips, self._last_update_n = deal_trips(completed_cycles, tame.lookback_cycles, tame.recency_halflife)
        ages, locked = deal_exits(open_exits, now)
        self._learn(trips, ages)
        self._press(ages[AGGREGATE])
        self._utilise(locked, max(0.0, number(free_doge)))
        self._price_in()
        return dict(self._stats)

    def size_for_slot(
        self, base_order_usd: object, regime_label: object = None, trade_id: object = None, *, aggression: object = 1.0
    ) -> tuple[float, str]:
        """Return the order size (unit of the base) and the reason code; never raises (slots 14.10).

        Reasons: ok, no_bucket, tp_disabled, tp_insufficient_data, tp_shadow. A regime of None means the active one;
        `aggression` is clamped to 0..3 and applied last. An unusable base is 0.
        """
        base = base_order_usd
        if type(base) is not float or not 0.0 <= base < LARGEST:
            base = self._usable_base(base)
        pace = aggression if type(aggression) is float else number(aggression, 1.0)
        if not 0.0 <= pace <= _MAX_AGGRESSION:
            pace = 0.0 if pace < 0.0 else _MAX_AGGRESSION if pace > _MAX_AGGRESSION else 1.0
        if self._pass_through is not None:
            return base * pace, self._pass_through
        answer = self._answers[self._bucket(regime_label, trade_id)]
        return base * answer.final_mult * pace, answer.reason

    def explain(self, regime_label: object = None, trade_id: object = None) -> ThroughputResult:
        """Return the factors behind `size_for_slot` for this leg; in shadow the ones that would be applied."""
        if not self.config.enabled:
            return ThroughputResult(1.0, 1.0, 1.0, 1.0, AGGREGATE, "tp_disabled", sufficient_data=False)
        return self._answers[self._bucket(regime_label, trade_id)]

    def status_payload(self) -> dict[str, Any]:
        """Return what a dashboard shows, rounded (slots 14.11); strict JSON."""
        return {
            "enabled": self.config.enabled,
            "shadow": self.config.shadow,
            "active_regime": REGIME_NAMES[self._active_regime],
            "last_update_n": self._last_update_n,
            "age_pressure": round(self._age_pressure, _DECIMALS),
            "age_pressure_reference": self._tame.age_pressure_reference,
            "age_pressure_ref_age_sec": round(self._ref_age_sec, _DECIMALS),
            "util_penalty": round(self._util_penalty, _DECIMALS),
            "oldest_open_exit_age_sec": round(self._oldest_age_sec, _DECIMALS),
            "util_ratio": round(self._util_ratio, _DECIMALS),
            "base_errors": self.base_errors,
            "buckets": {bucket: self._bucket_payload(bucket) for bucket in BUCKETS},
        }

    def snapshot_state(self) -> dict[str, Any]:
        """Return the state under the key `throughput_sizer_state`: the payload, and everything that decides, unrounded.

        Restored sizes equal the sizes before, bit for bit.
        """
        return self.status_payload() | {
            "age_pressure": self._age_pressure,
            "age_pressure_ref_age_sec": self._ref_age_sec,
            "util_penalty": self._util_penalty,
            "oldest_open_exit_age_sec": self._oldest_age_sec,
            "util_ratio": self._util_ratio,
            "bucket_stats": {bucket: msgspec.structs.asdict(stats) for bucket, stats in self._stats.items()},
            "_multipliers": dict(self._multipliers),
            "_reasons": dict(self._reasons),
            "_sufficient": dict(self._sufficient),
            "_n_completed": dict(self._n_completed),
            "_n_censored": {bucket: self._stat(bucket).n_censored for bucket in BUCKETS},
        }

    def restore_state(self, state: object) -> None:
        """Take what `snapshot_state` gave, clamped; missing, unknown and wrong fields are passed over (slots 14.11)."""
        if not isinstance(state, dict):
            return
        self._reset()
        tame = self._tame
        label = normalise_regime(state.get("active_regime"))
        self._active_regime = RANGING if label is None else label
        self._last_update_n = _count(state.get("last_update_n"))
        self.base_errors = _count(state.get("base_errors"))
        self._age_pressure = _clamp(number(state.get("age_pressure"), 1.0), tame.age_pressure_floor, 1.0)
        self._util_penalty = _clamp(number(state.get("util_penalty"), 1.0), tame.util_floor, 1.0)
        self._ref_age_sec = max(0.0, number(state.get("age_pressure_ref_age_sec")))
        self._oldest_age_sec = max(0.0, number(state.get("oldest_open_exit_age_sec")))
        self._util_ratio = _clamp(number(state.get("util_ratio")), 0.0, 1.0)
        for bucket in BUCKETS:
            self._restore_bucket(bucket, state)
        self._price_in()

    def _restore_bucket(self, bucket: str, state: dict[str, Any]) -> None:
        stats = _entry(state, "bucket_stats", bucket)
        if isinstance(stats, dict):
            self._stats[bucket] = BucketStats(
                median_fill_sec=max(0.0, number(stats.get("median_fill_sec"))),
                p75_fill_sec=max(0.0, number(stats.get("p75_fill_sec"))),
                p95_fill_sec=max(0.0, number(stats.get("p95_fill_sec"))),
                mean_profit_per_sec=number(stats.get("mean_profit_per_sec")),
                n_completed=_count(stats.get("n_completed")),
                n_censored=_count(stats.get("n_censored")),
            )
        reason = _entry(state, "_reasons", bucket)
        if isinstance(reason, str):
            self._reasons[bucket] = reason
        self._n_completed[bucket] = _count(_entry(state, "_n_completed", bucket))
        self._sufficient[bucket] = _entry(state, "_sufficient", bucket) is True
        if self._sufficient[bucket] and bucket != AGGREGATE:
            multiplier = number(_entry(state, "_multipliers", bucket), 1.0)
            self._multipliers[bucket] = _clamp(multiplier, self._tame.floor_mult, self._tame.ceiling_mult)

    def _learn(self, trips: dict[str, list[Trip]], ages: dict[str, list[float]]) -> None:
        """Fill statistics and multipliers per bucket (slots 14.6, 14.7)."""
        tame = self._tame
        for bucket in BUCKETS:
            n, need = len(trips[bucket]), tame.min_samples if bucket == AGGREGATE else tame.min_samples_per_bucket
            self._n_completed[bucket] = n
            self._sufficient[bucket] = n >= need
            self._reasons[bucket] = f"insufficient_samples ({n}/{need})"
            if n >= need:
                self._stats[bucket], self._reasons[bucket] = self._bucket_stats(trips[bucket], ages[bucket])
        overall = self._stat(AGGREGATE).median_fill_sec
        for bucket in SIDE_BUCKETS:
            median = self._stat(bucket).median_fill_sec
            if overall > 0.0 and median > 0.0:
                full = _clamp(overall / median, tame.floor_mult, tame.ceiling_mult)
                confidence = min(1.0, self._n_completed[bucket] / tame.full_confidence_samples)
                blended = 1.0 + confidence * (full - 1.0)
                self._multipliers[bucket] = _clamp(blended, tame.floor_mult, tame.ceiling_mult)

    def _press(self, ages: list[float]) -> None:
        """Old waiting exits make all orders smaller (slots 14.8). `ages` ascend."""
        if not ages:
            return
        oldest = len(ages) - 1
        self._oldest_age_sec = ages[oldest]
        self._ref_age_sec = ages[oldest if self._tame.age_pressure_reference == _OLDEST else int(_P90 * len(ages))]
        tame = self._tame
        threshold = self._stat(AGGREGATE).p75_fill_sec * tame.age_pressure_trigger
        if threshold > 0.0 and self._ref_age_sec > threshold:
            excess = min((self._ref_age_sec - threshold) / threshold, LARGEST)
            self._age_pressure = _clamp(1.0 - excess * tame.age_pressure_sensitivity, tame.age_pressure_floor, 1.0)

    def _utilise(self, locked: float, free: float) -> None:
        """A large share of the base balance in waiting exits makes all orders smaller (slots 14.9)."""
        self._util_ratio = ratio = locked / (locked + free) if locked > 0.0 else 0.0
        tame = self._tame
        threshold = tame.util_threshold
        if ratio > threshold:
            share = (ratio - threshold) / (1.0 - threshold)
            self._util_penalty = _clamp(1.0 - share * tame.util_sensitivity, tame.util_floor, 1.0)

    def _price_in(self) -> None:
        """Work out the answer per bucket, once (slots 14.10)."""
        tame = self._tame
        self._answers: dict[str, ThroughputResult] = {}
        enough = self._sufficient[AGGREGATE]
        self._pass_through = _pass_through(self.config, enough=enough)
        for bucket in BUCKETS:
            if not enough:
                result = ThroughputResult(1.0, 1.0, 1.0, 1.0, AGGREGATE, _NO_DATA, sufficient_data=False)
            else:
                known = self._sufficient[bucket]
                mult, key, reason = (
                    (self._multipliers[bucket], bucket, "ok") if known else (1.0, AGGREGATE, "no_bucket")
                )
                final = _clamp(mult * self._age_pressure * self._util_penalty, tame.floor_mult, tame.ceiling_mult)
                result = ThroughputResult(
                    mult, self._age_pressure, self._util_penalty, max(0.0, final), key, reason, sufficient_data=True
                )
            self._answers[bucket] = result

    def _bucket(self, regime_label: object, trade_id: object) -> str:
        return side_bucket(self._active_regime if regime_label is None else regime_label, trade_id) or AGGREGATE

    def _stat(self, bucket: str) -> BucketStats:
        return self._stats.get(bucket, _NOTHING)

    def _usable_base(self, base: object) -> float:
        if isinstance(base, (int, float)) and base >= LARGEST:
            self.base_errors += 1
        return max(0.0, number(base))

    def _bucket_payload(self, bucket: str) -> dict[str, Any]:
        stats = self._stat(bucket)
        return {
            "multiplier": round(self._multipliers[bucket], _DECIMALS),
            "sufficient_data": self._sufficient[bucket],
            "reason": self._reasons[bucket],
            "median_fill_sec": round(stats.median_fill_sec, _DECIMALS),
            "p75_fill_sec": round(stats.p75_fill_sec, _DECIMALS),
            "p95_fill_sec": round(stats.p95_fill_sec, _DECIMALS),
            "mean_profit_per_sec": round(stats.mean_profit_per_sec, _PROFIT_DECIMALS),
            "n_completed": self._n_completed[bucket],
            "n_censored": stats.n_censored,
        }


_NOTHING = BucketStats()


def _pass_through(config: ThroughputConfig, *, enough: bool) -> str | None:
    """Return why sizes are left alone, None when multipliers apply."""
    if not config.enabled:
        return "tp_disabled"
    if not enough:
        return "tp_insufficient_data"
    return "tp_shadow" if config.shadow else None


def _estimate(config: ThroughputConfig, censored_weight: float) -> Learn:
    """Return how a bucket's statistics are made."""
    if not config.enabled or config.estimator != _SURVIVAL:
        return lambda trips, ages: (bucket_stats(trips, ages, censored_weight), "ok")
    from millrace.sizing.survival import fill_times  # noqa: PLC0415  scipy takes long to import

    def survive(trips: Sequence[Trip], ages: Sequence[float]) -> tuple[BucketStats, str]:
        times = fill_times([trip[0] for trip in trips], ages)
        rate = profit_per_sec(trips)
        stats = BucketStats(times.median_sec, times.p75_sec, times.p95_sec, rate, len(trips), len(ages))
        return stats, "ok" if times.median_seen else _BEYOND

    return survive


def _clamp(value: float, low: float, high: float) -> float:
    """Clamp between two bounds in either order."""
    if low > high:
        low, high = high, low
    return min(max(value, low), high)


def _count(value: object, least: int = 0) -> int:
    return int(max(float(least), number(value)))


def _entry(state: dict[str, Any], key: str, bucket: str) -> object:
    inner = state.get(key)
    return inner.get(bucket) if isinstance(inner, dict) else None


def _tamed(config: ThroughputConfig) -> ThroughputConfig:
    """Return the settings with every number finite and inside what the arithmetic needs."""
    usual = ThroughputConfig()

    def real(name: str) -> float:
        return number(getattr(config, name), getattr(usual, name))

    def count(name: str) -> int:
        return _count(real(name), least=1)

    return ThroughputConfig(
        lookback_cycles=count("lookback_cycles"),
        min_samples=count("min_samples"),
        min_samples_per_bucket=count("min_samples_per_bucket"),
        full_confidence_samples=count("full_confidence_samples"),
        floor_mult=real("floor_mult"),
        ceiling_mult=real("ceiling_mult"),
        censored_weight=max(0.0, real("censored_weight")),
        age_pressure_trigger=max(0.0, real("age_pressure_trigger")),
        age_pressure_sensitivity=max(0.0, real("age_pressure_sensitivity")),
        age_pressure_floor=real("age_pressure_floor"),
        age_pressure_reference=_OLDEST if config.age_pressure_reference == _OLDEST else "p90",
        util_threshold=_clamp(real("util_threshold"), 0.0, 1.0),
        util_sensitivity=max(0.0, real("util_sensitivity")),
        util_floor=real("util_floor"),
        recency_halflife=int(real("recency_halflife")),
    )
