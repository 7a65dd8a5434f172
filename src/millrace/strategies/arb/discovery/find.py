"""Finds pairs of markets that seem to hang together, and guesses how (arb 15).

Only markets of one event, or with a rare word in common, are compared. Words and common movement each give half of the
score; what a relation is follows from what the titles say, or else from how the prices lie to each other. A single
resolution that the relation forbids kills the guess.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np

from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.discovery.moves import Moves, Prices, common_clock, moves, on_clock, shared_words
from millrace.strategies.arb.discovery.records import DiscoverySettings, Evidence, Proposal, World, violates
from millrace.strategies.arb.mapping.claims import Claim, Operator, claim_of
from millrace.strategies.arb.mapping.text import market_tokens
from millrace.strategies.arb.mapping.vetoes import Field, vetoes
from millrace.strategies.arb.model import MarketFacts, Proposition
from millrace.strategies.arb.rules.records import Relation

_UP = {Operator.ABOVE, Operator.AT_LEAST, Operator.TOUCH_UP}
_DOWN = {Operator.BELOW, Operator.AT_MOST, Operator.TOUCH_DOWN}
_OPPOSITE = ({Operator.ABOVE, Operator.AT_MOST}, {Operator.BELOW, Operator.AT_LEAST})
_ALWAYS = 0.95
"""A price order that holds at so large a share of the instants counts as one."""
_NO_MOVES = Moves(0.0, 0, 0, np.empty(0), np.empty(0))
Guess = tuple[Relation, bool]
"""A relation, and whether left and right change places in it."""


def discover(
    markets: Sequence[MarketFacts],
    prices: Prices,
    outcomes: Mapping[InstrumentId, bool],
    settings: DiscoverySettings,
    skip: Iterable[frozenset[InstrumentId]] = (),
) -> tuple[Proposal, ...]:
    """Return at most 50 proposals, the strongest first; pairs in `skip` are known, waiting or lately rejected."""
    ordered = sorted(markets, key=lambda facts: facts.market)
    words = [market_tokens(facts) for facts in ordered]
    clock = common_clock(prices, settings.sample_sec * 10**9)
    series = {name: on_clock(times, values, clock) for name, (times, values) in prices.items()}
    known = set(skip)
    found: list[Proposal] = []
    claims: dict[int, Claim] = {}
    for one, other in sorted(_near(ordered, words, settings)):
        left, right = ordered[one], ordered[other]
        if frozenset((left.market, right.market)) in known:
            continue
        moved = _NO_MOVES
        if left.market in series and right.market in series:
            moved = moves(series[left.market], series[right.market])
        evidence = _evidence(words[one], words[other], moved, settings)
        if evidence.combined < settings.combined:
            continue
        for place in (one, other):
            if place not in claims:
                claims[place] = claim_of(ordered[place])
        guess = relation_of(claims[one], claims[other], moved, settings)
        if guess is not None:
            found.append(_proposal(left, right, guess, evidence, outcomes))
    alive = [each for each in found if not any(violates(each.relation, world) for world in each.worlds)]
    alive.sort(key=lambda each: (-each.evidence.combined, each.left, each.right))
    return tuple(alive[: settings.most])


def relation_of(left: Claim, right: Claim, moved: Moves, settings: DiscoverySettings) -> Guess | None:
    """Guess how two claims hang together, from what they say and, where that says nothing, from their prices."""
    said = _said(left, right)
    if said is not None and not _denied(said, moved, settings):
        return said
    return _priced(moved, settings)


def _said(left: Claim, right: Claim) -> Guess | None:
    """Read the relation from the one field in which the claims differ."""
    differ = {veto.field for veto in vetoes(left, right)}
    if not differ:
        return (Relation.EQUIVALENT, False) if left.words == right.words or left.bounds else None
    if differ == {Field.THRESHOLD} and left.operator is right.operator:
        return _ladder(left, right)
    if differ == {Field.OPERATOR} and left.bounds == right.bounds and {left.operator, right.operator} in _OPPOSITE:
        return Relation.COMPLEMENT, False
    if differ == {Field.ENTITY} and "win" in left.words & right.words:
        return Relation.EXCLUSIVE, False
    return None


def _ladder(left: Claim, right: Claim) -> Guess | None:
    """The harder rung of a ladder implies the easier one; spans that do not meet exclude each other."""
    if left.operator is Operator.BETWEEN:
        apart = left.bounds[1] <= right.bounds[0] or right.bounds[1] <= left.bounds[0]
        return (Relation.EXCLUSIVE, False) if apart else None
    if left.operator in _UP:
        return Relation.IMPLIES, left.bounds < right.bounds
    if left.operator in _DOWN:
        return Relation.IMPLIES, left.bounds > right.bounds
    return Relation.EXCLUSIVE, False


def _denied(guess: Guess, moved: Moves, settings: DiscoverySettings) -> bool:
    """Tell whether the prices, where there are enough, lie against a guess."""
    if moved.points < settings.points:
        return False
    relation, swapped = guess
    one, other = (moved.right, moved.left) if swapped else (moved.left, moved.right)
    held = {
        Relation.EQUIVALENT: np.abs(one - other) <= settings.same_price,
        Relation.COMPLEMENT: np.abs(one + other - 1.0) <= settings.same_price,
        Relation.IMPLIES: one <= other + settings.same_price,
        Relation.EXCLUSIVE: one + other <= 1.0 + settings.same_price,
    }[relation]
    return float(held.mean()) < _ALWAYS


def _priced(moved: Moves, settings: DiscoverySettings) -> Guess | None:
    """Read the relation from how the prices lie to each other, where they move together."""
    if not _together(moved, settings):
        return None
    guesses: list[Guess] = [(Relation.EQUIVALENT, False), (Relation.IMPLIES, False), (Relation.IMPLIES, True)]
    if moved.correlation < 0.0:
        guesses = [(Relation.COMPLEMENT, False), (Relation.EXCLUSIVE, False)]
    return next((guess for guess in guesses if not _denied(guess, moved, settings)), None)


def _together(moved: Moves, settings: DiscoverySettings) -> bool:
    """Tell whether two prices move together often enough to say so."""
    enough = moved.points >= settings.points and moved.changes >= settings.changes
    return enough and abs(moved.correlation) >= settings.correlation


def _evidence(left: frozenset[str], right: frozenset[str], moved: Moves, settings: DiscoverySettings) -> Evidence:
    """Weigh words and movement by half each; a part below its own bound counts nothing (arb 15)."""
    text = len(left & right) / len(left | right) if left | right else 0.0
    text_part = text if text >= settings.text else 0.0
    strong = _together(moved, settings)
    return Evidence(
        text, moved.correlation, moved.points, 0.5 * text_part + (0.5 * abs(moved.correlation) if strong else 0.0)
    )


def _near(
    markets: Sequence[MarketFacts], words: Sequence[frozenset[str]], settings: DiscoverySettings
) -> set[tuple[int, int]]:
    """Return the pairs of places that share an event or a rare word: never all pairs (W-34)."""
    blocks: dict[tuple[str, str], list[int]] = defaultdict(list)
    rare = shared_words(words, settings.rare_word)
    for place, facts in enumerate(markets):
        if facts.event:
            blocks[facts.market.venue, facts.event].append(place)
        for word in words[place] & rare:
            blocks["", word].append(place)
    return {pair for places in blocks.values() if len(places) <= settings.rare_word for pair in combinations(places, 2)}


def _proposal(
    left: MarketFacts, right: MarketFacts, guess: Guess, evidence: Evidence, outcomes: Mapping[InstrumentId, bool]
) -> Proposal:
    relation, swapped = guess
    one, other = (right, left) if swapped else (left, right)
    seen = [outcomes.get(side.market) for side in (one, other)]
    worlds = () if None in seen else (World(bool(seen[0]), bool(seen[1])),)
    return Proposal(
        relation=relation,
        left=Proposition(one.market),
        right=Proposition(other.market),
        evidence=evidence,
        titles=(one.title or one.event_title, other.title or other.event_title),
        worlds=worlds,
    )
