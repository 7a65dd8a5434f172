"""What the simulated venue holds: orders, prices, money and counters, changed by records alone.

The venue decides (`venue`) and writes down what it decided as a record; here a record becomes state. Nothing else
changes it, so a log of records gives the same state back, with the queues' order, the money on hold and the number of
the next order, and deciding can be read without it.
"""

from base64 import b32encode
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec

from millrace.core.commands import OrderState, Side, Style
from millrace.core.instrument import Lots, Money
from millrace.core.order_truth import VenueOrder
from millrace.sim.amends import apply_amend
from millrace.sim.balances import Balances, need
from millrace.sim.latency import Latency
from millrace.sim.matching import Pair, RestingOrder
from millrace.sim.rate_counter import RateCounter
from millrace.sim.venue_log import (
    Accepted,
    Amended,
    Ended,
    Executed,
    Moved,
    Refused,
    Rejected,
    Rested,
    Unamended,
    VenueRecord,
)
from millrace.sim.venue_settings import AccountSettings


class VenueState:
    """One account's state; `open` is in order of the places in the queue, `ended` in the order of the ends."""

    def __init__(self, settings: AccountSettings) -> None:
        self.settings = settings
        self.latency = Latency(
            settings.seed, settings.request_latency_ns, settings.response_latency_ns, settings.jitter_ns
        )
        self.pairs = {instrument.id: Pair(instrument) for instrument in settings.instruments}
        self.counters = {instrument.id: RateCounter(settings.rate) for instrument in settings.instruments}
        assets = [asset for instrument in settings.instruments for asset in (instrument.base, instrument.quote)]
        self.balances = Balances(settings.opening, assets)
        self.open: dict[str, RestingOrder] = {}
        self.ended: OrderedDict[str, VenueOrder] = OrderedDict()
        self.numbered = 0
        self.answered_ns = 0
        self._id_key = blake2b(str(settings.seed).encode(), digest_size=16).digest()
        self._appliers: dict[type, Callable[[Any], None]] = {
            Accepted: self._accepted,
            Rested: self._rested,
            Rejected: self._rejected,
            Executed: self._executed,
            Amended: self._amended,
            Unamended: self._rejected,
            Ended: self._order_ended,
            Refused: self._refused,
            Moved: self._moved,
        }

    def apply(self, record: VenueRecord) -> None:
        """Take one record."""
        self._appliers[type(record)](record)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as builtins, for comparison."""
        return {
            "balances": self.balances.pairs(),
            "open": {
                client_id: (msgspec.to_builtins(order.described()), order.style.value, order.touched_ns, order.held)
                for client_id, order in self.open.items()
            },
            "ended": {client_id: msgspec.to_builtins(order) for client_id, order in self.ended.items()},
            "numbered": self.numbered,
            "answered_ns": self.answered_ns,
            "pairs": {
                str(pair.instrument.id): {
                    "prices": (pair.last_ticks, pair.bid_ticks, pair.ask_ticks),
                    "now_ns": pair.now_ns,
                    "open_orders": pair.open_orders,
                    "counter": (counter.level, counter.ts_ns),
                    "queues": [[order.client_id for order in table] for table in (pair.buys, pair.sells)],
                    "budgets": [
                        (budget.bar, budget.used)
                        for table in (pair.buys, pair.sells)
                        for budget in (table.printed, table.displayed)
                    ],
                }
                for pair, counter in zip(self.pairs.values(), self.counters.values(), strict=True)
            },
        }

    def _accepted(self, record: Accepted) -> None:
        pair = self.pairs[record.instrument]
        pair.advance(record.ts_ns)
        self.counters[record.instrument].set(record.counter, record.ts_ns)
        self.numbered = record.number
        _, amount = need(pair.instrument, record.side, record.limit_ticks, record.lots)
        order = RestingOrder(
            instrument=pair.instrument,
            client_id=record.client_id,
            venue_order_id=self._order_id(record.number),
            side=record.side,
            style=record.style,
            lots=record.lots,
            limit_ticks=record.limit_ticks,
            placed_ns=record.ts_ns,
            response_ns=self.latency.response_ns(record.client_id),
            held=amount,
            touched_ns=record.ts_ns,
        )
        self._rest(pair, order)
        self._answered(record.ts_ns + order.response_ns)

    def _rest(self, pair: Pair, order: RestingOrder) -> None:
        pair.open_orders += 1
        self.balances.place(order.held_asset, order.held)
        self.open[order.client_id] = order
        self.ended.pop(order.client_id, None)
        pair.table(order.side).add(order)

    def _rested(self, record: Rested) -> None:
        pair = self.pairs[record.instrument]
        pair.advance(record.ts_ns)
        left = record.lots - record.cum_lots
        order = RestingOrder(
            instrument=pair.instrument,
            client_id=record.venue_order_id,
            venue_order_id=record.venue_order_id,
            side=record.side,
            style=Style.POST_ONLY,
            lots=record.lots,
            limit_ticks=record.limit_ticks,
            placed_ns=record.placed_ns,
            response_ns=self.latency.response_ns(record.venue_order_id),
            held=need(pair.instrument, record.side, record.limit_ticks, left)[1],
            touched_ns=record.placed_ns,
            cum_lots=record.cum_lots,
            cum_cost=record.cum_cost,
            cum_fee=record.cum_fee,
            before_lots=record.cum_lots,
            before_cost=record.cum_cost,
            before_fee=record.cum_fee,
            told_as=record.told_as,
        )
        self._rest(pair, order)

    def _executed(self, record: Executed) -> None:
        order = self.open[record.client_id]
        pair = self.pairs[order.instrument.id]
        pair.advance(record.ts_ns)
        table = pair.table(order.side)
        if record.bar is not None:
            (table.displayed if record.quoted else table.printed).spend(record.bar, record.lots)
        self._fill(pair, order, record.lots, record.cum_cost, record.cum_fee)
        self._answered(record.ts_ns + order.response_ns)

    def _fill(self, pair: Pair, order: RestingOrder, lots: Lots, cum_cost: Money, cum_fee: Money) -> None:
        """Book `lots` more of an order, whose cost and fee are these in all then."""
        d_cost, d_fee = cum_cost - order.cum_cost, cum_fee - order.cum_fee
        order.cum_lots += lots
        order.cum_cost, order.cum_fee = cum_cost, cum_fee
        filled = order.cum_lots == order.lots
        if order.side is Side.BUY:
            released = order.held if filled else d_cost + d_fee
            self.balances.bought(order.instrument, lots, d_cost + d_fee, released)
        else:
            released = order.instrument.base_amount(lots)
            self.balances.sold(order.instrument, lots, d_cost - d_fee)
        order.held -= released
        if filled:
            self._close(pair, order, OrderState.FILLED, "")

    def _amended(self, record: Amended) -> None:
        order = self.open[record.client_id]
        pair = self.pairs[order.instrument.id]
        pair.advance(record.ts_ns)
        self.counters[order.instrument.id].set(record.counter, record.ts_ns)
        held = order.held
        if apply_amend(pair.table(order.side), order, record):
            self.open[record.client_id] = self.open.pop(record.client_id)  # in order of the places in the queue
        self.balances.place(order.held_asset, order.held - held)
        self._answered(record.ts_ns + order.response_ns)

    def _order_ended(self, record: Ended) -> None:
        order = self.open[record.client_id]
        pair = self.pairs[order.instrument.id]
        pair.advance(record.ts_ns)
        self.counters[order.instrument.id].set(record.counter, record.ts_ns)
        self.balances.release(order.held_asset, order.held)
        self._close(pair, order, OrderState(record.status.value), record.reason)
        self._answered(record.ts_ns + order.response_ns)

    def _rejected(self, record: Rejected | Unamended) -> None:
        pair = self.pairs.get(record.instrument)
        if pair is not None:
            pair.advance(record.ts_ns)
            self.counters[record.instrument].set(record.counter, record.ts_ns)
        self._answered(record.ts_ns + self.latency.response_ns(record.client_id))

    def _refused(self, record: Refused) -> None:
        pair = self.pairs.get(record.instrument)
        if pair is not None:
            pair.advance(record.ts_ns)
        self._answered(record.ts_ns + self.latency.response_ns(record.client_id))

    def _moved(self, record: Moved) -> None:
        pair = self.pairs[record.instrument]
        pair.now_ns = record.ts_ns
        pair.last_ticks, pair.bid_ticks, pair.ask_ticks = record.last_ticks, record.bid_ticks, record.ask_ticks

    def _close(self, pair: Pair, order: RestingOrder, state: OrderState, reason: str) -> None:
        del self.open[order.client_id]
        pair.table(order.side).remove(order)
        pair.open_orders -= 1
        self.ended[order.client_id] = order.described(state, reason)
        if len(self.ended) > self.settings.ended_kept:
            self.ended.popitem(last=False)

    def _answered(self, ts_ns: int) -> None:
        self.answered_ns = max(self.answered_ns, ts_ns)

    def _order_id(self, number: int) -> str:
        """Sixteen base32 digits of a hash of the count, grouped as Kraken groups them (venues 1.4)."""
        digits = b32encode(blake2b(number.to_bytes(8, "big"), key=self._id_key, digest_size=10).digest()).decode()
        return f"O{digits[:5]}-{digits[5:10]}-{digits[10:]}"
