"""Symbols that are due together are served in rounds: all of them, in turn, cancels before places (quoting 10, 12)."""

from millrace.core.commands import CancelOrder, Submit
from millrace.core.events import Timer
from quote_runs import quote_run


def _rounds(run):
    return [
        (event.ts_ns, [type(one) for one in commands if isinstance(one, Submit | CancelOrder)])
        for event, commands in run.steps
        if isinstance(event, Timer)
    ]


def test_no_symbol_is_left_out_however_small_a_round_is() -> None:
    narrow = {"quoting_async_batch__max_parallel_symbols": 1, "quoting_async_batch__max_batch_size": 1}
    run = quote_run(quoting__symbols=6, **narrow)
    run.run(20)
    ticks = [sum(one.tally.ticks.values()) for one in run.desk.symbols.values()]
    assert min(ticks) > 10
    assert all(one.working.orders for one in run.desk.symbols.values())


def test_what_rounds_are_decides_when_and_not_what() -> None:
    whole = quote_run(quoting__symbols=6, quoting_async_batch__enabled=False)
    whole.run(5)
    parted = quote_run(quoting__symbols=6, quoting_async_batch__max_parallel_symbols=1)
    parted.run(5)
    keys = [sorted(one.order.order.key for one in run.commands(Submit)) for run in (whole, parted)]
    assert keys[0] == keys[1]


def test_cancels_of_a_round_leave_before_its_places() -> None:
    run = quote_run(quoting__symbols=6, quoting_emit__cancel_stale_ms=1_000)
    run.run(60)
    for _, kinds in _rounds(run):
        places = [number for number, kind in enumerate(kinds) if kind is Submit]
        cancels = [number for number, kind in enumerate(kinds) if kind is CancelOrder]
        assert not places or not cancels or max(cancels) < min(places)
    assert any(kinds for _, kinds in _rounds(run))
