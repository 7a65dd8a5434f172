"""The knobs of the rebalancer and of its dynamic target, as one table (slots 13, 21).

The contract calls the dynamic target optional and names no switch for it; `trend.enabled` is ours and off, so that an
operator who sets an idle target gets that target.
"""

from millrace.config.knob import Knob, knob

REBALANCE: tuple[Knob, ...] = (
    knob("rebalance.enabled", "REBALANCE_ENABLED", False, "", "rebalance by entry size", spec="slots 13"),
    knob(
        "rebalance.idle_basis",
        "REBALANCE_IDLE_BASIS",
        "auto",
        "",
        "what idle money is measured against",
        choices=("auto", "mark_to_market", "usd_only"),
        spec="slots 13",
    ),
    knob("rebalance.target_idle_pct", "REBALANCE_TARGET_IDLE_PCT", 0.40, "ratio", "idle aimed for", low=0, high=1),
    knob(
        "rebalance.target_idle_pct_mtm",
        "REBALANCE_TARGET_IDLE_PCT_MTM",
        None,
        "ratio",
        "idle aimed for on mark to market; left out: the ratio at the first look, within trend.floor and ceiling",
        low=0,
        high=1,
        spec="slots 13",
    ),
    knob("rebalance.kp", "REBALANCE_KP", 2.0, "", "gain on the error", low=0),
    knob("rebalance.kd", "REBALANCE_KD", 0.5, "s", "gain on its change per second", low=0),
    knob("rebalance.max_skew", "REBALANCE_MAX_SKEW", 0.30, "", "greatest skew", low=0),
    knob("rebalance.max_skew_step", "REBALANCE_MAX_SKEW_STEP", 0.05, "", "greatest change of skew per look", low=0),
    knob("rebalance.neutral_band", "REBALANCE_NEUTRAL_BAND", 0.05, "", "error without effect", low=0),
    knob("rebalance.ema_halflife_sec", "REBALANCE_EMA_HALFLIFE", 1800.0, "s", "smoothing of the error", low=1),
    knob("rebalance.interval_sec", "REBALANCE_INTERVAL_SEC", 300.0, "s", "time between looks", low=1),
    knob("rebalance.size_sensitivity", "REBALANCE_SIZE_SENSITIVITY", 1.0, "", "size per skew", low=0),
    knob("rebalance.max_size_mult", "REBALANCE_MAX_SIZE_MULT", 1.5, "", "greatest multiplier", low=1),
)

TREND: tuple[Knob, ...] = (
    knob("trend.enabled", "", False, "", "let the trend of the price move the idle target", spec="slots 13"),
    knob("trend.fast_halflife_sec", "TREND_FAST_HALFLIFE", 1800.0, "s", "fast price average", low=1),
    knob(
        "trend.slow_halflife_sec", "TREND_SLOW_HALFLIFE TREND_SLOW", 14_400.0, "s", "slow price average, >= fast", low=1
    ),
    knob("trend.sensitivity", "TREND_SENSITIVITY", 5.0, "", "idle ratio per relative trend", low=0),
    knob("trend.floor", "TREND_FLOOR", 0.15, "ratio", "least idle target", low=0, high=1),
    knob("trend.ceiling", "TREND_CEILING", 0.60, "ratio", "greatest idle target", low=0, high=1),
    knob("trend.min_samples", "TREND_MIN_SAMPLES", 24, "samples", "looks until the target moves", low=1),
    knob("trend.hysteresis_sec", "TREND_HYSTERESIS_SEC", 600.0, "s", "hold after a jump", low=0),
    knob("trend.smooth_halflife_sec", "TREND_SMOOTH_HALFLIFE", 900.0, "s", "smoothing of the target", low=1),
    knob("trend.dead_zone", "TREND_DEAD_ZONE", 0.001, "", "trend without effect", low=0),
)

REBALANCE_KNOBS: tuple[Knob, ...] = (*REBALANCE, *TREND)
