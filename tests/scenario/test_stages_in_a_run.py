"""A run says where its orders' time went, and slow answers hold up nothing else (runtime 2.14 A1, A2)."""

import json
from pathlib import Path

import numpy as np

import faulty_line as toy
from demo_runs import MINUTE, open_run
from millrace.core.commands import OrderState
from millrace.core.events import OrderUnknown
from millrace.core.probe import Stage
from millrace.market.view import MarketView
from millrace.sim.candles import QuoteColumns
from millrace.sim.faults import FaultMenu
from millrace.world.telemetry import Telemetry


def test_a_demo_shows_the_stages_of_its_orders_and_its_figures(tmp_path: Path):
    run = open_run(tmp_path / "run")
    run.simulation.run_until(run.simulation.now_ns + 120 * MINUTE)
    status = run.status()
    done = list(run.telemetry.probe.recent)
    assert done
    for order in done:
        assert sum(took_ns for _, took_ns in order.stages) == order.total_ns
    whole = [order for order in done if len(order.stages) == len(Stage) - 1]
    assert whole, "some order passed every stage"
    day = status["order_stages"]["day"]
    latency_ms = run.settings.venue.request_latency_ms + run.settings.venue.response_latency_ms
    assert day["ack"]["p50_ms"] >= latency_ms
    assert set(day) == {stage.name.lower() for stage in Stage if stage is not Stage.DETECT} | {"total"}
    metrics = status["metrics"]
    states = {row["labels"]["state"]: row["value"] for row in metrics["millrace_orders_total"]}
    assert states["filled"] > 0
    assert metrics["millrace_outbox_depth"] == [
        {"labels": {"venue": "kraken"}, "value": run.simulation.executor.waiting}
    ]
    assert {row["labels"]["class"]: row["value"] for row in metrics["millrace_breaker_state"]} == {
        "orders": 0,
        "queries": 0,
    }
    assert len(run.telemetry.probe._orders) <= run.program.engine.live_orders(run.program.instrument.id)
    json.dumps(status, allow_nan=False)
    run.close()


def watched(world: toy.World) -> Telemetry:
    telemetry = Telemetry(("toy",), lambda: world.simulation.now_ns)
    telemetry.watch(world.simulation.sequencer, {"toy": world.executor}, MarketView().firewall)
    world.executor._probe = telemetry.probe
    return telemetry


def test_the_probe_changes_no_command():
    hashes = []
    for measure in (True, False):
        world = toy.make_world(100, FaultMenu(3), breakers=True)
        if measure:
            watched(world)
        world.run_to_the_end(500)
        hashes.append(world.engine.command_hash)
    assert hashes[0] == hashes[1]


def test_adopted_unknown_and_expired_orders_are_counted():
    world = toy.make_world(150, FaultMenu(4, 500_000), breakers=True)
    telemetry = watched(world)
    world.run_to_the_end(1_000)
    metrics = telemetry.metrics.snapshot()
    assert metrics["millrace_orders_adopted_total"][0]["value"] > 10
    assert metrics["millrace_orders_unknown"][0]["value"] == 0
    assert metrics["millrace_inflight"][0]["value"] == 0
    assert any(row["labels"]["state"] == OrderState.UNKNOWN.value for row in metrics["millrace_orders_total"])


def test_a1_acks_of_five_seconds_for_twenty_orders_delay_no_market_event(monkeypatch):
    world = toy.make_world(20, None, burst=20, breakers=True)
    simulation = world.simulation
    times = np.arange(1, 1_001, dtype=np.int64) * 10_000_000
    ones = np.ones_like(times)
    quotes = QuoteColumns(times, toy.BID * ones, toy.ASK * ones, ones, ones)
    simulation.feed = type(simulation.feed)(toy.DOGE.id, iter((quotes,)), world.venue)
    push = world.line.push
    monkeypatch.setattr(
        world.line,
        "push",
        lambda ts_ns, kind, payload: push(ts_ns + (0 if kind == "place" else 5 * toy.SECOND), kind, payload),
    )
    lags = []
    simulation.sequencer.listen(
        lambda event, _: lags.append(simulation.now_ns - event.ts_ns) if event.is_market else None
    )
    world.run(2)
    calls = world.executor.calls
    assert calls is not None
    assert len(calls) == 20
    world.run(0.6)
    assert not any(kind == "place" for kind, _ in calls._under_way), "after 2 s a call holds no place any more"
    assert sum(isinstance(event, OrderUnknown) for event, _ in world.steps) == 20
    world.run(7.4)
    assert len(lags) == 1_000, "every quote of the ten seconds"
    assert sorted(lags)[989] < 20_000_000
