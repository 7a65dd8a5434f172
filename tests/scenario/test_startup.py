"""How long a start with 200 orders takes, at the contract's own pace and under the venue's rate limits (slots 16, 24)."""

import shutil
from pathlib import Path

import pytest

from demo_runs import MINUTE, SECOND, as_killed, open_run
from millrace.core.permission import Scope, ScopeKind
from millrace.core.trouble_events import KillRequested, KillSource
from millrace.shell.manifest import read_manifest
from millrace.world.afterwards.gates_run import judge

BUILDING = {
    "slots.count": 100,
    "slots.open_order_safety_ratio": 0.95,
    "slots.max_entry_adds_per_loop": 10,
    "slots.max_api_calls_per_loop": 50,
    "slots.private_api_wave_calls": 50,
    "slots.entry_pct": 0.3,
    "venue.rate_limits": True,
}
PACE = {"slots.max_entry_adds_per_loop": 2, "slots.max_api_calls_per_loop": 10, "slots.private_api_wave_calls": 2}
TIMES = ("startup_reconcile_ms", "startup_replay_ms", "startup_bootstrap_ms")
ORDERS = 195


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """Return what a kill left of a program with 200 open orders whose venue traded on without it for half an hour."""
    run = open_run(tmp_path_factory.mktemp("crowd") / "run", BUILDING)
    simulation = run.simulation
    while run.program.engine.live_orders(run.program.instrument.id) < ORDERS:
        simulation.run_until(simulation.now_ns + MINUTE)
    run.snapshot()
    folder = as_killed(run, tmp_path_factory.mktemp("killed") / "run")
    stop = KillRequested(
        KillSource.CONTROL, Scope(ScopeKind.GLOBAL), "test", flatten_orders=False, ts_ns=simulation.now_ns
    )
    simulation.feed_event(stop)
    simulation.run_until(simulation.now_ns + 30 * MINUTE)
    shutil.rmtree(folder / "venue")
    shutil.copytree(run.folder / "venue", folder / "venue")
    return folder


def test_24_a_start_with_200_tracked_orders_is_over_within_a_minute_of_the_venues_time(killed, tmp_path):
    folder = Path(shutil.copytree(killed, tmp_path / "run"))
    run = open_run(folder, BUILDING | PACE)
    status = run.status()
    found = status["startup"]
    assert 150 <= found["tracked_orders"] <= 200
    assert found["replayed_fills"] >= 10
    assert status["reconciliation"]["at_start"].keys() == {"filled"}, "none had to be asked about by itself"
    assert all(found[name] >= 0.0 for name in TIMES)
    assert sum(found[name] for name in TIMES) <= found["startup_total_ms"] <= 60_000.0
    assert found["startup_slo_ok"] is True
    run.close()
    start = read_manifest(folder).starts[-1]
    assert (start.tracked_orders, start.total_ms) == (found["tracked_orders"], found["startup_total_ms"])
    (gate,) = judge(folder, ["C"])
    check = next(check for check in gate.checks if check.name == "startup_sec")
    assert (check.verdict, check.value, check.since_ns) == ("pass", found["startup_total_ms"] / 1e3, start.began_ns)


def test_16_the_times_are_null_until_the_venue_has_answered_and_count_its_waits(killed, tmp_path):
    folder = Path(shutil.copytree(killed, tmp_path / "run"))
    run = open_run(folder, BUILDING | {"slots.private_api_wave_calls": 1, "slots.private_api_wave_sec": 70.0})
    assert {run.startup_status()[name] for name in (*TIMES, "startup_total_ms", "startup_slo_ok")} == {None}
    assert run.startup_status()["tracked_orders"] >= 150
    assert read_manifest(folder).starts[-1].total_ms is None
    while run.startup.startup_total_ms is None:
        run.simulation.run_until(run.simulation.now_ns + 10 * SECOND)
        run.keep()
    assert run.startup.startup_total_ms > 60_000.0
    assert run.startup.startup_slo_ok is False
    run.close()
    (gate,) = judge(folder, ["C"])
    assert (gate.verdict, gate.checks[-1].verdict) == ("fail", "fail")
