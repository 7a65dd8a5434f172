"""What a basket pays at least and at most, in closed form, for each structure and each label (arb 4.1 to 4.5).

A payout is counted in winning contracts per basket. Only the floor may carry an edge, a size or a risk; the ceiling is
for people. A rule supports what holds in the weakest reading of its label: a bucket whose exclusivity nobody confirmed
permits every world, and then no basket of it pays anything for sure. Outcomes are those of propositions, so a rule that
refers to a NO side needs no case of its own. `worlds.enumerate_bounds` finds the same numbers by trying every world.
"""

from typing import NamedTuple

from millrace.core.instrument import Outcome
from millrace.strategies.arb.rules.records import BucketRule, Label, Relation, TreeRule


class Bounds(NamedTuple):
    """The least and the most winning contracts of one basket over all permitted worlds."""

    floor: int
    ceiling: int


_YES, _NO = Outcome.YES, Outcome.NO
_PERMITTED = {
    Relation.EQUIVALENT: ((0, 0), (1, 1)),
    Relation.COMPLEMENT: ((0, 1), (1, 0)),
    Relation.IMPLIES: ((0, 0), (0, 1), (1, 1)),
    Relation.EXCLUSIVE: ((0, 0), (0, 1), (1, 0)),
    Relation.COVER: ((0, 1), (1, 0), (1, 1)),
    Relation.NONE: ((0, 0), (0, 1), (1, 0), (1, 1)),
}
"""The worlds (a, b) of two propositions that each relation permits (arb 4.1)."""
INTRA = Bounds(1, 1)
"""Both outcomes of one market: a complement of a market with itself (arb 4.1)."""


def _pair(relation: Relation, left: Outcome, right: Outcome) -> Bounds:
    paid = [(a == (left is _YES)) + (b == (right is _YES)) for a, b in _PERMITTED[relation]]
    return Bounds(min(paid), max(paid))


_PAIRS = {(rel, a, b): _pair(rel, a, b) for rel in Relation for a in Outcome for b in Outcome}


def pair_bounds(relation: Relation, left: Outcome, right: Outcome) -> Bounds:
    """Return what one contract of each of two propositions pays, bought on these outcomes (arb 4.1)."""
    return _PAIRS[relation, left, right]


def implication_bounds(stronger: Outcome, weaker: Outcome) -> Bounds:
    """Return what two rungs of a ladder pay; NO of the stronger and YES of the weaker have a floor of 1 (arb 4.5)."""
    return _PAIRS[Relation.IMPLIES, stronger, weaker]


def bucket_bounds(rule: BucketRule, taken: int, outcome: Outcome) -> Bounds:
    """Return what `taken` (>= 1) different members pay, each bought on `outcome` (arb 4.2).

    All YES pay 1 only when exactly one member can be true and all are bought; any `k` NOs pay `k - 1` as soon as
    exclusivity is confirmed.
    """
    if not rule.exclusive:
        return Bounds(0, taken)
    whole = rule.label is Label.EXHAUSTIVE and taken == len(rule.members)
    won = Bounds(int(whole), 1)
    return won if outcome is _YES else Bounds(taken - won.ceiling, taken - won.floor)


def tree_bounds(rule: TreeRule, taken: int, parent: Outcome) -> Bounds:
    """Return what the parent on outcome `parent` and `taken` (>= 1) children on the other one pay (arb 4.3, 4.4).

    NO of the parent and YES of the children need cover and every child. YES of the parent and NO of the children need
    exclusive and nested, and keep a floor of as many children as are bought.
    """
    bits = rule.bits
    covered = bits.cover and taken == len(rule.children)
    most = 1 if bits.exclusive else taken
    if parent is _NO:
        return Bounds(int(covered), max(1, most) if bits.nested else 1 + most)
    ceiling = taken if covered else taken + 1
    if bits.nested:
        return Bounds(taken + 1 - most, ceiling)
    return Bounds(taken - most, ceiling)
