"""Which way the market goes, as the label that the sizer's buckets are named for (slots 12.5, 12.7).

A pure fold over closed 5-minute bars: the same bars give the same label however late they are shown, so the label may
be brought up to date only when somebody asks. When the data are too few, too old or torn the label is RANGING, the one
that claims nothing.
"""

from typing import Any, Literal

import msgspec

from millrace.market.candles import Bar
from millrace.market.indicators import Adx, Ema
from millrace.sizing.regime import BEARISH, BULLISH, RANGING

Band = Literal["choppy", "normal", "trending"]

BAR_NS = 300 * 1_000_000_000
STALE_BARS = 3
"""Data older than so many bars say nothing (slots 12.1)."""
HOLD_BARS = 3
"""A new label holds for so many bars before it counts (slots 12.7)."""


class DirectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the label: bars, index points, `neutral_pct` in per cent of price (slots 21)."""

    ema_fast_bars: int = 5
    ema_slow_bars: int = 20
    neutral_pct: float = 0.0
    adx_period: int = 14
    choppy_max: float = 20.0
    trending_min: float = 30.0
    smooth_bars: int = 3
    band_hysteresis: float = 1.0


class DirectionLabel:
    """The label after the bars pushed so far. `adx` and `band` are None until they are warm."""

    def __init__(self, settings: DirectionSettings, bar_ns: int = BAR_NS) -> None:
        self._settings = settings
        self._bar_ns = bar_ns
        self._reset()

    def _reset(self) -> None:
        chosen = self._settings
        slow_bars = max(chosen.ema_slow_bars, chosen.ema_fast_bars + 1)
        self._fast = Ema(chosen.ema_fast_bars)
        self._slow = Ema(slow_bars)
        self._warm_bars = 2 * slow_bars
        self.adx = Adx(chosen.adx_period)
        self._smoothed = Ema(chosen.smooth_bars)
        self.band: Band | None = None
        self._bars = 0
        self._end_ns: int | None = None
        self._data_end_ns = 0
        self._label = self._candidate = RANGING
        self._held = 0

    @property
    def adx_smoothed(self) -> float | None:
        """The index that the bands look at; None until warm."""
        return self._smoothed.value

    def push(self, bar: Bar) -> None:
        """Take the next closed bar; a hole in the sequence starts the fold anew."""
        if self._end_ns is not None and bar.start_ns != self._end_ns:
            self._reset()
        self._bars += 1
        self._end_ns = bar.start_ns + self._bar_ns
        if not bar.missing:
            self._data_end_ns = self._end_ns
        self._fast.push(float(bar.close_ticks))
        self._slow.push(float(bar.close_ticks))
        adx = self.adx.push(float(bar.high_ticks), float(bar.low_ticks), float(bar.close_ticks))
        if adx is not None:
            smoothed = self._smoothed.push(adx)
            if smoothed is not None:
                self.band = next_band(self.band, smoothed, self._settings)
        self._hold(self._signal(float(bar.close_ticks)))

    def label(self, now_ns: int) -> int:
        """Return BEARISH, RANGING or BULLISH; RANGING when the newest print is older than three bars."""
        return RANGING if self._is_stale(now_ns) else self._label

    def adx_at(self, now_ns: int) -> float | None:
        """Return the unsmoothed index, which the release gate reads; None until warm, or when the data are old."""
        return None if self._is_stale(now_ns) else self.adx.value

    def _is_stale(self, now_ns: int) -> bool:
        return now_ns - self._data_end_ns > STALE_BARS * self._bar_ns

    def _signal(self, price: float) -> int:
        """Return the label that this bar alone speaks for."""
        fast, slow, end_ns = self._fast.value, self._slow.value, self._end_ns
        if fast is None or slow is None or end_ns is None or self._bars < self._warm_bars or self._is_stale(end_ns):
            return RANGING
        if self.band is None or self.band == "choppy":
            return RANGING
        if abs(fast - slow) <= self._settings.neutral_pct / 100.0 * price:
            return RANGING
        return BULLISH if fast > slow else BEARISH

    def _hold(self, signal: int) -> None:
        """Let a signal become the label once it stood for enough bars in a row."""
        self._held = self._held + 1 if signal == self._candidate else 1
        self._candidate = signal
        if self._held >= HOLD_BARS:
            self._label = signal

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "fast": self._fast.snapshot(),
            "slow": self._slow.snapshot(),
            "adx": self.adx.snapshot(),
            "smoothed": self._smoothed.snapshot(),
            "band": self.band,
            "bars": [self._bars, self._end_ns, self._data_end_ns],
            "label": [self._label, self._candidate, self._held],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave under the same settings."""
        self._fast.restore(state["fast"])
        self._slow.restore(state["slow"])
        self.adx.restore(state["adx"])
        self._smoothed.restore(state["smoothed"])
        self.band = state["band"]
        self._bars, self._end_ns, self._data_end_ns = state["bars"]
        self._label, self._candidate, self._held = state["label"]


def next_band(band: Band | None, adx: float, settings: DirectionSettings) -> Band:
    """Return the band of a smoothed ADX; an edge belongs to normal, and leaving a band takes some points more.

    The same points count for every way out: choppy is left above its maximum plus the hysteresis, normal below and
    above its edges by as much, trending below its minimum less the hysteresis (slots 12.5).
    """
    low, high, slack = settings.choppy_max, settings.trending_min, settings.band_hysteresis
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
