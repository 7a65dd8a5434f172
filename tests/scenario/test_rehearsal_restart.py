"""kill -9 of a real program with 200 open orders, and how long the next one takes to know them all (issue 3, runtime 2.16 A1).

After the kill the clock runs no faster than real time. It takes most of a minute, so it runs only where
MILLRACE_REHEARSAL_RESTART is set; CI has the same restart in one process (test_crash_with_200_orders.py). The figures are
in docs/results/reliability.md; `pytest -s` prints this machine's.
"""

import os
import time

import msgspec
import pytest

from demo_runs import venue_records
from millrace.sim.venue_log import Accepted, Ended, Executed
from millrace.world.afterwards.audit import audit
from millrace.world.rehearsing.rehearsal import Rehearsal

ORDERS = 200
BUILDING_SPEED = 300.0
CROWD = {
    "slots.count": "105",
    "slots.open_order_safety_ratio": "0.95",
    "slots.max_entry_adds_per_loop": "10",
    "slots.max_api_calls_per_loop": "60",
    "slots.entry_pct": "0.8",
}
LIMITS = {
    "kraken": {"venue.rate_limits": "true"},
    "none": {"venue.rate_limits": "false", "slots.private_api_metronome_enabled": "false"},
}
BAR_SEC = {"kraken": 60.0, "none": 5.0}


def open_orders(folder) -> int:
    """Return how many orders rest at the venue, by its own log."""
    resting: set[str] = set()
    lots: dict[str, int] = {}
    for record in venue_records(folder):
        if isinstance(record, Accepted):
            resting.add(record.client_id)
            lots[record.client_id] = record.lots
        elif isinstance(record, Ended):
            resting.discard(record.client_id)
        elif isinstance(record, Executed):
            lots[record.client_id] -= record.lots
            if not lots[record.client_id]:
                resting.discard(record.client_id)
    return len(resting)


def executions(folder) -> int:
    """Return how often an order of ours traded."""
    return sum(isinstance(record, Executed) for record in venue_records(folder))


@pytest.mark.skipif("MILLRACE_REHEARSAL_RESTART" not in os.environ, reason="MILLRACE_REHEARSAL_RESTART is not set")
@pytest.mark.parametrize("limits", LIMITS)
def test_a_restart_knows_200_open_orders_in_time(tmp_path, limits, monkeypatch):
    monkeypatch.setenv("MILLRACE_STATE_DIR", str(tmp_path / "state"))
    folder = tmp_path / "run"
    words = [word for key, value in {**CROWD, **LIMITS[limits]}.items() for word in ("--set", f"{key}={value}")]
    with Rehearsal(folder, words, BUILDING_SPEED, captured=True) as building:
        building.open_market()
        building.program.start()
        end = time.monotonic() + 180
        while not (folder / "venue").is_dir() or open_orders(folder) < ORDERS:
            assert time.monotonic() < end, open_orders(folder)
            time.sleep(0.2)
        building.program.kill()
        known = executions(folder)
        while executions(folder) == known:  # trading that the program does not see
            assert time.monotonic() < end
            time.sleep(0.1)
        building.venue.kill()
    with Rehearsal(folder, words, 1.0, captured=True) as now:
        now.open_market()
        began = time.monotonic()
        now.program.start("--until-quiet", "--json")
        startup = msgspec.json.decode(now.program.result())["startup"]
        took = time.monotonic() - began
        now.settle()
    print(msgspec.json.encode({"limits": limits, "process_sec": round(took, 2), **startup}).decode())  # noqa: T201  a figure for the page
    found = audit(folder)
    assert found.disagreements == ()
    assert startup["tracked_orders"] > 0.9 * ORDERS
    assert startup["replayed_fills"] > 0
    assert took < BAR_SEC[limits]
