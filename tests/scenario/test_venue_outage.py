"""A venue that stops answering is left alone, probed and come back to (runtime 2.18), in the assembled program."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import faulty_line as toy
from millrace.core.codec import encode_commands
from millrace.core.commands import Lift, Post, Refuse
from millrace.core.permission import Level, ReasonCode
from millrace.core.trouble_events import BreakerMoved, BreakerState
from millrace.risk.breakers import Breaker, Endpoint
from millrace.shell.journal import read_journal
from millrace.shell.outbox import Rank
from millrace.shell.venue_calls import VenueCalls, probe_id
from millrace.sim.faults import Fault, FaultMenu

FROM_SEC, UNTIL_SEC = 10, 310
CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def cut(world: toy.World, calls: tuple[str, ...], until_ns: int = UNTIL_SEC * toy.SECOND) -> list[tuple[int, str, str]]:
    """Lose the requests of these kinds from now on until then; returns what left, as (time, kind, client id)."""
    left: list[tuple[int, str, str]] = []

    def watch(kind: str, call: Any) -> Any:
        def sent(*args: Any) -> None:
            client_id = args[0].client_id if kind == "place" else args[1]
            left.append((args[-1], kind, client_id))
            if kind not in calls or args[-1] >= until_ns:
                call(*args)

        return sent

    for kind in ("place", "cancel", "ask_order"):
        setattr(world.line, kind, watch(kind, getattr(world.line, kind)))
    return left


def moves(world: toy.World, endpoint: Endpoint) -> list[tuple[float, BreakerState]]:
    events = [event for event, _ in world.steps if isinstance(event, BreakerMoved) and event.endpoint == endpoint]
    return [(event.ts_ns / toy.SECOND, event.state) for event in events]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a3_five_minutes_without_answers(seed, tmp_path: Path):
    world = toy.make_world(400, None, tmp_path, burst=1, calls=VenueCalls(toy.DOGE.id, seed))
    world.run(FROM_SEC)
    left = cut(world, ("place", "cancel", "ask_order"))
    world.run(UNTIL_SEC - FROM_SEC)
    for endpoint, kind in ((Endpoint.ORDERS, "cancel"), (Endpoint.QUERIES, "ask_order")):
        tripped_sec = moves(world, endpoint)[0][0]
        during = [call for call in left if call[1] == kind and tripped_sec < call[0] / toy.SECOND < UNTIL_SEC]
        assert (
            3 <= len([call for call in during if kind == "ask_order" or call[2] == probe_id(toy.DOGE.id.venue)]) <= 12
        )
    assert not any(kind == "place" and at_ns > (FROM_SEC + 15) * toy.SECOND for at_ns, kind, _ in left)
    posted = [event for event, commands in world.steps for command in commands if isinstance(command, Post)]
    assert posted
    world.run(75)
    for endpoint in Endpoint:
        assert moves(world, endpoint)[-1][1] is CLOSED
        assert moves(world, endpoint)[-1][0] <= UNTIL_SEC + 75
    world.run_to_the_end(400)
    assert sum(world.buyer.got.values()) == toy.LOTS * world.buyer.count
    assert world.engine.board.active() == []
    world.simulation.sequencer.close()
    fresh = toy.engine_of(toy.Buyer(400, 1))
    for step in read_journal(tmp_path):
        assert encode_commands(fresh.step(step.event)) == encode_commands(step.commands or [])
    assert fresh.command_hash == world.engine.command_hash


def test_an_orders_endpoint_that_fails_leaves_the_questions_alone_and_restricts_what_opens():
    world = toy.make_world(60, None, burst=1, breakers=True)
    world.run(5)
    cut(world, ("place", "cancel"), 60 * toy.SECOND)
    world.run(20)
    (restriction,) = world.engine.board.active()
    assert (restriction.level, restriction.reason) == (Level.REDUCE_ONLY, ReasonCode.BREAKER_OPEN)
    assert str(restriction.scope) == "venue:toy"
    refused = Counter(
        reason for _, commands in world.steps for one in commands if isinstance(one, Refuse) for reason in one.reasons
    )
    assert refused["breaker_open"] > 5
    assert moves(world, Endpoint.QUERIES) == []
    world.run_to_the_end(200)
    lifts = [one for _, commands in world.steps for one in commands if isinstance(one, Lift)]
    assert len(lifts) == 1
    assert sum(world.buyer.got.values()) == toy.LOTS * world.buyer.count


@pytest.mark.parametrize("share_ppm", [300_000, 600_000])
def test_what_is_wanted_is_executed_once_with_breakers_too(share_ppm):
    world = toy.make_world(400, FaultMenu(3, share_ppm, until_ns=600 * toy.SECOND), breakers=True)
    world.run_to_the_end(2_000)
    assert moves(world, Endpoint.ORDERS)
    assert dict(world.buyer.got) == dict.fromkeys(range(400), toy.LOTS)
    assert world.engine.board.active() == []


def test_ten_refusals_for_pace_in_a_minute_open_the_breaker():
    menu = FaultMenu(3, 1_000_000, 0, until_ns=30 * toy.SECOND, call_faults=(Fault.RATE_LIMITED,))
    world = toy.make_world(100, menu, burst=12, breakers=True)
    world.run(2)
    assert [state for _, state in moves(world, Endpoint.ORDERS)][:1] == [OPEN]
    world.run_to_the_end(500)


def test_a_breaker_that_fails_itself_denies_what_opens_and_lets_cancels_go(monkeypatch):
    world = toy.make_world(30, None, burst=1, breakers=True)
    world.run(4)
    monkeypatch.setattr(Breaker, "left", lambda _: 1 // 0)
    left = cut(world, ())
    world.run(4)
    assert [kind for _, kind, _ in left if kind == "place"] == ["place"], "the one that met the failure"
    (restriction,) = world.engine.board.active()
    assert "ZeroDivisionError" in restriction.text
    assert restriction.level is Level.REDUCE_ONLY
    calls = world.executor._calls
    assert calls is not None
    assert [calls.may_leave(rank, 0) for rank in Rank] == [True, True, True, False]
