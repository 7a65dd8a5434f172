"""The placement rules in their order (slots 4.2), one test a rule, on the grid behind the real engine."""

import pytest

from millrace.core.commands import Refuse
from millrace.core.events import RejectReason
from slots_desk import Desk, doge, submits


def test_rule_1_paused_entries_leave_the_state_and_exits_still_go():
    desk = Desk(reentry_base_cooldown_sec=0.0).open()
    desk.ask("pause")
    (exit_,) = submits(desk.fill(desk.one("A")))
    assert exit_.reduces
    desk.accept()
    assert submits(desk.fill(desk.one("A"))) == []
    assert submits(desk.loops(3)) == []
    assert desk.waits() == {"A": "paused"}
    assert desk.slot().state.leg_order("A") is None
    desk.ask("resume")
    (entry,) = submits(desk.loop())
    assert entry.position.leg == "A"


def test_rule_1_halt_keeps_exits_pending_and_sends_them_when_it_is_lifted():
    desk = Desk().open()
    desk.ask("halt")
    assert submits(desk.fill(desk.one("A"))) == []
    assert submits(desk.loops(2)) == []
    (exit_,) = (order for order in desk.slot().state.orders if order.role == "exit")
    assert exit_.local_id in desk.slot().unsent()
    desk.clear_halt()
    (sent,) = submits(desk.loop())
    assert sent.reduces
    assert desk.facts.price(sent.limit_ticks) == exit_.price


def test_rule_2_at_a_stale_price_entries_go_and_exits_stay_pending():
    desk = Desk(reentry_base_cooldown_sec=0.0).open()
    desk.wait(61.0)
    assert submits(desk.fill(desk.one("A"))) == []
    (exit_,) = (order for order in desk.slot().state.orders if order.role == "exit")
    (sent,) = submits(desk.loop())
    assert sent.reduces
    desk.accept()
    desk.wait(61.0)
    desk.fill(desk.one("A"))
    assert desk.slot().state.leg_order("A") is None
    assert desk.waits() == {"A": "stale_price"}
    assert exit_.price == desk.facts.price(sent.limit_ticks)
    assert submits(desk.loop(fresh=False)) == [], "a stale price skips the cycle"
    assert desk.status()["mode"] == "OPEN", "and pauses nothing"
    assert [place.position.leg for place in submits(desk.loop())] == ["A"]


def test_rule_3_at_the_safe_cap_entries_wait_and_exits_pass():
    desk = Desk(2, open_orders_per_pair_limit=4)
    assert desk.grid.safe_cap == 3
    desk.loop()
    desk.accept()
    assert desk.waits(2) == {"A": "capacity_block"}
    assert len(desk.sent) == 3
    (exit_,) = submits(desk.fill(desk.one("A", 1)))
    assert exit_.reduces, "an exit passes at the cap"
    desk.accept()
    assert submits(desk.loop()) == []
    desk.fill(desk.one("A", 1))
    (entry,) = submits(desk.loop())
    assert (entry.position.group, entry.position.leg) == ("slot2", "A")
    assert desk.waits(2) == {}


def test_rule_4_beyond_the_loops_cap_follow_ups_are_deferred_then_drained_at_todays_target():
    desk = Desk(2, reentry_base_cooldown_sec=0.0, max_entry_adds_per_loop=1).open()
    for slot in (1, 2):
        desk.fill(desk.one("A", slot))
    desk.accept()
    desk.loop()
    assert [place.position.group for place in submits(desk.fill(desk.one("A", 2)))] == ["slot2"]
    assert submits(desk.fill(desk.one("A", 1))) == []
    assert desk.grid.scheduler.deferred_total == 1
    assert desk.status()["entry_scheduler"]["pending_entries"] == 1
    assert desk.slot(1).state.leg_order("A") is not None, "a deferred entry stays in the state"
    (drained,) = submits(desk.loop(0.201))
    assert drained.position.group == "slot1"
    assert desk.facts.price(drained.limit_ticks) == pytest.approx(0.201 * 1.002, abs=1e-7)
    assert desk.grid.scheduler.drained_total == 1
    assert desk.status()["entry_scheduler"]["pending_entries"] == 0


def test_rule_4_a_loops_budget_belongs_to_its_own_window():
    desk = Desk(reentry_base_cooldown_sec=0.0, max_entry_adds_per_loop=1).open()
    for _ in range(3):
        desk.fill(desk.one("A"))
        desk.accept()
        desk.wait(300.0)
        desk.print(desk.price)
        (follow_up,) = submits(desk.fill(desk.one("A")))
        assert not follow_up.reduces, "a used budget of hours ago defers nothing"
        desk.accept()
    assert desk.grid.scheduler.deferred_total == 0


def test_rule_6_slots_of_one_loop_share_one_balance():
    desk = Desk(2, money=(100.0, 1_000.0))
    desk.loop()
    assert len(desk.find("A")) == 1
    assert desk.waits(2) == {"A": "unfunded"}
    state = desk.slot(2).state
    assert (state.long_only, state.short_only, state.mode_source) == (True, False, "balance")
    desk.accept()
    desk.wait(1.0)
    desk.money(100.0, 500.0)
    (entry,) = submits(desk.loop())
    assert (entry.position.group, entry.position.leg) == ("slot2", "A")
    assert (state.long_only, state.mode_source) == (False, "none")


@pytest.mark.parametrize(("quote", "buys"), [(0.1996 * 60, 0), (0.1996 * 60 * 1.0025, 1)])
def test_rule_6_a_buy_reserves_its_fee(quote, buys):
    desk = Desk(money=(1_000.0, quote + 1e-9))
    desk.loop()
    assert len(desk.find("B")) == buys


def test_rule_6_exits_are_never_removed_and_their_money_is_not_for_entries():
    desk = Desk(money=(10_000.0, 12.01), reentry_base_cooldown_sec=0.0).open()
    desk.fill(desk.one("B"))
    desk.accept()
    desk.wait(1.0)
    desk.money(10_000.0, 5.0)
    assert submits(desk.fill(desk.one("A"))) == []
    exit_ = desk.slot().state.leg_order("A")
    assert exit_ is not None
    assert exit_.role == "exit"
    assert submits(desk.loops(3)) == []
    assert desk.slot().state.leg_order("A") is exit_
    desk.wait(1.0)
    desk.money(10_000.0, 11.5)
    desk.caution(0.9)
    assert submits(desk.fill(desk.one("B"))) == [], "11.5 USD would pay the entry, but the exit waits for them"
    assert desk.waits() == {"B": "unfunded"}
    desk.wait(1.0)
    (sent,) = submits(desk.money(10_000.0, 40.0))
    assert desk.facts.price(sent.limit_ticks) == exit_.price
    desk.accept()
    made = [*desk.loop(), *desk.loop()]
    assert [(place.position.leg, place.reduces) for place in submits(made)] == [("B", False)]
    assert desk.volume(desk.one("B")) == 54.0, "the board's multiplier is read before sizing"


def test_rule_6_pending_exits_go_before_the_entries_of_the_same_loop():
    desk = Desk(2, reentry_base_cooldown_sec=0.0).open()
    desk.wait(61.0)
    desk.fill(desk.one("A", 2))
    desk.end(desk.one("B", 1))
    made = submits(desk.loop())
    assert [place.reduces for place in made] == [True, False]


def test_rule_7_every_attempt_has_a_key_of_its_own():
    desk = Desk()
    desk.loop()
    for _ in range(4):
        desk.reject(desk.one("A"), RejectReason.RATE_LIMIT)
        desk.loop()
    keys = [place.key for place in submits(desk.commands) if place.position.leg == "A"]
    assert len(keys) == len(set(keys)) == 5
    assert keys[-1].endswith("/a5")
    assert not [command for command in desk.commands if isinstance(command, Refuse)]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("lot_decimals", [0, 2, 8])
def test_the_size_in_the_state_is_the_size_that_leaves(lot_decimals, shared):
    desk = Desk(
        facts=doge(lot_decimals), order_size_mode="USD", order_size_usd=13.37, b_side_account_sizing=shared
    ).open()
    for order in desk.slot().state.orders:
        place = desk.sent[desk.one(order.trade_id)]
        assert desk.facts.volume(place.lots) == order.volume
        assert desk.facts.price(place.limit_ticks) == order.price
        usd = 40.11 if shared and order.trade_id == "B" else 13.37
        assert order.volume == round(usd / order.price, lot_decimals)
