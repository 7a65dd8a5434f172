"""A toy strategy on the real engine behind a line on which calls fail, for tests of what becomes of its orders.

Every intent wants a fixed number of lots. Most go out as orders that trade at once; every third rests first where
nothing trades, is cancelled, and goes out again for what it has not got. So what was executed must be what was wanted,
to the lot, whatever the line does.
"""

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from millrace.capacity.call_budget import CallBudget, CallBudgetSettings
from millrace.core.commands import Cancel, Command, Intent, OrderState, OrderUpdate, Place, Refused, Side, Style
from millrace.core.engine import Engine
from millrace.core.events import BalanceReport, Event, Quote, Started, Timer
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.instrument import Instrument, InstrumentId
from millrace.core.permission import scopes_of
from millrace.core.strategy import Interest, SeriesSpec, View
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.risk.breaker_stop import BreakerStop
from millrace.risk.stops import KillSwitch
from millrace.shell.executor import Executor
from millrace.shell.journal import Journal
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.sequencer import Sequencer
from millrace.shell.venue_calls import VenueCalls
from millrace.sim.candles import QuoteColumns
from millrace.sim.faults import FaultMenu, Faults
from millrace.sim.venue import FillRule, SimVenue, VenueSettings
from millrace.sim.venue_log import VenueRecord
from millrace.world.feed import Feed
from millrace.world.line import SimulatedLine
from millrace.world.simulation import Simulation

SECOND = 1_000_000_000
TICK_NS = SECOND // 2
BID, ASK = 99_990, 100_010
LOTS = 100
DOGE = Instrument(
    id=InstrumentId("toy", "DOGE/USD"),
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


class Buyer:
    """Wants `count` times `LOTS`, `burst` new ones at every half second."""

    name = "buyer"

    def __init__(self, count: int, burst: int = 5) -> None:
        self.count = count
        self.burst = burst
        self.begun = 0
        self.next_ns = TICK_NS
        self.got: Counter[int] = Counter()
        self.attempts: Counter[int] = Counter()
        self.again: list[int] = []
        self.uncancelled: list[str] = []

    def series(self) -> tuple[SeriesSpec, ...]:
        return ()

    def decide(self, event: Event | OrderUpdate | Refused, view: View) -> list[Intent]:
        if isinstance(event, OrderUpdate):
            return self._news(event)
        if isinstance(event, Refused):
            self.again.append(number_of(event.place.key))
        elif isinstance(event, Timer) and event.ts_ns >= self.next_ns:
            self.next_ns = event.ts_ns + TICK_NS
            cancels: list[Intent] = [Cancel(self.name, key, "again") for key in self.uncancelled]
            last = min(self.begun + self.burst, self.count)
            wanted = [*self.again, *range(self.begun, last)]
            self.again, self.uncancelled, self.begun = [], [], last
            return cancels + [self._order(number) for number in wanted]
        return []

    def _news(self, update: OrderUpdate) -> list[Intent]:
        number = number_of(update.place.key)
        self.got[number] += update.d_lots
        if update.state.is_terminal and not update.previous.is_terminal:
            if self.got[number] < LOTS:
                self.again.append(number)
        elif update.state is OrderState.OPEN and update.place.style is Style.POST_ONLY:
            if update.previous is OrderState.OPEN:
                self.uncancelled.append(update.place.key)
            else:
                return [Cancel(self.name, update.place.key, "moves")]
        return []

    def _order(self, number: int) -> Place:
        self.attempts[number] += 1
        rests = number % 3 == 0 and self.attempts[number] == 1
        return Place(
            instrument=DOGE.id,
            side=Side.BUY,
            lots=LOTS - self.got[number],
            limit_ticks=BID - 1_000 if rests else ASK,
            style=Style.POST_ONLY if rests else Style.LIMIT,
            position=SubPosition(self.name, DOGE.id, str(number % 7), "B"),
            reduces=False,
            key=f"{number}/{self.attempts[number]}",
            purpose="toy",
        )

    def interest(self) -> Interest:
        return Interest(deadline_ns=self.next_ns, heartbeat_ns=self.next_ns)

    def snapshot(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None: ...

    def status(self, view: View) -> dict[str, Any]:
        return {}


def number_of(key: str) -> int:
    return int(key.split("/", maxsplit=1)[0])


class World(NamedTuple):
    """A program behind a faulty line, with everything that it told and was told."""

    buyer: Any
    engine: Engine
    orders: OrderTable
    venue: SimVenue
    ledger: MemoryLedger
    executor: Executor
    simulation: Simulation
    line: SimulatedLine
    log: list[VenueRecord]
    steps: list[tuple[Event, list[Command]]]

    def run(self, seconds: float) -> None:
        self.simulation.run_until(self.simulation.now_ns + round(seconds * SECOND))

    @property
    def finished(self) -> bool:
        buyer = self.buyer
        return buyer.begun == buyer.count and not self.orders.unfinished() and not buyer.again

    def run_to_the_end(self, limit_sec: float) -> float:
        """Return the seconds that it took; fails when it takes longer than the limit."""
        began_ns = self.simulation.now_ns
        while not self.finished or self.executor.unanswered:
            self.run(1)
            taken = (self.simulation.now_ns - began_ns) / SECOND
            assert taken < limit_sec, (self.orders.unfinished()[:3], self.engine.board.active()[:3])
        return (self.simulation.now_ns - began_ns) / SECOND


def engine_of(buyer: Any) -> Engine:
    orders = OrderTable(ClientIds("toy", ("buyer",)), ended_kept=100_000)
    known = frozenset(scopes_of(SubPosition("buyer", DOGE.id, "", "")))
    return Engine(
        (DOGE,), (buyer,), MarketView(), orders, Account(), RestrictionBoard(), (KillSwitch(known), BreakerStop())
    )


FREE_PACE = CallBudgetSettings(calls_per_loop=10**9, metronome=False, bucket_calls=10**9, refill_ns=1)


def make_world(
    count: int,
    menu: FaultMenu | None,
    folder: Path | None = None,
    burst: int = 5,
    pace: CallBudgetSettings = FREE_PACE,
    *,
    breakers: bool = False,
    strategy: Any = None,
    quotes: QuoteColumns | None = None,
    **executor: Any,
) -> World:
    """Return a started world; with a folder it writes its journal there.

    Another strategy may take the buyer's place, and see other quotes, whose sizes then count. Its outbox has room for every burst, unless told otherwise: this buyer wants what was refused again at once.
    """
    buyer = Buyer(count, burst) if strategy is None else strategy
    engine = engine_of(buyer)
    log: list[VenueRecord] = []
    settings = VenueSettings(
        venue="toy",
        instruments=(DOGE,),
        opening={"DOGE": 10**13, "USD": 10**18},
        seed=5,
        rate=None,
        fill_rule=FillRule.QUOTES,
        quote_size_caps=quotes is not None,
        ended_kept=100_000,
    )
    venue = SimVenue(settings, log.append)
    line = SimulatedLine(venue, faults=None if menu is None else Faults(menu))
    ledger = MemoryLedger()
    executor.setdefault("outbox_limit", 10**6)
    if breakers:
        executor["calls"] = VenueCalls(DOGE.id, seed=5)
    parts = Executor(ledger, line, CallBudget(pace), engine.board, engine.orders, **executor)
    sequencer = Sequencer(engine, parts, None if folder is None else Journal(folder))
    one = np.array([1], np.int64)
    quote = QuoteColumns(ts_ns=one, bid_ticks=BID * one, ask_ticks=ASK * one, bid_lots=one, ask_lots=one)
    simulation = Simulation(sequencer, parts, line, Feed(DOGE.id, iter((quotes or quote,)), venue), lazy=False)
    steps: list[tuple[Event, list[Command]]] = []
    sequencer.listen(lambda event, commands: steps.append((event, commands)))
    simulation.feed_event(BalanceReport("toy", venue.balances(), 0))
    simulation.feed_event(Started(restart=False, ts_ns=0))
    simulation.feed_event(Quote(DOGE.id, 0, BID, ASK, 1, 1))
    return World(buyer, engine, engine.orders, venue, ledger, parts, simulation, line, log, steps)
