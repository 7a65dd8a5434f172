"""Knobs of the momentum gate and of the ADX bands (slots 12, 21).

They have sections of their own because the gate, the sizer's label and the release rules read the same two indicators:
none of them owns the figures that the others see.
"""

from millrace.config.knob import Knob, knob

_MOMENTUM: tuple[Knob, ...] = (
    knob("momentum.enabled", "MOMENTUM_ENABLED", False, "", "momentum gate of entries", spec="slots 12.3"),
    knob("momentum.max_defer_sec", "MOMENTUM_MAX_DEFER_SEC", 3600.0, "s", "longest deferral", low=0, spec="slots 12.3"),
    knob("momentum.ema_fast_bars", "MOMENTUM_EMA_FAST_BARS", 5, "bars", "fast average", low=2, spec="slots 12.2"),
    knob("momentum.ema_slow_bars", "MOMENTUM_EMA_SLOW_BARS", 20, "bars", "slow average, > fast", low=2),
    knob("momentum.neutral_pct", "MOMENTUM_NEUTRAL_PCT", 0.0, "%", "dead band of the signal", low=0, spec="slots 12.2"),
)

_REGIME: tuple[Knob, ...] = (
    knob("regime.adx_enabled", "REGIME_ADX_ENABLED", False, "", "adapt entries to the ADX band", spec="slots 12.6"),
    knob("regime.entry_pct_choppy", "REGIME_ENTRY_PCT_CHOPPY", 0.25, "%", "entry distance, choppy", low=0.05),
    knob("regime.entry_pct_normal", "REGIME_ENTRY_PCT_NORMAL", 0.35, "%", "entry distance, normal", low=0.05),
    knob("regime.entry_pct_trending", "REGIME_ENTRY_PCT_TRENDING", 0.50, "%", "entry distance, trending", low=0.05),
    knob("regime.entries_per_loop_choppy", "REGIME_ENTRIES_PER_LOOP_CHOPPY", 3, "orders", "entries per loop", low=1),
    knob("regime.entries_per_loop_normal", "REGIME_ENTRIES_PER_LOOP_NORMAL", 2, "orders", "entries per loop", low=1),
    knob(
        "regime.entries_per_loop_trending", "REGIME_ENTRIES_PER_LOOP_TRENDING", 1, "orders", "entries per loop", low=1
    ),
    knob("regime.adx_period", "REGIME_ADX_PERIOD", 14, "bars", "period of the ADX", low=2, spec="slots 12.5"),
    knob("regime.adx_choppy_max", "REGIME_ADX_CHOPPY_MAX", 20.0, "", "choppy below", low=0, high=100),
    knob("regime.adx_trending_min", "REGIME_ADX_TRENDING_MIN", 30.0, "", "trending above", low=0, high=100),
    knob("regime.adx_smooth_bars", "REGIME_ADX_SMOOTH_BARS", 3, "bars", "smoothing of the ADX; 1: off", low=1),
    knob("regime.band_hysteresis", "REGIME_BAND_HYSTERESIS", 1.0, "", "points past the edge to leave a band", low=0),
)

REGIME_KNOBS: tuple[Knob, ...] = (*_MOMENTUM, *_REGIME)
