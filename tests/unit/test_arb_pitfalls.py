"""Findings of the arbitrage contract (arb 20) that no other test would notice, by their number."""

import msgspec
import pytest
from msgspec.structs import replace

from arb_desk import NOW_NS, Table, home_book
from arb_quotes import SECOND, book, facts, market, rule_set, yes
from millrace.sizing.lane_bankroll import LaneBankroll
from millrace.sizing.stake_settings import StakeSettings
from millrace.strategies.arb.decide import Ended
from millrace.strategies.arb.gates.check import thresholds, value_reasons
from millrace.strategies.arb.gates.reasons import Reason
from millrace.strategies.arb.gates.settings import GateSettings, LaneGate
from millrace.strategies.arb.lanes.detector import Detector
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.lanes.universe import Universe
from millrace.strategies.arb.model import Lane, Tier
from millrace.strategies.arb.planning import on_cost_per_year
from millrace.strategies.arb.rules.records import PairRule, Provenance, Relation

LANES = [lane.value for lane in Lane]


def test_w05_the_gate_looks_at_the_edge_per_dollar_of_floor() -> None:
    """Six cents on a floor of one dollar pass; the same six on nine dollars are less than one in a hundred."""
    decision = Table().decide()
    narrow, found = decision.basket, decision.assessment
    wide = replace(narrow, floor=9, cost_nano=narrow.cost_nano + 8 * narrow.lots * 1_000)
    assert wide.net_nano == narrow.net_nano
    needed = thresholds(GateSettings(), LaneGate(), 24.0 * 30)
    assert Reason.EDGE not in value_reasons(narrow, found, needed, GateSettings())
    assert Reason.EDGE in value_reasons(wide, found, needed, GateSettings())


def test_w05_an_edge_may_have_to_reach_a_share_of_its_cost() -> None:
    earned = Table().decide().basket.net_on_cost
    settings = Table().decider.settings
    for least, opens in ((earned - 0.001, True), (earned + 0.001, False)):
        found = Table(replace(settings, gates=GateSettings(min_on_cost=least))).decide()
        assert found.opened is opens
        assert (Reason.EDGE in found.reasons) is not opens


@pytest.mark.parametrize(("days", "yearly"), [(73, 0.05 * 5), (None, None), (0, None)])
def test_w05_a_row_says_what_its_edge_is_on_its_cost_and_by_the_year(days, yearly) -> None:
    day = 24 * 3_600 * SECOND
    basket = Table().basket
    spent = basket.floor_nano * 20 // 21
    basket = replace(basket, cost_nano=spent, fee_nano=0, horizon_ns=None if days is None else NOW_NS + days * day)
    assert basket.net_on_cost == pytest.approx(0.05)
    assert on_cost_per_year(basket, NOW_NS) == (None if yearly is None else pytest.approx(yearly))


@pytest.mark.parametrize("restored", [False, True])
def test_w21_lanes_that_come_and_go_share_what_there_is(restored) -> None:
    """A lane that is switched on at a restart gets its share, and one that is switched off keeps none from others."""
    old = LaneBankroll(LANES[:3], StakeSettings(lane_least_outcomes=1))
    for number in range(40):
        for lane in LANES[:3]:
            old.ended(lane, 0.02 + 0.001 * (number % 2))
    assert all(old.fraction(lane) > 0.3 for lane in LANES[:3])
    now = LaneBankroll(LANES[2:5], StakeSettings(lane_least_outcomes=1))
    if restored:
        now.restore(old.snapshot())
        assert len(now.returns(LANES[2])) == 40
        assert now.fraction(LANES[2]) == pytest.approx(old.fraction(LANES[2]), abs=0.1)
        assert now.fraction(LANES[0]) == 0
        assert now.fraction(LANES[2]) > now.fraction(LANES[3])
    assert now.fraction(LANES[3]) == now.fraction(LANES[4]) == pytest.approx(0.2)
    assert sum(now.fraction(lane) for lane in LANES) <= 1 + 1e-12


@pytest.mark.parametrize(("ends", "horizon"), [((5, 9), 9), ((9, 5), 9), ((5, None), None)])
def test_w23_capital_is_locked_until_the_last_leg_pays(ends, horizon) -> None:
    rule = PairRule(
        group_id="p", relation=Relation.EQUIVALENT, left=yes(1), right=yes(2, "other"), source=Provenance.HUMAN,
        tier=Tier.STRICT, confidence=0.99,
    )  # fmt: skip
    markets = (market(1), market(2, "other"))
    known = [facts(named, resolves_ns=end) for named, end in zip(markets, ends, strict=True)]
    finder = Detector(Universe(known, rule_set(pairs=[rule]), LaneSettings()))
    finder.observe(book(markets[0], yes_asks=40, no_asks=62))
    finder.observe(book(markets[1], yes_asks=62, no_asks=40))
    (basket,) = (one for one in finder.candidates(SECOND) if one.lane is Lane.PARITY)
    assert basket.horizon_ns == horizon


def test_w24_a_thousand_refusals_loosen_nothing() -> None:
    """What was too little at first is too little for the same reasons after hours without a trade, and after a restart."""
    table = Table()
    poor = table.decider.settings.gates.min_edge + 0.02
    table = Table(replace(table.decider.settings, gates=GateSettings(min_edge=poor + 0.04)))
    hour = 3_600 * SECOND
    first = table.decide()
    assert first.reasons == (Reason.EDGE,)
    sizes = set()
    for number in range(1_000):
        table.quote = replace(table.quote, ts_ns=NOW_NS + number * hour)
        legs = tuple(leg._replace(quote_ts_ns=NOW_NS + number * hour) for leg in table.basket.legs)
        basket = table.changed(legs=legs, oldest_ns=NOW_NS + number * hour, newest_ns=NOW_NS + number * hour)
        again = table.decide(basket, now_ns=NOW_NS + number * hour)
        assert again.reasons == first.reasons
        sizes.add(dict(again.trail)["stake"])
        if number == 500:
            state = table.decider.snapshot()
            table.decider.restore(state)
    assert len(sizes) == 1


def test_w41_what_is_learned_from_a_thousand_baskets_takes_the_room_of_seven_hundred() -> None:
    """Every history has an end: the state stops to grow."""
    table, rooms = Table(), []
    decision = table.decide()
    for number in range(1_000):
        key, now_ns = f"b{number:05d}", NOW_NS + number * SECOND
        table.decider.opened(key, decision, now_ns)
        table.decider.observe(home_book(40 + number % 2, ts_ns=now_ns))
        table.decider.filled("kalshi", Lane.INTRA, 0.5, 0.001)
        table.decider.charged("kalshi", 10**7, 10**7, maker=False)
        lane = LANES[number % len(LANES)]
        end = Ended(
            position=key, lane=Lane(lane), rule=f"r{number % 7}", contracts=10.0, cost=9.0, realized=0.5, expected=0.5,
            slippage=0.0, filled=True, hours=1.0,
        )  # fmt: skip
        table.decider.ended(end)
        table.decider.executed(Lane.BUCKET, failed=False)
        table.decider.looks.look("one edge", now_ns, 0.01, 0.01)
        if number in {699, 999}:
            rooms.append(len(msgspec.json.encode(table.decider.snapshot())))
    assert rooms[1] < rooms[0] * 1.02
