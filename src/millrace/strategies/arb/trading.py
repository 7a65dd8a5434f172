"""One cycle of the desk: what changed is decided, and what passes every gate becomes a plan (arb 3, 10, 11.7, 13).

Candidates are decided one after the other, and what one of them claims is not there for the next. A venue nets both
outcomes of a market against each other, so no two baskets may hold or work opposite ones: netting stays within one
basket, where both sides are known.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from millrace.core.commands import Alert, Intent, Refused, Severity
from millrace.core.ids import SubPosition
from millrace.core.instrument import LEDGER_DECIMALS, InstrumentId, Outcome
from millrace.core.permission import Level, Standing
from millrace.core.strategy import View
from millrace.orders.opportunity import opportunity_id
from millrace.risk.exposure import Claim
from millrace.strategies.arb.cycle import collapsed, in_turn, opportunity_of
from millrace.strategies.arb.decide import Decider, Decision
from millrace.strategies.arb.execution.basket import Life, State
from millrace.strategies.arb.execution.baskets import Baskets
from millrace.strategies.arb.gates.check import CONTRADICTION, Context
from millrace.strategies.arb.gates.reasons import Reason, in_order
from millrace.strategies.arb.lanes.detector import Detector
from millrace.strategies.arb.model import Basket, NanoUsd
from millrace.strategies.arb.outcomes import Outcomes
from millrace.strategies.arb.planning import decision_row, first_of, group_of, life_of, plan_of
from millrace.strategies.arb.remainder import decided_anew, rest_of
from millrace.strategies.arb.rules.floors import Bounds
from millrace.strategies.arb.rules.joint import Joint
from millrace.strategies.arb.rules.records import RuleSet
from millrace.strategies.arb.settings import ArbSettings
from millrace.strategies.arb.telemetry.rows import DecisionRow

_NANO_DECIMALS = 9
_WORDS = frozenset(reason.value for reason in Reason)


class _Saved(msgspec.Struct):
    cycles: int
    opened: int
    rejected: int
    baskets: int
    config: str
    reasons: dict[str, int]
    expected_nano: NanoUsd


class Trading:
    """Decides cycles and begins baskets."""

    def __init__(
        self,
        name: str,
        rules: RuleSet,
        settings: ArbSettings,
        finder: Detector,
        judge: Decider,
        baskets: Baskets,
        outcomes: Outcomes,
    ) -> None:
        self.name = name
        self.config = ""
        self.cycles = self.opened = self.rejected = 0
        self.reasons: Counter[str] = Counter()
        self.expected_nano: NanoUsd = 0
        self._rules = rules
        self.joint = Joint(rules)
        self._settings = settings
        self._finder = finder
        self._judge = judge
        self._baskets = baskets
        self._outcomes = outcomes
        self._made = 0
        self._pending: dict[str, DecisionRow] = {}
        baskets.as_takers = self._as_takers
        facts = baskets.prices.facts.values()
        self._cash = {fact.market.venue: fact.currency for fact in facts}

    # One cycle

    def bound_without(self, blocked: frozenset[str]) -> None:
        """Prove with all rules but these: mappings in quarantine, rules that were taken back (arb 4.6, 4.8)."""
        if blocked != self.joint.blocked:
            self.joint = Joint(self._rules, blocked)

    def cycle(self, view: View, note_edges: Callable[[Iterable[tuple[str, float]], int], None]) -> list[Intent]:
        """Decide what changed since the last cycle; nothing changed: nothing is written and the cycle has no number.

        `note_edges` is told of every edge that was found, by rule.
        """
        found = [self._proved(basket) for basket in self._finder.candidates(view.now_ns)]
        candidates = in_turn(collapsed(found), self.cycles)
        if not candidates:
            return []
        note_edges(((basket.rule, basket.net_per_floor) for basket in candidates), view.now_ns)
        self.cycles += 1
        self._pending.clear()
        self._claim_what_is_held()
        out: list[Intent] = []
        decisions = [(self._decided(basket, view), basket) for basket in candidates]
        for decision, _ in decisions:
            if not decision.opened:
                out += self._reject(decision, view)
        begun = False
        by_value = sorted((one for one in decisions if one[0].opened), key=lambda one: _by_value(one[0]))
        for decision, as_found in self._judge.ranking.turns(by_value, lambda one: one[0].basket, self.cycles):
            last = self._decided(as_found, view) if begun else decision
            if last.opened:
                out += self._open(last, view)
                begun = True
            else:
                out += self._reject(last, view)
        return out

    def _proved(self, basket: Basket) -> Basket:
        """Return the basket under all rules that bind its markets, without a proof when those contradict (arb 4.6)."""
        legs = [leg.proposition for leg in basket.legs]
        bounds = self.joint.bounds(legs, Bounds(basket.floor, len(legs)))
        if bounds is None:
            return msgspec.structs.replace(basket, proof=CONTRADICTION)
        if bounds.floor == basket.floor:
            return basket
        return msgspec.structs.replace(basket, floor=bounds.floor, proof=bounds.proof)

    def _claim_what_is_held(self) -> None:
        """Claim for each basket that is past its first orders what is in it, no longer what was planned (arb 16)."""
        for life in self._baskets.lives.values():
            if life.state is State.WORKING:
                continue
            spent: dict[InstrumentId, NanoUsd] = {}
            for leg in life.legs:
                held = leg.paid_nano + leg.fees_nano - leg.received_nano
                spent[leg.market] = spent.get(leg.market, 0) + held
            self._judge.holds(life.key, Claim(life.key, life.lane, life.family, life.cluster, ()), spent)

    def _decided(self, basket: Basket, view: View) -> Decision:
        decision = self._judge.decide(basket, self.context(basket, view))
        if not self._opposite_held(basket):
            return decision
        return msgspec.structs.replace(decision, reasons=in_order([*decision.reasons, Reason.OPPOSITE_HELD]))

    def context(self, basket: Basket, view: View, but: Life | None = None) -> Context:
        """Return what is known of the moment for one candidate; `but` is the basket that it comes from, if any."""
        standings = self._standings(basket, view)
        opportunity = opportunity_of(basket)
        free, cash = self.free_nano(view, but), self._totals(view)
        pairs = venue_pairs({leg.proposition.market.venue for leg in basket.legs})
        return Context(
            now_ns=view.now_ns,
            book=view.book,
            tradable=view.tradable,
            cash=cash,
            free=free,
            equity=self.equity_nano(view),
            multiplier=min(standing.multiplier for standing in standings),
            paused=any(standing.level >= Level.REDUCE_ONLY for standing in standings),
            not_ready=(basket.lane,) if pairs.intersection(self._outcomes.frozen) else (),
            cooling=view.is_closed(opportunity),
            duplicate=any(
                life.family == basket.family
                for life in self._baskets.lives.values()
                if _is_open(life) and life is not but
            ),
        )

    def _as_takers(self, life: Life, view: View) -> bool:
        """Decide the rest of a basket once more, with every leg as taker; gives it its new terms if it may be traded.

        It is the same basket under the same decision, so neither its own claim nor its cooldown stands against it.
        """
        found = None if life.downgraded else rest_of(life, self._baskets.prices, view)
        if found is None:
            return False
        basket, claim = self._proved(found), self._judge.exposure.claims.get(life.key)
        context = self.context(basket, view, but=life)._replace(cooling=False)
        self._judge.exposure.release(life.key)
        decision = self._judge.decide(basket, context, rests=False)
        if claim is not None:
            self._judge.exposure.claim(claim)
        if not decision.opened or self._opposite_held(basket):
            return False
        decided_anew(life, decision.basket, self._settings.execution)
        return True

    def _standings(self, basket: Basket, view: View) -> list[Standing]:
        group = group_of(basket, "")
        return [
            view.standing_of(SubPosition(self.name, leg.proposition.instrument, group, str(at)))
            for at, leg in enumerate(basket.legs)
        ]

    def _opposite_held(self, basket: Basket) -> bool:
        """Tell whether another basket holds or works the other outcome of a market of this one."""
        taken = {
            (leg.market, outcome)
            for life in self._baskets.lives.values()
            if life.state is not State.UNWOUND
            for leg in life.legs
            for outcome in _outcomes_of(life, leg.market)
        }
        return any((leg.proposition.market, leg.proposition.outcome.opposite) in taken for leg in basket.legs)

    def _open(self, decision: Decision, view: View) -> list[Intent]:
        basket = decision.basket
        self._made += 1
        key = f"b{self._made}"
        row = self._row(decision, key, view)
        life = life_of(decision, key, row.decision_id, self._settings.execution, view)
        plan = plan_of(life, basket, self.name, self._settings.desk, self._baskets.prices)
        state = self._baskets.begin(life, first_of(life, plan))
        self._judge.opened(key, decision, view.now_ns)
        self._pending[key] = row
        self.opened += 1
        self.expected_nano += life.expected_nano or 0
        return [msgspec.structs.replace(plan, booked=(row.book(self.name), state))]

    def _reject(self, decision: Decision, view: View) -> list[Intent]:
        self.rejected += 1
        row = self._row(decision, "", view)
        self.reasons[row.reason] += 1
        out: list[Intent] = [row.book(self.name)]
        if decision.alert:
            text = f"{decision.basket.direction}: the edge stood out from its last looks several times in a row"
            out.append(Alert(Severity.WARN, "edge_outlier", text, view.now_ns))
        if decision.quarantine:
            text = (
                f"{decision.basket.direction}: an edge of {decision.basket.net_per_floor:.3f} is presumed a wrong rule"
            )
            out.append(Alert(Severity.WARN, "suspect_edge", text, view.now_ns))
        return out

    def _row(self, decision: Decision, key: str, view: View) -> DecisionRow:
        decision_id = f"{opportunity_id(opportunity_of(decision.basket))}|{self.cycles}"
        return decision_row(decision, decision_id, self.cycles, key, (self.config, self._rules.version), view)

    def refused(self, news: Refused) -> list[Intent]:
        """Take the board's refusal of a plan: its decision becomes a rejection, written once."""
        key = news.place.key.partition("/")[0]
        row = self._pending.get(key)
        if row is None or row.ts_ns != news.ts_ns or self._baskets.lives.get(key) is None:
            return []
        life = self._baskets.drop(news.place.key)
        if life is None:
            return []
        del self._pending[key]
        self._judge.exposure.release(key)
        self.opened -= 1
        self.rejected += 1
        reason = next(iter(in_order(Reason(word) for word in news.reasons if word in _WORDS)), Reason.PAUSED)
        self.reasons[reason.value] += 1
        self.expected_nano -= life.expected_nano or 0
        refused = msgspec.structs.replace(
            row,
            verdict="rejected",
            reason=reason.value,
            reasons=",".join(dict.fromkeys((reason.value, *news.reasons))),
            basket="",
        )
        return [refused.book(self.name)]

    # Money

    def free_nano(self, view: View, but: Life | None = None) -> dict[str, NanoUsd]:
        """Return what each venue has free, less what legs under way, but those of one, have not spent (arb 11.7).

        What a leg will follow the fill of a resting one with stays set aside to its last contract.
        """
        free = {venue: _nano(view.free(venue, asset) or 0, asset) for venue, asset in self._cash.items()}
        for life in self._baskets.lives.values():
            if life.state is not State.WORKING or life is but:
                continue
            for at, leg in enumerate(life.legs):
                if at not in life.groups[0]:
                    open_lots = max(life.lots - leg.held - life.rest_of(at), 0)
                    free[leg.market.venue] -= -(-leg.planned_nano * open_lots // max(life.lots, 1))
        return free

    def _totals(self, view: View) -> Mapping[str, NanoUsd]:
        return {venue: _nano(view.total(venue, asset) or 0, asset) for venue, asset in self._cash.items()}

    def equity_nano(self, view: View) -> NanoUsd:
        """Return cash and open positions together, these at what they cost: no expectation is worth anything here."""
        held = sum(max(life.spent_nano, 0) for life in self._baskets.lives.values())
        return sum(self._totals(view).values()) + held

    # Snapshots

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        saved = _Saved(
            self.cycles, self.opened, self.rejected, self._made, self.config, dict(self.reasons), self.expected_nano
        )
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self.cycles, self.opened, self.rejected = saved.cycles, saved.opened, saved.rejected
        self._made, self.config = saved.baskets, saved.config
        self.reasons, self.expected_nano = Counter(saved.reasons), saved.expected_nano


def venue_pairs(venues: set[str]) -> set[tuple[str, str]]:
    """Return the pairs of venues that a basket trades across; of one venue the pair with itself."""
    ordered = sorted(venues)
    if len(ordered) == 1:
        return {(ordered[0], ordered[0])}
    return {(one, other) for at, one in enumerate(ordered) for other in ordered[at + 1 :]}


def _outcomes_of(life: Life, market: InstrumentId) -> set[Outcome]:
    return {leg.outcome for leg in life.legs if leg.market == market and not leg.ended}


def _is_open(life: Life) -> bool:
    return life.state in {State.WORKING, State.REPAIRING, State.HELD_NAKED}


def _by_value(decision: Decision) -> tuple[int, str]:
    return -(decision.expected_nano or 0), decision.basket.direction


def _nano(money: int, asset: str) -> NanoUsd:
    return money * int(10 ** (_NANO_DECIMALS - LEDGER_DECIMALS[asset]))
