"""The entry's size from base to lots (slots 8.1, 8.2, 8.4, 8.5, P1, P37), at 0, 2 and 8 lot decimals."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.sizing.throughput import ThroughputConfig
from millrace.strategies.slots.entry_size.order_size import (
    EntrySizes,
    FloorCount,
    base_usd,
    compound_units,
    whole_units,
)
from millrace.strategies.slots.reducer.model import SlotConfig
from millrace.strategies.slots.reducer.volume import tradeable
from slots_desk import Desk, books, doge

DECIMALS = [0, 2, 8]


class FixedSizer:
    """Answers one multiplier for every bucket."""

    def __init__(self, multiplier):
        self.multiplier = multiplier

    def size_for_slot(self, base, regime=None, trade_id=None):
        return base * self.multiplier, "ok"


def sizes(decimals=8, *, mode="USD", floor_mode="multiplier_only", usd=12.0, units=60.0, multiplier=1.0, caution=1.0):
    cfg = SlotConfig(price_decimals=7, volume_decimals=decimals, min_volume=50.0, min_cost_usd=0.5)
    return EntrySizes(cfg, mode, floor_mode, usd, units, FixedSizer(multiplier), 1, FloorCount(), caution)


@pytest.mark.parametrize("decimals", DECIMALS)
def test_usd_is_rounded_once_half_even_at_the_limit_price(decimals):
    assert sizes(decimals).volume("B", 0.1996) == round(12.0 / 0.1996, decimals)


@pytest.mark.parametrize("decimals", DECIMALS)
def test_units_are_cut_down_to_whole_lots_and_do_not_depend_on_the_price(decimals):
    found = {sizes(decimals, mode="DOGE", units=60.9876543219).volume("A", price) for price in (0.05, 0.1, 0.2, 0.4)}
    assert found == {{0: 60.0, 2: 60.98, 8: 60.98765432}[decimals]}


@pytest.mark.parametrize("decimals", DECIMALS)
def test_usd_fails_the_minimum_at_the_doubled_price_where_units_do_not(decimals):
    usd, units = sizes(decimals, usd=12.0), sizes(decimals, mode="DOGE")
    assert usd.volume("B", 0.2) == 60.0
    assert usd.volume("B", 0.4) is None, "12 USD are 30 units, below 50"
    assert units.volume("B", 0.4) == units.volume("B", 0.1) == 60.0


@pytest.mark.parametrize("mode", ["USD", "DOGE"])
@pytest.mark.parametrize("decimals", DECIMALS)
def test_the_guard_lifts_what_a_multiplier_shrank_below_the_floor(decimals, mode):
    shrunk = sizes(decimals, mode=mode, multiplier=0.5)
    lifted = shrunk.volume("A", 0.2)
    assert lifted == {0: 51.0, 2: 50.5, 8: 50.5}[decimals]
    assert (shrunk.floors.total, shrunk.floors.by_leg) == (1, {"A": 1, "B": 0})
    assert sizes(decimals, mode=mode, multiplier=0.5, floor_mode="off").volume("A", 0.2) is None


FLOOR = {0: 51.0, 2: 50.5, 8: 50.5}
"""The least order and one per cent, in whole lots."""


@pytest.mark.parametrize("mode", ["USD", "DOGE"])
@pytest.mark.parametrize("decimals", DECIMALS)
def test_the_guard_leaves_a_base_that_is_too_small_unless_it_is_always_on(decimals, mode):
    small = {"usd": 4.0, "units": 20.0, "mode": mode}
    assert sizes(decimals, **small, multiplier=0.5).volume("A", 0.2) is None
    assert sizes(decimals, **small).volume("A", 0.2) is None
    assert sizes(decimals, **small, floor_mode="always").volume("A", 0.2) == FLOOR[decimals]


@pytest.mark.parametrize("decimals", DECIMALS)
def test_the_floor_is_judged_at_the_orders_own_price(decimals):
    shrunk = sizes(decimals, multiplier=0.5, usd=10.2)
    assert shrunk.volume("A", 0.2) == FLOOR[decimals]
    assert shrunk.volume("A", 0.2 * 1.05) is None, "backed off, the base itself is too small"


@pytest.mark.parametrize("decimals", DECIMALS)
def test_what_the_cautious_board_shrinks_is_lifted_too(decimals):
    assert sizes(decimals, mode="DOGE", caution=0.9).volume("B", 0.2) == 54.0
    assert sizes(decimals, mode="DOGE", caution=0.1).volume("B", 0.2) == FLOOR[decimals]


@pytest.mark.parametrize("decimals", DECIMALS)
def test_a_valid_base_that_nothing_shrank_is_not_lifted_to_the_margin(decimals):
    assert sizes(decimals, mode="DOGE", units=50.2).volume("A", 0.2) == {0: 50.0, 2: 50.2, 8: 50.2}[decimals]
    assert sizes(decimals, mode="DOGE", units=50.2, multiplier=0.98).volume("A", 0.2) == FLOOR[decimals]


@pytest.mark.parametrize("decimals", DECIMALS)
def test_a_bigger_multiplier_is_no_reason_to_lift(decimals):
    assert sizes(decimals, usd=4.0, multiplier=2.0).volume("A", 0.2) is None
    assert sizes(decimals, usd=6.0, multiplier=2.0).volume("A", 0.2) == 60.0


@settings(max_examples=300, deadline=None)
@given(
    decimals=st.sampled_from(DECIMALS),
    mode=st.sampled_from(["USD", "DOGE"]),
    price=st.floats(0.001, 400.0),
    base=st.floats(0.5, 2_000.0),
    multiplier=st.floats(0.0, 2.0),
)
def test_no_multiplier_takes_a_leg_away(decimals, mode, price, base, multiplier):
    with_it = sizes(decimals, mode=mode, usd=base, units=base, multiplier=multiplier)
    alone = sizes(decimals, mode=mode, usd=base, units=base).volume("A", price)
    volume = with_it.volume("A", price)
    if alone is not None:
        assert volume is not None
    if volume is not None:
        assert tradeable(volume, price, with_it.cfg)
        assert volume == round(volume, decimals)
        assert (
            alone is None or volume <= max(alone * max(1.0, multiplier), with_it._floor(price)) + 3.0 * 10.0**-decimals
        )


@pytest.mark.parametrize(
    ("profit", "mode", "base"),
    [(3.0, "legacy_profit", 15.0), (-3.0, "legacy_profit", 12.0), (3.0, "fixed", 12.0), (-3.0, "fixed", 12.0)],
)
def test_compounding_in_usd(profit, mode, base):
    assert base_usd(12.0, profit, mode) == base


def test_compounding_in_units_is_whole_fixed_at_booking_and_never_negative():
    assert whole_units(compound_units(1.0, 0.2) + compound_units(0.39, 0.2)) == 6.0
    assert whole_units(compound_units(-5.0, 0.2)) == 0.0
    assert compound_units(1.0, 0.0) == 0.0


@pytest.mark.parametrize(("compound", "effective", "volume"), [(False, "none", 60.0), (True, "units", 65.0)])
def test_a_profit_grows_a_doge_order_only_when_told_to(compound, effective, volume):
    desk = Desk(order_size_doge_compound=compound, reentry_base_cooldown_sec=0.0).open()
    desk.fill(desk.one("B"))
    desk.accept()
    (booked,) = books(desk.fill(desk.one("B"), price=0.22))
    gained = booked.values["net"] / booked.values["exit_price"]
    assert 5.0 < gained < 6.0
    assert desk.volume(desk.one("B")) == volume
    assert desk.status()["sizing"]["compounding_effective"] == effective


@pytest.mark.parametrize(("mode", "grows"), [("legacy_profit", True), ("fixed", False)])
def test_a_profit_grows_a_usd_order_of_its_own_slot(mode, grows):
    desk = Desk(
        order_size_mode="USD",
        order_size_usd=12.0,
        b_side_account_sizing=False,
        sticky_compounding_mode=mode,
        reentry_base_cooldown_sec=0.0,
    ).open()
    desk.fill(desk.one("B"))
    desk.accept()
    desk.fill(desk.one("B"), price=0.25)
    entry = desk.one("B")
    usd = desk.volume(entry) * desk.limit(entry)
    assert usd == pytest.approx(12.0 + desk.slot().state.total_profit * grows, abs=1e-6)


def test_doge_mode_is_for_sticky_slots_only_and_the_status_says_so():
    desk = Desk(sticky_mode_enabled=False, order_size_usd=12.0, b_side_account_sizing=False).open()
    assert desk.volume(desk.one("B")) == round(12.0 / 0.1996, 8)
    assert desk.status()["slots"][0]["order_size_mode"] == "USD"


def test_b_takes_the_same_size_as_a_without_its_account_share():
    desk = Desk(order_size_mode="USD", order_size_usd=12.0, b_side_account_sizing=False).open()
    for leg in ("A", "B"):
        assert desk.volume(desk.one(leg)) * desk.limit(desk.one(leg)) == pytest.approx(12.0, abs=1e-6)


def test_a_leg_below_the_minimum_shows_target_required_and_price():
    desk = Desk(order_size_mode="USD", order_size_usd=5.0, b_side_account_sizing=False)
    desk.loop()
    assert desk.waits() == {"A": "min_size_wait", "B": "min_size_wait"}
    shown = desk.status()["slots"][0]["too_small"]
    assert shown["B"] == {"target": pytest.approx(5.0 / 0.1996), "required": 50.0, "price": 0.1996}


@pytest.mark.parametrize("decimals", DECIMALS)
def test_an_acting_sizer_at_its_floor_never_empties_a_leg(decimals):
    config = ThroughputConfig(enabled=True, floor_mult=0.05, ceiling_mult=2.0)
    desk = Desk(3, facts=doge(decimals), throughput=config)
    desk.grid.sizer = FixedSizer(0.05)  # type: ignore[assignment]
    desk.grid.refresh_sizer = lambda turn: None  # type: ignore[method-assign]
    desk.open()
    assert len(desk.sent) == 6
    assert {desk.volume(entry) for entry in desk.sent} == {51.0 if decimals == 0 else 50.5}
    assert desk.grid.floors.total >= 6
