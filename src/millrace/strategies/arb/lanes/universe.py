"""All markets and all baskets that rules make of them, resolved once to arrays (arb 18).

Every outcome has a slot, every basket a number, and an inverse index leads from a slot to the baskets that contain it.
Sums over a basket's legs are kept, not recomputed: a quote moves one leg, so it costs as much as the outcome has rules,
however many members a group has and however large the universe is. Built anew when rules or markets change.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from millrace.core.commands import Opportunity, OpportunityLeg
from millrace.core.failure import OperatorError
from millrace.core.instrument import InstrumentId, Outcome
from millrace.orders.opportunity import family_key
from millrace.strategies.arb.lanes.forms import Choice, Form, pair_forms, pairs_of, rule_forms
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.model import Lane, MarketFacts, Proposition
from millrace.strategies.arb.rules.records import RuleSet

Ints = NDArray[np.int64]
DOLLAR_NANO = 1_000_000_000
OUTCOMES = (Outcome.YES, Outcome.NO)


class Index:
    """From a key to the rows that hold it, as one flat array and offsets."""

    def __init__(self, keys: Ints, rows: Ints, size: int) -> None:
        order = np.argsort(keys, kind="stable")
        self.rows = np.ascontiguousarray(rows[order]).data
        self.at = np.concatenate(([0], np.cumsum(np.bincount(keys, minlength=size)))).astype(np.int64).data

    def of(self, key: int) -> memoryview:
        """Return the rows of a key, in the order of their numbers."""
        return self.rows[self.at[key] : self.at[key + 1]]


def flat(groups: Sequence[tuple[int, ...]]) -> tuple[Ints, Ints]:
    """Return groups as one array, and where each begins."""
    lengths = np.fromiter(map(len, groups), np.int64, len(groups))
    members = np.fromiter((slot for group in groups for slot in group), np.int64, int(lengths.sum()))
    return members, np.cumsum(lengths) - lengths


class Universe:
    """Markets, forms and the index between them; immutable. Forms are numbered: intra, other pairs, groups, subsets."""

    def __init__(self, facts: Sequence[MarketFacts], rules: RuleSet, settings: LaneSettings) -> None:
        self.facts = tuple(facts)
        self.rules = rules
        self.settings = settings
        self.slots: dict[InstrumentId, int] = {fact.market: slot for slot, fact in enumerate(self.facts)}
        self._normal = {_normal(market): slot for market, slot in self.slots.items()}
        if len(self._normal) != len(self.facts):
            seen = sorted(_normal(fact.market) for fact in self.facts)
            twice = next(":".join(a) for a, b in pairwise(seen) if a == b)
            raise OperatorError(f"two markets are named {twice}; a venue's market ids are unique but for case")
        self.pairs, self.contradictory = pairs_of(rules, self.outcome_slot)
        made = [form for pair in self.pairs for form in pair_forms(pair)]
        made += rule_forms(rules, self.outcome_slot)
        twos = [form for form in made if form.choice is Choice.ALL and len(form.legs) == len(OUTCOMES)]
        wides = [form for form in made if form.choice is Choice.ALL and len(form.legs) > len(OUTCOMES)]
        subsets = [form for form in made if form.choice is not Choice.ALL]
        self._keys: dict[int, tuple[str, str]] = {}
        self._places: dict[int, tuple[str, str, str]] = {}
        self._rule_forms = [*twos, *wides, *subsets]
        self._number(twos, wides, subsets)

    def _number(self, twos: list[Form], wides: list[Form], subsets: list[Form]) -> None:
        markets = len(self.facts)
        self.outcomes = 2 * markets
        intra = np.arange(markets, dtype=np.int64) * 2
        self.first = np.concatenate((intra, np.fromiter((form.legs[0] for form in twos), np.int64, len(twos))))
        self.second = np.concatenate((intra + 1, np.fromiter((form.legs[1] for form in twos), np.int64, len(twos))))
        self.wide, self.wide_at = flat([form.legs for form in wides])
        self.subset, self.subset_at = flat([form.legs for form in subsets])
        # A bucket's subset has no anchor; the slot behind the last outcome stands for the dollar that one loser costs.
        anchors = (self.outcomes if form.anchor < 0 else form.anchor for form in subsets)
        self.anchor = np.fromiter(anchors, np.int64, len(subsets))
        self.wide_from = len(self.first)
        self.subset_from = self.wide_from + len(wides)
        self.forms = self.subset_from + len(subsets)
        self.limit = self._limits([*twos, *wides], len(subsets))
        pairs = np.arange(self.wide_from, dtype=np.int64)
        groups = np.repeat(np.arange(self.wide_from, self.subset_from), _lengths(self.wide_at, len(self.wide)))
        chosen = np.arange(self.subset_from, self.forms, dtype=np.int64)
        keys = np.concatenate((self.first, self.second, self.wide, self.anchor))
        rows = np.concatenate((pairs, pairs, groups, chosen)).astype(np.int64)
        self.adds = Index(keys, rows, self.outcomes + 1)
        members = np.repeat(chosen, _lengths(self.subset_at, len(self.subset)))
        self.gains = Index(self.subset, members, self.outcomes)

    def _limits(self, wholes: list[Form], subsets: int) -> Ints:
        worth = DOLLAR_NANO - self.settings.min_edge_nano
        floors = np.ones(self.forms, np.int64)
        floors[len(self.facts) : self.subset_from] = [form.floor for form in wholes]
        floors[self.forms - subsets :] = 0
        return floors * worth

    def outcome_slot(self, proposition: Proposition) -> int:
        """Return the slot of an outcome; -1 for a market that is not among the facts."""
        slot = self._normal.get(_normal(proposition.market), -1)
        return -1 if slot < 0 else 2 * slot + (proposition.outcome is Outcome.NO)

    def proposition(self, outcome_slot: int) -> Proposition:
        """Return what an outcome slot stands for."""
        return Proposition(self.facts[outcome_slot >> 1].market, OUTCOMES[outcome_slot & 1])

    def place(self, outcome_slot: int) -> tuple[str, str, str]:
        """Return where a leg stands in the canonical order: by venue, market, side (arb 1)."""
        place = self._places.get(outcome_slot)
        if place is None:
            market, outcome = self.proposition(outcome_slot)
            place = self._places[outcome_slot] = market.venue, market.symbol.lower(), outcome.value
        return place

    def form(self, number: int) -> Form:
        """Return a form by its number; those of single markets are made when asked for."""
        if number < len(self.facts):
            return Form(Lane.INTRA, Choice.ALL, (2 * number, 2 * number + 1), 1, "intra")
        return self._rule_forms[number - len(self.facts)]

    def keys(self, number: int) -> tuple[str, str]:
        """Return the family key and the cluster key of a form, by its number."""
        if number not in self._keys:
            form = self.form(number)
            self._keys[number] = self.family(form), self.cluster(form)
        return self._keys[number]

    def family(self, form: Form) -> str:
        """Return the family key of every basket of a form, as dedupe names it (arb 1)."""
        legs = tuple(OpportunityLeg(self.facts[slot >> 1].market, "") for slot in form.legs)
        return family_key(Opportunity(form.lane.kind, legs, "", form.relation or "eq", form.rule))

    def cluster(self, form: Form) -> str:
        """Return the cluster of a form: the first member of its connected component (arb 16)."""
        slot = form.legs[0] >> 1
        root = self._clusters[slot]
        if root >= 0:
            return _text(self.facts[root].market)
        fact = self.facts[slot]
        return f"{fact.market.venue}/{fact.event}".lower() if fact.event else _text(fact.market)

    @cached_property
    def _clusters(self) -> list[int]:
        """For each market the member of its component with the smallest name; -1 for one that no rule names."""
        texts = [_text(fact.market) for fact in self.facts]
        by_name = sorted(range(len(texts)), key=texts.__getitem__)
        rank = [0] * len(texts)
        for place, slot in enumerate(by_name):
            rank[slot] = place
        root = list(range(len(texts)))

        def find(place: int) -> int:
            while root[place] != place:
                root[place] = place = root[root[place]]
            return place

        linked = set()
        for group in self._linked():
            places = [rank[slot >> 1] for slot in map(self.outcome_slot, group) if slot >= 0]
            linked.update(places)
            for place in places[1:]:
                first, second = sorted((find(places[0]), find(place)))
                root[second] = first
        return [by_name[find(rank[slot])] if rank[slot] in linked else -1 for slot in range(len(texts))]

    def _linked(self) -> list[tuple[Proposition, ...]]:
        rules = self.rules
        return [
            *(bucket.members for bucket in rules.buckets),
            *((tree.parent, *tree.children) for tree in rules.trees),
            *(ladder.chain for ladder in rules.implications),
            *((pair.left, pair.right) for pair in rules.pairs),
        ]


def _lengths(starts: Ints, end: int) -> Ints:
    return np.diff(np.append(starts, end))


def _normal(market: InstrumentId) -> tuple[str, str]:
    return market.venue.strip().lower(), market.symbol.strip().lower()


def _text(market: InstrumentId) -> str:
    return "/".join(_normal(market))
