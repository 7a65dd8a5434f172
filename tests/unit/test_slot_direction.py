"""Slots 12.1, 12.2, 12.5 and 12.7: signal, bands and label, their warm-up and hold, their silence on old data."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.market.candles import Bar, BarBuilder
from millrace.sizing.regime import BEARISH, BULLISH, RANGING
from millrace.strategies.slots.signals.direction import BAR_NS, BarSignals
from millrace.strategies.slots.signals.momentum import MomentumSettings
from millrace.strategies.slots.signals.regime_bands import RegimeSettings, next_band

AVERAGES, REGIME = MomentumSettings(), RegimeSettings()
RISE = [1_000 + 10 * index for index in range(80)]
FALL = [5_000 - 10 * index for index in range(80)]


def bars(closes: Sequence[int], start: int = 0, *, missing: bool = False) -> list[Bar]:
    return [
        Bar((start + index) * BAR_NS, close, close + 2, close - 2, close, 1, missing)
        for index, close in enumerate(closes)
    ]


def folded(rows: list[Bar], averages: MomentumSettings = AVERAGES, regime: RegimeSettings = REGIME) -> list[int]:
    subject, labels = BarSignals(averages, regime), []
    for bar in rows:
        subject.push(bar)
        labels.append(subject.reading(bar.start_ns + BAR_NS).label)
    return labels


def pushed(rows: list[Bar], averages: MomentumSettings = AVERAGES, regime: RegimeSettings = REGIME) -> BarSignals:
    subject = BarSignals(averages, regime)
    for bar in rows:
        subject.push(bar)
    return subject


def test_12_7_a_trend_gets_its_name_and_a_flat_market_none() -> None:
    assert folded(bars(RISE))[-1] == BULLISH
    assert folded(bars(FALL))[-1] == BEARISH
    assert set(folded(bars([1_000] * 80))) == {RANGING}


def test_12_1_nothing_is_said_before_twice_the_slow_average() -> None:
    labels = folded(bars(RISE))
    assert labels.index(BULLISH) == 40 + 3 - 2, "40 bars to be warm, the third of them counts"
    slow_adx = RegimeSettings(adx_period=25)
    assert folded(bars(RISE), regime=slow_adx).index(BULLISH) == 51 + 2 + 3 - 2, (
        "2n + 1 bars, smoothed over 3, held for 3"
    )


def test_12_7_a_new_label_holds_three_bars_before_it_counts() -> None:
    subject = BarSignals(AVERAGES, REGIME)
    subject._label = subject._candidate = RANGING
    seen = []
    for signal in (BULLISH, BULLISH, RANGING, BULLISH, BULLISH, BULLISH, BEARISH, BULLISH, BEARISH, BEARISH, BEARISH):
        subject._hold(signal)
        seen.append(subject._label)
    assert seen == [RANGING] * 5 + [BULLISH] * 5 + [BEARISH]


def test_12_7_ranging_while_the_band_is_choppy() -> None:
    saw = [1_000 + (index % 2) * 3 + index // 20 for index in range(200)]
    subject = BarSignals(AVERAGES, REGIME)
    for bar in bars(saw):
        subject.push(bar)
    reading = subject.reading(200 * BAR_NS)
    assert reading.band == "choppy"
    assert reading.signal != 0
    assert reading.label == RANGING


def test_12_2_the_dead_band_is_a_share_of_the_price() -> None:
    gap_pct = 75.0 / RISE[-1] * 100.0  # fast lags 2 bars, slow 9.5: 7.5 bars of 10 ticks
    assert folded(bars(RISE), MomentumSettings(neutral_pct=gap_pct * 1.05))[-1] == RANGING
    assert folded(bars(RISE), MomentumSettings(neutral_pct=gap_pct * 0.99))[-1] == BULLISH


def test_12_1_old_data_say_nothing_and_missing_bars_are_old_data() -> None:
    subject = BarSignals(AVERAGES, REGIME)
    for bar in bars(RISE):
        subject.push(bar)
    end = 80 * BAR_NS
    assert subject.reading(end + 3 * BAR_NS).label == BULLISH
    assert subject.reading(end + 3 * BAR_NS + 1).label == RANGING
    for bar in bars([RISE[-1]] * 3, start=80, missing=True):
        subject.push(bar)
    assert subject.reading(end + 3 * BAR_NS).label == BULLISH
    for bar in bars([RISE[-1]] * 3, start=83, missing=True):
        subject.push(bar)
    resumed = bars([RISE[-1] + 10], start=86)[0]
    subject.push(resumed)
    assert subject.reading(resumed.start_ns + BAR_NS).label == RANGING, "three silent bars unsaid the label"


def test_a_hole_starts_anew() -> None:
    assert folded(bars(RISE) + bars(FALL[:40], start=90))[-1] == RANGING
    torn = BarSignals(AVERAGES, REGIME)
    for bar in bars(RISE) + bars(FALL, start=90):
        torn.push(bar)
    whole = BarSignals(AVERAGES, REGIME)
    for bar in bars(FALL, start=90):
        whole.push(bar)
    assert torn.snapshot() == whole.snapshot()


def test_12_2_a_slow_average_no_slower_than_the_fast_one_becomes_one_slower() -> None:
    odd, clamped = (
        MomentumSettings(ema_fast_bars=9, ema_slow_bars=4),
        MomentumSettings(ema_fast_bars=9, ema_slow_bars=10),
    )
    assert folded(bars(RISE), odd) == folded(bars(RISE), clamped)


@pytest.mark.parametrize(
    ("band", "adx", "want"),
    [
        (None, 19.9, "choppy"), (None, 20.0, "normal"), (None, 30.0, "normal"), (None, 30.1, "trending"),
        ("choppy", 20.9, "choppy"), ("choppy", 21.0, "normal"), ("choppy", 30.5, "trending"),
        ("normal", 19.5, "normal"), ("normal", 18.9, "choppy"), ("normal", 31.0, "normal"), ("normal", 31.1, "trending"),
        ("trending", 29.1, "trending"), ("trending", 29.0, "normal"), ("trending", 19.0, "choppy"),
    ],
)  # fmt: skip
def test_12_5_bands_and_their_hysteresis(band: Any, adx: float, want: str) -> None:
    assert next_band(band, adx, REGIME) == want


@given(
    st.sampled_from(["choppy", "normal", "trending"]),
    st.lists(st.floats(0.0, 100.0), min_size=1, max_size=30),
    st.floats(0.0, 5.0),
)
def test_12_5_a_band_is_left_only_past_its_edge_by_the_points_of_hysteresis(band: Any, path: list[float], slack: float):
    regime = RegimeSettings(band_hysteresis=slack)
    edges = {"choppy": (-1.0, 20.0 + slack), "normal": (20.0 - slack, 30.0 + slack), "trending": (30.0 - slack, 101.0)}
    for adx in path:
        after = next_band(band, adx, regime)
        low, high = edges[band]
        assert (after == band) or not low < adx < high
        assert next_band(after, adx, regime) == after, "one step is enough"
        band = after


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-40, 40), st.integers(0, 20), st.booleans()), min_size=50, max_size=120),
    st.integers(0, 119),
)
def test_12_7_a_resumed_fold_is_the_same_fold(moves: list[tuple[int, int, bool]], cut: int) -> None:
    price, rows = 10_000, []
    for index, (move, reach, missing) in enumerate(moves):
        price += move
        rows.append(Bar(index * BAR_NS, price, price + reach, price - reach, price, 1, missing))
    one, two = BarSignals(AVERAGES, REGIME), BarSignals(AVERAGES, REGIME)
    for index, bar in enumerate(rows):
        one.push(bar)
        two.push(bar)
        if index == cut:
            two = BarSignals(AVERAGES, REGIME)
            two.restore(json.loads(json.dumps(one.snapshot())))
    assert two.snapshot() == one.snapshot()
    now_ns = len(rows) * BAR_NS
    assert two.reading(now_ns).label == one.reading(now_ns).label
    assert one.reading(now_ns).label in {BEARISH, RANGING, BULLISH}


def test_12_2_the_signal_is_the_sign_of_the_averages_after_twice_the_slow_one() -> None:
    up = pushed(bars(RISE[:39]))
    assert (up.reading(39 * BAR_NS).signal, up.reading(39 * BAR_NS).ema_fast) == (0, None)
    up.push(bars(RISE[:40])[39])
    warm = up.reading(40 * BAR_NS)
    assert warm.signal == 1
    assert warm.ema_fast > warm.ema_slow > 0.0
    assert pushed(bars(FALL[:40])).reading(40 * BAR_NS).signal == -1
    assert pushed(bars([1_000] * 80)).reading(80 * BAR_NS).signal == 0


def test_12_5_the_index_is_there_after_twice_the_period_and_one_bar_and_a_flat_market_gives_zero() -> None:
    assert pushed(bars(RISE[:28])).reading(28 * BAR_NS).adx is None
    first = pushed(bars(RISE[:29])).reading(29 * BAR_NS)
    assert (first.adx, first.di_signal, first.band) == (pytest.approx(100.0), 1, None)
    smooth = pushed(bars(RISE[:31])).reading(31 * BAR_NS)
    assert (smooth.adx_smoothed, smooth.band, smooth.band_since_ns) == (pytest.approx(100.0), "trending", 31 * BAR_NS)
    flat = pushed([Bar(index * BAR_NS, 7, 7, 7, 7, 1) for index in range(80)]).reading(80 * BAR_NS)
    assert (flat.adx, flat.adx_smoothed, flat.plus_di, flat.minus_di) == (0.0, 0.0, 0.0, 0.0)
    assert (flat.band, flat.di_signal) == ("choppy", 0)


def test_12_1_data_older_than_three_bars_give_neither_signal_nor_index() -> None:
    subject, end_ns = pushed(bars(RISE)), 80 * BAR_NS
    last = subject.reading(end_ns + 3 * BAR_NS)
    assert (last.signal, last.band, last.data_age_sec) == (1, "trending", 900.0)
    assert last.adx is not None
    old = subject.reading(end_ns + 3 * BAR_NS + 1)
    assert (old.signal, old.adx, old.adx_smoothed, old.plus_di, old.band, old.band_since_ns) == (0, *[None] * 5)
    assert (old.ema_fast, old.bars, old.label) == (None, 80, RANGING)


def test_averages_of_another_length_start_anew_and_read_what_is_remembered() -> None:
    builder, price = BarBuilder(BAR_NS, keep=60), 1_000
    for index in range(90):
        price += 10
        builder.observe(index * BAR_NS, price, 1)
    builder.advance(90 * BAR_NS)
    saved = pushed(builder.drain_closed()).snapshot()
    shorter = MomentumSettings(ema_slow_bars=8)
    subject = BarSignals(shorter, REGIME)
    subject.restore(saved)
    subject.take(builder.drain_closed(), builder)
    assert subject.reading(90 * BAR_NS) == pushed(builder.closed(), shorter).reading(90 * BAR_NS)
    assert subject.bars == 60
