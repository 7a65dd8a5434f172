"""What a venue of books holds beside orders and money: the market's books, and what stands before each of our orders.

Records become state here and nowhere else, as at every simulated venue (`sim.venue_state`).
"""

from typing import Any

from millrace.core.binary_events import Levels
from millrace.core.commands import OrderState, Side
from millrace.core.instrument import Money
from millrace.market.queue_models import queue_model
from millrace.sim.balances import need
from millrace.sim.depth.records import Crossed, Queued, Shown, Took, Traded
from millrace.sim.depth.settings import DepthVenueSettings
from millrace.sim.depth.shown_book import ShownBook
from millrace.sim.matching import Pair, RestingOrder
from millrace.sim.venue_log import Amended
from millrace.sim.venue_state import VenueState


class DepthState(VenueState):
    """One account's state; `ahead` is what stands before an open order at its price."""

    def __init__(self, settings: DepthVenueSettings) -> None:
        super().__init__(settings)
        self.books = {instrument.id: ShownBook() for instrument in settings.instruments}
        self.models = {one.id: queue_model(settings.queue, one.lot_decimals) for one in settings.instruments}
        self.ahead: dict[str, float] = {}
        self._appliers |= {Shown: self._shown, Traded: self._traded, Crossed: self._crossed, Took: self._took}

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as builtins, for comparison."""
        books = {str(instrument): book.saved() for instrument, book in self.books.items()}
        return super().snapshot() | {"ahead": dict(self.ahead), "books": books}

    def _shown(self, record: Shown) -> None:
        self.pairs[record.event.instrument].advance(record.ts_ns)
        self.books[record.event.instrument].show(record.event)
        self._queue(record.queues)

    def _traded(self, record: Traded) -> None:
        event = record.event
        pair = self.pairs[event.instrument]
        pair.advance(record.ts_ns)
        self._queue(record.queues)
        for side in Side:
            if pair.table(side).at(event.ticks):
                self.books[event.instrument].note_trade(side, event.ticks, event.lots)
        self._made(pair, record)

    def _crossed(self, record: Crossed) -> None:
        pair = self.pairs[record.instrument]
        pair.advance(record.ts_ns)
        self.books[record.instrument].use(self.open[record.fills[0].client_id].side, record.used)
        self._made(pair, record)

    def _made(self, pair: Pair, record: Traded | Crossed) -> None:
        """Fill resting orders at their limits."""
        for client_id, lots in record.fills:
            order = self.open[client_id]
            cum_lots, cum_cost, cum_fee = order.executed(order.limit_ticks, lots, maker=True)
            self._fill(pair, order, cum_lots - order.cum_lots, cum_cost, cum_fee)
            self._answered(record.ts_ns + order.response_ns)

    def _took(self, record: Took) -> None:
        order = self.open[record.client_id]
        facts = order.instrument
        pair = self.pairs[facts.id]
        pair.advance(record.ts_ns)
        self.books[facts.id].use(order.side, record.trades)
        if order.side is Side.BUY:
            # It holds what it pays now beside what its rest needs, so that both come out of one hold.
            left = order.lots - order.cum_lots - sum(lots for _, lots in record.trades)
            held = sum(cost + fee for cost, fee in self.taking_costs(order, record.trades))
            held += need(facts, order.side, order.limit_ticks, left)[1]
            self.balances.place(order.held_asset, held - order.held)
            order.held = held
        for (_, lots), (cost, fee) in zip(record.trades, self.taking_costs(order, record.trades), strict=True):
            self._fill(pair, order, lots, order.cum_cost + cost, order.cum_fee + fee)
        order.before_lots, order.before_cost, order.before_fee = order.cum_lots, order.cum_cost, order.cum_fee
        self._answered(record.ts_ns + order.response_ns)

    @staticmethod
    def taking_costs(order: RestingOrder, trades: Levels) -> list[tuple[Money, Money]]:
        """Return cost and taker's fee of each trade."""
        costs = [order.instrument.cost(ticks, lots) for ticks, lots in trades]
        return [(cost, order.instrument.fee(cost, maker=False)) for cost in costs]

    def _queue(self, queues: tuple[Queued, ...]) -> None:
        for client_id, ahead in queues:
            self.ahead[client_id] = ahead

    def _rest(self, pair: Pair, order: RestingOrder) -> None:
        super()._rest(pair, order)
        self.ahead[order.client_id] = self.books[pair.instrument.id].standing(order.side, order.limit_ticks)

    def _amended(self, record: Amended) -> None:
        order = self.open[record.client_id]
        loses_place = record.limit_ticks != order.limit_ticks or record.lots > order.lots
        super()._amended(record)
        if loses_place:
            standing = self.books[order.instrument.id].standing(order.side, order.limit_ticks)
            self.ahead[record.client_id] = standing

    def _close(self, pair: Pair, order: RestingOrder, state: OrderState, reason: str) -> None:
        super()._close(pair, order, state, reason)
        del self.ahead[order.client_id]
