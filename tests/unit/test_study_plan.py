"""A declared study: every combination once, months cut at UTC midnights, and what is wrong in a file is named."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from millrace.config.load import load_settings
from millrace.core.failure import OperatorError
from millrace.world.studies.plan import Recording, months, read_plan
from source_tree import REPOSITORY

PLAN = """
within = ["fee"]
[settings]
"slots.count" = 4
[axis.mode]
sticky = {}
legacy = { "slots.sticky_mode_enabled" = false }
[axis.fee]
a = {}
b = { "venue.maker_fee_pct" = 0.1 }
[[recording]]
file = "x.csv"
sample = "choose"
"""
DAY_NS = 86_400 * 10**9


def plan(tmp_path: Path, text: str):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    return read_plan(path)


def ns(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 10**9


def test_every_combination_comes_once_in_declared_order_with_its_settings(tmp_path) -> None:
    found = plan(tmp_path, PLAN).variants()
    assert [tuple(levels.values()) for levels, _ in found] == [
        ("sticky", "a"),
        ("sticky", "b"),
        ("legacy", "a"),
        ("legacy", "b"),
    ]
    assert found[0][1] == {"slots.count": 4}
    assert found[3][1] == {"slots.count": 4, "slots.sticky_mode_enabled": False, "venue.maker_fee_pct": 0.1}


def test_parts_say_which_combinations_and_do_not_repeat_one(tmp_path) -> None:
    parts = '[[part]]\nmode = ["sticky"]\n[[part]]\nfee = ["a"]\n'
    found = plan(tmp_path, PLAN + parts).variants()
    assert [tuple(levels.values()) for levels, _ in found] == [("sticky", "a"), ("sticky", "b"), ("legacy", "a")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("within", "withn"), "withn"),
        (('["fee"]', '["fees"]'), "within: no axis 'fees'; known are mode, fee"),
        (('sample = "choose"', 'sample = "both"'), "not a study"),
        (("[axis.mode]", "[axis.mode"), "not a study"),
        (("[[recording]]", '[[part]]\nmode = ["loose"]\n[[recording]]'), "no level 'loose'; known are sticky, legacy"),
        (("[[recording]]", '[[part]]\nside = ["a"]\n[[recording]]'), "part: no axis 'side'"),
    ],
)
def test_what_is_wrong_in_a_plan_is_named_with_its_file(tmp_path, change, message) -> None:
    with pytest.raises(OperatorError, match=r"plan\.toml.*" + message):
        plan(tmp_path, PLAN.replace(*change))
    with pytest.raises(OperatorError, match="cannot be read"):
        read_plan(tmp_path / "none.toml")


def test_a_recording_is_cut_at_the_first_of_each_month_and_a_short_month_is_left_out() -> None:
    recording = Recording("x_5m.parquet", "choose")
    found = months(recording, ns(2022, 11, 27, 6), ns(2023, 2, 20) - 1, 5.0)
    assert [stretch.name for stretch in found] == ["x_5m 2022-12", "x_5m 2023-01", "x_5m 2023-02"]
    assert [(stretch.first_ns, stretch.end_ns) for stretch in found] == [
        (ns(2022, 12, 1), ns(2023, 1, 1)), (ns(2023, 1, 1), ns(2023, 2, 1)), (ns(2023, 2, 1), ns(2023, 2, 20)),
    ]  # fmt: skip
    kept = months(recording, ns(2022, 11, 27, 6), ns(2023, 2, 20) - 1, 3.0)
    assert kept[0].first_ns == ns(2022, 11, 27, 6)


def test_since_and_until_bound_a_recording() -> None:
    recording = Recording("x.csv", "report", date(2025, 3, 10), date(2025, 4, 3))
    (found,) = months(recording, ns(2025, 2, 20), ns(2025, 6, 18), 5.0)
    assert (found.first_ns, found.end_ns) == (ns(2025, 3, 10), ns(2025, 4, 1))


def test_the_plan_of_the_house_is_sound_and_covers_what_the_issue_asked_for() -> None:
    found = read_plan(REPOSITORY / "docs" / "studies" / "slots.toml")
    assert set(found.axis) == {"mode", "sizer", "momentum", "fee"}
    assert len(found.axis["fee"]) == 3
    for _, chosen in found.variants():
        loaded = load_settings(None, chosen, {}, profile=found.profile)
        assert {key: loaded.flat()[key] for key in chosen} == chosen, "nothing is clamped or adjusted"
    assert {recording.sample for recording in found.recording} == {"choose", "report"}
