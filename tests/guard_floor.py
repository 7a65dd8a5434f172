"""Guards behind the real engine, with the test as strategy and venue: every order and answer is given by hand."""

from collections.abc import Sequence
from typing import Any

import msgspec

from millrace.config.load import load_settings
from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import Command, Place, Refuse, Reply, Side, Style, Submit
from millrace.core.engine import Engine
from millrace.core.events import (
    BalanceReport,
    Event,
    Operator,
    OrderAccepted,
    OrderProgress,
    OrderRejected,
    Print,
    RejectReason,
    Timer,
)
from millrace.core.guard import Guard
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.instrument import Instrument, InstrumentId
from millrace.core.permission import Level
from millrace.core.strategy import Interest
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.risk.settings import StopsSettings
from millrace.venues.kraken.facts import instrument_facts
from steep_prices import steep_market

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
NOON_NS = 20_454 * DAY_NS + DAY_NS // 2
DOGE = instrument_facts("kraken:DOGE/USD")
BTC = msgspec.structs.replace(instrument_facts("kraken:BTC/USDC"), id=InstrumentId("bybit", "BTCUSDC"))


def stops(**changes: Any) -> StopsSettings:
    return msgspec.structs.replace(load_settings().stops, **changes)


class Trader:
    """Wants what it is given at the next timer."""

    def __init__(self, name: str) -> None:
        self.name, self.wants = name, []

    def series(self):
        return ()

    def decide(self, event, view):
        wants, self.wants = (self.wants, []) if isinstance(event, Timer) else ([], self.wants)
        return wants

    def interest(self):
        return Interest()

    def snapshot(self):
        return {}

    def restore(self, state):
        pass


class Floor:
    """Traders "grid" and "arb" with money at two venues, and the guards under test."""

    def __init__(self, *guards: Guard, instruments: Sequence[Instrument] = (DOGE, BTC)) -> None:
        self.now_ns = NOON_NS
        self.count = 0
        self.made: list[Command] = []
        self._build(guards, instruments)
        for venue in ("kraken", "bybit"):
            self.step(BalanceReport(venue, dict.fromkeys(("USD", "USDC", "DOGE", "BTC"), (10**15, 0)), self.now_ns))

    def _build(self, guards: Sequence[Guard], instruments: Sequence[Instrument]) -> None:
        self.traders = {name: Trader(name) for name in ("grid", "arb")}
        self.orders, self.board = OrderTable(ClientIds("t", ("grid", "arb"))), RestrictionBoard()
        parts = (steep_market(), self.orders, Account(), self.board, guards)
        self.engine = Engine(instruments, tuple(self.traders.values()), *parts)

    def restarted(self, *guards: Guard, instruments: Sequence[Instrument] = (DOGE, BTC)) -> None:
        """Go on in a fresh engine with fresh guards, from the snapshot's bytes."""
        saved = encode_state(self.engine.snapshot())
        self._build(guards, instruments)
        self.engine.restore(decode_state(saved))
        assert encode_state(self.engine.snapshot()) == saved

    def step(self, event: Event) -> list[Command]:
        made = self.engine.step(event)
        assert self.engine.fault is None, self.engine.fault
        self.made += made
        return made

    def wait(self, seconds: float) -> list[Command]:
        """Let time pass, with every timer that the guards asked for."""
        end_ns = self.now_ns + round(seconds * SECOND_NS)
        made = []
        while (due_ns := self.engine.interest().deadline_ns) is not None and due_ns <= end_ns:
            self.now_ns = max(self.now_ns, due_ns)
            made += self.step(Timer(due_ns))
        self.now_ns = end_ns
        return made

    def price(self, price: float, facts: Instrument = DOGE) -> list[Command]:
        return self.step(Print(facts.id, self.now_ns, facts.ticks(price), 1))

    def want(
        self,
        units: float = 60.0,
        price: float = 0.2,
        side: Side = Side.BUY,
        leg: SubPosition | None = None,
        *,
        reduces: bool = False,
        facts: Instrument = DOGE,
    ) -> str | tuple[str, ...]:
        """Ask for one order; returns its client id, or the reasons why it was refused."""
        self.count += 1
        leg = SubPosition("grid", facts.id, "slot1", "A") if leg is None else leg
        lots, ticks = facts.lots(units), facts.ticks(price)
        place = Place(facts.id, side, lots, ticks, Style.POST_ONLY, leg, reduces, f"k{self.count}", "test")
        self.traders[leg.strategy].wants = [place]
        for command in self.step(Timer(self.now_ns)):
            if isinstance(command, Submit):
                return command.order.client_id
            if isinstance(command, Refuse):
                return command.reasons
        raise AssertionError("neither sent nor refused")

    def accept(self, client_id: str) -> list[Command]:
        return self.step(OrderAccepted(client_id, f"V{client_id}", self.now_ns))

    def reject(self, client_id: str, reason: RejectReason = RejectReason.OTHER) -> list[Command]:
        return self.step(OrderRejected(client_id, reason, reason.value, self.now_ns))

    def fill(self, client_id: str, fee: bool = True) -> list[Command]:
        order = self.orders.open_order(client_id)
        assert order is not None
        facts = next(one for one in (DOGE, BTC) if one.id == order.place.instrument)
        cost = facts.cost(order.place.limit_ticks, order.place.lots)
        paid = facts.fee(cost, maker=True) if fee else 0
        return self.step(OrderProgress(client_id, order.place.lots, cost, paid, self.now_ns))

    def trade(self, *args: Any, fee: bool = False, **kwargs: Any) -> list[Command]:
        """Send and fill one order whole."""
        client_id = self.want(*args, **kwargs)
        assert isinstance(client_id, str), client_id
        return self.fill(client_id, fee)

    def level(self, strategy: str = "grid", facts: Instrument = DOGE) -> Level:
        return self.board.standing(strategy, facts.id).level

    def standing(self) -> dict[str, Level]:
        return {restriction.id: restriction.level for restriction in self.board.active()}

    def ask(self, action: str, **args: Any) -> str:
        made = self.step(Operator(action, args, self.now_ns))
        return next(command.said for command in made if isinstance(command, Reply) and command.action == action)
