"""Mappings and approved proposals as the desk holds them: indexed once, blocked and released while it runs.

The lanes build their index from every rule that could ever trade; what may not trade at the moment is a set of rule
ids. So a mapping that is lost costs no new index, and a basket on it is known to have lost its ground (arb 12 exit 1).
The venues' words are compared again now and then, with what the program knows of them then.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from millrace.core.binary_events import BinaryQuote
from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.discovery.book import ProposalBook
from millrace.strategies.arb.discovery.records import DiscoverySettings, Proposal, State, World
from millrace.strategies.arb.mapping.approvals import Decisions, with_approvals
from millrace.strategies.arb.mapping.records import MappingMap
from millrace.strategies.arb.mapping.settings import MINUTE_NS, SECOND_NS, MappingSettings
from millrace.strategies.arb.mapping.watch import MappingWatch, ask_of
from millrace.strategies.arb.model import MarketFacts, Tier
from millrace.strategies.arb.rules.assemble import joined
from millrace.strategies.arb.rules.records import RuleSet

_LOOK_NS = MINUTE_NS
_TOLD = 3
"""Findings that an alert spells out; the status has more."""


class MappingsAtDesk:
    """What the desk asks of mappings and proposals; `rules` is the set to index, `blocked` what of it may not trade."""

    def __init__(
        self,
        base: RuleSet,
        mapping: MappingMap,
        decisions: Decisions,
        facts: Sequence[MarketFacts],
        settings: MappingSettings,
        discovery: DiscoverySettings,
    ) -> None:
        self._facts = tuple(facts)
        self.watch = MappingWatch(with_approvals(mapping, decisions.mappings), facts, settings)
        self.proposals = ProposalBook(decisions.proposals, discovery)
        self.rules = joined(joined(base, RuleSet(version="", pairs=self.watch.known())), self.proposals.rules())
        self._leaning = {rule.group_id: rule.mapping_id for rule in base.pairs if rule.mapping_id}
        self._steps = {
            rule.group_id: [rule.step_id(number) for number in range(len(rule.chain) - 1)]
            for rule in self.rules.implications
        }
        self._followed = {side.market for each in self.proposals for side in (each.left, each.right)}
        self._mids: dict[InstrumentId, tuple[int, int]] = {}
        self._answers: dict[InstrumentId, bool] = {}
        self._verify_at_ns = 0
        self._look_at_ns = 0
        self._blocked: frozenset[str] = frozenset()
        self._lost: frozenset[str] = frozenset()
        self._told: frozenset[str] = frozenset()
        self._stirred = False
        self.begun = False

    def quoted(self, quote: BinaryQuote) -> None:
        """Take a market's prices."""
        self.watch.observe(quote)
        if quote.market in self._followed:
            yes, no = ask_of(quote, Outcome.YES), ask_of(quote, Outcome.NO)
            if yes is not None and no is not None:
                self._mids[quote.market] = quote.ts_ns, yes + PAYOUT_TICKS - no

    def resolved(self, market: InstrumentId, yes_ticks: int | None, now_ns: int) -> None:
        """Take a market's end; one that contradicts a proposal ends the proposal."""
        self.watch.end(market)
        if market not in self._followed or yes_ticks not in {0, PAYOUT_TICKS}:
            return  # a void or a split says nothing of a relation
        self._answers[market] = yes_ticks == PAYOUT_TICKS
        for each in list(self.proposals):
            markets = each.left.market, each.right.market
            if market in markets and all(one in self._answers for one in markets):
                self._stirred = True
                self.proposals.resolve(each.proposal_id, World(*(self._answers[one] for one in markets)), now_ns)

    @property
    def next_ns(self) -> int | None:
        """When `cycle` is due again; None before the first one, and without mappings and proposals."""
        wanted = [self.watch.next_ns] if self.watch.pairs() else []
        wanted += [self._look_at_ns] if self._followed else []
        return min(wanted, default=None) if self.begun else None

    @property
    def idle(self) -> bool:
        """Whether there is nothing to judge at all."""
        return not (self.watch.pairs() or self._followed)

    def cycle(self, now_ns: int) -> bool:
        """Judge everything that is due, and tell whether `blocked` or `lost` changed since the last call."""
        if now_ns >= self._verify_at_ns and self.watch.pairs():
            self.watch.verify(self._facts, now_ns)
            self._verify_at_ns = now_ns + self.watch.settings.verify_sec * SECOND_NS
        stirred = self.watch.cycle(now_ns) or self._stirred or not self.begun
        if now_ns >= self._look_at_ns:
            stirred = True
            self._look(now_ns)
            self._look_at_ns = now_ns - now_ns % _LOOK_NS + _LOOK_NS
        before, first = (self._blocked, self._lost), not self.begun
        self.begun, self._stirred = True, False
        if stirred:
            self._blocked, self._lost = self._not_in_force(), self._found_wrong()
        return first or before != (self._blocked, self._lost)

    @property
    def blocked(self) -> frozenset[str]:
        """The ids of rules and of their steps that must not trade now; before the first `cycle` all that is claimed."""
        return self._with_steps(self._blocked if self.begun else self._not_in_force())

    def _not_in_force(self) -> frozenset[str]:
        """Return the mapped and proposed rules that must not trade, and parity rules that lean on such a mapping."""
        return self._with_leaning(self.watch.blocked() | self.proposals.not_trading())

    def _with_leaning(self, out: frozenset[str]) -> frozenset[str]:
        return out | {rule for rule, mapping in self._leaning.items() if mapping in out}

    def _with_steps(self, out: frozenset[str]) -> frozenset[str]:
        """Return these rules with the steps of those that are ladders: a basket names the step that it is of."""
        return out.union(*(self._steps.get(rule, ()) for rule in out))

    @property
    def lost(self) -> frozenset[str]:
        """The rules, and their steps, that were found wrong or taken back: the first reason to leave (arb 12)."""
        return self._with_steps(self._lost)

    def _found_wrong(self) -> frozenset[str]:
        return self._with_leaning(self.watch.revoked() | self.proposals.ended())

    def news(self) -> str:
        """Return what was found wrong since the last call, for an alert; empty when nothing was."""
        new, self._told = self._lost - self._told, self._lost
        if not new:
            return ""
        wrong = [found for found in self.watch.findings() if found.group_id in new]
        texts = [found.text for found in wrong[:_TOLD]] or sorted(new)[:_TOLD]
        return f"{len(new)} mapped or proposed pairs were found wrong and do not trade: {'; '.join(texts)}"

    def note_edges(self, edges: Iterable[tuple[str, float]], now_ns: int) -> None:
        """Take the edges in dollars that lanes found, by rule id; a fabulous one quarantines its mapping (arb 4.8)."""
        for rule_id, edge in edges:
            self.watch.note_edge(rule_id, edge, now_ns)

    def _look(self, now_ns: int) -> None:
        """Count a look at each proposal on paper whose two prices are known, and do not lie against it."""
        oldest_ns = now_ns - self.watch.settings.mid_age_sec * SECOND_NS
        for each in list(self.proposals):
            if each.state is State.APPROVED:
                seen = [self._mids.get(side.market) for side in (each.left, each.right)]
                fresh = [mid for mid in seen if mid is not None and mid[0] >= oldest_ns]
                if len(fresh) == len(seen) and not self._lies_against(each, fresh[0][1], fresh[1][1]):
                    self.proposals.observe(each.proposal_id, now_ns)

    def _lies_against(self, each: Proposal, left: int, right: int) -> bool:
        """Tell whether two prices, as twice their mids in ticks, deny a relation by more than a nickel."""
        slack = int(2 * PAYOUT_TICKS * self.proposals.settings.same_price)
        whole = 2 * PAYOUT_TICKS
        return {
            "equivalent": abs(left - right),
            "complement": abs(left + right - whole),
            "implies": left - right,
            "exclusive": left + right - whole,
        }[each.relation.value] > slack

    def status(self) -> dict[str, Any]:
        """Return counts for people."""
        tiers = [self.watch.tier(rule.group_id) for rule in self.watch.known()]
        return {
            "mapped": len(tiers),
            "in_force": sum(tier is not Tier.NONE for tier in tiers),
            "findings": [found.text for found in self.watch.findings()[:10]],
            "proposals": {state.value: sum(each.state is state for each in self.proposals) for state in State},
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain values."""
        return {
            "watch": self.watch.snapshot(),
            "proposals": msgspec.to_builtins(list(self.proposals)),
            "mids": [[*market, *mid] for market, mid in self._mids.items()],
            "answers": [[*market, answer] for market, answer in self._answers.items()],
            "verify_at_ns": self._verify_at_ns,
            "look_at_ns": self._look_at_ns,
            "blocked": sorted(self._blocked),
            "lost": sorted(self._lost),
            "told": sorted(self._told),
            "stirred": self._stirred,
            "begun": self.begun,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot; a decision that a person took since, in the file, stands before it."""
        self.watch.restore(state["watch"], self._facts)
        kept = {each.proposal_id: each for each in msgspec.convert(state["proposals"], list[Proposal])}
        merged = (_later(each, kept.get(each.proposal_id)) for each in self.proposals)
        self.proposals = ProposalBook(merged, self.proposals.settings)
        self._mids = {InstrumentId(venue, symbol): (ts_ns, mid) for venue, symbol, ts_ns, mid in state["mids"]}
        self._answers = {InstrumentId(venue, symbol): answer for venue, symbol, answer in state["answers"]}
        self._verify_at_ns, self._look_at_ns = state["verify_at_ns"], state["look_at_ns"]
        self._blocked, self.begun = frozenset(state["blocked"]), state["begun"]
        self._lost, self._told = frozenset(state["lost"]), frozenset(state["told"])
        self._stirred = state["stirred"] or any(kept.get(each.proposal_id) != each for each in self.proposals)


def _later(of_file: Proposal, of_run: Proposal | None) -> Proposal:
    """Return a proposal as it was changed last: by a person in the file, or by what the run saw."""
    return of_run if of_run is not None and of_run.changed_ns >= of_file.changed_ns else of_file
