"""Drawdown of the rolling week: 5, 10 and 15 % of capital halve, quarter and halt, and come back stepwise (2.17 rule 5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard_floor import BTC, DOGE, Floor, stops
from millrace.core.commands import Alert, Severity
from millrace.core.events import Measured
from millrace.core.permission import Level
from millrace.risk.drawdown import SAMPLE_NS, Drawdown
from millrace.risk.stops import KillSwitch

QUARTER, DAY = 900, 86_400
HALF, FOURTH, HALT = (f"drawdown/grid/tier{tier}" for tier in (1, 2, 3))


def guards(capital: float | None = 1_000.0):
    return KillSwitch(frozenset()), Drawdown((DOGE, BTC), stops(allocated_capital_usd=capital))


def floor(capital: float | None = 1_000.0) -> Floor:
    """Return a desk that is long 10,000 DOGE since 0.20: a cent is 10 % of its capital."""
    desk = Floor(*guards(capital))
    desk.price(0.2)
    desk.trade(10_000.0)
    return desk


def at(desk: Floor, price: float, seconds: float = QUARTER) -> Floor:
    """Let the market stand at a price for a while."""
    desk.price(price)
    desk.wait(seconds)
    return desk


def multiplier(desk: Floor) -> float:
    return desk.board.standing("grid", DOGE.id).multiplier


def test_it_is_off_until_capital_is_allocated():
    desk = at(floor(None), 0.1)
    assert desk.standing() == {}
    assert desk.engine.interest().deadline_ns is None


def test_capital_allocated_while_a_position_is_held_knows_what_was_paid_for_it():
    """Books that began with the capital once took the sale of the position for a short, and its proceeds for profit."""
    desk = at(floor(None), 0.2)
    desk.restarted(*guards())
    assert desk.engine.interest().deadline_ns is not None, "it looks without waiting for another fill"
    desk.wait(QUARTER)
    shown = desk.engine.guards[1].status(desk.engine)["grid"]
    assert shown["drawdown_ratio"] == 0.0
    assert shown["pnl_usd"] == pytest.approx(0.0, abs=10.0)
    assert at(desk, 0.19).standing() == {FOURTH: Level.CAUTION}
    desk.restarted(*guards(None))
    assert desk.engine.guards[1].status(desk.engine) == {}
    assert desk.engine.interest().deadline_ns is None


def test_capital_of_less_than_can_be_counted_is_the_least_that_can():
    desk = at(floor(1e-12), 0.19)
    assert desk.standing() == {HALT: Level.HALT}
    assert desk.engine.fault is None


def test_the_tiers_are_those_of_2_17():
    desk = floor()
    assert at(desk, 0.1951).standing() == {}
    assert at(desk, 0.195).standing() == {HALF: Level.CAUTION}
    assert multiplier(desk) == 0.5
    assert at(desk, 0.1901).standing() == {HALF: Level.CAUTION}
    assert at(desk, 0.19).standing() == {FOURTH: Level.CAUTION}
    assert multiplier(desk) == 0.25
    assert at(desk, 0.185).standing() == {HALT: Level.HALT}
    assert desk.want() == ("drawdown",)
    assert desk.level("arb") is Level.OPEN
    pages = [alert for alert in desk.made if isinstance(alert, Alert) and alert.severity is Severity.PAGE]
    assert [alert.text for alert in pages] == [
        "grid is 15.0% of its capital below its best of seven days: tier 3 after 2"
    ]


def test_a_fall_through_all_tiers_halts_at_once():
    assert at(floor(), 0.18).standing() == {HALT: Level.HALT}


def test_it_is_measured_from_the_best_of_seven_days():
    desk = at(floor(), 0.21)
    at(desk, 0.2049)
    assert desk.standing() == {HALF: Level.CAUTION}
    desk = at(floor(), 0.204)
    at(desk, 0.2, 7 * DAY)
    at(desk, 0.1951)
    assert desk.standing() == {}, "the best of 0.204 is more than seven days ago"


def test_back_one_tier_after_a_day_above_its_limit_and_no_sooner():
    desk = at(floor(), 0.19)
    at(desk, 0.194, DAY - 2 * QUARTER)
    assert desk.standing() == {FOURTH: Level.CAUTION}
    at(desk, 0.194, 2 * QUARTER)
    assert desk.standing() == {HALF: Level.CAUTION}, "0.194 is above 0.19, and below 0.195"
    at(desk, 0.194, 3 * DAY)
    assert desk.standing() == {HALF: Level.CAUTION}, "time alone lifts nothing"
    at(desk, 0.196)
    assert desk.standing() == {}


def test_a_new_low_begins_the_day_anew_and_an_old_one_binds_once():
    desk = at(floor(), 0.19)
    at(desk, 0.1901, DAY // 2)
    at(desk, 0.1899)
    at(desk, 0.1901, DAY - 2 * QUARTER)
    assert desk.standing() == {FOURTH: Level.CAUTION}
    at(desk, 0.1901, 2 * QUARTER)
    assert desk.standing() == {HALF: Level.CAUTION}
    at(desk, 0.19, DAY // 2)
    assert desk.standing() == {HALF: Level.CAUTION}, "no new low"
    at(desk, 0.1898)
    assert desk.standing() == {FOURTH: Level.CAUTION}


def test_a_halt_stays_until_a_person_clears_it_and_leaves_a_quarter():
    desk = at(floor(), 0.185)
    at(desk, 0.2, 2 * DAY)
    assert desk.standing() == {HALT: Level.HALT}, "the ratio is unknown, and time alone lifts nothing"
    assert desk.ask("clear", id=HALT, operator="ann", reason="understood").startswith("ok")
    assert desk.standing() == {FOURTH: Level.CAUTION}
    at(desk, 0.2, DAY)
    assert desk.standing() == {HALF: Level.CAUTION}
    at(desk, 0.2, DAY)
    assert desk.standing() == {}


def test_a_halt_cannot_be_cleared_within_a_day_of_its_low():
    desk = at(floor(), 0.185)
    word = {"id": HALT, "operator": "ann", "reason": "understood"}
    at(desk, 0.2, DAY // 2)
    at(desk, 0.184)
    at(desk, 0.2, DAY // 2)
    assert desk.ask("clear", **word).startswith("refused")
    at(desk, 0.2, DAY // 2)
    assert desk.ask("clear", **word).startswith("ok")


@pytest.mark.parametrize(("ratio", "tier"), [(0.8, FOURTH), (0.79, HALT)])
def test_a_known_ratio_decides_for_the_halt_too(ratio, tier):
    desk = at(floor(), 0.185)
    desk.step(Measured("realised_to_expected", "grid", ratio, desk.now_ns))
    at(desk, 0.185, DAY)
    assert list(desk.standing()) == [tier]


def test_a_known_bad_ratio_keeps_a_small_tier_too():
    desk = at(floor(), 0.195)
    desk.step(Measured("realised_to_expected", "grid", 0.5, desk.now_ns))
    at(desk, 0.2, 3 * DAY)
    assert list(desk.standing()) == [HALF]


def test_a_restart_keeps_peak_and_tier():
    desk = at(floor(), 0.19)
    desk.restarted(*guards())
    assert desk.standing() == {FOURTH: Level.CAUTION}
    at(desk, 0.185)
    assert desk.standing() == {HALT: Level.HALT}
    shown = desk.engine.guards[1].status(desk.engine)
    assert shown["grid"] == {
        "drawdown_ratio": pytest.approx(0.15), "tier": 3, "pnl_usd": pytest.approx(-150.0), "realised_to_expected": None,
    }  # fmt: skip


@given(st.lists(st.floats(0.17, 0.23), min_size=1, max_size=40))
def test_the_tier_never_falls_within_a_day_of_a_low_and_always_fits_a_new_one(prices):
    desk = floor()
    values, lows = [0.0], []
    for price in prices:
        before = desk.engine.guards[1].status(desk.engine)["grid"]["tier"]
        at(desk, DOGE.price(DOGE.ticks(round(price, 4))))
        assert desk.now_ns % SAMPLE_NS == 0
        value = (DOGE.ticks(round(price, 4)) - DOGE.ticks(0.2)) / 1000.0
        values.append(value)
        tier = desk.engine.guards[1].status(desk.engine)["grid"]["tier"]
        assert tier >= before, "within ten hours nothing steps back"
        if value == min(values) and value < min(values[:-1], default=0.0):
            lows.append(value)
            drop = max(values) - value
            assert tier >= sum(drop >= limit for limit in (50.0, 100.0, 150.0))
        assert (desk.level() is Level.HALT) == (tier == 3)
