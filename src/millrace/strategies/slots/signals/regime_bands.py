"""What the strength of the trend means for the grid: bands of the ADX, and what each asks for (slots 12.5, 12.6).

A choppy market is where a grid earns: entries stand closer and more of them leave per loop. A trending one is where
exits get stuck: entries stand further out, fewer leave, and the momentum gate says something even when the averages
do not. Everything here is a pure function of the smoothed index and the settings; while the index is unknown, or the
switch is off, the configured values hold and the gate is the plain one.
"""

from typing import Literal, NamedTuple

import msgspec

Band = Literal["choppy", "normal", "trending"]
GateMode = Literal["off", "on", "strict"]
_GATES: dict[Band, GateMode] = {"choppy": "off", "normal": "on", "trending": "strict"}


class RegimeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the index and its bands (slots 21): bars, index points, per cent, entries."""

    adx_enabled: bool = False
    adx_period: int = 14
    adx_choppy_max: float = 20.0
    adx_trending_min: float = 30.0
    adx_smooth_bars: int = 3
    band_hysteresis: float = 1.0
    entry_pct_choppy: float = 0.25
    entry_pct_normal: float = 0.35
    entry_pct_trending: float = 0.50
    entries_per_loop_choppy: int = 3
    entries_per_loop_normal: int = 2
    entries_per_loop_trending: int = 1


class Adapted(NamedTuple):
    """The entry distance in per cent and the entries per loop that a band asks for."""

    entry_pct: float
    entries_per_loop: int


def next_band(band: Band | None, adx: float, settings: RegimeSettings) -> Band:
    """Return the band of a smoothed ADX; an edge belongs to normal, and leaving a band takes some points more.

    The same points count for every way out: choppy is left above its maximum plus the hysteresis, normal below and
    above its edges by as much, trending below its minimum less the hysteresis (slots 12.5).
    """
    low, high, slack = settings.adx_choppy_max, settings.adx_trending_min, settings.band_hysteresis
    plain: Band = "choppy" if adx < low else "trending" if adx > high else "normal"
    if band is None or plain == band:
        return plain
    if band == "choppy":
        stays = adx < low + slack
    elif band == "trending":
        stays = adx > high - slack
    else:
        stays = low - slack <= adx <= high + slack
    return band if stays else plain


def adapted(settings: RegimeSettings, band: Band | None) -> Adapted | None:
    """Return what the band asks for; None while the configured values hold (slots 12.6)."""
    if not settings.adx_enabled or band is None:
        return None
    if band == "choppy":
        return Adapted(settings.entry_pct_choppy, settings.entries_per_loop_choppy)
    if band == "trending":
        return Adapted(settings.entry_pct_trending, settings.entries_per_loop_trending)
    return Adapted(settings.entry_pct_normal, settings.entries_per_loop_normal)


def gate_mode(settings: RegimeSettings, band: Band | None) -> GateMode:
    """Return how the momentum gate works in the band; without bands it is the plain one (slots 12.3)."""
    return _GATES[band] if settings.adx_enabled and band is not None else "on"


def tier1_allowed(settings: RegimeSettings, band: Band | None) -> bool:
    """Tell whether releases of tier 1 are eligible: with bands only in a trend, without them always (slots 12.6)."""
    return not settings.adx_enabled or band == "trending"
