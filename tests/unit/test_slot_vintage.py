"""Slots 16: age buckets, stuck capital, gates and flags, and the record of a start."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.strategies.slots.release.gates import ReleaseSettings
from millrace.strategies.slots.telemetry.vintage import (
    DAY_SEC,
    HOUR_SEC,
    Holdings,
    SlotVintage,
    StartupTimings,
    WaitingExit,
    backlog_eta_sec,
    slot_vintage,
    started,
)

GATES = ReleaseSettings()
OWNED = Holdings(quote_usd=100.0, base=1_000.0, mark=0.1)
BUCKETS = ("fresh_0_1h", "aging_1_6h", "stale_6_24h", "old_1_7d", "ancient_7d_plus")


def exit_(age_sec: float, volume: float = 100.0, price: float = 0.1, slot_id: int = 1) -> WaitingExit:
    return WaitingExit(slot_id, age_sec, volume, price)


def picture(
    *exits: WaitingExit, sizes: tuple[float, ...] = (2.0,), holdings: Holdings = OWNED, adx: float | None = None
) -> SlotVintage:
    return slot_vintage(exits, sizes, holdings, GATES, adx)


def counts(got: SlotVintage) -> list[int]:
    return [getattr(got, name) for name in BUCKETS]


@pytest.mark.parametrize(
    ("age", "bucket"),
    [
        (0.0, 0), (HOUR_SEC - 1e-6, 0), (HOUR_SEC, 1), (6 * HOUR_SEC - 1e-6, 1), (6 * HOUR_SEC, 2), (DAY_SEC - 1e-6, 2),
        (DAY_SEC, 3), (7 * DAY_SEC - 1e-6, 3), (7 * DAY_SEC, 4), (1e9, 4),
    ],
)  # fmt: skip
def test_16_lower_bounds_of_the_ages_are_inclusive(age: float, bucket: int) -> None:
    assert counts(picture(exit_(age))) == [int(index == bucket) for index in range(5)]


@given(st.lists(st.floats(0.0, 1e7), max_size=40))
def test_16_percentages_sum_to_a_hundred_or_are_all_zero(ages: list[float]) -> None:
    got = picture(*(exit_(age) for age in ages))
    total = sum(getattr(got, f"{name}_pct") for name in BUCKETS)
    assert total == (pytest.approx(100.0, abs=0.1) if ages else 0.0)
    assert sum(counts(got)) == len(ages)
    assert got.oldest_exit_age_sec == max(ages, default=0.0)


def test_16_stuck_capital_counts_every_waiting_exit() -> None:
    got = picture(exit_(10.0, volume=-300.0), exit_(DAY_SEC, volume=200.0), exit_(DAY_SEC - 1.0, volume=100.0))
    assert got.stuck_capital_usd == pytest.approx(60.0)
    assert got.stuck_capital_pct == pytest.approx(30.0)
    assert got.stuck_capital_24h_usd == pytest.approx(20.0)
    assert not got.vintage_critical
    assert picture(exit_(1.0, volume=1_100.0)).vintage_critical, "55 % of the portfolio"
    assert not picture(exit_(1.0, volume=1_000.0)).vintage_critical, "50 % is not more than 50 %"


@pytest.mark.parametrize(
    "unknown", [Holdings(), Holdings(quote_usd=1.0, mark=0.1), Holdings(base=1.0, mark=0.1), Holdings(quote_usd=0.0, base=0.0, mark=0.1), Holdings(quote_usd=5.0, base=1.0)]
)  # fmt: skip
def test_16_the_share_is_zero_while_the_portfolio_is_unknown(unknown: Holdings) -> None:
    assert picture(exit_(1.0), holdings=unknown).stuck_capital_pct == 0.0


def test_16_the_warning_comes_with_three_days() -> None:
    assert not picture(exit_(3 * DAY_SEC - 1.0)).vintage_warn
    assert picture(exit_(3 * DAY_SEC)).vintage_warn


def test_16_slots_with_an_exit_wait_and_the_others_cycle() -> None:
    got = picture(exit_(1.0, slot_id=1), exit_(2.0, slot_id=1), exit_(3.0, slot_id=4), sizes=(2.0, 3.0, 5.0, 7.0))
    assert (got.waiting_count, got.cycling_count) == (2, 2)
    assert (got.min_slot_size_usd, got.median_slot_size_usd, got.max_slot_size_usd) == (2.0, 4.0, 7.0)
    empty = picture(sizes=())
    assert (empty.min_slot_size_usd, empty.median_slot_size_usd, empty.max_slot_size_usd) == (None, None, None)


def test_11_1_exits_that_pass_all_gates_are_counted() -> None:
    ready = WaitingExit(1, GATES.min_age_sec, 1.0, 2.2)
    got = picture(ready, exit_(1.0), holdings=Holdings(quote_usd=1.0, base=1.0, mark=2.0), adx=31.0)
    assert (got.vintage_release_eligible, got.regime_adx, got.regime_strength_adx_proxy) == (1, 31.0, 31.0)


def test_16_the_recon_gate_is_reported() -> None:
    assert not picture().release_recon_gate_blocked
    blocked = slot_vintage([], [], OWNED, GATES, None, "drift 2.4 %")
    assert (blocked.release_recon_gate_blocked, blocked.release_recon_gate_reason) == (True, "drift 2.4 %")


def test_16_startup_is_null_before_it_ends_and_the_total_covers_its_parts() -> None:
    before = StartupTimings(tracked_orders=150, bootstrap_backlog=160, bootstrap_eta_sec=backlog_eta_sec(160, 2, 30.0))
    times = ("startup_reconcile_ms", "startup_replay_ms", "startup_bootstrap_ms", "startup_total_ms", "startup_slo_ok")
    assert [getattr(before, name) for name in times] == [None] * 5
    assert before.bootstrap_eta_sec == 40 * 60.0
    after = started(10.0, -1.0, 30.5, 20.0, before)
    assert [getattr(after, name) for name in times] == [10.0, 0.0, 30.5, 40.5, True]
    assert (after.tracked_orders, after.startup_slo_sec) == (150, 60.0)
    assert started(0.0, 0.0, 0.0, 60_000.0, before).startup_slo_ok is True
    assert started(0.0, 0.0, 0.0, math.nextafter(60_000.0, math.inf), before).startup_slo_ok is False


def test_16_an_odd_backlog_needs_one_more_loop() -> None:
    assert [backlog_eta_sec(entries, 2, 30.0) for entries in (0, 1, 2, 3)] == [0.0, 30.0, 30.0, 60.0]
