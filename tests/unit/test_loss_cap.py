"""The daily loss cap: 80 % halves, 100 % halts until the next UTC day and a word, single orders must fit (2.17 rule 3)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard_floor import BTC, DAY_NS, DOGE, SECOND_NS, Floor, stops
from millrace.config.load import load_settings
from millrace.core.commands import Opportunity, OpportunityLeg, Place, Plan, Refuse, Side, Style, Submit
from millrace.core.events import Quote, Timer
from millrace.core.failure import OperatorError
from millrace.core.ids import SubPosition
from millrace.core.permission import Level, Recovery
from millrace.core.strategy import Field
from millrace.risk.loss_cap import LossCap
from millrace.risk.stops import KillSwitch

HALT, CAUTION = "loss_cap/global", "loss_cap/caution/global"
REFUSED = ("worst_case_exceeds_loss_cap",)


def guards(instruments=(DOGE, BTC), **changes):
    return KillSwitch(frozenset()), LossCap(instruments, stops(**changes))


def floor(cap: float | None = 10.0, **changes) -> Floor:
    """Return a desk on which single orders fit under the cap unless the test says otherwise."""
    changes = {"worst_case_share": 0.001} | changes
    desk = Floor(*guards(daily_loss_cap_usd=cap, **changes))
    desk.price(0.2)
    return desk


def pnl(desk: Floor, scope: str = "global") -> float:
    return desk.engine.guards[1].status(desk.engine)[scope]["day_pnl_usd"]


def test_no_cap_is_set_by_itself_and_the_day_is_counted_all_the_same():
    chosen = load_settings().stops
    assert chosen.daily_loss_cap_usd is chosen.strategy_loss_cap_usd is chosen.lane_loss_cap_usd is None
    desk = floor(None)
    desk.trade(1_000.0, fee=True)
    desk.price(0.1)
    assert pnl(desk) == pytest.approx(-100.0 - 0.5)
    assert desk.standing() == {}
    shown = desk.engine.guards[1].status(desk.engine)
    assert set(shown) == {"global", "strategy:grid", "lane:grid"}
    assert shown["global"]["loss_cap_used_ratio"] is None


def test_eighty_per_cent_halves_and_a_hundred_halts():
    desk = floor()
    desk.trade(1_000.0)
    desk.price(0.1920001)
    assert desk.standing() == {}
    desk.price(0.192)
    assert desk.standing() == {CAUTION: Level.CAUTION}
    assert desk.board.standing("grid", DOGE.id).multiplier == 0.5
    desk.price(0.1900001)
    assert HALT not in desk.standing()
    desk.price(0.19)
    assert desk.standing()[HALT] is Level.HALT
    assert desk.want() == ("daily_loss_cap",)
    halt = desk.board.active()[1]
    assert (halt.recovery, halt.hold_until_ns % DAY_NS) == (Recovery.OPERATOR, 0)
    assert desk.engine.guards[1].status(desk.engine)["global"]["loss_cap_used_ratio"] == pytest.approx(1.0)


def test_a_short_position_and_fees_count():
    desk = floor()
    desk.trade(1_000.0, side=Side.SELL, fee=True)
    desk.price(0.2075)
    assert pnl(desk) == pytest.approx(-8.0)
    assert CAUTION in desk.standing()


def test_the_halt_needs_the_next_day_and_a_word():
    desk = floor()
    desk.trade(1_000.0)
    desk.price(0.19)
    word = {"id": HALT, "operator": "ann", "reason": "understood"}
    assert desk.ask("clear", **word).startswith(f"refused: {HALT} holds for another 43200 s")
    desk.wait(43_199)
    assert desk.level() is Level.HALT
    desk.wait(1)
    assert desk.standing() == {HALT: Level.HALT}, "the day alone lifts it not; sizes are whole again"
    assert desk.ask("clear", **word).startswith("ok")
    assert desk.level() is Level.OPEN
    assert pnl(desk) == 0.0
    desk.price(0.1801)
    assert CAUTION in desk.standing(), "the new day counts from its own opening"


def test_2_17_a3_a_restart_does_not_reset_the_day():
    desk = floor(worst_case_share=0.1)
    for units in (400.0, 400.0, 199.0):
        desk.trade(units)
    desk.price(0.19)
    assert pnl(desk) == pytest.approx(-9.99)
    desk.restarted(*guards(daily_loss_cap_usd=10.0))
    assert pnl(desk) == pytest.approx(-9.99)
    # Worst case 0.02: a tenth of 0.195 and its fee.
    assert desk.want(1.0, 0.195) == REFUSED
    assert isinstance(desk.want(0.1, 0.195), str), "0.002 still fits"


def test_the_worst_case_is_a_share_of_the_notional_and_the_fee():
    desk = floor(worst_case_share=0.1)
    assert isinstance(desk.want(487.8, 0.2), str)
    assert desk.want(487.9, 0.2) == REFUSED, "a tenth of 97.58 and 0.25 % of it are 10.002"


def test_the_legs_of_a_plan_count_together():
    desk = floor(worst_case_share=0.1)
    pair = Opportunity("cross", (OpportunityLeg(DOGE.id, "buy"), OpportunityLeg(BTC.id, "sell")), "maker")
    for units, wanted in ((300.0, Refuse), (200.0, Submit)):
        legs = tuple(
            Place(DOGE.id, Side.BUY, DOGE.lots(units), DOGE.ticks(0.2), Style.POST_ONLY, position, False, name, "leg")
            for name, position in (
                ("one", SubPosition("arb", DOGE.id, "x/b", "1")),
                ("two", SubPosition("arb", DOGE.id, "y/b", "2")),
            )
        )
        desk.traders["arb"].wants = [Plan(pair, legs)]
        made = desk.step(Timer(desk.now_ns))
        assert {type(command) for command in made} == {wanted}
    assert made[0].order.order.lots == DOGE.lots(200.0)


def test_a_profit_buys_no_more_and_an_exit_always_goes():
    desk = floor(worst_case_share=0.1)
    desk.trade(400.0)
    desk.price(0.3)
    assert desk.want(500.0) == REFUSED
    desk.price(0.18)
    assert isinstance(desk.want(400.0, 0.18, Side.SELL, reduces=True), str)


def test_each_strategy_and_each_lane_has_its_own_cap():
    desk = Floor(*guards(strategy_loss_cap_usd=10.0, lane_loss_cap_usd=5.0, worst_case_share=0.001))
    desk.price(0.2)
    desk.trade(300.0, leg=SubPosition("arb", DOGE.id, "x/b", "A"))
    desk.trade(200.0, leg=SubPosition("arb", DOGE.id, "y/b", "A"))
    desk.price(0.183)
    assert desk.standing() == {
        "loss_cap/caution/strategy:arb": Level.CAUTION,
        "loss_cap/lane:x": Level.HALT,
    }
    assert desk.want(leg=SubPosition("arb", DOGE.id, "z/b", "A"), price=0.183, units=50) != REFUSED
    assert desk.level("grid") is Level.OPEN
    assert pnl(desk, "lane:x") == pytest.approx(-5.1)


def test_a_stale_mark_counts_against_the_next_order_and_halts_nothing():
    desk = floor(stale_mark_sec=300.0, worst_case_share=0.1)
    desk.trade(400.0)
    desk.wait(300)
    assert isinstance(desk.want(50.0), str), "1.025 fits"
    desk.wait(1)
    assert desk.want(100.0) == REFUSED, "400 x 0.2 x 10 % are 8 of 10, and 2.05 more"
    assert desk.standing() == {}
    desk.price(0.2)
    assert isinstance(desk.want(100.0), str)


def test_quotes_mark_at_what_the_position_could_be_closed_for():
    desk = floor()
    desk.step(Quote(DOGE.id, desk.now_ns, DOGE.ticks(0.19), DOGE.ticks(0.21), 1, 1))
    desk.trade(100.0)
    assert pnl(desk) == pytest.approx(-1.0)
    desk.trade(300.0, side=Side.SELL)
    assert pnl(desk) == pytest.approx(-2.0)
    assert desk.engine.interest().all_events


def test_money_of_two_quote_currencies_is_one_sum():
    desk = floor()
    desk.price(20_000.0, BTC)
    desk.trade(100.0)
    desk.trade(0.001, 20_000.0, facts=BTC)
    desk.price(0.18)
    desk.price(18_000.0, BTC)
    assert pnl(desk) == pytest.approx(-4.0)
    assert desk.engine.interest().all_events, "one price does not tell"


def test_what_is_not_quoted_in_dollars_is_refused():
    with pytest.raises(OperatorError, match="not in DOGE"):
        LossCap((msgspec.structs.replace(BTC, quote="DOGE"),), stops())


def test_a_midnight_print_belongs_to_the_day_before():
    desk = floor()
    desk.trade(1_000.0)
    desk.now_ns = desk.now_ns // DAY_NS * DAY_NS + DAY_NS
    desk.price(0.195)
    assert pnl(desk) == pytest.approx(-5.0)
    desk.step(Timer(desk.now_ns))
    assert pnl(desk) == 0.0


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 2_000), st.integers(1_000_000, 3_000_000)), min_size=1, max_size=6
    ),
    st.integers(1, 500),
)
def test_the_bounds_are_exactly_where_the_next_level_begins(trades, cap):
    """So that a backtest may skip every price between them (design section 9)."""
    desk = Floor(*guards(daily_loss_cap_usd=float(cap), worst_case_share=0.001), instruments=(DOGE,))
    desk.price(0.2)
    for is_buy, units, ticks in trades:
        made = desk.want(float(units), DOGE.price(ticks), Side.BUY if is_buy else Side.SELL)
        if isinstance(made, str):
            desk.fill(made)
    before = desk.level()
    bounds = desk.engine.interest().bounds
    if before is Level.HALT:
        assert bounds == ()
        return
    for bound in bounds:
        assert bound.field is Field.LAST
        if not 1 <= bound.ticks < 10**9:
            continue
        inside = bound.ticks + (1 if bound.below else -1)
        if inside > 0:
            desk.price(DOGE.price(inside))
            assert desk.level() is before
        desk.price(DOGE.price(bound.ticks))
        assert desk.level() > before


def test_an_event_of_another_day_without_a_timer_begins_the_day():
    desk = floor()
    desk.trade(100.0)
    desk.price(0.19)
    desk.now_ns += DAY_NS + SECOND_NS
    desk.price(0.18)
    assert pnl(desk) == 0.0


def test_a_cap_of_less_than_can_be_counted_is_the_least_that_can():
    """Its share of nothing once ended the program that was asked for its status."""
    desk = floor(1e-12)
    assert desk.want() == REFUSED
    desk = Floor(*guards())
    desk.price(0.2)
    desk.trade(1_000.0)
    desk.restarted(*guards(daily_loss_cap_usd=1e-12, worst_case_share=0.001))
    desk.price(0.1)
    assert desk.engine.guards[1].status(desk.engine)["global"]["loss_cap_used_ratio"] > 1.0
    assert desk.standing()[HALT] is Level.HALT
