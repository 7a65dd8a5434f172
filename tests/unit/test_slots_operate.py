"""Operator requests, the loss lock, quarantine and halt (slots 3, 7.5, 9, 18), each on the grid behind the real engine."""

import pytest

from millrace.core.commands import Lift, Post, Severity
from millrace.core.permission import Level
from slots_desk import DAY_NS, SECOND_NS, Desk, submits


@pytest.mark.parametrize(
    ("slots", "ratio", "force", "answer"),
    [
        (79, 0.75, False, "ok"),
        (80, 0.75, False, "refused: more than 80 slots need OPEN_ORDER_SAFETY_RATIO >= 0.9"),
        (80, 0.90, False, "ok"),
        (83, 0.75, False, "refused: more than 80 slots need"),
        (84, 0.75, True, "refused: 85 slots may need 170 orders, the safe cap is 168"),
        (84, 0.90, False, "ok"),
        (99, 0.90, False, "ok"),
        (100, 1.00, True, "refused: 101 slots are more than STICKY_MAX_TARGET_SLOTS=100"),
    ],
)
def test_a_slot_may_be_added_while_all_of_them_still_fit(slots, ratio, force, answer):
    desk = Desk(slots, open_order_safety_ratio=ratio)
    assert desk.ask("add_slot", force=force).startswith(answer)
    assert len(desk.grid.slots) == slots + (answer == "ok")


def test_the_projection_counts_two_orders_a_slot_up_to_84_and_100():
    for ratio, most in ((0.75, 84), (0.90, 101)):
        desk = Desk(most - 1, open_order_safety_ratio=ratio, sticky_target_slots=200, sticky_max_target_slots=200)
        assert desk.ask("add_slot").startswith("ok")
        assert desk.ask("add_slot").startswith(f"refused: {most + 1} slots may need {2 * most + 2} orders")


def test_caution_and_stop_want_force_and_answer_with_a_warning():
    desk = Desk(3, open_orders_per_pair_limit=20, open_order_safety_ratio=1.0).open()
    assert desk.ask("add_slot") == "refused: the capacity band is caution; force=true adds the slot all the same"
    assert desk.ask("add_slot", force=True) == "ok: slot 4 added; the capacity band is caution"
    desk = Desk(2).open()
    desk.end(desk.one("A", 1), 10.0)
    assert "the capacity band is stop" in desk.ask("add_slot")


def test_slot_ids_are_never_reused_and_a_new_slot_opens_in_the_next_loop():
    desk = Desk(2).open()
    assert desk.ask("add_slot") == "ok: slot 3 added"
    assert {place.position.group for place in submits(desk.loop())} == {"slot3"}


@pytest.mark.parametrize("value", [0.04, 51.0, float("nan"), True, "1", None])
def test_an_entry_distance_out_of_bounds_is_refused(value):
    desk = Desk()
    assert desk.ask("set_entry_pct", value=value).startswith("refused")
    assert desk.grid.entry_pct == 0.2


def test_the_profit_distance_covers_twice_the_maker_fee():
    desk = Desk()
    assert desk.ask("set_profit_pct", value=0.59).startswith("refused")
    assert desk.ask("set_profit_pct", value=0.6).startswith("ok")


def test_operator_tunables_survive_a_restart_and_the_configured_loss_limit_wins():
    desk = Desk().open()
    desk.ask("set_entry_pct", value=0.7)
    desk.grid.lock.set_limit(99.0)
    other = desk.restarted()
    assert other.grid.entry_pct == 0.7
    assert other.grid.lock.snapshot()["limit_usd"] == other.grid.settings.daily_loss_limit_usd


def test_requests_for_another_strategy_are_left_alone():
    desk = Desk().open()
    before = len(desk.alerts())
    desk.engine.step(_request("pause", desk, strategy="quoting"))
    assert len(desk.alerts()) == before
    assert desk.status()["mode"] == "OPEN"


def _request(action, desk, **args):
    from millrace.core.events import Operator

    return Operator(action, args, desk.now_ns)


# ---- the daily loss lock


def lose(desk):
    desk.fill(desk.one("B"))
    desk.accept()
    return desk.fill(desk.one("B"), price=0.1)


def test_the_lock_closes_at_the_limit_with_the_booking_that_reaches_it():
    desk = Desk(daily_loss_limit_usd=3.0).open()
    made = lose(desk)
    (posted,) = (command.restriction for command in made if isinstance(command, Post))
    assert posted.level is Level.REDUCE_ONLY
    assert posted.text.startswith("daily loss limit hit")
    assert desk.status()["daily_loss_locked"] is True
    assert desk.ask("resume").startswith("refused: the daily loss lock")
    assert submits(desk.loops(10)) == []


def test_the_lock_opens_at_the_days_end_and_the_pause_stays_until_a_person_resumes():
    desk = Desk(daily_loss_limit_usd=3.0).open()
    lose(desk)
    midnight_ns = (desk.now_ns // DAY_NS + 1) * DAY_NS
    desk.loop()
    assert desk.strategy.interest().deadline_ns == midnight_ns
    desk.now_ns = midnight_ns - SECOND_NS
    made = desk.loop()
    assert [command.restriction_id for command in made if isinstance(command, Lift)] == ["slots/loss_lock"]
    assert desk.status()["daily_loss_locked"] is False
    assert desk.status()["pause_reason"] == ["operator_pause"]
    assert submits(desk.loops(4)) == []
    assert desk.ask("resume").startswith("ok")
    assert len(submits(desk.loop())) == 1


def test_exits_pass_while_the_lock_is_closed():
    desk = Desk(daily_loss_limit_usd=3.0).open()
    desk.fill(desk.one("B"))
    desk.accept()
    desk.grid.lock.book(-5.0, desk.now_ns)
    desk.loop()
    assert desk.status()["daily_loss_locked"] is True
    (exit_,) = submits(desk.fill(desk.one("A")))
    assert exit_.reduces


# ---- quarantine and halt


def break_slot(desk, slot_id):
    """Break invariant 7 of a slot, which stops that slot alone, and have it checked."""
    order = desk.slot(slot_id).state.leg_order("B")
    order.cycle = 0
    desk.fill(desk.one("A", slot_id))
    return order


def test_a_broken_slot_is_quarantined_alone_its_exits_go_on_and_a_resume_after_the_repair_frees_it():
    desk = Desk(5, reentry_base_cooldown_sec=0.0).open()
    broken = break_slot(desk, 2)
    (alert,) = desk.alerts("invariant_violation")
    assert alert.severity is Severity.PAGE
    assert "(7)" in alert.text
    assert desk.status()["quarantined_slots"] == [2]
    assert desk.status()["mode"] == "OPEN"
    desk.accept()
    desk.fill(desk.one("A", 2))
    assert desk.waits(2) == {"A": "paused"}
    assert submits(desk.loops(3)) == []
    assert desk.ask("resume").startswith("refused: slot 2 is in quarantine: (7)")
    broken.cycle = 1
    assert desk.ask("resume").startswith("ok")
    assert [place.position.group for place in submits(desk.loop())] == ["slot2"]
    assert desk.status()["quarantined_slots"] == []


def test_too_many_quarantined_slots_halt_the_strategy():
    desk = Desk(5, quarantine_halt_fraction=0.25).open()
    first = break_slot(desk, 1)
    assert desk.status()["mode"] == "OPEN"
    second = break_slot(desk, 2)
    assert desk.status()["mode"] == "HALT"
    assert desk.status()["pause_reason"] == ["invariant_violation"]
    first.cycle = second.cycle = 1
    assert desk.ask("resume").startswith("ok"), "a halt can be resumed (P2)"
    assert desk.status()["mode"] == "OPEN"


def test_a_position_that_the_ledger_does_not_know_halts_at_once():
    desk = Desk(50).open()
    order = desk.slot().state.leg_order("B")
    assert order is not None
    order.executed_volume = 5.0
    desk.fill(desk.one("A", 1))
    assert desk.status()["mode"] == "HALT"
    assert "(11)" in desk.alerts("invariant_violation")[0].text


def test_a_venue_id_that_two_records_claim_halts_at_once():
    desk = Desk(50)
    desk.loop()
    entry = desk.one("B", 1)
    twin = desk.slot(2).state.leg_order("B")
    assert twin is not None
    twin.txid = entry
    desk.accept(entry)
    assert desk.status()["mode"] == "HALT"
    assert "(12)" in desk.alerts("invariant_violation")[0].text


def test_a_stale_s2_timestamp_is_healed_without_a_word():
    desk = Desk().open()
    desk.slot().state.s2_entered_at = 1.0
    desk.fill(desk.one("A"))
    assert desk.slot().state.s2_entered_at is None
    assert desk.grid.violations == 0


def test_an_empty_leg_without_a_reason_is_a_violation():
    desk = Desk(5).open()
    state = desk.slot(1).state
    state.orders[:] = [order for order in state.orders if order.trade_id == "B"]
    desk.slot(1).wait.clear()
    from millrace.strategies.slots.reducer.invariants import violations

    assert violations(state, desk.grid.cfg(desk.slot(1)), {}) != []
