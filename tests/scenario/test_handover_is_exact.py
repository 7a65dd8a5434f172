"""A grid that was handed over trades the same whether or not what cannot matter is skipped (design sections 3 and 9)."""

from typing import Any

import pytest

import grid_runs as grid
from millrace.core.commands import Book, CancelOrder, Command, RecordAdoption, Submit
from millrace.core.events import Event, Started
from millrace.sim.candles import PrintColumns
from millrace.strategies.slots.handover.grid_snapshot import read_snapshot
from millrace.strategies.slots.handover.take_over import handed_over
from millrace.world.assemble import balance_event, config_event
from millrace.world.backtest import assemble_backtest
from old_bot import PRICE, order, slot_s0, slot_s1a, slot_s1b, slot_s2, slot_state, snapshot

CHANGES = {"slots.entry_pct": 0.2, "slots.refresh_pct": 0.2, "slots.profit_pct": 0.6}
TIMEOUTS = {"slots.order_size_usd": 12.0, "slots.s1_orphan_after_sec": 900.0, "slots.s2_orphan_after_sec": 1800.0}


def old_grid() -> dict[str, Any]:
    """Return a snapshot with drifted entries, a part fill and more than the four usual slots."""
    done = {"executed_volume": 20.0, "executed_cost": 20.0 * PRICE, "executed_fee": 0.0085}
    partly = slot_state([order(4, 8, "B", "entry", PRICE * 0.99, **done)])
    far = slot_state([order(5, 8, "B", "entry", PRICE * 0.95), order(5, 9, "A", "entry", PRICE * 1.05)])
    rows = [slot_s0(0), slot_s1b(1), slot_s1a(2), slot_s2(3), partly, far]
    return snapshot(slots={str(number): row for number, row in enumerate(rows)})


def played(document: dict[str, Any], columns: PrintColumns, changes: dict[str, Any], *, lazy: bool) -> grid.Outcome:
    settings = grid.settings_for("demo", CHANGES | changes)
    assembled = assemble_backtest(settings, columns, lazy=lazy)
    program, simulation, began_ns = assembled.program, assembled.simulation, int(columns.ts_ns[0]) - 1
    commands: list[tuple[int, Command]] = []

    def listen(event: Event, made: list[Command]) -> None:
        assert program.engine.fault is None, program.engine.fault
        commands.extend((event.ts_ns, command) for command in made)

    simulation.sequencer.listen(listen)
    event = handed_over(read_snapshot(document)[0], program.instrument, "slots", "old.json", began_ns)
    for adopted in event.orders:
        assembled.venue.rest(adopted, "bot", began_ns)
    simulation.feed_event(config_event(settings, began_ns))
    simulation.feed_event(event)
    simulation.feed_event(balance_event(assembled.venue, began_ns))
    simulation.feed_event(Started(restart=False, ts_ns=began_ns))
    simulation.run_until(int(columns.ts_ns[-1]) + grid.AFTER_NS)
    return grid.Outcome(program.engine.command_hash.hex(), commands, assembled)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("changes", "sticky"),
    [({}, {}), ({"slots.sticky_mode_enabled": False} | TIMEOUTS, dict.fromkeys("012345", False))],
    ids=["sticky", "timeouts"],
)
def test_lazy_is_eager_after_a_handover(seed: int, changes: dict[str, Any], sticky: dict[str, bool]) -> None:
    columns = grid.minutes(seed, 12.0)
    document = old_grid() | ({"slot_sticky": sticky} if sticky else {})
    lazy = played(document, columns, changes, lazy=True)
    grid.assert_same(lazy, played(document, columns, changes, lazy=False))
    assert lazy.count(RecordAdoption) == 12
    assert lazy.count(Submit) > 20
    first_ns = int(columns.ts_ns[0])
    early = [command for ts_ns, command in lazy.commands if ts_ns < first_ns + 300 * 10**9 - 10**9]
    assert not any(isinstance(command, CancelOrder) for command in early)
    assert any(isinstance(command, CancelOrder) for _, command in lazy.commands)
    assert sum(isinstance(command, Book) and command.kind == "cycle" for _, command in lazy.commands) > 2
