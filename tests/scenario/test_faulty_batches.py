"""Whatever fails of calls that carry several items, each was executed once and is known (quoting 8, runtime 2.15)."""

from collections import Counter
from random import Random

import pytest

import faulty_line as toy
from faulty_amends import Amender, nervous_quotes
from millrace.capacity.batch_rules import BatchRules, OpBatch
from millrace.core.events import AmendRefused, CancelRefused, OrderAccepted, OrderRejected, OrderUnknown, RejectReason
from millrace.core.failure import WorldError
from millrace.sim.faults import CALL_FAULTS, ITEM_FAULTS, Fault, FaultMenu
from millrace.sim.venue_log import Accepted
from millrace.world.folder.recovery import check_agreement

TENS = BatchRules(OpBatch(10), OpBatch(10), OpBatch(10))


def assert_as_wanted(world: toy.World) -> None:
    """Venue, core, ledger and strategy agree: each intent was executed once, to the lot."""
    assert dict(world.buyer.got) == dict.fromkeys(range(world.buyer.count), toy.LOTS)
    assert sum(world.orders.positions().values()) == toy.LOTS * world.buyer.count
    taken = Counter(record.client_id for record in world.log if isinstance(record, Accepted))
    assert max(taken.values()) == 1
    assert world.venue.open_orders(toy.DOGE.id) == ()
    assert world.engine.board.active() == []
    check_agreement(world.orders, world.ledger)


@pytest.mark.parametrize("fault", CALL_FAULTS)
def test_a_whole_batch_meets_each_fault(fault):
    menu = FaultMenu(3, 500_000, news_share_ppm=0, call_faults=(fault,), item_faults=())
    world = toy.make_world(200, menu, burst=10, batches=TENS)
    world.run_to_the_end(1_000)
    assert world.line.fates[fault] > 10
    assert_as_wanted(world)


@pytest.mark.parametrize("fault", ITEM_FAULTS)
def test_single_items_fail_and_hurt_no_other(fault):
    menu = FaultMenu(4, 300_000, news_share_ppm=0, call_faults=(), item_faults=(fault,))
    world = toy.make_world(200, menu, burst=10, batches=TENS, breakers=True)
    world.run_to_the_end(1_000)
    failed = world.line.fates[fault]
    assert failed > 20
    told = [event for event, _ in world.steps]
    if fault is Fault.ITEM_REFUSED:
        refusals = [one for one in told if isinstance(one, OrderRejected) and one.reason is RejectReason.OTHER]
        cancels = [one for one in told if isinstance(one, CancelRefused) and one.reason == RejectReason.OTHER.value]
        assert len(refusals) + len(cancels) == failed
    assert sum(isinstance(event, OrderAccepted) for event in told) > 200 - failed
    calls = world.executor.calls
    assert calls is not None
    assert calls.batches.fail_rate("place") > 0.03, "news of a fill is an answer too"
    assert_as_wanted(world)


def test_everything_at_once():
    world = toy.make_world(2_000, FaultMenu(seed=1), burst=20, batches=TENS)
    world.run_to_the_end(2_000)
    fates = world.line.fates
    assert all(fates[fault] > 10 for fault in (*CALL_FAULTS, Fault.ITEM_REFUSED)), fates
    assert sum(isinstance(event, OrderUnknown) for event, _ in world.steps) > 100
    assert_as_wanted(world)


def test_new_terms_of_many_orders_in_one_call():
    world = toy.make_world(
        100, FaultMenu(seed=2), strategy=Amender(100, 10), quotes=nervous_quotes(2_000), batches=TENS
    )
    world.run_to_the_end(2_000)
    assert sum(isinstance(event, AmendRefused) and event.reason is RejectReason.OTHER for event, _ in world.steps) > 5
    check_agreement(world.orders, world.ledger)
    ours = {order.client_id: (order.terms, order.cum_lots) for order in world.orders.unfinished()}
    assert ours == {order.client_id: (order.terms, order.cum_lots) for order in world.venue.open_orders(toy.DOGE.id)}


def test_nothing_overtakes_a_batch_and_it_overtakes_nothing():
    """An order's cancel comes after the order, however each of them left."""
    world = toy.make_world(600, None, burst=7, batches=TENS)
    arrivals: dict[str, list[str]] = {}
    for name in ("place", "cancel"):
        act = getattr(world.venue, name)

        def seen(first, *rest, name=name, act=act):
            arrivals.setdefault(first.client_id if name == "place" else rest[0], []).append(name)
            return act(first, *rest)

        setattr(world.venue, name, seen)
    world.run_to_the_end(1_000)
    assert {tuple(kinds) for kinds in arrivals.values()} == {("place",), ("place", "cancel")}
    assert not any(isinstance(event, CancelRefused) for event, _ in world.steps)


@pytest.mark.parametrize("seed", range(3))
def test_a_port_that_raises_before_or_after_it_sent(seed, monkeypatch):
    """All items of the call are asked about, the other calls of that moment leave, and nothing is kept for ever."""
    monkeypatch.setattr("millrace.shell.executor._FAILURES_NS", -1)  # or a second failure halts the venue
    draws, raised = Random(seed), Counter[str]()
    menu = FaultMenu(seed, 50_000, longest_delay_ns=5 * toy.SECOND)
    world = toy.make_world(400, menu, burst=12, batches=TENS, breakers=True)
    for name in ("place", "cancel", "send_batch", "ask_order"):
        does = getattr(world.line, name)

        def does_or_raises(*call, name=name, does=does):
            draw = draws.random()
            if draw < 0.08:
                raised[name] += 1
                raise WorldError("no route to the venue")
            does(*call)
            if draw < 0.16:
                raised[name] += 1
                raise ValueError("a bug in the codec")

        setattr(world.line, name, does_or_raises)
    world.run_to_the_end(3_000)
    assert raised["send_batch"] > 2
    assert_as_wanted(world)
    world.run(5)
    calls = world.executor.calls
    assert calls is not None
    assert (len(calls), calls.batches._under_way, world.executor.waiting) == (0, {}, 0)
