"""Loss cap, drawdown and failure caps in the assembled program: exact when a backtest skips, kept over a kill -9."""

from pathlib import Path
from typing import Any

import pytest

import grid_runs as grid
from command_line import QUICK_DEMO, millrace
from demo_runs import MINUTE, as_killed, open_run
from millrace.core.commands import Command, Post, RecordFill, Refuse, Submit
from millrace.core.events import RejectReason
from millrace.core.guard import Guard
from millrace.core.permission import Level
from millrace.sim.venue import SimVenue
from millrace.world.afterwards.replay import replay
from millrace.world.folder.run_folder import Run

LIVELY = {"slots.entry_pct": 0.1, "slots.refresh_pct": 0.3}


def posted(commands: list[tuple[int, Command]]) -> list[str]:
    """Return the reasons of the restrictions posted, each level once, in order."""
    found = [
        f"{command.restriction.reason.value} {command.restriction.level.name}"
        for _, command in commands
        if isinstance(command, Post)
    ]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"stops.daily_loss_cap_usd": 1.0, "stops.worst_case_share": 0.01}, "daily_loss_cap HALT"),
        ({"stops.lane_loss_cap_usd": 3.0, "stops.worst_case_share": 0.01}, "daily_loss_cap CAUTION"),
        ({"stops.allocated_capital_usd": 40.0}, "drawdown CAUTION"),
        ({"stops.daily_loss_cap_usd": 6.0, "stops.worst_case_share": 0.5}, ""),
    ],
)
def test_skipping_stays_exact_with_stops_that_watch_prices(changes: dict[str, Any], wanted: str) -> None:
    columns = grid.minutes(seed=3, hours=30)
    settings = grid.settings_for("demo", LIVELY | {"slots.count": 20} | changes)
    outcome = grid.assert_lazy_is_exact(settings, columns)
    assert outcome.fills > 20
    if wanted:
        assert wanted in posted(outcome.commands)
    else:
        refused = [command for _, command in outcome.commands if isinstance(command, Refuse)]
        assert any("worst_case_exceeds_loss_cap" in command.reasons for command in refused)


def test_after_the_halt_no_order_leaves_for_the_rest_of_the_run() -> None:
    settings = grid.settings_for("demo", LIVELY | {"stops.daily_loss_cap_usd": 1.0, "stops.worst_case_share": 0.01})
    outcome = grid.played(settings, grid.minutes(seed=3, hours=30), lazy=True)
    halts = [
        ts_ns
        for ts_ns, command in outcome.commands
        if isinstance(command, Post) and command.restriction.level is Level.HALT
    ]
    sends = [ts_ns for ts_ns, command in outcome.commands if isinstance(command, Submit)]
    assert halts
    assert max(sends) < halts[0]
    assert any(ts_ns > halts[0] for ts_ns, command in outcome.commands if isinstance(command, RecordFill)), (
        "what stands on the book may fill, and is booked"
    )


def level(run: Run) -> Level:
    return run.program.engine.standing("slots", run.program.instrument.id).level


def guard(run: Run, name: str) -> Guard:
    return next(one for one in run.program.engine.guards if one.name == name)


def test_2_17_a3_a_kill_9_forgives_no_loss(tmp_path: Path) -> None:
    changes = {"stops.daily_loss_cap_usd": 0.5, "stops.worst_case_share": 0.001}
    run = open_run(tmp_path / "run", changes)
    for _ in range(20):
        run.simulation.run_until(run.simulation.now_ns + 60 * MINUTE)
        if level(run) is Level.HALT:
            break
    assert level(run) is Level.HALT
    before = guard(run, "loss_cap").snapshot()
    assert before["scopes"]
    again = open_run(as_killed(run, tmp_path / "again"), changes)
    assert level(again) is Level.HALT
    assert guard(again, "loss_cap").snapshot() == before
    assert again.status()["guards"]["loss_cap"]["global"]["loss_cap_usd"] == 0.5
    assert again.ledger.restrictions() == again.program.engine.board.active()
    again.close()
    assert replay(tmp_path / "again").divergence is None


def test_a_venue_that_refuses_everything_is_left_alone_and_tried_again_with_little(monkeypatch) -> None:
    settings = grid.settings_for("demo", LIVELY | {"slots.count": 20, "slots.max_consecutive_errors": 1_000})
    columns = grid.minutes(seed=5, hours=6)
    first_ns = int(columns.ts_ns[0])
    place = SimVenue.place

    def refuse(self, approved, ts_ns):
        if first_ns + grid.HOUR_NS <= ts_ns < first_ns + 2 * grid.HOUR_NS:
            return self._reject(approved, ts_ns, RejectReason.BAD_TICK_OR_LOT, 0.0)
        return place(self, approved, ts_ns)

    monkeypatch.setattr(SimVenue, "place", refuse)
    outcome = grid.assert_lazy_is_exact(settings, columns)
    reasons = posted(outcome.commands)
    assert reasons[:2] == ["execution_failures HALT", "probation CAUTION"]
    hour = range(first_ns + grid.HOUR_NS, first_ns + 2 * grid.HOUR_NS)
    assert sum(ts_ns in hour for ts_ns, command in outcome.commands if isinstance(command, Submit)) <= 40
    assert outcome.assembled.program.engine.restrictions() == []
    late = [ts_ns for ts_ns, command in outcome.commands if isinstance(command, Submit) and ts_ns >= hour.stop]
    assert len(late) > 3, "it trades on"


def test_the_demo_shows_what_its_guards_know(tmp_path: Path) -> None:
    shown = millrace("demo", "--json", "--dir", tmp_path / "demo", *QUICK_DEMO).object["status"]["guards"]
    assert {"stops", "failure_caps", "loss_cap", "drawdown"} <= set(shown)
    assert shown["stops"] == {"active": []}
