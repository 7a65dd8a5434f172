"""Laws of stakes: growth is really largest there, every overlay only shrinks, fractions never pass one (arb 9, 21.5)."""

from math import inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.sizing.kelly import growth_optimal, two_outcome
from millrace.sizing.lane_bankroll import LaneBankroll
from millrace.sizing.looks import Looks
from millrace.sizing.overlays import (
    Drawdown,
    cluster_penalty,
    doubt_shrink,
    lock_brake,
    loss_budget,
    variance_shrink,
)
from millrace.sizing.stake_settings import StakeSettings

S = StakeSettings(lock_brake=True)
UNIT = st.floats(0, 1)
MONEY = st.floats(0, 1e6)
RETURN = st.floats(-1, 1)


@st.composite
def bets(draw):
    weights = draw(st.lists(st.floats(0.01, 1), min_size=4, max_size=4))
    total = sum(weights)
    gains = [draw(st.floats(-0.2, 0.5)), 0.0, draw(st.floats(-1, 0)), draw(st.floats(-1, 0))]
    return [weight / total for weight in weights], gains


def _growth(chances, gains, stake) -> float:
    return sum(
        chance * (log(1 + stake * gain) if 1 + stake * gain > 0 else -inf)
        for chance, gain in zip(chances, gains, strict=True)
    )


@given(bets(), UNIT)
def test_no_stake_grows_faster(bet, other) -> None:
    chances, gains = bet
    best = growth_optimal(chances, gains)
    assert 0 <= best <= 1
    assert _growth(chances, gains, other) <= _growth(chances, gains, best) + 1e-9
    if sum(chance * gain for chance, gain in zip(chances, gains, strict=True)) <= 0:
        assert best == 0


@given(UNIT, st.floats(0.01, 5), st.floats(0.01, 1))
def test_the_closed_form(win, gain, loss) -> None:
    assert growth_optimal((win, 1 - win), (gain, -loss)) == pytest.approx(two_outcome(win, gain, loss), abs=1e-8)


@given(st.floats(0, 10), st.lists(RETURN, max_size=60), st.floats(0, 1e4), MONEY, MONEY)
def test_every_overlay_shrinks(error, returns, hours, used, budget) -> None:
    for multiplier in (
        doubt_shrink(error),
        variance_shrink(returns, S),
        lock_brake(hours, S),
        cluster_penalty(used, budget, S),
    ):
        assert 0 <= multiplier <= 1


@given(st.floats(0, 10), st.floats(0, 10))
def test_more_doubt_is_never_a_larger_stake(error, more) -> None:
    assert doubt_shrink(error + more) <= doubt_shrink(error)


@given(MONEY, UNIT, UNIT)
def test_more_confidence_is_never_a_smaller_budget(bankroll, one, other) -> None:
    low, high = sorted((one, other))
    assert loss_budget(bankroll, low, S) <= loss_budget(bankroll, high, S) <= min(500, bankroll * 0.02 + 1e-9)


@given(st.lists(st.tuples(st.floats(1, 1_000), st.integers(0, 10)), min_size=1, max_size=60))
def test_a_drawdown_never_multiplies_above_what_its_depth_allows(equities) -> None:
    drawdown, now, high = Drawdown(), 0, 0.0
    for equity, hours in equities:
        now += hours * 3_600 * 10**9
        high = max(high, equity)
        found = drawdown.observe(equity, now, S)
        fallen = 1 - equity / high
        allowed = (
            0 if fallen >= 0.2 else 0.25 if fallen >= 0.15 else 0.5 if fallen >= 0.1 else 0.75 if fallen >= 0.05 else 1
        )
        assert found <= allowed


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), RETURN), max_size=150), st.text("abcdefgh", max_size=8))
def test_fractions_sum_to_one_at_most_whatever_joins_and_earns(outcomes, lanes) -> None:
    """W-21."""
    bankroll = LaneBankroll(list(dict.fromkeys(lanes)), S)
    for lane, gain in outcomes:
        bankroll.ended(lane, gain)
        fractions = [bankroll.fraction(name) for name in "abcdefgh"]
        assert sum(fractions) <= 1 + 1e-9
        assert all(0 <= fraction <= S.lane_most + 1e-9 for fraction in fractions)


@given(st.lists(st.tuples(st.integers(0, 4), RETURN), min_size=1, max_size=30))
def test_the_edge_that_counts_is_never_above_the_edge_that_is(looks) -> None:
    kept, now = Looks(S), 0
    for seconds, edge in looks:
        now += seconds * 10**9
        assert kept.look("k", now, edge, 0.01).edge <= edge


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0.01, 1e3)), min_size=1, max_size=30))
def test_sizes_grow_by_a_quarter_at_most(sizes) -> None:
    kept, now, last = Looks(S), 0, None
    for seconds, size in sizes:
        now += seconds * 10**9
        kept.look("k", now, 0.0, 0.01)
        allowed = min(size, kept.most("k", now))
        if last is not None:
            assert allowed <= last * 1.25 + 1e-9
        kept.allowed("k", now, allowed)
        last = allowed
