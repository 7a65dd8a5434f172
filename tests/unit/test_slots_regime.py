"""Slots 12.6: what the ADX band asks for, and entries that keep the distance they were placed with."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from millrace.strategies.slots.reducer.codec import from_dict, to_dict
from millrace.strategies.slots.reducer.events import PriceTick
from millrace.strategies.slots.reducer.legs import new_entry
from millrace.strategies.slots.reducer.model import SlotConfig, SlotState
from millrace.strategies.slots.reducer.refresh import refresh_bounds
from millrace.strategies.slots.reducer.transition import apply
from millrace.strategies.slots.reducer.volume import UsdSizes
from millrace.strategies.slots.signals.regime_bands import Adapted, RegimeSettings, adapted, gate_mode, tier1_allowed
from slots_desk import FIVE_MINUTES, Desk, saw, trend

ON, OFF = RegimeSettings(adx_enabled=True), RegimeSettings()


def test_12_6_the_table():
    assert [adapted(ON, band) for band in ("choppy", "normal", "trending")] == [
        Adapted(0.25, 3), Adapted(0.35, 2), Adapted(0.50, 1),
    ]  # fmt: skip
    assert [gate_mode(ON, band) for band in ("choppy", "normal", "trending")] == ["off", "on", "strict"]
    assert [tier1_allowed(ON, band) for band in ("choppy", "normal", "trending", None)] == [False, False, True, False]


@pytest.mark.parametrize("band", ["choppy", "normal", "trending", None])
def test_12_6_disabled_leaves_the_configured_values_and_the_plain_gate(band):
    assert adapted(OFF, band) is None
    assert gate_mode(OFF, band) == "on"
    assert tier1_allowed(OFF, band)


def test_12_6_before_it_is_warm_the_configured_values_hold():
    assert adapted(ON, None) is None
    assert gate_mode(ON, None) == "on"


def test_12_6_entries_placed_from_then_on_stand_where_the_band_says_and_no_other_is_moved():
    desk = Desk(1, entry_pct=0.2, regime=ON, volatility_auto_profit=False).open()
    configured = {leg: desk.one(leg) for leg in "AB"}
    assert desk.limit(configured["B"]) == pytest.approx(0.2 * (1 - 0.002))
    saw(desk, 45)
    assert (desk.grid.entry_pct_in_force, desk.grid.scheduler.base_per_loop) == (0.25, 3)
    assert {leg: desk.one(leg) for leg in "AB"} == configured, "a new band moves nothing"
    desk.fill(desk.one("B"))
    desk.fill(desk.one("B"), price=0.21)
    desk.wait(120)
    desk.loops(3)
    assert desk.limit(desk.one("B")) == pytest.approx(desk.price * (1 - 0.0025), abs=1e-7)
    assert desk.one("A") == configured["A"]


def test_12_6_a_trend_takes_one_entry_a_loop_and_more_distance():
    desk = Desk(1, regime=ON).open()
    trend(desk, 40, 0.0005)
    assert (desk.grid.entry_pct_in_force, desk.grid.scheduler.base_per_loop) == (0.50, 1)
    desk.grid.wake_all()
    desk.loop()
    assert desk.grid.scheduler.cap == 1


def test_12_6_the_operators_distance_waits_while_a_band_is_known_and_holds_when_it_is_not():
    desk = Desk(1, regime=ON).open()
    saw(desk, 45)
    assert desk.ask("set_entry_pct", value=0.7).startswith("ok: entry_pct 0.7; 0.25 of the ADX band is in force")
    assert (desk.grid.entry_pct, desk.grid.entry_pct_in_force) == (0.7, 0.25)
    for _ in range(5 * FIVE_MINUTES):
        desk.loop(fresh=False)
    assert desk.grid.entry_pct_in_force == 0.7, "the data are old, so there is no band"
    assert desk.grid.scheduler.base_per_loop == 2


def test_a_restart_takes_the_band_up_again():
    desk = Desk(1, regime=ON).open()
    saw(desk, 45)
    other = desk.restarted()
    other.loop()
    assert other.grid.entry_pct_in_force == 0.25


CFG = SlotConfig(entry_pct=0.2, refresh_pct=0.3, price_decimals=7, volume_decimals=8, entry_pct_adapts=True)


def entered(cfg: SlotConfig) -> SlotState:
    state = SlotState(market_price=0.2, now=100.0)
    new_entry(state, "B", cfg, UsdSizes(20.0, {}, cfg), "test")
    new_entry(state, "A", cfg, UsdSizes(20.0, {}, cfg), "test")
    return state


@given(st.floats(0.05, 3.0), st.floats(-0.02, 0.02))
def test_12_6_a_changed_distance_alone_never_refreshes(distance_pct, move):
    state = entered(CFG)
    moved = from_dict(to_dict(state))
    wider = structs.replace(CFG, entry_pct=distance_pct)
    price = 0.2 * (1.0 + move)
    for cfg, one in ((CFG, state), (wider, moved)):
        one.market_price = price
        bounds = [refresh_bounds(order, one, cfg) for order in one.orders]
        acts = apply(one, PriceTick(price, 200.0), cfg, UsdSizes(20.0, {}, cfg))
        if all(low < price < high for low, high in bounds):
            assert acts == []
    assert bool(state.cancelling) == bool(moved.cancelling), "the old distance is the reference under both"


def test_12_6_a_refreshed_entry_takes_the_distance_of_now_and_keeps_that():
    state = entered(CFG)
    wider = structs.replace(CFG, entry_pct=1.0)
    apply(state, PriceTick(0.21, 200.0), wider, UsdSizes(20.0, {}, wider))
    moved = state.orders[-1]
    assert moved.distance_pct == 1.0
    assert moved.price == pytest.approx(0.21 * 0.99)
    plain = replace(moved, distance_pct=None)
    assert refresh_bounds(moved, state, wider) == refresh_bounds(plain, state, wider)


def test_12_6_the_status_has_its_keys_and_nulls_until_warm():
    desk = Desk(1, entry_pct=0.3, max_entry_adds_per_loop=4, regime=ON).open()
    assert desk.status()["regime_adx"] == {
        "enabled": True, "adx": None, "adx_smoothed": None, "plus_di": None, "minus_di": None, "band": None,
        "band_since": None, "entry_pct_effective": 0.3, "entries_per_loop_effective": 4,
    }  # fmt: skip
    trend(desk, 40, 0.0005)
    before = desk.strategy.snapshot()
    shown = desk.status()["regime_adx"]
    assert (shown["band"], shown["entry_pct_effective"], shown["entries_per_loop_effective"]) == ("trending", 0.5, 1)
    assert shown["adx"] > 30.0
    assert 0.0 < shown["band_since"] < desk.now_ns / 1e9
    assert desk.strategy.snapshot() == before


def test_the_status_reads_bars_that_nobody_has_asked_for_yet():
    desk = Desk(1, regime=OFF).open()
    trend(desk, 40, 0.0005)
    assert desk.grid.bars.signals.bars < 40
    shown = desk.status()
    assert shown["regime_adx"]["band"] == "trending"
    assert shown["regime_adx"]["entry_pct_effective"] == desk.grid.entry_pct
    assert shown["slot_vintage"]["regime_adx"] == shown["regime_adx"]["adx"]
