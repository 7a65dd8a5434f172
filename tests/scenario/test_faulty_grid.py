"""The slot grid behind a line on which three calls in ten fail: core, ledger and venue end with the same orders."""

from collections import Counter
from typing import NamedTuple

import pytest

import grid_runs as grid
from millrace.core.codec import encode_commands
from millrace.core.events import OrderUnknown
from millrace.shell.journal import Journal, read_journal
from millrace.sim.faults import Fault, FaultMenu
from millrace.sim.venue_log import Accepted, Executed, VenueRecord
from millrace.world.assemble import build_program
from millrace.world.backtest import Assembled, assemble_backtest, start
from millrace.world.folder.recovery import check_agreement

QUIET_NS = 600 * 1_000_000_000
SETTINGS = grid.settings_for("demo", bar_ns=0)


class Played(NamedTuple):
    """A finished run and what the venue wrote down."""

    assembled: Assembled
    log: list[VenueRecord]
    unknown: int


def played(seed: int, *, lazy: bool = True, share_ppm: int = 300_000, journal: Journal | None = None) -> Played:
    """Return three hours of the built-in market with faults until the last ten minutes."""
    columns = grid.generated(seed=1, hours=3)
    end_ns = int(columns.ts_ns[-1])
    menu = FaultMenu(seed, share_ppm, share_ppm, until_ns=end_ns - QUIET_NS)
    assembled = assemble_backtest(SETTINGS, columns, lazy=lazy, journal=journal, faults=menu)
    log: list[VenueRecord] = []
    unknown: list[OrderUnknown] = []
    assembled.venue._log = log.append
    assembled.simulation.sequencer.listen(
        lambda event, _: unknown.append(event) if isinstance(event, OrderUnknown) else None
    )
    start(SETTINGS, assembled, int(columns.ts_ns[0]) - 1)
    assembled.simulation.run_until(end_ns + grid.AFTER_NS)
    return Played(assembled, log, len(unknown))


@pytest.mark.parametrize("share_ppm", [300_000, 600_000])
@pytest.mark.parametrize("seed", range(3))
def test_core_ledger_and_venue_end_with_the_same(seed, share_ppm):
    (program, simulation, venue, ledger), log, unknown = played(seed, share_ppm=share_ppm)
    assert unknown > 20
    placed = Counter(record.client_id for record in log if isinstance(record, Accepted))
    assert {client_id for client_id, times in placed.items() if times > 1} == set()
    sign = {record.client_id: record.side.sign for record in log if isinstance(record, Accepted)}
    traded = sum(sign[record.client_id] * record.lots for record in log if isinstance(record, Executed))
    assert traded == sum(program.orders.positions().values())
    ours = {order.client_id for order in program.orders.unfinished()}
    theirs = {order.client_id for order in venue.open_orders(program.instrument.id)}
    assert ours - theirs == theirs - ours == set()
    assert simulation.executor.unanswered == 0
    assert program.engine.board.active() == []
    assert ledger.fills() > 100
    check_agreement(program.orders, ledger)


def test_skipping_and_waking_on_everything_meet_the_same_faults():
    lazy, eager = played(5), played(5, lazy=False)
    assert lazy.assembled.program.engine.command_hash == eager.assembled.program.engine.command_hash
    assert lazy.assembled.simulation.line.fates == eager.assembled.simulation.line.fates
    assert lazy.assembled.simulation.line.fates[Fault.RESET] > 10


def test_the_journal_of_a_faulty_run_gives_the_same_commands(tmp_path):
    run = played(6, share_ppm=600_000, journal=Journal(tmp_path))
    run.assembled.simulation.sequencer.close()
    fresh = build_program(SETTINGS).engine
    for step in read_journal(tmp_path):
        assert encode_commands(fresh.step(step.event)) == encode_commands(step.commands or [])
    assert fresh.command_hash == run.assembled.program.engine.command_hash
