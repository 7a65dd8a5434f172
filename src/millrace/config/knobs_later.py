"""Knobs of parts that are not built yet: known by name, so that a non-default value is refused and never ignored.

A configuration that asks for a part and silently does not get them would trade another strategy than its
owner believes. When a part lands, its rows move to the table of what is read.
"""

import msgspec

from millrace.config.knob import Knob, knob

_SIZING: tuple[Knob, ...] = (
    knob(
        "slots.b_side_account_sizing",
        "B_SIDE_ACCOUNT_SIZING",
        False,
        "",
        "size buys by their share of the account",
        spec="slots 8.3",
    ),
    knob("slots.b_side_max_mult", "B_SIDE_MAX_MULT", 3.0, "", "cap of that share; 0: none", low=0, spec="slots 8.3"),
    knob("slots.allocation_safety_buffer_usd", "ALLOCATION_SAFETY_BUFFER_USD", 0.10, "USD", "kept back", low=0),
    knob("slots.capital_layers", "CAPITAL_LAYERS", 0, "layers", "capital layers", low=0, spec="slots 8.1"),
    knob(
        "slots.capital_layer_doge_per_order",
        "CAPITAL_LAYER_DOGE_PER_ORDER",
        0.0,
        "base",
        "units that a layer adds to each order",
        low=0,
        spec="slots 8.1",
    ),
    knob(
        "slots.entry_cap_policy",
        "ENTRY_CAP_POLICY",
        "none",
        "",
        "reserve open orders for entries",
        choices=("none", "entry_reserve"),
        spec="slots 9",
    ),
)

_REGIME: tuple[Knob, ...] = (
    knob("momentum.enabled", "MOMENTUM_ENABLED", False, "", "momentum gate of entries", spec="slots 12.3"),
    knob("momentum.max_defer_sec", "MOMENTUM_MAX_DEFER_SEC", 3600.0, "s", "longest deferral", low=0, spec="slots 12.3"),
)

_REBALANCE: tuple[Knob, ...] = (
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
        "rebalance.target_idle_pct_mtm", "REBALANCE_TARGET_IDLE_PCT_MTM", None, "ratio", "on that basis", low=0, high=1
    ),
    knob("rebalance.kp", "REBALANCE_KP", 2.0, "", "gain on the error", low=0),
    knob("rebalance.kd", "REBALANCE_KD", 0.5, "", "gain on its change", low=0),
    knob("rebalance.max_skew", "REBALANCE_MAX_SKEW", 0.30, "", "greatest skew", low=0),
    knob("rebalance.max_skew_step", "REBALANCE_MAX_SKEW_STEP", 0.05, "", "greatest change of skew", low=0),
    knob("rebalance.neutral_band", "REBALANCE_NEUTRAL_BAND", 0.05, "", "error without effect", low=0),
    knob("rebalance.ema_halflife_sec", "REBALANCE_EMA_HALFLIFE", 1800.0, "s", "smoothing of the error", low=1),
    knob("rebalance.interval_sec", "REBALANCE_INTERVAL_SEC", 300.0, "s", "time between updates", low=1),
    knob("rebalance.size_sensitivity", "REBALANCE_SIZE_SENSITIVITY", 1.0, "", "size per skew", low=0),
    knob("rebalance.max_size_mult", "REBALANCE_MAX_SIZE_MULT", 1.5, "", "greatest multiplier", low=1),
    knob("trend.fast_halflife_sec", "TREND_FAST_HALFLIFE", 1800.0, "s", "fast price average"),
    knob("trend.slow_halflife_sec", "TREND_SLOW_HALFLIFE TREND_SLOW", 14_400.0, "s", "slow price average, >= fast"),
    knob("trend.sensitivity", "TREND_SENSITIVITY", 5.0, "", "idle per trend"),
    knob("trend.floor", "TREND_FLOOR", 0.15, "ratio", "least idle target"),
    knob("trend.ceiling", "TREND_CEILING", 0.60, "ratio", "greatest idle target"),
    knob("trend.min_samples", "TREND_MIN_SAMPLES", 24, "samples", "samples until warm"),
    knob("trend.hysteresis_sec", "TREND_HYSTERESIS_SEC", 600.0, "s", "hold after a jump"),
    knob("trend.smooth_halflife_sec", "TREND_SMOOTH_HALFLIFE", 900.0, "s", "smoothing of the target"),
    knob("trend.dead_zone", "TREND_DEAD_ZONE", 0.001, "", "trend without effect"),
)

_LIVE: tuple[Knob, ...] = (
    knob("run.live", "", False, "", "trade with real money", spec="design 5.8", env=False),
    knob("venue.endpoint", "", "", "", "address of the venue's interface", spec="design 5.8", env=False),
)

_SECRETS: tuple[Knob, ...] = tuple(
    msgspec.structs.replace(knob(f"venue.{name}", "", "", "", meaning, spec="design 5.8"), secret=True)
    for name, meaning in (("api_key", "key of the account"), ("api_secret", "secret of the account"))
)

LATER_KNOBS: tuple[Knob, ...] = tuple(
    msgspec.structs.replace(row, available=False) for row in (*_SIZING, *_REGIME, *_REBALANCE, *_LIVE, *_SECRETS)
)
