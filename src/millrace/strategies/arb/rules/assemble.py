"""Puts rules together into one set: duplicates and rules that deny each other go out, the rest gets its version.

Rules come from files, from the mapping and from approved proposals, and meet here, so that what contradicts across
sources is found as well as what contradicts within one. A pair claimed to be the same and to be opposite is a mistake
with money in it: both claims are blocked, and the rejection is severe (arb 1, 5).
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import TypeVar

import msgspec

from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.model import Proposition
from millrace.strategies.arb.rules.file_format import BUCKETS, LADDERS, PAIRS, TREES, Reason
from millrace.strategies.arb.rules.records import (
    BucketRule,
    ImplicationRule,
    PairRule,
    Rejection,
    Relation,
    RuleSet,
    TreeRule,
)

_Rule = TypeVar("_Rule", BucketRule, TreeRule, ImplicationRule, PairRule)
_VERSION_DIGITS = 16
MarketKey = tuple[str, str]


def market_key(market: InstrumentId) -> MarketKey:
    """Return the form of a market's name that is compared: stripped, in lower case (arb 1)."""
    return market.venue.strip().lower(), market.symbol.strip().lower()


def pair_key(pair: PairRule) -> tuple[tuple[MarketKey, MarketKey], bool]:
    """Return the two markets of a pair in their order, and whether their YES propositions are the same."""
    first, second = sorted((market_key(pair.left.market), market_key(pair.right.market)))
    turned = (pair.left.outcome is Outcome.NO) != (pair.right.outcome is Outcome.NO)
    return (first, second), (pair.relation is Relation.EQUIVALENT) != turned


def rule_set(
    buckets: Iterable[BucketRule] = (),
    trees: Iterable[TreeRule] = (),
    implications: Iterable[ImplicationRule] = (),
    pairs: Iterable[PairRule] = (),
    rejected: Iterable[Rejection] = (),
) -> RuleSet:
    """Return the rules that may stand together; the others join `rejected`. The version is a hash of what is taken."""
    out = list(rejected)
    kept_buckets = _unlike(buckets, BUCKETS, lambda rule: _keys(rule.members), out)
    kept_trees = _unlike(trees, TREES, lambda rule: _keys((rule.parent, *rule.children)), out)
    kept_ladders = _unlike(implications, LADDERS, lambda rule: _keys(rule.chain), out)
    kept_trees = _outside_buckets(kept_trees, kept_buckets, out)
    kept_pairs = _unlike(_undisputed(list(pairs), out), PAIRS, lambda rule: (pair_key(rule), rule.mapped), out)
    parts = (kept_buckets, kept_trees, kept_ladders, kept_pairs)
    version = sha256(msgspec.msgpack.encode([sorted(map(msgspec.msgpack.encode, part)) for part in parts])).hexdigest()
    return RuleSet(
        version=version[:_VERSION_DIGITS],
        buckets=tuple(kept_buckets),
        trees=tuple(kept_trees),
        implications=tuple(kept_ladders),
        pairs=tuple(kept_pairs),
        rejected=tuple(out),
    )


def joined(rules: RuleSet, more: RuleSet) -> RuleSet:
    """Return two sets as one, each checked against the other."""
    return rule_set(
        (*rules.buckets, *more.buckets),
        (*rules.trees, *more.trees),
        (*rules.implications, *more.implications),
        (*rules.pairs, *more.pairs),
        (*rules.rejected, *more.rejected),
    )


def in_force(rules: RuleSet, now_ns: int) -> RuleSet:
    """Return the rules whose validity has not ended; the same set when that is all of them."""
    parts = (rules.buckets, rules.trees, rules.implications, rules.pairs)
    if all(rule.valid_until_ns is None or rule.valid_until_ns > now_ns for part in parts for rule in part):
        return rules
    out = list(rules.rejected)
    return rule_set(
        _valid(rules.buckets, BUCKETS, now_ns, out),
        _valid(rules.trees, TREES, now_ns, out),
        _valid(rules.implications, LADDERS, now_ns, out),
        _valid(rules.pairs, PAIRS, now_ns, out),
        out,
    )


def _valid(rules: Iterable[_Rule], section: str, now_ns: int, out: list[Rejection]) -> list[_Rule]:
    kept = []
    for rule in rules:
        if rule.valid_until_ns is None or rule.valid_until_ns > now_ns:
            kept.append(rule)
        else:
            out.append(Rejection(section, rule.group_id, Reason.EXPIRED, "its validity ended; approve it anew"))
    return kept


def _keys(propositions: Iterable[Proposition]) -> frozenset[tuple[MarketKey, Outcome]]:
    return frozenset((market_key(taken.market), taken.outcome) for taken in propositions)


def _unlike(
    rules: Iterable[_Rule], section: str, signature: Callable[[_Rule], object], out: list[Rejection]
) -> list[_Rule]:
    """Return the first rule of each signature."""
    first: dict[object, _Rule] = {}
    for rule in rules:
        known = first.setdefault(signature(rule), rule)
        if known is not rule:
            text = f"says of the same propositions what {known.group_id} says; delete one"
            out.append(Rejection(section, rule.group_id, Reason.DUPLICATE_SIGNATURE, text))
    return list(first.values())


def _undisputed(pairs: Sequence[PairRule], out: list[Rejection]) -> list[PairRule]:
    """Return the pairs whose markets nobody claims to be both the same and opposite."""
    claims: dict[tuple[MarketKey, MarketKey], dict[bool, str]] = {}
    for pair in pairs:
        markets, same = pair_key(pair)
        claims.setdefault(markets, {}).setdefault(same, pair.group_id)
    kept = []
    for pair in pairs:
        markets, same = pair_key(pair)
        other = claims[markets].get(not same)
        if other is None:
            kept.append(pair)
            continue
        text = f"says that {pair.left.market} and {pair.right.market} are {'the same' if same else 'opposite'}, and "
        text += f"{other} says the contrary; neither is used until one is deleted"
        out.append(Rejection(PAIRS, pair.group_id, Reason.CONTRADICTORY, text))
    return kept


def _outside_buckets(trees: Sequence[TreeRule], buckets: Sequence[BucketRule], out: list[Rejection]) -> list[TreeRule]:
    """Return the trees that are not wholly members of one exclusive bucket, where no child could imply its parent."""
    holders: dict[tuple[MarketKey, Outcome], set[int]] = {}
    for number, bucket in enumerate(buckets):
        for key in _keys(bucket.members) if bucket.exclusive else ():
            holders.setdefault(key, set()).add(number)
    kept = []
    for tree in trees:
        common = set.intersection(*(holders.get(key, set()) for key in _keys((tree.parent, *tree.children))))
        if common:
            text = f"lies inside the exclusive bucket {buckets[min(common)].group_id}; only one of them is right"
            out.append(Rejection(TREES, tree.group_id, Reason.TREE_INSIDE_BUCKET, text))
        else:
            kept.append(tree)
    return kept
