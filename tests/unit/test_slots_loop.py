"""The grid's loop: who is opened, re-armed, refreshed and drained, in which order, and when it is due (slots 4.1, 5, 9)."""

import pytest

from millrace.core.commands import Severity
from millrace.core.events import RejectReason
from millrace.core.permission import ReasonCode
from millrace.strategies.slots.scheduler import EntryScheduler, entry_cap
from millrace.strategies.slots.slot import NEVER_NS
from slots_desk import LOOP_NS, SECOND_NS, Desk, cancels, submits


@pytest.mark.parametrize(
    ("headroom", "base", "cap"),
    [
        (0, 3, 0), (-4, 3, 0), (1, 3, 1), (5, 3, 1), (6, 3, 2), (10, 3, 2), (11, 4, 3), (20, 4, 3), (21, 4, 4), (99, 0, 1),
    ],
)  # fmt: skip
def test_the_entry_cap_shrinks_with_headroom(headroom, base, cap):
    assert entry_cap(headroom, base) == cap


@pytest.mark.parametrize(("more", "less"), [("sell", "buy"), ("buy", "sell")])
def test_the_side_that_filled_less_in_the_last_hour_goes_first(more, less):
    scheduler = EntryScheduler(2)
    assert scheduler.behind(0.0) is None
    scheduler.filled(more, 0.0)
    scheduler.filled(more, 100.0)
    scheduler.filled(less, 200.0)
    assert scheduler.behind(3_600.0) == less
    assert scheduler.behind(3_601.0) is None, "the first of the other side is over an hour old"


def use_up(desk):
    """Use up the entry cap of the window in which the desk stands."""
    desk.grid.scheduler.open_loop(desk.now_ns // LOOP_NS, 99)
    desk.grid.scheduler.used = 99


def test_fairness_breaks_ties_of_equal_age_between_deferred_entries():
    desk = Desk(2, reentry_base_cooldown_sec=0.0, max_entry_adds_per_loop=1).open()
    desk.fill(desk.one("A", 2))
    desk.fill(desk.one("B", 1))
    desk.accept()
    desk.loop()
    filler = desk.one("B", 2)
    for slot, leg in ((1, "B"), (2, "A")):
        use_up(desk)
        assert submits(desk.fill(desk.one(leg, slot))) == []
    desk.fill(filler)
    # Three buys stand against two sells, so the deferred sell entry goes before the buy entry of a lower slot.
    assert desk.grid.scheduler.behind(desk.now_ns / SECOND_NS) == "sell"
    (first,) = submits(desk.loop())
    assert (first.position.group, first.position.leg) == ("slot2", "A")
    desk.accept()
    (second,) = submits(desk.loop())
    assert (second.position.group, second.position.leg) == ("slot1", "B")


def test_slots_open_lowest_id_first_two_a_loop_with_both_sides_at_once():
    desk = Desk(5)
    opened = []
    for _ in range(3):
        opened.append([(place.position.group, place.position.leg) for place in submits(desk.loop())])
        desk.accept()
    assert opened[0] == [("slot1", "B"), ("slot1", "A"), ("slot2", "B"), ("slot2", "A")]
    assert [len(names) for names in opened] == [4, 4, 2]


def test_waiting_slots_say_so_and_the_one_with_more_round_trips_goes_first():
    desk = Desk(6)
    desk.slot(6).state.total_round_trips = 3
    assert submits(desk.loop())[0].position.group == "slot6"
    assert desk.waits(3) == {"A": "bootstrap_pending", "B": "bootstrap_pending"}
    assert desk.status()["bootstrap_backlog"] == 4


def test_under_caution_no_slot_is_opened_and_an_open_one_goes_on():
    desk = Desk(3)
    desk.loop()
    assert {desk.slot(number).state.orders != [] for number in (1, 2)} == {True}
    desk.accept()
    desk.caution(0.9)
    desk.fill(desk.one("B", 1))
    assert desk.find("B", 1, reduces=True), "exits and re-entries of an open slot go on"
    for _ in range(3):
        desk.loop()
    assert desk.find(slot=3) == []
    assert desk.waits(3) == {"A": "paused", "B": "paused"}
    desk.board.lift("test")
    desk.loop()
    assert len(desk.find(slot=3)) == 2


def test_on_probation_slots_are_opened_because_only_orders_can_end_it():
    desk = Desk(1)
    desk.caution(0.9, ReasonCode.PROBATION)
    desk.loop()
    assert len(desk.find(slot=1)) == 2


def test_a_slot_is_never_opened_twice():
    desk = Desk(3).open()
    assert submits(desk.loops(20)) == []
    desk.ask("set_entry_pct", value=0.2)
    assert submits(desk.loops(3)) == []
    other = desk.restarted()
    assert submits(other.loops(3)) == []


def test_unknown_balances_defer_and_the_first_report_opens():
    desk = Desk(money=None)
    assert submits(desk.loops(2)) == []
    assert desk.waits() == {"A": "bootstrap_pending", "B": "bootstrap_pending"}
    desk.money(1_000.0, 1_000.0)
    assert len(submits(desk.loop())) == 2


@pytest.mark.parametrize(
    ("money", "legs", "volume"),
    [
        ((0.0, 0.0), [], 0.0),
        ((200.0, 0.1), ["A"], 100.0),
        ((60.0, 0.1), ["A"], 50.0),
        ((10.0, 100.0), ["B"], 100.0),
        ((10.0, 11.0), ["B"], 50.0),
    ],
    ids=["nothing", "reseed from base", "one minimum A", "reseed from quote", "one minimum B"],
)
def test_a_one_sided_account_opens_one_side(money, legs, volume):
    desk = Desk(money=money)
    made = submits(desk.loop())
    assert [place.position.leg for place in made] == legs
    assert all(desk.facts.volume(place.lots) == volume for place in made)
    assert set(desk.waits().values()) == {"unfunded"}
    assert desk.status()["mode"] == "OPEN", "never a pause"


def test_a_cooling_leg_is_re_armed_by_the_repair_after_its_cooldown():
    desk = Desk(reentry_base_cooldown_sec=100.0).open()
    desk.fill(desk.one("A"))
    desk.accept()
    desk.fill(desk.one("A"))
    assert desk.waits() == {"A": "cooldown"}
    assert desk.slot().due_ns == desk.grid.loop_at_ns(desk.now_ns + 100 * SECOND_NS)
    assert submits(desk.loops(3)) == []
    assert [place.position.leg for place in submits(desk.loop())] == ["A"]
    assert desk.waits() == {}


def test_losses_in_a_row_keep_a_leg_out_for_the_loss_cooldown():
    desk = Desk(loss_cooldown_start=1, loss_cooldown_sec=900.0, daily_loss_limit_usd=0.0).open()
    desk.fill(desk.one("B"))
    desk.accept()
    desk.fill(desk.one("B"), price=0.1)
    assert submits(desk.loops(29)) == []
    assert len(submits(desk.loops(2))) == 1


def test_re_arming_stops_at_the_calls_a_loop_may_make():
    desk = Desk(12, max_api_calls_per_loop=4).open()
    for slot in range(1, 13):
        desk.fill(desk.one("A", slot))
    desk.accept()
    for slot in range(1, 13):
        desk.fill(desk.one("A", slot))
    desk.wait(70.0)
    counts = []
    for _ in range(3):
        counts.append(len(submits(desk.loop())))
        desk.accept()
    assert counts == [4, 4, 4]
    desk = Desk(12, max_api_calls_per_loop=4).open()
    for slot in range(1, 4):
        desk.end(desk.one("A", slot))
    desk.loop()
    assert len(desk.sent) == 24
    desk.end(desk.one("B", 1))
    desk.end(desk.one("B", 2))
    assert len(submits(desk.loop())) == 1, "three calls of the loop before are still on their way"
    assert desk.waits(2) == {"B": "scheduler_defer"}


def test_at_most_the_caps_worth_of_entries_is_refreshed_in_a_loop_oldest_first():
    desk = Desk(4, max_entry_adds_per_loop=2).open()
    for slot in (1, 2):
        desk.end(desk.one("B", slot))
    desk.loop()
    desk.accept()
    made = desk.loop(0.204)
    assert [desk.sent[cancel.client_id].position.group for cancel in cancels(made)] == ["slot1", "slot2"]
    for cancel in cancels(made):
        desk.end(cancel.client_id)
    desk.accept()
    made = desk.loop(0.204)
    assert [desk.sent[cancel.client_id].position.group for cancel in cancels(made)] == ["slot3", "slot4"]


def test_the_refresh_of_an_unsent_entry_counts_against_the_cap():
    desk = Desk(4, max_entry_adds_per_loop=2).open()
    for slot in (1, 2, 3, 4):
        desk.fill(desk.one("A", slot))
        desk.end(desk.one("B", slot))
    desk.accept()
    desk.loop()
    for slot in (1, 2, 3, 4):
        desk.reject(desk.one("B", slot), RejectReason.RATE_LIMIT)
    assert len(submits(desk.loop(0.21))) == 2


def test_a_drifted_deferred_entry_is_passed_over_by_the_first_drain_and_leaves_at_todays_price():
    desk = Desk(1, reentry_base_cooldown_sec=0.0, max_entry_adds_per_loop=2).open()
    desk.fill(desk.one("B"))
    desk.accept()
    desk.loop()
    use_up(desk)
    assert submits(desk.fill(desk.one("B"))) == []
    made = submits(desk.loop(0.21))
    assert [desk.facts.price(place.limit_ticks) for place in made] == [pytest.approx(0.21 * 0.998, abs=1e-7)]


def test_anti_chase_freezes_after_three_moves_the_same_way_and_thaws():
    desk = Desk(max_consecutive_refreshes=3, refresh_cooldown_sec=300.0).open()
    desk.fill(desk.one("A"))
    desk.accept()
    moved = []
    for step in range(24):
        made = desk.loop(round(0.2 * 1.011 ** (step + 1), 6))
        mine = [cancel for cancel in cancels(made) if desk.sent[cancel.client_id].position.leg == "B"]
        moved.append(bool(mine))
        for cancel in cancels(made):
            desk.end(cancel.client_id)
        desk.accept()
    first_stop = moved.index(False, moved.index(True))
    assert not any(moved[first_stop : first_stop + 9])
    assert any(moved[first_stop + 9 :]), "frozen entries move again after the cooldown (P8)"


def test_a_flat_market_refreshes_nothing_even_backed_off():
    desk = Desk(refresh_pct=1.0).open()
    for leg in (desk.slot().state.a, desk.slot().state.b):
        leg.consecutive_losses = 9
    desk.ask("set_entry_pct", value=0.5)
    for _ in range(10):
        for cancel in cancels(desk.loop()):
            desk.end(cancel.client_id)
        desk.accept()
    before = len(desk.commands)
    desk.loops(100)
    assert cancels(desk.commands[before:]) == [], "target basis: 100 flat ticks, no cancel (P9)"


def test_low_headroom_is_shown_at_once_and_told_once_after_ten_minutes():
    desk = Desk(2, open_orders_per_pair_limit=9, open_order_safety_ratio=1.0).open()
    assert desk.status()["safe_cap_guard"] is True
    assert desk.alerts("safe_cap_guard") == []
    assert desk.strategy.interest().deadline_ns == desk.grid.low_headroom_due_ns()
    desk.loops(25)
    (alert,) = desk.alerts("safe_cap_guard")
    assert alert.severity is Severity.WARN


def test_a_quiet_sticky_grid_is_due_only_at_the_next_day():
    desk = Desk(3).open()
    desk.loop()
    interest = desk.strategy.interest()
    assert desk.grid.outlook()[2] == NEVER_NS
    assert interest.deadline_ns is not None
    assert interest.deadline_ns % (86_400 * SECOND_NS) == 0
    assert interest.heartbeat_ns == desk.now_ns + LOOP_NS
    low, high = (bound.ticks for bound in interest.bounds)
    assert low < desk.facts.ticks(0.2) < high


def test_an_aged_exit_that_the_market_has_not_left_waits_for_a_price_not_for_a_retry():
    desk = Desk(sticky_mode_enabled=False, order_size_mode="USD", order_size_usd=20.0, s1_orphan_after_sec=60.0).open()
    desk.fill(desk.one("A"))
    desk.accept()
    exit_ = desk.slot().state.leg_order("A")
    assert exit_ is not None
    desk.price = exit_.price
    for _ in range(6):
        made = desk.loop()
        for cancel in cancels(made):
            desk.end(cancel.client_id)
        desk.accept()
    assert desk.slot().state.recovery_orders == []
    assert desk.slot().high_ticks == desk.facts.ticks(exit_.price) + 1
    desk.loop(exit_.price + 1e-6)
    assert len(desk.slot().state.recovery_orders) == 1


def test_a_full_recovery_list_keeps_the_exit_and_wakes_nobody():
    desk = Desk(
        sticky_mode_enabled=False,
        order_size_mode="USD",
        order_size_usd=20.0,
        s1_orphan_after_sec=60.0,
        max_recovery_slots=1,
        reentry_base_cooldown_sec=0.0,
    ).open()
    for _ in range(2):
        (entry,) = (found for found in desk.find("A") if not desk.sent[found].reduces)
        desk.fill(entry)
        desk.accept()
        desk.loops(4)
        desk.accept()
    state = desk.slot().state
    assert len(state.recovery_orders) == 1
    exit_ = state.leg_order("A")
    assert exit_ is not None
    assert exit_.role == "exit"
    assert desk.slot().due_ns == NEVER_NS
    (recovery,) = (found for found in desk.find("A") if desk.slot().sent[-1] == desk.sent[found].key)
    desk.fill(recovery)
    desk.loops(2)
    assert len(state.recovery_orders) == 1, "its place was free again"
    assert state.recovery_orders[0].recovery_id == 2


@pytest.mark.parametrize("entries_per_loop", [1, 2])
def test_alternating_fills_keep_both_sides_alive_in_a_flat_market(entries_per_loop):
    """P4: with pacing at its tightest, neither side's entries wait for ever behind the other's."""
    desk = Desk(10, reentry_base_cooldown_sec=0.0, max_entry_adds_per_loop=entries_per_loop).open()
    fills = {"A": 0, "B": 0}
    for _ in range(400):
        for leg in ("A", "B"):
            for client_id in desk.find(leg)[:3]:
                desk.fill(client_id)
                desk.accept()
                fills[leg] += 1
        desk.loop()
        desk.accept()
        assert abs(fills["A"] - fills["B"]) <= 20
    assert min(fills.values()) > 300
    assert desk.grid.scheduler.deferred_total > 100, "the pacing must have bitten"
    assert desk.grid.violations == 0
