"""Laws of joint fills: symmetric, between product and weakest leg, monotone, and outcomes that sum to one (arb 8)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.strategies.arb.economics.fill import maker_fill, taker_fill
from millrace.strategies.arb.economics.joint_fill import graduated, joint_fill, outcome_chances
from millrace.strategies.arb.economics.settings import EconomicsSettings

S = EconomicsSettings()
CHANCE = st.floats(0.0, 1.0)
LEGS = st.lists(st.tuples(CHANCE, st.sampled_from("ab")), min_size=2, max_size=6)
RHO = st.floats(0.0, 0.95)
CLOSE = 1e-9


@given(LEGS, RHO, st.randoms())
def test_symmetric_and_within_bounds(legs, rho, random) -> None:
    chances, venues = zip(*legs, strict=True)
    joint = joint_fill(chances, venues, rho)
    assert np.prod(chances) - CLOSE <= joint <= min(chances) + CLOSE
    shuffled = list(legs)
    random.shuffle(shuffled)
    assert joint_fill(*zip(*shuffled, strict=True), rho) == pytest.approx(joint, abs=1e-9)


@given(LEGS, RHO, CHANCE)
def test_monotone_in_each_leg(legs, rho, more) -> None:
    chances, venues = zip(*legs, strict=True)
    better = (max(chances[0], more), *chances[1:])
    assert joint_fill(better, venues, rho) >= joint_fill(chances, venues, rho) - CLOSE


@given(LEGS, RHO, RHO)
def test_monotone_in_the_correlation(legs, one, other) -> None:
    """The rule of 48 nodes is exact to about a millionth here."""
    chances, venues = zip(*legs, strict=True)
    low, high = sorted((one, other))
    assert joint_fill(chances, venues, low) <= joint_fill(chances, venues, high) + 2e-4


@given(LEGS, RHO)
def test_outcomes_sum_to_one_and_agree_with_each_leg(legs, rho) -> None:
    chances, venues = zip(*legs, strict=True)
    outcomes = outcome_chances(chances, venues, rho)
    assert outcomes.min() >= 0
    assert outcomes.sum() == pytest.approx(1, abs=1e-9)
    assert outcomes[-1] == pytest.approx(joint_fill(chances, venues, rho), abs=2e-4)
    for leg, chance in enumerate(chances):
        filled = [at for at in range(len(outcomes)) if at >> leg & 1]
        assert outcomes[filled].sum() == pytest.approx(chance, abs=2e-3)


@given(CHANCE, CHANCE)
def test_graduated_mass(whole, none) -> None:
    grades = graduated(whole, none)
    assert min(grades) >= 0
    assert sum(grades) == pytest.approx(1, abs=1e-9)
    assert grades[-1] == whole


@given(st.floats(1, 500), st.floats(0, 500), st.floats(0, 500), st.floats(0, 2_000))
def test_more_queue_never_helps(contracts, queue, more, rate) -> None:
    assert maker_fill(contracts, queue + more, 5, rate, S) <= maker_fill(contracts, queue, 5, rate, S) + CLOSE


@given(st.floats(1, 500), st.floats(0, 500), st.floats(0, 900), st.floats(0, 1), st.floats(0, 900))
def test_a_takers_chance_is_one_and_falls_with_age_and_size(contracts, available, age, spread, more) -> None:
    chance = taker_fill(contracts, available, age, spread, S)
    assert 0 <= chance <= 1
    assert taker_fill(contracts, available, age + more, spread, S) <= chance
    assert taker_fill(contracts + more, available, age, spread, S) <= chance
