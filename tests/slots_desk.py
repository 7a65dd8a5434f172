"""The slot grid behind the real engine, with the test as its venue: every answer is given by hand, at a chosen time."""

from typing import Any

from msgspec import structs

from millrace.core.commands import Alert, Book, CancelOrder, Command, Place, Reply, Submit
from millrace.core.engine import Engine
from millrace.core.events import (
    BalanceReport,
    CancelRefused,
    EndStatus,
    Event,
    LedgerSummed,
    Operator,
    OrderAccepted,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    OrderUnknown,
    Print,
    RejectReason,
    Started,
    Timer,
)
from millrace.core.ids import ClientIds
from millrace.core.instrument import Instrument, InstrumentId
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.risk.stops import KillSwitch
from millrace.shell.ledger_memory import MemoryLedger
from millrace.strategies.slots.books.pnl_audit import rebuild
from millrace.strategies.slots.settings import SlotsSettings
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.strategy import SlotGrid
from steep_prices import steep_market

SECOND_NS = 1_000_000_000
LOOP_NS = 30 * SECOND_NS
DAY_NS = 86_400 * SECOND_NS
OPENING_NS = 20_454 * DAY_NS + 12 * 3_600 * SECOND_NS
"""Noon of a UTC day; a loop time."""
STICKY = {"sticky_mode_enabled": True, "order_size_mode": "DOGE", "order_size_doge": 60.0}
FIVE_MINUTES = 10
"""Loops in a bar."""
RICH = (1_000_000.0, 1_000_000.0)


def doge(lot_decimals: int = 8, min_units: float = 50.0, min_cost: float = 0.5) -> Instrument:
    """Return DOGE/USD with as many lot decimals as wanted."""
    return Instrument(
        id=InstrumentId("kraken", "DOGE/USD"),
        base="DOGE",
        quote="USD",
        price_decimals=7,
        tick=1,
        lot_decimals=lot_decimals,
        lot=1,
        min_lots=round(min_units * 10**lot_decimals),
        min_cost=round(min_cost * 10**9),
        maker_fee_ppm=2_500,
        taker_fee_ppm=4_000,
        max_open_orders=225,
    )


class Desk:
    """A started grid with money and a first price; `sent` holds the orders at the venue or on their way."""

    def __init__(
        self,
        count: int = 1,
        price: float = 0.2,
        money: tuple[float, float] | None = RICH,
        facts: Instrument | None = None,
        **changes: Any,
    ) -> None:
        self.facts = facts or doge()
        self.strategy = SlotGrid("slots", self.facts, SlotsSettings(count=count, **(STICKY | changes)))
        self.grid = self.strategy.grid
        self.board = RestrictionBoard()
        self.account = Account()
        self.orders = OrderTable(ClientIds("test", ("slots",)))
        stops = (KillSwitch(frozenset()),)
        self.engine = Engine(
            (self.facts,), (self.strategy,), steep_market(), self.orders, self.account, self.board, stops
        )
        self.now_ns = OPENING_NS - LOOP_NS + SECOND_NS
        self.price = price
        self.commands: list[Command] = []
        self.sent: dict[str, Place] = {}
        self.cancels_refused: set[str] = set()
        if money is not None:
            self.money(*money)
        self.step(Started(restart=False, ts_ns=self.now_ns))
        self.print(price)

    # Events

    def step(self, event: Event) -> list[Command]:
        made = self.engine.step(event)
        assert self.engine.fault is None, self.engine.fault
        self.commands += made
        for command in made:
            if isinstance(command, Submit):
                self.sent[command.order.client_id] = command.order.order
        return made

    def print(self, price: float) -> list[Command]:
        self.price = price
        return self.step(Print(self.facts.id, self.now_ns, self.facts.ticks(round(price, 7)), 1))

    def wait(self, seconds: float) -> None:
        self.now_ns += round(seconds * SECOND_NS)

    def loop(self, price: float | None = None, *, fresh: bool = True) -> list[Command]:
        """Go to the next loop, with a print one second before it unless the price is to go stale."""
        at_ns = (self.now_ns // LOOP_NS + 1) * LOOP_NS
        if fresh:
            self.now_ns = max(self.now_ns, at_ns - SECOND_NS)
            self.print(self.price if price is None else price)
        self.now_ns = at_ns
        return self.step(Timer(at_ns))

    def loops(self, count: int) -> list[Command]:
        return [command for _ in range(count) for command in self.loop()]

    def money(self, base: float, quote: float, held: tuple[float, float] = (0.0, 0.0)) -> list[Command]:
        """Report free base and quote money, and what of each is held by orders."""
        facts = self.facts
        balances = {
            facts.base: tuple(round(part * 10**facts.base_decimals) for part in (base, held[0])),
            facts.quote: tuple(round(part * 10**facts.quote_decimals) for part in (quote, held[1])),
        }
        return self.step(BalanceReport("kraken", balances, self.now_ns))

    def ask(self, action: str, **args: Any) -> str:
        """Return the answer to an operator's request."""
        made = self.step_request(action, **args)
        return next(command.said for command in made if isinstance(command, Reply) and command.action == action)

    def step_request(self, action: str, **args: Any) -> list[Command]:
        """Return all that follows from an operator's request."""
        return self.step(Operator(action, args, self.now_ns))

    def audited(self) -> Reply:
        """Return the answer to `audit_pnl` against a ledger that holds every command so far."""
        ledger = MemoryLedger()
        ledger.commit(self.commands)
        records = [record for record in ledger.bookings() if record.strategy == "slots"]
        sums = rebuild(records, ledger.fees("slots"), self.facts, self.now_ns)
        made = self.step(LedgerSummed("slots", sums, self.now_ns, "r1"))
        return next(command for command in made if isinstance(command, Reply))

    def caution(self, multiplier: float, code: ReasonCode = ReasonCode.OPERATOR_PAUSE) -> None:
        """Put a restriction on the board that asks for smaller orders."""
        scope = Scope(ScopeKind.GLOBAL)
        self.board.post(Restriction("test", scope, Level.CAUTION, code, "", "test", self.now_ns, multiplier))

    def clear_halt(self) -> str:
        return self.ask("clear", id="kill/control/global", operator="test", reason="test")

    # The venue

    def accept(self, *client_ids: str) -> list[Command]:
        made = []
        for client_id in client_ids or list(self.sent):
            made += self.step(OrderAccepted(client_id, f"V-{client_id}", self.now_ns))
        return made

    def progress(self, client_id: str, volume: float, price: float | None = None) -> OrderProgress:
        """Return the cumulative news that `volume` units of an order have executed, at its limit or at `price`."""
        place = self.sent[client_id]
        lots = self.facts.lots(volume)
        ticks = place.limit_ticks if price is None else self.facts.ticks(price)
        cost = self.facts.cost(ticks, lots)
        return OrderProgress(client_id, lots, cost, self.facts.fee(cost, maker=True), self.now_ns)

    def fill(self, client_id: str, volume: float | None = None, price: float | None = None) -> list[Command]:
        """Fill an order, whole unless a cumulative volume is given."""
        place = self.sent[client_id]
        made = self.step(self.progress(client_id, self.facts.volume(place.lots) if volume is None else volume, price))
        if volume is None or self.facts.lots(volume) == place.lots:
            self.sent.pop(client_id)
        return made

    def end(self, client_id: str, volume: float = 0.0, status: EndStatus = EndStatus.CANCELLED) -> list[Command]:
        made = self.step(OrderEnded(self.progress(client_id, volume), status, "test"))
        self.sent.pop(client_id)
        return made

    def reject(self, client_id: str, reason: RejectReason) -> list[Command]:
        self.sent.pop(client_id)
        return self.step(OrderRejected(client_id, reason, reason.value, self.now_ns))

    def refuse_cancel(self, client_id: str, reason: str) -> list[Command]:
        return self.step(CancelRefused(client_id, reason, self.now_ns))

    def lose(self, client_id: str) -> list[Command]:
        return self.step(OrderUnknown(client_id, "time-out", self.now_ns))

    # Looking

    def find(self, leg: str | None = None, slot: int | None = None, *, reduces: bool | None = None) -> list[str]:
        """Return the client ids of orders sent and not ended, oldest first."""
        return [
            client_id
            for client_id, place in self.sent.items()
            if (leg is None or place.position.leg == leg)
            and (slot is None or place.position.group == f"slot{slot}")
            and (reduces is None or place.reduces is reduces)
        ]

    def one(self, leg: str, slot: int = 1) -> str:
        found = self.find(leg, slot)
        assert len(found) == 1, found
        return found[0]

    def limit(self, client_id: str) -> float:
        return self.facts.price(self.sent[client_id].limit_ticks)

    def volume(self, client_id: str) -> float:
        return self.facts.volume(self.sent[client_id].lots)

    def slot(self, slot_id: int = 1) -> Slot:
        return self.grid.slots[slot_id]

    def waits(self, slot_id: int = 1) -> dict[str, str]:
        return {leg: reason.value for leg, reason in self.slot(slot_id).wait.items()}

    def alerts(self, code: str | None = None) -> list[Alert]:
        found = [command for command in self.commands if isinstance(command, Alert)]
        return found if code is None else [alert for alert in found if alert.code == code]

    def status(self) -> dict[str, Any]:
        return self.strategy.status(self.engine)

    def open(self) -> "Desk":
        """Run the first loops until every slot has its entries accepted."""
        while self.grid.dirty or any(slot.is_empty() for slot in self.grid.slots.values()):
            self.loop()
            self.accept()
        return self

    def restarted(self) -> "Desk":
        """Put the whole core into a new program through its snapshot."""
        saved = self.engine.snapshot()
        other = Desk.__new__(Desk)
        other.__dict__.update(self.__dict__)
        other.strategy = SlotGrid("slots", self.facts, self.grid.settings)
        other.grid = other.strategy.grid
        other.board, other.account = RestrictionBoard(), Account()
        other.orders = OrderTable(ClientIds("test", ("slots",)))
        market = steep_market()
        stops = (KillSwitch(frozenset()),)
        other.engine = Engine((self.facts,), (other.strategy,), market, other.orders, other.account, other.board, stops)
        other.engine.restore(saved)
        return other


def submits(commands: list[Command]) -> list[Place]:
    return [command.order.order for command in commands if isinstance(command, Submit)]


def cancels(commands: list[Command]) -> list[CancelOrder]:
    return [command for command in commands if isinstance(command, CancelOrder)]


def books(commands: list[Command], kind: str = "cycle") -> list[Book]:
    return [command for command in commands if isinstance(command, Book) and command.kind == kind]


def changed(settings: SlotsSettings, **changes: Any) -> SlotsSettings:
    return structs.replace(settings, **changes)


def trend(desk: Desk, bars: int, per_bar: float) -> None:
    """Let the market go one way for so many bars; the venue takes every order and fills none."""
    for _ in range(bars):
        desk.price *= 1.0 + per_bar
        desk.loops(FIVE_MINUTES)
        desk.accept()


def saw(desk: Desk, bars: int) -> None:
    """Let the market go nowhere, up and down within a hair."""
    for index in range(bars):
        desk.loop(desk.price * (1.0004 if index % 2 else 0.9996))
        desk.loops(FIVE_MINUTES - 1)
        desk.accept()
