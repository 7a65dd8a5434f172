"""However a desk is set up and whatever becomes of its calls, what must never be is not (quoting 4.4, 4.6, 4.7, 8).

Each example is a run of some seconds: settings off the beaten path, a market with broken books, orders of which nobody
knows what became, an operator, and snapshots that a fresh program goes on from.
"""

import random
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import AmendOrder, Place, Submit
from millrace.core.events import Operator, OrderUnknown
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.sim.depth.book_faults import BookFaultMenu, BookFaults
from millrace.world.assemble import build_program
from quote_runs import QuoteRun, quote_run

NEVER_NS = 2**62
ANY: dict[str, list[Any]] = {
    "run__seed": list(range(8)),
    "quoting__tempo": [1.0, 5.0],
    "quoting__profile": ["live", "live", "compat"],
    "quoting__coins_usd": [10_000.0, 10_000.0, 0.0],
    "quoting__maker_fee_bps": [0.0, 3.0],
    "quoting__request_latency_ms": [0, 20, 120],
    "quoting__feed_delay_ms": [0, 20, 200],
    "quoting_emit__levels": [1, 3, 10],
    "quoting_emit__max_position_usd": [5_000.0, 250.0],
    "quoting_emit__can_amend": [True, False],
    "quoting_emit__reference": ["mid", "microprice"],
    "quoting_risk_guards__inventory_hard_pct": [10.0, 95.0],
    "quoting_throttle__places_per_sec": [5, 1],
    "quoting_rollout__start_pct": [100, 50, 0],
    "quoting_queue_aware__moves_per_sec": [0.0, 0.5],
    "quoting_dynamic_allocator__weight_mode": ["softmax", "curve"],
    "quoting_dynamic_allocator__blacklist": ["", "", "BTC/USDT", "BTC/USDT ETH/USDT"],
}
SETUPS = st.fixed_dictionaries({key: st.sampled_from(values) for key, values in ANY.items()})


def _asks(run: QuoteRun, dice: random.Random) -> None:
    """Have an operator ask for something, and the venue forget an order now and then."""
    symbol = dice.choice([one.symbol for one in run.desk.symbols.values()])
    step = dice.choice([0, 10, 25, 50, 75, 100])
    wishes = [
        ("pause_symbol", {"symbol": symbol}),
        ("resume_symbol", {"symbol": symbol}),
        ("quoting_ramp", {"pct": step}),
    ]
    run.simulation.feed_event(Operator(*dice.choice(wishes), run.simulation.now_ns))
    orders = run.program.orders.unfinished()
    if orders and dice.random() < 0.5:
        run.simulation.feed_event(OrderUnknown(dice.choice(orders).client_id, "test", run.simulation.now_ns))


def _watched(run: QuoteRun, broken: list[str]) -> None:
    """Look at every order that leaves: with all that is out filled, no position is larger than allowed."""

    def look(_: Any, commands: list[Any]) -> None:
        for one in commands:
            if not isinstance(one, Submit | AmendOrder):
                continue
            place: Place = one.order.order if isinstance(one, Submit) else one.amend.order
            symbol = run.desk.symbols[place.instrument]
            held = place.side.sign * run.program.orders.position(symbol.position)
            out = sum(
                max(order.place.lots, 0 if order.wanted is None else order.wanted.lots) - order.cum_lots
                for order in run.program.orders.unfinished()
                if order.place.instrument == place.instrument and order.place.side is place.side
            )
            if not place.reduces and held + out > symbol.max_position() * 1.02:
                broken.append(f"{place.key}: {held} held, {out} out, {symbol.max_position()} allowed")
            if run.program.engine.standing_of(symbol.position).level is Level.HALT:
                broken.append(f"{place.key} left during a halt")
            if len(symbol.working.orders) > symbol.config.emit.max_active_orders:
                broken.append(f"{symbol.symbol} has {len(symbol.working.orders)} orders")

    run.simulation.sequencer.listen(look)


@settings(max_examples=6, deadline=None)
@given(SETUPS, st.integers(0, 2**32))
def test_what_must_never_be_is_not(setup: dict[str, Any], draw: int) -> None:
    dice, broken = random.Random(draw), list[str]()
    menu = BookFaultMenu(draw, share_ppm=3_000, from_ns=0, until_ns=NEVER_NS)
    run = quote_run(quoting__symbols=2, fate=BookFaults(menu).fate, **setup)
    _watched(run, broken)
    saved = []
    for _ in range(4):
        run.run(dice.uniform(0.05, 4.0))
        _asks(run, dice)
        saved.append((len(run.steps), encode_state(run.program.engine.snapshot())))
    run.run(4)
    assert not broken
    steps, state = saved[draw % len(saved)]
    again = build_program(run.settings).engine
    again.restore(decode_state(state))
    assert encode_state(again.snapshot()) == state
    for event, commands in run.steps[steps:]:
        assert again.step(event) == commands
    assert encode_state(again.snapshot()) == encode_state(run.program.engine.snapshot())
    _drained(run)


def _drained(run: QuoteRun) -> None:
    """Halt the desk: every order ends, and ledger, venue and desk hold the same."""
    scope, now_ns = Scope(ScopeKind.STRATEGY, "quoting"), run.simulation.now_ns
    halt = Restriction("test", scope, Level.HALT, ReasonCode.OPERATOR_HALT, "a test", "test", now_ns)
    run.program.engine.board.post(halt)
    run.run(8)
    assert not run.venue.open_orders(None)
    assert not run.program.orders.unfinished()
    held = Counter[str]()
    for row in run.ledger.orders():
        assert row.state.is_terminal
        held[row.place.instrument.symbol] += row.place.side.sign * row.cum_lots
    opening, balances = run.venue.settings.opening, run.venue.balances()
    for symbol in run.desk.symbols.values():
        position, facts = run.program.orders.position(symbol.position), symbol.instrument
        assert not symbol.working.orders
        assert position == symbol.reducer.account.position == held[symbol.symbol]
        assert sum(balances[facts.base]) - opening[facts.base] == facts.base_amount(position)
