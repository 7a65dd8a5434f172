"""Settings of the arbitrage desk in flight: gates at once, what its positions hang on only when it is flat (arb 19)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo_runs import MINUTE, SECOND, open_run
from millrace.core.commands import Book, Command, Reply
from millrace.core.events import Event
from millrace.shell.mailbox import Request
from millrace.strategies.arb.strategy import ArbDesk
from millrace.strategies.arb.telemetry.rows import DECISION, OPENED
from millrace.world.afterwards.replay import replay
from millrace.world.folder.run_folder import Run
from millrace.world.reload import reload

DESK = {"arb.enabled": True, "prediction.markets": 120, "prediction.plants_per_hour": 300.0, "slots.count": 2}


class Decided:
    """The decision rows of a run, as they are booked."""

    def __init__(self, run: Run) -> None:
        self.rows: list[dict[str, Any]] = []
        run.simulation.sequencer.listen(self.step)

    def step(self, event: Event, commands: list[Command]) -> None:
        del event
        self.rows += [one.values for one in commands if isinstance(one, Book) and one.kind == DECISION]

    def opened(self) -> int:
        return sum(row["verdict"] == OPENED for row in self.rows)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = open_run(tmp_path / "run", DESK)
    yield made
    made.close()


def ask(run: Run, **changes: Any) -> Reply:
    return reload(run, Request("r1", "reload", {key.replace("__", "."): value for key, value in changes.items()}))


def desk_of(run: Run) -> ArbDesk:
    assert run.program.desk is not None
    return run.program.desk


def play(run: Run, seconds: float) -> None:
    run.simulation.run_until(run.simulation.now_ns + round(seconds * SECOND))
    assert run.program.engine.fault is None


def test_a_change_of_the_least_edge_alters_the_next_decision_and_is_visible_in_replay(run: Run) -> None:
    """runtime 2.24 A2; every decision row names the settings that it was made under (arb 19)."""
    decided = Decided(run)
    for _ in range(40):
        play(run, 60)
        if decided.opened():
            break
    assert decided.opened(), "the premise"
    before, old = run.settings.digest, desk_of(run)
    lives = {life.key: life.state for life in old.baskets.lives.values()}
    assert {row["config"] for row in decided.rows} == {before}
    assert ask(run, arb_gates__min_edge=0.9).ok
    assert {life.key: life.state for life in desk_of(run).baskets.lives.values()} == lives
    decided.rows.clear()
    for _ in range(40):
        play(run, 60)
        if len(decided.rows) >= 3:
            break
    assert len(decided.rows) >= 3
    assert decided.opened() == 0, "nothing earns ninety cents on the dollar"
    assert {row["config"] for row in decided.rows} == {run.settings.digest}
    assert run.settings.digest != before
    run.close()
    assert replay(run.folder).divergence is None


def test_what_positions_hang_on_changes_only_while_there_are_none(run: Run) -> None:
    assert ask(run, arb_execution__drift=0.02).ok, "nothing was traded yet"
    assert desk_of(run).settings.execution.drift == 0.02
    for _ in range(40):
        play(run, 30)
        if any(position.strategy == "arb" for position in run.program.engine.positions()):
            break
    answer = ask(run, arb_execution__drift=0.01)
    assert not answer.ok
    assert "while strategy arb has neither positions nor orders; it has" in answer.message
    assert desk_of(run).settings.execution.drift == 0.02
    assert answer.data["in_use"] == {"arb_execution.drift": 0.02}


def test_scans_ask_the_desk_that_trades_now(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    play(run, MINUTE // SECOND)
    old, asked = desk_of(run), list[ArbDesk]()
    assert ask(run, arb_stake__kelly_share=0.2).ok
    assert desk_of(run) is not old
    scan_of = ArbDesk.scan_of

    def watched(desk: ArbDesk) -> tuple[bytes, bytes]:
        asked.append(desk)
        return scan_of(desk)

    monkeypatch.setattr(ArbDesk, "scan_of", watched)
    play(run, 130)
    assert asked
    assert all(desk is desk_of(run) for desk in asked)
