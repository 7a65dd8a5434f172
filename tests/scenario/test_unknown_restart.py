"""A restart while the venue is halted for an order that it could not tell about (runtime 2.15 rule 3, 2.16)."""

from demo_runs import MINUTE, SECOND, as_killed, assert_sound, open_run
from millrace.core.commands import OrderState
from millrace.core.halts import UNKNOWN_ID
from millrace.core.permission import ReasonCode


def test_a_restart_asks_about_every_unknown_order_and_lifts_the_halt(tmp_path):
    run = open_run(tmp_path / "run")
    run.simulation.run_until(run.simulation.now_ns + 20 * MINUTE)
    line = run.simulation.line
    for method in ("place", "cancel", "ask_order"):
        setattr(line, method, lambda *_: None)
    end_ns = run.simulation.now_ns + 120 * MINUTE
    while not any(halt.id.startswith(UNKNOWN_ID) for halt in run.program.engine.board.active()):
        assert run.simulation.now_ns < end_ns, "nothing was sent"
        run.simulation.run_until(run.simulation.now_ns + SECOND)
    standing = run.program.engine.board.active()
    assert any(halt.reason is ReasonCode.UNKNOWN_ORDER and halt.id.startswith(UNKNOWN_ID) for halt in standing)
    assert {halt.reason for halt in standing} <= {
        ReasonCode.UNKNOWN_ORDER,
        ReasonCode.BREAKER_OPEN,
        ReasonCode.VENUE_OUTAGE,
    }
    unknown = [order for order in run.program.orders.unfinished() if order.state is OrderState.UNKNOWN]
    assert unknown
    run.snapshot()
    again = open_run(as_killed(run, tmp_path / "again").parent / "again")
    assert again.program.engine.board.active() == []
    assert all(order.state is not OrderState.UNKNOWN for order in again.program.orders.unfinished())
    fills = again.ledger.fills()
    again.simulation.run_until(again.simulation.now_ns + 60 * MINUTE)
    assert again.ledger.fills() > fills, "trading did not resume"
    again.close()
    assert_sound(again.folder)
