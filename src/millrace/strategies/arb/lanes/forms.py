"""The baskets that each rule makes: which outcomes are bought, and what they pay at least (arb 3, 4).

A form is a basket without prices. Either every leg is bought, or the best subset of its legs, with a fixed first leg
where an event tree has its parent. Only forms whose floor is proved exist, so a rule without a label makes few or none,
and no later step can price a payout that nobody proved. Dominated baskets are left out: where the children of a tree
are exclusive but not nested, the parent's YES adds cost and no floor to their NOs, which are bought without it; where
they are nested but not exclusive, one child's NO does the work of all.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from millrace.core.instrument import Outcome
from millrace.strategies.arb.model import Lane, Proposition, Tier
from millrace.strategies.arb.rules.floors import bucket_bounds, implication_bounds, pair_bounds, tree_bounds
from millrace.strategies.arb.rules.records import (
    BucketRule,
    ImplicationRule,
    PairRule,
    Provenance,
    Relation,
    RuleSet,
    TreeRule,
)

YES, NO = Outcome.YES, Outcome.NO
_RELATIONS = {Relation.EQUIVALENT: "eq", Relation.COMPLEMENT: "cmp"}
_FLIPPED = {"eq": "cmp", "cmp": "eq"}


class Choice(StrEnum):
    """Which of a form's legs are bought."""

    ALL = "all"
    BEST = "best"
    BEST_WITH_ANCHOR = "best_with_anchor"


class Form(NamedTuple):
    """A basket without prices: slots are those of outcomes (twice the market's number, plus one for NO).

    With `Choice.ALL` it pays `floor`; else `k` legs pay `k + floor`, the anchor not counted. `proof` names the label.
    """

    lane: Lane
    choice: Choice
    legs: tuple[int, ...]
    floor: int
    proof: str
    rule: str = ""
    label: str = ""
    relation: str = ""
    tier: Tier = Tier.NONE
    anchor: int = -1
    valid_until_ns: int | None = None
    aliases: tuple[Lane, ...] = ()


Find = Callable[[Proposition], int]
"""The outcome slot of a proposition; -1 when its market is not among the facts."""


def rule_forms(rules: RuleSet, find: Find) -> Iterator[Form]:
    """Yield the forms of all rules, in their order; a form that needs an unknown market is not made."""
    for bucket in rules.buckets:
        yield from _bucket(bucket, find)
    for tree in rules.trees:
        yield from _tree(tree, find)
    for ladder in rules.implications:
        yield from _ladder(ladder, find)
    for pair in rules.pairs:
        if pair.relation not in _RELATIONS:
            yield from _one_way(pair, find)


def _known(find: Find, propositions: tuple[Proposition, ...]) -> tuple[int, ...]:
    return tuple(slot for slot in map(find, propositions) if slot >= 0)


def _bucket(rule: BucketRule, find: Find) -> Iterator[Form]:
    slots = _known(find, rule.members)
    label, whole = rule.label.value, len(slots) == len(rule.members)
    floor = bucket_bounds(rule, len(rule.members), YES).floor
    if whole and floor > 0:
        yield Form(
            *(Lane.BUCKET, Choice.ALL, slots, floor, f"bucket {label}, all yes"),
            *(rule.group_id, label), valid_until_ns=rule.valid_until_ns,
        )  # fmt: skip
    if len(slots) > 1 and bucket_bounds(rule, 2, NO).floor > 0:
        yield Form(
            *(Lane.BUCKET, Choice.BEST, tuple(slot ^ 1 for slot in slots), -1, "bucket exclusive, all no"),
            *(rule.group_id, label), valid_until_ns=rule.valid_until_ns,
        )  # fmt: skip


def _tree(rule: TreeRule, find: Find) -> Iterator[Form]:
    parent, children = find(rule.parent), _known(find, rule.children)
    count, until_ns = len(rule.children), rule.valid_until_ns
    named = (rule.group_id, rule.label.value)
    if parent >= 0 and len(children) == count and tree_bounds(rule, count, NO).floor > 0:
        legs = (parent ^ 1, *children)
        yield Form(Lane.EVENT_TREE, Choice.ALL, legs, 1, "tree cover, parent no", *named, valid_until_ns=until_ns)
    no_children = tuple(child ^ 1 for child in children)
    if rule.bits.nested and parent >= 0:
        if rule.bits.exclusive and no_children:
            yield Form(
                *(Lane.EVENT_TREE, Choice.BEST_WITH_ANCHOR, no_children, 0, "tree exclusive nested, parent yes"),
                *named, anchor=parent, valid_until_ns=until_ns,
            )  # fmt: skip
        else:
            for child in no_children:
                legs = (parent, child)
                proof = "tree nested, parent yes"
                yield Form(Lane.EVENT_TREE, Choice.ALL, legs, 1, proof, *named, valid_until_ns=until_ns)
    if rule.bits.exclusive and len(no_children) > 1:
        proof = "tree exclusive, children no"
        yield Form(Lane.EVENT_TREE, Choice.BEST, no_children, -1, proof, *named, valid_until_ns=until_ns)


def _ladder(rule: ImplicationRule, find: Find) -> Iterator[Form]:
    floor = implication_bounds(NO, YES).floor
    for number, rungs in enumerate(pairwise(rule.chain)):
        stronger, weaker = map(find, rungs)
        if stronger >= 0 and weaker >= 0:
            name = rule.step_id(number)
            legs = (stronger ^ 1, weaker)
            yield Form(
                *(Lane.IMPLICATION, Choice.ALL, legs, floor, "implication", name),
                relation=Relation.IMPLIES.value, valid_until_ns=rule.valid_until_ns,
            )  # fmt: skip


def _one_way(rule: PairRule, find: Find) -> Iterator[Form]:
    """Yield what a relation other than equality or complement makes: one basket, or none (arb 4.1)."""
    left, right = find(rule.left), find(rule.right)
    if min(left, right) < 0 or left >> 1 == right >> 1:
        return
    for one in (YES, NO):
        for other in (YES, NO):
            floor = pair_bounds(rule.relation, one, other).floor
            if floor > 0:
                legs = (left ^ (one is NO), right ^ (other is NO))
                word = rule.relation.value
                yield Form(
                    *(Lane.IMPLICATION, Choice.ALL, legs, floor, f"pair {word}", rule.group_id),
                    relation=word, tier=rule.tier, valid_until_ns=rule.valid_until_ns,
                )  # fmt: skip


class Pair(NamedTuple):
    """Two markets under one relation of their YES outcomes, with the rule that vouches best and the others' lanes."""

    rule: PairRule
    left: int
    right: int
    relation: str
    aliases: tuple[Lane, ...]


def _lane(rule: PairRule) -> Lane:
    return Lane.CROSS if rule.mapped else Lane.PARITY


def _standing(rule: PairRule) -> int:
    """Rank who vouches: a person's parity, a strict map, any other parity, a fallback map, nobody (arb 13)."""
    if not rule.mapped:
        return 0 if rule.source in {Provenance.HUMAN, Provenance.CURATED} else 2
    return {Tier.STRICT: 1, Tier.FALLBACK: 3}.get(rule.tier, 4)


def pairs_of(rules: RuleSet, find: Find) -> tuple[list[Pair], list[str]]:
    """Return one pair per two markets and relation, and the names of rules that contradict each other.

    Two markets said to be equal and opposite are neither: both rules are left out (arb 1).
    """
    found: dict[tuple[int, int], dict[str, list[PairRule]]] = {}
    for rule in rules.pairs:
        left, right = find(rule.left), find(rule.right)
        if rule.relation not in _RELATIONS or min(left, right) < 0 or left >> 1 == right >> 1:
            continue
        relation = _RELATIONS[rule.relation]
        if (left ^ right) & 1:
            relation = _FLIPPED[relation]
        markets = (min(left, right) & ~1, max(left, right) & ~1)
        found.setdefault(markets, {}).setdefault(relation, []).append(rule)
    pairs, contradictory = [], []
    for (left, right), relations in found.items():
        if len(relations) > 1:
            contradictory += [rule.group_id for group in relations.values() for rule in group]
            continue
        for relation, group in relations.items():
            ranked = sorted(group, key=lambda rule: (_standing(rule), rule.group_id))
            own = _lane(ranked[0])
            aliases = sorted({_lane(rule) for rule in ranked} - {own}, key=list(Lane).index)
            pairs.append(Pair(ranked[0], left, right, relation, tuple(aliases)))
    return pairs, sorted(contradictory)


def pair_forms(pair: Pair) -> Iterator[Form]:
    """Yield both directions of a pair, each a form of its own that needs only its two prices (arb 3)."""
    rule = pair.rule
    relation = Relation.EQUIVALENT if pair.relation == "eq" else Relation.COMPLEMENT
    for left in (YES, NO):
        for right in (YES, NO):
            floor = pair_bounds(relation, left, right).floor
            if floor > 0:
                legs = (pair.left + (left is NO), pair.right + (right is NO))
                yield Form(
                    *(_lane(rule), Choice.ALL, legs, floor, f"pair {pair.relation}", rule.group_id),
                    relation=pair.relation, tier=rule.tier, valid_until_ns=rule.valid_until_ns, aliases=pair.aliases,
                )  # fmt: skip
