"""The rebalancer in a running grid (slots 13): what it looks at, when, and whose entries grow."""

import pytest

from millrace.core.events import RejectReason
from millrace.strategies.slots.entry_size.rebalancer import RebalanceSettings
from millrace.strategies.slots.entry_size.trend import TrendSettings
from slots_desk import LOOP_NS, Desk, doge

LOOPS_A_LOOK = 10


def desk(count=1, *, trend=None, decimals=8, money=(10_000.0, 2_000.0), target=0.40, **changes):
    """Return an opened desk with the rebalancer on, on plain USD figures unless told otherwise."""
    control = RebalanceSettings(enabled=True, idle_basis="usd_only", target_idle_pct=target)
    rest = {"reentry_base_cooldown_sec": 0.0, "rebalance": control, "trend": trend or TrendSettings()} | changes
    return Desk(count, facts=doge(decimals), money=money, **rest).open()


def look(grid_desk, times=1):
    """Let so many intervals pass."""
    for _ in range(times):
        grid_desk.loops(LOOPS_A_LOOK)
    return grid_desk.status()["rebalancer"]


def cycle(grid_desk, leg="B"):
    """Fill a leg's entry and its exit; the next entry is the normal path's."""
    grid_desk.fill(grid_desk.one(leg))
    grid_desk.accept()
    grid_desk.fill(grid_desk.one(leg))
    grid_desk.accept()
    return grid_desk.one(leg)


def test_13_it_looks_every_300_seconds_and_never_while_it_is_off():
    on = desk()
    first = on.grid.idle.looked_ns
    assert first is not None
    on.loops(LOOPS_A_LOOK - 1)
    assert on.grid.idle.looked_ns == first
    on.loop()
    assert on.grid.idle.looked_ns == first + LOOPS_A_LOOK * LOOP_NS
    off = Desk().open()
    off.loops(30)
    assert off.grid.idle.looked_ns is None
    assert off.status()["rebalancer"]["enabled"] is False


def test_13_too_much_idle_money_makes_buys_larger_and_leaves_sells_alone():
    rich = desk()
    shown = look(rich, 6)
    assert shown["favoured_side"] == "buy"
    assert shown["size_multiplier"] == pytest.approx(1.30)
    assert rich.volume(cycle(rich, "B")) == pytest.approx(78.0)
    assert rich.volume(cycle(rich, "A")) == 60.0


def test_13_too_little_makes_sells_larger():
    poor = desk(target=1.0, money=(10_000.0, 40.0))
    assert look(poor, 6)["favoured_side"] == "sell"
    assert poor.volume(cycle(poor, "A")) == pytest.approx(78.0)


@pytest.mark.parametrize(("decimals", "volume"), [(0, 75.0), (2, 75.53), (8, 75.53205128)])
def test_p37_a_favoured_volume_is_whole_lots(decimals, volume):
    rich = desk(decimals=decimals, target=0.80)
    rich.grid.idle.governor.skew = 0.25886752136
    rich.grid.idle.looked_ns = rich.now_ns
    assert rich.volume(cycle(rich, "B")) == volume


def test_13_bootstrap_and_repair_keep_the_plain_size():
    grid_desk = desk(2)
    look(grid_desk, 6)
    assert grid_desk.ask("add_slot").startswith("ok")
    grid_desk.loop()
    assert grid_desk.volume(grid_desk.one("B", 3)) == 60.0
    grid_desk.accept()
    grid_desk.end(grid_desk.one("B", 1))
    grid_desk.loop()
    assert grid_desk.volume(grid_desk.one("B", 1)) == 60.0, "repaired"


def test_13_a_bootstrapped_entry_that_must_be_priced_again_keeps_the_plain_size():
    grid_desk = desk(1)
    look(grid_desk, 6)
    assert grid_desk.ask("add_slot").startswith("ok")
    grid_desk.loop()
    grid_desk.reject(grid_desk.one("B", 2), RejectReason.POST_ONLY_WOULD_CROSS)
    assert grid_desk.volume(grid_desk.one("B", 2)) == 60.0


def test_13_a_refreshed_entry_is_fresh():
    grid_desk = desk(refresh_pct=0.5)
    look(grid_desk, 6)
    grid_desk.loop(price=0.21)
    old = grid_desk.one("B") if len(grid_desk.find("B")) == 1 else grid_desk.find("B")[0]
    grid_desk.end(old)
    assert grid_desk.volume(grid_desk.one("B")) == pytest.approx(78.0)


@pytest.mark.parametrize(
    ("usd", "volume"),
    [(2_000.0, 78.0), (24.1, 60.0 * (24.1 / 1.0025 / (60 * 0.1996) - 1.0)), (20.0, 60.0)],
)
def test_13_the_fund_guard_leaves_the_money_of_one_more_order(usd, volume):
    grid_desk = desk(target=0.0)
    look(grid_desk, 6)
    grid_desk.fill(grid_desk.one("B"))
    grid_desk.accept()
    grid_desk.money(10_000.0, usd)
    grid_desk.fill(grid_desk.one("B"))
    assert grid_desk.volume(grid_desk.one("B")) == pytest.approx(volume, abs=1e-6)


def test_13_a_capacity_band_that_is_not_normal_takes_the_skew_away():
    grid_desk = desk(3, open_orders_per_pair_limit=20, open_order_safety_ratio=1.0)
    shown = look(grid_desk, 6)
    assert (shown["skew"], shown["capacity_limited"]) == (0.0, True)


def test_13_without_a_fresh_price_it_keeps_its_skew_and_looks_again():
    grid_desk = desk()
    before = look(grid_desk, 6)["skew"]
    looked = grid_desk.grid.idle.looked_ns
    for _ in range(LOOPS_A_LOOK + 2):
        grid_desk.loop(fresh=False)
    assert grid_desk.grid.idle.looked_ns > looked
    assert grid_desk.grid.idle.governor.skew == before


def test_13_the_basis_by_rule_and_both_ratios_are_shown():
    grid_desk = Desk(money=(10_000.0, 2_000.0)).open()
    shown = grid_desk.status()["rebalancer"]
    assert shown["basis"] == "mark_to_market", "sticky and sized in DOGE"
    worth = 2_000.0 + 10_000.0 * 0.2
    assert shown["ratio_mark_to_market"] == pytest.approx(shown["idle_usd"] / worth)
    assert shown["ratio_usd_only"] == pytest.approx(shown["idle_usd"] / 2_000.0)
    assert shown["skew"] == 0.0


def test_p14_what_live_buys_hold_is_taken_off_once_before_and_after_the_venue_reports_it():
    grid_desk = desk()
    held = 60 * 0.1996 * 1.0025
    assert grid_desk.status()["rebalancer"]["idle_usd"] == pytest.approx(2_000.0 - held)
    grid_desk.money(9_940.0, 2_000.0 - held, held=(60.0, held))
    assert grid_desk.status()["rebalancer"]["idle_usd"] == pytest.approx(2_000.0 - held)


def test_13_the_first_mark_to_market_ratio_is_the_target_and_survives_a_restart():
    grid_desk = desk(rebalance=RebalanceSettings(enabled=True))
    shown = grid_desk.status()["rebalancer"]
    assert shown["basis"] == "mark_to_market"
    assert shown["target"] == shown["idle_ratio"] == pytest.approx(0.5, abs=0.01)
    again = grid_desk.restarted()
    assert again.status()["rebalancer"] == grid_desk.status()["rebalancer"]
    grid_desk.money(10_000.0, 20_000.0)
    assert look(grid_desk)["target"] == shown["target"]


def test_13_the_dynamic_target_follows_the_price():
    grid_desk = desk(trend=TrendSettings(enabled=True, min_samples=2), target=0.40)
    for place in range(20):
        grid_desk.loop(price=0.2 * 1.01**place)
        grid_desk.loops(LOOPS_A_LOOK - 1)
    shown = grid_desk.status()
    assert shown["trend"]["warm"]
    assert shown["trend"]["score"] > 0.0
    assert shown["rebalancer"]["target"] == shown["trend"]["target"] < 0.40
