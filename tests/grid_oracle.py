"""The grid oracle of the golden README, part D, as a strategy on our engine.

A plain geometric grid: 80 buys and 80 sells around the first mid; a filled buy of level k is replaced by a sell at
k + 1, a filled sell by a buy at k - 1. Three independent engines end with 1,498 fills and 160 open orders.
"""

from typing import Any

import numpy as np

from millrace.capacity.call_budget import CallBudget, CallBudgetSettings
from millrace.core.commands import Intent, OrderState, OrderUpdate, Place, Refused, Side, Style
from millrace.core.engine import Engine
from millrace.core.events import BalanceReport, Event, Quote, Started
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.instrument import Instrument, InstrumentId
from millrace.core.strategy import Interest, SeriesSpec, View
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.shell.executor import Executor
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.sequencer import Sequencer
from millrace.sim.candles import QuoteColumns
from millrace.sim.venue import FillRule, SimVenue, VenueSettings
from millrace.world.feed import Feed
from millrace.world.line import SimulatedLine
from millrace.world.simulation import Simulation

LEVELS = 80
STEP = 0.0025
UNITS = 100
QUOTES = 1_000_000
QUOTE_NS = 100_000_000
DOGE = Instrument(
    id=InstrumentId("oracle", "DOGE/USD"),
    base="DOGE",
    quote="USD",
    price_decimals=6,
    tick=1,
    lot_decimals=0,
    lot=1,
    min_lots=1,
    min_cost=0,
    maker_fee_ppm=0,
    taker_fee_ppm=0,
    max_open_orders=10_000,
)


def quotes(count: int = QUOTES) -> QuoteColumns:
    """Return the oracle's quotes as integer columns (the first `count` of the million)."""
    steps = np.random.default_rng(7).normal(0, 1e-4, QUOTES)
    mid = np.clip(np.round(0.1 * np.exp(np.cumsum(steps)), 6), 0.05, 0.2)[:count]
    size = np.full(count, 5_000, np.int64)
    return QuoteColumns(
        ts_ns=np.arange(1, count + 1, dtype=np.int64) * QUOTE_NS,
        bid_ticks=np.rint(np.round(mid - 0.00001, 6) * 1e6).astype(np.int64),
        ask_ticks=np.rint(np.round(mid + 0.00001, 6) * 1e6).astype(np.int64),
        bid_lots=size,
        ask_lots=size,
    )


class GridOracle:
    """The oracle's rule; owns the mid of the first quote and nothing else."""

    name = "oracle"

    def __init__(self) -> None:
        self.mid = 0.0
        self.placed = 0
        self.fills = 0

    def series(self) -> tuple[SeriesSpec, ...]:
        return ()

    def decide(self, event: Event | OrderUpdate | Refused, view: View) -> list[Intent]:
        if isinstance(event, OrderUpdate):
            if event.state is not OrderState.FILLED or event.previous is OrderState.FILLED:
                return []
            self.fills += 1
            level = int(event.place.position.leg)
            return [self._order(level + 1 if event.place.side is Side.BUY else level - 1, event.place.side)]
        if isinstance(event, Quote) and self.mid == 0.0:
            self.mid = (event.bid_ticks + event.ask_ticks) / 2e6
            below = [self._order(-level, Side.SELL) for level in range(1, LEVELS + 1)]
            return below + [self._order(level, Side.BUY) for level in range(1, LEVELS + 1)]
        assert not isinstance(event, Refused), event
        return []

    def _order(self, level: int, filled: Side) -> Place:
        self.placed += 1
        return Place(
            instrument=DOGE.id,
            side=Side.SELL if filled is Side.BUY else Side.BUY,
            lots=UNITS,
            limit_ticks=DOGE.ticks(round(self.mid * (1 + STEP * level), 6)),
            style=Style.LIMIT,
            position=SubPosition(self.name, DOGE.id, "grid", str(level)),
            reduces=False,
            key=f"{self.placed}",
            purpose="grid",
        )

    def interest(self) -> Interest:
        return Interest(all_events=self.mid == 0.0)

    def snapshot(self) -> dict[str, Any]:
        return {"mid": self.mid, "placed": self.placed, "fills": self.fills}

    def restore(self, state: dict[str, Any]) -> None:
        self.mid, self.placed, self.fills = state["mid"], state["placed"], state["fills"]

    def status(self, view: View) -> dict[str, Any]:
        return {"fills": self.fills}


def run(columns: QuoteColumns, *, lazy: bool = True) -> tuple[GridOracle, SimVenue, Engine, MemoryLedger]:
    """Run the oracle with accounting and order records; no latency and no pacing, as the other engines have none."""
    strategy = GridOracle()
    engine = Engine(
        (DOGE,), (strategy,), MarketView(), OrderTable(ClientIds("bench", ("oracle",))), Account(), RestrictionBoard()
    )
    venue = SimVenue(
        VenueSettings(
            venue="oracle",
            instruments=(DOGE,),
            opening={"DOGE": 10**13, "USD": 10**14},
            seed=7,
            request_latency_ns=0,
            response_latency_ns=0,
            jitter_ns=0,
            rate=None,
            fill_rule=FillRule.QUOTES,
        )
    )
    line = SimulatedLine(venue)
    ledger = MemoryLedger()
    free_pace = CallBudgetSettings(calls_per_loop=10**9, metronome=False, bucket_calls=10**9)
    executor = Executor(ledger, line, CallBudget(free_pace), engine.board, engine.orders, outbox_limit=10**6)
    simulation = Simulation(
        Sequencer(engine, executor, None), executor, line, Feed(DOGE.id, iter((columns,)), line.venue), lazy=lazy
    )
    simulation.feed_event(BalanceReport("oracle", venue.balances(), 0))
    simulation.feed_event(Started(restart=False, ts_ns=0))
    simulation.run_until(int(columns.ts_ns[-1]) + 1)
    return strategy, venue, engine, ledger
