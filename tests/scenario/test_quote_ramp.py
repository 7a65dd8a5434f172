"""The ramp in the running program: the frozen quoter first, then the pipeline, and back (quoting 8)."""

from typing import Any

from millrace.core.commands import CancelOrder, Reply, Submit
from millrace.core.events import Operator
from millrace.strategies.quoting.rollout.desk_ramp import Path
from millrace.strategies.quoting.rollout.two_paths import CHANGES_PATH
from millrace.world.assemble import build_program
from quote_runs import QuoteRun, quote_run, quoting_settings

SYMBOLS = 4


def ramp_run(**given: Any) -> QuoteRun:
    return quote_run(quoting__symbols=SYMBOLS, quoting_rollout__start_pct=0, **given)


def go(run: QuoteRun, pct: int) -> Reply:
    run.simulation.feed_event(Operator("quoting_ramp", {"pct": pct}, run.simulation.now_ns))
    return run.commands(Reply)[-1]


def paths(run: QuoteRun) -> list[Path]:
    return [one.paths.path for one in run.desk.symbols.values()]


def test_at_nothing_the_frozen_quoter_trades_and_the_pipeline_is_its_shadow() -> None:
    run = ramp_run()
    run.run(60)
    assert paths(run) == [Path.LEGACY] * SYMBOLS
    figures = run.desk.ramp.shown()
    assert figures["paths"]["legacy"]["orders"] > 0
    assert figures["paths"]["pipeline"]["orders"] == 0
    assert figures["shadow"]["compared"] > 500
    placed = {one.order.order.instrument.symbol for one in run.commands(Submit)}
    assert len(placed) == SYMBOLS
    live = [order for one in run.desk.symbols.values() for order in one.working.orders.values()]
    assert all(order.level == 0 for order in live)


def test_up_the_steps_and_back_each_change_takes_the_orders_back_first() -> None:
    run = ramp_run()
    run.run(20)
    before: set[str] = set()
    for pct, count in ((25, 1), (50, 2), (75, 3), (100, 4)):
        assert go(run, pct).ok
        inside = {one.symbol for one in run.desk.symbols.values() if one.paths.path is Path.PIPELINE}
        assert len(inside) == count
        assert before <= inside
        before = inside
        run.run(15)
    pulled = [one for one in run.commands(CancelOrder) if one.reason == CHANGES_PATH]
    assert pulled
    assert run.desk.ramp.shown()["paths"]["pipeline"]["orders"] >= 0
    assert go(run, 0).ok
    run.run(2)
    assert paths(run) == [Path.LEGACY] * SYMBOLS
    fresh = len(run.commands(Submit))
    run.run(15)
    assert len(run.commands(Submit)) > fresh
    keys = [one.order.order.key for one in run.commands(Submit)]
    assert len(keys) == len(set(keys))


def test_the_allocator_waits_for_its_step() -> None:
    run = ramp_run(quoting_dynamic_allocator__rebalance_period_sec=10)
    run.run(5)
    for pct, allocates in ((10, False), (25, False), (50, True), (100, True), (0, False)):
        go(run, pct)
        assert run.desk.ramp.allocates is allocates
        assert run.desk.growth.allocates is allocates


def test_a_pct_that_is_no_step_is_refused_with_the_steps() -> None:
    run = ramp_run()
    run.run(2)
    answer = go(run, 33)
    assert not answer.ok
    assert "0, 10, 25, 50, 75, 100" in answer.message


def test_switched_off_the_frozen_quoter_quotes_all_and_no_shadow_is_paid_for() -> None:
    run = quote_run(quoting__symbols=2, quoting_pipeline__enabled=False)
    run.run(20)
    assert paths(run) == [Path.LEGACY] * 2
    assert run.desk.ramp.shown()["shadow"]["compared"] == 0
    assert run.commands(Submit)
    assert not go(run, 10).ok


def test_a_snapshot_in_mid_ramp_goes_on_as_if_nothing_had_been() -> None:
    run, other = ramp_run(), ramp_run()
    for one in (run, other):
        one.run(10)
        go(one, 50)
        one.run(3)
    state = run.program.engine.snapshot()
    other.program.engine.restore(state)
    run.run(20)
    other.run(20)
    assert run.program.engine.command_hash == other.program.engine.command_hash
    assert run.desk.ramp.shown() == other.desk.ramp.shown()


def test_a_start_with_the_pipeline_switched_off_puts_every_symbol_back_on_the_frozen_quoter() -> None:
    run = quote_run(quoting__symbols=SYMBOLS)
    run.run(10)
    assert paths(run) == [Path.PIPELINE] * SYMBOLS
    state = run.program.engine.snapshot()
    again = build_program(quoting_settings(quoting__symbols=SYMBOLS, quoting_pipeline__enabled=False))
    again.engine.restore(state)
    assert again.quotes is not None
    assert not again.quotes.ramp.enabled
    assert {one.paths.path for one in again.quotes.symbols.values()} == {Path.LEGACY}
    before = len(run.steps)
    run.run(3)
    commands = [one for event, _ in run.steps[before:] for one in again.engine.step(event)]
    assert again.engine.fault is None
    assert CHANGES_PATH in {one.reason for one in commands if isinstance(one, CancelOrder)}


def test_a_step_and_its_members_outlive_a_restart_with_the_same_settings() -> None:
    run = ramp_run()
    run.run(5)
    go(run, 75)
    run.run(5)
    again = build_program(run.settings)
    again.engine.restore(run.program.engine.snapshot())
    assert again.engine.snapshot() == run.program.engine.snapshot()
    other = build_program(
        quoting_settings(quoting__symbols=SYMBOLS, quoting_rollout__pinned_out="BTC/USDT ETH/USDT SOL/USDT")
    )
    other.engine.restore(run.program.engine.snapshot())
    assert other.quotes is not None
    assert other.quotes.ramp.pct == 75
    assert sum(one.paths.path is Path.PIPELINE for one in other.quotes.symbols.values()) <= 1
