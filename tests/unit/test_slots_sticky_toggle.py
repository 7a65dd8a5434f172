"""A slot's own choice between waiting for ever and timing out, and what a change never does (slots 10, 18)."""

import pytest

from millrace.core.commands import Book, CancelOrder, Reply, Submit
from millrace.core.events import Operator
from slots_desk import Desk, changed

HOURS = 120
LIMIT_SEC = 1350.0


def ask(desk, action, **args):
    made = desk.step(Operator(action, args, desk.now_ns, "r1"))
    return next(command for command in made if isinstance(command, Reply)), made


def holding(**changes):
    """Return a desk whose first slot has an exit that the market has left."""
    desk = Desk(2, reentry_base_cooldown_sec=0.0, **changes).open()
    desk.fill(desk.one("B"))
    desk.accept()
    return desk


def aged(**changes):
    desk = holding(**changes)
    desk.loops(2 * HOURS)
    desk.accept()
    return desk


def moved(commands):
    return [command for command in commands if isinstance(command, CancelOrder | Book | Submit)]


def test_turning_it_off_wants_a_confirmation_that_names_the_exits_which_would_time_out():
    desk = aged()
    answer, made = ask(desk, "toggle_sticky", slot_id=1, sticky=False)
    assert answer.code == 400
    assert "confirm=true" in answer.message
    (row,) = answer.data["exits"]
    assert row["local_id"] == desk.slot().state.leg_order("B").local_id
    assert row["age_sec"] >= row["limit_sec"] == LIMIT_SEC
    assert moved(made) == []
    assert desk.grid.is_sticky(desk.slot())


def test_the_clocks_start_anew_at_the_toggle_which_cancels_nothing():
    desk = aged()
    answer, made = ask(desk, "toggle_sticky", slot_id=1, sticky="no", confirm="yes")
    assert answer.message == "slot 1 is not sticky; nothing was cancelled"
    assert moved(made) == []
    loops = int(LIMIT_SEC / 30.0)
    made = desk.loops(loops - 1)
    assert desk.slot().state.recovery_orders == [], "aged as the exit is, it waits its time once more"
    desk.loops(3)
    assert [row.reason for row in desk.slot().state.recovery_orders] == ["s1_timeout"]
    assert desk.slot(2).state.recovery_orders == []


def test_an_exit_younger_than_the_limit_is_not_named_but_the_confirmation_is_still_wanted():
    desk = holding()
    answer, _ = ask(desk, "toggle_sticky", slot_id=1, sticky=False)
    assert (answer.code, answer.data["exits"]) == (400, [])
    assert "no exit is old enough" in answer.message


def test_without_a_value_it_is_turned_to_the_other_and_survives_a_restart():
    desk = holding(sticky_mode_enabled=False, order_size_mode="USD", order_size_usd=25.0)
    answer, _ = ask(desk, "toggle_sticky", slot_id=1)
    assert answer.data == {"slot_id": 1, "sticky": True, "exits": []}
    desk.loops(2 * HOURS)
    assert desk.slot().state.recovery_orders == []
    again = desk.restarted()
    assert again.grid.is_sticky(again.slot(1))
    assert not again.grid.is_sticky(again.slot(2))
    assert ask(again, "toggle_sticky", slot_id=1)[0].code == 400, "off again only with a confirmation"


def test_turning_it_on_keeps_the_recoveries_that_stand_and_makes_no_new_ones():
    desk = aged(sticky_mode_enabled=False, order_size_mode="USD", order_size_usd=25.0)
    recoveries = list(desk.slot().state.recovery_orders)
    assert recoveries
    answer, made = ask(desk, "toggle_sticky", slot_id=1, sticky=True)
    assert answer.ok
    assert moved(made) == []
    desk.fill(desk.find("B", 1, reduces=False)[0])
    desk.accept()
    desk.loops(2 * HOURS)
    assert desk.slot().state.recovery_orders == recoveries
    assert desk.slot().state.s2_entered_at is None


def test_turning_on_what_is_on_changes_nothing_and_says_so():
    desk = holding()
    assert ask(desk, "toggle_sticky", slot_id=1, sticky=True)[0].data["sticky"] is True
    assert desk.ask("toggle_sticky", slot_id=9) == "refused: there is no slot 9"


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({}, "toggle_sticky needs slot_id="),
        ({"slot_id": True}, "slot_id must be a whole number"),
        ({"slot_id": 1, "sticky": "perhaps"}, "sticky must be true or false"),
    ],
)
def test_arguments_are_checked_before_anything_happens(args, text):
    desk = holding()
    assert desk.ask("toggle_sticky", **args).startswith(f"refused: {text}")


def test_with_the_legacy_path_switched_off_exits_wait_and_nothing_can_be_turned_off():
    off = {"sticky_mode_enabled": False, "order_size_mode": "USD", "order_size_usd": 25.0, "legacy_recovery": False}
    desk = aged(**off)
    assert desk.slot().state.recovery_orders == []
    assert desk.status()["sticky_mode"]["legacy_recovery"] is False
    assert Desk().status()["sticky_mode"]["legacy_recovery"] is True
    desk = holding(legacy_recovery=False)
    assert "LEGACY_RECOVERY is off" in desk.ask("toggle_sticky", slot_id=1, sticky=False, confirm=True)


def test_a_global_change_of_the_configuration_restarts_the_clocks_and_cancels_nothing():
    from millrace.core.events import ConfigApplied

    desk = aged()
    desk.slot(2).sticky = True
    desk.grid.settings = changed(desk.grid.settings, sticky_mode_enabled=False)
    made = desk.step(ConfigApplied("d", {}, desk.now_ns, changed=("slots.sticky_mode_enabled",)))
    assert moved(made) == [command for command in made if isinstance(command, Book) and command.kind == "stage"]
    assert desk.slot(1).exits_wait_from == pytest.approx(desk.now_ns / 1e9)
    assert desk.slot(2).exits_wait_from == 0.0, "a slot's own choice goes before the grid's"
    desk.loops(int(LIMIT_SEC / 30.0) - 1)
    assert desk.slot().state.recovery_orders == []
    desk.loops(3)
    assert len(desk.slot().state.recovery_orders) == 1
