"""Laws of the weights, for any scores: their sum, names, better scores, and the same through whole rebalances (quoting 7)."""

from math import fsum

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from millrace.strategies.quoting.allocator.allocator import AllocatorState
from millrace.strategies.quoting.allocator.weights import target_weights
from millrace.strategies.quoting.settings_growth import AllocatorSettings
from quoting_rounds import PERIOD_MS, rounds, score, weights

SCORES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)
SETTINGS = st.builds(
    AllocatorSettings,
    temperature=st.floats(0.05, 10.0),
    min_weight=st.floats(0.01, 0.9),
    max_weight=st.floats(1.05, 6.0),
    weight_mode=st.sampled_from(["softmax", "curve"]),
    hysteresis_threshold=st.sampled_from([0.0, 0.05, 0.3]),
)


def named(values: list[float]) -> dict[str, float]:
    return {f"S{number}": value for number, value in enumerate(values)}


@given(SCORES, SETTINGS, st.integers(0, 3))
def test_the_sum_is_the_number_of_symbols(values, settings, probes) -> None:
    earned = named(values)
    floors = dict.fromkeys(list(earned)[:probes], 0.3)
    found = target_weights(earned, floors, settings)
    total = fsum(found.values())
    if settings.weight_mode == "curve":
        assert total <= len(earned) + 1e-9
        return
    assert total == pytest.approx(len(earned), rel=1e-9)
    for symbol, weight in found.items():
        assert max(settings.min_weight, floors.get(symbol, 0.0)) <= weight <= settings.max_weight
    proportions = {
        weight / target_weights(earned, {}, AllocatorSettings(**_open(settings)))[symbol]
        for symbol, weight in found.items()
        if max(settings.min_weight, floors.get(symbol, 0.0)) < weight < settings.max_weight
    }
    assert not proportions or max(proportions) == pytest.approx(min(proportions), rel=1e-9)


def _open(settings: AllocatorSettings) -> dict:
    """The same mapping without limits: what is free keeps its proportions."""
    return {"temperature": settings.temperature, "min_weight": 1e-12, "max_weight": 1e12}


@given(SCORES, SETTINGS, st.randoms(use_true_random=False))
def test_names_do_not_matter(values, settings, dice) -> None:
    """Statement 5, of targets and of whole rebalances."""
    earned = named(values)
    names = list(earned)
    others = names.copy()
    dice.shuffle(others)
    renamed = dict(zip(names, others, strict=True))
    turned = {renamed[symbol]: value for symbol, value in earned.items()}
    one, other = target_weights(earned, {}, settings), target_weights(turned, {}, settings)
    assert {renamed[symbol]: weight for symbol, weight in one.items()} == other


@given(SCORES, SETTINGS, st.data())
def test_a_better_score_is_never_punished(values, settings, data) -> None:
    """Statement 6, of targets, and of a rebalance from any weights that earlier scores left."""
    earned = named(values)
    symbol = data.draw(st.sampled_from(sorted(earned)))
    raised = {**earned, symbol: data.draw(st.floats(earned[symbol], 1.0))}
    assert target_weights(raised, {}, settings)[symbol] >= target_weights(earned, {}, settings)[symbol] - 1e-12
    state, now_ms = AllocatorState(), 0
    for _ in range(data.draw(st.integers(0, 3))):
        before = {name: score(data.draw(st.floats(0.0, 1.0))) for name in earned}
        state, now_ms = rounds(state, now_ms, data.draw(st.integers(1, 25)), before, settings)
    assume(all(each.probe_until_ms <= now_ms + PERIOD_MS for each in state.symbols.values()))
    less, _ = rounds(state, now_ms, 1, {name: score(value) for name, value in earned.items()}, settings)
    more, _ = rounds(state, now_ms, 1, {name: score(value) for name, value in raised.items()}, settings)
    assert weights(more)[symbol] >= weights(less)[symbol] - 1e-12
