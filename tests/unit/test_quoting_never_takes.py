"""The desk has no way of taking: what the taker ceiling would have to be asked about is never made (quoting 4.3, 4.6).

Nothing in the contract of the desk asks for an order that takes: too much inventory, a drain, a halt and a ramp that goes
back end in quotes that only close, and those are post-only too. So the ceiling judges what a venue made of our orders,
and stands in the status; a path that takes would have to ask it first, and this test would fail.
"""

import re
from pathlib import Path

import pytest

import millrace.strategies.quoting
from millrace.core.commands import Style, Submit
from millrace.core.events import Operator
from quote_runs import quote_run

SOURCES = Path(millrace.strategies.quoting.__file__).parent


def test_no_other_style_is_named_where_the_desk_makes_orders() -> None:
    named = {
        (path.name, style)
        for path in SOURCES.rglob("*.py")
        for style in re.findall(r"\bStyle\.(\w+)", path.read_text(encoding="utf-8"))
    }
    assert named == {("working.py", "POST_ONLY")}


@pytest.mark.parametrize("path", ["pipeline", "legacy"])
def test_every_order_of_a_desk_under_pressure_is_post_only(path: str) -> None:
    start = {} if path == "pipeline" else {"quoting_rollout__start_pct": 0}
    run = quote_run(quoting_emit__max_position_usd=300.0, quoting_risk_guards__inventory_hard_pct=7.0, **start)
    run.run(15)
    symbol = next(iter(run.desk.symbols.values()))
    for action, args in (("pause_symbol", {"symbol": symbol.symbol}), ("quoting_ramp", {"pct": 0})):
        run.simulation.feed_event(Operator(action, args, run.simulation.now_ns))
        run.run(15)
    orders = [one.order.order for one in run.commands(Submit)]
    assert path == "legacy" or any(order.reduces for order in orders)
    assert {order.style for order in orders} == {Style.POST_ONLY}
    figures = run.desk.status(run.program.engine)["figures"]
    assert (figures["taker_fills_window"], figures["taker_blocked"]) == (0, "")
