"""Each lane by example: what it forms, what it refuses, and what takes a basket away again (arb 2, 3, 4)."""

import pytest

from arb_quotes import (
    CENT,
    KALSHI,
    SECOND,
    SHARES,
    book,
    detector,
    facts,
    market,
    no,
    rule_set,
    yes,
)
from arb_rules import bucket, ladder, pair, tree
from millrace.core.binary_events import QuoteSource
from millrace.core.commands import Opportunity, OpportunityLeg
from millrace.core.failure import OperatorError
from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.instrument import InstrumentId
from millrace.market.buying import Origin
from millrace.orders.opportunity import family_key
from millrace.strategies.arb.lanes.detector import Detector, is_suspect
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.lanes.universe import Universe
from millrace.strategies.arb.model import Lane, Tier
from millrace.strategies.arb.rules.records import Label, PairRule, Provenance, Relation, TreeBits

NOW = 2 * SECOND
EQ, CMP = Relation.EQUIVALENT, Relation.COMPLEMENT


def legs(basket):
    return [
        (leg.proposition.market.symbol, leg.proposition.outcome.value, leg.limit_ticks // CENT) for leg in basket.legs
    ]


def only(subject, *quotes):
    for quote in quotes:
        subject.observe(quote)
    found = subject.candidates(NOW)
    assert found == subject.scan(NOW)
    return found


def test_intra_buys_both_sides_of_one_market() -> None:
    subject = detector([market(1)])
    (basket,) = only(subject, book(market(1), yes_asks=[(45, 30), (47, 50)], no_asks=[(50, 20), (52, 100)]))
    assert (basket.lane, basket.floor, basket.family) == (Lane.INTRA, 1, "intra|sim/m1")
    # 20 at 95 cents, 10 at 97, 50 at 99: the last step still earns a cent.
    assert (basket.lots, basket.max_lots) == (80 * CONTRACT_LOTS, 80 * CONTRACT_LOTS)
    assert basket.net_nano == (20 * 5 + 10 * 3 + 50 * 1) * 10_000_000
    assert legs(basket) == [("M1", "no", 52), ("M1", "yes", 47)]
    assert basket.direction == "intra|sim/m1|no,yes"
    assert subject.candidates(NOW) == []


def test_the_opposite_bid_is_the_same_liquidity_on_a_mirrored_venue() -> None:
    quote = book(market(1), yes_asks=[(45, 30)], no_asks=[(50, 20)], yes_bids=[(50, 20)], no_bids=[(55, 30), (54, 10)])
    (basket,) = only(detector([market(1)], mirrored=True), quote)
    assert basket.lots == 20 * CONTRACT_LOTS
    assert basket.legs[0].depth_lots == 20 * CONTRACT_LOTS


def test_a_missing_ask_is_replaced_by_the_other_outcomes_bid() -> None:
    (basket,) = only(detector([market(1)], mirrored=True), book(market(1), no_asks=50, no_bids=[(60, 7)]))
    assert [leg.origin for leg in basket.legs] == [Origin.DIRECT_ASK, Origin.OPPOSITE_BID]
    assert legs(basket)[1] == ("M1", "yes", 40)


def test_each_cross_direction_needs_only_its_own_two_prices() -> None:  # W-07
    rules = rule_set(pairs=[pair(EQ, yes(1), yes(2), mapped=True)])
    subject = detector([market(1), market(2)], rules)
    (basket,) = only(subject, book(market(1), yes_asks=40), book(market(2), no_asks=50))
    assert (basket.lane, legs(basket)) == (Lane.CROSS, [("M1", "yes", 40), ("M2", "no", 50)])
    assert basket.family == "cross_parity|eq|sim/m1|sim/m2"
    assert basket.tier is Tier.STRICT


@pytest.mark.parametrize(
    ("relation", "left", "right", "expected"),
    [
        (EQ, yes(1), yes(2), {("yes", "no"), ("no", "yes")}),
        (CMP, yes(1), yes(2), {("yes", "yes"), ("no", "no")}),
        (EQ, yes(1), no(2), {("yes", "yes"), ("no", "no")}),
        (CMP, no(1), yes(2), {("yes", "no"), ("no", "yes")}),
        (EQ, no(1), no(2), {("yes", "no"), ("no", "yes")}),
    ],
)
def test_pairs_work_on_propositions(relation, left, right, expected) -> None:  # W-12, arb 4.1
    subject = detector([market(1), market(2)], rule_set(pairs=[pair(relation, left, right)]))
    found = only(subject, *(book(market(number), yes_asks=40, no_asks=40) for number in (1, 2)))
    pairs = [basket for basket in found if basket.lane is Lane.PARITY]
    assert {tuple(leg.proposition.outcome.value for leg in basket.legs) for basket in pairs} == expected
    assert {basket.relation for basket in pairs} == {"eq" if ("yes", "no") in expected else "cmp"}


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        (Relation.IMPLIES, [("no", "yes")]),
        (Relation.EXCLUSIVE, [("no", "no")]),
        (Relation.COVER, [("yes", "yes")]),
        (Relation.NONE, []),
    ],
)
@pytest.mark.parametrize("right", [yes(2), no(2)])
def test_other_relations_of_a_pair_make_one_basket_at_most(relation, expected, right) -> None:  # arb 4.1
    subject = detector([market(1), market(2)], rule_set(pairs=[pair(relation, yes(1), right)]))
    found = only(subject, *(book(market(number), yes_asks=40, no_asks=40) for number in (1, 2)))
    baskets = [basket for basket in found if basket.lane is Lane.IMPLICATION]
    other = {"yes": "no", "no": "yes"} if right == no(2) else {"yes": "yes", "no": "no"}
    sides = [tuple(leg.proposition.outcome.value for leg in basket.legs) for basket in baskets]
    assert sides == [(left, other[side]) for left, side in expected]
    assert [basket.floor for basket in baskets] == [1] * len(expected)


def test_a_pair_that_is_equal_and_opposite_is_blocked() -> None:
    rules = rule_set(pairs=[pair(EQ, yes(1), yes(2), "same"), pair(EQ, yes(1), no(2), "other")])
    subject = detector([market(1), market(2)], rules)
    assert subject.universe.contradictory == ["other", "same"]
    assert only(subject, book(market(1), yes_asks=40), book(market(2), no_asks=40, yes_asks=30)) == [
        basket for basket in subject.scan(NOW) if basket.lane is Lane.INTRA
    ]


def test_one_pair_under_two_lanes_is_one_basket_of_the_rule_that_vouches_best() -> None:  # W-29
    def rule(name, source, tier, *, mapped):
        return PairRule(
            group_id=name, relation=EQ, left=yes(1), right=yes(2), source=source, tier=tier, confidence=1.0,
            mapped=mapped,
        )  # fmt: skip

    human = rule("human parity", Provenance.HUMAN, Tier.STRICT, mapped=False)
    strict = rule("strict map", Provenance.HUMAN, Tier.STRICT, mapped=True)
    generated = rule("generated parity", Provenance.GENERATED, Tier.STRICT, mapped=False)
    fallback = rule("fallback map", Provenance.GENERATED, Tier.FALLBACK, mapped=True)
    ranked = [human, strict, generated, fallback]
    for first, stronger in enumerate(ranked):
        rules = rule_set(pairs=reversed(ranked[first:]))
        subject = detector([market(1), market(2)], rules)
        (basket,) = only(subject, book(market(1), yes_asks=40), book(market(2), no_asks=50))
        assert basket.rule == stronger.group_id
        assert basket.lane not in basket.aliases
        assert {basket.lane, *basket.aliases} == {Lane.CROSS if one.mapped else Lane.PARITY for one in ranked[first:]}


def test_bucket_baskets_follow_the_label() -> None:  # arb 4.2, W-01, W-02
    members = [yes(1), yes(2), yes(3)]
    books = [book(market(number), yes_asks=30, no_asks=60) for number in (1, 2, 3)]

    def found(label, *, exclusive=True):
        rules = rule_set(buckets=[bucket(members, label, exclusive=exclusive)])
        return {
            tuple(leg.proposition.outcome.value for leg in basket.legs): basket
            for basket in only(detector(map(market, (1, 2, 3)), rules), *books)
            if basket.lane is Lane.BUCKET
        }

    both = found(Label.EXHAUSTIVE)
    assert {key: basket.floor for key, basket in both.items()} == {("yes",) * 3: 1, ("no",) * 3: 2}
    assert both["no", "no", "no"].net_nano == 100 * 200_000_000
    assert both["yes", "yes", "yes"].family == "bucket|bucket"
    assert set(found(Label.NON_EXHAUSTIVE)) == {("no",) * 3}
    assert set(found(Label.UNKNOWN)) == {("no",) * 3}
    assert not found(Label.UNKNOWN, exclusive=False)


def test_a_bucket_with_a_market_that_is_not_listed_has_no_yes_basket() -> None:
    rules = rule_set(buckets=[bucket([yes(1), yes(2), yes(9)])])
    found = only(detector([market(1), market(2)], rules), *(book(market(n), yes_asks=30, no_asks=45) for n in (1, 2)))
    assert [(basket.lane, basket.floor) for basket in found] == [(Lane.INTRA, 1), (Lane.INTRA, 1), (Lane.BUCKET, 1)]


def test_a_thin_member_is_left_out_where_that_earns_more() -> None:
    rules = rule_set(buckets=[bucket([yes(1), yes(2), yes(3)], Label.NON_EXHAUSTIVE)])
    subject = detector(map(market, (1, 2, 3)), rules)
    thin = book(market(3), no_asks=[(50, 1)])
    (basket,) = only(subject, book(market(1), no_asks=45), book(market(2), no_asks=45), thin)
    assert (basket.floor, basket.lots) == (1, 100 * CONTRACT_LOTS)
    assert legs(basket) == [("M1", "no", 45), ("M2", "no", 45)]


def test_a_leg_has_to_earn_its_risk() -> None:
    rules = rule_set(buckets=[bucket([yes(1), yes(2), yes(3)], Label.NON_EXHAUSTIVE)])
    quotes = [book(market(1), no_asks=45), book(market(2), no_asks=45), book(market(3), no_asks=99.9)]
    for risk_nano, expected in ((0, 3), (2_000_000, 2)):
        settings = LaneSettings(leg_risk_nano=risk_nano)
        (basket,) = only(detector(map(market, (1, 2, 3)), rules, settings), *quotes)
        assert len(basket.legs) == expected


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        (
            TreeBits(cover=True, exclusive=True, nested=True),
            {("no", "yes", "yes"): 1, ("yes", "no", "no"): 2, ("no", "no"): 1},
        ),
        (TreeBits(cover=False, exclusive=True, nested=True), {("yes", "no", "no"): 2, ("no", "no"): 1}),
        (TreeBits(cover=True, exclusive=False, nested=True), {("no", "yes", "yes"): 1, ("yes", "no"): 1}),
        (TreeBits(cover=False, exclusive=False, nested=True), {("yes", "no"): 1}),
        (TreeBits(cover=True, exclusive=True, nested=False), {("no", "yes", "yes"): 1, ("no", "no"): 1}),
        (TreeBits(cover=True, exclusive=False, nested=False), {("no", "yes", "yes"): 1}),
        (TreeBits(cover=False, exclusive=True, nested=False), {("no", "no"): 1}),
        (TreeBits(), {}),
    ],
)
def test_tree_baskets_follow_the_bits(bits, expected) -> None:  # arb 4.3, W-03
    rules = rule_set(trees=[tree(yes(1), [yes(2), yes(3)], bits)])
    books = [book(market(1), yes_asks=20, no_asks=30), *(book(market(n), yes_asks=30, no_asks=20) for n in (2, 3))]
    found = [b for b in only(detector(map(market, (1, 2, 3)), rules), *books) if b.lane is Lane.EVENT_TREE]
    assert {tuple(leg.proposition.outcome.value for leg in b.legs): b.floor for b in found} == expected


def test_a_partial_tree_keeps_a_floor_of_its_quoted_children() -> None:  # arb 4.4
    bits = TreeBits(cover=True, exclusive=True, nested=True)
    rules = rule_set(trees=[tree(yes(1), [yes(2), yes(3), yes(4)], bits)])
    books = [book(market(1), yes_asks=20, no_asks=10), *(book(market(n), yes_asks=10, no_asks=60) for n in (2, 3))]
    found = [b for b in only(detector(map(market, range(1, 5)), rules), *books) if b.lane is Lane.EVENT_TREE]
    assert [(basket.floor, len(basket.legs)) for basket in found] == [(2, 3)]


def test_adjacent_rungs_of_a_ladder() -> None:  # arb 4.5
    rules = rule_set(implications=[ladder([yes(1), no(2), yes(3)])])
    books = [book(market(1), no_asks=40), book(market(2), no_asks=50, yes_asks=45), book(market(3), yes_asks=45)]
    found = [b for b in only(detector(map(market, (1, 2, 3)), rules), *books) if b.lane is Lane.IMPLICATION]
    assert [legs(basket) for basket in found] == [
        [("M1", "no", 40), ("M2", "no", 50)],
        [("M2", "yes", 45), ("M3", "yes", 45)],
    ]
    assert [basket.family for basket in found] == ["event_tree|ladder%2f0", "event_tree|ladder%2f1"]


def test_fees_are_those_of_the_size() -> None:  # arb 0.2, 6
    (basket,) = only(detector([market(1)], fees=KALSHI), book(market(1), yes_asks=[(45, 4)], no_asks=[(45, 4)]))
    assert basket.fee_nano == 2 * 70_000_000  # up(0.07 * 4 * 0.45 * 0.55) = up(0.0693)
    assert basket.net_nano == (4 * 10 - 14) * 10_000_000


def test_a_size_that_rounding_spoils_is_no_basket() -> None:
    subject = detector([market(1)], fees=KALSHI)
    assert only(subject, book(market(1), yes_asks=[(48, 1)], no_asks=[(48, 1)])) == []  # 4 cents edge, 4 cents fees
    (basket,) = only(subject, book(market(1), yes_asks=[(48, 100)], no_asks=[(48, 100)]))
    assert basket.fee_nano == 2 * 1_750_000_000


def test_fees_in_shares_make_the_other_leg_smaller() -> None:  # arb 6: hedged legs are sized to the net
    kalshi, poly = market(1), market(2, "poly")
    rules = rule_set(pairs=[pair(EQ, yes(1), yes(2, "poly"), mapped=True)])
    markets = [facts(kalshi), facts(poly, SHARES, lot=10_000, min_lots=10_000)]
    subject = Detector(Universe(markets, rules, LaneSettings()))
    (basket,) = only(subject, book(kalshi, yes_asks=[(40, 200)]), book(poly, no_asks=[(50, 100)]))
    assert basket.lots == 98 * CONTRACT_LOTS  # of 100 bought, 0.04 * 0.5 * 0.5 / 0.5 = 2 stay with the venue
    poly_leg = basket.legs[0] if basket.legs[0].proposition.market == poly else basket.legs[1]
    assert poly_leg.cost_nano + poly_leg.fee_nano == 50 * 1_000_000_000
    assert basket.net_nano == (98 * 100 - 98 * 40 - 100 * 50) * 10_000_000


def test_legs_known_too_far_apart_are_not_combined_until_they_are_closer() -> None:  # arb 2.5, W-06
    rules = rule_set(pairs=[pair(EQ, yes(1, "a"), yes(2, "b"), mapped=True)])
    subject = detector([market(1, "a"), market(2, "b")], rules)
    subject.observe(book(market(1, "a"), yes_asks=40, ts_ns=SECOND))
    subject.observe(book(market(2, "b"), no_asks=50, ts_ns=3 * SECOND + 1))
    assert subject.candidates(4 * SECOND) == []
    subject.observe(book(market(1, "a"), yes_asks=40, ts_ns=SECOND + 1))
    (basket,) = subject.candidates(4 * SECOND)
    assert (basket.oldest_ns, basket.newest_ns) == (SECOND + 1, 3 * SECOND + 1)


def test_a_quiet_book_on_a_live_stream_is_as_new_as_its_last_sign_of_life() -> None:  # runtime 2.2 A6
    rules = rule_set(pairs=[pair(EQ, yes(1, "a"), yes(2, "b"), mapped=True)])
    subject = detector([market(1, "a"), market(2, "b")], rules)
    subject.observe(book(market(1, "a"), yes_asks=40, ts_ns=SECOND, source=QuoteSource.STREAM))
    subject.observe(book(market(2, "b"), no_asks=50, ts_ns=600 * SECOND, source=QuoteSource.STREAM))
    assert subject.candidates(600 * SECOND) == []
    subject.heard("a", 599 * SECOND)
    (basket,) = subject.candidates(600 * SECOND)
    assert basket.oldest_ns == 599 * SECOND


def test_a_subset_leaves_out_members_that_are_too_old() -> None:
    rules = rule_set(buckets=[bucket([yes(1), yes(2), yes(3)], Label.NON_EXHAUSTIVE)])
    old = book(market(3), no_asks=10, ts_ns=SECOND)
    fresh = [book(market(number), no_asks=40, ts_ns=9 * SECOND) for number in (1, 2)]
    (basket,) = only(detector(map(market, (1, 2, 3)), rules), old, *fresh)
    assert legs(basket) == [("M1", "no", 40), ("M2", "no", 40)]


def test_what_takes_a_basket_away() -> None:
    quote = book(market(1), yes_asks=40, no_asks=40, source=QuoteSource.STREAM)
    for end in (
        lambda subject: subject.forget(market(1)),
        lambda subject: subject.reset("sim"),
        lambda subject: subject.observe(book(market(1), yes_asks=40, no_asks=40, source=QuoteSource.SUMMARY)),
        lambda subject: subject.observe(book(market(1), yes_asks=40)),
    ):
        subject = detector([market(1)])
        assert only(subject, quote)
        end(subject)
        assert only(subject) == []
    assert only(detector([market(1)], fees=None), quote) == []
    subject = detector([market(1)])
    subject.observe(book(market(2), yes_asks=40, no_asks=40))
    assert (subject.candidates(NOW), subject.unknown) == ([], 1)


def test_blocked_and_expired_rules_make_no_baskets() -> None:
    def rules(until_ns):
        rule = pair(EQ, yes(1), yes(2), "map", mapped=True)
        return rule_set(
            pairs=[type(rule)(**{f: getattr(rule, f) for f in rule.__struct_fields__} | {"valid_until_ns": until_ns})]
        )

    quotes = [book(market(1), yes_asks=40), book(market(2), no_asks=50)]
    assert only(detector([market(1), market(2)], rules(NOW)), *quotes) == []
    subject = detector([market(1), market(2)], rules(NOW + 1))
    subject.block(["map"])
    assert only(subject, *quotes) == []
    subject.block([])
    assert len(only(subject, *quotes)) == 1


def test_an_edge_between_markets_above_thirty_cents_is_suspect() -> None:  # arb 4.8
    rules = rule_set(pairs=[pair(EQ, yes(1), yes(2), mapped=True)])
    for cents, expected in ((20, False), (19.99, True)):
        (basket,) = only(
            detector([market(1), market(2)], rules), book(market(1), yes_asks=cents), book(market(2), no_asks=50)
        )
        assert is_suspect(basket, LaneSettings()) is expected
    (intra,) = only(detector([market(1)]), book(market(1), yes_asks=10, no_asks=10))
    assert not is_suspect(intra, LaneSettings())


def test_near_misses_come_from_the_same_sums() -> None:
    subject = detector([market(1), market(2), market(3)])
    only(subject, *(book(market(number), yes_asks=50, no_asks=50 + number) for number in (1, 2)))
    assert [(row.family, row.short_nano) for row in subject.near(NOW)] == [("intra|sim/m1", 10_000_000)]
    rules = rule_set(buckets=[bucket([yes(1), yes(2), yes(3)], Label.NON_EXHAUSTIVE)])
    subject = detector(map(market, (1, 2, 3)), rules)
    only(subject, *(book(market(number), no_asks=67) for number in (1, 2, 3)))
    assert [(row.lane, row.short_nano) for row in subject.near(NOW)] == [(Lane.BUCKET, 10_000_000)]


def test_maker_estimates_where_asked() -> None:  # arb 7.1
    settings = LaneSettings(makers=True)
    subject = detector([market(1)], settings=settings)
    quote = book(market(1), yes_asks=55, no_asks=50, yes_bids=40, no_bids=47)
    (basket,) = only(subject, quote)
    # Two ticks below what a taker pays, 50 and, by the NO bid, 53; the bids are further away.
    assert (basket.style, [leg[2] for leg in legs(basket)]) == ("mm", [48, 51])
    assert only(subject, book(market(1), yes_asks=53, no_asks=53, yes_bids=46, no_bids=46)) == []


def test_the_order_is_lane_rank_then_value_then_direction() -> None:
    rules = rule_set(pairs=[pair(EQ, yes(1), yes(2), mapped=True)], buckets=[bucket([yes(2), yes(3)])])
    books = [book(market(number), yes_asks=30, no_asks=30 if number == 3 else 40) for number in (3, 1, 2)]
    found = only(detector(map(market, (2, 3, 1)), rules), *books)
    assert [basket.lane for basket in found] == [
        *(Lane.INTRA,) * 3, *(Lane.CROSS,) * 2, *(Lane.BUCKET,) * 2,
    ]  # fmt: skip
    assert [basket.family for basket in found[:3]] == ["intra|sim/m3", "intra|sim/m1", "intra|sim/m2"]


def test_family_keys_are_those_of_dedupe() -> None:
    rules = rule_set(pairs=[pair(CMP, yes(1), yes(2), "p")], buckets=[bucket([yes(1), yes(2)], name="b/1")])
    for basket in only(
        detector([market(1), market(2)], rules), *(book(market(n), yes_asks=30, no_asks=40) for n in (1, 2))
    ):
        named = tuple(OpportunityLeg(leg.proposition.market, leg.proposition.outcome.value) for leg in basket.legs)
        assert basket.family == family_key(
            Opportunity(basket.lane.kind, named, basket.style, basket.relation or "eq", basket.rule)
        )


def test_clusters_are_components_named_by_their_smallest_member() -> None:  # arb 16
    rules = rule_set(buckets=[bucket([yes(3), yes(2)])], pairs=[pair(EQ, yes(3), yes(1), mapped=True)])
    books = [book(market(number), yes_asks=30, no_asks=40) for number in (1, 2, 3, 4)]
    found = only(detector(map(market, (4, 3, 2, 1)), rules), *books)
    clusters = {basket.family: basket.cluster for basket in found}
    assert set(clusters.values()) == {"sim/m1", "sim/e"}
    assert clusters["intra|sim/m4"] == "sim/e"


def test_coverage_counts_rules_whose_markets_are_all_quoted() -> None:
    rules = rule_set(buckets=[bucket([yes(1), yes(2)], name="b"), bucket([yes(2), yes(9)], name="gap")])
    subject = detector([market(1), market(2), market(3)], rules)
    assert subject.coverage.of(Lane.BUCKET) == (2, 0, 3, 0)
    for number in (1, 2, 2, 3):
        subject.observe(book(market(number), yes_asks=50))
    assert subject.coverage.of(Lane.BUCKET) == (2, 1, 3, 2)
    assert subject.coverage.of(Lane.INTRA) == (3, 3, 3, 3)
    assert subject.coverage.uncovered() == ["gap"]
    subject.forget(market(1))
    subject.forget(market(1))
    assert subject.coverage.of(Lane.BUCKET) == (2, 0, 3, 1)


def test_snapshots_carry_books_and_marks() -> None:
    rules = rule_set(pairs=[pair(EQ, yes(1), yes(2), mapped=True)])
    first = detector([market(1), market(2), market(3)], rules)
    first.observe(book(market(3), yes_asks=40, no_asks=40))
    first.candidates(NOW)
    first.observe(book(market(1), yes_asks=40))
    first.observe(book(market(2), no_asks=50))
    second = detector([market(1), market(2), market(3)], rules)
    second.restore(first.snapshot())
    assert second.snapshot() == first.snapshot()
    assert second.candidates(NOW) == first.candidates(NOW) != []
    third = first.moved_to(second.universe)
    assert third.scan(NOW) == first.scan(NOW)


def test_two_markets_of_one_name_are_the_operators_fault() -> None:
    with pytest.raises(OperatorError, match="sim:m1"):
        Universe([facts(InstrumentId("sim", "M1")), facts(InstrumentId("SIM", "m1"))], rule_set(), LaneSettings())
