"""The slot grid and a desk over two prediction venues in one program: one journal, one ledger, one board (design 1)."""

import io
from pathlib import Path

import pytest
from rich.console import Console

import toy_desk
from demo_runs import MINUTE, as_killed, open_run
from millrace.config.load import load_settings
from millrace.core.clock import SimulatedClock
from millrace.core.failure import OperatorError
from millrace.core.recovery_events import Reconciled
from millrace.world.afterwards.replay import replay
from millrace.world.demo import Demo
from millrace.world.demo_view import line, screen
from millrace.world.sitting import Sitting

BOTH = {"arb.enabled": True}


@pytest.fixture(autouse=True)
def _toy(monkeypatch) -> None:
    toy_desk.install(monkeypatch)


def held(run) -> dict[str, int]:
    """What the program thinks that it holds of each outcome: the sum over sub-positions."""
    found: dict[str, int] = {}
    for position, lots in run.program.engine.positions().items():
        if position.strategy == "arb":
            found[str(position.instrument)] = found.get(str(position.instrument), 0) + lots
    return found


def at_venues(run) -> dict[str, int]:
    places = run.prediction.values()
    return {str(name): lots for place in places for name, lots in place.venue.positions().items() if lots}


def test_both_trade_and_what_they_hold_is_what_the_venues_hold(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", BOTH)
    reconciled = []
    run.simulation.sequencer.listen(lambda event, _: reconciled.append(event) if isinstance(event, Reconciled) else 0)
    run.simulation.run_until(run.simulation.now_ns + 10 * MINUTE)
    engine = run.program.engine
    assert run.program.desk.bought > 50
    assert held(run), "the desk owns something"
    assert held(run) == at_venues(run)
    assert {name.partition(":")[0] for name in held(run)} == {"kalshi", "polymarket"}
    assert any(position.strategy == "slots" for position in engine.positions()) or run.program.orders.unfinished()
    assert not engine.restrictions()
    by_venue = {venue: sum(one.venue == venue for one in reconciled) for venue in run.program.venues}
    assert all(count >= 9 for count in by_venue.values()), by_venue
    assert all(one.totals for one in reconciled[-3:])
    status = run.status()
    assert status["arb"]["venues"]["kalshi"]["orders_unanswered"] == 0
    assert not any(drift for drift in status["guards"]["reconciliation"]["drift"]["kalshi"].values())
    run.close()
    result = replay(tmp_path / "run")
    assert result.divergence is None
    assert result.command_hash == engine.command_hash.hex()


def test_a_killed_run_goes_on_with_what_it_had(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", BOTH)
    run.simulation.run_until(run.simulation.now_ns + 5 * MINUTE)
    run.snapshot()
    run.simulation.run_until(run.simulation.now_ns + 5 * MINUTE)
    before = held(run)
    again = open_run(as_killed(run, tmp_path / "copy"), BOTH)
    assert held(again) == at_venues(again)
    assert set(held(again)) >= set(before)
    again.simulation.run_until(again.simulation.now_ns + 5 * MINUTE)
    assert held(again) == at_venues(again)
    assert not again.program.engine.restrictions()
    again.close()
    assert replay(tmp_path / "copy").divergence is None


@pytest.mark.parametrize(("size", "has_panel"), [((80, 24), False), ((100, 30), True), ((120, 40), True)])
def test_the_screen_shows_the_desk_beside_the_grid(tmp_path: Path, size, has_panel) -> None:
    run = open_run(tmp_path / "run", BOTH)
    sitting = Sitting(run, SimulatedClock(), 240.0)
    run.simulation.run_until(run.simulation.now_ns + MINUTE)
    frame = sitting.frame()
    run.close()
    assert frame.quotes == 120
    console = Console(width=size[0], height=size[1], file=io.StringIO(), force_terminal=True, record=True)
    console.print(screen(frame, *size), height=size[1])
    shown = console.export_text()
    assert ("arbitrage desk" in shown) is has_panel
    assert ("2 markets" in shown) is has_panel
    assert "desk found 18, opened 18" in line(frame)
    assert "slots" in shown


def test_a_demo_without_the_grid_is_refused_with_a_reason(tmp_path: Path):
    settings = load_settings(profile="demo", overrides={"slots.enabled": False, "arb.enabled": True})
    with pytest.raises(OperatorError, match=r"slots\.enabled"):
        Demo(settings, tmp_path / "run", SimulatedClock())
