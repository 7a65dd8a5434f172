"""The assembled program over a recording, in memory.

Nothing but the clock, the venue and the source of prices differs from a run on disk; the ledger is the in-memory twin.
"""

from typing import NamedTuple

from millrace.config.settings import Settings
from millrace.core.events import Started
from millrace.core.ledger import LedgerStore
from millrace.shell.journal import Journal
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.sequencer import Sequencer
from millrace.sim.candles import PrintColumns
from millrace.sim.faults import FaultMenu, Faults
from millrace.sim.venue import SimVenue
from millrace.world.assemble import (
    Program,
    balance_event,
    build_executors,
    build_measures,
    build_program,
    config_event,
    venue_settings,
)
from millrace.world.feed import Feed
from millrace.world.line import SimulatedLine
from millrace.world.simulation import Simulation


class Assembled(NamedTuple):
    """One simulated program ready to run."""

    program: Program
    simulation: Simulation
    venue: SimVenue
    ledger: LedgerStore


def assemble_backtest(
    settings: Settings,
    columns: PrintColumns,
    *,
    lazy: bool = True,
    journal: Journal | None = None,
    faults: FaultMenu | None = None,
) -> Assembled:
    """Return a program on a recording, not started; with `faults` calls to the venue go wrong."""
    program = build_program(settings)
    venue = SimVenue(venue_settings(settings, program.instrument))
    ledger = MemoryLedger()
    line = SimulatedLine(venue, faults=None if faults is None else Faults(faults))
    executor = build_executors(settings, program, ledger, {venue.settings.venue: line}, reconciles=False).carrier
    sequencer = Sequencer(program.engine, executor, journal, sync=False)
    feed = Feed(program.instrument.id, iter((columns,)), venue)
    simulation = Simulation(sequencer, executor, line, feed, measures=build_measures(program, ledger), lazy=lazy)
    return Assembled(program, simulation, venue, ledger)


def start(settings: Settings, assembled: Assembled, ts_ns: int) -> None:
    """Tell the program its configuration, its balances, and that it may trade."""
    simulation = assembled.simulation
    simulation.feed_event(config_event(settings, ts_ns))
    simulation.feed_event(balance_event(assembled.venue, ts_ns))
    simulation.feed_event(Started(restart=False, ts_ns=ts_ns))
