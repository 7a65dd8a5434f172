"""Why the event trees make no baskets: no rule, books that are missing, or something that forbids them (arb 5).

A lane without input looks exactly like a market without opportunities, and for one bot it was: it never had a tree
(arb 20, W-39). So each family of markets that a venue links is named with what it lacks.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, NamedTuple

from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.rules.records import RuleSet, TreeRule

_MOST_SHOWN = 10


class TreeState(StrEnum):
    """What stands between a family of markets and its baskets."""

    RULE_MISSING = "rule_missing"
    QUOTE_MISSING = "quote_missing"
    GATED = "gated"
    READY = "ready"


class TreeDiagnosis(NamedTuple):
    """One parent with its state; `missing` are the markets without a book, `reason` what forbids its baskets."""

    parent: InstrumentId
    state: TreeState
    missing: tuple[InstrumentId, ...] = ()
    reason: str = ""


def diagnose_trees(
    facts: Iterable[MarketFacts],
    rules: RuleSet,
    quoted: Callable[[InstrumentId], bool],
    gated: Callable[[TreeRule], str] = lambda _: "",
) -> tuple[TreeDiagnosis, ...]:
    """Return each tree of the rules, then each family that a venue links and no rule speaks of.

    `quoted` tells whether a market has a book, `gated` why a rule's baskets are forbidden, empty when they are not.
    """
    found = [_of_rule(rule, quoted, gated) for rule in rules.trees]
    ruled = {rule.parent.market for rule in rules.trees}
    linked = dict.fromkeys(InstrumentId(fact.market.venue, fact.parent) for fact in facts if fact.parent)
    missing = (TreeDiagnosis(parent, TreeState.RULE_MISSING) for parent in linked if parent not in ruled)
    return (*found, *missing)


def tree_status(trees: Iterable[TreeDiagnosis]) -> dict[str, Any]:
    """Return how many families are in each state, and the first of those that lack something, for people."""
    found = tuple(trees)
    lacking = [one for one in found if one.state is not TreeState.READY]
    return {
        "states": dict(sorted(Counter(one.state.value for one in found).items())),
        "lacking": [
            {
                "parent": str(one.parent),
                "state": one.state.value,
                "missing": list(map(str, one.missing)),
                "reason": one.reason,
            }
            for one in lacking[:_MOST_SHOWN]
        ],
    }


def _of_rule(rule: TreeRule, quoted: Callable[[InstrumentId], bool], gated: Callable[[TreeRule], str]) -> TreeDiagnosis:
    parent = rule.parent.market
    reason = gated(rule) or ("" if any(rule.bits) else "no_bit_is_known")
    if reason:
        return TreeDiagnosis(parent, TreeState.GATED, reason=reason)
    unseen = tuple(taken.market for taken in (rule.parent, *rule.children) if not quoted(taken.market))
    return TreeDiagnosis(parent, TreeState.QUOTE_MISSING if unseen else TreeState.READY, unseen)
