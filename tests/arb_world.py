"""A desk, its engine, its ledger and simulated venues on one clock: small enough to break on purpose.

Whatever an order does travels as the venue says; `Fate` decides per order what goes wrong on the way. Nothing here
retries: an unknown order is asked about a second later, as the executor does.
"""

import heapq
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from millrace.core.binary_events import BinaryQuote, StreamBeat
from millrace.core.commands import AmendOrder, CancelOrder, Command, OrderState, Submit
from millrace.core.engine import Engine
from millrace.core.events import (
    BalanceReport,
    ConfigApplied,
    EndStatus,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    OrderUnknown,
    RejectReason,
    Started,
    Timer,
)
from millrace.core.ids import ClientIds
from millrace.core.instrument import LEDGER_DECIMALS
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.shell.ledger_memory import MemoryLedger
from millrace.sim.prediction.venue import PredictionSettings, PredictionVenue
from millrace.strategies.arb.listing import outcome_instruments
from millrace.strategies.arb.mapping.records import NO_MAP, MappingMap
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.rules.records import NO_RULES, RuleSet
from millrace.strategies.arb.settings import ArbSettings
from millrace.strategies.arb.strategy import ArbDesk

MS, SECOND = 1_000_000, 1_000_000_000
NO_LUCK = {
    "latency_mean_ns": 20 * MS,
    "latency_sd_ns": 0,
    "response_latency_ns": 5 * MS,
    "slippage_sd_ticks": 0,
    "adverse_ppm": 0,
}


class Fate(StrEnum):
    """What becomes of one order: all well; refused; taken, its answers lost; never arrives; every answer twice."""

    WELL = "well"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    LOST = "lost"
    TWICE = "twice"


class World:
    """`fate` is asked once per order, `books` once per market before each second's end."""

    def __init__(
        self,
        facts: Iterable[MarketFacts],
        rules: RuleSet = NO_RULES,
        settings: ArbSettings | None = None,
        fate: Callable[[str, int], Fate] = lambda _client_id, _number: Fate.WELL,
        usd: float = 1_000.0,
        mapping: MappingMap = NO_MAP,
        **luck: Any,
    ) -> None:
        self.facts = tuple(facts)
        self.mapping = mapping
        self.rules = rules
        self.settings = settings or ArbSettings()
        self.now_ns = 0
        self.commands: list[Command] = []
        self.journal: list[Any] = []
        self.ledger = MemoryLedger()
        self.fate = fate
        self.sent = 0
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self.books: dict[Any, BinaryQuote] = {}
        self.venues = {venue: self._venue(venue, usd, luck) for venue in sorted({f.market.venue for f in self.facts})}
        self.build()
        self.feed(ConfigApplied("digest", {}, 0))
        self.report()
        self.feed(Started(restart=False, ts_ns=0))

    def _venue(self, venue: str, usd: float, luck: dict[str, Any]) -> PredictionVenue:
        markets = tuple(fact for fact in self.facts if fact.market.venue == venue)
        asset = markets[0].currency
        opening = {asset: round(usd * 10 ** LEDGER_DECIMALS[asset])}
        given = {"nets": venue == "kalshi", "seed": 1, **NO_LUCK, **luck}
        return PredictionVenue(PredictionSettings(venue=venue, markets=markets, opening=opening, **given))

    def build(self) -> None:
        """Make the program anew, as a start does."""
        self.desk = ArbDesk("arb", self.facts, self.rules, self.settings, self.mapping)
        self.orders = OrderTable(ClientIds("test", ("arb",)))
        self.board = RestrictionBoard()
        self.instruments = tuple(one for fact in self.facts for one in outcome_instruments(fact))
        parts = (MarketView(), self.orders, Account(), self.board)
        self.engine = Engine(self.instruments, (self.desk,), *parts)

    # Time

    def at(self, ts_ns: int, act: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._queue, (ts_ns, self._number, act))

    def run(self, seconds: float) -> None:
        """Let time pass: what is due happens in its order, a beat of each venue comes every half second."""
        end_ns = self.now_ns + round(seconds * SECOND)
        while True:
            due_ns = self.engine.interest().deadline_ns
            beat_ns = self.now_ns - self.now_ns % (SECOND // 2) + SECOND // 2
            next_ns = min(self._queue[0][0] if self._queue else end_ns + 1, beat_ns, due_ns or end_ns + 1)
            if next_ns > end_ns:
                self.now_ns = end_ns
                return
            self.now_ns = max(self.now_ns, next_ns)
            if self._queue and self._queue[0][0] <= self.now_ns:
                heapq.heappop(self._queue)[2]()
            elif due_ns is not None and due_ns <= self.now_ns:
                self.feed(Timer(self.now_ns))
            else:
                for venue in self.venues:
                    self.feed(StreamBeat(venue, self.now_ns))

    def feed(self, event: Any) -> list[Command]:
        """Show the program one event, and carry its commands out."""
        self.journal.append(event)
        made = self.engine.step(event)
        if self.engine.fault is not None:
            raise self.engine.fault
        self.ledger.commit(made)
        self.commands += made
        for command in made:
            self.carry_out(command)
        return made

    def carry_out(self, command: Command) -> None:
        if isinstance(command, Submit):
            self._send(command)
        elif isinstance(command, CancelOrder):
            venue = self.venues[command.instrument.venue]
            at_ns = venue.arrival_ns(command.client_id, self.now_ns)
            self.at(at_ns, lambda: self._deliver(venue.cancel(command.instrument, command.client_id, self.now_ns)))
        assert not isinstance(command, AmendOrder)

    def _send(self, submit: Submit) -> None:
        approved = submit.order
        venue = self.venues[approved.order.instrument.venue]
        self.sent += 1
        fate = self.fate(approved.client_id, self.sent)
        at_ns = venue.arrival_ns(approved.client_id, self.now_ns)
        if fate is Fate.REFUSED:
            self.at(at_ns, lambda: self._say(OrderRejected, approved.client_id, RejectReason.OTHER, "no", self.now_ns))
        elif fate is Fate.LOST:
            self.at(at_ns, lambda: self._ask(venue, approved.client_id))
        elif fate is Fate.TIMEOUT:
            self.at(at_ns, lambda: (venue.place(approved, self.now_ns), self._ask(venue, approved.client_id))[0])
        else:
            self.at(at_ns, lambda: self._deliver(venue.place(approved, self.now_ns), twice=fate is Fate.TWICE))

    def _say(self, kind: Any, *values: Any) -> None:
        self.feed(kind(*values))

    def _ask(self, venue: PredictionVenue, client_id: str) -> None:
        """An answer did not come: the order is unknown, and the venue is asked what became of it."""
        self.feed(OrderUnknown(client_id, "timeout", self.now_ns))
        self.at(self.now_ns + SECOND, lambda: self._answer(venue, client_id))

    def _answer(self, venue: PredictionVenue, client_id: str) -> None:
        found = venue.order_status(client_id)
        if found is None:
            self.feed(OrderRejected(client_id, RejectReason.LOST, "never arrived", self.now_ns))
            return
        progress = OrderProgress(client_id, found.cum_lots, found.cum_cost, found.cum_fee, self.now_ns)
        if found.state.is_terminal and found.state is not OrderState.FILLED:
            self.feed(OrderEnded(progress, EndStatus.CANCELLED, "asked"))
        else:
            self.feed(progress)
        self.report()

    def _deliver(self, answers: Iterable[Any], *, twice: bool = False) -> None:
        for answer in answers:
            for _ in range(2 if twice else 1):
                self.at(max(answer.ts_ns, self.now_ns), lambda event=answer.event: self.feed(event) and None)

    def report(self) -> None:
        """Say what every venue holds of ours."""
        for name, venue in self.venues.items():
            self.feed(BalanceReport(name, venue.balances(), self.now_ns))

    # What happens outside

    def quote(self, book: BinaryQuote, *, to_program: bool = True) -> None:
        """Let a market's book be seen by its venue, and by the program."""
        self.books[book.market] = book
        self._deliver(self.venues[book.market.venue].on_book(book))
        if to_program:
            self.feed(book)

    def resolve(self, market: Any, yes_ticks: int | None) -> None:
        self._deliver(self.venues[market.venue].resolve(market, yes_ticks, self.now_ns))

    # What is true

    def truth(self) -> dict[Any, int]:
        """Return the contracts that the venues hold for us, by outcome."""
        held: dict[Any, int] = {}
        for venue in self.venues.values():
            held.update({name: lots for name, lots in venue.positions().items() if lots})
        return held

    def believed(self) -> dict[Any, int]:
        """Return the same as the program's table has it."""
        held: dict[Any, int] = {}
        for position, lots in self.orders.positions().items():
            held[position.instrument] = held.get(position.instrument, 0) + lots
        return {name: lots for name, lots in held.items() if lots}

    def cash(self) -> int:
        """Return all venues' cash in nano-dollars."""
        total = 0
        for venue in self.venues.values():
            for asset, (free, held) in venue.balances().items():
                if asset in LEDGER_DECIMALS:
                    total += (free + held) * 10 ** (9 - LEDGER_DECIMALS[asset])
        return total

    def books_of(self, kind: str) -> list[Any]:
        return self.ledger.bookings(kind)
