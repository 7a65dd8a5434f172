"""Grid and desks in one program in memory, on generated markets; as a script it prints what the run came to."""

import json
import sys
from typing import Any

from millrace.config.load import load_settings
from millrace.core.commands import RecordFill, Submit
from millrace.core.events import BalanceReport, Started
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.sequencer import Sequencer
from millrace.sim.depth.venue import DepthVenue
from millrace.sim.market_generator import prints_from
from millrace.sim.prediction.venue import PredictionVenue
from millrace.sim.venue import SimVenue
from millrace.world.arb.desk import BEGINS_NS, desk_markets, prediction_venues
from millrace.world.arb.quote_feed import Place, QuoteFeed
from millrace.world.assemble import balance_event, build_executors, build_program, config_event, venue_settings
from millrace.world.feed import Feed
from millrace.world.line import SimulatedLine
from millrace.world.lines import Lines
from millrace.world.quoting.book_feed import BookFeed
from millrace.world.quoting.desk import depth_venue, feed_delay, quote_markets
from millrace.world.simulation import Simulation

MINUTE = 60 * 1_000_000_000
SMALL = {
    "arb.enabled": True,
    "prediction.markets": 120,
    "prediction.quotes_per_sec": 4.0,
    "prediction.plants_per_hour": 300.0,
    "slots.count": 12,
    "slots.entry_pct": 0.05,
    "slots.profit_pct": 0.6,
}


THREE = {"quoting.enabled": True, "quoting.symbols": 4, "quoting.tempo": 0.5}
"""The quote desk as a third one."""


def both(minutes: int, *, lazy: bool, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run both strategies so long; returns the command hash and what was done, by strategy."""
    settings = load_settings(profile="demo", overrides={**SMALL, **(changes or {})})
    program = build_program(settings)
    spot = SimVenue(venue_settings(settings, program.instrument))
    venues = [PredictionVenue(one) for one in prediction_venues(settings)]
    rules = depth_venue(settings)
    depth = [] if rules is None else [DepthVenue(rules)]
    lines = {one.settings.venue: SimulatedLine(one) for one in (spot, *venues, *depth)}
    ledger = MemoryLedger()
    carrier = build_executors(settings, program, ledger, lines, reconciles=False).carrier
    sequencer = Sequencer(program.engine, carrier, None)
    places = {one.settings.venue: Place(one, lines[one.settings.venue]) for one in venues}
    quotes = QuoteFeed(desk_markets(settings).rows(BEGINS_NS), places)
    feed = Feed(program.instrument.id, prints_from(settings.run.seed, BEGINS_NS + 1), spot)
    books = None
    if rules is not None:
        rows = quote_markets(settings).rows(BEGINS_NS + 1)
        books = BookFeed(rows, depth[0], lines[rules.venue], feed_delay(settings))
    way = Lines(list(lines.values()))
    simulation = Simulation(sequencer, carrier, way, feed, quotes=quotes, books=books, lazy=lazy)
    done: dict[str, int] = {}

    def count(event: Any, commands: Any) -> None:
        del event
        for command in commands:
            if isinstance(command, Submit | RecordFill):
                position = command.order.order.position if isinstance(command, Submit) else command.position
                name = f"{position.strategy} {type(command).__name__}"
                done[name] = done.get(name, 0) + 1

    sequencer.listen(count)
    simulation.feed_event(config_event(settings, BEGINS_NS))
    simulation.feed_event(balance_event(spot, BEGINS_NS))
    for venue in (*venues, *depth):
        simulation.feed_event(BalanceReport(venue.settings.venue, venue.balances(), BEGINS_NS))
    simulation.feed_event(Started(restart=False, ts_ns=BEGINS_NS))
    simulation.run_until(BEGINS_NS + minutes * MINUTE)
    engine = program.engine
    held: dict[str, int] = {}
    for position, lots in engine.positions().items():
        if position.strategy == "arb":
            held[str(position.instrument)] = held.get(str(position.instrument), 0) + lots
    truth = {str(name): lots for venue in venues for name, lots in venue.positions().items() if lots}
    return {
        "hash": engine.command_hash.hex(),
        "fault": repr(engine.fault),
        "done": done,
        "held_is_true": {name: lots for name, lots in held.items() if lots} == truth,
        "prints_skipped": feed.rows,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(both(int(sys.argv[1]), lazy=sys.argv[2] == "lazy", changes=json.loads(sys.argv[3]))))
