"""The combination lane: nothing above brute force, nothing below the fixed lanes, and finds that these miss (arb 4.6)."""

from itertools import product

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arb_quotes import FREE, KALSHI, book, facts
from arb_rules import YES, bucket, ladder, market, pair, proposition, systems, tree, truth, worlds
from millrace.core.binary_events import BookLevel, LaneScanned, LaneStatus
from millrace.core.fee_terms import CONTRACT_LOTS, FeeSchedule, FeeTerms
from millrace.core.instrument import Outcome
from millrace.strategies.arb.combo.certificate import dual_payout, verify
from millrace.strategies.arb.combo.lane import books_of, checked, prepare, setup_of
from millrace.strategies.arb.combo.offers import Offers
from millrace.strategies.arb.combo.records import ComboBasket, ComboFind, ComboLeg, Weight
from millrace.strategies.arb.combo.search import Search
from millrace.strategies.arb.combo.settings import ComboSettings
from millrace.strategies.arb.lanes.detector import Detector
from millrace.strategies.arb.lanes.exact import leg_at
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.lanes.universe import Universe
from millrace.strategies.arb.rules.assemble import rule_set
from millrace.strategies.arb.rules.constraints import rules_of
from millrace.strategies.arb.rules.joint import Joint
from millrace.strategies.arb.rules.records import BucketRule, ImplicationRule, Label, Relation, TreeBits, TreeRule

SETTINGS = ComboSettings(min_net_usd=1e-9, gap=0.0)
CENT_NANO = 10_000_000


def assembled(rules):
    def pick(kind):
        return [rule for rule in rules if isinstance(rule, kind)]

    others = [rule for rule in rules if not isinstance(rule, BucketRule | TreeRule | ImplicationRule)]
    return rule_set(pick(BucketRule), pick(TreeRule), pick(ImplicationRule), others)


class Desk:
    """Markets with books, the rules over them, and both ways to look for baskets."""

    def __init__(self, rules, books, fees=FREE, **more) -> None:
        self.rules = assembled(rules)
        self.joint = Joint(self.rules)
        self.facts = {named: facts(named, fees, **more) for named in books}
        self.books = {named: book(named, yes, no) for named, (yes, no) in books.items()}

    def known(self, named):
        quote = self.books.get(named)
        return None if quote is None else (quote, quote.ts_ns)

    @property
    def offers(self) -> Offers:
        return Offers(self.facts.get, self.known)

    def combo(self, chosen=SETTINGS):
        return Search(self.joint, chosen).run(self.offers)

    def best_nano(self, chosen=SETTINGS) -> int:
        return max((basket.net_nano for basket in self.combo(chosen).found), default=0)

    def lanes(self):
        universe = Universe(list(self.facts.values()), self.rules, LaneSettings(min_edge_nano=0, leg_risk_nano=0))
        detector = Detector(universe)
        for quote in self.books.values():
            detector.observe(quote)
        return detector.scan(10**9)


levels = st.lists(
    st.tuples(st.integers(1, 99), st.integers(1, 2)), min_size=0, max_size=2, unique_by=lambda row: row[0]
)


@st.composite
def desks(draw, fees=FREE, most_markets=3, **more):
    """Books over rules that stand together, and the worlds that these permit."""
    count, rules = draw(systems(most_markets=most_markets, most_rules=3))
    books = {market(n): (sorted(draw(levels)) or None, sorted(draw(levels)) or None) for n in range(count)}
    desk = Desk(rules, books, fees, **more)
    permitted = worlds(count, rules_of(desk.rules))
    assume(permitted)
    return permitted, desk


def by_force(permitted, desk) -> int:
    """The best net of all sizes of all outcomes of one component at a time, in whole contracts."""
    best = 0
    for component in desk.joint.components:
        offers = [
            offer
            for name in component.markets
            for side in Outcome
            if (offer := desk.offers.of(proposition(int(name.symbol[1:]), side)))
        ]
        costs = []
        for offer in offers:
            most = sum(level.lots for level in offer.levels) // CONTRACT_LOTS
            legs = [leg_at(offer, n * CONTRACT_LOTS) if n else None for n in range(most + 1)]
            costs.append([leg.cost_nano + leg.fee_nano if leg else 0 for leg in legs])
        wins = np.array([[truth(values)(offer.proposition) for offer in offers] for values in permitted])
        for sizes in product(*(range(len(rows)) for rows in costs)):
            spent = sum(rows[size] for rows, size in zip(costs, sizes, strict=True))
            best = max(best, int((wins @ np.array(sizes)).min()) * 10**9 - spent)
    return best


@settings(max_examples=40, deadline=None)
@given(desks())
def test_the_best_basket_is_that_of_brute_force(case) -> None:
    permitted, desk = case
    assert desk.best_nano() == by_force(permitted, desk)


@settings(max_examples=25, deadline=None)
@given(desks(KALSHI, most_markets=2))
def test_fees_that_are_rounded_to_a_cent_are_exact(case) -> None:
    permitted, desk = case
    assert desk.best_nano() == by_force(permitted, desk)


@settings(max_examples=15, deadline=None)
@given(desks(FeeSchedule(FeeTerms(price_ppm=10_000, min_nano=CENT_NANO)), most_markets=2, min_lots=2 * CONTRACT_LOTS))
def test_minimums_of_fees_and_sizes_are_exact(case) -> None:
    permitted, desk = case
    found = desk.best_nano()
    assert found <= by_force(permitted, desk)
    assert all(leg.lots >= 2 * CONTRACT_LOTS for basket in desk.combo().found for leg in basket.find.legs)


@settings(max_examples=60, deadline=None)
@given(desks(KALSHI, most_markets=7))
def test_never_less_than_any_fixed_lane(case) -> None:
    _, desk = case
    bound = {named for component in desk.joint.components for named in component.markets}
    fixed = [basket for basket in desk.lanes() if {leg.proposition.market for leg in basket.legs} <= bound]
    assert desk.best_nano() >= max((basket.net_nano for basket in fixed), default=0)


def three_venues() -> Desk:
    """A bucket on one venue; one member is also listed elsewhere, and a ladder hangs on that: no fixed lane sees all."""
    a, b, c, elsewhere, weaker = (proposition(number) for number in range(5))
    rules = [
        bucket([a, b, c], Label.EXHAUSTIVE),
        pair(Relation.EQUIVALENT, a, elsewhere, mapped=True),
        ladder([elsewhere, weaker]),
    ]
    books = {market(0): (60, 60), market(1): (30, 80), market(2): (25, 80), market(3): (65, 62), market(4): (42, 70)}
    return Desk(rules, books)


def test_a_basket_that_every_fixed_lane_misses() -> None:
    """YES of "weaker" stands in for the member that implies it: 42 + 30 + 25 cents pay a dollar in every world."""
    desk = three_venues()
    assert [basket for basket in desk.lanes() if basket.net_nano > 0] == []
    (found,) = desk.combo().found
    assert {(leg.proposition.market.symbol, leg.proposition.outcome) for leg in found.legs} == {
        ("M4", YES),
        ("M1", YES),
        ("M2", YES),
    }
    assert found.net_nano == 100 * 3 * CENT_NANO
    assert found.payout_lots == 100 * CONTRACT_LOTS
    assert found.proof.startswith("enumeration of ")


def test_sizes_of_legs_may_differ() -> None:
    """Two buckets share a member: its NO is bought twice as often as the others', which no fixed lane can do."""
    shared_one, b, c = (proposition(number) for number in range(3))
    rules = [
        bucket([shared_one, b], Label.NON_EXHAUSTIVE, name="one"),
        bucket([shared_one, c], Label.NON_EXHAUSTIVE, name="two"),
    ]
    desk = Desk(rules, {market(0): (None, [(40, 200)]), market(1): (None, 50), market(2): (None, 50)})
    (found,) = desk.combo().found
    assert {leg.symbol: leg.lots // CONTRACT_LOTS for leg in found.find.legs} == {"M0": 200, "M1": 100, "M2": 100}
    assert found.net_nano == (200 - 180) * 10**9


def wide(children=18) -> Desk:
    """More worlds than are enumerated: a parent that 18 children cover, each free; their YES and its NO pay 1."""
    rules = [tree(proposition(0), [proposition(n) for n in range(1, children + 1)], TreeBits(cover=True))]
    books = {market(n): (4, None) for n in range(1, children + 1)} | {market(0): (None, 20)}
    return Desk(rules, books)


def test_beyond_enumeration_the_dual_bound_proves() -> None:
    desk = wide()
    (found,) = desk.combo().found
    assert found.proof == "dual bound"
    assert found.worlds == 0
    assert found.payout_lots == 100 * CONTRACT_LOTS
    assert found.net_nano == 100 * (10**9 - (18 * 4 + 20) * CENT_NANO)


@given(systems(most_markets=6), st.data())
def test_any_weights_are_a_true_bound(system, data) -> None:
    """Whatever a solver hands over as weights, the proved payout is never above that of the worst world."""
    count, rules = system
    taken = assembled(rules)
    joint = Joint(taken)
    permitted = worlds(count, rules_of(taken))
    assume(permitted and joint.components)
    component = joint.components[0]
    sides = data.draw(
        st.lists(st.sampled_from(list(Outcome)), min_size=len(component.markets), max_size=len(component.markets))
    )
    sizes = data.draw(st.lists(st.integers(0, 5), min_size=len(sides), max_size=len(sides)))
    legs = [ComboLeg(*name, side, lots) for name, side, lots in zip(component.markets, sides, sizes, strict=True)]
    weights = [
        Weight(which, at_least, data.draw(st.integers(-2, 5)))
        for which in range(len(component.floors))
        for at_least in (True, False)
    ]
    worst = min(sum(leg.lots for leg in legs if truth(values)(leg.proposition)) for values in permitted)
    assert dual_payout(legs, weights, component.floors) <= worst


def test_a_find_survives_its_journey_and_is_checked_at_its_end() -> None:
    desk = three_venues()
    (found,) = desk.combo().found
    find = ComboFind.read(msgspec.json.decode(msgspec.json.encode(found.find.values())))
    assert find == found.find
    assert verify(find, desk.joint, desk.offers) == found


def changed(find, **fields):
    return msgspec.structs.replace(find, **fields)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda find: changed(find, rules="other"), "not in force"),
        (lambda find: changed(find, legs=()), "buys nothing"),
        (lambda find: changed(find, legs=(find.legs[0], find.legs[0])), "twice"),
        (lambda find: changed(find, legs=(find.legs[0]._replace(symbol="M77"),)), "not bound together"),
        (lambda find: changed(find, legs=(find.legs[0], find.legs[1]._replace(symbol="M77"))), "not bound together"),
        (lambda find: changed(find, weights=(Weight(99, True, 1),)), "weighs a count"),
        (lambda find: changed(find, legs=(find.legs[0]._replace(lots=10**12),)), "not offered in that size"),
        (lambda find: changed(find, legs=(find.legs[0]._replace(lots=-CONTRACT_LOTS),)), "not sold in"),
        (lambda find: changed(find, legs=(find.legs[0]._replace(lots=1),)), "not sold in"),
    ],
)
def test_a_spoilt_find_is_void(spoil, words) -> None:
    desk = three_venues()
    (found,) = desk.combo().found
    said = verify(spoil(found.find), desk.joint, desk.offers)
    assert isinstance(said, str)
    assert words in said


def test_a_lie_about_the_sizes_only_lowers_the_proof() -> None:
    desk = three_venues()
    (found,) = desk.combo().found
    fewer = changed(found.find, legs=(found.find.legs[0]._replace(lots=CONTRACT_LOTS), *found.find.legs[1:]))
    told = verify(fewer, desk.joint, desk.offers)
    assert isinstance(told, ComboBasket)
    assert told.payout_lots == CONTRACT_LOTS
    assert told.net_nano < 0


def test_the_solver_says_nothing_and_the_same_twice(capfd) -> None:
    one, two = wide().combo(), wide().combo()
    assert msgspec.json.encode(one) == msgspec.json.encode(two)
    assert capfd.readouterr() == ("", "")


def test_what_is_left_out_is_counted() -> None:
    a, b, c, d = (proposition(number) for number in range(4))
    rules = [
        pair(Relation.EQUIVALENT, a, b, "same"),
        bucket([a, b], name="one"),
        bucket([c, d], name="two"),
    ]
    desk = Desk(rules, {market(2): (40, None), market(3): (40, None)})
    report = desk.combo()
    assert (report.contradictory, report.examined, len(report.found)) == (1, 1, 1)
    report = desk.combo(ComboSettings(most_markets=1))
    assert (report.too_large, report.found) == (2, ())


def test_books_too_far_apart_in_time_are_not_combined() -> None:
    desk = three_venues()
    late = desk.books[market(4)]
    desk.books[market(4)] = msgspec.structs.replace(late, ts_ns=late.ts_ns + 3 * 10**9)
    assert desk.combo().found == ()


@settings(max_examples=40, deadline=None)
@given(desks(KALSHI, most_markets=4), st.lists(st.tuples(st.integers(0, 3), levels, levels), max_size=5))
def test_what_a_search_keeps_changes_no_answer(case, moves) -> None:
    _, desk = case
    search = Search(desk.joint, SETTINGS)
    search.run(desk.offers)
    for number, yes, no in moves:
        if market(number) in desk.books:
            ts_ns = desk.books[market(number)].ts_ns + 1
            desk.books[market(number)] = book(market(number), sorted(yes) or None, sorted(no) or None, ts_ns=ts_ns)
        assert search.run(desk.offers) == desk.combo()


def test_too_little_is_not_reported() -> None:
    desk = three_venues()
    earned = desk.best_nano()
    assert desk.combo(ComboSettings(min_net_usd=earned / 1e9)).found
    assert not desk.combo(ComboSettings(min_net_usd=(earned + 1) / 1e9)).found


def test_a_bound_on_rounds_gives_up_and_says_nothing_unproved() -> None:
    desk = three_venues()
    report = desk.combo(ComboSettings(min_net_usd=1e-9, most_rounds=0))
    for basket in report.found:
        assert basket == verify(basket.find, desk.joint, desk.offers)


def test_a_scan_is_checked_before_it_counts() -> None:
    desk = three_venues()
    detector = Detector(Universe(list(desk.facts.values()), desk.rules, LaneSettings()))
    for quote in desk.books.values():
        detector.observe(quote)
    search_in = prepare(setup_of(detector.universe, desk.joint, SETTINGS))
    found = search_in(books_of(detector, desk.joint, SETTINGS))
    event = LaneScanned("arb", "combo", 1, LaneStatus.DONE, (*found, {"legs": "x"}), "", 10**9)
    said = checked(event, detector, desk.joint, SETTINGS)
    assert [basket.net_nano for basket in said.proved] == [100 * 3 * CENT_NANO]
    assert said.proved[0].row()["legs"] == "100 sim:M1/YES at 0.3, 100 sim:M2/YES at 0.25, 100 sim:M4/YES at 0.42"
    assert [words.split(":")[0] for words in said.void] == ["cannot be read"]
    late = msgspec.structs.replace(event, status=LaneStatus.LATE)
    assert checked(late, detector, desk.joint, SETTINGS) == ((), ())
    detector.observe(msgspec.structs.replace(desk.books[market(4)], yes_asks=(BookLevel(4_600, 10**9),)))
    moved = checked(event, detector, desk.joint, SETTINGS)
    assert moved.proved == ()
    assert moved.void[0].startswith("earns -")
    detector.forget(market(4))
    assert "not offered" in checked(event, detector, desk.joint, SETTINGS).void[0]
