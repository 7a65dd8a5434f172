"""Slots 12.4: the gate that is off writes down what it would have done, and the ledger's records say what that is worth."""

import pytest

from millrace.core.commands import Book
from millrace.strategies.slots.signals.momentum import MomentumSettings
from millrace.strategies.slots.stages.momentum_shadow import momentum_evidence
from slots_desk import DAY_NS, SECOND_NS, Desk, books, trend

SHADOW = {"volatility_auto_profit": False, "refresh_pct": 50.0, "reentry_base_cooldown_sec": 0.0}
RISING = 0.0005
WARM = 41


def rising(**changes) -> Desk:
    desk = Desk(2, **(SHADOW | changes)).open()
    trend(desk, WARM, RISING)
    return desk


def stamps(desk: Desk) -> dict[str, bool]:
    return {order.trade_id: order.would_defer for order in desk.slot().state.orders}


def test_the_word_of_the_gate_goes_from_the_entry_to_its_exit_and_its_cycle():
    desk = rising()
    for leg in "AB":
        desk.fill(desk.one(leg))
        desk.accept()
        desk.fill(desk.one(leg))
        desk.accept()
    assert stamps(desk) == {"A": True, "B": False}, "entries from before the rise were none of the gate's business"
    assert [book.values["would_defer"] for book in books(desk.commands)] == [False, False]
    desk.fill(desk.one("A"))
    assert stamps(desk) == {"B": False, "A": True}
    other = desk.restarted()
    (book,) = books(other.fill(other.one("A")))
    assert (book.values["trade_id"], book.values["would_defer"]) == ("A", True)


def test_a_refreshed_entry_keeps_the_word_of_the_entry_that_it_replaces():
    desk = rising(refresh_pct=0.3)
    assert any(cancel.reason == "stale_entry" for cancel in desk.commands if hasattr(cancel, "reason"))
    assert stamps(desk)["A"] is False


def test_a_carve_out_and_its_remainder_carry_their_own_words():
    desk = rising(order_size_doge=200.0)
    desk.end(desk.one("A"), volume=100.0)
    state = desk.slot().state
    assert [row.would_defer for row in state.recovery_orders] == [False]
    assert stamps(desk)["A"] is True, "what was left of the entry is a new entry"


def test_the_days_record_splits_what_waits():
    desk = rising()
    for _ in range(2):
        for slot in (1, 2):
            desk.fill(desk.one("A", slot))
            desk.accept()
        if _ == 0:
            for slot in (1, 2):
                desk.fill(desk.one("A", slot))
                desk.accept()
    desk.fill(desk.one("B", 1))
    desk.accept()
    midnight_ns = (desk.now_ns // DAY_NS + 1) * DAY_NS
    desk.now_ns = midnight_ns - 60 * SECOND_NS
    (day,) = books(desk.loops(3), "vintage_day")
    values = day.values
    assert (values["waiting_exits"], values["gated_waiting_exits"], values["momentum_enabled"]) == (3, 1, False)
    assert 0.0 < values["gated_stuck_capital_usd"] < values["stuck_capital_usd"]
    ratio = values["gated_stuck_capital_usd"] / values["stuck_capital_usd"]
    assert values["gated_stuck_capital_pct"] == pytest.approx(ratio * values["stuck_capital_pct"])
    assert values["gated_wait_p95_sec"] <= values["wait_p95_sec"]


def cycle(day: float, net: float, number: int, *, would_defer: bool) -> Book:
    values = {"slot": 1, "trade_id": "A", "cycle": number, "entry_time": 1.0, "net": net, "would_defer": would_defer}
    return Book("slots", "cycle", f"c{number}/{day}", values, round(day * DAY_NS))


def picture(day: int, waiting: int, gated: int, **changes) -> Book:
    values = {
        "momentum_enabled": False, "waiting_exits": waiting, "gated_waiting_exits": gated, "wait_p95_sec": 1000.0 * day,
        "gated_wait_p95_sec": 400.0 * day, "stuck_capital_pct": 10.0 * day, "gated_stuck_capital_pct": 2.0 * day,
    }  # fmt: skip
    return Book("slots", "vintage_day", f"d{day}", values | changes, day * DAY_NS)


def test_20_3_evidence_compares_all_entries_with_those_that_the_gate_would_have_let_go():
    records = [
        cycle(0.2, 1.0, 1, would_defer=False),
        cycle(0.3, 0.2, 2, would_defer=True),
        picture(1, 4, 1),
        cycle(1.5, 2.0, 3, would_defer=False),
        cycle(1.6, -0.5, 3, would_defer=False),
        picture(2, 3, 1),
        cycle(2.5, 99.0, 4, would_defer=False),
    ]
    got = momentum_evidence(records)
    assert (got.entries_actual, got.entries_gated) == (3 + 3, 2 + 1), "the position booked in two parts is one entry"
    assert got.expectancy_actual == pytest.approx(2.7 / 6)
    assert got.expectancy_gated == pytest.approx(2.5 / 3)
    assert (got.p95_stuck_age_sec_actual, got.p95_stuck_age_sec_gated) == (1500.0, 600.0)
    assert got.p95_stuck_capital_pct_actual == 20.0
    assert got.p95_stuck_capital_pct_gated == pytest.approx(4.0 * 6 / 3), "for as many entries"
    assert (got.first_ns, got.last_ns) == (round(0.2 * DAY_NS), 2 * DAY_NS)


def test_20_3_days_on_which_the_gate_was_on_are_no_evidence():
    off = [cycle(0.2, 1.0, 1, would_defer=True), picture(1, 0, 0)]
    on = [cycle(1.2, 5.0, 2, would_defer=False), picture(2, 7, 7, momentum_enabled=True)]
    assert momentum_evidence(off + on) == momentum_evidence(off)
    none = momentum_evidence(on)
    assert (none.entries_actual, none.expectancy_actual, none.first_ns) == (0, None, None)
    assert none.p95_stuck_capital_pct_gated is None
    all_kept_back = momentum_evidence(off)
    assert (all_kept_back.expectancy_actual, all_kept_back.expectancy_gated) == (1.0, None)
    assert all_kept_back.p95_stuck_capital_pct_gated is None


def test_the_gate_on_stamps_only_what_went_past_it():
    desk = rising(momentum=MomentumSettings(enabled=True))
    desk.fill(desk.one("B"))
    desk.accept()
    desk.fill(desk.one("B"))
    assert stamps(desk)["B"] is False
