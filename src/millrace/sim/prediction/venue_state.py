"""What the simulated venue of binary markets holds: books, orders, contracts and cash, changed by records alone.

The venue decides (`venue`) and writes a record of it; here the record becomes state. Cash and contracts move on this
page only, so that their conservation can be read off it: cash leaves with cost and fee of buys, comes with sells,
pairs and endings, and a contract exists because somebody paid for it.
"""

from base64 import b32encode
from collections import OrderedDict, deque
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import msgspec

from millrace.core.binary_events import MarketResolved, PairsRedeemed, RedeemRoute
from millrace.core.commands import OrderState, Side
from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.instrument import Instrument, InstrumentId, Lots, Money, Outcome, half_even, outcome_id, outcome_of
from millrace.core.order_truth import VenueOrder
from millrace.sim.balances import Balances
from millrace.sim.prediction.book import Book
from millrace.sim.prediction.order import WorkingOrder, terms_of
from millrace.sim.prediction.settings import Luck, PredictionSettings
from millrace.sim.prediction.venue_records import (
    Accepted,
    Amended,
    Ended,
    Executed,
    Netted,
    PhaseSet,
    PredictionRecord,
    Refused,
    Rejected,
    Resolved,
    Shown,
    Traded,
)


def settlement_fee(instrument: Instrument, lots: Lots) -> Money:
    """Return what the venue keeps of winning contracts, in the currency's ledger units, rounded up."""
    nano = lots * terms_of(instrument)[1].settlement_flat_nano
    return -(-nano // int(10 ** (instrument.lot_decimals + 9 - instrument.quote_decimals)))


class PredictionState:
    """One account's state; `basis` is what the contracts held of an outcome cost, without fees.

    `open` and `ended` are in the order in which orders came and went.
    """

    def __init__(self, settings: PredictionSettings) -> None:
        self.settings = settings
        self.luck = Luck(settings)
        self.instruments = {instrument.id: instrument for instrument in settings.instruments}
        self.facts = {facts.market: facts for facts in settings.markets}
        self.books = {facts.market: Book(facts.market, mirrored=facts.mirrored) for facts in settings.markets}
        self.cash = Balances(settings.opening, [instrument.quote for instrument in settings.instruments])
        self.held: dict[InstrumentId, Lots] = {}
        self.basis: dict[InstrumentId, Money] = {}
        self.selling: dict[InstrumentId, Lots] = {}
        self.open: dict[str, WorkingOrder] = {}
        self.ended: OrderedDict[str, VenueOrder] = OrderedDict()
        self.numbered = 0
        self.answered_ns = 0
        self.now_ns = 0
        self.endings: deque[MarketResolved | PairsRedeemed] = deque(maxlen=settings.ended_kept)
        self.nettings = 0
        self._id_key = blake2b(f"{settings.venue}/{settings.seed}".encode(), digest_size=16).digest()
        self._appliers: dict[type, Callable[[Any], None]] = {
            Shown: self._shown,
            Traded: self._traded,
            Accepted: self._accepted,
            Rejected: self._answered_only,
            Refused: self._answered_only,
            Amended: self._amended,
            Executed: self._executed,
            Ended: self._order_ended,
            Netted: self._netted,
            PhaseSet: self._phase_set,
            Resolved: self._resolved,
        }

    def apply(self, record: PredictionRecord) -> None:
        """Take one record."""
        self._appliers[type(record)](record)

    def sellable(self, instrument: InstrumentId) -> Lots:
        """Return the contracts that no open sell speaks for."""
        return self.held.get(instrument, 0) - self.selling.get(instrument, 0)

    def pair(self, market: InstrumentId) -> tuple[Instrument, Instrument]:
        """Return the instruments of a market's YES and NO."""
        yes, no = (self.instruments[outcome_id(market, outcome)] for outcome in Outcome)
        return yes, no

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as builtins, for comparison."""
        return {
            "cash": self.cash.pairs(),
            "held": {str(name): (lots, self.basis[name]) for name, lots in self.held.items()},
            "selling": {str(name): lots for name, lots in self.selling.items() if lots},
            "open": {
                client_id: (
                    msgspec.to_builtins(order.described()),
                    order.saved(),
                )
                for client_id, order in self.open.items()
            },
            "ended": {client_id: msgspec.to_builtins(order) for client_id, order in self.ended.items()},
            "numbered": self.numbered,
            "times": (self.answered_ns, self.now_ns),
            "books": {
                str(market): (
                    msgspec.to_builtins(book.quote),
                    [
                        sorted((key.outcome.value, key.turned, key.ticks, lots) for key, lots in gone.items())
                        for gone in (book.used, book.traded)
                    ],
                    [row[2].client_id for outcome in Outcome for row in book.resting[outcome]],
                    (book.phase.value, book.is_resolved, book.now_ns),
                )
                for market, book in self.books.items()
                if book.now_ns
            },
        }

    # Records

    def _shown(self, record: Shown) -> None:
        book = self.books[record.quote.market]
        book.now_ns = self.now_ns = record.quote.ts_ns
        book.show(record.quote)
        for outcome in Outcome:
            for _, _, order in book.resting[outcome]:
                if book.reaches(outcome, order.pays_ticks):
                    order.ahead = min(order.ahead, book.standing(outcome, order.pays_ticks))

    def _traded(self, record: Traded) -> None:
        self._at(self.books[outcome_of(record.trade.instrument)[0]], record.trade.ts_ns).trade(record.key, record.lots)

    def _accepted(self, record: Accepted) -> None:
        instrument = self.instruments[record.instrument]
        self.numbered = record.number
        order = WorkingOrder(
            instrument=instrument,
            client_id=record.client_id,
            venue_order_id=self._order_id(record.number),
            side=record.side,
            style=record.style,
            lots=record.lots,
            limit_ticks=record.limit_ticks,
            placed_ns=record.ts_ns,
            response_ns=self.settings.response_latency_ns,
            number=record.number,
            ahead=record.ahead,
        )
        self._hold(order)
        self.open[order.client_id] = order
        self.ended.pop(order.client_id, None)
        self._at(self._book(order), record.ts_ns).rest(order)
        self._told(record.ts_ns)

    def _amended(self, record: Amended) -> None:
        order = self.open[record.client_id]
        book = self._at(self._book(order), record.ts_ns)
        if record.ahead >= 0:
            self.numbered += 1
            book.leave(order)
            order.number, order.ahead = self.numbered, record.ahead
        order.take_terms(record.lots, record.limit_ticks)
        if record.ahead >= 0:
            book.rest(order)
        self._hold(order)
        self._told(record.ts_ns)

    def _executed(self, record: Executed) -> None:
        order = self.open[record.client_id]
        book = self._at(self._book(order), record.ts_ns)
        for key, lots in record.used:
            book.use(key, lots)
        order.ahead = record.ahead
        lots, cost, fee = order.trade(record.trades)
        name, currency = order.instrument.id, order.instrument.quote
        self._hold(order)
        self.cash.free[currency] -= order.side.sign * cost + fee
        if order.side is Side.BUY and (lots or cost):
            self.held[name] = self.held.get(name, 0) + lots
            self.basis[name] = self.basis.get(name, 0) + cost
        elif lots:
            self._give(name, lots)
        if not order.left:
            net = order.cum_lots < order.lots
            self._close(order, OrderState.CANCELLED if net else OrderState.FILLED, FILLED_NET if net else "")
        self._told(record.ts_ns)

    def _order_ended(self, record: Ended) -> None:
        order = self.open[record.client_id]
        self._at(self._book(order), record.ts_ns)
        self._close(order, OrderState(record.status.value), record.reason)
        self._told(record.ts_ns)

    def _netted(self, record: Netted) -> None:
        book = self._at(self.books[record.market], record.ts_ns)
        yes, no = self.pair(book.market)
        for instrument in (yes, no):
            self._give(instrument.id, record.lots)
        proceeds = yes.cost(PAYOUT_TICKS, record.lots)
        self.cash.free[yes.quote] += proceeds
        self._told(record.ts_ns)
        self.nettings += 1
        told = (record.lots, proceeds, RedeemRoute.NET, self.answered_ns, self.nettings)
        self.endings.append(PairsRedeemed(record.market, *told))

    def _phase_set(self, record: PhaseSet) -> None:
        self._at(self.books[record.market], record.ts_ns).phase = record.phase
        self._told(record.ts_ns)

    def _resolved(self, record: Resolved) -> None:
        book = self._at(self.books[record.market], record.ts_ns)
        book.is_resolved = True
        book.used.clear()
        book.traded.clear()
        yes, no = self.pair(book.market)
        for instrument in (yes, no):
            self._give(instrument.id, self.held.get(instrument.id, 0))
        self.cash.free[yes.quote] += record.paid - record.fee
        self._told(record.ts_ns)
        fees = (settlement_fee(yes, 10**yes.lot_decimals), record.paid, record.fee)
        self.endings.append(MarketResolved(record.market, record.yes_ticks, self.answered_ns, *fees))

    def _answered_only(self, record: Rejected | Refused) -> None:
        self.now_ns = max(self.now_ns, record.ts_ns)
        self._told(record.ts_ns)

    # Parts of them

    def _book(self, order: WorkingOrder) -> Book:
        return self.books[outcome_of(order.instrument.id)[0]]

    def _at(self, book: Book, ts_ns: int) -> Book:
        book.advance(ts_ns)
        self.now_ns = max(self.now_ns, ts_ns)
        return book

    def _hold(self, order: WorkingOrder, need: int | None = None) -> None:
        """Have an order hold what it needs for its rest."""
        need = order.need() if need is None else need
        more, order.held = need - order.held, need
        if order.side is Side.SELL:
            name = order.instrument.id
            self.selling[name] = self.selling.get(name, 0) + more
        else:
            self.cash.place(order.instrument.quote, more)

    def _give(self, name: InstrumentId, lots: Lots) -> None:
        """Part with contracts, and with their share of what they cost."""
        if not lots:
            return
        before = self.held[name]
        self.basis[name] -= half_even(self.basis[name] * lots, before)
        self.held[name] = before - lots
        if before == lots:
            del self.held[name], self.basis[name]

    def _close(self, order: WorkingOrder, state: OrderState, reason: str) -> None:
        self._hold(order, 0)
        del self.open[order.client_id]
        self._book(order).leave(order)
        self.ended[order.client_id] = order.described(state, reason)
        if len(self.ended) > self.settings.ended_kept:
            self.ended.popitem(last=False)

    def _told(self, ts_ns: int) -> None:
        self.answered_ns = max(self.answered_ns, ts_ns + self.settings.response_latency_ns)

    def _order_id(self, number: int) -> str:
        digest = blake2b(number.to_bytes(8, "big"), key=self._id_key, digest_size=10).digest()
        return b32encode(digest).decode().lower()


FILLED_NET = "filled, fee in contracts"
"""Why an order ends that traded whole and whose buyer received less than its lots."""
