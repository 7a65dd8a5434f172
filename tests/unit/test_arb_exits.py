"""The table of exits, row by row and in its order (arb 12), and the names and order of a cycle (arb 3, 13)."""

import pytest

from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.instrument import InstrumentId, Outcome
from millrace.market.buying import Origin
from millrace.strategies.arb.cycle import collapsed, in_turn
from millrace.strategies.arb.execution.basket import LegLife, Life, State
from millrace.strategies.arb.holding.exits import Action, Marked, recommended
from millrace.strategies.arb.holding.settings import HoldingSettings
from millrace.strategies.arb.model import Basket, Lane, Leg, Proposition, Style, Tier

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
DOLLAR = 10**9
KEEP = HoldingSettings()


def leg(name, contracts, paid_usd):
    return LegLife(
        market=InstrumentId("kalshi", name), outcome=Outcome.YES, style=Style.TAKER, limit_ticks=4_500,
        planned_nano=0, hardness=0.0, depth_lots=0, version=1, quote_ts_ns=0, data="accept", cost_nano=0,
        fee_planned_nano=0, bought=contracts * CONTRACT_LOTS, owned=contracts * CONTRACT_LOTS,
        paid_nano=round(paid_usd * DOLLAR),
    )  # fmt: skip


def life(contracts=(10, 10), paid=(4.5, 4.8), **changes):
    legs = [leg(name, lots, usd) for name, lots, usd in zip("AB", contracts, paid, strict=True)]
    values = {
        "key": "b1", "group": "g", "decision": "d", "opportunity": "o", "lane": "cross", "lane_family": "cross_parity",
        "family": "f", "style": "tt", "rule": "r", "label": "", "tier": "strict", "cluster": "c", "floor": 1,
        "lots": 10 * CONTRACT_LOTS, "detected_nano": round(0.7 * DOLLAR), "expected_nano": None,
        "fill_probability": None, "horizon_ns": 10 * HOUR, "opened_ns": 0, "first_fill_ns": 1, "legs": legs,
        "groups": [[0], [1]], "state": State.HEDGED, **changes,
    }  # fmt: skip
    return Life(**values)


def naked(**changes):
    """Only one leg filled; it cost 4.50 dollars."""
    values = {"state": State.HELD_NAKED, "naked_since_ns": 1, "repaired_ns": 1, **changes}
    return life((10, 0), (4.5, 0.0), **values)


def at(usd, whole=True):
    return Marked((object(),), round(usd * DOLLAR), whole)


def row(basket, mark, now_ns=SECOND, bankroll_usd=1_000.0, settings=KEEP):
    found = recommended(basket, mark, CONTRACT_LOTS, round(bankroll_usd * DOLLAR), now_ns, settings)
    return None if found is None else (found.row, found.action)


def test_a_whole_basket_is_held_unless_its_capital_is_worth_more_elsewhere():
    assert row(life(), at(9.4)) is None
    assert row(life(), at(0.0), now_ns=2 * HOUR) is None
    assert row(life(), at(10.03)) == ("worth_more_now", Action.CLOSE)
    assert row(life(), at(10.03, whole=False)) is None
    far = life(horizon_ns=HOUR * 24 * 365)
    assert row(far, at(9.12)) == ("worth_more_now", Action.CLOSE)


@pytest.mark.parametrize(("usd", "hours", "leaves"), [(9.81, 73, True), (9.79, 73, False), (9.81, 71, False)])
def test_a_profit_is_unlocked_at_98_per_cent_of_the_floor_beyond_72_hours(usd, hours, leaves):
    found = row(life(horizon_ns=hours * HOUR + SECOND), at(usd))
    assert found == (("profit_unlock", Action.CLOSE) if leaves else None)


def test_a_lost_mapping_closes_what_is_whole_and_hedges_what_is_not_before_anything_else():
    assert row(life(downgraded=True), at(9.0)) == ("downgrade", Action.CLOSE)
    assert row(naked(downgraded=True), at(0.0), bankroll_usd=1.0) == ("downgrade", Action.HEDGE)


def test_the_risk_stop_looks_at_a_tenth_of_the_bankroll():
    assert row(naked(), at(5.5), bankroll_usd=44.9) == ("risk_stop", Action.CLOSE)
    assert row(naked(), at(5.5), bankroll_usd=45.1) is None


def test_naked_for_30_seconds_is_put_right_again_and_after_a_repair_that_gave_up_later():
    assert row(naked(repaired_ns=0), at(5.5), now_ns=30 * SECOND) is None
    assert row(naked(repaired_ns=0), at(5.5), now_ns=32 * SECOND) == ("naked_time_stop", Action.HEDGE)
    assert row(naked(), at(5.5), now_ns=32 * SECOND) is None
    assert row(naked(), at(5.5), now_ns=302 * SECOND) == ("naked_time_stop", Action.HEDGE)


def test_the_time_stop_comes_after_an_hour():
    rested = naked(repaired_ns=3_599 * SECOND)
    assert row(rested, at(5.5), now_ns=3_600 * SECOND) is None
    assert row(rested, at(5.5), now_ns=3_602 * SECOND) == ("time_stop", Action.CLOSE)


@pytest.mark.parametrize(
    ("usd", "found"),
    [
        (4.29, ("ev_stop", Action.CLOSE)),
        (4.31, ("edge_decay", Action.CLOSE)),
        (4.58, ("edge_decay", Action.CLOSE)),
        (4.60, ("edge_decay", Action.HEDGE)),
        (4.68, None),
    ],
)
def test_value_below_minus_two_cents_and_a_decayed_edge_leave(usd, found):
    assert row(naked(), at(usd)) == found


def test_a_late_decayed_edge_is_abandoned_and_a_small_one_is_closed():
    late = naked(repaired_ns=3_300 * SECOND)
    assert row(late, at(4.505), now_ns=3_300 * SECOND) == ("edge_decay", Action.ABANDON)
    small = naked(detected_nano=round(0.1 * DOLLAR))
    assert row(small, at(4.54)) == ("min_edge", Action.CLOSE)
    assert row(small, at(4.56)) is None


def test_what_cannot_be_priced_whole_is_left_to_time_alone():
    assert row(naked(), at(0.0, whole=False)) is None


# The cycle


def basket(lane, net_usd, sides=("yes", "no"), family="f", style=Style.TAKER, rule="r"):
    legs = tuple(
        Leg(Proposition(InstrumentId("kalshi", name), Outcome(side)), style, 4_000, 0, 0, 0, 0, 0, 1, Origin.DIRECT_ASK)
        for name, side in zip("AB", sides, strict=True)
    )
    return Basket(
        lane=lane, legs=legs, lots=10 * CONTRACT_LOTS, max_lots=10 * CONTRACT_LOTS, floor=1, proof="p", rule=rule,
        label="", relation="eq", tier=Tier.STRICT, family=family, cluster="c",
        cost_nano=10 * DOLLAR - round(net_usd * DOLLAR), fee_nano=0, oldest_ns=0, newest_ns=0, horizon_ns=None,
    )  # fmt: skip


def test_exact_duplicates_leave_the_best_and_directions_of_a_pair_one_per_style():
    worse, better = basket(Lane.BUCKET, 0.1), basket(Lane.BUCKET, 0.2)
    assert collapsed([worse, better]) == [better]
    yes, no = basket(Lane.PARITY, 0.3), basket(Lane.CROSS, 0.1, ("no", "yes"))
    maker = basket(Lane.CROSS, 0.1, style=Style.MAKER)
    found = collapsed([no, yes, maker])
    assert [(one.lane, one.style, one.aliases) for one in found] == [
        (Lane.PARITY, "tt", (Lane.CROSS,)),
        (Lane.CROSS, "mm", ()),
    ]


def test_each_lane_gets_one_place_in_rotating_order_then_value_decides():
    small = basket(Lane.INTRA, 0.1, family="i")
    large, middle = basket(Lane.BUCKET, 0.9, rule="x"), basket(Lane.BUCKET, 0.5, rule="y")
    ranked = [small, large, middle]
    assert in_turn(ranked, 0) == [small, large, middle]
    assert in_turn(ranked, 1) == [large, small, middle]
    assert in_turn(list(reversed(ranked)), 1) == in_turn(ranked, 1)
