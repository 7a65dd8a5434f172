"""Slots 20.3: each check of gates A and C, tripped both ways, and what a gate says while it cannot be judged."""

import json

import pytest

from millrace.core.commands import Book
from millrace.strategies.slots.stages.gate_check import (
    Check,
    Evidence,
    Gate,
    StartRecord,
    at_least,
    at_most,
    gate_of,
    unknown,
)
from millrace.strategies.slots.stages.gate_momentum import change, gate_b
from millrace.strategies.slots.stages.gates import gate_a, gate_c

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
T0 = 20_454 * DAY


def book(kind, ts_ns, **values):
    return Book("slots", kind, f"{kind}/{ts_ns}", values, ts_ns)


def stage(day, slots, *, sticky=True, ratio=0.75, sent=0, blocked=0, **more):
    values = {"open_order_limit": 225, "safety_ratio": ratio, "safe_cap": int(225 * ratio + 1e-9)}
    counts = {"entries_sent": sent, "entries_blocked": blocked}
    return book("stage", T0 + round(day * DAY), slots=slots, sticky=sticky, **values, **counts, **more)


def vintage_day(day, slots, sent=0, blocked=0):
    return book("vintage_day", T0 + day * DAY, slots=slots, sticky=True, entries_sent=sent, entries_blocked=blocked)


def release(day, tier=0, *, age=True):
    gates = {"gate_age_ok": age, "gate_distance_ok": True, "gate_regime_ok": True}
    return book(
        "release", T0 + round(day * DAY), tier=tier, outcome="refused", slot=1, local_id=2, recon_ok=True, **gates
    )


def low(day, since, *, ended, seconds=None):
    lasted = (day - since) * 86_400.0 if seconds is None else seconds
    since_ns = T0 + round(since * DAY)
    return book("low_headroom", T0 + round(day * DAY), since_ns=since_ns, seconds=lasted, headroom=3, ended=ended)


def start(day, orders, seconds):
    return StartRecord(T0 + round(day * DAY), orders, seconds)


def judged(gate: Gate, name: str) -> Check:
    return next(check for check in gate.checks if check.name == name)


def gate(judge, *records, starts=(), now=30.0, since_ns=0) -> Gate:
    ordered = sorted(records, key=lambda record: record.ts_ns)
    return judge(Evidence(ordered, starts, T0 + round(now * DAY), since_ns=since_ns))


GOOD_A = (stage(0, 40), stage(1, 80), vintage_day(2, 80), release(1.5))


def test_20_3_gate_a_is_green_with_80_slots_no_failure_headroom_and_one_manual_release():
    got = gate(gate_a, *GOOD_A)
    assert (got.name, got.passes, got.verdict) == ("A", True, "pass")
    assert got.since_ns == T0 + 2 * DAY, "since the last of its checks passed"
    assert {check.name: check.since_ns - T0 for check in got.checks} == {
        "sticky_slots": DAY, "observed_days": 2 * DAY, "invariant_failures": 0, "low_headroom_minutes": 0,
        "manual_releases": 1.5 * DAY,
    }  # fmt: skip


@pytest.mark.parametrize("judge", [gate_a, gate_b, gate_c])
def test_a_run_that_has_no_records_passes_nothing_and_says_what_is_missing(judge):
    got = gate(judge)
    assert got.verdict == "not_enough_data"
    assert not got.passes
    assert all(check.reason.startswith("not enough data yet: ") for check in got.checks)


@pytest.mark.parametrize("gone", range(1, 4))
def test_20_3_gate_a_waits_for_what_was_not_seen_yet(gone):
    records = [record for place, record in enumerate(GOOD_A) if place != gone]
    got = gate(gate_a, *records)
    assert (got.passes, got.verdict) == (False, "not_enough_data")


def test_20_3_gate_a_counts_sticky_slots_only():
    assert judged(gate(gate_a, stage(0, 79)), "sticky_slots").reason == "not enough data yet: 1 more sticky slots"
    off = gate(gate_a, *GOOD_A, stage(5, 80, sticky=False))
    assert {check.verdict for check in off.checks if check.name != "manual_releases"} == {"not_enough_data"}


def test_20_3_slots_taken_away_begin_the_count_anew():
    got = gate(gate_a, *GOOD_A, stage(3, 79), stage(4, 80))
    assert judged(got, "sticky_slots").since_ns == T0 + 4 * DAY
    assert judged(got, "observed_days").verdict == "not_enough_data"


@pytest.mark.parametrize("halted", [False, True])
def test_20_3_gate_a_is_red_from_the_first_broken_invariant_of_a_sticky_slot_on(halted):
    broken = book("invariant", T0 + DAY, slot=7, numbers="11", sticky=True, halted=halted)
    got = gate(gate_a, *GOOD_A, broken, book("invariant", T0 + 2 * DAY, slot=8, numbers="2", sticky=True, halted=False))
    check = judged(got, "invariant_failures")
    assert (check.value, check.limit, check.verdict, check.since_ns) == (2, 0, "fail", T0 + DAY)
    assert check.reason == f"slot 7 broke invariant 11{', which halted' if halted else ''}"
    assert (got.verdict, got.since_ns) == ("fail", T0 + DAY)
    assert gate(gate_a, *GOOD_A[1:], broken, since_ns=T0 + DAY + 1).verdict == "not_enough_data"


def test_20_3_an_invariant_that_broke_in_a_slot_that_was_not_sticky_is_not_stickys():
    other = book("invariant", T0 + DAY, slot=7, numbers="11", sticky=False, halted=True)
    before = book("invariant", T0 - DAY, slot=7, numbers="11", sticky=True, halted=True)
    assert gate(gate_a, *GOOD_A, other, before).passes


@pytest.mark.parametrize(("seconds", "passes"), [(600.0, True), (600.1, False)])
def test_20_3_ten_minutes_of_low_headroom_pass_and_more_do_not(seconds, passes):
    got = gate(gate_a, *GOOD_A, low(3, 3, ended=False, seconds=600.0), low(3.1, 3, ended=True, seconds=seconds))
    check = judged(got, "low_headroom_minutes")
    assert (check.value, check.limit, check.verdict == "pass") == (pytest.approx(seconds / 60), 10.0, passes)
    assert got.passes is passes


def test_20_3_low_headroom_that_lasts_is_counted_up_to_now():
    began = low(3, 3 - 600 / 86_400, ended=False)
    assert judged(gate(gate_a, *GOOD_A, began, now=3.0), "low_headroom_minutes").verdict == "pass"
    check = judged(gate(gate_a, *GOOD_A, began, now=3.0 + 60 / 86_400), "low_headroom_minutes")
    assert (check.value, check.verdict, check.since_ns) == (pytest.approx(11.0), "fail", T0 + 3 * DAY)


def test_20_3_an_automatic_release_or_one_without_gates_is_no_exercise():
    without = book("release", T0 + DAY, tier=0, outcome="failed")
    got = gate(gate_a, *GOOD_A[:3], release(1.5, tier=1), without)
    assert judged(got, "manual_releases").verdict == "not_enough_data"
    assert gate(gate_a, *GOOD_A[:3], release(1.5, age=False)).passes, "a refusal shows its gates too"


# ---- gate C

GOOD_C = (
    stage(0, 80),
    vintage_day(1, 80, sent=990, blocked=10),
    stage(2, 80, ratio=0.9, sent=1_980, blocked=20),
    stage(3, 100, ratio=0.9, sent=2_000, blocked=20),
    vintage_day(4, 100, sent=2_969, blocked=31),
)
QUICK = (start(3, 160, 12.0), start(3.5, 199, 60.0))


def test_20_3_gate_c_is_green_with_a_raised_cap_no_more_blocked_entries_and_short_starts():
    got = gate(gate_c, *GOOD_C, starts=QUICK)
    assert got.passes, [check for check in got.checks if check.verdict != "pass"]
    assert {check.name: check.value for check in got.checks} == {
        "sticky_slots": 100, "observed_days": 1, "cap_policy_changes": 1, "safe_cap": 202,
        "entry_block_rate": pytest.approx(0.011), "startup_sec": 60.0,
    }  # fmt: skip
    assert judged(got, "entry_block_rate").limit == pytest.approx(0.011)


def test_20_3_gate_c_is_red_when_the_cap_holds_back_more_than_a_tenth_more():
    got = gate(gate_c, *GOOD_C[:-1], vintage_day(4, 100, sent=2_968, blocked=32), starts=QUICK)
    check = judged(got, "entry_block_rate")
    assert (check.verdict, check.since_ns) == ("fail", T0 + 4 * DAY)
    better = gate(
        gate_c,
        *GOOD_C[:-1],
        vintage_day(4, 100, sent=2_968, blocked=32),
        vintage_day(5, 100, sent=9_000, blocked=32),
        starts=QUICK,
    )
    assert (judged(better, "entry_block_rate").verdict, judged(better, "entry_block_rate").since_ns) == (
        "pass",
        T0 + 5 * DAY,
    )


def test_20_3_rates_of_few_entries_are_not_compared():
    got = gate(
        gate_c, stage(0, 80), stage(2, 100, ratio=0.9, sent=150, blocked=0), vintage_day(3, 100, sent=300), starts=QUICK
    )
    check = judged(got, "entry_block_rate")
    assert check.verdict == "not_enough_data"
    assert "50 more entries before the change of the cap and 50 after it" in check.reason


def test_20_3_gate_c_asks_for_a_cap_that_was_changed_and_that_holds_two_orders_a_slot():
    same = gate(gate_c, stage(0, 100), vintage_day(1, 100), starts=QUICK)
    assert judged(same, "cap_policy_changes").verdict == "not_enough_data"
    assert (judged(same, "safe_cap").verdict, judged(same, "safe_cap").limit) == ("fail", 200)
    policy = gate(gate_c, stage(0, 100), stage(1, 100, entry_cap_policy="entry_reserve"))
    assert judged(policy, "cap_policy_changes").since_ns == T0 + DAY
    alone = gate(gate_c, stage(0, 100, ratio=0.9))
    assert judged(alone, "cap_policy_changes").verdict == "pass", "another cap than the contract's is on record"


@pytest.mark.parametrize(
    ("starts", "verdict", "value"),
    [
        ((start(1, 149, 5.0),), "not_enough_data", None),
        ((start(1, 150, 60.0),), "pass", 60.0),
        ((start(1, 150, 60.1), start(2, 200, 3.0)), "fail", 60.1),
    ],
)
def test_20_3_a_start_with_150_or_more_orders_takes_a_minute_at_most(starts, verdict, value):
    check = judged(gate(gate_c, *GOOD_C, starts=starts), "startup_sec")
    assert (check.verdict, check.value, check.limit) == (verdict, value, 60.0)


# ---- gate B


def shadow_days(*, days=7, gated_net=0.0102, gated_age=115.0, gated_pct=11.0, enabled=False):
    """Return as many days with two kinds of entries: 100 that the gate lets go, 100 that it would have kept back."""
    records = []
    for day in range(1, days + 1):
        for kept in (True, False):
            net = 100 * (2 * 0.01 - gated_net if kept else gated_net)
            values = {"slot": 1, "trade_id": "A", "entry_time": 0.0, "would_defer": kept}
            records += [
                book(
                    "cycle",
                    T0 + day * DAY - 200 + 2 * place + kept,
                    **values,
                    cycle=(day * 1_000 + place) * 2 + kept,
                    net=net / 100,
                )
                for place in range(100)
            ]
        records.append(
            book(
                "vintage_day", T0 + day * DAY, momentum_enabled=enabled, waiting_exits=0, gated_waiting_exits=0,
                wait_p95_sec=100.0, gated_wait_p95_sec=gated_age, stuck_capital_pct=10.0, gated_stuck_capital_pct=gated_pct / 2,
            )
        )  # fmt: skip
    return records


def test_20_3_gate_b_is_green_at_each_of_its_edges():
    got = gate(gate_b, *shadow_days())
    assert {check.name: (check.value, check.limit, check.rule) for check in got.checks} == {
        "shadow_days": (7, 7, ">="),
        "expectancy_change_pct": (pytest.approx(2.0), 2.0, ">="),
        "p95_stuck_age_change_pct": (pytest.approx(15.0), 15.0, "<="),
        "p95_stuck_capital_change_pct": (pytest.approx(10.0), 10.0, "<="),
    }
    inside = gate(gate_b, *shadow_days(gated_net=0.01021, gated_age=114.9, gated_pct=10.99))
    assert (inside.passes, inside.since_ns) == (True, T0 + 7 * DAY)


@pytest.mark.parametrize(
    ("worse", "name"),
    [
        ({"gated_net": 0.01019}, "expectancy_change_pct"),
        ({"gated_age": 115.1}, "p95_stuck_age_change_pct"),
        ({"gated_pct": 11.01}, "p95_stuck_capital_change_pct"),
    ],
)
def test_20_3_gate_b_is_red_beyond_each_of_its_edges(worse, name):
    good = {"gated_net": 0.0103, "gated_age": 100.0, "gated_pct": 10.0}
    assert gate(gate_b, *shadow_days(**good)).passes
    got = gate(gate_b, *shadow_days(**(good | worse)))
    assert [check.name for check in got.checks if check.verdict == "fail"] == [name]
    assert got.verdict == "fail"


def test_20_3_gate_b_needs_seven_days_in_the_shadow():
    short = gate(gate_b, *shadow_days(days=6))
    assert {check.verdict for check in short.checks} == {"not_enough_data"}
    assert "1 more recorded days" in short.checks[1].reason
    assert gate(gate_b, *shadow_days(days=9, enabled=True)).checks[0].value == 0, "a gate that acts is no shadow"


def test_20_3_gate_b_says_since_which_day_its_verdict_holds():
    days = shadow_days(days=9, gated_net=0.0103, gated_age=100.0, gated_pct=10.0)
    for row in days:
        if row.kind == "vintage_day" and row.ts_ns <= T0 + 7 * DAY:
            row.values["gated_wait_p95_sec"] = 118.0
    check = judged(gate(gate_b, *days), "p95_stuck_age_change_pct")
    assert (check.verdict, check.since_ns) == ("pass", T0 + 9 * DAY)
    assert check.value == pytest.approx((7 * 118.0 + 200.0) / 9 - 100.0)


@pytest.mark.parametrize(
    ("actual", "gated", "expected"),
    [(None, 1.0, None), (1.0, None, None), (0.0, 1.0, None), (0.0, 0.0, 0.0), (2.0, 3.0, 50.0), (-2.0, -1.0, 50.0)],
)
def test_20_3_a_change_is_relative_to_the_size_of_the_actual_figure(actual, gated, expected):
    assert change(actual, gated) == expected


# ---- gates as such


def test_a_gate_is_red_since_the_first_red_check_and_green_since_the_last_green_one():
    green = at_most("a", 1, 1, 5), at_least("b", 2, 2, 9)
    assert (gate_of("X", "", green).verdict, gate_of("X", "", green).since_ns) == ("pass", 9)
    red = gate_of("X", "", (*green, at_most("c", 2, 1, 7), at_least("d", 1, 2, 8), unknown("e", 1, ">=", "time")))
    assert (red.verdict, red.since_ns) == ("fail", 7)
    assert gate_of("X", "", (unknown("e", 1, ">=", "t"), *green)).verdict == "not_enough_data"
    assert not gate_of("X", "", ()).passes, "what nobody checked does not pass"


def test_20_3_each_check_has_value_limit_pass_and_since_in_strict_json():
    for got in (gate(gate_a, *GOOD_A), gate(gate_c), gate(gate_c, *GOOD_C, starts=QUICK)):
        row = json.loads(json.dumps(got.status(), allow_nan=False))
        assert row.keys() == {"title", "pass", "verdict", "since", "checks"}
        for check in row["checks"]:
            assert check.keys() == {"name", "value", "limit", "rule", "pass", "verdict", "since", "reason"}
            assert check["pass"] is (check["verdict"] == "pass")


def test_a_record_without_its_number_is_an_error_and_not_a_pass():
    with pytest.raises(TypeError, match="holds no number as slots: None"):
        gate(gate_a, book("stage", T0, slots=None, sticky=True))
