"""Arguments of every action by the kinds that its record names: each missing and each wrong value, derived (slots 18).

What each action can mean, and what not, stands in `test_slots_actions`; here an action that is added is covered by itself.
"""

import json

import msgspec
import pytest
from msgspec.inspect import BoolType, FloatType, IntType, LiteralType, NoneType, UnionType, type_info

from millrace.core.commands import Reply
from millrace.core.events import Operator
from millrace.strategies.slots.operator.actions import ACTIONS
from slots_desk import Desk

WRONG = {
    IntType: (True, False, 1.5, 1.0, "1", "one", float("nan"), float("inf"), 10**30),
    FloatType: (True, "1", "much", float("nan"), float("inf"), float("-inf")),
    BoolType: ("maybe", 2, -1, 0.5, "", float("nan")),
    LiteralType: ("nothing", 1, True, 1.5, ""),
}


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
