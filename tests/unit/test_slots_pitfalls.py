"""What went wrong in the predecessor's history and no other test would catch (slots 23); the table of all of them is
docs/slots-pitfalls.md.
"""

import ast
from itertools import permutations
from typing import Any

import pytest

from millrace.config.load import load_settings
from millrace.core.events import OrderProgress
from millrace.strategies.slots.reducer.events import Fill, Release, TimerTick
from millrace.strategies.slots.reducer.model import Order, Recovery, SlotConfig, SlotState
from millrace.strategies.slots.reducer.transition import apply
from millrace.strategies.slots.reducer.volume import UsdSizes
from slots_desk import Desk, books, doge, submits
from source_tree import read_tree

QUICK = {"reentry_base_cooldown_sec": 0.0}
LEGACY = {"sticky_mode_enabled": False, "order_size_mode": "USD", "order_size_usd": 12.0, **QUICK}


def test_p2_a_resume_heals_a_quarantined_slot_before_it_judges_it():
    desk = Desk(5, **QUICK).open()
    desk.fill(desk.one("B", 1))
    slot = desk.slot(1)
    slot.quarantined, slot.state.s2_entered_at, slot.state.short_only = True, 1.0, True
    assert desk.ask("resume") == "ok: resumed"
    assert (slot.quarantined, slot.state.s2_entered_at, slot.state.short_only) == (False, None, False)


@pytest.mark.parametrize(
    ("money", "price", "changes", "waits"),
    [
        (None, 0.2, {}, {"A": "bootstrap_pending", "B": "bootstrap_pending"}),
        (
            (1e6, 1e6),
            0.4,
            {"order_size_mode": "USD", "order_size_usd": 12.0, "b_side_account_sizing": False},
            {"A": "min_size_wait", "B": "min_size_wait"},
        ),
        ((1e6, 0.0), 0.2, {}, {"B": "unfunded"}),
        ((0.0, 1e6), 0.2, {}, {"A": "unfunded"}),
        ((0.0, 0.0), 0.2, {}, {"A": "unfunded", "B": "unfunded"}),
    ],
    ids=["bootstrap gap", "too small", "one-sided start without quote", "one-sided start without base", "no money"],
)
def test_p3_a_leg_that_waits_for_a_reason_is_no_broken_slot(money, price, changes, waits):
    desk = Desk(1, price=price, money=money, **changes)
    desk.loops(3)
    assert desk.waits() == waits
    assert (desk.grid.violations, desk.slot().quarantined, desk.status()["mode"]) == (0, False, "OPEN")


def test_p3_an_exit_alone_is_no_broken_slot():
    desk = Desk(1, **QUICK).open()
    desk.fill(desk.one("B"))
    desk.accept()
    desk.money(0.0, 0.0)
    desk.end(desk.one("A"))
    desk.loops(3)
    assert [order.role for order in desk.slot().state.orders] == ["exit"]
    assert desk.waits() == {"A": "unfunded"}
    assert (desk.grid.violations, desk.slot().quarantined, desk.status()["mode"]) == (0, False, "OPEN")


def test_p5_a_slot_that_cannot_be_opened_stops_no_other():
    desk = Desk(3, money=(125.0, 25.1))
    desk.loops(3)
    desk.accept()
    assert {place.position.group for place in desk.sent.values()} == {"slot1", "slot2"}
    assert desk.waits(3) == {"A": "unfunded", "B": "unfunded"}
    desk.fill(desk.one("B", 1))
    desk.money(65.0, 1.0)
    assert desk.sent[desk.one("B", 1)].reduces, "the others go on"
    assert desk.engine.restrictions() == []


def test_p7_what_an_eviction_loses_counts_and_says_why_it_was_booked():
    changes = LEGACY | {"s1_orphan_after_sec": 60.0, "max_recovery_slots": 1, "daily_loss_limit_usd": 3.0}
    desk = Desk(1, recovery_evict_books=True, **changes).open()
    for price in (0.201, 0.25):
        desk.fill(max(desk.find("A", reduces=False), key=desk.limit))
        desk.accept()
        desk.price = price
        desk.loops(3)
        desk.accept()
    (evicted,) = [booked for booked in books(desk.commands) if booked.values["cause"] == "eviction"]
    assert evicted.values["net"] < -2.0
    assert desk.grid.lock.loss_usd(desk.now_ns) == pytest.approx(-evicted.values["net"])
    assert all(booked.values["cause"] for booked in books(desk.commands))


def test_p13_fees_are_the_venues_to_the_unit_and_counted_once():
    desk = Desk(1, **QUICK).open()
    entry = desk.one("B")
    bought = desk.progress(entry, 60.0)
    bought = OrderProgress(entry, bought.cum_lots, bought.cum_cost, 12_345_678, desk.now_ns)
    desk.step(bought)
    desk.step(bought)
    desk.sent.pop(entry)
    desk.accept()
    exit_ = desk.one("B")
    sold = desk.progress(exit_, 60.0)
    made = desk.step(OrderProgress(exit_, sold.cum_lots, sold.cum_cost, 87_654_321, desk.now_ns))
    (booked,) = books(made)
    assert booked.values["fees"] == pytest.approx(0.012345678 + 0.087654321, abs=1e-12)
    assert desk.slot().state.total_fees == pytest.approx(0.099999999, abs=1e-12)


def test_p18_no_name_of_a_booking_or_an_order_comes_twice_over_restarts():
    desk = Desk(2, **QUICK).open()
    for _ in range(4):
        for slot in (1, 2):
            desk.fill(desk.one("B", slot))
            desk.accept()
        desk = desk.restarted()
        desk.loop()
        desk.accept()
    booked = [book.key for book in books(desk.commands)]
    asked = [place.key for place in submits(desk.commands)]
    assert len(booked) == 4
    assert len(asked) > 8
    assert len(set(booked)) == len(booked)
    assert len(set(asked)) == len(asked)


def test_p28_what_is_under_water_is_shown_per_leg_and_never_counted_before_it_is_booked():
    desk = Desk(2, **QUICK).open()
    desk.fill(desk.one("B", 1))
    desk.fill(desk.one("A", 2), 20.0)
    desk.fill(desk.one("A", 2))
    desk.accept()
    assert desk.status()["under_water"] == {"A": 0.0, "B": 0.0}
    desk.loop(0.19)
    assert desk.status()["under_water"] == {"A": 0.0, "B": 60.0}
    desk.fill(desk.one("B", 1), 25.0)
    assert desk.status()["slots"][0]["under_water"] == {"A": 0.0, "B": 35.0}
    desk.loop(0.21)
    assert desk.status()["under_water"] == {"A": 60.0, "B": 0.0}
    assert [desk.slot(number).state.leg("B").consecutive_losses for number in (1, 2)] == [0, 0]
    desk.fill(desk.one("A", 2), price=0.22)
    assert desk.slot(2).state.leg("A").consecutive_losses == 1, "now it is booked"
    assert desk.status()["under_water"] == {"A": 0.0, "B": 0.0}


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("STICKY_MODE_ENABLED", "true\n", "slots.sticky_mode_enabled", True),
        ("ORDER_SIZE_MODE", " DOGE\r\n", "slots.order_size_mode", "DOGE"),
        ("MAX_ENTRY_ADDS_PER_LOOP", "3\n", "slots.max_entry_adds_per_loop", 3),
        ("PAIR_ENTRY_PCT", "\t0.4\n", "slots.entry_pct", 0.4),
    ],
)
def test_p22_a_line_break_after_a_value_is_no_part_of_it(name, text, key, value):
    settings = load_settings(environ={name: text})
    assert settings.flat()[key] == value
    assert settings.values[key].layer != "default"


@pytest.mark.parametrize("event", ["exit", "release", "eviction"])
def test_p28_a_loss_counts_alike_in_every_way_in_which_it_is_booked(event):
    cfg = SlotConfig(recovery_evict_books=True, max_recovery_slots=1, reentry_base_cooldown_sec=0.0)
    exit_ = Order(1, "sell", "exit", 0.21, 50.0, "B", 1, entry_price=0.2, entry_filled_at=900.0)
    state = SlotState(market_price=0.1, now=1_000.0, orders=[exit_], next_order_id=2, long_only=True)
    if event == "eviction":
        state.recovery_orders.append(Recovery(1, "sell", 0.21, 50.0, "B", 1, entry_price=0.2, orphaned_at=900.0))
        state.next_recovery_id = 2
    told = {
        "exit": Fill(1, "", "sell", 0.1, 50.0, 0.0, 1_000.0),
        "release": Release(1, 0.1, 0.0, 1_000.0, "manual"),
        "eviction": TimerTick(1e6),
    }
    apply(state, told[event], cfg, UsdSizes(10.0, None, cfg))
    (cycle,) = state.completed_cycles
    assert cycle.cause == event
    assert cycle.net_profit < -4.9
    assert state.b.consecutive_losses == 1
    assert state.today_realized_loss == pytest.approx(-cycle.net_profit)


LISTENERS = {"create_server", "start_server", "start_unix_server", "bind", "serve_forever", "HTTPServer", "run_app"}


def test_p30_nothing_listens_but_for_this_machine():
    found = {}
    for name, module in read_tree().items():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LISTENERS:
                found.setdefault(name, []).append(ast.unparse(node))
    from millrace.shell import stream

    assert found == {"millrace.shell.stream": ["socket.create_server((_HOST, 0))"]}
    assert stream._HOST == "127.0.0.1"


def summary(desk: Desk) -> dict[str, Any]:
    """What is left of a story, whatever the order in which it was told."""
    state = desk.slot().state
    return {
        "orders": sorted((order.trade_id, order.role, order.side, order.volume) for order in state.orders),
        "cycles": sorted((cycle.trade_id, cycle.cycle, round(cycle.net_profit, 9)) for cycle in state.completed_cycles),
        "next": (state.a.cycle, state.b.cycle),
        "held": {position.leg: lots for position, lots in desk.engine.positions().items()},
        "fees": round(state.total_fees, 9),
        "profit": round(state.total_profit, 9),
        "recoveries": len(state.recovery_orders),
        "violations": desk.grid.violations,
    }


def before(filled: tuple[str, ...]) -> Desk:
    """A slot whose entries of these legs have filled: their exits wait at the venue."""
    desk = Desk(1, **QUICK).open()
    for leg in filled:
        desk.fill(desk.one(leg))
        desk.accept()
    return desk


@pytest.mark.parametrize("filled", [(), ("A",), ("B",), ("A", "B")], ids=["entries", "exit A", "exit B", "exits"])
@pytest.mark.parametrize("first", [("A", "B"), ("B", "A")], ids=["A first", "B first"])
@pytest.mark.parametrize("cut", range(3), ids=["both while down", "one while down", "none while down"])
def test_p35_two_fills_leave_the_same_in_any_order_across_a_restart(filled, first, cut):
    """All interleavings of two fills and a restart; each fill is told twice, as a poll after the stream would."""
    told = []
    for order in permutations(("A", "B")):
        desk = before(filled)
        ids = {leg: desk.one(leg) for leg in order}
        news = {leg: desk.progress(ids[leg], 60.0) for leg in order}
        told.append(_after(desk, [news[leg] for leg in order], 0))
    expected = told[0]
    assert told[1] == expected
    desk = before(filled)
    news = [desk.progress(desk.one(leg), 60.0) for leg in first]
    assert _after(desk, news, cut) == expected
    assert expected["violations"] == 0
    assert len(expected["cycles"]) == len(filled)


def _after(desk: Desk, news: list[OrderProgress], cut: int) -> dict[str, Any]:
    for number in range(3):
        if number == cut:
            desk = desk.restarted()
        if number < len(news):
            desk.step(news[number])
            desk.step(news[number])
            desk.sent.pop(news[number].client_id)
    desk.accept()
    desk.loops(2)
    return summary(desk)


def test_p36_a_slot_whose_entries_are_on_their_way_off_the_book_gets_no_others():
    desk = Desk(1, **QUICK).open()
    leaving = desk.find()
    desk.loop(0.21)
    desk.loop(0.21)
    assert len(desk.slot().state.cancelling) == 2
    desk.ask("pause")
    desk.loops(2)
    desk.ask("resume")
    desk.loops(3)
    assert desk.find() == leaving, "nothing new while they may still fill"
    for client_id in leaving:
        desk.end(client_id)
    desk.loops(2)
    assert len(desk.find()) == 2


@pytest.mark.parametrize("lot_decimals", [0, 2, 8])
@pytest.mark.parametrize("leg", ["A", "B"])
def test_p37_an_order_far_from_the_market_is_judged_at_its_own_price(leg, lot_decimals):
    """10.4 USD are 52 units at the market's 0.2; backed off by 10 % a sell is 47 of them, below 50, a buy is 57."""
    changes = {"order_size_mode": "USD", "order_size_usd": 10.4, "daily_loss_limit_usd": 0.0, "entry_pct": 2.0}
    changes["b_side_account_sizing"] = False
    desk = Desk(1, facts=doge(lot_decimals), backoff_max_multiplier=5.0, **QUICK, **changes)
    desk.slot().state.leg(leg).consecutive_losses = 99
    desk.loops(3)
    found = desk.find(leg)
    if leg == "A":
        assert (found, desk.waits()["A"]) == ([], "min_size_wait")
    else:
        (client_id,) = found
        assert desk.limit(client_id) == pytest.approx(0.18)
        assert desk.volume(client_id) == round(10.4 / 0.18, lot_decimals)
