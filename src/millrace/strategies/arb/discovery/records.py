"""A proposed dependency, what speaks for and against it, and the states that it goes through (arb 15).

No path leads from found to in force without a person: `approved` is entered by a name and a time alone, and what is
approved is watched on paper before it may trade.
"""

from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from millrace.core.instrument import Outcome
from millrace.strategies.arb.model import Proposition
from millrace.strategies.arb.rules.floors import pair_bounds
from millrace.strategies.arb.rules.records import Relation

DAY_NS = 86_400 * 10**9


class DiscoverySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of discovery (arb 15); a word is rare while at most `rare_word` markets have it.

    A correlation counts only when both prices changed at least `changes` times: two that stood still and jumped once
    together correlate perfectly, and mean nothing.
    """

    text: float = 0.40
    correlation: float = 0.70
    points: int = 30
    changes: int = 10
    combined: float = 0.30
    most: int = 50
    rare_word: int = 200
    rejected_days: int = 30
    paper_observations: int = 50
    sample_sec: int = 60
    same_price: float = 0.05


class State(StrEnum):
    """Where a proposal stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    ACTIVE = "active"
    REJECTED = "rejected"
    REVOKED = "revoked"


class World(NamedTuple):
    """How two markets were resolved: whether YES of the left one won, and of the right one."""

    left: bool
    right: bool


_ALLOWED = {
    Relation.EQUIVALENT: {World(False, False), World(True, True)},
    Relation.COMPLEMENT: {World(False, True), World(True, False)},
    Relation.IMPLIES: {World(False, False), World(False, True), World(True, True)},
    Relation.EXCLUSIVE: {World(False, False), World(False, True), World(True, False)},
}
"""The worlds that each relation permits (arb 4.1); one seen outside them kills a proposal."""
RELATIONS = tuple(_ALLOWED)


def violates(relation: Relation, world: World) -> bool:
    """Tell whether a world that was seen cannot be under a relation."""
    return world not in _ALLOWED[relation]


class Evidence(NamedTuple):
    """What speaks for a proposal: Jaccard of the words, correlation of returns over so many points, both combined."""

    text: float
    correlation: float
    points: int
    combined: float


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """Two markets that may hang together: `left` implies `right` where the relation has a direction.

    `worlds` are the resolutions seen of such pairs, `observations` the looks on paper since the approval.
    """

    relation: Relation
    left: Proposition
    right: Proposition
    evidence: Evidence
    titles: tuple[str, str]
    worlds: tuple[World, ...] = ()
    state: State = State.PROPOSED
    by: str = ""
    note: str = ""
    changed_ns: int = 0
    observations: int = 0

    @property
    def proposal_id(self) -> str:
        """Ten hex digits that stay the same for the same two propositions and relation."""
        text = "|".join((self.relation, *(f"{side.market}/{side.outcome}".lower() for side in (self.left, self.right))))
        return blake2b(text.encode(), digest_size=5).hexdigest()

    @property
    def basket(self) -> tuple[Outcome, Outcome]:
        """The outcomes of left and right that together pay at least the expected floor."""
        return max(
            ((one, other) for one in Outcome for other in Outcome),
            key=lambda taken: pair_bounds(self.relation, *taken).floor,
        )

    @property
    def expected_floor(self) -> int:
        """What that basket pays at least if the relation holds, in winning contracts."""
        return pair_bounds(self.relation, *self.basket).floor
