"""How amends leave: after cancels, by what they may add, checked once more, and never when a cancel overtook them."""

from typing import Any

import pytest

import faulty_line as toy
from millrace.capacity.call_budget import CallBudgetSettings
from millrace.core.commands import Amend, AmendOrder, Cancel, Intent, OrderUpdate, Place, Side, Style
from millrace.core.events import AmendRefused, RejectReason, Timer
from millrace.core.failure import WorldError
from millrace.core.ids import SubPosition
from millrace.core.kill import GLOBAL, HeldKills, KillOrder
from millrace.core.ledger import CommitResult
from millrace.core.permission import Level, ReasonCode, Restriction
from millrace.core.strategy import Interest
from millrace.core.trouble_events import KillSource
from millrace.shell.ledger_memory import MemoryLedger
from millrace.sim.venue_log import Accepted, Amended, Ended

KEYS = ("a", "b", "c")
REST = toy.BID - 100


class Desk:
    """Rests three entries, then wants what the test says."""

    name = "buyer"

    def __init__(self) -> None:
        self.wanted: list[Intent] = [self.place(key) for key in KEYS]
        self.next_ns = toy.TICK_NS
        self.told: list[OrderUpdate] = []
        self.count = self.begun = 0
        self.again: list[int] = []

    @staticmethod
    def place(key: str) -> Place:
        leg = SubPosition("buyer", toy.DOGE.id, key, "B")
        return Place(toy.DOGE.id, Side.BUY, 100, REST, Style.POST_ONLY, leg, False, key, "toy")

    def series(self) -> tuple[()]:
        return ()

    def decide(self, event: Any, view: Any) -> list[Intent]:
        if isinstance(event, OrderUpdate):
            self.told.append(event)
        elif isinstance(event, Timer) and event.ts_ns >= self.next_ns:
            self.next_ns = event.ts_ns + toy.TICK_NS
            wanted, self.wanted = self.wanted, []
            return wanted
        return []

    def interest(self) -> Interest:
        return Interest(deadline_ns=self.next_ns, heartbeat_ns=self.next_ns)

    def snapshot(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None: ...

    def status(self, view: Any) -> dict[str, Any]:
        return {}


def amend(key: str, lots: int, limit: int = REST) -> Amend:
    return Amend("buyer", key, lots, limit, "test")


def make(per_loop: int = 1_000, **how: Any) -> toy.World:
    """Return a world with three resting orders; of what comes then, `per_loop` calls may leave in a loop of 10 s."""
    pace = CallBudgetSettings(calls_per_loop=per_loop, loop_ns=10 * toy.SECOND, metronome=False)
    world = toy.make_world(0, None, strategy=Desk(), pace=pace, **how)
    world.run(9.6)
    assert len(world.venue.open_orders(toy.DOGE.id)) == 3
    return world


def want(world: toy.World, *intents: Intent) -> None:
    world.buyer.wanted = list(intents)


def refusals(world: toy.World) -> list[RejectReason]:
    return [event.reason for event, _ in world.steps if isinstance(event, AmendRefused)]


def changes(world: toy.World) -> list[tuple[str, str]]:
    """Return what the venue did after the three were placed: (record, key)."""
    keys = {world.orders.client_id("buyer", key): key for key in KEYS}
    done = [record for record in world.log if isinstance(record, Amended | Ended)]
    return [(type(record).__name__, keys[record.client_id]) for record in done]


def leaving(world: toy.World) -> list[str]:
    """Note from now on what leaves, in order; the venue may get it in another."""
    seen: list[str] = []
    amends, cancels = world.line.amend, world.line.cancel

    def amended(approved: Any, now_ns: int) -> None:
        seen.append(f"amend {approved.order.key}")
        amends(approved, now_ns)

    def cancelled(instrument: Any, client_id: str, now_ns: int) -> None:
        seen.append("cancel")
        cancels(instrument, client_id, now_ns)

    world.line.amend, world.line.cancel = amended, cancelled
    return seen


def post(world: toy.World, level: Level) -> None:
    board = world.engine.board
    board.post(Restriction("r", GLOBAL, level, ReasonCode.OPERATOR_HALT, "", "test", 0))


def test_cancels_first_then_what_shrinks_then_what_grows():
    world = make()
    left = leaving(world)
    want(world, amend("a", 150), amend("b", 50), Cancel("buyer", "c", "test"))
    world.run(1)
    assert left == ["cancel", "amend b", "amend a"]
    assert len(changes(world)) == 3


def test_a_cancel_overtakes_an_amend_that_waits_and_takes_it_back():
    world = make(per_loop=3)
    world.simulation.executor.budget.take(10 * toy.SECOND)
    want(world, amend("b", 50), amend("c", 50), amend("a", 150))
    world.run(1)
    assert changes(world) == [("Amended", "b"), ("Amended", "c")]
    want(world, Cancel("buyer", "a", "test"))
    world.run(10)
    assert changes(world)[2:] == [("Ended", "a")]
    assert refusals(world) == [RejectReason.SUPERSEDED]
    assert world.line._drawn["amend", world.orders.client_id("buyer", "a")] == 0


@pytest.mark.parametrize(
    ("level", "left"),
    [(Level.CAUTION, ["amend b", "amend a"]), (Level.REDUCE_ONLY, ["amend b"]), (Level.HALT, [])],
)
def test_the_board_is_asked_again_when_it_changed_while_an_amend_waited(level, left):
    world = make(per_loop=3)
    seen = leaving(world)
    for _ in range(3):
        world.executor.budget.take(10 * toy.SECOND)
    want(world, amend("a", 150), amend("b", 50))
    world.run(1)
    assert world.executor.waiting == 2
    post(world, level)
    world.run(12)
    assert seen == left
    assert refusals(world) == [RejectReason.RESTRICTION_CHANGED] * (2 - len(left))


def test_what_grows_and_waited_too_long_does_not_leave_and_what_shrinks_does():
    world = make(per_loop=3, valid_for_ns=2 * toy.SECOND)
    for _ in range(3):
        world.executor.budget.take(10 * toy.SECOND)
    want(world, amend("a", 150), amend("b", 50))
    world.run(15)
    assert changes(world) == [("Amended", "b")]
    assert refusals(world) == [RejectReason.TOO_OLD]


def test_a_full_outbox_refuses_what_grows_and_takes_what_shrinks():
    world = make(outbox_limit=3)
    world.executor._outbox._limit = 0
    want(world, amend("a", 150), amend("b", 50))
    world.run(2)
    assert changes(world) == [("Amended", "b")]
    assert refusals(world) == [RejectReason.OUTBOX_FULL]


def test_the_kill_file_is_looked_at_before_an_amend_leaves():
    kills = HeldKills()
    world = make(kill_file=kills)
    kills.orders = (KillOrder(KillSource.FILE, GLOBAL, False, "KILL"),)
    want(world, amend("a", 50))
    world.run(2)
    assert changes(world) == []
    assert refusals(world) == [RejectReason.KILLED]
    assert world.engine.standing("buyer", toy.DOGE.id).level is Level.HALT


def test_an_amend_that_the_ledger_cannot_hold_does_not_leave(monkeypatch):
    world = make()
    monkeypatch.setattr(MemoryLedger, "commit", full)
    want(world, amend("a", 150))
    world.run(1)
    monkeypatch.undo()
    world.run(5)
    assert changes(world) == []
    assert refusals(world) == [RejectReason.NEVER_LEFT]
    row = world.ledger.order(world.orders.client_id("buyer", "a"))
    assert row is not None
    assert (row.terms.lots, row.wanted) == (100, None)


def full(self: MemoryLedger, commands: list[Any]) -> CommitResult:
    raise WorldError("no space left")


def test_the_ledger_holds_an_amend_before_the_venue_sees_it():
    world = make()
    seen: list[Any] = []
    send = world.line.amend

    def watched(approved: Any, now_ns: int) -> None:
        seen.append(world.ledger.order(approved.client_id).wanted)
        send(approved, now_ns)

    world.line.amend = watched
    want(world, amend("a", 150))
    world.run(2)
    assert seen == [(150, REST)]
    assert changes(world) == [("Amended", "a")]


def test_an_executor_that_raised_asks_what_became_of_the_amend(monkeypatch):
    world = make()

    def broken(approved: Any, now_ns: int) -> None:
        raise RuntimeError("bug")

    monkeypatch.setattr(world.line, "amend", broken)
    want(world, amend("a", 150))
    world.run(10)
    assert refusals(world) == [RejectReason.LOST]
    assert world.executor.unanswered == 0
    assert world.orders.unfinished()[0].wanted is None


def test_an_amend_goes_through_the_whole_program():
    world = make()
    want(world, amend("a", 150, REST - 5))
    world.run(2)
    sent = [one.amend.key for _, commands in world.steps for one in commands if isinstance(one, AmendOrder)]
    assert sent == ["a/r1"]
    (told,) = [update.amend for update in world.buyer.told if update.amend is not None]
    assert (told.revision, told.lots, told.limit_ticks, told.reject) == (1, 150, REST - 5, None)
    assert sum(isinstance(record, Accepted) for record in world.log) == 3
