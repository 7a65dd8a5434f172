"""What the grid shows and what it books once a day (slots 16, 18): frozen keys, strict JSON, one record a day."""

import json

import msgspec
import pytest

from millrace.sizing.throughput import ThroughputConfig
from slots_desk import DAY_NS, LOOP_NS, SECOND_NS, Desk, books
from status_schema import SCHEMA, faults


@pytest.mark.parametrize("shadow", [False, True])
def test_the_keys_stay_and_the_whole_is_strict_json_from_the_first_moment_on(shadow):
    desk = Desk(3, money=None, throughput=ThroughputConfig(shadow=shadow))
    check(desk.status())
    desk.money(1_000_000.0, 1_000_000.0)
    desk.open()
    desk.fill(desk.one("A", 1))
    desk.fill(desk.one("B", 2), 30.0)
    desk.end(desk.one("B", 3), 20.0)
    desk.accept()
    desk.fill(desk.one("A", 1))
    check(desk.status())


def check(status):
    text = json.dumps(status, allow_nan=False)
    assert json.loads(text) == msgspec.json.decode(msgspec.json.encode(status))
    assert faults(SCHEMA["grid"], status) == []


def test_looking_changes_nothing():
    desk = Desk(3).open()
    desk.fill(desk.one("A", 1))
    before = desk.engine.snapshot()
    desk.status()
    assert desk.engine.snapshot() == before


def test_slots_are_a_list_ordered_by_number():
    desk = Desk(12).open()
    assert [slot["slot_id"] for slot in desk.status()["slots"]] == list(range(1, 13))


def test_both_exits_waiting_are_two_independent_waits():
    desk = Desk().open()
    desk.fill(desk.one("A"))
    desk.fill(desk.one("B"))
    (slot,) = desk.status()["slots"]
    assert (slot["phase"], slot["independent_exits"]) == ("S2", True)


# ---- the day's record


def at_midnight(desk):
    desk.now_ns = (desk.now_ns // DAY_NS + 1) * DAY_NS - SECOND_NS
    return desk.loop()


def test_the_first_loop_of_a_day_books_how_long_exits_wait():
    desk = Desk(3, money=(1_000.0, 800.0)).open()
    desk.fill(desk.one("A", 1))
    desk.accept()
    first_ns = desk.now_ns
    desk.wait(3_600.0)
    desk.loop()
    for slot in (2, 3):
        desk.fill(desk.one("A", slot))
    later_ns = desk.now_ns
    desk.wait(30.0)
    desk.loop()
    assert books(desk.commands, "vintage_day") == []
    (day,) = books(at_midnight(desk), "vintage_day")
    assert day.ts_ns == desk.now_ns
    assert day.key == f"kraken:DOGE/USD/{desk.now_ns // DAY_NS}"
    assert day.values["waiting_exits"] == 3
    assert day.values["wait_p50_sec"] == pytest.approx((desk.now_ns - later_ns) / SECOND_NS)
    assert day.values["wait_p95_sec"] == day.values["wait_p99_sec"]
    assert day.values["wait_p99_sec"] == pytest.approx((desk.now_ns - first_ns) / SECOND_NS)
    vintage = desk.status()["slot_vintage"]
    assert day.values["stuck_capital_pct"] == vintage["stuck_capital_pct"] == pytest.approx(36.0 / 1_000.0 * 100.0)
    assert books([*desk.loop(), *desk.loops(5)], "vintage_day") == []
    assert len(books(at_midnight(desk), "vintage_day")) == 1


def test_the_record_needs_no_fresh_price_and_no_slot_that_is_due():
    desk = Desk().open()
    desk.loop()
    desk.now_ns = (desk.now_ns // DAY_NS + 1) * DAY_NS - LOOP_NS
    (day,) = books(desk.loop(fresh=False), "vintage_day")
    assert day.values["wait_p50_sec"] is None
    assert day.values["waiting_exits"] == 0


def test_the_record_is_due_so_that_a_quiet_night_is_not_skipped():
    desk = Desk().open()
    desk.loop()
    assert desk.strategy.interest().deadline_ns == (desk.now_ns // DAY_NS + 1) * DAY_NS


def test_a_restart_just_before_midnight_books_the_day_all_the_same():
    desk = Desk().open()
    desk.loop()
    assert len(books(at_midnight(desk.restarted()), "vintage_day")) == 1


def test_a_restart_books_no_day_twice_and_misses_the_days_it_was_away():
    desk = Desk().open()
    at_midnight(desk)
    desk = desk.restarted()
    assert books(desk.loops(3), "vintage_day") == []
    desk.now_ns += 3 * DAY_NS
    (day,) = books(desk.loop(), "vintage_day")
    assert day.values["day"] == desk.now_ns // DAY_NS
    assert day.key not in [book.key for book in books(desk.commands, "vintage_day")[:-1]]
