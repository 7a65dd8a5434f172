"""Which way the market goes and how strongly, read off the closed 5-minute bars (slots 12.1, 12.2, 12.5, 12.7).

A pure fold: the same bars give the same reading however late they are shown, so it may be brought up to date only when
somebody asks, and no decision depends on when somebody woke. When the data are too few, too old or torn it claims
nothing: no signal, no index, no band, the label RANGING.
"""

from typing import Any, Literal, NamedTuple

from millrace.market.candles import Bar, BarBuilder
from millrace.market.indicators import Adx, Ema
from millrace.sizing.regime import BEARISH, BULLISH, RANGING
from millrace.strategies.slots.signals.momentum import MomentumSettings
from millrace.strategies.slots.signals.regime_bands import Adapted, Band, RegimeSettings, adapted, next_band

Signal = Literal[-1, 0, 1]

BAR_NS = 300 * 1_000_000_000
STALE_BARS = 3
"""Data older than so many bars say nothing (slots 12.1)."""
HOLD_BARS = 3
"""A new label holds for so many bars before it counts (slots 12.7)."""


class Reading(NamedTuple):
    """What the bars say at one moment (slots 12.6, status). Averages are ticks; None: not warm, or the data are old.

    `signal` is +1 bullish, -1 bearish, 0 neither; `adx` is Wilder's own, which releases look at, `adx_smoothed` the one
    that the bands look at; `band_since_ns` is the end of the bar that began the band.
    """

    signal: Signal
    ema_fast: float | None
    ema_slow: float | None
    bars: int
    data_age_sec: float | None
    adx: float | None
    adx_smoothed: float | None
    plus_di: float | None
    minus_di: float | None
    band: Band | None
    band_since_ns: int | None
    label: int

    @property
    def di_signal(self) -> Signal:
        """The sign of +DI less -DI, 0 while they are unknown: the word of a strict gate (slots 12.3)."""
        return _sign((self.plus_di or 0.0) - (self.minus_di or 0.0))


class BarSignals:
    """The fold after the bars pushed so far; `reading` says what it means at a given time."""

    def __init__(self, momentum: MomentumSettings, regime: RegimeSettings, bar_ns: int = BAR_NS) -> None:
        self._regime = regime
        self._bar_ns = bar_ns
        self._fast_bars = momentum.ema_fast_bars
        self._slow_bars = max(momentum.ema_slow_bars, momentum.ema_fast_bars + 1)
        self._neutral = momentum.neutral_pct / 100.0
        self._reset()

    def _reset(self) -> None:
        self._fast = Ema(self._fast_bars)
        self._slow = Ema(self._slow_bars)
        self._adx = Adx(self._regime.adx_period)
        self._smoothed = Ema(self._regime.adx_smooth_bars)
        self._band: Band | None = None
        self._band_since_ns = 0
        self.bars = 0
        self._end_ns = 0
        self._data_end_ns = 0
        self._close = 0.0
        self._label = self._candidate = RANGING
        self._held = 0

    def push(self, bar: Bar) -> None:
        """Take the next closed bar; a hole in the sequence starts the fold anew."""
        if self.bars and bar.start_ns != self._end_ns:
            self._reset()
        self.bars += 1
        self._end_ns = bar.start_ns + self._bar_ns
        if not bar.missing:
            self._data_end_ns = self._end_ns
        self._close = float(bar.close_ticks)
        self._fast.push(self._close)
        self._slow.push(self._close)
        adx = self._adx.push(float(bar.high_ticks), float(bar.low_ticks), self._close)
        smoothed = None if adx is None else self._smoothed.push(adx)
        if smoothed is not None:
            band = next_band(self._band, smoothed, self._regime)
            if band != self._band:
                self._band, self._band_since_ns = band, self._end_ns
        self._hold(self._bar_label())

    def take(self, fresh: list[Bar], bars: BarBuilder) -> None:
        """Take the bars that closed since the last time; an empty fold takes all that are remembered."""
        for bar in fresh if self.bars else bars.closed():
            self.push(bar)

    def reading(self, now_ns: int) -> Reading:
        """Return what the bars pushed so far say at `now_ns`."""
        age_sec = (now_ns - self._data_end_ns) / 1e9 if self._data_end_ns else None
        if self._is_stale(now_ns):
            return Reading(0, None, None, self.bars, age_sec, None, None, None, None, None, None, RANGING)
        warm = self.bars >= self._warm_bars
        adx = self._adx
        return Reading(
            self._signal(),
            self._fast.value if warm else None,
            self._slow.value if warm else None,
            self.bars,
            age_sec,
            adx.value,
            self._smoothed.value,
            adx.plus_di,
            adx.minus_di,
            self._band,
            self._band_since_ns if self._band is not None else None,
            self._label,
        )

    @property
    def _warm_bars(self) -> int:
        return 2 * self._slow_bars

    def _is_stale(self, now_ns: int) -> bool:
        return now_ns - self._data_end_ns > STALE_BARS * self._bar_ns

    def _signal(self) -> Signal:
        """Return the sign of fast less slow; 0 before it is warm and within the dead band (slots 12.2)."""
        fast, slow = self._fast.value, self._slow.value
        if fast is None or slow is None or self.bars < self._warm_bars:
            return 0
        return 0 if abs(fast - slow) <= self._neutral * self._close else _sign(fast - slow)

    def _bar_label(self) -> int:
        """Return the label that the newest bar alone speaks for."""
        if self._band is None or self._band == "choppy" or self._is_stale(self._end_ns):
            return RANGING
        return {1: BULLISH, -1: BEARISH, 0: RANGING}[self._signal()]

    def _hold(self, label: int) -> None:
        """Let a label count once it stood for enough bars in a row."""
        self._held = self._held + 1 if label == self._candidate else 1
        self._candidate = label
        if self._held >= HOLD_BARS:
            self._label = label

    def _lengths(self) -> list[int]:
        return [self._fast_bars, self._slow_bars, self._regime.adx_period, self._regime.adx_smooth_bars]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "lengths": self._lengths(),
            "fast": self._fast.snapshot(),
            "slow": self._slow.snapshot(),
            "adx": self._adx.snapshot(),
            "smoothed": self._smoothed.snapshot(),
            "band": [self._band, self._band_since_ns],
            "bars": [self.bars, self._end_ns, self._data_end_ns, self._close],
            "label": [self._label, self._candidate, self._held],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; averages of another length are of no use and leave the fold empty."""
        self._reset()
        if state["lengths"] != self._lengths():
            return
        self._fast.restore(state["fast"])
        self._slow.restore(state["slow"])
        self._adx.restore(state["adx"])
        self._smoothed.restore(state["smoothed"])
        self._band, self._band_since_ns = state["band"]
        self.bars, self._end_ns, self._data_end_ns, self._close = state["bars"]
        self._label, self._candidate, self._held = state["label"]


class BarsRead:
    """The fold together with what is asked of it at each moment; `adapted` is what the band asks, None: nothing.

    Bars close on their own grid, so all that is asked at one time gets one answer, and it is worked out once.
    """

    def __init__(self, momentum: MomentumSettings, regime: RegimeSettings) -> None:
        self._settings = momentum, regime
        self.signals = BarSignals(momentum, regime)
        self.adapted: Adapted | None = None
        self._read: tuple[int, Reading] | None = None

    def read(self, bars: BarBuilder | None, now_ns: int) -> Reading:
        """Bring the fold over the bars up to now and return what it says."""
        if self._read is None or self._read[0] != now_ns:
            if bars is not None:
                self.signals.take(bars.drain_closed(), bars)
            self._read = now_ns, self.signals.reading(now_ns)
        return self._read[1]

    def peek(self, bars: BarBuilder | None, now_ns: int) -> Reading:
        """Return what `read` would, and change nothing: for people."""
        aside = BarSignals(*self._settings)
        aside.restore(self.signals.snapshot())
        if bars is not None:
            aside.take(bars.since_drain(), bars)
        return aside.reading(now_ns)

    def adapt(self, bars: BarBuilder | None, now_ns: int) -> bool:
        """Take what the band of now asks for (slots 12.6); True when that is something else than before."""
        regime = self._settings[1]
        before = self.adapted
        if regime.adx_enabled:
            self.adapted = adapted(regime, self.read(bars, now_ns).band)
        return self.adapted != before


def _sign(value: float) -> Signal:
    return 1 if value > 0.0 else -1 if value < 0.0 else 0
