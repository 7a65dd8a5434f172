"""Blocks of days drawn again: whole, inside their stretch, wide enough for days that resemble each other."""

import msgspec
import numpy as np
import pytest
from numpy.random import default_rng

from millrace.research.block_bootstrap import block_days, mean_intervals


def test_a_resample_has_every_stretch_at_its_length_in_whole_circular_blocks() -> None:
    drawn = block_days([7, 4, 2], 3, 200, default_rng(1))
    assert drawn.shape == (200, 13)
    for row in drawn:
        for first, length in ((0, 7), (7, 4), (11, 2)):
            days = row[first : first + length] - first
            assert days.min() >= 0
            assert days.max() < length
            for place in range(1, length):
                if place % min(3, length):
                    assert days[place] == (days[place - 1] + 1) % length
    assert len({tuple(row) for row in drawn}) > 50


def moving(rng, days: int, keep: float) -> np.ndarray:
    values = np.empty(days)
    values[0] = rng.normal()
    for day in range(1, days):
        values[day] = keep * values[day - 1] + rng.normal()
    return values


def test_days_that_resemble_each_other_make_a_wider_interval_than_single_days_would() -> None:
    daily = moving(default_rng(3), 300, 0.7)[:, None]
    (single,) = mean_intervals(daily, [300], 1, 2_000, default_rng(1))
    (blocks,) = mean_intervals(daily, [300], 10, 2_000, default_rng(1))
    assert single.mean == blocks.mean == pytest.approx(daily.mean())
    assert blocks.high - blocks.low > 1.4 * (single.high - single.low)


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(100):
        (found,) = mean_intervals(default_rng(seed).normal(0.0, 1.0, (120, 1)), [60, 60], 5, 400, default_rng(1))
        hits += found.low <= 0.0 <= found.high
    assert 85 <= hits <= 99


def test_of_twenty_idle_columns_one_often_looks_good_alone_and_seldom_when_all_are_allowed_for() -> None:
    alone = together = 0
    for seed in range(60):
        found = mean_intervals(default_rng(seed).normal(0.0, 1.0, (120, 20)), [120], 5, 400, default_rng(1))
        alone += any(one.low > 0.0 or one.high < 0.0 for one in found)
        together += any(one.wide_low > 0.0 or one.wide_high < 0.0 for one in found)
    assert alone >= 30
    assert together <= 12


def test_a_column_without_change_has_no_width_and_widens_no_other() -> None:
    daily = default_rng(2).normal(0.0, 1.0, (50, 1))
    (alone,) = mean_intervals(daily, [50], 5, 500, default_rng(1))
    idle, beside = mean_intervals(np.column_stack([np.zeros(50), daily]), [50], 5, 500, default_rng(1))
    assert (idle.low, idle.high, idle.wide_low, idle.wide_high) == (0.0, 0.0, 0.0, 0.0)
    assert msgspec.structs.astuple(beside) == pytest.approx(msgspec.structs.astuple(alone))
    (none,) = mean_intervals(np.zeros((9, 1)), [9], 5, 500, default_rng(1))
    assert none.wide_high == 0.0


def test_a_seed_repeats_itself_also_over_more_resamples_than_fit_at_once() -> None:
    daily = default_rng(2).normal(0.0, 1.0, (50, 2))
    assert mean_intervals(daily, [50], 5, 1_250, default_rng(9)) == mean_intervals(
        daily, [50], 5, 1_250, default_rng(9)
    )
    assert mean_intervals(daily, [50], 5, 1_250, default_rng(9)) != mean_intervals(
        daily, [50], 5, 1_250, default_rng(8)
    )
