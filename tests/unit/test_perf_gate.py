"""`millrace perf-gate` compares what can be compared and passes nothing else (quoting 5.1, golden `perf_gate`)."""

import json
import re

import pytest

from millrace.capacity.stage_budgets import STAGES
from millrace.cli import main

SLO_MS = dict(zip(STAGES, (60.0, 15.0, 12.0, 12.0, 15.0, 35.0, 150.0), strict=True))


def canonical(p95_ms: dict[str, float] | None = None, **changes: object) -> dict[str, object]:
    rows = p95_ms or SLO_MS
    stages = {name: {"p50": p95 / 2, "p95": p95, "p99": p95 * 2, "count": 5_000} for name, p95 in rows.items()}
    profile = {"schema": "stage-budgets/1", "unit": "ms", "clock": "cpu", "generated_at": "2026-01-01T00:00:00Z"}
    return {**profile, "commit": "abc", "host": "h1", "stages": stages, **changes}


def gate(tmp_path, baseline: object, current: object, *flags: str) -> int:
    for name, data in (("baseline", baseline), ("current", current)):
        text = data if isinstance(data, str) else json.dumps(data)
        (tmp_path / f"{name}.json").write_text(text)
    files = ["--baseline", str(tmp_path / "baseline.json"), "--current", str(tmp_path / "current.json")]
    return main(["perf-gate", *files, *flags])


def times(factor: float) -> dict[str, float]:
    return {name: p95 * factor for name, p95 in SLO_MS.items()}


def test_the_ten_golden_cases(tmp_path, shared) -> None:
    """Golden part B, `perf_gate`: the contract's exit codes, not the original's."""
    cases = json.loads((shared / "golden" / "quoting.json").read_text())["perf_gate"]
    assert len(cases) == 10
    found = {
        case["name"]: gate(tmp_path, case["baseline"], case["current"], "--threshold", str(case["threshold"]))
        for case in cases
    }
    assert found == {case["name"]: case["contract_exit"] for case in cases}


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (1.03, 0), (1.0301, 1), (0.5, 0), (50.0, 1)], ids=str)
def test_exactly_3_per_cent_passes_and_more_does_not(tmp_path, factor, code) -> None:
    assert gate(tmp_path, canonical(), canonical(times(factor))) == code


SHAPES = {
    "canonical": lambda rows: canonical(rows, clock="wall", host=""),
    "budgets": lambda rows: {"budgets": {name: {"p95": p95} for name, p95 in rows.items()}},
    "top": lambda rows: {name: {"p95": p95} for name, p95 in rows.items()},
    "top_ms": lambda rows: {name: {"p95_ms": p95} for name, p95 in rows.items()},
    "stages_ms": lambda rows: {"stages": {name: {"p95_ms": p95} for name, p95 in rows.items()}},
    "summary": lambda rows: {"stage_percentiles": {name: {"p95": p95} for name, p95 in rows.items()}},
    "classes": lambda rows: {"budgets": {CLASSES[name]: {"p95": p95} for name, p95 in rows.items()}},
}
CLASSES = dict(
    zip(
        STAGES,
        ("FetchMDStage", "SpreadStage", "GuardsStage", "InventoryStage", "QueueAwareStage", "EmitStage", "TickTotal"),
        strict=True,
    )
)


@pytest.mark.parametrize("left", SHAPES)
@pytest.mark.parametrize("right", SHAPES)
def test_every_shape_is_read_on_either_side_and_named(tmp_path, capsys, left, right) -> None:
    assert gate(tmp_path, SHAPES[left](SLO_MS), SHAPES[right](times(1.02)), "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["change_pct"] for row in report["stages"]] == pytest.approx([2.0] * 7)
    for side, shape in (("baseline", left), ("current", right)):
        word = {"canonical": "stage-budgets/1", "top": "at the top/p95", "top_ms": "at the top/p95_ms"}
        assert (
            word.get(shape, {"stages_ms": "p95_ms", "summary": "stage_percentiles"}.get(shape, "budgets"))
            in (report[side]["shape"])
        )
    assert gate(tmp_path, SHAPES[left](SLO_MS), SHAPES[right](times(1.04))) == 1


GOOD = canonical()


def without(stage: str) -> dict[str, object]:
    return canonical({name: p95 for name, p95 in SLO_MS.items() if name != stage})


def row_of(**row: object) -> dict[str, object]:
    profile = canonical()
    profile["stages"]["stage_emit"] = {"p50": 1.0, "p95": 2.0, "p99": 3.0, "count": 5_000, **row}
    return profile


UNUSABLE = {
    "empty file": "",
    "no JSON": "{",
    "a list": [],
    "an empty object": {},
    "empty stages": canonical(stages={}),
    "no number": json.dumps(canonical()).replace("60.0", "NaN"),
    "infinite": json.dumps(canonical()).replace("60.0", "1e999"),
    "unknown schema": canonical(schema="stage-budgets/2"),
    "unknown unit": canonical(unit="s"),
    "unknown clock": canonical(clock="sundial"),
    "stages without schema": {"stages": {name: {"p95": 1.0} for name in STAGES}},
    "two shapes": {"budgets": {}, "stages": {}},
    "negative": row_of(p95=-2.0),
    "zero": row_of(p50=0.0, p95=0.0),
    "beyond a float": row_of(p99=10**400),
    "beyond a float in passing": json.dumps(canonical(generated_at=0.5)).replace("0.5", "1e999"),
    "countless": row_of(count=10**400),
    "nested": "[" * 100_000,
    "a unit that is a list": canonical(unit=[]),
    "text": row_of(p95="fast"),
    "true": row_of(p95=True),
    "too few": row_of(count=199),
    "no count": row_of(count=None),
    "p95 above p99": row_of(p99=1.5),
    "a stage that is a number": canonical(stages={**GOOD["stages"], "stage_emit": 3.0}),
    "a stage twice": canonical(stages={**GOOD["stages"], "EmitStage": GOOD["stages"]["stage_emit"]}),
    "other host": canonical(host="h2"),
    "other clock": canonical(clock="wall"),
    **{f"without {stage}": without(stage) for stage in STAGES},
}


@pytest.mark.parametrize("side", ["baseline", "current"])
@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used_is_2_on_either_side(tmp_path, capsys, name, side) -> None:
    """Quoting 5.1 exit code 2; the original passes most of these (15.17)."""
    pair = (UNUSABLE[name], GOOD) if side == "baseline" else (GOOD, UNUSABLE[name])
    assert gate(tmp_path, *pair) == 2
    assert re.search(r"baseline\.json|current\.json", capsys.readouterr().err)


def test_a_file_that_is_not_there_is_2(tmp_path, capsys) -> None:
    assert main(["perf-gate", "--baseline", str(tmp_path / "a"), "--current", str(tmp_path / "b")]) == 2
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file_pct", "flag", "factor", "code"),
    [(50.0, "3", 1.4, 1), (50.0, None, 1.4, 0), (None, None, 1.04, 1), (2.0, None, 1.025, 1), (2.0, "5", 1.025, 0)],
)
def test_the_flag_beats_the_file_and_the_file_the_default(tmp_path, file_pct, flag, factor, code) -> None:
    baseline = canonical(thresholds={"regress_pct": file_pct}) if file_pct is not None else canonical()
    assert gate(tmp_path, baseline, canonical(times(factor)), *(["--threshold", flag] if flag else [])) == code


@pytest.mark.parametrize("flags", [["--threshold", "-1"], ["--threshold", "nan"], ["--metric", "p90"]])
def test_flags_that_mean_nothing_are_2(tmp_path, flags) -> None:
    assert gate(tmp_path, GOOD, GOOD, *flags) == 2


@pytest.mark.parametrize("flags", [["--require", "stage_emitt"], ["--require", ""], ["--min-abs-us", "-1"]])
def test_stages_that_are_none_and_negative_floors_are_2(tmp_path, flags) -> None:
    assert gate(tmp_path, GOOD, GOOD, *flags) == 2


def test_only_what_is_required_may_not_be_missing(tmp_path, capsys) -> None:
    assert gate(tmp_path, GOOD, without("stage_guards"), "--require", "stage_emit,tick_total") == 0
    assert "| stage_guards | 12 | 5000 | - | - | - | not required |" in capsys.readouterr().out


def test_a_change_below_the_least_is_none(tmp_path) -> None:
    small = dict.fromkeys(STAGES, 0.010)
    assert gate(tmp_path, canonical(small), canonical(dict.fromkeys(STAGES, 0.0149))) == 0
    assert gate(tmp_path, canonical(small), canonical(dict.fromkeys(STAGES, 0.0151))) == 1
    assert gate(tmp_path, canonical(small), canonical(dict.fromkeys(STAGES, 0.0149)), "--min-abs-us", "1") == 1


def test_microseconds_are_read_as_such(tmp_path) -> None:
    micros = canonical({name: p95 * 1e3 for name, p95 in SLO_MS.items()}, unit="us")
    assert gate(tmp_path, canonical(), micros) == 0


def test_both_reports_hold_every_stage_n_and_the_definition(tmp_path, capsys) -> None:
    page, twin = tmp_path / "gate.md", tmp_path / "gate.json"
    rows = dict(SLO_MS, stage_emit=36.4)
    assert gate(tmp_path, GOOD, canonical(rows), "--output", str(page), "--json", str(twin)) == 1
    assert capsys.readouterr().out == page.read_text()
    text, report = page.read_text(), json.loads(twin.read_text())
    assert "| stage_emit | 35 | 5000 | 36.4 | 5000 | +4.00 % | regression |" in text
    assert "nearest rank" in text
    assert "stage_emit: p95 35 -> 36.4 ms, +4.00 % is above +3 %" in text
    assert all(f"| {stage} |" in text for stage in STAGES)
    assert (report["passed"], report["metric"], report["threshold_from"]) == (False, "p95", "default")
    assert "nearest rank" in report["percentile_definition"]
    assert [row["stage"] for row in report["stages"] if row["verdict"] == "regression"] == ["stage_emit"]


def test_names_that_are_no_stage_are_told_and_ignored(tmp_path, capsys) -> None:
    extra = canonical(stages={**GOOD["stages"], "stage_lunch": {"p95": 1.0}})
    assert gate(tmp_path, GOOD, extra) == 0
    assert "stage_lunch ignored" in capsys.readouterr().out
