"""The estimator study judges by a truth, so the truth, the watching and the verdict are themselves checked."""

import numpy as np
import pytest
from numpy.random import default_rng

from command_line import millrace
from millrace.research.estimator_study import METHODS, TRUTHS, WATCHED, compare_estimators, estimator_table


@pytest.mark.parametrize("truth", TRUTHS)
def test_every_truth_has_the_median_one(truth) -> None:
    assert np.median(TRUTHS[truth](default_rng(3), 400_000)) == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("watched", WATCHED)
def test_every_wait_began_before_the_look(truth, watched) -> None:
    starts, waits, end = WATCHED[watched](TRUTHS[truth], default_rng(5))
    assert len(starts) == len(waits) >= 80
    assert starts.min() >= 0.0
    assert starts.max() < end
    assert waits.min() > 0.0


def test_a_slot_enters_anew_when_its_exit_fills_and_is_never_without_one() -> None:
    starts, waits, end = WATCHED["80 slots refilling, after 3 medians"](TRUTHS["exponential"], default_rng(5))
    ends = np.sort((starts + waits)[starts + waits <= end])
    assert np.allclose(np.sort(starts)[80:], ends)
    assert np.count_nonzero(starts + waits > end) == 80


def test_nothing_fills_once_the_trend_has_run_away() -> None:
    starts, waits, end = WATCHED["120 entries over 6 medians, a trend at the end"](
        TRUTHS["exponential"], default_rng(5)
    )
    assert np.isinf(waits).any()
    assert (starts + waits)[np.isfinite(waits)].max() < end


def test_what_the_study_shows_and_that_a_seed_repeats_it() -> None:
    rows = compare_estimators(1, 40)
    assert rows == compare_estimators(1, 40)
    assert rows != compare_estimators(2, 40)
    assert len(rows) == len(TRUTHS) * len(WATCHED)
    young = next(row for row in rows if (row.truth, row.watched) == ("exponential", "120 entries over 2 medians"))
    assert young.bias_pct["completed only"] < -40.0
    assert young.bias_pct["completed only"] < young.bias_pct["weighted"] < -20.0
    assert abs(young.bias_pct["Kaplan-Meier"]) < 10.0
    table = estimator_table(rows).splitlines()
    assert len(table) == 2 + len(rows)
    assert all(line.count("|") == len(METHODS) + 5 for line in table)


def test_the_command_prints_one_object() -> None:
    done = millrace("study", "estimators", "--repeats", "2", "--seed", "7", "--json")
    assert done.code == 0, done.err
    found = done.object
    assert (found["seed"], found["repeats"], len(found["rows"])) == (7, 2, 16)
    wrong = millrace("study", "estimators", "--repeats", "0")
    assert wrong.code == 2
    assert "--repeats is at least 1" in wrong.err
