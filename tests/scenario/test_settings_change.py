"""A run is continued under other settings: nothing is lost, the journal says so, and every reader of it follows.

The stages of slots 20.2 (sizer off, shadow, live) are such changes; config beats what was stored (slots 17, P19).
"""

import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from demo_runs import MINUTE, as_killed, assert_sound, open_run
from millrace.core.events import ConfigApplied, Operator
from millrace.core.failure import WorldError
from millrace.core.permission import Level
from millrace.shell.journal import read_journal
from millrace.shell.manifest import read_manifest, write_manifest
from millrace.world.afterwards.bundle import make_bundle
from millrace.world.afterwards.replay import replay
from millrace.world.folder.run_folder import Run

LIVE_SIZER = {"sizer.shadow": False, "sizer.enabled": True, "slots.profit_pct": 0.8, "slots.poll_interval_sec": 20.0}


def played(run: Run, minutes: int = 45) -> Run:
    run.simulation.run_until(run.simulation.now_ns + minutes * MINUTE)
    return run


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    run = played(open_run(tmp_path / "run"))
    run.simulation.feed_event(Operator("set_entry_pct", {"value": 0.07}, run.simulation.now_ns))
    run.simulation.feed_event(Operator("set_profit_pct", {"value": 0.9}, run.simulation.now_ns))
    run.close()
    return tmp_path / "run"


def configs(folder: Path) -> list[ConfigApplied]:
    return [step.event for step in read_journal(folder) if isinstance(step.event, ConfigApplied)]


def status(run: Run) -> dict[str, Any]:
    return run.program.grid.status(run.program.engine)


def test_other_settings_hold_from_a_start_on_and_nothing_else_changes(begun: Path) -> None:
    before = open_run(begun)
    orders = {order.client_id for order in before.program.orders.unfinished()}
    trips = status(before)["totals"]["round_trips"]
    before.close()
    run = open_run(begun, LIVE_SIZER)
    assert {order.client_id for order in run.program.orders.unfinished()} == orders, (
        "a change of settings cancels nothing"
    )
    assert status(run)["totals"]["round_trips"] == trips
    assert status(run)["throughput_sizer"]["enabled"] is True
    assert status(run)["profit_pct"] == 0.8, "a new value in the settings goes before what was set by hand"
    assert status(run)["entry_pct"] == 0.07, "and what was set by hand stays where the settings say nothing new"
    assert run.program.engine.standing("slots", run.program.instrument.id).level is Level.OPEN
    assert "sizer.enabled" in run.notices[0]
    played(run, 60)
    run.close()
    assert [set(config.changed) for config in configs(begun)] == [set(), set(LIVE_SIZER)]
    again = open_run(begun, LIVE_SIZER)
    assert again.notices == ()
    again.close()
    assert len(configs(begun)) == 2, "the same settings are no change"
    back = played(open_run(begun))
    assert status(back)["throughput_sizer"]["enabled"] is False
    back.close()
    assert len(configs(begun)) == 3
    assert replay(begun).divergence is None
    assert_sound(begun)


def test_a_start_without_snapshots_steps_through_the_change(begun: Path, tmp_path: Path) -> None:
    run = played(open_run(begun, LIVE_SIZER))
    folder = as_killed(run, tmp_path / "killed")
    run.close()
    for path in folder.glob("snapshot-*"):
        path.unlink()
    whole = open_run(folder, LIVE_SIZER)
    assert status(whole)["throughput_sizer"]["enabled"] is True
    whole.close()
    assert len(configs(folder)) == 2
    assert replay(folder).divergence is None
    assert_sound(folder)


def test_a_program_killed_at_the_change_may_go_on_with_either(begun: Path, tmp_path: Path) -> None:
    run = open_run(begun, LIVE_SIZER)
    folder = as_killed(run, tmp_path / "killed")
    run.close()
    other = shutil.copytree(folder, tmp_path / "other")
    for place, changes in ((folder, LIVE_SIZER), (other, {})):
        on = played(open_run(place, changes))
        assert status(on)["throughput_sizer"]["enabled"] is bool(changes)
        on.close()
        assert_sound(place)


def test_a_bundle_on_either_side_of_the_change_replays(begun: Path, tmp_path: Path) -> None:
    run = played(open_run(begun, LIVE_SIZER))
    run.close()
    for minutes in (5.0, 60.0):
        info = make_bundle(begun, tmp_path / f"bundle-{minutes:g}.zip", [], minutes=minutes)
        assert info.replays
        assert replay(Path(info.file)).divergence is None


def test_a_configuration_of_another_version_is_said_to_be_one(begun: Path) -> None:
    saved = read_manifest(begun)
    assert saved is not None
    older = {**saved.config, "slots.momentum_ema_fast_bars": 5}
    write_manifest(begun, structs.replace(saved, config=older))
    with pytest.raises(WorldError, match=r"of another version \(.*slots\.momentum_ema_fast_bars"):
        open_run(begun)
    with pytest.raises(WorldError, match="with the version that its manifest"):
        replay(begun)


def test_a_loss_limit_that_is_raised_opens_the_lock_at_the_start(tmp_path: Path) -> None:
    """slots 7.5: clears at once if the limit is raised; the pause stays."""
    tight = {"slots.daily_loss_limit_usd": 0.001, "slots.sticky_mode_enabled": False, "slots.order_size_usd": 12.0,
             "slots.s1_orphan_after_sec": 60.0, "slots.s2_orphan_after_sec": 60.0,
             "slots.recovery_evict_books": True, "slots.max_recovery_slots": 1}  # fmt: skip
    run = played(open_run(tmp_path / "run", tight), 240)
    assert status(run)["daily_loss_locked"], "the premise"
    run.close()
    raised = played(open_run(tmp_path / "run", {**tight, "slots.daily_loss_limit_usd": 50.0}), 2)
    assert not status(raised)["daily_loss_locked"]
    assert raised.program.engine.standing("slots", raised.program.instrument.id).level is Level.REDUCE_ONLY
    raised.close()
    assert replay(tmp_path / "run").divergence is None
