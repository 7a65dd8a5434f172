"""What a demo waits for: the medium where it is to survive a loss of power, the system alone where it need not."""

import os
import sqlite3
from pathlib import Path

import pytest

from demo_runs import MINUTE
from millrace.config.load import load_settings
from millrace.core.clock import SimulatedClock
from millrace.shell.ledger_sqlite import SqliteLedger
from millrace.world.afterwards.audit import disagreements
from millrace.world.demo import Demo

_NORMAL, _FULL = 1, 2


@pytest.mark.parametrize("syncs", [True, False])
def test_a_ledger_waits_for_the_medium_unless_told_not_to_and_is_read_by_others_at_once(tmp_path: Path, syncs: bool):
    ledger = SqliteLedger(tmp_path / "ledger.db", create=True, syncs=syncs)
    ledger.probe(77)
    assert ledger._base.execute("PRAGMA synchronous").fetchone()[0] == (_FULL if syncs else _NORMAL)
    with sqlite3.connect(tmp_path / "ledger.db") as other:
        assert other.execute("SELECT value FROM meta WHERE name = 'probed_ns'").fetchone() == ("77",)
    ledger.close()


@pytest.mark.parametrize("survives", [True, False])
def test_orders_leave_without_a_sync_only_where_the_demo_need_not_survive_a_loss_of_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survives: bool
):
    changes = {"slots.count": 4, "run.survives_power_loss": survives}
    demo = Demo(load_settings(profile="demo", overrides=changes), tmp_path / "run", SimulatedClock())
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    simulation = demo.run.simulation
    simulation.run_until(simulation.now_ns + 5 * MINUTE)
    assert demo.run.ledger.orders()
    assert bool(synced) is survives
    demo.run.close()
    assert disagreements(tmp_path / "run") == []


def test_the_demo_that_runs_faster_than_a_disk_says_that_it_does_not_wait_and_every_other_run_waits():
    assert not load_settings(profile="demo_all").run.survives_power_loss
    assert load_settings().run.survives_power_loss
