"""A snapshot restored into a fresh program goes on as the one that wrote it, whatever was going on (quoting 1 rule 3)."""

import random

import pytest

from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import Submit
from millrace.core.events import Operator, OrderUnknown
from millrace.sim.depth.book_faults import BookFaultMenu, BookFaults
from millrace.world.assemble import build_program
from quote_runs import quote_run

NEVER_NS = 2**62
MORE = {
    "even": {},
    "levels and weights": {
        "quoting_emit__levels": 3,
        "quoting_dynamic_allocator__enabled": True,
        "quoting_dynamic_allocator__rebalance_period_sec": 10,
    },
    "half way up the ramp": {"quoting_rollout__start_pct": 50},
    "short of calls": {"quoting_throttle__places_per_sec": 1, "quoting_throttle__amends_per_sec": 1},
}


def _disturb(run, dice: random.Random) -> None:
    """Pause or resume a symbol, move the ramp, or forget what became of an order."""
    symbol = dice.choice([one.symbol for one in run.desk.symbols.values()])
    asked = dice.choice(
        [("pause_symbol", {"symbol": symbol}), ("resume_symbol", {"symbol": symbol}), ("quoting_ramp", {"pct": 75})]
    )
    run.simulation.feed_event(Operator(*asked, run.simulation.now_ns))
    orders = run.program.orders.unfinished()
    if orders:
        run.simulation.feed_event(OrderUnknown(dice.choice(orders).client_id, "test", run.simulation.now_ns))


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
def test_a_fresh_program_goes_on_to_the_same_commands_and_the_same_state(more) -> None:
    menu = BookFaultMenu(7, share_ppm=3_000, from_ns=0, until_ns=NEVER_NS)
    run, dice = quote_run(quoting__symbols=4, fate=BookFaults(menu).fate, **more), random.Random(7)
    saved = []
    for _ in range(5):
        run.run(dice.uniform(0.05, 4.0))
        _disturb(run, dice)
        saved.append((len(run.steps), encode_state(run.program.engine.snapshot())))
    run.run(3)
    end = encode_state(run.program.engine.snapshot())
    for steps, state in saved:
        again = build_program(run.settings).engine
        again.restore(decode_state(state))
        assert encode_state(again.snapshot()) == state
        for event, commands in run.steps[steps:]:
            assert again.step(event) == commands
        assert encode_state(again.snapshot()) == end


def test_a_run_that_begins_anew_names_its_orders_anew() -> None:
    """A venue would take an order of a known name for the one it had, and tell its fills again (quoting 4.6)."""
    first, second = quote_run(), quote_run(started=False)
    second.simulation.now_ns += 1_000_000_000
    names = []
    for run in (first, second):
        run.run(5)
        names.append({one.order.client_id for one in run.commands(Submit)})
    assert names[0]
    assert names[1]
    assert not names[0] & names[1]
