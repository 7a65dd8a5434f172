"""Slots 20.1 and 18: what the playbook says to each figure, whether the account can pay, and which phase is on top."""

from typing import Any

import pytest

from millrace.strategies.slots.stages.advice import Seen, advise
from millrace.strategies.slots.telemetry.capacity_health import (
    BandClock,
    CapacityInputs,
    FillHealth,
    capacity_fill_health,
)
from slots_desk import DAY_NS, Desk

HOUR = 3_600.0
DAY = 24 * HOUR


def asked(headroom: int = 20, cancels: int = 0, unhandled: int = 0, normal_for: float = 0.0, **seen: Any) -> Any:
    clock, now = BandClock(), 1e9
    clock.observe("normal", now - normal_for)
    inputs = CapacityInputs(slot_count=80, internal_orders=168 - headroom, partial_cancel_unhandled_total=unhandled)
    health = capacity_fill_health(inputs, FillHealth(0, cancels, None, None), clock, now)
    calm = {
        "stopped_at": None,
        "low_headroom_lasts": False,
        "stuck_pct": 0.0,
        "strong_for_sec": 0.0,
        "farthest_exit_pct": 0.0,
    }
    return advise(health, Seen(**(calm | seen)))


@pytest.mark.parametrize(
    ("figures", "scaling"),
    [
        ({"headroom": 20}, "free"),
        ({"headroom": 19}, "one_slot_a_day"),
        ({"headroom": 10}, "one_slot_a_day"),
        ({"headroom": 9}, "none"),
        ({"cancels": 1}, "frozen"),
        ({"unhandled": 1}, "frozen"),
        ({"headroom": 9, "cancels": 1}, "frozen"),
        ({"stopped_at": 5.0, "normal_for": 72 * HOUR - 1.0}, "frozen"),
        ({"stopped_at": 5.0, "normal_for": 72 * HOUR}, "free"),
        ({"stopped_at": 5.0, "headroom": 19}, "frozen"),
    ],
)
def test_20_1_slots_are_added_by_the_band_and_after_a_stop_only_after_72_normal_hours(figures, scaling):
    assert asked(**figures).scaling == scaling


def test_20_1_a_freeze_says_how_long_it_lasts_if_nothing_else_happens():
    assert asked(stopped_at=5.0, normal_for=70 * HOUR).scaling_resumes_in_sec == 2 * HOUR
    assert asked(cancels=1).scaling_resumes_in_sec == 72 * HOUR
    assert asked().scaling_resumes_in_sec is None


@pytest.mark.parametrize(
    ("figures", "code"),
    [
        ({"unhandled": 1, "cancels": 1}, "stop_and_repair_unhandled_partial_cancels"),
        ({"cancels": 1}, "check_that_partial_cancels_were_handled"),
        ({"low_headroom_lasts": True}, "freeze_entries_and_reduce_slots"),
        ({"stuck_pct": 80.1}, "release_by_tier_2_or_by_hand"),
        ({"strong_for_sec": 7 * DAY, "farthest_exit_pct": 10.1}, "review_tier_1_eligibility"),
    ],
)
def test_20_1_each_figure_has_its_advice(figures, code):
    assert asked(**figures).advice == (code,)


@pytest.mark.parametrize(
    "figures", [{}, {"stuck_pct": 80.0}, {"strong_for_sec": 7 * DAY - 1, "farthest_exit_pct": 50.0}, {"strong_for_sec": 8 * DAY, "farthest_exit_pct": 10.0}]
)  # fmt: skip
def test_20_1_no_advice_short_of_the_edges(figures):
    assert asked(**figures).advice == ()


def test_20_1_the_grid_freezes_scaling_for_72_hours_after_a_partial_cancel():
    desk = Desk(3).open()
    assert desk.status()["playbook"] == {"scaling": "free", "scaling_resumes_in_sec": None, "advice": ()}
    desk.end(desk.one("B", 1), 10.0)
    assert desk.status()["playbook"]["advice"] == ("check_that_partial_cancels_were_handled",)
    assert desk.status()["playbook"]["scaling"] == "frozen"
    for midnight, scaling in enumerate(("frozen", "frozen", "frozen", "frozen", "free")):  # normal from the second on
        desk.now_ns = desk.now_ns // DAY_NS * DAY_NS + DAY_NS
        desk.loop()
        desk.fill(desk.find("A")[0])  # news of an order: the band is looked at
        desk.accept()
        assert (midnight, desk.status()["playbook"]["scaling"]) == (midnight, scaling)


def test_18_balance_health_says_what_is_there_and_who_waits_for_it():
    assert Desk(1, money=None).status()["balance_health"]["status"] == "NO_BALANCE"
    rich = Desk(2, money=(1_000.0, 400.0)).open().status()["balance_health"]
    assert (rich["status"], rich["total_usd"], rich["total_base"], rich["portfolio_usd"]) == (
        "OK",
        400.0,
        1_000.0,
        600.0,
    )
    assert rich["free_base"] == pytest.approx(1_000.0 - 2 * 60.0)
    poor = Desk(2, money=(130.0, 0.0))
    poor.loops(2)
    found = poor.status()["balance_health"]
    assert (found["status"], found["unfunded_legs_b"]) == ("SHORT", 2)


def test_18_the_top_phase_is_the_one_that_most_slots_are_in():
    desk = Desk(3).open()
    assert desk.status()["top_phase"] == "S0"
    desk.fill(desk.one("A", 1))
    assert desk.status()["top_phase"] == "S0"
    desk.fill(desk.one("A", 2))
    assert desk.status()["top_phase"] == "S1a"
