"""The closed forms of payout floors against brute force over every permitted world (arb 4, 21.1)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb_rules import NO, YES, bucket, ladder, outcomes, paid, proposition, systems, tree, tree_bits, worlds
from millrace.core.instrument import Outcome
from millrace.strategies.arb.rules.constraints import counts_of
from millrace.strategies.arb.rules.floors import (
    INTRA,
    Bounds,
    bucket_bounds,
    implication_bounds,
    pair_bounds,
    tree_bounds,
)
from millrace.strategies.arb.rules.records import Label, Relation, TreeBits
from millrace.strategies.arb.rules.worlds import enumerate_bounds


def by_force(count, rules, legs) -> Bounds:
    found = [paid(values, legs) for values in worlds(count, rules)]
    return Bounds(min(found), max(found))


@given(st.integers(2, 6), st.sampled_from(list(Label)), st.booleans(), outcomes, st.data())
def test_buckets(n, label, exclusive, outcome, data) -> None:
    sides = data.draw(st.lists(outcomes, min_size=n, max_size=n))
    members = [proposition(number, side) for number, side in enumerate(sides)]
    taken = data.draw(st.integers(1, n))
    legs = [member if outcome is YES else member.negation for member in members[:taken]]
    rule = bucket(members, label, exclusive=exclusive)
    assert bucket_bounds(rule, taken, outcome) == by_force(n, [rule], legs)
    assert enumerate_bounds(counts_of(rule), legs) == by_force(n, [rule], legs)


@given(st.integers(2, 5), tree_bits, outcomes, st.data())
def test_trees_whole_and_partial(n, bits, side, data) -> None:
    sides = data.draw(st.lists(outcomes, min_size=n + 1, max_size=n + 1))
    parent, *children = [proposition(number, made) for number, made in enumerate(sides)]
    taken = data.draw(st.integers(1, n))
    rule = tree(parent, children, bits)
    turned = [child.negation if side is YES else child for child in children[:taken]]
    legs = [parent if side is YES else parent.negation, *turned]
    assert tree_bounds(rule, taken, side) == by_force(n + 1, [rule], legs)
    assert enumerate_bounds(counts_of(rule), legs) == by_force(n + 1, [rule], legs)


@pytest.mark.parametrize(
    ("relation", "floors"),
    [
        (Relation.EQUIVALENT, (0, 1, 1, 0)),
        (Relation.COMPLEMENT, (1, 0, 0, 1)),
        (Relation.IMPLIES, (0, 0, 1, 0)),
        (Relation.EXCLUSIVE, (0, 0, 0, 1)),
        (Relation.COVER, (1, 0, 0, 0)),
        (Relation.NONE, (0, 0, 0, 0)),
    ],
)
def test_pairs_as_in_the_table_of_4_1(relation, floors) -> None:
    sides = [(YES, YES), (YES, NO), (NO, YES), (NO, NO)]
    assert tuple(pair_bounds(relation, a, b).floor for a, b in sides) == floors


def test_intra_is_a_complement_of_a_market_with_itself() -> None:
    assert pair_bounds(Relation.COMPLEMENT, YES, YES) == INTRA == Bounds(1, 1)


@given(st.integers(2, 6), st.data())
def test_any_two_rungs_of_a_ladder(n, data) -> None:
    rungs = [proposition(number, data.draw(outcomes)) for number in range(n)]
    low, high = sorted(data.draw(st.lists(st.integers(0, n - 1), min_size=2, max_size=2, unique=True)))
    for a in Outcome:
        for b in Outcome:
            legs = [
                rungs[low] if a is YES else rungs[low].negation,
                rungs[high] if b is YES else rungs[high].negation,
            ]
            assert implication_bounds(a, b) == by_force(n, [ladder(rungs)], legs)


@given(systems(), st.data())
def test_enumeration_of_any_rules_together(system, data) -> None:
    count, rules = system
    legs = [
        proposition(number, data.draw(outcomes))
        for number in data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True))
    ]
    permitted = worlds(count, rules)
    found = enumerate_bounds([made for rule in rules for made in counts_of(rule)], legs)
    if permitted:
        assert found == by_force(count, rules, legs)
    else:
        assert found is None


def test_golden_payout_floors(shared) -> None:
    rows = json.loads((shared / "golden/arb.json").read_bytes())["payout_floors"]
    assert len(rows) == 144
    for row in rows:
        found = _golden(row)
        assert found.floor == row["floor"], row
        assert found.ceiling == row.get("ceiling", found.ceiling), row


def _golden(row) -> Bounds:
    match row["structure"]:
        case "bucket":
            label = Label.UNKNOWN if row["label"] == "none" else Label(row["label"])
            rule = bucket([proposition(number) for number in range(row["n"])], label, exclusive=row["exclusive"])
            return bucket_bounds(rule, row["n"], YES if row["basket"] == "all_yes" else NO)
        case "event_tree":
            bits = TreeBits(row["children_cover_parent"], row["children_exclusive"], row["child_implies_parent"])
            rule = tree(proposition(0), [proposition(number) for number in range(1, row["n"] + 1)], bits)
            return tree_bounds(rule, row["n"], NO if row["basket"] == "parent_no_children_yes" else YES)
        case _:
            left, right = (Outcome(side.partition("_")[2]) for side in row["basket"].split("+"))
            return pair_bounds(_RELATIONS[row["relation"]], left, right)


_RELATIONS = {
    "equivalent": Relation.EQUIVALENT,
    "complement": Relation.COMPLEMENT,
    "implication_a_to_b": Relation.IMPLIES,
    "exclusive_pair": Relation.EXCLUSIVE,
    "cover_pair": Relation.COVER,
    "independent": Relation.NONE,
}
