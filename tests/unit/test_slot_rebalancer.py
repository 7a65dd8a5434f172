"""Slots 13 and 24: basis, ratios, governor, target, number by number."""

from math import exp

import pytest

from millrace.strategies.slots.entry_size.rebalancer import (
    Rebalancer,
    RebalanceSettings,
    favoured_multiplier,
    idle_basis,
    idle_money,
)
from millrace.strategies.slots.entry_size.trend import Trend, TrendSettings

NOW = 1.8e9
STEP = 300.0


def governor(**changes):
    return Rebalancer(RebalanceSettings(enabled=True, **changes))


def shown(rebalancer, ratio, times, *, target=0.40, start=NOW, normal=True):
    """Show a ratio so many times and return the skews."""
    return [rebalancer.update(ratio, target, start + STEP * place, band_is_normal=normal) for place in range(times)]


@pytest.mark.parametrize(
    ("choice", "sticky", "in_units", "basis"),
    [
        ("auto", True, True, "mark_to_market"),
        ("auto", True, False, "usd_only"),
        ("auto", False, True, "usd_only"),
        ("usd_only", True, True, "usd_only"),
        ("mark_to_market", False, False, "mark_to_market"),
    ],
)
def test_13_the_basis_is_ruled_by_mode_unless_it_is_chosen(choice, sticky, in_units, basis):
    assert idle_basis(choice, sticky=sticky, in_units=in_units) == basis


def test_24_the_mark_to_market_ratio_moves_with_the_price_at_constant_balances_and_usd_only_does_not():
    low, high = (idle_money(1_000.0, 200.0, 100.0, 5_000.0, mark) for mark in (0.1, 0.3))
    assert low.idle_usd == high.idle_usd == 1_000.0 - 200.0 - 1.5 * 100.0
    assert (low.mark_to_market, high.mark_to_market) == (650.0 / 1_500.0, 650.0 / 2_500.0)
    assert low.usd_only == high.usd_only == 0.65


def test_13_idle_money_is_never_negative_and_a_zero_denominator_gives_zero():
    assert idle_money(100.0, 90.0, 50.0, 0.0, 0.2)[0] == 0.0
    assert idle_money(0.0, 0.0, 0.0, 0.0, 0.2)[2:] == (0.0, 0.0)


def test_13_the_skew_climbs_in_steps_of_005_to_030_and_the_size_to_130():
    rebalancer = governor()
    assert shown(rebalancer, 0.9, 8) == pytest.approx([0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.30, 0.30])
    assert rebalancer.favoured == "B"
    assert rebalancer.size_multiplier == pytest.approx(1.30)
    assert governor(size_sensitivity=5.0).size_multiplier == 1.0
    greedy = governor(size_sensitivity=5.0)
    shown(greedy, 0.9, 8)
    assert greedy.size_multiplier == 1.5


def test_13_too_little_idle_money_favours_sells():
    rebalancer = governor()
    shown(rebalancer, 0.1, 8)
    assert rebalancer.favoured == "A"
    assert rebalancer.skew == pytest.approx(-0.30)


def test_13_inside_the_neutral_band_the_skew_goes_back_to_zero():
    rebalancer = governor()
    assert shown(rebalancer, 0.449, 3) == [0.0, 0.0, 0.0]
    assert shown(governor(), 0.451, 3)[-1] == pytest.approx(2.0 * 0.051)


def test_13_the_error_is_smoothed_with_the_contracts_alpha_and_its_change_is_velocity():
    rebalancer = governor(kd=0.5)
    rebalancer.update(0.50, 0.40, NOW, band_is_normal=True)
    rebalancer.update(0.60, 0.40, NOW + STEP, band_is_normal=True)
    weight = 1.0 - exp(-STEP / 1800.0)
    smoothed = 0.10 + weight * 0.10
    assert rebalancer.smoothed == pytest.approx(smoothed)
    assert rebalancer.velocity == pytest.approx(weight * (weight * 0.10 / STEP))
    wanted = 2.0 * smoothed + 0.5 * rebalancer.velocity
    assert rebalancer._wanted(NOW + STEP) == pytest.approx(wanted)


def test_13_a_band_that_is_not_normal_takes_the_skew_away_at_once():
    rebalancer = governor()
    shown(rebalancer, 0.9, 6)
    assert shown(rebalancer, 0.9, 1, start=NOW + 6 * STEP, normal=False) == [0.0]
    assert rebalancer.status(NOW)["capacity_limited"] is True
    assert shown(rebalancer, 0.9, 1, start=NOW + 7 * STEP) == pytest.approx([0.05])


def test_13_three_changes_of_side_within_an_hour_halve_the_greatest_skew_for_an_hour():
    rebalancer = governor(ema_halflife_sec=1.0, max_skew_step=0.2)
    now = NOW
    for ratio in (0.9, 0.0, 0.9):
        shown(rebalancer, ratio, 2, start=now)
        now += 2 * STEP
    assert rebalancer.damped_until == 0.0, "two changes are not enough"
    shown(rebalancer, 0.0, 2, start=now)
    flipped_at = rebalancer.damped_until - 3600.0
    assert now <= flipped_at < now + 2 * STEP
    assert shown(rebalancer, 0.0, 10, start=now + 2 * STEP)[-1] == pytest.approx(-0.15)
    assert shown(rebalancer, 0.0, 6, start=rebalancer.damped_until)[-1] == pytest.approx(-0.30)


def test_13_changes_of_side_that_are_an_hour_apart_do_no_harm():
    rebalancer = governor(ema_halflife_sec=1.0, max_skew_step=0.3)
    for place in range(8):
        shown(rebalancer, 0.9 * (place % 2), 2, start=NOW + place * 3_700.0)
    assert rebalancer.damped_until == 0.0
    assert rebalancer.skew > 0.0


@pytest.mark.parametrize(("ratio", "target"), [(0.05, 0.15), (0.3, 0.3), (0.9, 0.60)])
def test_13_the_first_ratio_becomes_the_mark_to_market_target_within_floor_and_ceiling(ratio, target):
    rebalancer = governor()
    assert rebalancer.base_target("mark_to_market", ratio, 0.15, 0.60) == target
    assert rebalancer.base_target("mark_to_market", 0.5, 0.15, 0.60) == target, "taken once"
    again = governor()
    again.restore(rebalancer.snapshot())
    assert again.base_target("mark_to_market", 0.5, 0.15, 0.60) == target, "and kept over a restart"


def test_13_a_target_that_is_named_holds():
    assert governor(target_idle_pct_mtm=0.7).base_target("mark_to_market", 0.2, 0.15, 0.60) == 0.7
    assert governor().base_target("usd_only", 0.2, 0.15, 0.60) == 0.40


def test_13_a_skew_of_a_run_with_wider_settings_is_cut_to_the_greatest_of_today():
    before = governor()
    shown(before, 0.9, 8)
    narrow = governor(max_skew=0.10)
    narrow.restore(before.snapshot())
    assert narrow.skew == 0.10


@pytest.mark.parametrize(
    ("free", "multiplier"), [(1_000.0, 1.3), (23.0, 1.3), (22.0, 1.2), (20.0, 1.0), (10.0, 1.0), (0.0, 1.0)]
)
def test_13_the_fund_guard_leaves_one_order_of_the_plain_size(free, multiplier):
    assert favoured_multiplier(1.3, 10.0, free) == pytest.approx(multiplier)


# ---- the dynamic target ----------------------------------------------------------------------------------------------


def fed(trend, prices, *, base=0.40, start=NOW, step=STEP):
    return [trend.push(price, base, start + step * place) for place, price in enumerate(prices)]


def test_13_the_target_is_the_base_until_24_samples_were_seen():
    targets = fed(Trend(TrendSettings()), [0.2 * 1.01**place for place in range(25)])
    assert targets[:23] == [0.40] * 23
    assert targets[24] < 0.40, "the price rises, so less money should lie idle"


def test_13_a_flat_price_is_in_the_dead_zone():
    assert set(fed(Trend(TrendSettings()), [0.2] * 60)) == {0.40}


@pytest.mark.parametrize(("growth", "bound"), [(1.05, 0.15), (0.95, 0.60)])
def test_13_a_strong_trend_ends_at_floor_or_ceiling(growth, bound):
    trend = Trend(TrendSettings(hysteresis_sec=0.0))
    assert fed(trend, [0.2 * growth**place for place in range(120)])[-1] == pytest.approx(bound, abs=1e-6)


def test_13_the_score_is_the_relative_distance_of_the_averages():
    trend = Trend(TrendSettings())
    fed(trend, [0.2, 0.22])
    fast = 0.2 + (1.0 - exp(-300.0 / 1800.0)) * 0.02
    slow = 0.2 + (1.0 - exp(-300.0 / 14_400.0)) * 0.02
    assert trend.score == pytest.approx((fast - slow) / slow)


def test_13_a_jump_of_more_than_002_holds_for_600_seconds():
    trend = Trend(TrendSettings(min_samples=1, smooth_halflife_sec=1e-3))
    first = trend.push(0.2, 0.40, NOW)
    jumped = trend.push(0.25, 0.40, NOW + STEP)
    assert first - jumped > 0.02
    assert trend.push(0.30, 0.40, NOW + 2 * STEP) == jumped, "held"
    assert trend.push(0.30, 0.40, NOW + 3 * STEP) < jumped, "600 s later it moves on"


def test_13_a_gap_of_more_than_two_slow_half_lives_starts_anew_at_the_price():
    trend = Trend(TrendSettings())
    fed(trend, [0.2 * 1.01**place for place in range(40)])
    last_at = NOW + 39 * STEP
    kept = Trend(TrendSettings())
    kept.restore(trend.snapshot())
    kept.push(0.5, 0.40, last_at + 2 * 14_400.0)
    assert kept.samples == 41, "averages that were stored are used again"
    trend.push(0.5, 0.40, last_at + 2 * 14_400.0 + 1.0)
    assert (trend.samples, trend.fast, trend.slow, trend.target) == (1, 0.5, 0.5, 0.40)
