"""Slots 15: rolling windows, source of the count, decimal cap, band edges, percentiles, nullability, hints."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.strategies.slots.telemetry.capacity_health import (
    Band,
    BandClock,
    CapacityFillHealth,
    CapacityInputs,
    FillHealth,
    FillHealthWindows,
    capacity_band,
    capacity_fill_health,
    median,
    p95,
    safe_cap,
    slots_remaining,
)

DAY = 86_400.0
QUIET = FillHealth(0, 0, None, None)


def health(
    now: float = 0.0, fills: FillHealth = QUIET, clock: BandClock | None = None, **inputs: Any
) -> CapacityFillHealth:
    counts = {"slot_count": 10, "internal_orders": 20, "exchange_orders": 20, "exchange_age_sec": 0.0}
    return capacity_fill_health(CapacityInputs(**(counts | inputs)), fills, clock or BandClock(), now)


def band_clock(*seen: tuple[Band, float]) -> BandClock:
    clock = BandClock()
    for band, now in seen:
        clock.observe(band, now)
    return clock


def test_15_1_an_event_of_exactly_24_hours_stays_and_an_older_one_goes() -> None:
    windows = FillHealthWindows()
    windows.partial_open("a", 100.0)
    windows.partial_cancel("b", 100.0)
    windows.filled("c", 100.0, 40.0)
    assert windows.read(100.0 + DAY) == FillHealth(1, 1, 60.0, 60.0)
    assert windows.read(100.0 + DAY + 1e-6) == FillHealth(0, 0, None, None)


def test_15_1_writing_trims_too() -> None:
    windows = FillHealthWindows()
    for day in range(50):
        windows.partial_open(f"o{day}", day * DAY * 2)
        windows.partial_cancel(f"c{day}", day * DAY * 2)
        windows.filled(f"f{day}", day * DAY * 2, 1.0)
    assert (len(windows._opens), len(windows._cancels), len(windows._durations)) == (1, 1, 1)


def test_15_1_windows_start_empty_after_a_restart() -> None:
    windows = FillHealthWindows()
    windows.partial_open("a", 1.0)
    windows.partial_cancel("b", 1.0)
    windows.filled("c", 2.0, 1.0)
    windows.clear()
    assert windows.read(2.0) == QUIET
    windows.partial_open("a", 3.0)
    assert windows.read(3.0).partial_open_events == 1


@pytest.mark.parametrize("end", ["partial_cancel", "filled", "ended"])
def test_15_4_a_partial_open_counts_once_per_order_until_it_ends(end: str) -> None:
    windows = FillHealthWindows()
    for now in (1.0, 2.0, 3.0):
        windows.partial_open("a", now)
    assert windows.read(3.0).partial_open_events == 1
    {
        "partial_cancel": lambda: windows.partial_cancel("a", 4.0),
        "filled": lambda: windows.filled("a", 4.0, 1.0),
        "ended": lambda: windows.ended("a"),
    }[end]()
    assert not windows._seen
    windows.partial_open("a", 5.0)
    assert windows.read(5.0).partial_open_events == 2


def test_15_4_durations_need_a_placement_time_and_are_never_negative() -> None:
    windows = FillHealthWindows()
    windows.filled("a", 100.0, 0.0)
    assert windows.read(100.0).median_fill_sec is None
    windows.filled("b", 100.0, 130.0)
    assert windows.read(100.0).median_fill_sec == 0.0


@pytest.mark.parametrize(
    ("values", "middle", "high"),
    [([], None, None), ([5.0], 5.0, 5.0), ([1.0, 3.0], 2.0, 3.0), (list(range(1, 21)), 10.5, 19), (list(range(1, 101)), 50.5, 95), (list(range(1, 22)), 11, 20)],
)  # fmt: skip
def test_15_4_median_and_nearest_rank_p95(values: list[float], middle: float | None, high: float | None) -> None:
    assert (median(values), p95(values)) == (middle, high)


@pytest.mark.parametrize(
    ("limit", "ratio", "cap"),
    [(225, 0.75, 168), (225, 0.9, 202), (100, 0.29, 29), (1000, 0.57, 570), (225, 2.0, 225), (225, 0.0, 22), (0, 0.75, 1), (-5, 1.0, 1)],
)  # fmt: skip
def test_15_3_the_cap_is_floored_in_decimal_and_its_inputs_are_clamped(limit: int, ratio: float, cap: int) -> None:
    assert safe_cap(limit, ratio) == cap


@pytest.mark.parametrize(
    ("headroom", "band"), [(20, "normal"), (19, "caution"), (10, "caution"), (9, "stop"), (-3, "stop")]
)
def test_15_3_seed_edges_of_the_band(headroom: int, band: str) -> None:
    got = health(exchange_orders=168 - headroom)
    assert (got.open_order_headroom, got.status_band) == (headroom, band)
    assert capacity_band(headroom, 1) == "stop"
    assert capacity_band(headroom, 0, unhandled=1) == "stop"


def test_15_3_slots_remaining() -> None:
    assert slots_remaining(68, 2.5) == 27
    assert slots_remaining(68, 0.5) == 68, "an estimate below one order a slot is not believed"
    assert slots_remaining(0, 2.0) == slots_remaining(-4, 2.0) == slots_remaining(68, None) == 0
    got = health(exchange_orders=168, slot_count=0)
    assert (got.orders_per_slot_estimate, got.estimated_slots_remaining) == (None, 0)
    assert health(exchange_orders=84).open_order_utilization_pct == 50.0


def test_15_2_the_venue_counts_first_until_its_count_is_old() -> None:
    fresh = health(exchange_orders=25, exchange_age_sec=90.0)
    assert (fresh.open_orders_current, fresh.open_orders_source, fresh.open_orders_drift) == (25, "kraken", 5)
    for stale in (
        {"exchange_age_sec": 90.1},
        {"exchange_orders": None},
        {"exchange_age_sec": None},
        {"poll_interval_sec": 5.0, "exchange_age_sec": 60.1},
    ):
        got = health(**({"exchange_orders": 25} | stale))
        assert (got.open_orders_current, got.open_orders_source) == (20, "internal_fallback"), stale
        assert (got.open_orders_kraken, got.open_orders_drift) == (None, None), stale
    assert health(poll_interval_sec=5.0, exchange_age_sec=60.0).open_orders_source == "kraken"


def test_15_5_hints_and_their_order() -> None:
    assert health().blocked_risk_hint == ()
    everything = FillHealth(1, 1, None, None)
    assert health(exchange_orders=None, internal_orders=160, drift_persistent=True, fills=everything).blocked_risk_hint == (
        "kraken_open_orders_unavailable", "open_order_drift_persistent", "near_open_order_cap",
        "partial_fill_open_pressure", "partial_fill_cancel_detected",
    )  # fmt: skip
    assert health(exchange_orders=150).blocked_risk_hint == ("open_order_caution",)
    assert health(exchange_orders=148).blocked_risk_hint == ()


def test_15_5_names_and_types() -> None:
    names = [
        "open_orders_current", "open_orders_source", "open_orders_internal", "open_orders_kraken", "open_orders_drift",
        "open_order_limit_configured", "open_orders_safe_cap", "open_order_headroom", "open_order_utilization_pct",
        "orders_per_slot_estimate", "estimated_slots_remaining", "partial_fill_open_events_1d", "partial_fill_cancel_events_1d",
        "median_fill_seconds_1d", "p95_fill_seconds_1d", "status_band", "blocked_risk_hint",
    ]  # fmt: skip
    row = msgspec.to_builtins(health(exchange_orders=None, slot_count=0))
    assert list(row)[: len(names)] == names
    assert {name for name, value in row.items() if value is None} == {
        "open_orders_kraken", "open_orders_drift", "orders_per_slot_estimate", "median_fill_seconds_1d", "p95_fill_seconds_1d",
    }  # fmt: skip
    assert json.loads(json.dumps(row))["blocked_risk_hint"] == ["kraken_open_orders_unavailable"]
    full = msgspec.to_builtins(health(fills=FillHealth(0, 0, 1.0, 2.0)))
    assert None not in full.values()


def test_15_5_band_since_and_normal_streak() -> None:
    clock = band_clock(("normal", 5.0), ("normal", 60.0))
    assert (health(65.0, clock=clock).band_since, health(65.0, clock=clock).normal_streak_sec) == (5.0, 60.0)
    stopped = health(70.0, clock=clock, exchange_orders=168)
    assert (stopped.band_since, stopped.normal_streak_sec) == (70.0, 0.0)
    assert health(80.0, clock=clock).normal_streak_sec == 75.0, "looking at another band is not seeing it"
    clock.observe("stop", 90.0)
    clock.observe("normal", 100.0)
    assert (health(110.0, clock=clock).band_since, health(110.0, clock=clock).normal_streak_sec) == (100.0, 10.0)
    assert clock.stopped_at == 90.0


def test_15_5_a_restart_begins_the_streak_anew_and_knows_the_last_stop() -> None:
    clock = BandClock()
    clock.restore(json.loads(json.dumps(band_clock(("stop", 3.0), ("normal", 5.0)).snapshot())))
    assert health(9.0, clock=clock).normal_streak_sec == 4.0
    clock.clear()
    assert health(9.0, clock=clock).normal_streak_sec == 0.0
    clock.observe("normal", 10.0)
    assert (health(12.0, clock=clock).normal_streak_sec, clock.stopped_at) == (2.0, 3.0)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(-5, 5_000),
    st.floats(-1.0, 2.0),
    st.integers(0, 500),
    st.none() | st.integers(0, 500),
    st.integers(0, 120),
)
def test_15_3_is_consistent_for_any_counts(
    limit: int, ratio: float, internal: int, exchange: int | None, slots: int
) -> None:
    got = health(limit=limit, safety_ratio=ratio, internal_orders=internal, exchange_orders=exchange, slot_count=slots)
    assert got.open_orders_current + got.open_order_headroom == got.open_orders_safe_cap >= 1
    assert got.estimated_slots_remaining >= 0
    assert (got.open_orders_drift is None) == (got.open_orders_kraken is None)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 40_000.0), st.sampled_from(["open", "cancel", "fill"])), max_size=40))
def test_15_1_windows_hold_what_happened_in_the_last_24_hours(steps: list[tuple[float, str]]) -> None:
    windows, events, now = FillHealthWindows(), [], 1.0
    for index, (wait, kind) in enumerate(steps):
        now += wait
        events.append((now, kind))
        if kind == "open":
            windows.partial_open(str(index), now)
        elif kind == "cancel":
            windows.partial_cancel(str(index), now)
        else:
            windows.filled(str(index), now, now - wait)
    recent = [kind for ts, kind in events if ts >= now - DAY]
    got = windows.read(now)
    assert (got.partial_open_events, got.partial_cancel_events) == (recent.count("open"), recent.count("cancel"))
    assert (got.median_fill_sec is None) == ("fill" not in recent)
