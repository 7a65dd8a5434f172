"""Every rule as counts: of these propositions at least so many and at most so many are true.

One form for all rules lets the joint floor, the search for contradictions and the combination lane share one reading of
a label (arb 4.6). The counts are as tight as the label allows: exclusive and nested children give one count with the
parent, without which a linear relaxation of the same tree would prove less than its table (arb 4.3).
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from millrace.strategies.arb.model import Proposition
from millrace.strategies.arb.rules.records import (
    BucketRule,
    ImplicationRule,
    Label,
    PairRule,
    Relation,
    RuleSet,
    TreeRule,
)

Rule = BucketRule | TreeRule | ImplicationRule | PairRule


class Count(NamedTuple):
    """At least `low` and at most `high` of `members` are true."""

    members: tuple[Proposition, ...]
    low: int
    high: int


def counts_of(rule: Rule) -> tuple[Count, ...]:
    """Return what a rule claims in the weakest reading of its label; nothing for one that nobody vouches for."""
    match rule:
        case BucketRule():
            if not rule.exclusive:
                return ()
            return (Count(rule.members, int(rule.label is Label.EXHAUSTIVE), 1),)
        case TreeRule():
            return tuple(_tree(rule))
        case ImplicationRule():
            return tuple(_implies(stronger, weaker) for stronger, weaker in pairwise(rule.chain))
        case PairRule():
            return pair_counts(rule.relation, rule.left, rule.right)


def pair_counts(relation: Relation, left: Proposition, right: Proposition) -> tuple[Count, ...]:
    """Return what a relation of two propositions claims (arb 4.1)."""
    match relation:
        case Relation.EQUIVALENT:
            return (Count((left.negation, right), 1, 1),)
        case Relation.COMPLEMENT:
            return (Count((left, right), 1, 1),)
        case Relation.IMPLIES:
            return (_implies(left, right),)
        case Relation.EXCLUSIVE:
            return (Count((left, right), 0, 1),)
        case Relation.COVER:
            return (Count((left, right), 1, 2),)
        case Relation.NONE:
            return ()


def rules_of(rules: RuleSet) -> tuple[Rule, ...]:
    """Return all rules in their order: buckets, trees, ladders, pairs."""
    return (*rules.buckets, *rules.trees, *rules.implications, *rules.pairs)


def propositions_of(rule: Rule) -> tuple[Proposition, ...]:
    """Return what a rule speaks of, in its order."""
    match rule:
        case BucketRule():
            return rule.members
        case TreeRule():
            return (rule.parent, *rule.children)
        case ImplicationRule():
            return rule.chain
        case PairRule():
            return (rule.left, rule.right)


def _tree(rule: TreeRule) -> Iterator[Count]:
    bits, not_parent = rule.bits, rule.parent.negation
    if bits.exclusive and bits.nested:
        yield Count((not_parent, *rule.children), int(bits.cover), 1)
        return
    if bits.cover:
        yield Count((not_parent, *rule.children), 1, len(rule.children) + 1)
    if bits.exclusive:
        yield Count(rule.children, 0, 1)
    if bits.nested:
        for child in rule.children:
            yield _implies(child, rule.parent)


def _implies(stronger: Proposition, weaker: Proposition) -> Count:
    return Count((stronger.negation, weaker), 1, 2)
