"""One market with an edge, a context in which everything may be traded, and a decider: what the gates' tests begin from."""

from typing import Any

from msgspec.structs import replace

from arb_quotes import KALSHI, SECOND, book, market
from millrace.core.binary_events import RedeemRoute
from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.decide import Decider
from millrace.strategies.arb.gates.check import Context
from millrace.strategies.arb.lanes.detector import Detector
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.lanes.universe import Universe
from millrace.strategies.arb.model import Basket, MarketFacts
from millrace.strategies.arb.rules.records import NO_RULES
from millrace.strategies.arb.settings import ArbSettings

NOW_NS = 2 * SECOND
DOLLAR = 10**9
HOME = market(1, "kalshi")


def home_facts(**more: Any) -> MarketFacts:
    given = {"event": "E", "fees": KALSHI, "category": "weather", "pair_route": RedeemRoute.NET, **more}
    return MarketFacts(market=given.pop("market", HOME), **given)


def home_book(yes_ask: float = 40, no_ask: float = 50, contracts: float = 400, named: InstrumentId = HOME, **more: Any):
    given = {"ts_ns": SECOND, **more}
    return book(
        named,
        yes_asks=[(yes_ask, contracts), (yes_ask + 1, contracts)],
        no_asks=[(no_ask, contracts), (no_ask + 1, contracts)],
        yes_bids=[(yes_ask - 1, contracts)],
        no_bids=[(no_ask - 1, contracts)],
        **given,
    )


class Table:
    """A decider with its market, a candidate and the moment; each test changes one thing of it."""

    def __init__(self, settings: ArbSettings | None = None, facts: MarketFacts | None = None, quote=None) -> None:
        self.facts = facts or home_facts()
        self.quote = quote or home_book(named=self.facts.market)
        self.decider = Decider([self.facts], settings=settings)
        detector = Detector(Universe([self.facts], NO_RULES, LaneSettings(min_edge_nano=-(10**9))))
        detector.observe(self.quote)
        (self.basket,) = detector.candidates(NOW_NS)
        self.context = Context(
            now_ns=NOW_NS,
            book=lambda named: self.quote if named == self.facts.market else None,
            tradable=lambda _: (),
            cash={self.facts.market.venue: 5_000 * DOLLAR},
            free={self.facts.market.venue: 5_000 * DOLLAR},
            equity=5_000 * DOLLAR,
        )

    def decide(self, basket: Basket | None = None, **changes: Any):
        return self.decider.decide(basket or self.basket, self.context._replace(**changes))

    def changed(self, **changes: Any) -> Basket:
        return replace(self.basket, **changes)


def contracts(basket: Basket) -> float:
    return basket.lots / CONTRACT_LOTS
