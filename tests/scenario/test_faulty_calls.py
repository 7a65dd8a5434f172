"""Whatever fails on the line, what was wanted is executed once and what happened is known (runtime 2.15 A1, A3)."""

from collections import Counter
from pathlib import Path

import pytest

import faulty_line as toy
from millrace.capacity.call_budget import CallBudgetSettings
from millrace.core.codec import EMPTY_HASH, encode_commands
from millrace.core.commands import Approved, Place, Side, Style
from millrace.core.events import OrderEvent, OrderRejected, OrderUnknown, RejectReason
from millrace.core.ids import SubPosition
from millrace.core.permission import Level, ReasonCode
from millrace.core.recovery_events import QueryAnswered, QueryFailed
from millrace.shell.journal import read_journal
from millrace.shell.unanswered import Follows, Patience, StatusAnswer, Unanswered
from millrace.sim.faults import CALL_FAULTS, Fault, FaultMenu
from millrace.sim.venue_log import Accepted, Executed, Rejected
from millrace.world.folder.recovery import check_agreement

INTENTS = 10_000
LIMIT_SEC = 60.0
"""What an unknown order may take after the faults have stopped: the longest delay, a ladder and the resends."""


def placed_twice(world: toy.World) -> list[str]:
    """Return the client ids under which the venue took more than one order."""
    taken = Counter(record.client_id for record in world.log if isinstance(record, Accepted))
    return [client_id for client_id, times in taken.items() if times > 1]


def executed(world: toy.World) -> dict[int, int]:
    """Return what the venue executed, by intent."""
    intent_of = {
        world.orders.client_id("buyer", f"{number}/{attempt}"): number
        for number, attempts in world.buyer.attempts.items()
        for attempt in range(1, attempts + 1)
    }
    done: Counter[int] = Counter()
    for record in world.log:
        if isinstance(record, Executed):
            done[intent_of[record.client_id]] += record.lots
    return dict(done)


def assert_as_wanted(world: toy.World) -> None:
    """Venue, core, ledger and strategy agree: each intent was executed once, to the lot."""
    wanted = dict.fromkeys(range(world.buyer.count), toy.LOTS)
    assert executed(world) == wanted
    assert dict(world.buyer.got) == wanted
    assert sum(world.orders.positions().values()) == toy.LOTS * world.buyer.count
    assert placed_twice(world) == []
    assert world.venue.open_orders(toy.DOGE.id) == ()
    assert world.engine.board.active() == []
    check_agreement(world.orders, world.ledger)


def test_ten_thousand_intents_with_thirty_percent_faulty_calls():
    world = toy.make_world(INTENTS, FaultMenu(seed=1), burst=20)
    world.run_to_the_end(2_000)
    assert_as_wanted(world)
    fates = world.line.fates
    assert all(fates[fault] > 100 for fault in CALL_FAULTS), fates
    assert 0.27 < 1 - fates[Fault.NONE] / fates.total() < 0.33
    assert sum(isinstance(event, OrderUnknown) for event, _ in world.steps) > 1_000


@pytest.mark.parametrize("share_ppm", [600_000, 850_000])
@pytest.mark.parametrize("seed", range(4))
def test_every_unknown_resolves_soon_after_the_faults_have_stopped(seed, share_ppm):
    until_sec = 120
    menu = FaultMenu(seed, share_ppm, until_ns=until_sec * toy.SECOND)
    world = toy.make_world(150, menu, burst=1)
    world.run(until_sec)
    assert any(isinstance(event, OrderUnknown) for event, _ in world.steps)
    world.run_to_the_end(LIMIT_SEC)
    assert_as_wanted(world)


@pytest.mark.parametrize("fault", CALL_FAULTS)
def test_each_fault_alone(fault):
    menu = FaultMenu(3, 500_000, news_share_ppm=0, call_faults=(fault,))
    world = toy.make_world(200, menu)
    world.run_to_the_end(1_000)
    assert world.line.fates[fault] > 100
    assert_as_wanted(world)


def test_a_venue_that_cannot_say_is_halted_until_it_can():
    stop_ns = 20 * toy.SECOND
    menu = FaultMenu(1, 1_000_000, 0, until_ns=stop_ns, call_faults=(Fault.ANSWER_LOST,))
    world = toy.make_world(30, menu, burst=2)
    world.run(15)
    halts = world.engine.board.active()
    assert halts
    assert {(halt.level, halt.reason, str(halt.scope)) for halt in halts} == {
        (Level.HALT, ReasonCode.UNKNOWN_ORDER, "venue:toy")
    }
    begun = world.line.fates.total()
    assert world.buyer.begun == 30, "the strategy goes on wanting"
    world.run_to_the_end(5 + LIMIT_SEC)
    assert world.line.fates.total() > begun
    assert_as_wanted(world)
    kinds = Counter(type(event) for event, _ in world.steps)
    assert kinds[QueryFailed] == kinds[QueryAnswered] > 0


def test_same_seed_same_commands_and_another_seed_others():
    hashes = []
    for seed in (7, 7, 8):
        world = toy.make_world(300, FaultMenu(seed))
        world.run_to_the_end(1_000)
        hashes.append(world.engine.command_hash)
    assert hashes[0] == hashes[1] != hashes[2] != EMPTY_HASH


def test_the_journal_of_a_faulty_run_gives_the_same_commands(tmp_path: Path):
    world = toy.make_world(300, FaultMenu(seed=4, share_ppm=600_000), tmp_path)
    world.run_to_the_end(2_000)
    world.simulation.sequencer.close()
    fresh = toy.engine_of(toy.Buyer(300))
    for step in read_journal(tmp_path):
        assert encode_commands(fresh.step(step.event)) == encode_commands(step.commands or [])
    assert fresh.command_hash == world.engine.command_hash


@pytest.mark.parametrize("backwards", [False, True])
def test_news_told_again_in_any_order_changes_no_quantity(backwards):
    world = toy.make_world(200, FaultMenu(seed=2))
    world.run_to_the_end(1_000)
    positions, fills = world.orders.positions(), world.ledger.fills()
    news = [event for event, _ in world.steps if isinstance(event, OrderEvent)]
    for event in reversed(news) if backwards else news:
        world.simulation.sequencer.feed(event)
    assert world.orders.positions() == positions
    assert world.ledger.fills() == fills
    assert_as_wanted(world)


def test_without_faults_nothing_is_asked_and_nothing_unknown():
    world = toy.make_world(200, None)
    world.run_to_the_end(60)
    assert not any(isinstance(event, OrderUnknown | QueryFailed) for event, _ in world.steps)
    assert_as_wanted(world)


def test_an_entry_that_waited_too_long_is_not_sent_and_wanted_anew():
    pace = CallBudgetSettings(calls_per_loop=10**9, metronome=False, bucket_calls=3, refill_ns=toy.SECOND)
    valid_for_ns = 2 * toy.SECOND
    world = toy.make_world(30, None, pace=pace, valid_for_ns=valid_for_ns)
    sent: set[str] = set()
    late: list[str] = []
    place = world.line.place

    def watched(approved: Approved, now_ns: int) -> None:
        late.extend([approved.client_id] * (now_ns - approved.ts_ns > valid_for_ns))
        sent.add(approved.client_id)
        place(approved, now_ns)

    world.line.place = watched
    world.run_to_the_end(300)
    assert late == []
    refused = [event for event, _ in world.steps if isinstance(event, OrderRejected)]
    dropped = [event for event in refused if event.reason is RejectReason.TOO_OLD]
    assert dropped
    assert not {event.client_id for event in dropped} & sent
    assert_as_wanted(world)


def test_news_takes_back_a_resend_that_waits_for_its_call():
    pace = CallBudgetSettings(calls_per_loop=2, metronome=False)
    world = toy.make_world(1, None, pace=pace)
    placed: list[str] = []
    world.line.place = lambda approved, _: placed.append(approved.client_id)
    asked: list[str] = []
    world.line.ask_order = lambda _, client_id, __: asked.append(client_id)
    world.run(3)
    (first,) = placed
    sequencer, now_ns = world.simulation.sequencer, world.simulation.now_ns
    sequencer.answer(StatusAnswer(first, None, now_ns), now_ns)
    assert placed == [first], "the loop's calls are used up"
    world.simulation.feed_event(OrderRejected(first, RejectReason.POST_ONLY_WOULD_CROSS, "late", now_ns + 1))
    world.run(40)
    assert asked.count(first) == 1, "a question that is settled need not leave"
    assert placed == [first, world.orders.client_id("buyer", "0/2")]


def test_a_refusal_of_an_earlier_send_is_not_told_after_the_next():
    world = toy.make_world(0, FaultMenu(1, 0, 0))
    leg = SubPosition("buyer", toy.DOGE.id, "1", "B")
    crossing = Place(toy.DOGE.id, Side.BUY, toy.LOTS, toy.ASK, Style.POST_ONLY, leg, False, "9/9", "toy")
    approved = world.engine.board.permit(crossing, world.orders.client_id("buyer", "9/9"), 0, 0)
    world.line.place(approved, world.simulation.now_ns)
    world.run(0.04)
    world.line.place(approved, world.simulation.now_ns)
    world.run(1)
    assert sum(isinstance(record, Rejected) for record in world.log) == 2
    assert sum(isinstance(event, OrderRejected) for event, _ in world.steps) == 1


def test_a_blind_resend_would_be_found(monkeypatch):
    """Resend where the question belongs: these tests would see the second order."""
    asks = Unanswered.due

    def blind(self: Unanswered, now_ns: int) -> Follows:
        follows = asks(self, now_ns)
        resent = [self._watches[call.client_id] for call in follows.calls]
        for watch in resent:
            watch.resending = True
        return Follows(follows.news, [watch.approved for watch in resent if watch.approved is not None])

    monkeypatch.setattr(Unanswered, "due", blind)
    world = toy.make_world(100, FaultMenu(seed=1, call_faults=(Fault.ANSWER_LOST,)))
    world.run(60)
    assert placed_twice(world) != []


def test_an_absence_believed_too_early_would_be_found(monkeypatch):
    """Believe an answer that left before the venue had settled: the order that was under way comes a second time."""
    world = toy.make_world(
        400,
        FaultMenu(seed=1, share_ppm=900_000, call_faults=(Fault.REQUEST_OVERTAKEN,), news_share_ppm=0),
        patience=Patience(answer_ns=1, settle_ns=0),
    )
    world.run(120)
    assert placed_twice(world) != []
