"""Symbols that are due together are served in rounds: all of them, in turn, cancels before places (quoting 10, 12)."""

from millrace.core.commands import CancelOrder, Side, Submit
from millrace.core.events import Timer
from millrace.strategies.quoting.model import IntentKind, OrderIntent
from millrace.strategies.quoting.quotes.state import EmitState, SlotMemory, undone
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


def test_a_symbol_that_waits_for_the_pace_keeps_its_turn() -> None:
    """Quoting 4.6: what does not leave is decided anew at the next tick, not after the time that a change rests."""
    run = quote_run(quoting__symbols=10, quoting_throttle__places_per_sec=1, quoting_throttle__amends_per_sec=2)
    lasts = dict.fromkeys(run.desk.symbols, 0)
    longest = 0
    for _ in range(120):
        run.run(0.5)
        for key, one in run.desk.symbols.items():
            lasts[key] = 0 if len(one.working.orders) == 2 else lasts[key] + 1
        longest = max(longest, *lasts.values())
    assert sum(one.tally.throttled for one in run.desk.symbols.values()) > 100
    assert longest < 75  # half seconds; one was left out for 51 s before


def test_what_did_not_leave_changed_nothing_but_names() -> None:
    old, new = SlotMemory(3, 500, replacing=True), SlotMemory(4, 900, replacing=False)
    before, after = EmitState((old,), (), 0), EmitState((new,), (SlotMemory(1, 900), SlotMemory(1, 900)), 7)
    waits = [OrderIntent(IntentKind.PLACE, side, 0, 1, 10, 1, "new", False) for side in Side]
    kept = EmitState((old._replace(generation=4),), (SlotMemory(1), SlotMemory(1, 900)), 7)
    assert undone(after, before, waits) == kept
    assert undone(after, before, []) == after
