"""Where our resting orders stand in their queues, kept from what the feed shows since they arrived (quoting 4.5).

An order starts behind all that stands at its price when the venue first shows it as resting. Trades at the price
advance it by what they took; what else left the level is shared out by a queue model, because nobody says whose order
went. The desk asks once a tick, so a level that was emptied and filled again between two ticks counts as trades allow.
"""

from collections.abc import Iterable
from math import ceil
from typing import Any, NamedTuple

from millrace.core.commands import Side
from millrace.core.events import Print
from millrace.core.instrument import Lots, Ticks
from millrace.market.queue_models import LogQueue, PowerQueue, QueueModel, RiskAverse
from millrace.strategies.quoting.model import MarketData, SymbolTerms
from millrace.strategies.quoting.settings import QueueSettings


class Resting(NamedTuple):
    """An order that rests at the venue: its key, side, price, and what may still fill."""

    key: str
    side: Side
    ticks: Ticks
    rest: Lots


class _Followed:
    """One order: lots ahead, lots of others at its price when last seen, and what traded there since."""

    __slots__ = ("ahead", "level", "side", "ticks", "traded")

    def __init__(self, side: Side, ticks: Ticks, ahead: float, level: Lots, traded: Lots = 0) -> None:
        self.side = side
        self.ticks = ticks
        self.ahead = ahead
        self.level = level
        self.traded = traded


def model_of(terms: SymbolTerms, cfg: QueueSettings) -> QueueModel:
    """Return the estimator of the settings; the logarithm counts whole coins."""
    if cfg.model == "log":
        return LogQueue(max(1, round(1.0 / terms.lot_unit)))
    return PowerQueue() if cfg.model == "power" else RiskAverse()


class QueueTracker:
    """Follows the orders of one symbol; show it every trade, and the book with the resting orders at each tick."""

    def __init__(self, model: QueueModel, *, own_in_book: bool) -> None:
        self._model = model
        self._own_in_book = own_in_book
        self._orders: dict[str, _Followed] = {}

    def on_trade(self, trade: Print) -> None:
        """Take a trade of the symbol; one through an order's price leaves nothing ahead of it."""
        if trade.taker_sells is None:
            return
        side = Side.BUY if trade.taker_sells else Side.SELL
        for order in self._orders.values():
            if order.side is not side:
                continue
            if trade.ticks == order.ticks:
                order.traded += trade.lots
                order.ahead = max(order.ahead - trade.lots, 0.0)
            elif (trade.ticks < order.ticks) is (side is Side.BUY):
                order.ahead = 0.0

    def follow(self, resting: Iterable[Resting], book: MarketData) -> None:
        """Compare the book with what stood at our prices, begin with orders that are new, and forget those gone."""
        gone = set(self._orders)
        for order in resting:
            gone.discard(order.key)
            level = _lots_at(book, order.side, order.ticks)
            if level is not None and self._own_in_book:
                level = max(level - order.rest, 0)
            known = self._orders.get(order.key)
            if known is None or known.ticks != order.ticks:
                # A price that cannot be seen lies behind all that can, where nobody knows what stands.
                if level is not None:
                    self._orders[order.key] = _Followed(order.side, order.ticks, float(level), level)
                elif known is not None:
                    del self._orders[order.key]
            elif level is not None:
                known.ahead = self._model.ahead_after(known.ahead, known.level, level, min(known.traded, known.level))
                known.level, known.traded = level, 0
        for key in gone:
            del self._orders[key]

    def ahead(self, key: str) -> Lots | None:
        """Return the lots believed to stand before an order, rounded up; None for one that is not followed."""
        known = self._orders.get(key)
        return None if known is None else ceil(known.ahead)

    def snapshot(self) -> list[list[Any]]:
        """Return the orders as builtins."""
        return [
            [key, one.side.value, one.ticks, one.ahead, one.level, one.traded]
            for key, one in sorted(self._orders.items())
        ]

    def restore(self, state: list[list[Any]]) -> None:
        """Take what `snapshot` gave."""
        self._orders = {key: _Followed(Side(side), *rest) for key, side, *rest in state}


def _lots_at(book: MarketData, side: Side, ticks: Ticks) -> Lots | None:
    """Return what stands at a price, 0 where levels on both sides of it are seen, None beyond what is visible."""
    levels = book.bids if side is Side.BUY else book.asks
    for at, lots in levels:
        if at == ticks:
            return lots
        if (at < ticks) is (side is Side.BUY):
            return 0
    return None
