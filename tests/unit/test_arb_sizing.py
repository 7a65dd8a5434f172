"""Stakes: growth against the golden rows and the closed form, and the numbers of every overlay (arb 9)."""

import json
from math import sqrt
from pathlib import Path
from typing import Any

import pytest

from millrace.sizing.kelly import growth_optimal, two_outcome
from millrace.sizing.lane_bankroll import LaneBankroll
from millrace.sizing.looks import Looks
from millrace.sizing.overlays import (
    Drawdown,
    cluster_penalty,
    doubt_shrink,
    lock_brake,
    loss_budget,
    robust_deviation,
    uncertainty,
    variance_shrink,
    winsorised,
)
from millrace.sizing.stake_settings import StakeSettings

S = StakeSettings()
SECOND = 10**9
HOUR = 3_600 * SECOND


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "golden" / "arb.json").read_text())


def test_the_four_outcome_optimum(golden) -> None:
    """Golden part C, truth: 1e-9 is the bisection's; the rows are rounded."""
    for chances, returns, optimum in golden["truth"]["kelly_log_growth"]["rows"]:
        assert growth_optimal(chances, returns) == pytest.approx(optimum, abs=1e-6)


def test_the_two_outcome_case(golden) -> None:
    """Arb 9.2: (b p - a q) / (a b); the original's fraction times sqrt(p), cut at one (W-19)."""
    for edge, cost, win, loss, original in golden["kelly_raw"]["rows"]:
        gain, lost = edge / cost, (cost if loss is None else loss) / cost
        found = growth_optimal((win, 1 - win), (gain, -lost))
        expected = original / sqrt(win) if 0 < original < 1 else original
        assert found == pytest.approx(min(expected, 1.0), abs=1e-6)
        if gain > 0:
            assert found == pytest.approx(two_outcome(win, gain, lost), abs=1e-9)


def test_defaults_are_the_contracts() -> None:
    """Arb 9, 19."""
    assert (S.kelly_share, S.venue_cash_share, S.max_uncertainty, S.least_confidence) == (0.25, 0.08, 0.8, 0.1)
    assert (S.variance_share, S.variance_outcomes) == (0.5, 50)
    assert (S.loss_share_low, S.loss_share_high, S.loss_most_usd, S.loss_least_usd) == (0.002, 0.02, 500, 1)
    assert (S.drawdown_trades, S.drawdown_hours) == (20, 24)
    assert (S.lane_fraction, S.lane_least, S.lane_most, S.lane_smoothing, S.lane_mean_weight) == (
        0.20,
        0.05,
        0.40,
        0.3,
        0.6,
    )
    assert (S.lane_outcomes, S.lane_least_outcomes, S.lane_loser_outcomes) == (100, 10, 30)
    assert (S.lock_per_hour, S.lock_most, S.longest_lock_hours) == (0.001, 0.5, 720)
    assert (S.looks, S.look_window_sec, S.outlier_score, S.outlier_alert, S.growth_per_look) == (3, 10, 3.5, 3, 0.25)
    assert (S.trade_usd, S.trade_contracts, S.cluster_share, S.cluster_penalty) == (40, 100, 0.35, 0.75)


def test_doubt_shrinks_by_one_over_one_plus_u_squared(golden) -> None:
    """Arb 9.3, W-20: 0.39 at u = 0.8, whatever edge and cost are."""
    assert doubt_shrink(0.0) == 1
    for _, _, error, original, correct in golden["demonstrated_defects"]["uncertainty_haircut_is_a_no_op"]:
        assert 1 - doubt_shrink(error) == pytest.approx(correct)
        assert original < 0.02 < correct
    assert uncertainty((0.3, 0.4)) == pytest.approx(0.5)


def test_variance_of_returns_per_dollar() -> None:
    """Arb 9.4: 1 - min(1, 0.5 x deviation) over the last 50."""
    assert variance_shrink([0.1], S) == 1
    assert variance_shrink([0.1, -0.1], S) == pytest.approx(1 - 0.5 * sqrt(0.02))
    assert variance_shrink([10.0, -10.0], S) == 0
    assert variance_shrink([50.0, -50.0, *[0.0] * 50], S) == 1


def test_the_loss_budget() -> None:
    """Arb 9.5: bankroll x (0.002 + 0.018 x confidence), at most 500, at least 1 or no trade."""
    assert loss_budget(1_000, 0.0, S) == pytest.approx(2.0)
    assert loss_budget(1_000, 1.0, S) == pytest.approx(20.0)
    assert loss_budget(1_000_000, 1.0, S) == 500
    assert loss_budget(400, 0.0, S) == 0


@pytest.mark.parametrize(
    ("fallen", "multiplier"), [(0.04, 1), (0.05, 0.75), (0.10, 0.5), (0.15, 0.25), (0.20, 0), (0.5, 0)]
)
def test_drawdown_tiers(fallen, multiplier) -> None:
    """Arb 9.6."""
    drawdown = Drawdown()
    assert drawdown.observe(1_000, 0, S) == 1
    assert drawdown.observe(1_000 * (1 - fallen), 1, S) == multiplier


def test_drawdown_ends_one_tier_at_a_time() -> None:
    """Arb 9.6: after 20 trades or 24 hours each; a shut-down when half of the loss is regained."""
    drawdown = Drawdown()
    drawdown.observe(1_000, 0, S)
    assert drawdown.observe(800, 0, S) == 0
    assert drawdown.observe(790, HOUR, S) == 0
    assert drawdown.observe(894, 1_000 * HOUR, S) == 0
    assert drawdown.observe(895, 1_000 * HOUR, S) == 0.25
    assert drawdown.observe(999, 1_001 * HOUR, S) == 0.25
    for _ in range(20):
        drawdown.traded()
    assert drawdown.observe(999, 1_001 * HOUR, S) == 0.5
    assert drawdown.observe(999, 1_024 * HOUR, S) == 0.5
    assert drawdown.observe(999, 1_025 * HOUR, S) == 0.75
    assert drawdown.observe(999, 1_049 * HOUR, S) == 1


def test_the_lock_brake_is_off_unless_asked_for() -> None:
    """Arb 9.8: 1 - min(0.5, 0.001 (hours - 1))."""
    on = StakeSettings(lock_brake=True)
    assert lock_brake(500, S) == 1
    assert [lock_brake(hours, on) for hours in (0, 1, 101, 501, 5_000)] == pytest.approx([1, 1, 0.9, 0.5, 0.5])


def test_a_full_cluster_leaves_a_tenth() -> None:
    """Arb 9.11: max(0.1, 1 - 0.75 x use)."""
    assert [cluster_penalty(used, 100, S) for used in (0, 50, 100)] == pytest.approx([1, 0.625, 0.25])
    assert cluster_penalty(100, 100, StakeSettings(cluster_penalty=1.0)) == 0.1


def test_robust_figures() -> None:
    """Arb 9.9: five per cent drawn in on each side; the deviation does not see one outlier."""
    values = [float(value) for value in range(20)] + [1_000.0]
    assert winsorised(values).max() == 19.0
    assert robust_deviation(values) == pytest.approx(5 * 1.4826)


def test_a_lane_without_outcomes_has_a_fifth_and_all_together_no_more_than_one() -> None:
    """Arb 9.7, W-21."""
    assert LaneBankroll(["a", "b"], S).fraction("a") == 0.2
    many = LaneBankroll([f"lane{number}" for number in range(7)], S)
    assert sum(many.fraction(f"lane{number}") for number in range(7)) == pytest.approx(1)
    assert many.fraction("nobody") == 0


def test_a_lane_that_may_well_lose_gets_nothing() -> None:
    """Arb 9.7: the lower 90 % bound of the mean over 30 outcomes or more."""
    lanes = LaneBankroll(["good", "bad"], S)
    for number in range(29):
        lanes.ended("bad", -0.05 + 0.01 * (number % 3))
        lanes.ended("good", 0.02 + 0.01 * (number % 3))
    assert lanes.fraction("bad") > 0
    lanes.ended("bad", -0.04)
    assert lanes.fraction("bad") == 0
    lanes.ended("good", 0.02)
    assert 0.2 < lanes.fraction("good") <= 0.4
    again = LaneBankroll(["good", "bad"], S)
    again.restore(lanes.snapshot())
    assert again.fraction("good") == lanes.fraction("good")


def test_the_edge_that_counts() -> None:
    """Arb 9.9: the worst of fewer than three looks, then the median, never more than now; none older than 10 s."""
    looks = Looks(S)
    assert looks.look("k", 0, 0.03, 0.01).edge == 0.03
    assert looks.look("k", SECOND, 0.04, 0.01).edge == 0.03
    assert looks.look("k", 2 * SECOND, 0.05, 0.01).edge == 0.04
    assert looks.look("k", 3 * SECOND, 0.01, 0.01).edge == 0.01
    assert looks.look("k", 14 * SECOND, 0.09, 0.01).edge == 0.09


def test_an_edge_without_deviation_has_a_tick() -> None:
    """Arb 9.9: when the deviation is 0 not any difference is an outlier."""
    looks = Looks(S)
    for second in range(4):
        assert not looks.look("k", second * SECOND, 0.03, 0.01).outlier
    assert not looks.look("k", 5 * SECOND, 0.04, 0.01).outlier
    assert looks.look("k", 6 * SECOND, 0.09, 0.01).outlier


def test_the_same_moment_is_one_look() -> None:
    """A cycle that decides a candidate twice has not seen it twice."""
    looks = Looks(S)
    for _ in range(5):
        assert looks.look("k", 0, 0.03, 0.01).edge == 0.03
    assert looks.look("k", SECOND, 0.05, 0.01).edge == 0.03
    for second in range(2, 6):
        looks.look("k", second * SECOND, 0.03, 0.01)
    assert [looks.look("k", 6 * SECOND, 0.3, 0.01).alert for _ in range(5)] == [False] * 5
