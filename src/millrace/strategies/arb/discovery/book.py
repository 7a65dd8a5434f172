"""The proposals that are known, and every way from one state to another (arb 15).

Found proposals come in as `proposed`. A person approves or rejects; what is approved is watched on paper and becomes
active after fifty looks without a contradiction; a resolution that the relation forbids revokes it at once.
"""

from collections.abc import Iterable, Iterator

import msgspec

from millrace.core.failure import OperatorError
from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.discovery.records import DAY_NS, DiscoverySettings, Proposal, State, World, violates
from millrace.strategies.arb.model import Tier
from millrace.strategies.arb.rules.records import (
    BucketRule,
    ImplicationRule,
    Label,
    PairRule,
    Provenance,
    Relation,
    RuleSet,
)

_MAY_FOLLOW = {
    State.PROPOSED: {State.APPROVED, State.REJECTED},
    State.APPROVED: {State.ACTIVE, State.REVOKED, State.REJECTED},
    State.ACTIVE: {State.REVOKED},
    State.REJECTED: {State.PROPOSED},
    State.REVOKED: set[State](),
}
_BY_A_PERSON = {State.APPROVED, State.REJECTED, State.REVOKED}


class ProposalBook:
    """The proposals by id, in the order in which they came."""

    def __init__(self, proposals: Iterable[Proposal] = (), settings: DiscoverySettings | None = None) -> None:
        self.settings = settings or DiscoverySettings()
        self._proposals = {each.proposal_id: each for each in proposals}

    def __iter__(self) -> Iterator[Proposal]:
        return iter(self._proposals.values())

    def get(self, proposal_id: str) -> Proposal | None:
        """Return one proposal, None when there is none of this id."""
        return self._proposals.get(proposal_id)

    def known(self, now_ns: int) -> set[frozenset[InstrumentId]]:
        """Return the pairs that are not to be proposed again: all but those whose rejection is thirty days old."""
        return {
            frozenset((each.left.market, each.right.market))
            for each in self._proposals.values()
            if each.state is not State.REJECTED or now_ns - each.changed_ns < self.settings.rejected_days * DAY_NS
        }

    def take(self, found: Iterable[Proposal], now_ns: int) -> int:
        """Add found proposals that are not known, and return how many."""
        known, taken = self.known(now_ns), 0
        for each in found:
            if frozenset((each.left.market, each.right.market)) not in known:
                self._proposals[each.proposal_id] = msgspec.structs.replace(
                    each, state=State.PROPOSED, by="", note="", changed_ns=now_ns, observations=0
                )
                taken += 1
        return taken

    def decide(self, proposal_id: str, state: State, by: str, note: str, now_ns: int) -> Proposal:
        """Move a proposal by a person's word; raises OperatorError for an unknown id, an illegal move or no name."""
        if state not in _BY_A_PERSON or not by.strip() or not note.strip():
            raise OperatorError(f"{proposal_id}: a person approves, rejects or revokes; give a name and a note")
        return self._move(proposal_id, state, by, note, now_ns)

    def observe(self, proposal_id: str, now_ns: int) -> Proposal:
        """Count a look on paper without contradiction; the fiftieth since the approval makes a proposal active."""
        each = self._proposals[proposal_id]
        if each.state is not State.APPROVED:
            return each
        each = msgspec.structs.replace(each, observations=each.observations + 1)
        self._proposals[proposal_id] = each
        if each.observations < self.settings.paper_observations:
            return each
        return self._move(proposal_id, State.ACTIVE, each.by, each.note, now_ns)

    def resolve(self, proposal_id: str, world: World, now_ns: int) -> Proposal:
        """Take the resolution of both markets; one that the relation forbids ends the proposal, whatever its state."""
        each = self._proposals[proposal_id]
        each = msgspec.structs.replace(each, worlds=(*each.worlds, world))
        self._proposals[proposal_id] = each
        if not violates(each.relation, world) or each.state in {State.REJECTED, State.REVOKED}:
            return each
        state = State.REJECTED if each.state is State.PROPOSED else State.REVOKED
        return self._move(proposal_id, state, "resolution", "a resolution contradicts it", now_ns)

    def rules(self) -> RuleSet:
        """Return what is approved or active as rules; those of `not_trading` must not trade yet."""
        pairs, ladders, buckets = [], [], []
        for each in self._proposals.values():
            if each.state not in {State.ACTIVE, State.APPROVED}:
                continue
            name = rule_id(each)
            if each.relation in {Relation.EQUIVALENT, Relation.COMPLEMENT}:
                pairs.append(_pair(each, name))
            elif each.relation is Relation.IMPLIES:
                ladders.append(ImplicationRule(group_id=name, chain=(each.left, each.right), source=Provenance.HUMAN))
            else:
                buckets.append(_bucket(each, name))
        return RuleSet(version="", pairs=tuple(pairs), implications=tuple(ladders), buckets=tuple(buckets))

    def not_trading(self) -> frozenset[str]:
        """Return the ids of rules that are on paper, or were taken back."""
        return frozenset(rule_id(each) for each in self if each.state is not State.ACTIVE)

    def ended(self) -> frozenset[str]:
        """Return the ids of rules that a person or a resolution took back."""
        return frozenset(rule_id(each) for each in self if each.state in {State.REVOKED, State.REJECTED})

    def _move(self, proposal_id: str, state: State, by: str, note: str, now_ns: int) -> Proposal:
        each = self._proposals.get(proposal_id)
        if each is None:
            raise OperatorError(f"{proposal_id}: no proposal has this id; list them with millrace rules review")
        if state not in _MAY_FOLLOW[each.state]:
            raise OperatorError(f"{proposal_id} is {each.state} and cannot become {state}")
        moved = msgspec.structs.replace(each, state=state, by=by.strip(), note=note.strip(), changed_ns=now_ns)
        self._proposals[proposal_id] = moved
        return moved


def rule_id(each: Proposal) -> str:
    """Return the group id of a proposal's rule."""
    return f"found_{each.proposal_id}"


def _pair(each: Proposal, name: str) -> PairRule:
    return PairRule(
        group_id=name,
        relation=each.relation,
        left=each.left,
        right=each.right,
        source=Provenance.HUMAN,
        tier=Tier.STRICT,
        confidence=each.evidence.combined,
    )


def _bucket(each: Proposal, name: str) -> BucketRule:
    """Two propositions of which at most one is true: what a person approved, and nothing about a third."""
    return BucketRule(
        group_id=name,
        label=Label.NON_EXHAUSTIVE,
        exclusive=True,
        members=(each.left, each.right),
        exclusivity_source=Provenance.HUMAN,
    )
