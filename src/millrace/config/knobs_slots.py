"""The knobs of the slot grid that something reads today, as one table (slots 21).

Defaults are the contract's; what divides the account's money among the orders stands in `knobs_rebalance`.
"""

from millrace.config.knob import Knob, knob

SIZE: tuple[Knob, ...] = (
    knob("slots.enabled", "", True, "", "the slot grid trades", spec="design 7"),
    knob("slots.count", "", 10, "slots", "number of slots that a run starts with", low=1, spec="design 7"),
    knob("slots.order_size_usd", "ORDER_SIZE_USD", 2.0, "USD", "order size in USD mode", above=0, spec="slots 8.1"),
    knob(
        "slots.order_size_mode",
        "ORDER_SIZE_MODE",
        "USD",
        "",
        "size orders in quote money (USD) or in base units (DOGE, sticky only)",
        choices=("USD", "DOGE"),
        spec="slots 8.2",
    ),
    knob(
        "slots.order_size_doge", "ORDER_SIZE_DOGE", 18.0, "base", "order size in DOGE mode", above=0, spec="slots 8.2"
    ),
    knob(
        "slots.order_size_doge_compound",
        "ORDER_SIZE_DOGE_COMPOUND",
        False,
        "",
        "add units earned to the order size in DOGE mode",
        spec="slots 8.2",
    ),
    knob(
        "slots.sticky_compounding_mode",
        "STICKY_COMPOUNDING_MODE",
        "legacy_profit",
        "",
        "let profit raise the USD order size, or keep it fixed",
        choices=("legacy_profit", "fixed"),
        spec="slots 8.1",
    ),
    knob(
        "slots.entry_floor_mode",
        "ENTRY_FLOOR_MODE",
        "multiplier_only",
        "",
        "when an entry below the venue's minimum is lifted to it",
        choices=("multiplier_only", "always", "off"),
        spec="slots 8.4",
    ),
)

PRICES: tuple[Knob, ...] = (
    knob("slots.entry_pct", "PAIR_ENTRY_PCT", 0.2, "%", "distance of a fresh entry from the market", low=0.05),
    knob("slots.profit_pct", "PAIR_PROFIT_PCT", 1.0, "%", "distance of an exit from its entry; >= 2 x maker fee + 0.1"),
    knob("slots.refresh_pct", "PAIR_REFRESH_PCT", 1.0, "%", "drift at which an entry is placed anew", low=0.05),
    knob(
        "slots.refresh_drift_basis",
        "REFRESH_DRIFT_BASIS",
        "target",
        "",
        "measure drift from the price of a fresh entry (target) or from the market",
        choices=("target", "market"),
        spec="slots 2.3",
    ),
    knob(
        "slots.max_consecutive_refreshes",
        "MAX_CONSECUTIVE_REFRESHES",
        3,
        "refreshes",
        "refreshes in one direction before the leg pauses them",
        low=1,
        spec="slots 2.3",
    ),
    knob("slots.refresh_cooldown_sec", "REFRESH_COOLDOWN_SEC", 300.0, "s", "length of that pause", low=0),
    knob("slots.maker_fee_pct", "MAKER_FEE_PCT", 0.25, "%", "maker fee where the venue names none", low=0),
    knob(
        "slots.volatility_auto_profit",
        "VOLATILITY_AUTO_PROFIT",
        True,
        "",
        "let volatility move the profit target",
        spec="slots 5.4",
    ),
    knob(
        "slots.volatility_factor",
        "VOLATILITY_FACTOR VOLATILITY_AUTO_PROFIT_FACTOR",
        0.8,
        "",
        "share of the typical round-trip move that the target takes",
        low=0,
        spec="slots 5.4",
    ),
    knob(
        "slots.volatility_ceiling_pct",
        "VOLATILITY_CEILING VOLATILITY_AUTO_PROFIT_CEILING",
        3.0,
        "%",
        "highest profit target",
        above=0,
        spec="slots 5.4",
    ),
    knob(
        "slots.volatility_mult_floor",
        "VOLATILITY_MULT_FLOOR VOLATILITY_AUTO_PROFIT_MULT_FLOOR",
        0.5,
        "",
        "least multiple of the plain target",
        above=0,
        spec="slots 5.4",
    ),
    knob(
        "slots.volatility_mult_ceiling",
        "VOLATILITY_MULT_CEILING VOLATILITY_AUTO_PROFIT_MULT_CEILING",
        2.0,
        "",
        "greatest multiple of the plain target",
        above=0,
        spec="slots 5.4",
    ),
)

LIFE: tuple[Knob, ...] = (
    knob(
        "slots.sticky_mode_enabled",
        "STICKY_MODE_ENABLED",
        False,
        "",
        "exits wait for ever instead of timing out",
        spec="slots 10",
    ),
    knob("slots.sticky_target_slots", "STICKY_TARGET_SLOTS", 80, "slots", "slots aimed for", low=1, spec="slots 9"),
    knob("slots.sticky_max_target_slots", "STICKY_MAX_TARGET_SLOTS", 100, "slots", "most slots", low=1, spec="slots 9"),
    knob(
        "slots.s1_orphan_after_sec", "S1_ORPHAN_AFTER_SEC", 1350.0, "s", "age at which a lone exit is orphaned", low=60
    ),
    knob(
        "slots.s2_orphan_after_sec", "S2_ORPHAN_AFTER_SEC", 1800.0, "s", "time in S2 until one leg is orphaned", low=60
    ),
    knob("slots.max_recovery_slots", "MAX_RECOVERY_SLOTS", 2, "orders", "recoveries per slot", low=1, spec="slots 2.5"),
    knob(
        "slots.legacy_recovery",
        "LEGACY_RECOVERY",
        True,
        "",
        "let exits of non-sticky slots time out, and soft closes be asked for; off, they wait as sticky ones do",
        spec="slots 20.2 P5",
    ),
    knob("slots.recovery_orders_enabled", "RECOVERY_ORDERS_ENABLED", True, "", "orphan exits at all", spec="slots 2.5"),
    knob(
        "slots.recovery_evict_books",
        "RECOVERY_EVICT_BOOKS",
        False,
        "",
        "evict a recovery by booking it at market when full",
        spec="slots 2.5",
    ),
    knob(
        "slots.loss_backoff_start", "LOSS_BACKOFF_START", 3, "losses", "losses in a row until entries back off", low=1
    ),
    knob("slots.loss_cooldown_start", "LOSS_COOLDOWN_START", 5, "losses", "losses in a row until a pause", low=1),
    knob("slots.loss_cooldown_sec", "LOSS_COOLDOWN_SEC", 900.0, "s", "length of that pause", low=0, spec="slots 2.8"),
    knob("slots.entry_backoff_enabled", "ENTRY_BACKOFF_ENABLED", True, "", "move entries away after losses"),
    knob("slots.backoff_factor", "ENTRY_BACKOFF_FACTOR", 0.5, "", "added distance per loss", low=0, spec="slots 2.1"),
    knob("slots.backoff_max_multiplier", "ENTRY_BACKOFF_MAX_MULTIPLIER", 5.0, "", "most back-off", low=1),
    knob(
        "slots.reentry_base_cooldown_sec",
        "REENTRY_BASE_COOLDOWN_SEC",
        60.0,
        "s",
        "pause of a leg after a booking",
        low=0,
        spec="slots 2.8",
    ),
    knob(
        "slots.partial_open_max_age_sec",
        "PARTIAL_OPEN_MAX_AGE_SEC",
        1800.0,
        "s",
        "a part-filled entry that the market left is cancelled after so long without a fill",
        low=0,
        spec="slots 6.4",
    ),
    knob(
        "slots.quarantine_halt_fraction",
        "QUARANTINE_HALT_FRACTION",
        0.25,
        "ratio",
        "share of slots in quarantine above which trading halts",
        low=0,
        high=1,
        spec="slots 3",
    ),
    knob(
        "slots.balance_recon_drift_pct",
        "BALANCE_RECON_DRIFT_PCT",
        2.0,
        "%",
        "drift between the balances' growth and the profit that counts as DRIFT",
        above=0,
        spec="slots 7.7",
    ),
    knob(
        "slots.daily_loss_limit_usd",
        "DAILY_LOSS_LIMIT",
        3.0,
        "USD",
        "realised loss of a UTC day that pauses trading; 0 or less: off",
        spec="slots 7.5",
        env=False,
    ),
)

CAPACITY: tuple[Knob, ...] = (
    knob(
        "slots.open_orders_per_pair_limit",
        "KRAKEN_OPEN_ORDERS_PER_PAIR_LIMIT",
        225,
        "orders",
        "open orders that the venue allows on the pair",
        low=1,
        spec="slots 15.3",
    ),
    knob(
        "slots.open_order_safety_ratio",
        "OPEN_ORDER_SAFETY_RATIO",
        0.75,
        "ratio",
        "share of that limit which we use",
        low=0.1,
        high=1.0,
        spec="slots 15.3",
    ),
    knob("slots.max_entry_adds_per_loop", "MAX_ENTRY_ADDS_PER_LOOP", 2, "orders", "entries per loop", low=1),
    knob("slots.max_api_calls_per_loop", "MAX_API_CALLS_PER_LOOP", 10, "calls", "private calls per loop", low=1),
    knob("slots.max_consecutive_errors", "MAX_CONSECUTIVE_ERRORS", 25, "errors", "errors in a row that pause", low=1),
    knob("slots.private_api_metronome_enabled", "PRIVATE_API_METRONOME_ENABLED", True, "", "pace calls in waves"),
    knob("slots.private_api_wave_calls", "PRIVATE_API_METRONOME_WAVE_CALLS", 2, "calls", "calls per wave", low=1),
    knob("slots.private_api_wave_sec", "PRIVATE_API_METRONOME_WAVE_SECONDS", 1.5, "s", "length of a wave", low=0.05),
    knob("slots.poll_interval_sec", "POLL_INTERVAL_SECONDS", 30.0, "s", "length of a loop", low=1, spec="slots 4.1"),
    knob("slots.stale_price_max_age_sec", "STALE_PRICE_MAX_AGE_SEC", 60.0, "s", "age at which a price is stale", low=1),
    knob(
        "slots.open_order_drift_alert_threshold",
        "OPEN_ORDER_DRIFT_ALERT_THRESHOLD",
        10,
        "orders",
        "difference between the venue's count of open orders and ours that is told when it lasts",
        low=1,
        spec="slots 4.7",
    ),
    knob("slots.open_order_drift_persist_sec", "OPEN_ORDER_DRIFT_PERSIST_SEC", 600.0, "s", "how long it lasts", low=1),
    knob(
        "slots.open_order_drift_cooldown_sec", "OPEN_ORDER_DRIFT_COOLDOWN_SEC", 1800.0, "s", "until told again", low=1
    ),
)

SIZER: tuple[Knob, ...] = (
    knob("sizer.enabled", "TP_ENABLED", False, "", "scale order sizes by throughput", spec="slots 14"),
    knob("sizer.shadow", "TP_SHADOW", False, "", "compute and report, leave sizes alone", spec="slots 14.10"),
    knob("sizer.lookback_cycles", "TP_LOOKBACK_CYCLES", 500, "cycles", "newest cycles looked at", low=1),
    knob("sizer.min_samples", "TP_MIN_SAMPLES", 20, "cycles", "cycles that the aggregate needs", low=1),
    knob("sizer.min_samples_per_bucket", "TP_MIN_SAMPLES_PER_BUCKET", 10, "cycles", "cycles per bucket", low=1),
    knob("sizer.full_confidence_samples", "TP_FULL_CONFIDENCE_SAMPLES", 50, "cycles", "cycles of full trust", low=1),
    knob("sizer.floor_mult", "TP_FLOOR_MULT", 0.5, "", "least multiplier", above=0, high=1, spec="slots 14.7"),
    knob("sizer.ceiling_mult", "TP_CEILING_MULT", 2.0, "", "greatest multiplier", low=1, spec="slots 14.7"),
    knob("sizer.censored_weight", "TP_CENSORED_WEIGHT", 0.5, "", "weight of an exit still open", low=0),
    knob(
        "sizer.age_pressure_trigger", "TP_AGE_PRESSURE_TRIGGER", 1.5, "", "multiple of p75 that starts pressure", low=0
    ),
    knob("sizer.age_pressure_sensitivity", "TP_AGE_PRESSURE_SENSITIVITY", 0.5, "", "slope of age pressure", low=0),
    knob("sizer.age_pressure_floor", "TP_AGE_PRESSURE_FLOOR", 0.3, "", "most age pressure", low=0, high=1),
    knob(
        "sizer.age_pressure_reference",
        "TP_AGE_PRESSURE_REFERENCE",
        "p90",
        "",
        "age that stands for the open exits",
        choices=("p90", "max"),
        spec="slots 14.8",
    ),
    knob("sizer.util_threshold", "TP_UTIL_THRESHOLD", 0.7, "ratio", "locked share that starts it", low=0, high=1),
    knob("sizer.util_sensitivity", "TP_UTIL_SENSITIVITY", 0.8, "", "slope of the utilisation penalty", low=0),
    knob("sizer.util_floor", "TP_UTIL_FLOOR", 0.4, "", "most utilisation penalty", low=0, high=1),
    knob(
        "sizer.estimator",
        "TP_ESTIMATOR",
        "weighted",
        "",
        "what an exit that still waits says of fill times: the contract's weight, or right-censored",
        choices=("weighted", "kaplan_meier"),
        spec="slots 14.6",
    ),
    knob("sizer.recency_halflife", "TP_RECENCY_HALFLIFE", 100, "cycles", "rank at half weight; 0 or less: off"),
    knob("sizer.log_updates", "TP_LOG_UPDATES", True, "", "record every update of an acting sizer in the ledger"),
)

SLOTS_KNOBS: tuple[Knob, ...] = (*SIZE, *PRICES, *LIFE, *CAPACITY, *SIZER)
