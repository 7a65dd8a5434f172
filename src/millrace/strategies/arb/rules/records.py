"""The rules as records: buckets, event trees, ladders, pairs, and the set of them that is in force.

They hold what a rule claims and who vouches for it, nothing derived: floors come from `floors`, components from
`joint`, so that no record can carry a payout that nobody proved (arb 0.1, 5).
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from millrace.strategies.arb.model import Proposition, Tier


class Label(StrEnum):
    """What a bucket or tree is known to be; `UNKNOWN` supports only what the venue's metadata proves (arb 4.2, 4.3)."""

    EXHAUSTIVE = "exhaustive"
    NON_EXHAUSTIVE = "non_exhaustive"
    UNKNOWN = "unknown"


class Relation(StrEnum):
    """How two propositions hang together (arb 4.1)."""

    EQUIVALENT = "equivalent"
    COMPLEMENT = "complement"
    IMPLIES = "implies"
    EXCLUSIVE = "exclusive"
    COVER = "cover"
    NONE = "none"


class Provenance(StrEnum):
    """Who vouches for a claim, weakest first; generated and heuristic ones never become active alone."""

    HEURISTIC = "heuristic"
    GENERATED = "generated"
    EXCHANGE_API = "exchange_api"
    CURATED = "curated"
    HUMAN = "human"


class TreeBits(NamedTuple):
    """What is known of an event tree: the parent implies some child; at most one child; a child implies the parent."""

    cover: bool = False
    exclusive: bool = False
    nested: bool = False


class BucketRule(msgspec.Struct, frozen=True, kw_only=True):
    """Propositions of which at most one is true; `exclusive` only when somebody confirmed that (arb 4.2)."""

    group_id: str
    label: Label
    exclusive: bool
    members: tuple[Proposition, ...]
    exclusivity_source: Provenance | None = None
    exhaustiveness_source: Provenance | None = None
    valid_until_ns: int | None = None


class TreeRule(msgspec.Struct, frozen=True, kw_only=True):
    """A parent proposition and its children (arb 4.3)."""

    group_id: str
    label: Label
    bits: TreeBits
    parent: Proposition
    children: tuple[Proposition, ...]
    valid_until_ns: int | None = None


class ImplicationRule(msgspec.Struct, frozen=True, kw_only=True):
    """A ladder from the strongest proposition to the weakest: each implies the next (arb 4.5)."""

    group_id: str
    chain: tuple[Proposition, ...]
    source: Provenance
    valid_until_ns: int | None = None

    def step_id(self, number: int) -> str:
        """Return what a basket on the step between two rungs names as its rule; 0 is the strongest step."""
        return f"{self.group_id}/{number}"


class PairRule(msgspec.Struct, frozen=True, kw_only=True):
    """Two propositions that are the same, or each other's negation.

    With `mapped` it is a row of the mapping and belongs to the cross lane, without to the parity lane.
    """

    group_id: str
    relation: Relation
    left: Proposition
    right: Proposition
    source: Provenance
    tier: Tier
    confidence: float
    mapped: bool = False
    mapping_id: str = ""
    valid_until_ns: int | None = None


class Rejection(NamedTuple):
    """An entry of a file that was not taken: where it stands, the reason code, and what to do."""

    section: str
    group_id: str
    reason: str
    text: str


class RuleSet(msgspec.Struct, frozen=True, kw_only=True):
    """The rules in force; `version` is the hash of their content, so equal rules have equal versions."""

    version: str
    buckets: tuple[BucketRule, ...] = ()
    trees: tuple[TreeRule, ...] = ()
    implications: tuple[ImplicationRule, ...] = ()
    pairs: tuple[PairRule, ...] = ()
    rejected: tuple[Rejection, ...] = ()


NO_RULES = RuleSet(version="none")
