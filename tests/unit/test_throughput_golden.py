"""Slots 14 against the recorded vectors: every row, with the tolerances that came with them."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from millrace.sizing.throughput import ThroughputConfig, ThroughputSizer
from millrace.sizing.throughput_stats import BUCKETS, weighted_percentile

SIZE_TOL = 1e-8
MULTIPLIER_TOL = 1e-6


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "golden" / "throughput.json").read_text())


def numeric(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows with "nan" and "inf" as floats; the recording can only hold them as text."""
    return [{k: float(v) if v in ("nan", "inf") else v for k, v in row.items()} for row in rows]


def sized(case: dict[str, Any], *, as_floats: bool) -> tuple[ThroughputSizer, dict[str, Any]]:
    sizer = ThroughputSizer(ThroughputConfig(**case["config"]))
    turn = numeric if as_floats else list
    stats = sizer.update(
        turn(case["completed_cycles"]),
        turn(case["open_exits"]),
        case["regime_label"],
        case["free_doge"],
        now=case["now"],
    )
    return sizer, stats


@pytest.mark.parametrize("as_floats", [False, True])
def test_every_case(golden: dict[str, Any], as_floats: bool) -> None:
    assert len(golden["cases"]) == 66
    for case in golden["cases"]:
        sizer, stats = sized(case, as_floats=as_floats)
        check_buckets(case, sizer, stats)
        check_sizes(case, sizer)


def check_buckets(case: dict[str, Any], sizer: ThroughputSizer, stats: dict[str, Any]) -> None:
    expect, where = case["expect"], f"case {case['id']}"
    assert set(stats) == set(expect["buckets"]), where
    for name, want in expect["buckets"].items():
        got = stats[name]
        for field in ("median_fill_sec", "p75_fill_sec", "p95_fill_sec"):
            assert getattr(got, field) == pytest.approx(want[field], abs=SIZE_TOL), (where, name, field)
        assert got.mean_profit_per_sec == pytest.approx(want["mean_profit_per_sec"], rel=1e-9), (where, name)
        assert (got.n_completed, got.n_censored) == (want["n_completed"], want["n_censored"]), (where, name)
    state = sizer.snapshot_state()
    for name in BUCKETS:
        assert state["_multipliers"][name] == pytest.approx(expect["multipliers"][name], abs=MULTIPLIER_TOL), (
            where,
            name,
        )
        assert state["_sufficient"][name] is expect["sufficient"][name], (where, name)
        assert state["_n_completed"][name] == expect["n_completed"][name], (where, name)
        assert state["_reasons"][name] == expect["reasons"][name], (where, name)
    assert (state["active_regime"], state["last_update_n"]) == (expect["active_regime"], expect["last_update_n"]), where
    for field in ("age_pressure", "age_pressure_ref_age_sec", "oldest_open_exit_age_sec", "util_ratio", "util_penalty"):
        assert state[field] == pytest.approx(expect[field], abs=SIZE_TOL), (where, field)


def check_sizes(case: dict[str, Any], sizer: ThroughputSizer) -> None:
    for call in case["expect"]["size_calls"]:
        size, reason = sizer.size_for_slot(call["base"], call["regime"], call["trade"], aggression=call["aggression"])
        want = call["result"]
        assert size == pytest.approx(call["out"], abs=SIZE_TOL), (case["id"], call)
        assert reason.removeprefix("tp_") == want["reason"].removeprefix("tp_"), (case["id"], call)
        got = sizer.explain(call["regime"], call["trade"])
        for field in ("throughput_mult", "age_pressure", "util_penalty", "final_mult"):
            assert getattr(got, field) == pytest.approx(want[field], abs=SIZE_TOL), (case["id"], call, field)
        assert (got.bucket_key, got.reason, got.sufficient_data) == (
            want["bucket_key"], want["reason"], want["sufficient_data"],
        ), (case["id"], call)  # fmt: skip


def test_weighted_percentiles(golden: dict[str, Any]) -> None:
    assert len(golden["weighted_percentile"]) == 20
    for row in golden["weighted_percentile"]:
        got = weighted_percentile([tuple(pair) for pair in row["obs"]], row["q"])
        assert math.isclose(got, row["out"], abs_tol=SIZE_TOL), row


def test_restored_sizes_equal_exactly(golden: dict[str, Any]) -> None:
    for case in golden["cases"]:
        sizer, _ = sized(case, as_floats=True)
        again = ThroughputSizer(sizer.config)
        again.restore_state(json.loads(json.dumps(sizer.snapshot_state(), allow_nan=False)))
        for call in case["expect"]["size_calls"]:
            arguments = (call["base"], call["regime"], call["trade"])
            assert again.size_for_slot(*arguments) == sizer.size_for_slot(*arguments), case["id"]
        assert again.status_payload() == sizer.status_payload()
