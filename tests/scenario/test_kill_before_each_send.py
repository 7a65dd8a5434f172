"""The executor's own look at the kill file, with nobody else looking (runtime 2.14; 2.17 A1, A4)."""

from pathlib import Path

import pytest

import faulty_line as toy
from millrace.core.events import OrderRejected, RejectReason
from millrace.core.permission import Level
from millrace.core.trouble_events import KillRequested
from millrace.shell.kill_file import KillFiles
from millrace.sim.venue_log import Accepted, Ended

PER_HALF_SECOND = 25


@pytest.mark.parametrize("text", ["", "venue:toy", "strategy:buyer", "market:toy:DOGE/USD"])
def test_a1_touched_at_fifty_orders_a_second_the_last_leaves_within_a_second(text, tmp_path: Path):
    kill = tmp_path / "KILL"
    world = toy.make_world(10_000, None, burst=PER_HALF_SECOND, kill_file=KillFiles(kill))
    world.run(5)
    before = [record for record in world.log if isinstance(record, Accepted)]
    assert len(before) >= 9 * PER_HALF_SECOND, "50 orders a second"
    kill.write_text(text)
    touched_ns = world.simulation.now_ns
    world.run(10)
    placed = [record.ts_ns for record in world.log if isinstance(record, Accepted)]
    assert placed[-1] <= touched_ns + toy.SECOND, "by the venue's own log"
    told = [event for event, _ in world.steps if isinstance(event, KillRequested)]
    assert len(told) == 1, "the core hears of it once, from the first send that met it"
    assert world.engine.standing("buyer", toy.DOGE.id).level is Level.HALT
    assert {event.reason for event, _ in world.steps if isinstance(event, OrderRejected)} == {RejectReason.KILLED}


def test_another_scope_stops_nothing(tmp_path: Path):
    (tmp_path / "KILL").write_text("strategy:other")
    world = toy.make_world(50, None, kill_file=KillFiles(tmp_path / "KILL"))
    world.run_to_the_end(60)


def test_a_killed_scope_still_cancels(tmp_path: Path):
    kill = tmp_path / "KILL"
    world = toy.make_world(30, None, burst=1, kill_file=KillFiles(kill))
    world.buyer._news = lambda _: []
    world.run(5)
    resting = {order.client_id for order in world.venue.open_orders(toy.DOGE.id)}
    assert resting
    kill.write_text("global flatten")
    world.run(2)
    assert resting <= {record.client_id for record in world.log if isinstance(record, Ended)}
    assert world.venue.open_orders(toy.DOGE.id) == ()
