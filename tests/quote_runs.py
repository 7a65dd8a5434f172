"""A program with the quote desk in memory, for tests: generated markets, their venue, and what was sent there."""

from typing import Any, NamedTuple

from millrace.config.load import load_settings
from millrace.config.settings import Settings
from millrace.core.events import BalanceReport, Event, Started
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.sequencer import Sequencer
from millrace.sim.depth.venue import DepthVenue
from millrace.world.assemble import Program, build_executors, build_program, config_event
from millrace.world.feed import no_feed
from millrace.world.line import SimulatedLine
from millrace.world.quoting.book_feed import BookFeed
from millrace.world.quoting.desk import BEGINS_NS, depth_venue, feed_delay, quote_markets
from millrace.world.simulation import Simulation

SECOND = 1_000_000_000


class QuoteRun(NamedTuple):
    settings: Settings
    program: Program
    simulation: Simulation
    venue: DepthVenue
    ledger: MemoryLedger
    steps: list[tuple[Event, list[Any]]]

    def run(self, seconds: float) -> None:
        self.simulation.run_until(self.simulation.now_ns + round(seconds * SECOND))
        assert self.program.engine.fault is None, self.program.engine.fault

    @property
    def desk(self) -> Any:
        return self.program.quotes

    def commands(self, kind: type) -> list[Any]:
        return [command for _, commands in self.steps for command in commands if isinstance(command, kind)]


def quoting_settings(**given: Any) -> Settings:
    chosen = {"slots.enabled": False, "arb.enabled": False, "quoting.enabled": True, "quoting.symbols": 3}
    chosen |= {key.replace("__", "."): value for key, value in given.items()}
    return load_settings(None, chosen, {})


def quote_run(*, lazy: bool = False, fate: Any = None, started: bool = True, **given: Any) -> QuoteRun:
    settings = quoting_settings(**given)
    program, markets, rules = build_program(settings), quote_markets(settings), depth_venue(settings)
    assert markets is not None
    assert rules is not None
    venue, ledger = DepthVenue(rules), MemoryLedger()
    line = SimulatedLine(venue)
    executors = build_executors(settings, program, ledger, {rules.venue: line}, reconciles=False)
    sequencer = Sequencer(program.engine, executors.carrier, None, sync=False)
    more = {} if fate is None else {"fate": fate}
    books = BookFeed(markets.rows(BEGINS_NS + 1), venue, line, feed_delay(settings), **more)
    simulation = Simulation(sequencer, executors.carrier, line, no_feed(), books=books, lazy=lazy)
    steps: list[tuple[Event, list[Any]]] = []
    sequencer.listen(lambda event, commands: steps.append((event, list(commands))))
    run = QuoteRun(settings, program, simulation, venue, ledger, steps)
    simulation.now_ns = BEGINS_NS
    if started:
        simulation.feed_event(config_event(settings, BEGINS_NS))
        simulation.feed_event(BalanceReport(rules.venue, venue.balances(), BEGINS_NS))
        simulation.feed_event(Started(restart=False, ts_ns=BEGINS_NS))
    return run
