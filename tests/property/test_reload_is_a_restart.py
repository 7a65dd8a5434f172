"""What a change in flight leaves is what a core built anew from the new settings makes of the same state (W4)."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo_runs import SECOND, open_run
from millrace.config.settings import Settings
from millrace.core.codec import encode_commands
from millrace.core.engine import Engine
from millrace.core.events import Timer
from millrace.world.assemble import build_program, config_event
from millrace.world.folder.journaled_program import JournaledProgram
from millrace.world.reload import changed_settings

CHANGES: dict[str, Any] = {
    "slots.entry_pct": 0.3,
    "slots.profit_pct": 0.9,
    "slots.capital_layers": 2,
    "slots.max_entry_adds_per_loop": 4,
    "sizer.enabled": True,
    "momentum.ema_fast_bars": 7,
    "stops.daily_loss_cap_usd": 300.0,
    "stops.total_failures": 4,
    "slo.submit_ack_ms": 250.0,
    "quoting_adaptive_spread.max_spread_bps": 1.5,
    "quoting_emit.levels": 2,
    "quoting_risk_guards.vol_soft_bps": 12.0,
    "quoting_rollout.start_pct": 50,
    "quoting.look_ms": 500,
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("begun")
    run = open_run(folder / "run", {"quoting.enabled": True, "quoting.symbols": 2})
    run.simulation.run_until(run.simulation.now_ns + 45 * SECOND)
    state = run.program.engine.snapshot()
    run.close()
    return run.settings, state


def followed(engine: Engine, told: Settings, changed: tuple[str, ...]) -> tuple[dict[str, Any], list[bytes]]:
    """Return what an engine is and says after the event of the change and the timers of a minute."""
    now_ns = engine.now_ns
    said = [engine.step(config_event(told, now_ns, changed))]
    for _ in range(60):
        deadline_ns = engine.interest().heartbeat_ns
        if deadline_ns is None or deadline_ns > now_ns + 60 * SECOND:
            break
        said.append(engine.step(Timer(deadline_ns)))
    assert engine.fault is None
    return engine.snapshot(), [encode_commands(commands) for commands in said]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.sets(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=5))
def test_parts_made_anew_are_those_of_a_core_made_anew(begun: tuple[Settings, dict[str, Any]], keys: set[str]) -> None:
    before, state = begun
    after = changed_settings(before, {key: CHANGES[key] for key in keys})
    changed = tuple(sorted(key for key, value in after.flat().items() if value != before.flat()[key]))
    whole = build_program(after).engine
    whole.restore(state)
    core = JournaledProgram(before)
    core.program.engine.restore(state)
    assert followed(core.program.engine, after, changed) == followed(whole, after, changed)
    assert core.settings.digest == after.digest
