"""The desk's part of a run's status keeps its shape, and looking at it changes nothing (slots 18, issue of the desk)."""

import json
from pathlib import Path

from demo_runs import MINUTE, open_run
from millrace.core.codec import decode_state, encode_state
from millrace.world.assemble import build_program
from status_schema import SCHEMA, faults

FEW = {
    "arb.enabled": True,
    "prediction.markets": 120,
    "prediction.plants_per_hour": 300.0,
    "slots.count": 4,
}


def test_the_desks_status_has_its_shape_while_it_trades(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", FEW)
    for _ in range(3):
        run.simulation.run_until(run.simulation.now_ns + 10 * MINUTE)
        status = json.loads(json.dumps(run.status()["arb"], allow_nan=False))
        assert faults(SCHEMA["desk"], status, "status.arb") == []
    assert status["opened"] > 0
    assert status["found"] == status["opened"] + status["rejected"]
    assert sum(status["reasons"].values()) == status["rejected"]
    engine = run.program.engine
    again = build_program(run.settings)
    again.engine.restore(decode_state(encode_state(engine.snapshot())))
    assert again.desk is not None
    assert again.desk.status(again.engine) == run.program.desk.status(engine), "a restart says what was said before it"
    before = engine.snapshot()
    assert json.dumps(run.status()["arb"]) == json.dumps(run.status()["arb"])
    assert engine.snapshot() == before
    run.close()
