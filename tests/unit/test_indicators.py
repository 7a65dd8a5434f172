"""Slots 12.2 and 12.5: the formulas, against hand-made numbers and against TA-Lib once both are warm."""

import json
import math
from random import Random

import numpy as np
import pytest

from millrace.market.indicators import Adx, Ema


def walk(bars: int, seed: int = 3) -> list[tuple[float, float, float]]:
    """High, low, close of a random walk with drifts, in ticks."""
    random, price, out = Random(seed), 100_000.0, []
    for index in range(bars):
        drift = 30.0 * math.sin(index / 60.0)
        path = [price]
        for _ in range(4):
            path.append(path[-1] + random.gauss(drift, 80.0))
        price = path[-1]
        out.append((round(max(path)), round(min(path)), round(price)))
    return [(float(high), float(low), float(close)) for high, low, close in out]


def test_12_2_ema_starts_as_the_mean_of_the_first_n_and_weighs_new_values_by_two_over_n_plus_one() -> None:
    ema = Ema(3)
    assert [ema.push(value) for value in (1.0, 2.0, 6.0, 7.0, 1.0)] == [None, None, 3.0, 5.0, 3.0]
    off = Ema(1)
    assert [off.push(value) for value in (4.0, 9.0)] == [4.0, 9.0]


def test_12_5_adx_by_hand() -> None:
    """n = 2, worked through on paper: three moves give DX, two DX the first mean, then Wilder's step."""
    bars = [(10.0, 8.0, 9.0), (12.0, 9.0, 11.0), (13.0, 11.0, 12.0), (12.0, 7.0, 8.0), (11.0, 8.0, 10.0)]
    adx = Adx(2)
    got = [adx.push(*bar) for bar in bars]
    # moves: TR 3 2 5 3; +DM 2 1 0 0; -DM 0 0 4 0
    tr2, up2, down2 = 5.0, 3.0, 0.0
    tr3, up3, down3 = tr2 / 2 + 5.0, up2 / 2, down2 / 2 + 4.0
    tr4, up4, down4 = tr3 / 2 + 3.0, up3 / 2, down3 / 2
    dx = [100.0 * abs(up - down) / (up + down) for up, down in ((up2, down2), (up3, down3), (up4, down4))]
    assert got[:4] == [None] * 4, "2n + 1 bars"
    assert got[4] == pytest.approx(((dx[0] + dx[1]) / 2 + dx[2]) / 2)
    assert (adx.plus_di, adx.minus_di) == (pytest.approx(100.0 * up4 / tr4), pytest.approx(100.0 * down4 / tr4))


def test_12_5_a_flat_series_gives_zero() -> None:
    adx = Adx(14)
    values = [adx.push(7.0, 7.0, 7.0) for _ in range(200)]
    assert values[:28] == [None] * 28
    assert set(values[28:]) == {0.0}


def test_12_5_a_straight_rise_gives_a_hundred_and_only_plus() -> None:
    adx = Adx(14)
    for index in range(60):
        adx.push(index + 1.0, index * 1.0, index + 1.0)
    assert (adx.value, adx.minus_di) == (pytest.approx(100.0), 0.0)


def test_12_5_equals_ta_lib_once_warm() -> None:
    talib = pytest.importorskip("talib")
    bars = walk(1_500)
    columns = [np.array(column) for column in zip(*bars, strict=True)]
    adx = Adx(14)
    got = np.array([adx.push(*bar) or math.nan for bar in bars])
    np.testing.assert_allclose(got[700:], talib.ADX(*columns, timeperiod=14)[700:], rtol=1e-9)
    ema = Ema(20)
    smooth = np.array([ema.push(bar[2]) or math.nan for bar in bars])
    np.testing.assert_allclose(smooth[19:], talib.EMA(columns[2], timeperiod=20)[19:], rtol=1e-12)


@pytest.mark.parametrize("cut", [0, 1, 5, 15, 28, 29, 100])
def test_a_resumed_run_is_bit_identical(cut: int) -> None:
    bars = walk(200)
    adx, ema = Adx(14), Ema(20)
    for bar in bars[:cut]:
        adx.push(*bar)
        ema.push(bar[2])
    again, ema_again = Adx(14), Ema(20)
    again.restore(json.loads(json.dumps(adx.snapshot())))
    ema_again.restore(json.loads(json.dumps(ema.snapshot())))
    for bar in bars[cut:]:
        assert again.push(*bar) == adx.push(*bar)
        assert ema_again.push(bar[2]) == ema.push(bar[2])
    assert (again.snapshot(), ema_again.snapshot()) == (adx.snapshot(), ema.snapshot())


def test_lengths_are_checked() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Ema(0)
    with pytest.raises(ValueError, match="at least two"):
        Adx(1)
