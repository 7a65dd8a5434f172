"""The sizer's behaviours one by one (slots 14 and 24), on rows small enough to check by hand."""

import json
import math
from decimal import Decimal
from fractions import Fraction

import pytest

from millrace.sizing.throughput import ThroughputConfig, ThroughputSizer
from millrace.sizing.throughput_stats import BUCKETS, LARGEST, number, weighted_percentile
from sizer_rows import NOW, cycle, multiplier, sizer, waiting


def test_14_2_a_row_counts_in_the_aggregate_and_in_its_side_bucket_only_if_both_parts_mean_something() -> None:
    subject = sizer()
    rows = [cycle(10.0, regime, leg) for regime in (0, 1, 2) for leg in "AB"]
    rows += [cycle(10.0, "weird", "A"), cycle(10.0, 1, "C"), cycle(10.0, None, "A"), cycle(10.0, " Bullish ", " b ")]
    subject.update(rows, [])
    counts = subject.snapshot_state()["_n_completed"]
    assert counts == {
        "aggregate": 10, "bearish_A": 1, "bearish_B": 1, "ranging_A": 1, "ranging_B": 1, "bullish_A": 1, "bullish_B": 2,
    }  # fmt: skip


def test_14_6_percentiles_of_10_20_30_are_20_30_30() -> None:
    stats = sizer().update([cycle(10.0), cycle(20.0), cycle(30.0)], [])["aggregate"]
    assert (stats.median_fill_sec, stats.p75_fill_sec, stats.p95_fill_sec) == (20.0, 30.0, 30.0)


@pytest.mark.parametrize(
    ("q", "value"), [(-1.0, 10.0), (0.0, 10.0), (1 / 3, 10.0), (0.34, 20.0), (1.0, 30.0), (7.0, 30.0), (math.nan, 10.0)]
)
def test_14_5_no_interpolation_and_q_is_clamped(q: float, value: float) -> None:
    assert weighted_percentile([(30.0, 1.0), (10.0, 1.0), (20.0, 1.0), (0.0, 9.0), (5.0, 0.0)], q) == value


def test_14_6_waiting_exits_join_only_past_half_the_median_and_with_their_weight() -> None:
    done = [cycle(100.0) for _ in range(4)]
    at_gate, past_gate = waiting(50.0), waiting(50.001)
    assert sizer().update(done, [at_gate])["aggregate"].n_censored == 0
    stats = sizer(censored_weight=4.0).update(done, [past_gate])["aggregate"]
    assert (stats.n_censored, stats.median_fill_sec, stats.p75_fill_sec) == (1, 50.001, 100.0)
    unweighted = sizer(censored_weight=-1.0).update(done, [past_gate])["aggregate"]
    assert (unweighted.n_censored, unweighted.median_fill_sec) == (1, 100.0)


def test_14_7_a_faster_bucket_gets_more_and_a_slower_one_less() -> None:
    subject = sizer()
    subject.update([cycle(10.0, 0), cycle(20.0, 1), cycle(40.0, 2)], [])
    assert [multiplier(subject, f"{name}_A") for name in ("bearish", "ranging", "bullish")] == [2.0, 1.0, 0.5]


def test_14_7_few_samples_blend_towards_one() -> None:
    subject = sizer(full_confidence_samples=4)
    subject.update([cycle(10.0, 0), cycle(20.0, 1), cycle(20.0, 1)], [])
    assert multiplier(subject, "bearish_A") == 1.25
    assert multiplier(subject, "aggregate") == 1.0


def test_14_8_age_pressure_starts_past_the_trigger_and_stops_at_its_floor() -> None:
    done = [cycle(100.0) for _ in range(4)]
    ages = {150.0: 1.0, 225.0: 0.75, 300.0: 0.5, 9_000.0: 0.3}
    for age, pressure in ages.items():
        subject = sizer(censored_weight=0.0)
        subject.update(done, [waiting(age, 0.0)])
        assert subject.status_payload()["age_pressure"] == pressure, age


def test_14_8_reference_is_p90_or_the_oldest() -> None:
    done = [cycle(100.0) for _ in range(4)]
    ages = [waiting(1.0, 0.0) for _ in range(10)] + [waiting(9_000.0, 0.0)]
    p90, oldest = sizer(), sizer(age_pressure_reference="max")
    for subject in (p90, oldest):
        subject.update(done, ages)
        assert subject.status_payload()["oldest_open_exit_age_sec"] == 9_000.0
    assert (p90.status_payload()["age_pressure"], oldest.status_payload()["age_pressure"]) == (1.0, 0.3)
    assert p90.status_payload()["age_pressure_ref_age_sec"] == 1.0
    ten = sizer()
    ten.update(done, ages[1:])
    assert ten.status_payload()["age_pressure_ref_age_sec"] == 9_000.0, "up to ten exits p90 is the oldest"


def test_14_9_utilisation_penalty_starts_past_the_threshold_and_stops_at_its_floor() -> None:
    done = [cycle(100.0)]
    for locked, penalty in {70.0: 1.0, 85.0: 0.6, 100.0: 0.4}.items():
        subject = sizer(censored_weight=0.0)
        subject.update(done, [waiting(1.0, locked)], None, 100.0 - locked)
        assert subject.status_payload()["util_penalty"] == pytest.approx(penalty), locked
        assert subject.status_payload()["util_ratio"] == pytest.approx(locked / 100.0)
    for threshold in (1.0, 1.5):
        subject = sizer(util_threshold=threshold)
        subject.update(done, [waiting(1.0)], None, math.nan)
        assert (subject.status_payload()["util_ratio"], subject.status_payload()["util_penalty"]) == (1.0, 1.0)


def test_14_10_the_product_is_clamped_once() -> None:
    subject = sizer(util_sensitivity=1.0)
    done = [cycle(10.0, 0), cycle(100.0, 1), cycle(100.0, 1)]
    subject.update(done, [waiting(1.0, 90.0)], "bearish", 10.0)
    assert subject.explain(None, "A").util_penalty == pytest.approx(0.4)
    assert subject.size_for_slot(10.0, None, "A") == (pytest.approx(8.0), "ok")
    assert subject.size_for_slot(10.0, "ranging", "A") == (5.0, "ok")
    assert subject.size_for_slot(10.0, "ranging", "B") == (5.0, "no_bucket")
    assert subject.size_for_slot(10.0, None, "A", aggression=9.0) == (pytest.approx(24.0), "ok")
    assert subject.size_for_slot(10.0, None, "A", aggression=math.nan) == (pytest.approx(8.0), "ok")


def test_14_10_too_little_data_and_disabled_pass_the_size_through() -> None:
    few = ThroughputSizer(ThroughputConfig(enabled=True))
    few.update([cycle(10.0) for _ in range(19)], [waiting(1e6, 1e6)])
    assert few.size_for_slot(7.0, 1, "A", aggression=0.5) == (3.5, "tp_insufficient_data")
    assert few.status_payload()["buckets"]["aggregate"]["reason"] == "insufficient_samples (19/20)"
    off = sizer(enabled=False)
    assert off.update([cycle(10.0)], [], "bullish") == {}
    assert off.size_for_slot(7.0, 1, "A") == (7.0, "tp_disabled")
    assert off.status_payload()["last_update_n"] == 0


def test_14_10_shadow_computes_and_reports_but_leaves_sizes_alone() -> None:
    subject = sizer(shadow=True)
    assert set(subject.update([cycle(10.0, 0), cycle(20.0, 1), cycle(20.0, 1)], [])) == {
        "aggregate",
        "bearish_A",
        "ranging_A",
    }
    assert subject.size_for_slot(10.0, 0, "A") == (10.0, "tp_shadow")
    assert subject.explain(0, "A").final_mult == 2.0
    assert subject.status_payload()["buckets"]["bearish_A"]["multiplier"] == 2.0


def test_14_10_an_omitted_regime_is_the_active_one_and_bearish_is_not_missing() -> None:
    subject = sizer()
    subject.update([cycle(10.0, 0), cycle(20.0, 1), cycle(20.0, 1)], [], 0)
    assert subject.status_payload()["active_regime"] == "bearish"
    assert subject.size_for_slot(10.0, None, "A")[0] == 20.0
    subject.update([cycle(10.0, 0), cycle(20.0, 1), cycle(20.0, 1)], [], "junk")
    assert subject.status_payload()["active_regime"] == "bearish"
    assert subject.size_for_slot(10.0, "junk", "A") == (10.0, "ok")


@pytest.mark.parametrize("base", [None, math.nan, -1.0, -math.inf, "x", [], math.inf, 10**400, LARGEST])
def test_14_10_an_unusable_base_is_zero_and_an_infinite_one_is_counted(base: object) -> None:
    subject = sizer()
    assert subject.size_for_slot(base)[0] == 0.0
    assert subject.status_payload()["base_errors"] == (1 if base in (math.inf, 10**400, LARGEST) else 0)


def test_14_3_the_newest_cycles_count_and_fall_back_to_their_entry_time() -> None:
    subject = sizer(lookback_cycles=2)
    rows = [cycle(1.0, exit_time=NOW - age) for age in (30.0, 20.0, 10.0)]
    rows.append({"entry_time": NOW, "regime_at_entry": 1, "trade_id": "A"})
    assert subject.update([*rows, None, 7, "row"], [])["aggregate"].n_completed == 1
    assert subject.status_payload()["last_update_n"] == 2


def test_14_4_newer_cycles_weigh_more() -> None:
    rows = [cycle(10.0, exit_time=NOW), cycle(20.0, exit_time=NOW - 1), cycle(20.0, exit_time=NOW - 2)]
    assert sizer(recency_halflife=1).update(rows, [])["aggregate"].median_fill_sec == 10.0
    assert sizer(recency_halflife=0).update(rows, [])["aggregate"].median_fill_sec == 20.0


def test_14_1_open_rows_fall_back_from_age_sec_to_age_to_the_fill_time() -> None:
    rows = [
        {"age_sec": 5.0, "age": 6.0, "volume": 1.0},
        {"age_sec": math.nan, "age": 7.0, "volume": 2.0},
        {"age_sec": None, "entry_filled_at": NOW - 8.0, "volume": 4.0},
        {"age_sec": 0.0, "age": 9.0, "volume": 8.0},
        {"entry_filled_at": 0.0, "volume": 16.0},
        {"volume": 32.0},
    ]
    subject = sizer()
    subject.update([], rows, None, 7.0, now=NOW)
    payload = subject.status_payload()
    assert (payload["oldest_open_exit_age_sec"], payload["util_ratio"]) == (8.0, 0.5)
    subject.update([], rows, None, 9.0)
    assert subject.status_payload()["util_ratio"] == 0.25, "without `now` the row with only a fill time is skipped"


def test_14_11_payload_and_snapshot_shape() -> None:
    subject = sizer()
    subject.update([cycle(10.0, net=0.25), cycle(20.0)], [waiting(5.0)], "bullish", 10.0)
    payload, state = subject.status_payload(), subject.snapshot_state()
    assert set(payload) == {
        "enabled", "shadow", "active_regime", "last_update_n", "age_pressure", "age_pressure_reference",
        "age_pressure_ref_age_sec", "util_penalty", "oldest_open_exit_age_sec", "util_ratio", "base_errors", "buckets",
    }  # fmt: skip
    assert tuple(payload["buckets"]) == BUCKETS
    for row in payload["buckets"].values():
        assert set(row) == {
            "multiplier", "sufficient_data", "reason", "median_fill_sec", "p75_fill_sec", "p95_fill_sec",
            "mean_profit_per_sec", "n_completed", "n_censored",
        }  # fmt: skip
    assert set(state) - set(payload) == {
        "bucket_stats", "_multipliers", "_reasons", "_sufficient", "_n_completed", "_n_censored",
    }  # fmt: skip
    assert payload["buckets"]["ranging_A"]["mean_profit_per_sec"] == round(0.25 / 30.0, 12)
    json.dumps(state, allow_nan=False)


def test_14_11_restore_clamps_and_passes_over_what_it_cannot_use() -> None:
    subject = sizer()
    subject.restore_state(
        {
            "enabled": False, "age_pressure": -4.0, "util_penalty": math.inf, "util_ratio": 8.0, "active_regime": "bullish",
            "last_update_n": -3, "oldest_open_exit_age_sec": "x", "kelly_state": {"a": 1},
            "_multipliers": {"ranging_A": 99.0, "ranging_B": "x", "nonsense": 3.0, "aggregate": 5.0, "bearish_A": 1.7},
            "_sufficient": {"aggregate": True, "ranging_A": True, "ranging_B": True, "bearish_A": "yes"},
            "_n_completed": {"ranging_A": -5}, "_reasons": None, "bucket_stats": {"ranging_A": 3, "nonsense": {}},
        }
    )  # fmt: skip
    payload = subject.status_payload()
    assert (payload["enabled"], payload["active_regime"], payload["last_update_n"]) == (True, "bullish", 0)
    assert (payload["age_pressure"], payload["util_penalty"], payload["util_ratio"]) == (0.3, 1.0, 1.0)
    got = subject.snapshot_state()["_multipliers"]
    assert (got["ranging_A"], got["ranging_B"], got["aggregate"], got["bearish_A"]) == (2.0, 1.0, 1.0, 1.0)
    assert set(got) == set(BUCKETS)


def test_14_11_absent_state_changes_nothing() -> None:
    subject = sizer()
    subject.update([cycle(10.0, 0), cycle(20.0, 1), cycle(20.0, 1)], [])
    before = subject.snapshot_state()
    for nothing in (None, 3, [], "kelly_state"):
        subject.restore_state(nothing)
    assert subject.snapshot_state() == before


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (1, 1.0), (True, 1.0), ("2.5", 2.5), (Decimal("1.5"), 1.5), (Fraction(1, 4), 0.25), (None, -7.0), ("x", -7.0), (math.nan, -7.0),
        (-math.inf, -7.0), ("nan", -7.0), (10**400, -7.0), (Decimal("sNaN"), -7.0), (1j, -7.0), (LARGEST, -7.0), ([1], -7.0),
    ],
)  # fmt: skip
def test_14_1_numbers_are_read_or_replaced(value: object, want: float) -> None:
    assert number(value, -7.0) == want
