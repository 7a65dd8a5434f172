"""Slots 18: the keys and types of the status payload are frozen, in every situation that could change them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from demo_runs import MINUTE, open_run
from millrace.core.events import OpenOrdersReport
from millrace.sizing.throughput import ThroughputConfig
from millrace.strategies.slots.settings import SlotsSettings
from slots_desk import DAY_NS, Desk, trend
from status_schema import SCHEMA, faults

ON = ThroughputConfig(enabled=True, min_samples=1, min_samples_per_bucket=1, full_confidence_samples=2)
DEFAULTS = SlotsSettings()
EVERYTHING = {
    "throughput": ON,
    "momentum": structs.replace(DEFAULTS.momentum, enabled=True),
    "regime": structs.replace(DEFAULTS.regime, adx_enabled=True),
    "rebalance": structs.replace(DEFAULTS.rebalance, enabled=True),
    "trend": structs.replace(DEFAULTS.trend, enabled=True, min_samples=1),
    "release": structs.replace(
        DEFAULTS.release, auto_enabled=True, min_age_sec=60.0, panic_min_age_sec=60.0, max_stuck_pct=0.0
    ),
    "capital_layers": 1,
    "entry_cap_policy": "entry_reserve",
    "daily_loss_limit_usd": 0.01,
}


def grids() -> Iterator[dict[str, Any]]:
    """Yield a grid's status from its first moment on: nothing known, trading, waiting for days, started again."""
    yield Desk(3, money=None).status()
    for changes in ({}, {"throughput": ThroughputConfig(shadow=True)}, EVERYTHING):
        desk = Desk(5, order_size_doge=120.0, max_entry_adds_per_loop=20, **changes)
        yield desk.status()
        desk.open()
        for slot in (1, 2):
            desk.fill(desk.one("A", slot))
            desk.accept()
        desk.fill(desk.one("A", 1), price=0.3)  # its exit, at a loss
        desk.end(desk.one("B", 3), 60.0)  # a carve-out of one half, an entry for the other
        desk.end(desk.one("B", 4), 10.0)  # dust
        desk.fill(desk.one("A", 5), 60.0)
        desk.accept()
        yield desk.status()
        desk.now_ns += 8 * DAY_NS
        desk.loop(0.26)
        yield desk.status()
        yield desk.restarted().status()
    moved = Desk(2, **EVERYTHING)
    trend(moved, 45, 0.004)
    moved.step(OpenOrdersReport(moved.facts.id, 3, 1, moved.now_ns))
    moved.slot(1).state.leg_order("B").cycle = 0
    moved.fill(moved.find("A", 1)[0])
    moved.audited()
    yield moved.status()
    small = Desk(2, order_size_doge=20.0)
    small.loop()
    yield small.status()
    poor = Desk(2, money=(0.0, 0.0))
    poor.loop()
    yield poor.status()
    legacy = Desk(
        2, sticky_mode_enabled=False, order_size_mode="USD", order_size_usd=20.0, s1_orphan_after_sec=60.0
    ).open()
    legacy.fill(legacy.one("A", 1))
    legacy.accept()
    legacy.wait(90.0)
    legacy.loop(0.22)
    legacy.loop(0.22)
    assert legacy.status()["totals"]["orphans"] == 1
    yield legacy.status()


def test_18_the_grids_status_has_exactly_the_frozen_keys_and_types():
    for status in grids():
        json.dumps(status, allow_nan=False)
        assert faults(SCHEMA["grid"], status) == []


def test_18_the_cases_show_every_row_that_a_list_can_hold():
    """An empty list would agree with any shape of its items."""
    shown = list(grids())
    rows = [slot for status in shown for slot in status["slots"]]
    assert any(row["orders"] for row in rows)
    assert {row["reason"] for slot in rows for row in slot["recoveries"]} >= {"partial_cancel", "s1_timeout"}
    assert any(row["too_small"] for row in rows)
    assert {status["daily_loss_opens_at"] is None for status in shown} == {True, False}


@pytest.fixture(scope="module")
def run_statuses(tmp_path_factory) -> list[dict[str, Any]]:
    run = open_run(tmp_path_factory.mktemp("status") / "run")
    found = [run.status()]
    run.simulation.run_until(run.simulation.now_ns + 90 * MINUTE)
    found.append(run.status())
    run.close()
    return found


def test_18_a_runs_status_adds_exactly_its_own_blocks(run_statuses):
    for status in run_statuses:
        text = json.dumps(status, allow_nan=False)
        assert faults(SCHEMA["grid"] | SCHEMA["run"], json.loads(text)) == []


def test_18_looking_at_a_run_changes_nothing(tmp_path):
    run = open_run(tmp_path / "run")
    run.simulation.run_until(run.simulation.now_ns + 10 * MINUTE)
    before = run.program.engine.snapshot()
    first = run.status()
    again = run.status()
    assert json.dumps(again) == json.dumps(first)
    assert run.program.engine.snapshot() == before
    run.close()


# ---- the guard itself


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda status: status.pop("price"), "status.price is missing"),
        (lambda status: status.update(new=1), "status.new is new: add it to status_schema.json"),
        (lambda status: status.update(slots={}), "status.slots is no list but {}"),
        (lambda status: status.update(totals=[]), "status.totals is no object but []"),
        (lambda status: status.update(slot_count=True), "status.slot_count is not int but True"),
        (lambda status: status.update(slot_count=1.5), "status.slot_count is not int but 1.5"),
        (lambda status: status.update(price=None), "status.price is not float but None"),
        (lambda status: status["slots"][0].update(phase=7), "status.slots[0].phase is not str but 7"),
    ],
)
def test_a_key_that_went_came_or_changed_its_type_is_named(change, told):
    status = Desk(1).status()
    change(status)
    assert faults(SCHEMA["grid"], status) == [told]
