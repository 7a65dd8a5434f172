"""Every row of the action table (slots 18, 24 API): good, bad, missing and wrong-typed input, one by one."""

import json

import msgspec
import pytest
from msgspec.inspect import BoolType, FloatType, IntType, LiteralType, NoneType, UnionType, type_info

from millrace.core.commands import Post, Reply
from millrace.core.events import Operator
from millrace.strategies.slots.operate import ACTIONS
from millrace.world.catalogue import actions
from slots_desk import Desk

TABLE = {
    "pause", "resume", "add_slot", "remove_slot", "remove_slots", "set_entry_pct", "set_profit_pct", "release_slot",
    "release_oldest_eligible", "release_ack", "toggle_sticky", "audit_pnl", "soft_close", "soft_close_next",
    "cancel_stale_recoveries", "add_layer", "remove_layer",
}  # fmt: skip
"""The contract's rows that a grid answers."""
WRONG = {
    IntType: (True, False, 1.5, 1.0, "1", "one", float("nan"), float("inf"), 10**30),
    FloatType: (True, "1", "much", float("nan"), float("inf"), float("-inf")),
    BoolType: ("maybe", 2, -1, 0.5, "", float("nan")),
    LiteralType: ("nothing", 1, True, 1.5, ""),
}
GOOD = {
    "pause": {},
    "resume": {},
    "add_slot": {"force": "yes"},
    "remove_slot": {"slot_id": 3},
    "remove_slots": {"count": 1},
    "set_entry_pct": {"value": 0.05},
    "set_profit_pct": {"value": 0.6},
    "toggle_sticky": {"slot_id": 1, "sticky": 1},
    "audit_pnl": {},
    "external_flow": {"usd": 5, "base": -1.5},
    "add_layer": {},
    "remove_layer": {},
}
BAD = [
    ("remove_slot", {"slot_id": 99}, "there is no slot 99"),
    ("remove_slot", {"slot_id": 1}, "slot 1 is in position"),
    ("remove_slots", {"count": 0}, "count must be a whole number of at least 1"),
    ("remove_slots", {"count": 99}, "there are only 3 slots"),
    ("set_entry_pct", {"value": 0.0499}, "value must be a number from 0.05 to 50"),
    ("set_entry_pct", {"value": 50.01}, "value must be a number from 0.05 to 50"),
    ("set_profit_pct", {"value": 0.5999}, "value must be a number of at least 0.6"),
    ("release_slot", {"slot_id": 99}, ""),
    ("release_slot", {"slot_id": 1}, ""),
    ("release_oldest_eligible", {"slot_id": 1}, ""),
    ("release_ack", {}, ""),
    ("toggle_sticky", {"slot_id": 99}, "there is no slot 99"),
    ("toggle_sticky", {"slot_id": 1, "sticky": False}, "slot 1 would not be sticky any more"),
    ("external_flow", {}, "say usd=AMOUNT"),
    ("soft_close", {"slot_id": 1}, "slot 1 is sticky"),
    ("soft_close_next", {}, "every slot is sticky"),
    ("cancel_stale_recoveries", {}, "every slot is sticky"),
]


def desk_in_position():
    """Return three slots, the first with an exit that waits."""
    desk = Desk(3, reentry_base_cooldown_sec=0.0).open()
    desk.fill(desk.one("B", 1))
    desk.accept()
    return desk


@pytest.fixture(scope="module")
def desk():
    return desk_in_position()


def ask(desk, action, args):
    made = desk.step(Operator(action, args, desk.now_ns, "r1"))
    replies = [command for command in made if isinstance(command, Reply)]
    assert len(replies) == 1, "a request has one answer in its step"
    json.dumps(replies[0].data, allow_nan=False)
    assert (replies[0].request, replies[0].action) == ("r1", action)
    return replies[0], made


def fields(action):
    """Return the arguments of an action with the kind of each, and whether it must be given."""
    for field in type_info(ACTIONS[action].arguments).fields:
        kind = field.type
        if isinstance(kind, UnionType):
            (kind,) = (part for part in kind.types if not isinstance(part, NoneType))
        yield field.name, kind, field.required


def whole(action, **changes):
    """Return arguments of the right kind for every required one."""
    samples = {IntType: 1, FloatType: 1.0, BoolType: True}
    return {name: samples[type(kind)] for name, kind, required in fields(action) if required} | changes


def assert_nothing_happens(desk, action, args):
    before = desk.engine.snapshot()
    reply, made = ask(desk, action, args)
    assert (reply.ok, reply.code, reply.final) == (False, 400, True), (action, args)
    assert reply.message
    assert made == [reply], "arguments are validated before anything happens"
    after = desk.engine.snapshot()
    for changing in ("command_hash", "now_ns"):
        before.pop(changing), after.pop(changing)
    assert after == before
    return reply


def test_the_table_is_the_contracts_and_the_command_line_lists_it():
    assert set(ACTIONS) >= TABLE
    assert set(actions()) >= TABLE
    assert all(action.summary for action in ACTIONS.values())


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_what_is_missing_is_named(desk, action):
    for name, _, required in fields(action):
        if required:
            given = {key: value for key, value in whole(action).items() if key != name}
            reply = assert_nothing_happens(desk, action, given)
            assert f"{action} needs {name}=" in reply.message
            assert_nothing_happens(desk, action, given | {name: None})


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_what_is_of_a_wrong_type_is_refused(desk, action):
    for name, kind, _ in fields(action):
        for value in WRONG.get(type(kind), ()):
            reply = assert_nothing_happens(desk, action, whole(action, **{name: value}))
            assert reply.message.startswith(f"{name} must be"), (action, name, value)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_an_argument_that_the_action_does_not_know_is_refused(desk, action):
    reply = assert_nothing_happens(desk, action, whole(action, slotid=1))
    assert reply.message.startswith(f"{action} knows no argument slotid")


@pytest.mark.parametrize("action", sorted(GOOD))
def test_good_input_is_carried_out(action):
    desk = desk_in_position()
    if action == "remove_layer":
        assert ask(desk, "add_layer", {})[0].ok
    reply, _ = ask(desk, action, GOOD[action])
    assert (reply.ok, reply.code) == (True, 200), reply.message


@pytest.mark.parametrize(("action", "args", "text"), BAD)
def test_a_business_refusal_is_a_400_and_changes_nothing(action, args, text):
    reply, made = ask(desk_in_position(), action, args)
    assert (reply.ok, reply.code, reply.final) == (False, 400, True)
    assert reply.message.startswith(text)
    assert not any(isinstance(command, Post) for command in made)


def test_resume_is_refused_while_the_loss_lock_holds_and_while_an_invariant_is_broken():
    desk = Desk(3, daily_loss_limit_usd=3.0).open()
    desk.fill(desk.one("B"))
    desk.accept()
    desk.fill(desk.one("B"), price=0.1)
    assert "daily loss lock" in ask(desk, "resume", {})[0].message
    desk = desk_in_position()
    desk.slot(2).state.a.cycle = 0
    desk.slot(2).quarantined = True
    reply, _ = ask(desk, "resume", {})
    assert reply.message.startswith("slot 2 is in quarantine: (8)")
    assert reply.data == {"slot_id": 2, "invariant": 8}


def test_an_unknown_action_is_left_to_whoever_answers_for_the_program(desk):
    assert desk.step(Operator("fly", {}, desk.now_ns, "r1")) == []
    assert msgspec.to_builtins(desk.status())
