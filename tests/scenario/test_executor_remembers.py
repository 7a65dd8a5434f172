"""An executor that remembers what it waits for does what one does that works it out, and looks for work, each time."""

from pathlib import Path

import pytest

import faulty_line as toy
from both_run import MINUTE, SMALL, THREE
from demo_runs import open_run
from millrace.shell.executor import Executor
from millrace.sim.faults import FaultMenu

REMEMBERED = {"_is_known", "_is_pumped"}
"""What an executor goes by instead of asking its parts."""


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let executors remember nothing."""
    for name in REMEMBERED:
        monkeypatch.setattr(Executor, name, property(lambda _: False, lambda _, __: None), raising=False)


def test_on_a_line_that_loses_delays_and_repeats(monkeypatch: pytest.MonkeyPatch):
    def lived() -> tuple[str, int]:
        world = toy.make_world(300, FaultMenu(seed=7), burst=20, breakers=True)
        world.run_to_the_end(2_000)
        return world.engine.command_hash.hex(), world.line.fates.total()

    assert vars(toy.make_world(1, None).executor).keys() >= REMEMBERED
    remembered = lived()
    forget(monkeypatch)
    assert lived() == remembered
    assert remembered[1] > 300


def test_of_each_of_four_venues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def lived(folder: Path) -> tuple[str, int]:
        run = open_run(folder, SMALL | THREE | {"run.seed": 23})
        run.simulation.run_until(run.simulation.now_ns + MINUTE + MINUTE // 2)
        found = run.program.engine.command_hash.hex(), run.simulation.events
        run.close()
        return found

    remembered = lived(tmp_path / "remembers")
    forget(monkeypatch)
    assert lived(tmp_path / "forgets") == remembered
