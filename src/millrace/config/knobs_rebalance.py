"""The knobs of what divides the account's money among orders: shares, layers, reserve, rebalancer (slots 8, 9, 13, 21).

Some are ours. The contract calls the dynamic target optional and names no switch for it: `trend.enabled`, off, so that
an operator who sets an idle target gets that target. It reserves "N orders" and does not say N:
`slots.entry_reserve_orders`. And it names no first number of layers and no size of one: none, of one unit an order.
"""

from millrace.config.knob import Knob, knob

CAPITAL: tuple[Knob, ...] = (
    knob(
        "slots.b_side_account_sizing",
        "B_SIDE_ACCOUNT_SIZING",
        True,
        "",
        "in USD mode, size each buy by its slot's share of the free money",
        spec="slots 8.3",
    ),
    knob(
        "slots.b_side_max_mult",
        "B_SIDE_MAX_MULT",
        3.0,
        "",
        "greatest share, as a multiple of order_size_usd; 0: no cap",
        low=0,
        spec="slots 8.3",
    ),
    knob("slots.allocation_safety_buffer_usd", "ALLOCATION_SAFETY_BUFFER_USD", 0.10, "USD", "never shared", low=0),
    knob(
        "slots.capital_layers",
        "CAPITAL_LAYERS",
        0,
        "layers",
        "capital layers that a fresh grid starts with",
        low=0,
        high=100,
        spec="slots 8.1",
    ),
    knob(
        "slots.capital_layer_doge_per_order",
        "CAPITAL_LAYER_DOGE_PER_ORDER",
        1.0,
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
        "let some entries in although waiting exits have used up the safe cap",
        choices=("none", "entry_reserve"),
        spec="slots 9",
    ),
    knob("slots.entry_reserve_orders", "", 10, "orders", "how many entries that are", low=1, spec="slots 9"),
)

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

REBALANCE_KNOBS: tuple[Knob, ...] = (*CAPITAL, *REBALANCE, *TREND)
