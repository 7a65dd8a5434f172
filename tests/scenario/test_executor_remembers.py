"""An executor that remembers what it waits for does what one does that works it out, and looks for work, each time."""

from pathlib import Path
from random import Random

import pytest

import faulty_line as toy
from both_run import MINUTE, SMALL, THREE
from demo_runs import open_run
from faulty_amends import Amender, nervous_quotes
from millrace.capacity.batch_rules import SINGLE_CALLS, BatchRules, OpBatch
from millrace.capacity.call_budget import CallBudgetSettings
from millrace.core.failure import WorldError
from millrace.shell.executor import Executor
from millrace.shell.latency_watch import Pulse
from millrace.shell.reconciler import Reconciler
from millrace.sim.faults import FaultMenu

REMEMBERED = {"_is_known", "_is_pumped"}
"""What an executor goes by instead of asking its parts."""

SECOND = toy.SECOND
RULES = (SINGLE_CALLS, BatchRules(*[OpBatch(10)] * 3), BatchRules(OpBatch(3), OpBatch(2), OpBatch(7, per_call=3)))
PACES = (
    toy.FREE_PACE,
    CallBudgetSettings(calls_per_loop=10**9, metronome=False, bucket_calls=5, refill_ns=SECOND // 20),
    CallBudgetSettings(calls_per_loop=60, wave_calls=6, wave_ns=SECOND // 2),
)


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


class Watch:
    """Holds a throttle while it is told to."""

    held = False

    def throttled(self, venue: str) -> bool:
        return self.held

    def question(self, *figures: object) -> None: ...


def disturbed(seed: int) -> tuple[list[str], int]:
    """Live through draws of everything that reaches an executor beside orders, and return what the core was told."""
    draws, watch = Random(seed), Watch()
    strategy = {"strategy": Amender(60, 6), "quotes": nervous_quotes(200)} if draws.random() < 0.4 else {}
    menu = FaultMenu(seed, draws.choice((0, 100_000, 300_000)), longest_delay_ns=5 * SECOND, retry_after_ns=3 * SECOND)
    world = toy.make_world(
        150,
        menu,
        burst=draws.choice((3, 12)),
        pace=draws.choice(PACES),
        breakers=draws.random() < 0.7,
        batches=draws.choice(RULES),
        pulse=Pulse(watch, toy.DOGE.id),  # type: ignore[arg-type]
        valid_for_ns=draws.choice((None, SECOND, 5 * SECOND)),
        outbox_limit=draws.choice((10**6, 40)),
        **strategy,
    )
    executor, sequencer, commit = world.executor, world.simulation.sequencer, world.ledger.commit
    executor._reconciler = Reconciler(world.orders, "toy", (toy.DOGE.id,), "toy")
    if draws.random() < 0.6:
        sequencer.recover(0, restart=False)
    is_full = [False]

    def remembers(*_: object) -> None:
        told_ns = executor.next_ns
        executor._is_known = False
        assert executor.next_ns == told_ns, "what it remembers is what it would find"

    sequencer.listen(remembers)

    def commits(facts):
        if is_full[0]:
            raise WorldError("disk full")
        return commit(facts)

    world.ledger.commit = commits  # type: ignore[method-assign]
    for _ in range(80):
        world.run(draws.choice((0.05, 0.3, 1.0, 2.0)))
        match draws.randrange(9):
            case 0:
                executor.go_by(draws.choice((None, SECOND // 2, 5 * SECOND)), draws.choice(RULES))
            case 1:
                executor.poll(toy.DOGE.id, world.simulation.now_ns)
            case 2:
                executor.settled("toy")
            case 3:
                watch.held = not watch.held
            case 4:
                is_full[0] = draws.random() < 0.5
            case 5:
                sequencer.settle()
        remembers()
    return [repr(event) for event, _ in world.steps], executor.waiting


@pytest.mark.parametrize("seed", [1, 3, 4, 6])
def test_whatever_else_reaches_it(seed: int, monkeypatch: pytest.MonkeyPatch):
    remembered = disturbed(seed)
    forget(monkeypatch)
    assert disturbed(seed) == remembered
    assert len(remembered[0]) > 300
