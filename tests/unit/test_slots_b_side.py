"""B-side account sizing in a running grid (slots 8.3, P14, P25, P26), at 0, 2 and 8 lot decimals (P37)."""

import pytest

from millrace.core.events import RejectReason
from millrace.sizing.throughput import ThroughputConfig
from millrace.strategies.slots.entry_size.rebalancer import RebalanceSettings
from slots_desk import Desk, doge

DECIMALS = [0, 2, 8]
FEE = 1.0025
PRICE = 0.1996
"""Limit price of a first buy."""


def desk(count=1, usd=1_000.0, *, decimals=8, size_usd=12.0, **changes):
    rest = {"order_size_mode": "USD", "order_size_usd": size_usd, "reentry_base_cooldown_sec": 0.0} | changes
    return Desk(count, facts=doge(decimals), money=(1_000_000.0, usd), **rest)


def buys_usd(grid_desk):
    """Return what each buy on the desk costs at its limit."""
    return [grid_desk.volume(buy) * grid_desk.limit(buy) for buy in grid_desk.find("B")]


def shown(grid_desk):
    return grid_desk.status()["b_side_sizing"]


@pytest.mark.parametrize("decimals", DECIMALS)
def test_8_3_the_pool_is_shared_in_equal_parts_of_whole_cents(decimals):
    grid_desk = desk(4, usd=100.10, decimals=decimals).open()
    share = int(100.0 / FEE / 4 * 100) / 100
    half_a_lot = 0.5 * 10.0**-decimals * PRICE
    assert buys_usd(grid_desk) == pytest.approx([share] * 4, abs=max(0.0101, 2 * half_a_lot))
    assert sum(buys_usd(grid_desk)) * FEE <= 100.0 + 4 * half_a_lot


def test_8_3_the_status_shows_pool_ready_slots_share_and_carry():
    grid_desk = desk(3, usd=100.10, b_side_max_mult=0.0)
    pool = 100.0 / FEE
    assert shown(grid_desk) == {
        "enabled": True,
        "active": True,
        "free_usd": 100.10,
        "safety_buffer_usd": 0.10,
        "pool_usd": pytest.approx(pool, abs=1e-8),
        "buy_ready_slots": 3,
        "share_usd": 33.25,
        "carry_usd": pytest.approx(pool - 3 * 33.25, abs=1e-8),
        "cap_usd": None,
        "capped": False,
    }
    grid_desk.open()
    assert shown(grid_desk)["buy_ready_slots"] == 0
    assert shown(grid_desk)["carry_usd"] < 1.0, "what is left when all have bought"


@pytest.mark.parametrize("decimals", DECIMALS)
def test_p26_one_ready_slot_does_not_take_all(decimals):
    grid_desk = desk(1, usd=1_000.0, decimals=decimals).open()
    assert buys_usd(grid_desk) == pytest.approx([36.0], abs=0.6 * 10.0**-decimals)
    assert shown(grid_desk)["cap_usd"] == 36.0
    free = desk(1, usd=1_000.0, decimals=decimals, b_side_max_mult=0.0).open()
    assert buys_usd(free) == pytest.approx([999.9 / FEE], abs=0.3), "0 takes the cap away"


def test_p14_money_that_live_buys_hold_is_taken_off_once_before_and_after_the_venue_reports_it():
    grid_desk = desk(2, usd=100.10, b_side_max_mult=0.0)
    grid_desk.loop()
    held = sum(grid_desk.facts.quote_float(part) for part in held_money(grid_desk))
    grid_desk.money(1_000_000.0, 130.10)
    before = shown(grid_desk)["pool_usd"]
    assert before == pytest.approx((130.0 - held) / FEE, abs=1e-6), "on their way: our own reservations count"
    grid_desk.accept()
    grid_desk.wait(1.0)
    grid_desk.money(1_000_000.0, 130.10 - held, held=(0.0, held))
    assert shown(grid_desk)["pool_usd"] == pytest.approx(before, abs=1e-6), "reported as held: not again"


def held_money(grid_desk):
    """Return the cost and fee of each live buy."""
    facts = grid_desk.facts
    for buy in grid_desk.find("B"):
        place = grid_desk.sent[buy]
        cost = facts.cost(place.limit_ticks, place.lots)
        yield cost + facts.fee(cost, maker=True)


@pytest.mark.parametrize(("source", "ready"), [("momentum", 1), ("regime", 1), ("capacity", 1), ("balance", 2)])
def test_8_3_a_slot_that_is_short_only_by_will_is_not_ready(source, ready):
    grid_desk = desk(2)
    grid_desk.slot(2).state.short_only = True
    grid_desk.slot(2).state.mode_source = source
    assert shown(grid_desk)["buy_ready_slots"] == ready


def test_8_3_a_slot_is_ready_in_s0_and_s1a_without_a_live_buy_entry():
    grid_desk = desk(1).open()
    assert shown(grid_desk)["buy_ready_slots"] == 0, "its entry is live"
    grid_desk.fill(grid_desk.one("A"))
    assert grid_desk.status()["slots"][0]["phase"] == "S1a"
    grid_desk.end(grid_desk.find("B")[0])
    assert shown(grid_desk)["buy_ready_slots"] == 1
    grid_desk = desk(1).open()
    grid_desk.fill(grid_desk.one("B"))
    assert grid_desk.status()["slots"][0]["phase"] == "S1b"
    assert shown(grid_desk)["buy_ready_slots"] == 0, "in position"


def test_8_3_it_is_off_in_doge_mode():
    grid_desk = Desk(1, money=(1_000_000.0, 1_000.0)).open()
    assert grid_desk.volume(grid_desk.one("B")) == 60.0
    assert (shown(grid_desk)["enabled"], shown(grid_desk)["active"]) == (True, False)


def test_8_3_sells_do_not_share():
    grid_desk = desk(1).open()
    assert grid_desk.volume(grid_desk.one("A")) * grid_desk.limit(grid_desk.one("A")) == pytest.approx(12.0, abs=1e-6)


class FixedSizer:
    def __init__(self, multiplier):
        self.multiplier = multiplier

    def size_for_slot(self, base, regime=None, trade_id=None):
        return base * self.multiplier, "ok"

    def status_payload(self):
        return {}


@pytest.mark.parametrize(("multiplier", "usd"), [(0.5, 18.0), (1.0, 36.0), (2.0, 72.0)])
def test_8_3_throughput_scales_the_share(multiplier, usd):
    grid_desk = desk(1, throughput=ThroughputConfig(enabled=True))
    grid_desk.grid.sizer = FixedSizer(multiplier)
    grid_desk.grid.refresh_sizer = lambda turn: None
    grid_desk.open()
    assert buys_usd(grid_desk) == pytest.approx([usd], abs=1e-6)


@pytest.mark.parametrize("decimals", DECIMALS)
def test_p1_no_leg_loses_its_buy_to_a_multiplier_that_grows_another(decimals):
    grid_desk = desk(4, usd=100.10, decimals=decimals, throughput=ThroughputConfig(enabled=True))
    grid_desk.grid.sizer = FixedSizer(2.0)
    grid_desk.grid.refresh_sizer = lambda turn: None
    grid_desk.open()
    assert len(buys_usd(grid_desk)) == 4
    assert sum(buys_usd(grid_desk)) * FEE <= 100.0 + 4 * 0.5 * 10.0**-decimals * PRICE


def test_8_3_a_share_below_the_minimum_waits_for_money_and_not_for_a_price():
    grid_desk = desk(2, usd=10.0)
    grid_desk.loop()
    assert grid_desk.waits(1)["B"] == grid_desk.waits(2)["B"] == "unfunded"
    grid_desk.accept()
    grid_desk.wait(1.0)
    grid_desk.money(1_000_000.0, 100.0)
    grid_desk.loop()
    assert len(grid_desk.find("B")) == 2


def test_8_5_a_cap_below_the_minimum_waits_for_a_price_and_says_what_it_wants():
    grid_desk = desk(1, size_usd=3.0)
    grid_desk.loop()
    assert grid_desk.waits()["B"] == "min_size_wait"
    assert grid_desk.status()["slots"][0]["too_small"]["B"]["target"] == pytest.approx(9.0 / PRICE)
    grid_desk.loop(price=0.15)
    assert len(grid_desk.find("B")) == 1


def test_8_3_a_refresh_keeps_the_money_of_the_entry_it_moves():
    """With all money shared out, a refresh that saw only free money would keep every buy at its old price for ever."""
    grid_desk = desk(2, usd=60.0, refresh_pct=0.5).open()
    before = buys_usd(grid_desk)
    old = set(grid_desk.find("B"))
    for _ in range(4):
        grid_desk.loop(price=0.21)
    for buy in old:
        grid_desk.end(buy)
    grid_desk.wait(1.0)
    grid_desk.money(1_000_000.0, 60.0)
    grid_desk.loops(2)
    assert buys_usd(grid_desk) == pytest.approx(before, abs=0.02)
    assert {grid_desk.limit(buy) for buy in grid_desk.find("B")} == {round(0.21 * 0.998, 7)}


def test_8_3_a_buy_that_must_be_priced_again_gives_its_money_back_first():
    grid_desk = desk(1, usd=30.0)
    grid_desk.loop()
    grid_desk.reject(grid_desk.one("B"), RejectReason.POST_ONLY_WOULD_CROSS)
    assert buys_usd(grid_desk) == pytest.approx([29.9 / FEE], abs=0.02)


def test_13_the_rebalancer_scales_a_share_within_its_even_part():
    control = RebalanceSettings(enabled=True, idle_basis="usd_only", target_idle_pct=0.0)
    grid_desk = desk(2, usd=100.10, rebalance=control, b_side_max_mult=3.0).open()
    grid_desk.money(1_000_000.0, 200.10)
    grid_desk.grid.idle.governor.skew = 0.3
    grid_desk.fill(grid_desk.one("B"))
    grid_desk.accept()
    grid_desk.fill(grid_desk.one("B"))
    assert grid_desk.volume(grid_desk.one("B")) * grid_desk.limit(grid_desk.one("B")) == pytest.approx(46.8, abs=0.01)
