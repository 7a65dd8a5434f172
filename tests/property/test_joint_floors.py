"""Floors under all rules together against brute force, and what happens at contradictions and limits (arb 4.6)."""

import json

from hypothesis import given
from hypothesis import strategies as st

from arb_rules import NO, YES, bucket, ladder, market, outcomes, paid, pair, proposition, systems, tree, worlds
from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.model import Proposition, Tier
from millrace.strategies.arb.rules.floors import Bounds, bucket_bounds
from millrace.strategies.arb.rules.joint import Joint
from millrace.strategies.arb.rules.records import (
    BucketRule,
    ImplicationRule,
    Label,
    PairRule,
    Relation,
    RuleSet,
    TreeBits,
    TreeRule,
)


def rule_set(rules, version="v") -> RuleSet:
    kinds = {BucketRule: "buckets", TreeRule: "trees", ImplicationRule: "implications", PairRule: "pairs"}
    fields: dict[str, list] = {}
    for rule in rules:
        fields.setdefault(kinds[type(rule)], []).append(rule)
    return RuleSet(version=version, **{name: tuple(found) for name, found in fields.items()})


@given(systems(), st.data())
def test_joint_floor_is_brute_force(system, data) -> None:
    count, rules = system
    numbers = data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True))
    legs = [proposition(number, data.draw(outcomes)) for number in numbers]
    joint = Joint(rule_set(rules))
    permitted = worlds(count, rules)
    assert bool(joint.contradictions()) == (not permitted)
    if permitted:
        payouts = [paid(values, legs) for values in permitted]
        found = joint.bounds(legs, Bounds(0, len(legs)))
        assert (found.floor, found.ceiling) == (min(payouts), max(payouts))


@given(systems(), st.data())
def test_a_limit_never_gives_more_than_the_own_rule_or_the_truth(system, data) -> None:
    """With room for two worlds most components are given up; the answer stays at or under what brute force proves."""
    count, rules = system
    legs = [proposition(number, data.draw(outcomes)) for number in range(count)]
    permitted = worlds(count, rules)
    found = Joint(rule_set(rules), most_worlds=2).bounds(legs, Bounds(0, len(legs)))
    if permitted and found is not None:
        assert found.floor <= min(paid(values, legs) for values in permitted)


def test_golden_joint_floors(shared) -> None:
    rows = json.loads((shared / "golden/arb.json").read_bytes())["truth"]["joint_floors"]["rows"]
    contradictory = 0
    for row in rows:
        rules = [_golden_rule(made, f"r{index}") for index, made in enumerate(row["rules"])]
        joint = Joint(rule_set(rules))
        legs = [_golden_side(leg) for leg in row["legs"]]
        if row["worlds"] == 0:
            contradictory += 1
            assert joint.contradictions(), row
            continue
        assert not joint.contradictions()
        found = joint.bounds(legs, Bounds(0, len(legs)))
        assert (found.floor, found.ceiling) == (row["floor"], row["ceiling"]), row
    assert len(rows) == 100
    assert contradictory == 8  # the vectors' page speaks of 12; so many rows have no world


def _golden_side(side) -> Proposition:
    return Proposition(InstrumentId("sim", side[0]), Outcome(side[1]))


def _golden_rule(made, name):
    match made["type"]:
        case "bucket":
            label = Label.EXHAUSTIVE if made["exhaustive"] else Label.NON_EXHAUSTIVE
            return bucket([_golden_side(side) for side in made["legs"]], label, name=name)
        case "tree":
            bits = TreeBits(made["cover"], made["exclusive"], made["nested"])
            return tree(_golden_side(made["parent"]), [_golden_side(side) for side in made["children"]], bits, name)
        case "implication":
            return ladder([_golden_side(made["left"]), _golden_side(made["right"])], name)
        case relation:
            return pair(Relation(relation), _golden_side(made["left"]), _golden_side(made["right"]), name)


def test_fifteen_legs_of_a_twenty_way_bucket_pay_nothing_for_sure() -> None:
    """The original priced them at 1 as soon as more than 14 markets hung together (arb 20, W-04)."""
    rule = bucket([proposition(number) for number in range(20)])
    legs = list(rule.members[:15])
    assert Joint(rule_set([rule])).bounds(legs, bucket_bounds(rule, 15, YES)) == (0, 1, "own rule")
    assert Joint(rule_set([rule])).bounds(rule.members, Bounds(0, 20)).floor == 1


def test_more_than_fourteen_propositions_are_exact_where_their_worlds_are_few() -> None:
    """Two venues' buckets of twenty, matched one by one: 21 worlds; all NOs of one and all YES of the other pay 20."""
    here = [proposition(number) for number in range(20)]
    there = [proposition(100 + number) for number in range(20)]
    pairs = [pair(Relation.EQUIVALENT, a, b, f"p{a.market.symbol}") for a, b in zip(here, there, strict=True)]
    joint = Joint(rule_set([bucket(here, Label.NON_EXHAUSTIVE), *pairs]))
    legs = [*(taken.negation for taken in here), *there]
    assert joint.bounds(legs, Bounds(19, 40)) == (20, 20, "all rules together")
    assert len(joint.worlds(market(0)).yes) == 21


def test_too_many_worlds_leave_the_own_rule() -> None:
    rule = tree(proposition(0), [proposition(number) for number in range(1, 21)], TreeBits(cover=True))
    legs = [proposition(0, NO), *rule.children]
    found = Joint(rule_set([rule])).bounds(legs, Bounds(1, 21))
    assert found == (1, 21, "own rule: too many worlds together")


def test_fourteen_propositions_are_always_enumerated() -> None:
    """The loosest rule there is leaves all but a few of 2^14 worlds; one market more may be too many (arb 4.6)."""
    for children, whole in ((13, True), (14, False)):
        names = [proposition(number) for number in range(children + 1)]
        joint = Joint(rule_set([tree(names[0], names[1:], TreeBits(cover=True))]))
        assert joint.worlds(market(0)).whole is whole
        if whole:
            assert len(joint.worlds(market(0)).yes) == 2**14 - 1


def test_a_component_of_a_thousand_markets_is_bounded_and_falls_back() -> None:
    chained = [
        tree(proposition(10 * n), [proposition(10 * n + k) for k in range(1, 11)], TreeBits(cover=True), name=f"t{n}")
        for n in range(100)
    ]
    joint = Joint(rule_set(chained))
    assert len(joint.component(market(5)).markets) == 1_001
    found = joint.bounds([proposition(0, NO), *chained[0].children], Bounds(1, 11))
    assert found == (1, 11, "own rule: too many worlds together")
    assert not joint.contradictions(), "a world was found, so nothing contradicts"
    assert 0 < len(joint.worlds(market(0)).yes) <= 128


def test_a_contradiction_blocks_and_names_the_rules_that_clash() -> None:
    a, b, c = (proposition(number) for number in range(3))
    rules = [
        pair(Relation.EQUIVALENT, a, b, "same"),
        bucket([b, c], name="far"),
        pair(Relation.COMPLEMENT, a, b, "other"),
    ]
    joint = Joint(rule_set(rules))
    (found,) = joint.contradictions()
    assert set(found.groups) == {"same", "other"}
    assert {taken.symbol for taken in found.markets} == {"M0", "M1", "M2"}
    assert joint.bounds([a, c], Bounds(1, 2)) is None


def test_a_fallback_pair_carries_no_other_floor_and_can_still_contradict() -> None:
    a, b, c = (proposition(number) for number in range(3))
    weak = [PairRule(**{**_fields(pair(Relation.EQUIVALENT, a, b)), "tier": Tier.FALLBACK})]
    joint = Joint(rule_set([*weak, bucket([a, c])]))
    assert joint.bounds([b, c], Bounds(0, 2)) == (0, 2, "own rule")
    assert joint.bounds([a, b.negation], Bounds(1, 1)).floor == 1
    assert Joint(rule_set([*weak, pair(Relation.COMPLEMENT, a, b)])).contradictions()
    nobody = [PairRule(**{**_fields(pair(Relation.EQUIVALENT, a, b)), "tier": Tier.UNVERIFIED})]
    assert not Joint(rule_set([*nobody, pair(Relation.COMPLEMENT, a, b)])).contradictions()


def _fields(rule) -> dict:
    return {name: getattr(rule, name) for name in rule.__struct_fields__}


def test_new_labels_give_new_floors(monkeypatch) -> None:
    """Nothing is kept over a reload (W-13), and what is kept is bounded."""
    rule = bucket([proposition(number) for number in range(3)])
    weaker = bucket(rule.members, Label.UNKNOWN)
    own = Bounds(0, 3)
    assert Joint(rule_set([rule])).bounds(rule.members, own).floor == 1
    assert Joint(rule_set([weaker])).bounds(rule.members, own).floor == 0
    monkeypatch.setattr("millrace.strategies.arb.rules.joint.MOST_KEPT", 2)
    joint = Joint(rule_set([rule]))
    for number in range(9):
        joint.bounds([proposition(number)], Bounds(0, 1))
    assert len(joint._bounds) == 2


def test_a_blocked_rule_proves_nothing_and_contradicts_nothing() -> None:
    a, b, c = (proposition(number) for number in range(3))
    rules = rule_set([bucket([b, c]), pair(Relation.EQUIVALENT, a, b, "same")])
    assert Joint(rules).bounds([a, c], Bounds(0, 2)).floor == 1
    without = Joint(rules, {"same"})
    assert without.bounds([a, c], Bounds(0, 2)).floor == 0
    assert without.version not in {rules.version, Joint(rules, {"other"}).version}
    assert Joint(rules, frozenset()).version == rules.version
    clash = rule_set([pair(Relation.COMPLEMENT, a, b, "other"), pair(Relation.EQUIVALENT, a, b, "same")])
    assert Joint(clash).contradictions()
    assert not Joint(clash, {"same"}).contradictions()
