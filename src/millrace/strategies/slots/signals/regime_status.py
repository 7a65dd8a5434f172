"""What a person sees of the bars: the status objects `momentum` and `regime_adx` (slots 12.6).

Both are read aside from a copy of the fold, so that looking changes nothing. Averages are shown in USD; what is not
warm yet, or older than three bars, is null, and the effective values are those that the next entry would meet.
"""

from typing import Any

from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.signals.regime_bands import adapted
from millrace.strategies.slots.turn import Turn

_SECOND = 1e9


def momentum_block(grid: Grid, turn: Turn) -> dict[str, Any]:
    """Return the status object `momentum`: averages in USD, ages in seconds, null while not warm (slots 12.6)."""
    chosen, read = grid.settings.momentum, grid.peek_bars(turn)
    since = [(leg, at_ns) for slot in grid.slots.values() for leg, at_ns in slot.deferred_ns.items()]
    tick = grid.instrument.price(1)
    return {
        "enabled": chosen.enabled,
        "shadow": not chosen.enabled,
        "signal": read.signal,
        "ema_fast": None if read.ema_fast is None else read.ema_fast * tick,
        "ema_slow": None if read.ema_slow is None else read.ema_slow * tick,
        "bars": read.bars,
        "data_age_sec": read.data_age_sec,
        "deferred_a": sum(leg == "A" for leg, _ in since),
        "deferred_b": sum(leg == "B" for leg, _ in since),
        "oldest_defer_sec": max([(turn.now_ns - at_ns) / _SECOND for _, at_ns in since], default=0.0),
        "overrides_total": grid.momentum.overrides_total,
    }


def regime_block(grid: Grid, turn: Turn) -> dict[str, Any]:
    """Return the `regime_adx` object; times are unix seconds."""
    chosen, read = grid.settings, grid.peek_bars(turn)
    asked = adapted(chosen.regime, read.band)
    return {
        "enabled": chosen.regime.adx_enabled,
        "adx": read.adx,
        "adx_smoothed": read.adx_smoothed,
        "plus_di": read.plus_di,
        "minus_di": read.minus_di,
        "band": read.band,
        "band_since": None if read.band_since_ns is None else read.band_since_ns / _SECOND,
        "entry_pct_effective": grid.entry_pct if asked is None else asked.entry_pct,
        "entries_per_loop_effective": chosen.max_entry_adds_per_loop if asked is None else asked.entries_per_loop,
    }
