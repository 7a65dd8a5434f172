"""An executor that raises is put together again once from the ledger, and halts its venue the second time (2.14)."""

import pytest

import faulty_line as toy
from millrace.core.commands import Alert
from millrace.core.events import Operator
from millrace.core.failure import WorldError
from millrace.core.permission import Level, ReasonCode
from millrace.core.trouble_events import ExecutorFailed

FAILURES = {"port": ValueError("a bug in the codec"), "network": WorldError("no route to the venue")}


def failing(world: toy.World, name: str, error: Exception, at_calls: tuple[int, ...], owner=None) -> None:
    """Raise at these calls, counted from one, instead of doing them."""
    owner = world.line if owner is None else owner
    does, calls = getattr(owner, name), [0]

    def does_or_raises(*args):
        calls[0] += 1
        if calls[0] in at_calls:
            raise error
        return does(*args)

    setattr(owner, name, does_or_raises)


def failures(world: toy.World) -> list[bool]:
    return [event.again for event, _ in world.steps if isinstance(event, ExecutorFailed)]


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("name", ["place", "cancel"])
def test_one_failure_is_told_and_the_call_is_asked_about(kind, name):
    world = toy.make_world(40, None, burst=1, breakers=True)
    failing(world, name, FAILURES[kind], (3,))
    world.run_to_the_end(120)
    assert failures(world) == [False]
    alerts = [one for _, commands in world.steps for one in commands if isinstance(one, Alert)]
    assert [one.code for one in alerts].count("executor_failure") == 1
    assert dict(world.buyer.got) == dict.fromkeys(range(40), toy.LOTS)
    assert world.engine.board.active() == []


@pytest.mark.parametrize("name", ["_submit", "_cancel"])
def test_what_the_ledger_holds_and_nobody_else_is_asked_about_and_placed_anew(name):
    """The step is in the ledger, and the order never reached the outbox."""
    world = toy.make_world(40, None, burst=1, breakers=True)
    failing(world, name, ValueError("bug"), (3,), world.executor)
    world.run_to_the_end(120)
    assert failures(world) == [False]
    assert dict(world.buyer.got) == dict.fromkeys(range(40), toy.LOTS)


def test_two_failures_in_a_minute_halt_the_venue_until_a_person_clears_it():
    world = toy.make_world(60, None, burst=1, breakers=True)
    failing(world, "place", ValueError("bug"), (3, 9))
    world.run(30)
    assert failures(world) == [False, True]
    (restriction,) = world.engine.board.active()
    assert (restriction.level, restriction.reason) == (Level.HALT, ReasonCode.EXECUTOR_FAILURE)
    assert str(restriction.scope) == "venue:toy"
    args = {"id": "executor/toy", "operator": "ann", "reason": "fixed"}
    world.simulation.feed_event(Operator("clear", args, world.simulation.now_ns))
    world.run_to_the_end(120)
    assert dict(world.buyer.got) == dict.fromkeys(range(60), toy.LOTS)


def test_failures_more_than_a_minute_apart_are_each_the_first():
    world = toy.make_world(200, None, burst=1, breakers=True)
    failing(world, "place", ValueError("bug"), (3, 230))
    world.run_to_the_end(300)
    assert failures(world) == [False, False]


def test_a_failed_assertion_ends_the_program():
    world = toy.make_world(5, None)
    failing(world, "place", AssertionError("impossible"), (1,))
    with pytest.raises(AssertionError):
        world.run(5)
