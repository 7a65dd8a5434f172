"""Every gate trips, alone and with its own reason, on a basket that is opened when nothing speaks against it (W-37)."""

import pytest
from msgspec.structs import replace

from arb_desk import DOLLAR, HOME, NOW_NS, Table, contracts, home_book, home_facts
from arb_quotes import KALSHI, SECOND, market, no, yes
from millrace.core.binary_events import RedeemRoute
from millrace.core.failure import OperatorError
from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.risk.exposure import Claim, ExposureSettings, MarketClaim
from millrace.sizing.stake_settings import StakeSettings
from millrace.strategies.arb.decide import Ended
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.gates.check import CONTRADICTION, thresholds
from millrace.strategies.arb.gates.ranking import BucketRanking
from millrace.strategies.arb.gates.reasons import TEXTS, Reason, in_order
from millrace.strategies.arb.gates.settings import START_PROFILE, GateSettings, LaneGate, read_overrides
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.model import Lane, Tier
from millrace.strategies.arb.rules.records import PairRule, Provenance, Relation, RuleSet
from millrace.strategies.arb.settings import ArbSettings

HOUR = 3_600 * SECOND


def _parts(**changes) -> ArbSettings:
    """Settings of all parts, by the field that belongs to one of them."""
    parts = {
        "economics": EconomicsSettings(),
        "stake": StakeSettings(),
        "gates": GateSettings(),
        "exposure": ExposureSettings(),
    }
    for name, value in changes.items():
        (part,) = [each for each, record in parts.items() if name in record.__struct_fields__]
        parts[part] = replace(parts[part], **{name: value})
    return ArbSettings(**parts)


def test_nothing_speaks_against_it() -> None:
    decision = Table().decide()
    assert (decision.verdict, decision.reasons, decision.reason) == ("opened", (), None)
    assert contracts(decision.basket) == 42
    assert decision.basket.cost_nano == 42 * 90 * 10**7
    assert decision.expected_nano == decision.assessment.expected_nano > 0


def test_defaults_are_the_contracts() -> None:
    """Arb 10, 19."""
    gates = GateSettings()
    assert (gates.min_edge, gates.min_fill, gates.min_quality, gates.sanity_edge) == (0.01, 0.30, -0.5, 0.30)
    assert (gates.micro_low, gates.micro_high, gates.micro_contracts) == (0.02, 0.98, 20)
    assert (gates.moved_ticks, gates.moved_sec, gates.min_realized_usd, gates.min_profit_usd) == (3, 2, 0, 1)
    assert (gates.bucket_legs, gates.bucket_failures) == (0, 3)
    lanes = LaneSettings()
    assert (lanes.taker_skew_ns, lanes.maker_skew_ns) == (2 * SECOND, 10 * SECOND)


def test_the_order_of_reasons_is_that_of_the_contract() -> None:
    """Arb 10: quotes, mapping, label, lane, pause, edge, profit, fill, value, sanity, price, caps, cooldown, capital."""
    order = [
        Reason.QUOTE_STATE, Reason.MAPPING_TIER, Reason.LABEL_MISSING, Reason.LANE_NOT_READY, Reason.PAUSED, Reason.EDGE,
        Reason.EXPECTED_PROFIT, Reason.FILL_PROBABILITY, Reason.FILL_QUALITY, Reason.REALIZED_PROFIT,
        Reason.SANITY_EDGE, Reason.MICRO_PRICE, Reason.CLUSTER_POSITIONS, Reason.EXPOSURE_TOTAL, Reason.COOLDOWN,
        Reason.DUPLICATE, Reason.CAPITAL,
    ]  # fmt: skip
    assert list(in_order(reversed(order))) == order
    assert set(TEXTS) == set(Reason)


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        (Reason.QUOTE_STATE, {"tradable": lambda _: ("stale_book",)}),
        (Reason.QUOTE_AGE, {"now_ns": 12 * SECOND}),
        (Reason.LANE_NOT_READY, {"not_ready": (Lane.INTRA,)}),
        (Reason.PAUSED, {"paused": True}),
        (Reason.COOLDOWN, {"cooling": True}),
        (Reason.DUPLICATE, {"duplicate": True}),
        (Reason.CAPITAL, {"free": {}}),
        (Reason.CAPITAL, {"cash": {}}),
        (Reason.SIZE, {"multiplier": 0.0}),
        (Reason.LOSS_BUDGET, {"equity": 40 * DOLLAR}),
    ],
)
def test_what_the_moment_forbids(reason, changes) -> None:
    decision = Table().decide(**changes)
    assert reason in decision.reasons
    assert decision.verdict == "rejected"


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        (Reason.LEG_SKEW, {"oldest_ns": 0, "newest_ns": 2 * SECOND + 1}),
        (Reason.MAPPING_TIER, {"tier": Tier.UNVERIFIED}),
        (Reason.MAPPING_TIER, {"tier": Tier.FALLBACK}),
        (Reason.MAPPING_TIER, {"lane": Lane.CROSS}),
        (Reason.RULES_CONTRADICT, {"proof": CONTRADICTION}),
        (Reason.LABEL_MISSING, {"floor": 0}),
        (Reason.LABEL_MISSING, {"lane": Lane.BUCKET}),
        (Reason.LANE_DISABLED, {"lane": Lane.COMBO}),
        (Reason.HORIZON, {"lane": Lane.PARITY, "horizon_ns": NOW_NS + 721 * HOUR}),
        (Reason.SANITY_EDGE, {"floor": 2}),
    ],
)
def test_what_the_basket_forbids(reason, changes) -> None:
    table = Table()
    assert reason in table.decide(table.changed(**changes)).reasons


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        (Reason.EDGE, {"min_edge": 0.07}),
        (Reason.EXPECTED_PROFIT, {"min_profit_usd": 2.6}),
        (Reason.FILL_PROBABILITY, {"min_fill": 0.99}),
        (Reason.FILL_QUALITY, {"min_quality": -0.01}),
        (Reason.REALIZED_PROFIT, {"min_realized_usd": 2.7}),
        (Reason.NO_STYLE, {"divergence_intra": 0.9}),
        (Reason.MICRO_PRICE, {"micro_low": 0.45, "micro_contracts": 1e4}),
        (Reason.CLUSTER_POSITIONS, {"cluster_positions": 0}),
        (Reason.CLUSTER_BUDGET, {"cluster_share": 0.0}),
        (Reason.EXPOSURE_TOTAL, {"total_usd": 0.5, "venue_share": 100, "category_share": 100}),
        (Reason.EXPOSURE_VENUE, {"venue_usd": 0.5}),
        (Reason.EXPOSURE_VENUE, {"venue_share": 0.0001}),
        (Reason.EXPOSURE_CATEGORY, {"category_usd": 0.5}),
        (Reason.EXPOSURE_CATEGORY, {"category_share": 0.0001}),
        (Reason.EXPOSURE_MARKET, {"market_usd": 0.5}),
        (Reason.EXPOSURE_POSITIONS, {"positions": 0}),
        (Reason.EXPOSURE_LANE, {"lane_positions": 0}),
        (Reason.EXPOSURE_FAMILY, {"family_positions": 0}),
        (Reason.EXPOSURE_OPEN_MARKETS, {"open_markets": 2}),
        (Reason.UNCERTAINTY, {"uncertainty_new": 0.81}),
        (Reason.SIZE, {"trade_usd": 0.9}),
        (Reason.SIZE, {"kelly_share": 1e-5}),
        (Reason.SIZE, {"least_depth": 1e4}),
        (Reason.LANE_DISABLED, {"overrides": "intra enabled no"}),
        (Reason.EDGE, {"overrides": "intra min_edge 0.07"}),
        (Reason.FILL_PROBABILITY, {"overrides": "intra min_fill 0.99"}),
        (Reason.EXPECTED_PROFIT, {"overrides": "intra min_profit_usd 2.6"}),
        (Reason.REALIZED_PROFIT, {"overrides": "intra min_realized_usd 2.7"}),
        (Reason.SIZE, {"overrides": "intra multiplier 0"}),
        (Reason.SIZE, {"overrides": "intra cap_usd 0.5"}),
    ],
)
def test_what_a_threshold_forbids(reason, changes) -> None:
    decision = Table(_parts(**changes)).decide()
    assert reason in decision.reasons


def test_unknown_fees_and_unknown_depth() -> None:
    """W-08, arb 6: no size and no fee is ever assumed; such a market does not even make a basket."""
    table = Table()
    table.decider = type(table.decider)([home_facts(fees=None)])
    assert table.decide().reasons[:1] == (Reason.FEES_UNKNOWN,)
    legs = tuple(leg._replace(depth_lots=0) for leg in table.basket.legs)
    assert Reason.DEPTH_UNKNOWN in Table().decide(table.changed(legs=legs)).reasons


def test_a_schedule_that_has_not_begun_says_nothing_of_now() -> None:
    """Arb 6: effective-from times."""
    later = replace(KALSHI, from_ns=NOW_NS + 1)
    assert Reason.FEES_UNKNOWN in Table(facts=home_facts(fees=later)).decide().reasons


def test_what_winners_are_charged_is_no_edge() -> None:
    """Arb 6: a settlement fee of two cents on each contract that pays."""
    plain = Table().decide().assessment.net_nano
    charged = (
        Table(facts=home_facts(fees=replace(KALSHI, settlement_flat_nano=20_000_000))).decide().assessment.net_nano
    )
    assert charged == plain - 42 * 20_000_000


def test_buckets_take_turns_by_their_draws_in_the_places_of_buckets() -> None:
    """Arb 10."""
    table = Table()
    ranking = BucketRanking(3)
    pairs = [
        table.changed(lane=lane, rule=rule) for lane, rule in ((Lane.BUCKET, "a"), (Lane.INTRA, ""), (Lane.BUCKET, "b"))
    ]
    for _ in range(50):
        ranking.ended("b", 0.1)
        ranking.ended("a", -0.1)
    assert [one.rule for one in ranking.turns(pairs, lambda one: one, 1)] == ["b", "", "a"]


def test_a_large_edge_between_two_markets_quarantines_the_mapping() -> None:
    """Arb 4.8: presumed a mapping error; of one market alone it is only not traded."""
    table = Table()
    alone = table.decide(table.changed(floor=2))
    mapped = table.decide(table.changed(floor=2, lane=Lane.CROSS, tier=Tier.STRICT))
    assert Reason.SANITY_EDGE in alone.reasons
    assert (alone.quarantine, mapped.quarantine) == (False, True)


@pytest.mark.parametrize(
    ("tier", "confidence", "refused"),
    [(Tier.STRICT, 0.89, True), (Tier.STRICT, 0.9, False), (Tier.FALLBACK, 0.69, True)],
)
def test_confidence_by_tier(tier, confidence, refused) -> None:
    """Arb 14.2: strict from 0.90, fallback from 0.70 and only where switched on, at half size."""
    table = Table(_parts(fallback=True))
    rule = PairRule(
        group_id="p", relation=Relation.EQUIVALENT, left=yes(1), right=yes(2), source=Provenance.HUMAN, tier=tier,
        confidence=confidence, mapped=True,
    )  # fmt: skip
    table.decider.rules_changed(RuleSet(version="1", pairs=(rule,)))
    decision = table.decide(table.changed(lane=Lane.CROSS, tier=tier, rule="p"))
    assert (Reason.MAPPING_CONFIDENCE in decision.reasons) == refused


def test_a_price_that_has_just_moved() -> None:
    """Arb 10: more than three ticks within two seconds, and no longer than that."""
    table = Table()
    for cents, ts_ns in ((44, 100), (40, SECOND)):
        table.decider.observe(home_book(cents, ts_ns=ts_ns))
    assert table.decide().reasons == (Reason.PRICE_MOVED,)
    assert table.decide(now_ns=3 * SECOND + 101).opened
    calm = Table()
    for cents, ts_ns in ((43, 100), (40, SECOND)):
        calm.decider.observe(home_book(cents, ts_ns=ts_ns))
    assert calm.decide().opened


def test_a_look_that_stands_out_blocks_and_three_alert() -> None:
    """Arb 9.9."""
    table = Table()
    normal = table.quote
    for number in range(8):
        assert table.decide(now_ns=NOW_NS + number).opened
    table.quote = home_book(30, 45)
    decisions = [table.decide(now_ns=NOW_NS + 10 + number) for number in range(3)]
    assert all(Reason.OUTLIER in decision.reasons for decision in decisions)
    assert [decision.alert for decision in decisions] == [False, False, True]
    table.quote = normal
    assert not table.decide(now_ns=NOW_NS + 20).alert


def _lost(table: Table, realized: float) -> None:
    table.decider.ended(
        Ended(
            position="x", lane=Lane.CROSS, rule="", contracts=1.0, cost=1_000.0, realized=realized, expected=realized,
            slippage=0.0, filled=True, hours=1.0,
        )
    )  # fmt: skip


def test_a_drawdown_stops_and_half_of_it_regained_begins_the_way_back() -> None:
    """Arb 9.6: from 5000 dollars; what was realised counts, for cash and positions are told in two messages."""
    table = Table()
    assert table.decide().opened
    _lost(table, -1_000.0)
    assert Reason.DRAWDOWN in table.decide().reasons
    _lost(table, 490.0)
    assert Reason.DRAWDOWN in table.decide().reasons
    _lost(table, 10.0)
    back = table.decide()
    assert Reason.DRAWDOWN not in back.reasons
    assert ("drawdown", 0.25) in back.trail
    assert ("drawdown", 0.25) in table.decide(equity=1_000 * DOLLAR).trail


def test_a_lane_that_brings_less_than_was_expected_of_it_trades_less() -> None:
    """Arb 9.6: a fifth of 5000 dollars is the lane's; fifty less than expected are five per cent of it."""
    table = Table()
    assert ("drawdown", 1.0) in table.decide().trail
    end = Ended(
        position="x", lane=Lane.INTRA, rule="", contracts=10.0, cost=100.0, realized=10.0, expected=60.0, slippage=0.0,
        filled=True, hours=1.0,
    )  # fmt: skip
    table.decider.ended(end)
    assert ("drawdown", 0.75) in table.decide().trail


def test_kelly_says_no_to_a_coin_that_falls_wrong() -> None:
    """Arb 9.2, 10: a mean return that is not positive is no stake, and the row says so beside what comes first in order.

    It is never first: the expected profit that the gates of value and of style look at is never more than the mean that
    Kelly bets on, which lets slippage and carry of what does not complete out, so they refuse whatever Kelly does.
    """
    decision = Table(_parts(divergence_intra=0.2, min_profit_usd=0.0)).decide()
    assert decision.reasons == (Reason.FILL_QUALITY, Reason.REALIZED_PROFIT, Reason.NO_STYLE, Reason.KELLY)
    assert decision.reason is Reason.FILL_QUALITY
    assert ("kelly", 0.0) in decision.trail
    mean = sum(chance * gain for chance, gain in zip(*decision.assessment.outcomes, strict=True))
    assert decision.assessment.expected_nano <= round(mean * decision.assessment.cost_nano) < 0
    off = Table(_parts(divergence_intra=0.2, min_profit_usd=0.0, overrides="intra use_kelly no")).decide()
    assert off.reasons == decision.reasons[:-1]
    assert Reason.KELLY not in Table(_parts(divergence_intra=0.08, min_profit_usd=0.0)).decide().reasons


def test_buckets_that_fail_three_times_stop_for_the_session() -> None:
    """Arb 10: and an operator brings them back."""
    table = Table()
    bucket = table.changed(lane=Lane.BUCKET, label="exhaustive", horizon_ns=NOW_NS + HOUR)
    for _ in range(3):
        assert Reason.BUCKET_RECORD not in table.decide(bucket).reasons
        table.decider.executed(Lane.BUCKET, failed=True)
    assert Reason.BUCKET_RECORD in table.decide(bucket).reasons
    table.decider.buckets_back()
    assert Reason.BUCKET_RECORD not in table.decide(bucket).reasons
    table.decider.executed(Lane.BUCKET, failed=True)
    table.decider.executed(Lane.BUCKET, failed=False)
    assert Reason.BUCKET_RECORD not in table.decide(bucket).reasons


def test_buckets_with_more_legs_than_allowed() -> None:
    table = Table(_parts(bucket_legs=1))
    assert Reason.BUCKET_LEGS in table.decide(table.changed(lane=Lane.BUCKET, label="exhaustive")).reasons


def test_the_ranking_learns_from_what_was_realised_only() -> None:
    """Arb 10, W-25: seeded; prior 0.002 with strength 12, at least 8 outcomes, -0.02, 0.00025 per leg beyond two."""
    ranking = BucketRanking(7)
    assert ranking.score("b", 2) == pytest.approx(0.002)
    assert ranking.score("b", 6) == pytest.approx(0.001)
    for _ in range(7):
        ranking.ended("b", -0.10)
    assert not ranking.is_bad("b", 2)
    ranking.ended("b", -0.10)
    assert ranking.is_bad("b", 2)
    assert ranking.score("b", 2) == pytest.approx((0.024 - 0.8) / 20)
    again = BucketRanking(7)
    again.restore(ranking.snapshot())
    draws = [again.rank("b", 2, cycle) for cycle in range(200)]
    assert draws == [ranking.rank("b", 2, cycle) for cycle in range(200)]
    assert sum(draws) / 200 == pytest.approx(0.1, abs=0.03)  # Beta(1, 9)
    assert draws != [BucketRanking(8).rank("b", 2, cycle) for cycle in range(200)]


def test_time_to_resolution_only_tightens() -> None:
    """Arb 9.13."""
    plain, gate = GateSettings(), LaneGate()
    assert thresholds(plain, gate, 10 * 24) == (0.01, 1.0, 0.30, 0.0)
    assert thresholds(plain, gate, 7 * 24) == pytest.approx((0.0115, 1.1, 0.33, 0.0))
    assert thresholds(plain, gate, 90 * 24) == (0.01, 1.0, 0.30, 0.0)
    assert thresholds(GateSettings(far_loosens=True), gate, 90 * 24) == pytest.approx((0.009, 1.0, 0.27, 0.0))


def test_overrides_are_read_or_refused_with_a_reason() -> None:
    gates = read_overrides("bucket min_edge 0.02 enabled no; cross use_kelly no")
    assert gates[Lane.BUCKET] == LaneGate(enabled=False, min_edge=0.02)
    assert gates[Lane.CROSS] == LaneGate(use_kelly=False)
    assert gates[Lane.INTRA] == LaneGate()
    for wrong in ("buckets min_edge 1", "bucket min_edge", "bucket edge 1", "bucket enabled maybe", "bucket cap_usd x"):
        with pytest.raises(OperatorError, match=r"arb_gates\.overrides"):
            read_overrides(wrong)


def test_the_start_profile_trades_intra_and_strict_cross_only() -> None:
    """Arb 10: everything else is on paper, and nothing is lowered for markets that resolve far away."""
    gates = read_overrides(START_PROFILE["arb_gates.overrides"])
    assert [lane for lane, gate in gates.items() if gate.enabled is not False] == [Lane.INTRA, Lane.CROSS]
    assert (gates[Lane.CROSS].min_edge, gates[Lane.BUCKET].min_edge) == (0.005, 0.02)
    assert START_PROFILE["arb_stake.trade_usd"] == 20
    assert START_PROFILE["arb_stake.trade_contracts"] == 50
    assert not GateSettings().fallback


def test_what_is_claimed_for_one_is_not_there_for_the_next() -> None:
    """Arb 11.7: in one cycle, before any balance is told anew."""
    table = Table()
    free = {HOME.venue: 45 * DOLLAR}
    first = table.decide(free=free)
    assert first.opened
    table.decider.opened("b1", first, NOW_NS)
    second = table.decide(free=free)
    assert not second.opened or contracts(second.basket) < 8
    third = table.decide(free={HOME.venue: 500 * DOLLAR})
    assert third.opened
    assert table.decider.exposure.claims["b1"].nano == first.basket.cost_nano + first.basket.fee_nano


def test_capital_comes_back_by_position_and_outcomes_teach() -> None:
    table = Table()
    table.decider.opened("b1", table.decide(), NOW_NS)
    table.decider.opened("b2", table.decide(), NOW_NS)
    end = Ended(
        position="b1", lane=Lane.INTRA, rule="", contracts=42.0, cost=39.0, realized=2.6, expected=2.5, slippage=0.0,
        filled=True, hours=0.1,
    )  # fmt: skip
    table.decider.ended(end)
    assert list(table.decider.exposure.claims) == ["b2"]
    assert table.decider.lanes.returns(Lane.INTRA) == [pytest.approx(2.6 / 39)]


def test_a_decider_comes_back_as_it_was() -> None:
    table = Table()
    for number in range(5):
        decision = table.decide(now_ns=NOW_NS + number)
        table.decider.observe(home_book(40 + number, ts_ns=NOW_NS + number))
    table.decider.opened("b1", decision, NOW_NS + 4)
    table.decider.executed(Lane.BUCKET, failed=True)
    again = Table()
    again.decider.restore(table.decider.snapshot())
    assert again.decider.snapshot() == table.decider.snapshot()
    assert again.decide(now_ns=NOW_NS + 5) == table.decide(now_ns=NOW_NS + 5)


def test_sizes_grow_by_a_quarter_from_look_to_look() -> None:
    """Arb 9.9: one snapshot cannot open the flood gates."""
    table = Table(_parts(min_profit_usd=0.0))
    small = table.decide(free={HOME.venue: 10 * DOLLAR})
    assert contracts(small.basket) == 10
    grown = table.decide(now_ns=NOW_NS + 1)
    assert contracts(grown.basket) == 12
    assert contracts(table.decide(now_ns=NOW_NS + 12 * SECOND, book=lambda _: home_book(ts_ns=13 * SECOND)).basket) > 12


def test_a_pair_that_the_venue_nets_is_not_locked() -> None:
    """Arb 9.8, W-23: the latest leg decides, unless the pair becomes cash at once; unknown is the longest."""
    netted = Table()
    assert netted.decider.lockup.hours(netted.basket, {HOME: netted.facts}, NOW_NS) == 0
    held = Table(facts=home_facts(pair_route=RedeemRoute.RESOLUTION))
    assert held.decider.lockup.hours(held.basket, {HOME: held.facts}, NOW_NS) == 720
    for hours in range(1, 11):
        held.decider.lockup.ended(Lane.INTRA, float(hours))
    assert held.decider.lockup.hours(held.basket, {HOME: held.facts}, NOW_NS) == pytest.approx(9.1)
    known = held.changed(horizon_ns=NOW_NS + 5 * HOUR)
    assert held.decider.lockup.hours(known, {HOME: held.facts}, NOW_NS) == 5


def test_a_claim_follows_what_is_held() -> None:
    """Arb 0.7, 16: less than planned frees the rest, and a fill heard of late claims again."""
    table = Table()
    decision = table.decide()
    table.decider.opened("b1", decision, NOW_NS)
    like = table.decider.exposure.claims["b1"]
    table.decider.holds("b1", like, {HOME: 7 * DOLLAR})
    assert table.decider.exposure.venue_nano("kalshi") == 7 * DOLLAR
    assert table.decider.exposure.claims["b1"].markets[0].category == "weather"
    table.decider.holds("b1", like, {HOME: 0})
    assert not table.decider.exposure.claims
    table.decider.holds("b1", like, {HOME: 3 * DOLLAR})
    assert table.decider.exposure.claims["b1"].nano == 3 * DOLLAR


def test_removal_by_position_leaves_the_other_venues_position() -> None:
    """Arb 16: not every position with the same market id."""
    exposure = Table().decider.exposure
    for name, venue in (("b1", "kalshi"), ("b2", "polymarket")):
        exposure.claim(Claim(name, "cross", "f", "c", (MarketClaim(venue, "SAME", "sports", DOLLAR),)))
    exposure.release("b1")
    assert list(exposure.claims) == ["b2"]
    assert (exposure.venue_nano("kalshi"), exposure.venue_nano("polymarket")) == (0, DOLLAR)


def test_other_lanes_have_two_of_a_venues_open_markets() -> None:
    """Arb 16: ten open markets per venue, two of them not for intra."""
    exposure = Table().decider.exposure
    for number in range(8):
        exposure.claim(Claim(f"b{number}", "bucket", f"f{number}", "", (MarketClaim("v", f"M{number}", "", 1),)))
    ninth = (MarketClaim("v", "M9", "", 1),)
    assert [limit.value for limit in exposure.objections(Claim("x", "intra", "f", "", ninth))] == [
        "exposure_open_markets"
    ]
    assert exposure.objections(Claim("x", "cross", "f", "", ninth)) == ()
    again = (MarketClaim("v", "M1", "", 1),)
    assert exposure.objections(Claim("x", "intra", "f", "", again)) == ()


def test_a_share_is_one_of_the_limit() -> None:
    """W-35: the second position of an empty book passes; 40 per cent of 5000 is what one category may hold."""
    exposure = Table().decider.exposure
    exposure.claim(Claim("b1", "cross", "f", "", (MarketClaim("v", "A", "sports", 900 * DOLLAR),)))
    second = Claim("b2", "cross", "g", "", (MarketClaim("w", "B", "sports", 900 * DOLLAR),))
    assert exposure.objections(second) == ()
    exposure.claim(second)
    third = Claim("b3", "cross", "h", "", (MarketClaim("u", "C", "sports", 201 * DOLLAR),))
    assert [limit.value for limit in exposure.objections(third)] == ["exposure_category"]


def test_contracts_of_the_market_are_never_invented() -> None:
    table = Table(quote=home_book(contracts=6))
    decision = table.decide()
    assert decision.verdict == "rejected"  # three contracts at most: no dollar of profit
    assert decision.reason is Reason.EXPECTED_PROFIT
    assert table.basket.max_lots == 12 * CONTRACT_LOTS
    assert market(1, "kalshi") == no(1, "kalshi").market == HOME
