"""A crash at each point of the submit path while 200 orders are open (runtime 2.15 A2, 2.16 A1)."""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from demo_runs import MINUTE, assert_sound, open_run, slots_of
from killer import POINTS, Killer

CROWD = {
    "slots.count": 100,
    "slots.open_order_safety_ratio": 0.95,
    "slots.max_entry_adds_per_loop": 10,
    "slots.max_api_calls_per_loop": 50,
    "slots.private_api_wave_calls": 50,
    "slots.entry_pct": 0.3,
}
ORDERS = 200
TIMES = (3,)
RESTART_SEC = 60
"""The bar; what it takes is in docs/results/reliability.md."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> tuple[Path, dict[str, list[dict[str, Any]]]]:
    folder = tmp_path_factory.mktemp("crowd")
    run = open_run(folder / "run", CROWD)
    while run.program.engine.live_orders(run.program.instrument.id) < ORDERS:
        run.simulation.run_until(run.simulation.now_ns + MINUTE)
    run.snapshot()
    killer = Killer(run, folder, TIMES)
    run.simulation.run_until(run.simulation.now_ns + 90 * MINUTE)
    assert all(count >= TIMES[-1] for count in killer.passed.values()), killer.passed
    return folder, killer.states


@pytest.mark.parametrize("point", POINTS)
def test_a_restart_knows_all_of_them(killed, tmp_path: Path, point: str) -> None:
    name = f"{point} {TIMES[0]}"
    folder = shutil.copytree(killed[0] / name, tmp_path / "run")
    began = time.monotonic()
    run = open_run(folder, CROWD)
    assert time.monotonic() - began < RESTART_SEC
    instrument = run.program.instrument.id
    assert run.program.engine.live_orders(instrument) >= 0.9 * ORDERS
    assert run.program.engine.board.active() == []
    ours = {order.client_id for order in run.program.orders.unfinished()}
    at_venue = {order.client_id for order in run.venue.open_orders(instrument)}
    young = {order.client_id for order in run.program.orders.unfinished() if order.never_seen}
    assert at_venue <= ours
    assert ours - at_venue <= young
    before = [slot["slot_id"] for slot in killed[1][name]]
    assert [slot["slot_id"] for slot in slots_of(run)] == before
    run.close()
    assert_sound(folder, CROWD)
