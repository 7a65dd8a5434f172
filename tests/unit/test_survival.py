"""Kaplan-Meier fill times: equal to the product-limit formula, honest where half never filled, and absent unless asked."""

import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.sizing.survival import FillTimes, fill_times
from sizer_rows import NOW, cycle, multiplier, sizer, waiting

TIMES = st.lists(st.integers(1, 30).map(float), min_size=1, max_size=40)


def by_hand(durations: list[float], ages: list[float]) -> FillTimes:
    """The product-limit estimate (Kaplan and Meier 1958) in fractions; who waits at a fill's time was still at risk."""
    found: list[float | None] = [None, None, None]
    alive = Fraction(1)
    for at in sorted(set(durations)):
        at_risk = sum(time >= at for time in durations + ages)
        alive *= 1 - Fraction(durations.count(at), at_risk)
        for place, share in enumerate((Fraction(1, 2), Fraction(3, 4), Fraction(19, 20))):
            if found[place] is None and 1 - alive >= share:
                found[place] = at
    longest = max(durations + ages)
    median, p75, p95 = (longest if time is None else time for time in found)
    return FillTimes(median, p75, p95, median_seen=found[0] is not None)


@given(TIMES, st.one_of(st.just([]), TIMES))
def test_it_is_the_product_limit_estimate(durations, ages) -> None:
    assert fill_times(sorted(durations), sorted(ages)) == by_hand(durations, ages)


def test_half_of_an_even_number_is_half_in_spite_of_rounding() -> None:
    for half in range(1, 60):
        times = [float(n) for n in range(1, 2 * half + 1)]
        assert fill_times(times, []).median_sec == float(half)


def test_a_young_waiting_exit_only_leaves_the_crowd_and_an_old_one_makes_the_median_longer() -> None:
    done = [float(n) for n in range(1, 10)]
    assert fill_times(done, [0.5] * 100) == fill_times(done, [])
    assert fill_times(done, [9.0] * 9).median_sec == 9.0
    assert fill_times(done, [20.0] * 3).median_sec == 6.0


def test_where_fewer_than_half_have_filled_the_longest_time_seen_is_a_lower_bound_and_the_reason_says_so() -> None:
    assert fill_times([1.0, 2.0], [5.0, 7.0, 9.0]) == FillTimes(9.0, 9.0, 9.0, median_seen=False)
    subject = sizer(estimator="kaplan_meier")
    stats = subject.update([cycle(10.0), cycle(20.0)], [waiting(40.0), waiting(50.0), waiting(60.0)])
    assert stats["aggregate"].median_fill_sec == 60.0
    assert subject.status_payload()["buckets"]["aggregate"]["reason"] == "median_beyond_last_fill"
    assert subject.size_for_slot(2.0, 1, "A")[1] == "ok"


def test_every_waiting_exit_counts_and_neither_gate_nor_weight_touches_it() -> None:
    rows, exits = [cycle(float(n)) for n in range(10, 101, 10)], [waiting(age) for age in (1.0, 30.0, 95.0)]
    plain = sizer(estimator="kaplan_meier").update(rows, exits)["aggregate"]
    assert plain.n_censored == 3
    assert plain == sizer(estimator="kaplan_meier", censored_weight=0.0).update(rows, exits)["aggregate"]


def test_a_slow_side_is_sized_down_by_the_ratio_of_the_medians() -> None:
    rows = [cycle(100.0, 0, "A")] * 12 + [cycle(300.0, 2, "B")] * 4
    subject = sizer(estimator="kaplan_meier", floor_mult=0.01)
    stats = subject.update(rows, [waiting(400.0, regime=2, leg="B")] * 4)
    assert (stats["aggregate"].median_fill_sec, stats["bullish_B"].median_fill_sec) == (100.0, 300.0)
    assert multiplier(subject, "bullish_B") == pytest.approx(1 / 3)


def test_the_state_has_the_same_shape_and_restores_to_the_same_sizes() -> None:
    rows = [cycle(float(n), n % 3, "AB"[n % 2]) for n in range(5, 90)]
    exits = [waiting(float(n), regime=n % 3, leg="AB"[n % 2]) for n in range(3, 80, 7)]
    one, other = sizer(estimator="kaplan_meier"), sizer(estimator="kaplan_meier")
    one.update(rows, exits, 1, 500.0, now=NOW)
    plain = sizer()
    plain.update(rows, exits, 1, 500.0, now=NOW)
    assert one.snapshot_state().keys() == plain.snapshot_state().keys()
    assert one.snapshot_state()["bucket_stats"].keys() == plain.snapshot_state()["bucket_stats"].keys()
    other.restore_state(one.snapshot_state())
    assert other.snapshot_state() == one.snapshot_state()
    assert other.size_for_slot(2.0, 1, "A") == one.size_for_slot(2.0, 1, "A")


@pytest.mark.parametrize(("estimator", "imported"), [("weighted", False), ("kaplan_meier", True)])
def test_scipy_is_imported_when_it_is_asked_for_and_before_the_first_trade(estimator, imported) -> None:
    program = (
        "import sys\nfrom millrace.sizing.throughput import ThroughputConfig, ThroughputSizer\n"
        f"ThroughputSizer(ThroughputConfig(enabled=True, estimator={estimator!r}))\nprint('scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == str(imported)
