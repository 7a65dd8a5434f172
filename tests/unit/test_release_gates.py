"""Slots 11.1, 21: the gates of a release as data, their inclusive edges, and the rules between their settings."""

import pytest

from millrace.config.load import load_settings
from millrace.strategies.slots.release.gates import ReleaseSettings, gates_of

SETTINGS = ReleaseSettings()
WEEK, FAR, TREND = 604_800.0, 2.2, 30.0
"""Age, exit price at a mark of 2 and trend index that just pass."""


def test_11_1_all_pass_at_their_inclusive_edges() -> None:
    gates = gates_of(WEEK, FAR, 2.0, TREND, SETTINGS)
    assert gates.ok
    assert gates.as_data() == {
        "age": {"value": 604_800.0, "threshold": 604_800.0, "ok": True},
        "distance": {"value": pytest.approx(10.0), "threshold": 10.0, "ok": True},
        "regime": {"value": 30.0, "threshold": 30.0, "ok": True},
    }


@pytest.mark.parametrize(
    ("failing", "age", "price", "mark", "adx"),
    [
        ("age", WEEK - 1e-3, FAR, 2.0, TREND),
        ("distance", WEEK, 2.1999, 2.0, TREND),
        ("distance", WEEK, 1.8001, 2.0, TREND),
        ("regime", WEEK, FAR, 2.0, 29.999),
    ],
)
def test_11_1_each_gate_alone_refuses(failing: str, age: float, price: float, mark: float, adx: float) -> None:
    gates = gates_of(age, price, mark, adx, SETTINGS)
    assert not gates.ok
    assert [name for name, gate in gates.as_data().items() if not gate["ok"]] == [failing]
    assert f"{failing} " in gates.as_text()


def test_11_1_a_missing_input_closes_its_gate_and_says_why() -> None:
    gates = gates_of(WEEK, FAR, 0.0, None, SETTINGS).as_data()
    assert gates["distance"] == {"value": None, "threshold": 10.0, "ok": False, "reason": "no price"}
    assert gates["regime"] == {
        "value": None, "threshold": 30.0, "ok": False, "reason": "the trend index is not warm"
    }  # fmt: skip
    assert gates["age"]["ok"]


def test_11_1_thresholds_of_zero_let_everything_known_pass() -> None:
    open_ = ReleaseSettings(min_age_sec=0.0, min_distance_pct=0.0, adx_threshold=0.0)
    assert gates_of(0.0, 2.0, 2.0, 0.0, open_).ok


STICKY = {"slots.sticky_mode_enabled": True}


def test_21_the_defaults_are_the_contracts() -> None:
    assert load_settings().slots.release == SETTINGS


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"max_stuck_pct": 85.0}, {"panic_stuck_pct": 86.0}),
        ({"panic_stuck_pct": 40.0}, {"panic_stuck_pct": 80.0}),
        ({"max_stuck_pct": 100.0}, {"panic_stuck_pct": 100.0}),
        ({"recovery_target_pct": 80.0}, {"recovery_target_pct": 79.0}),
        ({"recovery_target_pct": 95.0, "panic_stuck_pct": 90.0}, {"recovery_target_pct": 89.0}),
        ({"min_age_sec": 3_600.0}, {"panic_min_age_sec": 3_600.0}),
        ({"adx_threshold": 120.0}, {"adx_threshold": 100.0}),
        ({"batch_max": 9}, {"batch_max": 5}),
        ({"batch_max": 0}, {"batch_max": 1}),
        ({"close_mode": "burn"}, {"close_mode": "synthetic"}),
    ],
)
def test_21_settings_of_the_tiers_are_kept_in_their_order(given: dict, wanted: dict) -> None:
    settings = load_settings(overrides=STICKY | {f"release.{name}": value for name, value in given.items()})
    for name, value in wanted.items():
        assert getattr(settings.slots.release, name) == value
    assert any(notice.key.startswith("release.") for notice in settings.notices)


def test_21_tiers_need_sticky_and_an_open_hard_gate_is_told() -> None:
    settings = load_settings(overrides={"RELEASE_AUTO_ENABLED": "true"})
    assert not settings.slots.release.auto_enabled
    assert load_settings(overrides=STICKY | {"RELEASE_AUTO_ENABLED": "true"}).slots.release.auto_enabled
    settings = load_settings(overrides=STICKY | {"release.recon_hard_gate_enabled": False})
    assert "recon_gate_off" in {notice.code for notice in settings.notices}
