"""What the grid books so that its stages can be judged (slots 20.3): stage, headroom, invariants, entries per day."""

import json

from slots_desk import DAY_NS, LOOP_NS, SECOND_NS, Desk, books

FEW = {"open_orders_per_pair_limit": 9, "open_order_safety_ratio": 1.0}


def values(desk, kind):
    return [book.values for book in books(desk.commands, kind)]


def test_the_stage_is_booked_at_the_start_and_when_it_changes_and_only_then():
    desk = Desk(2).open()
    (first,) = values(desk, "stage")
    assert (first["slots"], first["sticky"], first["safe_cap"], first["safety_ratio"]) == (2, True, 168, 0.75)
    assert (first["entry_cap_policy"], first["auto_release"]) == ("none", False)
    assert (first["momentum"], first["regime_adx"], first["rebalancer"]) == ("shadow", False, False)
    assert (first["sizer"], first["entries_sent"], first["entries_blocked"]) == ("off", 0, 0)
    desk.ask("pause")
    desk.ask("resume")
    desk.loops(3)
    assert len(values(desk, "stage")) == 1
    desk.ask("add_slot")
    assert [row["slots"] for row in values(desk, "stage")] == [2, 3]
    assert values(desk, "stage")[1]["entries_sent"] == 4
    other = desk.restarted()
    other.ask("add_slot")
    keys = [book.key for book in books(other.commands, "stage")]
    assert len(keys) == len(set(keys)) == 3, "a restart neither books the stage again nor takes a key twice"


def test_low_headroom_is_booked_when_it_has_lasted_ten_minutes_and_when_it_ends():
    desk = Desk(2, **FEW).open()
    began_ns = desk.grid.low_headroom_since_ns
    assert values(desk, "low_headroom") == []
    desk.loops(25)
    (lasting,) = values(desk, "low_headroom")
    assert (lasting["since_ns"], lasting["headroom"], lasting["ended"]) == (began_ns, 5, False)
    assert 600.0 <= lasting["seconds"] <= 630.0
    desk.restarted()
    desk.end(desk.one("A", 1))
    lasting, ended = values(desk, "low_headroom")
    assert (ended["since_ns"], ended["headroom"], ended["ended"]) == (began_ns, 6, True)
    assert ended["seconds"] == (desk.now_ns - began_ns) / 1e9 > 600.0


def test_low_headroom_that_ends_sooner_leaves_no_record():
    desk = Desk(2, **FEW).open()
    desk.loops(10)
    desk.end(desk.one("A", 1))
    desk.loops(30)
    assert values(desk, "low_headroom") == []


def test_each_break_of_an_invariant_is_booked_with_its_slot_and_whether_it_halted():
    desk = Desk(5, quarantine_halt_fraction=0.25).open()
    for slot_id in (1, 2):
        desk.slot(slot_id).state.leg_order("B").cycle = 0
        desk.fill(desk.one("A", slot_id))
        desk.accept()
    first, second = values(desk, "invariant")
    assert first == {"slot": 1, "numbers": "7", "sticky": True, "halted": False}
    assert second == {"slot": 2, "numbers": "7", "sticky": True, "halted": True}
    desk.loops(5)
    assert len(values(desk, "invariant")) == 2, "a slot that is in quarantine already is no new break"


def test_the_day_says_how_many_entries_left_and_how_many_the_cap_held_back():
    desk = Desk(2, open_orders_per_pair_limit=4)
    desk.loop()
    desk.accept()
    assert desk.waits(2) == {"A": "capacity_block"}
    desk.loops(40)
    desk.now_ns = (desk.now_ns // DAY_NS + 1) * DAY_NS - LOOP_NS - SECOND_NS
    desk.loops(2)
    (day,) = values(desk, "vintage_day")
    assert (day["slots"], day["sticky"], day["entries_sent"], day["entries_blocked"]) == (2, True, 3, 1)


def test_looking_twice_and_much_later_shows_the_same_and_changes_nothing():
    desk = Desk(3).open()
    desk.end(desk.one("A", 1), 20.0)
    desk.fill(desk.one("B", 2), 30.0)
    desk.accept()
    desk.loops(2)
    before = desk.engine.snapshot()
    first = json.dumps(desk.status())
    desk.engine.now_ns += 2 * DAY_NS
    assert desk.status()["capacity_fill_health"]["partial_fill_cancel_events_1d"] == 0
    desk.engine.now_ns -= 2 * DAY_NS
    assert json.dumps(desk.status()) == first
    assert desk.engine.snapshot() == before
