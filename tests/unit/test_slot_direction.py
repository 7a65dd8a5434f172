"""Slots 12.1, 12.5 and 12.7: bands, the label, its warm-up, its hold, its silence on old data."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.market.candles import Bar
from millrace.sizing.regime import BEARISH, BULLISH, RANGING
from millrace.strategies.slots.direction import BAR_NS, DirectionLabel, DirectionSettings, next_band

SETTINGS = DirectionSettings()
RISE = [1_000 + 10 * index for index in range(80)]
FALL = [5_000 - 10 * index for index in range(80)]


def bars(closes: Sequence[int], start: int = 0, *, missing: bool = False) -> list[Bar]:
    return [
        Bar((start + index) * BAR_NS, close, close + 2, close - 2, close, 1, missing)
        for index, close in enumerate(closes)
    ]


def folded(rows: list[Bar], chosen: DirectionSettings = SETTINGS) -> list[int]:
    subject, labels = DirectionLabel(chosen), []
    for bar in rows:
        subject.push(bar)
        labels.append(subject.label(bar.start_ns + BAR_NS))
    return labels


def test_12_7_a_trend_gets_its_name_and_a_flat_market_none() -> None:
    assert folded(bars(RISE))[-1] == BULLISH
    assert folded(bars(FALL))[-1] == BEARISH
    assert set(folded(bars([1_000] * 80))) == {RANGING}


def test_12_1_nothing_is_said_before_twice_the_slow_average() -> None:
    labels = folded(bars(RISE))
    assert labels.index(BULLISH) == 40 + 3 - 2, "40 bars to be warm, the third of them counts"
    slow_adx = DirectionSettings(adx_period=25)
    assert folded(bars(RISE), slow_adx).index(BULLISH) == 51 + 2 + 3 - 2, "2n + 1 bars, smoothed over 3, held for 3"


def test_12_7_a_new_label_holds_three_bars_before_it_counts() -> None:
    subject = DirectionLabel(SETTINGS)
    subject._label = subject._candidate = RANGING
    seen = []
    for signal in (BULLISH, BULLISH, RANGING, BULLISH, BULLISH, BULLISH, BEARISH, BULLISH, BEARISH, BEARISH, BEARISH):
        subject._hold(signal)
        seen.append(subject._label)
    assert seen == [RANGING] * 5 + [BULLISH] * 5 + [BEARISH]


def test_12_7_ranging_while_the_band_is_choppy() -> None:
    saw = [1_000 + (index % 2) * 3 + index // 20 for index in range(200)]
    subject = DirectionLabel(SETTINGS)
    for bar in bars(saw):
        subject.push(bar)
    assert subject.band == "choppy"
    assert subject._fast.value != subject._slow.value
    assert subject.label(200 * BAR_NS) == RANGING


def test_12_2_the_dead_band_is_a_share_of_the_price() -> None:
    gap_pct = 75.0 / RISE[-1] * 100.0  # fast lags 2 bars, slow 9.5: 7.5 bars of 10 ticks
    assert folded(bars(RISE), DirectionSettings(neutral_pct=gap_pct * 1.05))[-1] == RANGING
    assert folded(bars(RISE), DirectionSettings(neutral_pct=gap_pct * 0.99))[-1] == BULLISH


def test_12_1_old_data_say_nothing_and_missing_bars_are_old_data() -> None:
    subject = DirectionLabel(SETTINGS)
    for bar in bars(RISE):
        subject.push(bar)
    end = 80 * BAR_NS
    assert subject.label(end + 3 * BAR_NS) == BULLISH
    assert subject.label(end + 3 * BAR_NS + 1) == RANGING
    for bar in bars([RISE[-1]] * 3, start=80, missing=True):
        subject.push(bar)
    assert subject.label(end + 3 * BAR_NS) == BULLISH
    for bar in bars([RISE[-1]] * 3, start=83, missing=True):
        subject.push(bar)
    resumed = bars([RISE[-1] + 10], start=86)[0]
    subject.push(resumed)
    assert subject.label(resumed.start_ns + BAR_NS) == RANGING, "three silent bars unsaid the label"


def test_a_hole_starts_anew() -> None:
    assert folded(bars(RISE) + bars(FALL[:40], start=90))[-1] == RANGING
    torn = DirectionLabel(SETTINGS)
    for bar in bars(RISE) + bars(FALL, start=90):
        torn.push(bar)
    whole = DirectionLabel(SETTINGS)
    for bar in bars(FALL, start=90):
        whole.push(bar)
    assert torn.snapshot() == whole.snapshot()


def test_21_a_slow_average_no_slower_than_the_fast_one_becomes_one_slower() -> None:
    odd, clamped = (
        DirectionSettings(ema_fast_bars=9, ema_slow_bars=4),
        DirectionSettings(ema_fast_bars=9, ema_slow_bars=10),
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
    assert next_band(band, adx, SETTINGS) == want


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
    one, two = DirectionLabel(SETTINGS), DirectionLabel(SETTINGS)
    for index, bar in enumerate(rows):
        one.push(bar)
        two.push(bar)
        if index == cut:
            two = DirectionLabel(SETTINGS)
            two.restore(json.loads(json.dumps(one.snapshot())))
    assert two.snapshot() == one.snapshot()
    now_ns = len(rows) * BAR_NS
    assert two.label(now_ns) == one.label(now_ns)
    assert one.label(now_ns) in {BEARISH, RANGING, BULLISH}
