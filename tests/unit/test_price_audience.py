"""A strategy that names its venues is shown the prices and books of those alone, and everything else as before."""

from typing import Any

from millrace.core.binary_events import BookLevel
from millrace.core.book_events import BookSnapshot
from millrace.core.engine import Engine
from millrace.core.events import Print, Quote, Timer
from millrace.core.ids import ClientIds
from millrace.core.instrument import InstrumentId
from millrace.core.strategy import Interest
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard

HERE, THERE = InstrumentId("bybit", "COIN/USDT"), InstrumentId("kraken", "DOGE/USD")


class Listener:
    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[Any] = []

    def series(self) -> tuple[Any, ...]:
        return ()

    def decide(self, event: Any, view: Any) -> list[Any]:
        del view
        self.heard.append(event)
        return []

    def interest(self) -> Interest:
        return Interest()

    def snapshot(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None: ...

    def status(self, view: Any) -> dict[str, Any]:
        del view
        return {}


class AtOneVenue(Listener):
    venues = frozenset({"bybit"})


def test_prices_and_books_go_to_those_whose_venue_it_is() -> None:
    everyone, one = Listener("everyone"), AtOneVenue("one")
    orders = OrderTable(ClientIds("test", ("everyone", "one")))
    engine = Engine((), (everyone, one), MarketView(), orders, Account(), RestrictionBoard())
    levels = (BookLevel(99, 10),), (BookLevel(101, 10),)
    here = [Print(HERE, 1, 100, 5), BookSnapshot(HERE, 2, 2, 1, *levels)]
    there = [Print(THERE, 3, 100, 5), Quote(THERE, 4, 99, 101, 5, 5), BookSnapshot(THERE, 5, 5, 1, *levels)]
    for event in (*here, *there, Timer(6)):
        engine.step(event)
    assert one.heard == [*here, Timer(6)]
    assert everyone.heard == [*here, *there, Timer(6)]
