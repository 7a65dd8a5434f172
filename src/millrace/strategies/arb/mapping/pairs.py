"""The pairs of a mapping as the desk follows them: resolved to markets, with what speaks for and against each.

A row over k venues is k(k-1)/2 pairs, each checked by itself, so that one bad venue does not take the others along
(arb 14.4). What is kept of a pair between two looks is in one record and nowhere else.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

import msgspec

from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.mapping.paired_mids import PairedMids
from millrace.strategies.arb.mapping.qa import MarketIndex
from millrace.strategies.arb.mapping.records import (
    Check,
    Effect,
    Finding,
    MappingRef,
    MappingRow,
    Severity,
)
from millrace.strategies.arb.mapping.settings import MappingSettings
from millrace.strategies.arb.mapping.tiers import Comparison, Standing, compare
from millrace.strategies.arb.model import MarketFacts, Proposition, Tier
from millrace.strategies.arb.rules.records import PairRule, Relation


class MappedPair:
    """One pair of refs of a row, under an id that no other pair has."""

    __slots__ = (
        "comparison", "left", "left_ref", "mids", "pair_id", "right", "right_ref", "row", "standing", "unresolved",
    )  # fmt: skip

    def __init__(self, pair_id: str, row: MappingRow, left: MappingRef, right: MappingRef) -> None:
        self.pair_id = pair_id
        self.row = row
        self.left_ref, self.right_ref = left, right
        self.mids = PairedMids()
        self.left: MarketFacts | None = None
        self.right: MarketFacts | None = None
        self.unresolved: tuple[Finding, ...] = ()
        self.comparison: Comparison | None = None
        self.standing: Standing | None = None

    @property
    def propositions(self) -> tuple[Proposition, Proposition] | None:
        """What the pair joins; None while a ref does not resolve."""
        if self.left is None or self.right is None:
            return None
        return Proposition(self.left.market, self.left_ref.outcome), Proposition(
            self.right.market, self.right_ref.outcome
        )

    def resolve(self, index: MarketIndex, settings: MappingSettings) -> None:
        """Look the refs up among the listed markets and compare what they say."""
        found = [index.resolve(ref, self.pair_id) for ref in (self.left_ref, self.right_ref)]
        self.unresolved = tuple(item for item in found if isinstance(item, Finding))
        sides = [item if isinstance(item, MarketFacts) else None for item in found]
        if sides == [self.left, self.right]:
            return
        self.left, self.right = sides
        self.comparison = compare(self.left, self.right, settings) if self.left and self.right else None

    def findings(self, settings: MappingSettings) -> list[Finding]:
        """Return what the markets' own words, times and refs say against the pair (arb 14.3)."""
        found: list[Finding] = []
        said = self.comparison
        if said is None:
            return found
        row, name = self.row, f"{self.pair_id}: {self.left_ref} and {self.right_ref}"
        if said.vetoes:
            found.append(self.error(Check.STRUCTURE, f"{name} differ in {'; '.join(map(str, said.vetoes))}"))
        if row.similarity is not None and said.similarity < row.similarity - settings.drift:
            text = f"{name} were alike by {row.similarity:.2f} when approved and are by {said.similarity:.2f}"
            found.append(self.error(Check.SEMANTIC_DRIFT, text))
        if row.rules_hash and said.rules_hash != row.rules_hash:
            text = f"{name}: the rules are not those that were approved; read them and approve again"
            found.append(self.error(Check.SEMANTIC_DRIFT, text))
        if said.times_meet is False:
            found.append(self.error(Check.TIME_MISMATCH, f"{name} close at different times"))
        return found

    def error(self, check: Check, text: str) -> Finding:
        """Return a finding that blocks the pair."""
        return Finding(check, Severity.ERROR, Effect.BLOCKED, self.pair_id, "", text)

    def rule(self, tier: Tier) -> PairRule | None:
        """Return the pair as a rule of a tier for the lanes; None while a ref does not resolve."""
        joined = self.propositions
        if joined is None:
            return None
        left, right = sorted(joined)
        return PairRule(
            group_id=self.pair_id,
            relation=self.row.relation,
            left=left,
            right=right,
            source=self.row.provenance,
            tier=tier,
            confidence=self.row.confidence,
            mapped=True,
            mapping_id=self.pair_id,
        )

    def edges(self, asks: Mapping[Proposition, int]) -> tuple[int | None, int | None]:
        """Return 10000 less the price of each direction of the pair in ticks, None where a price is missing."""
        joined = self.propositions
        if joined is None:
            return None, None
        left, right = joined
        if self.row.relation is Relation.EQUIVALENT:
            right = right.negation
        return _edge(asks, left, right), _edge(asks, left.negation, right.negation)


def _edge(asks: Mapping[Proposition, int], one: Proposition, other: Proposition) -> int | None:
    first, second = asks.get(one), asks.get(other)
    return None if first is None or second is None else 10_000 - first - second


def pairs_of(rows: Sequence[MappingRow]) -> tuple[MappedPair, ...]:
    """Return all pairs of all rows, in the order of the rows.

    A pair's id is the row's group id, with the venues behind it where the row has more than two, and with the line
    where another row has the same group id.
    """
    uses = Counter(row.group_id for row in rows)
    pairs = []
    for row in rows:
        name = row.group_id if uses[row.group_id] == 1 else f"{row.group_id}@{row.line}"
        for left, right in row.pairs:
            several = len(row.refs) > 2  # noqa: PLR2004
            pair_id = f"{name}#{left.venue}-{right.venue}" if several else name
            pairs.append(MappedPair(pair_id, row, left, right))
    return tuple(pairs)


def approved_markets(pairs: Sequence[MappedPair]) -> frozenset[InstrumentId]:
    """Return every market that an approved row touches: no fallback may touch it too (arb 14.2)."""
    approved = (pair.propositions or () for pair in pairs if pair.row.approved)
    return frozenset(proposition.market for proposition in chain.from_iterable(approved))


class Listing(msgspec.Struct):
    """When a venue last listed a market, None before the first time it was asked, and since when it does not."""

    listed_ns: int | None = None
    missing_since_ns: int | None = None
