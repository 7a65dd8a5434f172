"""A desk that buys one contract now and then at each of two venues, for tests of a program with several of them."""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from millrace.core.binary_events import BinaryQuote
from millrace.core.commands import Intent, Place, Side, Style
from millrace.core.events import MarketBlock, Print, Quote
from millrace.core.ids import SubPosition
from millrace.core.instrument import Outcome, outcome_id
from millrace.core.strategy import Interest
from millrace.strategies.arb.rules.records import NO_RULES
from millrace.world.arb import desk
from millrace.world.arb.desk import DeskMarkets
from millrace.world.folder import run_folder
from prediction_venue import KALSHI, ONE, POLY, book, kalshi, polymarket

SECOND = 1_000_000_000
EVERY = 7
"""A purchase each so many quotes."""


class Row(NamedTuple):
    event: Any
    to_venue: bool = True
    to_program: bool = True


def rows(after_ns: int) -> Iterator[Row]:
    """A book of each market in turn each half second; the price walks up and down."""
    number = after_ns // (SECOND // 2) + 1
    while True:
        ts_ns = number * SECOND // 2
        market = (KALSHI, POLY)[number % 2]
        yes = 4_000 + 100 * (number // 10 % 10)
        sides = {"yes_asks": [(yes, 20)], "no_asks": [(10_200 - yes, 20)]}
        yield Row(book(market, ts_ns, **sides))
        number += 1


class ToyDesk:
    ignores: ClassVar[tuple[type, ...]] = (Print, Quote, MarketBlock)

    def __init__(self, name: str, *parts: Any, **more: Any) -> None:
        del more
        self.name = name
        self.facts = parts[0]
        self.seen = self.bought = 0
        self.updates = 0

    def series(self) -> tuple[Any, ...]:
        return ()

    def decide(self, event: Any, view: Any) -> list[Intent]:
        del view
        if type(event).__name__ == "OrderUpdate":
            self.updates += 1
        if not isinstance(event, BinaryQuote):
            return []
        self.seen += 1
        if self.seen % EVERY:
            return []
        self.bought += 1
        name = outcome_id(event.market, Outcome.YES)
        position = SubPosition(self.name, name, f"intra/F/b{self.bought}", "1")
        limit = event.yes_asks[0].ticks
        return [Place(name, Side.BUY, ONE, limit, Style.IOC, position, False, f"b{self.bought}/1/a1", "leg")]

    def interest(self) -> Interest:
        return Interest()

    def snapshot(self) -> dict[str, Any]:
        return {"seen": self.seen, "bought": self.bought, "updates": self.updates}

    def restore(self, state: dict[str, Any]) -> None:
        self.seen, self.bought, self.updates = state["seen"], state["bought"], state["updates"]

    def status(self, view: Any) -> dict[str, Any]:
        del view
        money = {f"{name}_usd": 0.0 for name in ("naked", "expected", "simulated", "realised")}
        counts = {"markets": 2, "found": self.bought, "opened": self.bought, "rejected": 0, "reasons": {}}
        return {**counts, **money, "open_baskets": self.bought, "rules": "none"}


def install(monkeypatch: Any) -> None:
    """Let programs that are made from now on have this desk, when their settings have one."""
    facts = (*kalshi().markets, *polymarket().markets)

    def markets(settings: Any) -> DeskMarkets | None:
        return DeskMarkets(facts, NO_RULES, b"", rows) if settings.arb.enabled else None

    monkeypatch.setattr(desk, "desk_markets", markets)
    monkeypatch.setattr(run_folder, "desk_markets", markets)
    monkeypatch.setattr(desk, "ArbDesk", ToyDesk)
