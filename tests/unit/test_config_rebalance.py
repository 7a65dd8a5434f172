"""Knobs of rebalancer and trend: clamps and rules of slots 21, and the way into the grid's settings."""

import pytest

from millrace.config.load import load_settings
from millrace.strategies.slots.entry_size.rebalancer import RebalanceSettings
from millrace.strategies.slots.entry_size.trend import TrendSettings


def notices(settings, code):
    return [notice.text for notice in settings.notices if notice.code == code]


def test_the_defaults_are_the_contracts_and_arrive_in_the_grid():
    chosen = load_settings().slots
    assert (chosen.rebalance, chosen.trend) == (RebalanceSettings(), TrendSettings())


def test_an_old_bots_names_arrive_too():
    old = {"REBALANCE_ENABLED": "true", "REBALANCE_TARGET_IDLE_PCT_MTM": "0.3", "TREND_SLOW_HALFLIFE": "20000"}
    settings = load_settings(environ=old)
    assert settings.slots.rebalance == RebalanceSettings(enabled=True, target_idle_pct_mtm=0.3)
    assert settings.slots.trend.slow_halflife_sec == 20_000.0
    assert "trend.enabled is false" in notices(settings, "trend_off")[0], "the contract has no such switch"


@pytest.mark.parametrize(("slots", "ratio", "held"), [(80, 0.75, True), (74, 0.75, False), (80, 0.90, False)])
def test_13_a_grid_so_large_that_the_capacity_band_holds_the_rebalancer_is_told(slots, ratio, held):
    asked = {"rebalance.enabled": True, "slots.count": slots, "slots.open_order_safety_ratio": ratio}
    assert bool(notices(load_settings(overrides=asked), "rebalancer_held")) is held
    assert not notices(load_settings(overrides=asked | {"rebalance.enabled": False}), "rebalancer_held")


@pytest.mark.parametrize(
    ("key", "value", "clamped"),
    [
        ("target_idle_pct", 1.5, 1.0),
        ("target_idle_pct_mtm", -0.1, 0.0),
        ("kp", -1.0, 0.0),
        ("kd", -1.0, 0.0),
        ("max_skew", -1.0, 0.0),
        ("max_skew_step", -1.0, 0.0),
        ("neutral_band", -1.0, 0.0),
        ("ema_halflife_sec", 0.0, 1.0),
        ("interval_sec", 0.0, 1.0),
        ("size_sensitivity", -1.0, 0.0),
        ("max_size_mult", 0.5, 1.0),
    ],
)
def test_21_limits_of_the_rebalancer(key, value, clamped):
    settings = load_settings(overrides={f"rebalance.{key}": value})
    assert getattr(settings.slots.rebalance, key) == clamped
    assert notices(settings, "clamped")


def test_21_the_slow_average_is_at_least_as_slow_as_the_fast_one():
    settings = load_settings(overrides={"trend.fast_halflife_sec": 20_000.0})
    assert settings.slots.trend.slow_halflife_sec == 20_000.0
    assert "slow >= fast" in notices(settings, "adjusted")[0]


def test_21_floor_and_ceiling_in_the_wrong_order_are_swapped():
    settings = load_settings(overrides={"trend.floor": 0.7, "trend.ceiling": 0.2, "trend.enabled": True})
    assert (settings.slots.trend.floor, settings.slots.trend.ceiling) == (0.2, 0.7)
    assert len(notices(settings, "adjusted")) == 2
    assert not notices(settings, "trend_off")
