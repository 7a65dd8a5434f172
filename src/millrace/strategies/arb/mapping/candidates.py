"""Proposes pairs between two venues: alike in words, without a disagreement, one to one.

Whoever takes the best match of each row maps hundreds of markets onto one contract. So the pairs of a connected group
are chosen together, at the largest total weight with each market used once, and where a second choice is nearly as
good nothing is proposed at all (arb 14.1).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from millrace.strategies.arb.mapping.claims import claim_of
from millrace.strategies.arb.mapping.settings import MappingSettings
from millrace.strategies.arb.mapping.text import market_tokens, similarity
from millrace.strategies.arb.mapping.vetoes import vetoes
from millrace.strategies.arb.model import MarketFacts

Score = float


class Refusal(StrEnum):
    """Why two markets that are alike in words are not proposed."""

    VETO = "veto"
    AMBIGUOUS = "ambiguous"
    BETTER_ELSEWHERE = "better_elsewhere"


class Candidate(NamedTuple):
    """Two markets that may carry one proposition; `refused` and `text` say why they do not."""

    left: MarketFacts
    right: MarketFacts
    score: Score
    refused: Refusal | None
    text: str


def propose(
    left: Sequence[MarketFacts], right: Sequence[MarketFacts], settings: MappingSettings
) -> tuple[Candidate, ...]:
    """Return all pairs of the two venues that are alike enough, the proposed ones first, then those refused.

    Only markets that share a rare word are compared, so the work grows with the venues' sizes and not their product.
    """
    ordered = [sorted(side, key=lambda facts: facts.market) for side in (left, right)]
    scores = _alike(ordered[0], ordered[1], settings)
    claims = [{place: claim_of(side[place]) for place in {key[number] for key in scores}}
              for number, side in enumerate(ordered)]  # fmt: skip
    refused: dict[tuple[int, int], tuple[Refusal, str]] = {}
    for key in scores:
        if found := vetoes(claims[0][key[0]], claims[1][key[1]]):
            refused[key] = Refusal.VETO, "; ".join(map(str, found))
    allowed = {key: score for key, score in scores.items() if key not in refused}
    chosen, best = one_to_one(allowed), _rivals(allowed)
    for key, score in allowed.items():
        if key not in chosen:
            refused[key] = Refusal.BETTER_ELSEWHERE, "a market of it belongs to a better pair"
        elif rival := _rival(key, score, best, settings.runner_up_gap):
            refused[key] = Refusal.AMBIGUOUS, f"{rival} is nearly as good"
    made = [
        Candidate(ordered[0][one], ordered[1][other], score, *refused.get((one, other), (None, "")))
        for (one, other), score in scores.items()
    ]
    return tuple(sorted(made, key=lambda found: (found.refused is not None, -found.score, found.left.market)))


def one_to_one(scores: dict[tuple[int, int], Score]) -> set[tuple[int, int]]:
    """Return the pairs that use each place at most once and together weigh the most (arb 14.1).

    Each connected group is solved by itself; a left-out place is better than a pair that was not scored.
    """
    chosen: set[tuple[int, int]] = set()
    for group in _groups(scores):
        lefts, rights = (sorted({key[number] for key in group}) for number in (0, 1))
        weights = np.zeros((len(lefts), len(rights)))
        for one, other in group:
            weights[lefts.index(one), rights.index(other)] = scores[one, other]
        pairs = zip(*linear_sum_assignment(weights, maximize=True), strict=True)
        chosen |= {(lefts[one], rights[other]) for one, other in pairs if weights[one, other] > 0.0}
    return chosen


def _alike(
    left: Sequence[MarketFacts], right: Sequence[MarketFacts], settings: MappingSettings
) -> dict[tuple[int, int], Score]:
    """Return the scores of all pairs that share a rare word and are alike enough."""
    words = [[market_tokens(facts) for facts in side] for side in (left, right)]
    holders: dict[str, list[int]] = defaultdict(list)
    for place, own in enumerate(words[1]):
        for word in own:
            holders[word].append(place)
    scores: dict[tuple[int, int], Score] = {}
    for place, own in enumerate(words[0]):
        near = {other for word in own for other in holders.get(word, ()) if len(holders[word]) <= settings.rare_word}
        for other in sorted(near):
            score = similarity(own, words[1][other])
            if score >= settings.text_similarity:
                scores[place, other] = score
    return scores


def _rivals(scores: dict[tuple[int, int], Score]) -> dict[tuple[int, int], list[tuple[Score, int]]]:
    """Return, for each side and place, its two best scores and with whom."""
    best: dict[tuple[int, int], list[tuple[Score, int]]] = defaultdict(list)
    for (one, other), score in scores.items():
        for node, partner in (((0, one), other), ((1, other), one)):
            best[node] = sorted([*best[node], (score, partner)], key=lambda found: (-found[0], found[1]))[:2]
    return best


def _rival(key: tuple[int, int], score: Score, best: dict[tuple[int, int], list[tuple[Score, int]]], gap: float) -> str:
    """Return the runner-up of either side that is within the gap, as words; empty when there is none."""
    for node, partner, side in (((0, key[0]), key[1], "left"), ((1, key[1]), key[0], "right")):
        for rival, other in best[node]:
            if other != partner and rival >= score - gap:
                return f"another match of its {side} market ({rival:.2f})"
    return ""


def _groups(keys: Iterable[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Return the connected groups of pairs, each in order."""
    parent: dict[tuple[int, int], tuple[int, int]] = {}

    def root(node: tuple[int, int]) -> tuple[int, int]:
        while parent.setdefault(node, node) != node:
            parent[node] = node = parent[parent[node]]
        return node

    edges = sorted(keys)
    for one, other in edges:
        parent[root((0, one))] = root((1, other))
    groups: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for edge in edges:
        groups[root((0, edge[0]))].append(edge)
    return list(groups.values())
