"""Slots and arb together: the same commands whatever is skipped, in any process, after a kill, and in a replay."""

import json
import os
import subprocess
import sys
from pathlib import Path

from both_run import MINUTE, SMALL
from demo_runs import as_killed, open_run
from millrace.world.afterwards.replay import replay

SCRIPT = Path(__file__).parent.parent / "both_run.py"


def lived(
    hash_seed: str, waking: str, minutes: int = 30, changes: dict[str, object] | None = None
) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(minutes), waking, json.dumps(changes or {})],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_lazy_is_eager_whatever_the_hash_seed():
    lazy, eager = lived("1", "lazy"), lived("4242", "eager")
    assert lazy == eager
    done = lazy["done"]
    assert done["slots RecordFill"] > 5
    assert done["arb RecordFill"] > 3
    assert lazy["held_is_true"]
    assert lazy["fault"] == "None"


def test_killed_and_continued_it_holds_what_the_venues_hold(tmp_path: Path):
    changes = SMALL | {"run.seed": 21}
    run = open_run(tmp_path / "run", changes)
    run.simulation.run_until(run.simulation.now_ns + 10 * MINUTE)
    run.snapshot()
    run.simulation.run_until(run.simulation.now_ns + 10 * MINUTE)
    assert run.program.desk.trading.opened > 0
    again = open_run(as_killed(run, tmp_path / "copy"), changes)
    again.simulation.run_until(again.simulation.now_ns + 2 * MINUTE)
    held: dict[str, int] = {}
    for position, lots in again.program.engine.positions().items():
        if position.strategy == "arb":
            held[str(position.instrument)] = held.get(str(position.instrument), 0) + lots
    truth = {
        str(name): lots for one in again.prediction.values() for name, lots in one.venue.positions().items() if lots
    }
    assert held == truth
    assert held
    again.close()
    again = replay(tmp_path / "copy")
    assert again.divergence is None
    assert not again.faults
