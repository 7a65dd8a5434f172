"""Proposed pairs: alike in words, no disagreement, one to one, and nothing where two would do (arb 14.1)."""

from collections import Counter
from itertools import combinations, permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.instrument import InstrumentId
from millrace.sim.prediction.paraphrases import CHANGES, made_pairs
from millrace.strategies.arb.mapping.candidates import Refusal, one_to_one, propose
from millrace.strategies.arb.mapping.settings import MappingSettings
from millrace.strategies.arb.mapping.tiers import compare
from millrace.strategies.arb.model import MarketFacts

SETTINGS = MappingSettings()


def market(venue: str, symbol: str, title: str) -> MarketFacts:
    return MarketFacts(market=InstrumentId(venue, symbol), event="e", title=title)


def best_by_trying(scores: dict[tuple[int, int], float]) -> float:
    """Return the largest weight of any set of pairs that uses each place at most once."""
    return max(
        (
            sum(scores[pair] for pair in pairs)
            for size in range(len(scores) + 1)
            for pairs in combinations(scores, size)
            if len({one for one, _ in pairs}) == len({other for _, other in pairs}) == size
        ),
        default=0.0,
    )


SCORES = st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.integers(62, 100), max_size=9)


@given(SCORES)
def test_the_chosen_pairs_are_one_to_one_and_weigh_as_much_as_any(found: dict[tuple[int, int], int]) -> None:
    scores = {key: score / 100 for key, score in found.items()}
    chosen = one_to_one(scores)
    assert chosen <= scores.keys()
    assert len({one for one, _ in chosen}) == len({other for _, other in chosen}) == len(chosen)
    assert sum(scores[pair] for pair in chosen) == pytest.approx(best_by_trying(scores))


def test_a_contract_that_is_the_best_of_many_is_given_to_one() -> None:
    """The shape of the map that 14.3 tells of: best match per row puts many rows onto one contract."""
    left = [market("k", f"K{n}", f"Fed rate above {n}% in June 2026") for n in (1, 2, 3)]
    right = [market("f", "F1", "Fed rate in June 2026")]
    found = propose(left, right, SETTINGS)
    assert [candidate.refused for candidate in found].count(None) == 0
    assert Counter(candidate.refused for candidate in found) == {Refusal.AMBIGUOUS: 1, Refusal.BETTER_ELSEWHERE: 2}


def test_a_veto_beats_any_score() -> None:
    title = "Will the Fed cut by 25 bps in {} 2026?"
    (found,) = propose([market("k", "K", title.format("June"))], [market("p", "P", title.format("July"))], SETTINGS)
    assert (found.refused, found.score > 0.62) == (Refusal.VETO, True)
    assert "date" in found.text


def test_a_runner_up_within_the_gap_makes_a_pair_ambiguous() -> None:
    left = [market("k", "K", "Will Maria Gomez win the mayor race in Denver in 2026")]
    right = [
        market("p", "P1", "Maria Gomez win mayor race Denver 2026"),
        market("p", "P2", "Maria Gomez win mayor Denver 2026"),
    ]
    found = propose(left, right, SETTINGS)
    assert {candidate.refused for candidate in found} == {None, Refusal.BETTER_ELSEWHERE}
    wide = msgspec.structs.replace(SETTINGS, runner_up_gap=0.5)
    assert {candidate.refused for candidate in propose(left, right, wide)} == {
        *(Refusal.AMBIGUOUS, Refusal.BETTER_ELSEWHERE),
    }


def test_only_markets_that_share_a_rare_word_are_compared() -> None:
    """W-34: never all pairs."""
    left = [market("k", f"K{n}", "alpha beta gamma") for n in range(3)]
    right = [market("p", f"P{n}", "alpha beta gamma") for n in range(3)]
    assert propose(left, right, msgspec.structs.replace(SETTINGS, rare_word=2)) == ()
    assert len(propose(left, right, SETTINGS)) == 9


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_the_lists_does_not_matter(order) -> None:
    titles = [f"Will team {name} win the {name} cup in 2026" for name in ("rovers", "lions", "sharks")]
    left = [market("k", f"K{n}", title) for n, title in enumerate(titles)]
    right = [market("p", f"P{n}", title) for n, title in enumerate(titles)]
    expected = propose(left, right, SETTINGS)
    assert propose([left[n] for n in order], [right[n] for n in order], SETTINGS) == expected
    proposed = {(found.left.market.symbol, found.right.market.symbol) for found in expected if found.refused is None}
    assert proposed == {("K0", "P0"), ("K1", "P1"), ("K2", "P2")}


# ---- the made pairs: a measurement with a bound; see docs/results/arb.md


def test_of_made_pairs_every_false_one_is_refused_and_the_true_ones_pass() -> None:
    pairs = made_pairs(seed=11, count=1_500)
    assert {pair.change for pair in pairs} == {"", *CHANGES}
    accepted = [pair for pair in pairs if not compare(pair.left, pair.right, SETTINGS).vetoes]
    false = [(pair.left.title, pair.right.title) for pair in accepted if not pair.true]
    assert false == []
    assert len(accepted) == sum(pair.true for pair in pairs)


def test_out_of_a_pool_of_made_markets_only_true_pairs_are_proposed() -> None:
    pairs = made_pairs(seed=12, count=400)
    means = {}
    for pair in pairs:
        means[pair.left.market], means[pair.right.market] = pair.left_means, pair.right_means
    found = [
        each for each in propose([p.left for p in pairs], [p.right for p in pairs], SETTINGS) if each.refused is None
    ]
    assert [each for each in found if means[each.left.market] != means[each.right.market]] == []
    assert len(found) > 100


def test_the_same_seed_makes_the_same_pairs_and_another_one_others() -> None:
    assert made_pairs(1, 20) == made_pairs(1, 30)[:20]
    assert made_pairs(1, 20) != made_pairs(2, 20)
