"""Whatever fails on the line, amended orders have the venue's terms and never more exposure than was counted (2.15)."""

from collections import Counter
from pathlib import Path

import pytest

import faulty_line as toy
from faulty_amends import Amender, nervous_quotes
from millrace.capacity.call_budget import CallBudget
from millrace.core.codec import encode_commands
from millrace.core.commands import AmendOrder, Command
from millrace.core.events import AmendRefused, Event, OrderAmended, RejectReason
from millrace.core.ids import ClientIds
from millrace.shell.executor import Executor
from millrace.shell.journal import read_journal
from millrace.shell.reconciler import Reconciler
from millrace.shell.sequencer import Sequencer
from millrace.shell.unanswered import Patience
from millrace.sim.faults import CALL_FAULTS, Fate, Fault, FaultMenu, Faults
from millrace.sim.venue_log import Accepted, Amended, Executed, Unamended
from millrace.world.folder.recovery import check_agreement
from millrace.world.line import SimulatedLine
from millrace.world.simulation import Simulation

CALLS = 10_000
IDS = ClientIds("toy", ("buyer",))


def make(count: int, menu: FaultMenu | None, folder: Path | None = None, **how) -> toy.World:
    quotes = nervous_quotes(2_000)
    world = toy.make_world(count, menu, folder, strategy=Amender(count), quotes=quotes, **how)
    world.simulation.sequencer.listen(lambda event, _: never_more_than_counted(world, event))
    return world


def never_more_than_counted(world: toy.World, event: Event) -> None:
    """At every step: what the venue may still fill, and has executed, is within the worst case of the core."""
    client_id = getattr(event, "client_id", None)
    if client_id is None:
        return
    ours, theirs = world.orders.open_order(client_id), world.venue.order_status(client_id)
    if theirs is not None and not theirs.state.is_terminal:
        assert ours is not None, f"{client_id} counts as ended and is open"
        most = max(ours.terms.lots, 0 if ours.wanted is None else ours.wanted.lots)
        assert theirs.lots <= most
        assert theirs.terms in {ours.terms, ours.wanted}
    free = world.engine.free("toy", "USD")
    assert free is not None
    assert free <= world.venue.balances()["USD"][0]


def assert_terms_equal(world: toy.World) -> None:
    """Core, ledger and venue agree on every order that was ever taken: terms and fills."""
    check_agreement(world.orders, world.ledger)
    ours = {order.client_id: (order.terms, order.wanted, order.cum_lots) for order in world.orders.unfinished()}
    theirs = {order.client_id: (order.terms, None, order.cum_lots) for order in world.venue.open_orders(toy.DOGE.id)}
    assert ours == theirs
    for row in world.ledger.orders():
        truth = world.venue.order_status(row.client_id)
        if truth is None:
            assert (row.state.is_terminal, row.cum_lots) == (True, 0)
        else:
            assert (row.cum_lots, row.cum_cost, row.cum_fee) == (truth.cum_lots, truth.cum_cost, truth.cum_fee)
            assert truth.terms in {row.terms, row.wanted}
            assert truth.terms == row.terms or row.state.is_terminal


def assert_nothing_twice(world: toy.World) -> None:
    taken = Counter(record.client_id for record in world.log if isinstance(record, Accepted))
    assert set(taken.values()) == {1}
    amended = [(record.client_id, record.revision) for record in world.log if isinstance(record, Amended)]
    assert len(set(amended)) == len(amended)
    last: dict[str, int] = {}
    for client_id, revision in amended:
        assert revision > last.get(client_id, 0)
        last[client_id] = revision


def assert_as_wanted(world: toy.World) -> None:
    assert_terms_equal(world)
    assert_nothing_twice(world)
    bought = sum(record.lots for record in world.log if isinstance(record, Executed))
    assert sum(world.orders.positions().values()) == bought > 0
    assert world.engine.board.active() == []


def test_ten_thousand_calls_with_thirty_percent_faults():
    world = make(2_500, FaultMenu(seed=1))
    world.run_to_the_end(2_000)
    assert_as_wanted(world)
    fates, strategy = world.line.fates, world.buyer
    sent = sum(isinstance(command, AmendOrder) for _, commands in world.steps for command in commands)
    assert fates.total() >= CALLS
    assert sent > 5_000
    assert all(fates[fault] > 100 for fault in CALL_FAULTS), fates
    assert strategy.answers["done"] > 4_000
    assert strategy.answers["by the board"] > 10
    assert strategy.answers["not ours"] == 0
    refused = Counter(event.reason for event, _ in world.steps if isinstance(event, AmendRefused))
    assert {RejectReason.LOST, RejectReason.RATE_LIMIT, RejectReason.UNKNOWN_ORDER} <= set(refused)
    assert RejectReason.BELOW_FILLED in {record.reason for record in world.log if isinstance(record, Unamended)}


@pytest.mark.parametrize("fault", CALL_FAULTS)
def test_each_fault_alone(fault):
    world = make(60, FaultMenu(3, 500_000, news_share_ppm=0, call_faults=(fault,)))
    world.run_to_the_end(1_000)
    assert world.line.fates[fault] > 60
    assert_as_wanted(world)


@pytest.mark.parametrize("seed", range(4))
def test_terms_are_known_soon_after_the_faults_have_stopped(seed):
    world = make(150, FaultMenu(seed, 700_000, until_ns=60 * toy.SECOND), burst=3)
    world.run(60)
    strategy = world.buyer
    strategy.next_ns = 2**62  # it wants nothing more
    world.run(60)
    assert world.executor.unanswered == 0
    assert world.orders.unfinished()
    assert_terms_equal(world)


def test_without_faults_each_amend_is_answered_by_the_venue_and_nothing_is_asked():
    world = make(100, None)
    world.run_to_the_end(200)
    assert_as_wanted(world)
    at_venue = Counter(type(record) for record in world.log)
    heard = Counter(type(event) for event, _ in world.steps)
    superseded = sum(
        event.reason is RejectReason.SUPERSEDED for event, _ in world.steps if isinstance(event, AmendRefused)
    )
    assert superseded > 0
    assert heard[OrderAmended] == at_venue[Amended] > 300
    assert heard[AmendRefused] == at_venue[Unamended] + superseded


def test_the_journal_of_a_faulty_run_gives_the_same_commands(tmp_path: Path):
    world = make(100, FaultMenu(seed=4, share_ppm=600_000), tmp_path)
    world.run_to_the_end(2_000)
    world.simulation.sequencer.close()
    fresh = toy.engine_of(Amender(100))
    for step in read_journal(tmp_path):
        assert encode_commands(fresh.step(step.event)) == encode_commands(step.commands or [])
    assert fresh.command_hash == world.engine.command_hash


def test_news_told_again_changes_neither_terms_nor_quantities():
    world = make(100, FaultMenu(seed=2))
    world.run_to_the_end(1_000)
    before = [(row.terms, row.cum_lots, row.state) for row in world.ledger.orders()]
    for event in [event for event, _ in world.steps if hasattr(event, "client_id")]:
        world.simulation.sequencer.feed(event)
    assert [(row.terms, row.cum_lots, row.state) for row in world.ledger.orders()] == before
    assert_as_wanted(world)


def reborn(world: toy.World, folder: Path) -> toy.World:
    """Return the program as its journal restores it, on the venue and ledger that outlived it.

    What was on its way to the venue still arrives; what the venue had answered is lost with the connection.
    """
    strategy = Amender(world.buyer.count)
    again = toy.make_world(0, FaultMenu(seed=5), strategy=strategy, quotes=nervous_quotes(2_000))
    engine = toy.engine_of(strategy)
    for step in read_journal(folder):
        engine.step(step.event)
    assert engine.command_hash == world.engine.command_hash
    line = SimulatedLine(world.venue, faults=Faults(FaultMenu(seed=5)))
    for ts_ns, _, kind, payload in world.line._heap:
        if kind in {"place", "amend", "cancel"}:
            line.push(ts_ns, kind, tuple(Fate(Fault.ANSWER_LOST) if isinstance(one, Fate) else one for one in payload))
    reconciler = Reconciler(engine.orders, "toy", (toy.DOGE.id,), IDS.prefix)
    pace = CallBudget(toy.FREE_PACE)
    executor = Executor(
        world.ledger, line, pace, engine.board, engine.orders, reconciler=reconciler, outbox_limit=10**6
    )
    sequencer = Sequencer(engine, executor, None)
    simulation = Simulation(sequencer, executor, line, world.simulation.feed, lazy=False)
    simulation.now_ns = world.simulation.now_ns
    steps: list[tuple[Event, list[Command]]] = []
    sequencer.listen(lambda event, commands: steps.append((event, commands)))
    sequencer.recover(simulation.now_ns, restart=True)
    return again._replace(
        engine=engine, orders=engine.orders, venue=world.venue, ledger=world.ledger, executor=executor,
        simulation=simulation, line=line, log=world.log, steps=steps,
    )  # fmt: skip


@pytest.mark.parametrize("seconds", [7.013, 9.53, 12.0, 14.26])
def test_killed_with_amends_on_their_way_the_next_life_learns_what_became_of_them(seconds, tmp_path: Path):
    world = make(100, FaultMenu(seed=6), tmp_path)
    world.run(seconds)
    assert any(order.wanted is not None for order in world.orders.unfinished())
    world.simulation.sequencer.close()
    again = reborn(world, tmp_path)
    check_agreement(again.orders, again.ledger)
    limit_ns = again.simulation.now_ns + 60 * toy.SECOND
    while again.executor.recovering:
        again.run(1)
        assert again.simulation.now_ns < limit_ns
    again.run_to_the_end(500)
    assert_as_wanted(again)
    assert again.buyer.answers["not ours"] == 0


def test_an_amend_carried_out_twice_reaches_the_venue_once():
    world = make(1, None)
    steps: list[list[Command]] = []
    while not steps:
        world.run(0.5)
        steps = [commands for _, commands in world.steps if any(isinstance(one, AmendOrder) for one in commands)]
    world.executor.execute(steps[0], world.simulation.now_ns, hold=False)
    world.run_to_the_end(100)
    assert world.line.fates[Fault.NONE] == 0
    assert_as_wanted(world)


def test_old_terms_believed_too_early_would_be_found(monkeypatch):
    """Believe at once that an amend was lost: these tests would see terms that nobody here asked for."""
    menu = FaultMenu(seed=1, share_ppm=900_000, call_faults=(Fault.REQUEST_OVERTAKEN,), news_share_ppm=0)
    world = toy.make_world(
        200, menu, strategy=Amender(200), quotes=nervous_quotes(100), patience=Patience(answer_ns=1, settle_ns=0)
    )
    world.run(120)
    refused = {
        (event.client_id, event.revision)
        for event, _ in world.steps
        if isinstance(event, AmendRefused) and event.reason is RejectReason.LOST
    }
    done = {(record.client_id, record.revision) for record in world.log if isinstance(record, Amended)}
    assert refused & done
