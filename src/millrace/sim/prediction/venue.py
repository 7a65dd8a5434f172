"""A venue of binary markets in process: orders meet the books that it is shown, with partial fills, fees and endings.

It is modest where a backtest would flatter: a take gets what a level shows and no more, at prices that may have slipped
and after others may have been faster (arb 17); a resting order waits until somebody trades at its price, or the book
comes to it, and that has first fed everybody who stood there before; what we took is not there again while the level
stands. A summary without sizes fills nothing. Nobody reacts to us beyond that.

State changes in one way only: a record is made here, logged, and applied (`venue_state`). What we are told travels on
one connection, in the order in which it was given. `docs/simulation.md` names every assumption.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from millrace.core.binary_events import BinaryQuote, MarketResolved, PairsRedeemed, QuoteSource
from millrace.core.commands import Approved, ApprovedAmend, Place, Side, Style
from millrace.core.events import (
    AmendRefused,
    BalanceReport,
    CancelRefused,
    EndStatus,
    Event,
    MarketPhase,
    MarketStatus,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    Print,
    RejectReason,
)
from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.instrument import (
    Instrument,
    InstrumentId,
    Lots,
    Money,
    Outcome,
    Ticks,
    outcome_id,
    outcome_of,
    whole_account,
)
from millrace.orders.fees import OrderFee
from millrace.sim.known_orders import KnownOrders
from millrace.sim.prediction.book import Book
from millrace.sim.prediction.order import WorkingOrder, filled, terms_of
from millrace.sim.prediction.settings import PredictionSettings
from millrace.sim.prediction.venue_records import (
    Accepted,
    Amended,
    Ended,
    Executed,
    LevelKey,
    Netted,
    PhaseSet,
    PredictionRecord,
    Refused,
    Rejected,
    Resolved,
    Shown,
    Trade,
    Traded,
)
from millrace.sim.prediction.venue_state import FILLED_NET, PredictionState, settlement_fee
from millrace.sim.venue import NOTHING_TO_TAKE, Delivery
from millrace.sim.venue_log import REFUSALS

__all__ = ["PredictionSettings", "PredictionVenue"]

CLOSED = "market closed"
WITH_OURSELVES = "self-trade prevention"
_UNKNOWN_ORDER = "unknown order"


class _Taking(NamedTuple):
    """What an order takes at once: trades at its own prices, and what that uses of the book."""

    trades: tuple[Trade, ...]
    used: tuple[tuple[LevelKey, Lots], ...]
    lots: Lots
    crosses: bool
    meets_us: bool


class PredictionVenue(KnownOrders):
    """One account at one simulated venue. Times of calls about one market must not go back."""

    _state: PredictionState

    def __init__(self, settings: PredictionSettings, log: Callable[[PredictionRecord], None] | None = None) -> None:
        self.settings = settings
        self._log = log
        self._state = PredictionState(settings)

    @classmethod
    def rebuild(
        cls,
        settings: PredictionSettings,
        records: Iterable[PredictionRecord],
        log: Callable[[PredictionRecord], None] | None = None,
    ) -> "PredictionVenue":
        """Return the venue that wrote these records; from there on it writes to `log`."""
        venue = cls(settings)
        for record in records:
            venue._write(record)
        venue._log = log
        # The log may be torn between a record and what it leads to.
        for order in [order for order in venue._state.open.values() if order.style is Style.IOC]:
            venue.end_order(order.client_id, 0, EndStatus.CANCELLED, NOTHING_TO_TAKE)
        for market in [outcome_of(name)[0] for name in venue._state.held]:
            venue._net(market, venue._state.books[market].now_ns)
        return venue

    # Requests

    def arrival_ns(self, client_id: str, sent_ns: int) -> int:
        """Return when a request about this order, sent at `sent_ns`, reaches the venue."""
        return sent_ns + self._state.luck.travel_ns(client_id)

    def place(self, approved: Approved, ts_ns: int) -> list[Delivery]:
        """Handle an order that arrives at `ts_ns`."""
        order, client_id = approved.order, approved.client_id
        instrument = self._state.instruments.get(order.instrument)
        if instrument is None:
            return self._reject(client_id, ts_ns, RejectReason.UNKNOWN_INSTRUMENT, str(order.instrument))
        book = self._book(order.instrument)
        ts_ns = max(ts_ns, book.now_ns)
        taking = self._taking(book, instrument, order.side, order.limit_ticks, order.lots, client_id)
        fault = self._fault(book, instrument, order, client_id, taking, ts_ns)
        if fault is not None:
            return self._reject(client_id, ts_ns, fault, _SAID.get(fault) or REFUSALS[fault])
        wants, ticks = _in_effect(instrument, order.side, order.limit_ticks)
        ahead = book.standing(wants, ticks)
        terms = (order.instrument, order.side, order.style, order.lots, order.limit_ticks)
        self._write(Accepted(ts_ns, client_id, *terms, ahead, self._state.numbered + 1))
        working = self._state.open[client_id]
        answers = [self._answer(OrderAccepted(client_id, working.venue_order_id, self._state.answered_ns))]
        self._take(book, working, taking, ts_ns, answers)
        return self._with_balances(answers)

    def amend(self, amend: ApprovedAmend, ts_ns: int) -> list[Delivery]:
        """Handle new terms of an open order; it keeps its place only when it gets smaller at the same price."""
        client_id, order = amend.client_id, self._state.open.get(amend.client_id)
        if order is None:
            return self._refuse_amend(amend, ts_ns, RejectReason.UNKNOWN_ORDER)
        book, instrument = self._book(order.instrument.id), order.instrument
        ts_ns = max(ts_ns, book.now_ns)
        taking = self._taking(book, instrument, order.side, amend.limit_ticks, amend.lots - order.gross, client_id)
        place = amend.order
        fault = RejectReason.BELOW_FILLED if amend.lots <= order.gross else _off_grid(instrument, amend)
        if fault is None and taking.crosses and place.style is Style.POST_ONLY:
            fault = RejectReason.POST_ONLY_WOULD_CROSS
        rest = amend.lots - order.gross
        free = self._free(instrument, order.side) + order.held
        if fault is None and free < self._need(instrument, order.side, amend.limit_ticks, rest, taking):
            fault = RejectReason.INSUFFICIENT_FUNDS
        if fault is not None:
            return self._refuse_amend(amend, ts_ns, fault)
        stays = amend.limit_ticks == order.limit_ticks and amend.lots <= order.lots
        ahead = -1 if stays else book.standing(*_in_effect(instrument, order.side, amend.limit_ticks))
        self._write(Amended(ts_ns, client_id, amend.lots, amend.limit_ticks, ahead))
        told = OrderAmended(client_id, amend.revision, amend.lots, amend.limit_ticks, self._state.answered_ns)
        answers = [self._answer(told)]
        if not stays:
            self._take(book, order, taking, ts_ns, answers)
        return self._with_balances(answers)

    def cancel(self, instrument: InstrumentId, client_id: str, ts_ns: int) -> list[Delivery]:
        """Handle a cancel that arrives at `ts_ns`."""
        order = self._state.open.get(client_id)
        if order is None or instrument not in {order.instrument.id, whole_account(self.settings.venue)}:
            self._write(Refused(ts_ns, client_id))
            return [self._answer(CancelRefused(client_id, _UNKNOWN_ORDER, self._state.answered_ns))]
        return self.end_order(client_id, ts_ns, EndStatus.CANCELLED, "user")

    # What nobody asked for

    def end_order(self, client_id: str, ts_ns: int, status: EndStatus, reason: str) -> list[Delivery]:
        """End an open order as the venue does of its own accord: it expires, or is purged; none: it is not open."""
        order = self._state.open.get(client_id)
        if order is None:
            return []
        ended = self._end(order, max(ts_ns, self._book(order.instrument.id).now_ns), status, reason)
        return self._with_balances([ended])

    def restart(self, ts_ns: int) -> None:
        """Come back with no orders and tell nobody: every open order is cancelled."""
        for client_id in list(self._state.open):
            self.end_order(client_id, ts_ns, EndStatus.CANCELLED, "venue restarted")

    def set_phase(self, market: InstrumentId, phase: MarketPhase, ts_ns: int) -> list[Delivery]:
        """Pause a market, or open it again; what rests stays and waits."""
        self._write(PhaseSet(max(ts_ns, self._state.books[market].now_ns), market, phase))
        names = [outcome_id(market, outcome) for outcome in Outcome]
        return [self._answer(MarketStatus(name, phase, "", self._state.answered_ns)) for name in names]

    def resolve(self, market: InstrumentId, yes_ticks: Ticks | None, ts_ns: int) -> list[Delivery]:
        """End a market: its orders expire, its contracts are paid; of a void one what they cost comes back."""
        state, book = self._state, self._state.books[market]
        ts_ns = max(ts_ns, book.now_ns)
        orders = [order for outcome in Outcome for _, _, order in book.resting[outcome]]
        answers = [self._end(order, ts_ns, EndStatus.EXPIRED, CLOSED) for order in orders]
        yes, no = state.pair(market)
        paid = fee = 0
        for instrument, ticks in ((yes, yes_ticks), (no, None if yes_ticks is None else PAYOUT_TICKS - yes_ticks)):
            lots = state.held.get(instrument.id, 0)
            paid += state.basis.get(instrument.id, 0) if ticks is None else instrument.cost(ticks, lots)
            fee += settlement_fee(instrument, lots) if ticks else 0
        self._write(Resolved(ts_ns, market, yes_ticks, paid, fee))
        answers.append(self._answer(state.endings[-1]))
        return self._with_balances(answers) if paid or orders else answers

    # Market data

    def on_book(self, quote: BinaryQuote) -> list[Delivery]:
        """Take a market's newer book: resting orders that it comes to trade, behind those who stood there first."""
        book = self._state.books.get(quote.market)
        if book is None or quote.source is QuoteSource.SUMMARY or book.is_resolved:
            return []
        self._write(Shown(quote))
        closes_ns = self._state.facts[book.market].close_ns
        if closes_ns is not None and quote.ts_ns >= closes_ns:
            rows = [row for outcome in Outcome for row in book.resting[outcome]]
            return self._with_balances([self._end(row[2], quote.ts_ns, EndStatus.EXPIRED, CLOSED) for row in rows])
        if not (book.resting[Outcome.YES] or book.resting[Outcome.NO]) or book.phase is not MarketPhase.OPEN:
            return []
        answers: list[Delivery] = []
        for order in [order for outcome in Outcome for _, _, order in book.resting[outcome]]:
            self._fed(book, order, quote.ts_ns, answers)
        return self._with_balances(answers)

    def on_trade(self, trade: Print) -> list[Delivery]:
        """Take a trade of others: whoever took met our better prices first, then those who stood before us at his.

        A trade by nobody knows whom brings nobody forward.
        """
        market, outcome = outcome_of(trade.instrument)
        book = self._state.books.get(market)
        if book is None or book.is_resolved or book.phase is not MarketPhase.OPEN or trade.taker_sells is None:
            return []
        takes, pays = (outcome, trade.ticks) if not trade.taker_sells else (
            outcome.opposite, PAYOUT_TICKS - trade.ticks
        )  # fmt: skip
        left, before, fills = trade.lots, 0, []
        for _, _, order in book.resting[takes.opposite]:
            asks = PAYOUT_TICKS - order.pays_ticks
            if asks > pays:
                break
            others = min(max(order.ahead - before, 0), left) if asks == pays else 0
            ours = min(left - others, order.left)
            ours -= ours % order.instrument.lot
            before += others
            left -= others + ours
            fills.append((order, ours, max(order.ahead - before, 0) if asks == pays else 0))
        turned = not book.mirrored and trade.taker_sells
        self._write(Traded(trade, LevelKey(takes, turned, pays), left + before))
        answers: list[Delivery] = []
        for order, ours, ahead in fills:
            trades = (Trade(order.limit_ticks, ours, True),) if ours else ()
            if trades or ahead != order.ahead:
                self._execute(book, order, Executed(trade.ts_ns, order.client_id, trades, (), ahead), answers)
        return self._with_balances(answers)

    # Questions

    def balances(self) -> dict[str, tuple[Money, Money]]:
        """Return currency -> (free, hold) now; contracts are positions, not balances."""
        return self._state.cash.pairs()

    def statement(self) -> dict[str, tuple[Money, Money]]:
        """Return what it says when it is asked what we own: the currency, and the contracts that are held."""
        held = {self._state.instruments[name].base: (lots, 0) for name, lots in self._state.held.items() if lots}
        return self.balances() | held

    def endings(self, since_ns: int) -> tuple[MarketResolved | PairsRedeemed, ...]:
        """Return what it paid without an order since then, in order; of very long ago it knows nothing any more."""
        return tuple(event for event in self._state.endings if event.ts_ns >= since_ns)

    def positions(self) -> dict[InstrumentId, Lots]:
        """Return the contracts held of each outcome."""
        return dict(self._state.held)

    @property
    def now_ns(self) -> int:
        """The latest time that the venue has worked through or answered at; 0 before anything happened."""
        return max(self._state.answered_ns, self._state.now_ns)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as builtins, for comparison."""
        return self._state.snapshot()

    # Deciding

    def _book(self, instrument: InstrumentId) -> Book:
        return self._state.books[outcome_of(instrument)[0]]

    def _fault(
        self, book: Book, instrument: Instrument, order: Place, client_id: str, taking: _Taking, ts_ns: int
    ) -> RejectReason | None:
        facts = self._state.facts[book.market]
        closed = book.is_resolved or (facts.close_ns is not None and ts_ns >= facts.close_ns)
        if closed or book.phase is not MarketPhase.OPEN or facts.fees is None:
            return RejectReason.MARKET_CLOSED
        if client_id in self._state.open:
            return RejectReason.DUPLICATE_CLIENT_ID
        off = _off_grid(instrument, order)
        if off is not None:
            return off
        if taking.crosses and order.style is Style.POST_ONLY:
            return RejectReason.POST_ONLY_WOULD_CROSS
        if order.side is Side.SELL and not facts.can_sell:
            return RejectReason.OTHER
        needed = self._need(instrument, order.side, order.limit_ticks, order.lots, taking)
        return RejectReason.INSUFFICIENT_FUNDS if self._free(instrument, order.side) < needed else None

    def _free(self, instrument: Instrument, side: Side) -> int:
        if side is Side.SELL:
            return self._state.sellable(instrument.id)
        return self._state.cash.free[instrument.quote]

    def _need(self, instrument: Instrument, side: Side, limit_ticks: Ticks, lots: Lots, taking: _Taking) -> int:
        """Return what an order must have: contracts, or the money for what it takes and for its rest at the limit."""
        if side is Side.SELL:
            return lots
        rest = lots - taking.lots
        sent = filled(instrument, side, OrderFee(), taking.trades).paid
        resting = instrument.cost(limit_ticks, rest) + instrument.most_fee(limit_ticks, rest, may_take=False)
        whole = instrument.cost(limit_ticks, lots) + instrument.most_fee(limit_ticks, lots, may_take=False)
        return max(sent + resting, whole)

    def _taking(
        self, book: Book, instrument: Instrument, side: Side, limit_ticks: Ticks, lots: Lots, client_id: str
    ) -> _Taking:
        """Return what an order takes that arrives now: level by level, never beyond its limit."""
        wants, worst = _in_effect(instrument, side, limit_ticks)
        luck, lot = self._state.luck, instrument.lot
        own = book.own_ticks(wants)
        slipped, beaten = luck.slipped_ticks(client_id, instrument.tick), luck.is_beaten(client_id)
        left, crosses = lots, worst >= own
        traded: dict[Ticks, Lots] = {}
        used: list[tuple[LevelKey, Lots]] = []
        for key, shown in book.offers(wants):
            if key.ticks > worst:
                break
            crosses = True
            pays = key.ticks + slipped
            if pays > worst or pays >= own or pays >= PAYOUT_TICKS or left <= 0:
                break
            there = shown // 2 if beaten else shown
            take = min(left, there - there % lot)
            if take > 0:
                left -= take
                at = pays if side is Side.BUY else PAYOUT_TICKS - pays
                traded[at] = traded.get(at, 0) + take
                used.append((key, take + shown - there))
        trades = tuple(Trade(ticks, done, False) for ticks, done in traded.items())
        return _Taking(trades, tuple(used), lots - left, crosses, worst >= own)

    def _take(self, book: Book, order: WorkingOrder, taking: _Taking, ts_ns: int, answers: list[Delivery]) -> None:
        if taking.trades:
            self._execute(
                book, order, Executed(ts_ns, order.client_id, taking.trades, taking.used, order.ahead), answers
            )
        if order.client_id not in self._state.open:
            return
        if taking.meets_us or order.style is Style.IOC:
            reason = WITH_OURSELVES if taking.meets_us else NOTHING_TO_TAKE
            answers.append(self._end(order, ts_ns, EndStatus.CANCELLED, reason))

    def _fed(self, book: Book, order: WorkingOrder, ts_ns: int, answers: list[Delivery]) -> None:
        """Trade a resting order with what is offered up to its price, after those who stood there first."""
        ahead, left, done = order.ahead, order.left, 0
        used: list[tuple[LevelKey, Lots]] = []
        for key, lots in book.offers(order.wants):
            if key.ticks > order.pays_ticks or not left:
                break
            others = min(lots, ahead)
            ours = min(lots - others, left)
            ours -= ours % order.instrument.lot
            ahead -= others
            left -= ours
            done += ours
            used.append((key, others + ours))
        if not used:
            return
        trades = (Trade(order.limit_ticks, done, True),) if done else ()
        self._execute(book, order, Executed(ts_ns, order.client_id, trades, tuple(used), ahead), answers)

    def _execute(self, book: Book, order: WorkingOrder, record: Executed, answers: list[Delivery]) -> None:
        self._write(record)
        if not record.trades:
            return
        progress = self._progress(order)
        if not order.left and order.cum_lots < order.lots:
            answers.append(self._answer(OrderEnded(progress, EndStatus.CANCELLED, FILLED_NET)))
        else:
            answers.append(self._answer(progress))
        answers += self._net(book.market, record.ts_ns)

    def _net(self, market: InstrumentId, ts_ns: int) -> list[Delivery]:
        """Turn pairs into dollars where the venue does that by itself."""
        if not self.settings.nets:
            return []
        yes, no = self._state.pair(market)
        lots = min(self._state.sellable(yes.id), self._state.sellable(no.id))
        if lots <= 0:
            return []
        self._write(Netted(ts_ns, market, lots))
        return [self._answer(self._state.endings[-1])]

    def _progress(self, order: WorkingOrder) -> OrderProgress:
        totals = (order.cum_lots, order.cum_cost, order.cum_fee)
        return OrderProgress(order.client_id, *totals, self._state.answered_ns)

    def _end(self, order: WorkingOrder, ts_ns: int, status: EndStatus, reason: str) -> Delivery:
        self._write(Ended(ts_ns, order.client_id, status, reason))
        return self._answer(OrderEnded(self._progress(order), status, reason))

    def _reject(self, client_id: str, ts_ns: int, reason: RejectReason, text: str) -> list[Delivery]:
        self._write(Rejected(ts_ns, client_id, 0, reason))
        return [self._answer(OrderRejected(client_id, reason, text, self._state.answered_ns))]

    def _refuse_amend(self, amend: ApprovedAmend, ts_ns: int, reason: RejectReason) -> list[Delivery]:
        self._write(Rejected(ts_ns, amend.client_id, amend.revision, reason))
        return [self._answer(AmendRefused(amend.client_id, amend.revision, reason, self._state.answered_ns))]

    def _answer(self, event: Event) -> Delivery:
        return Delivery(self._state.answered_ns, event)

    def _with_balances(self, answers: list[Delivery]) -> list[Delivery]:
        if answers:
            report = BalanceReport(self.settings.venue, self._state.cash.pairs(), self._state.answered_ns)
            answers.append(self._answer(report))
        return answers

    def _write(self, record: PredictionRecord) -> None:
        if self._log is not None:
            self._log(record)
        self._state.apply(record)


_SAID = {
    RejectReason.MARKET_CLOSED: "the market is closed or paused",
    RejectReason.OTHER: "outcomes cannot be sold here: buy the other one",
    RejectReason.BELOW_MINIMUM: "size is below the minimum",
}


def _in_effect(instrument: Instrument, side: Side, limit_ticks: Ticks) -> tuple[Outcome, Ticks]:
    """Return the outcome that an order buys in effect, and the most that it pays."""
    outcome = terms_of(instrument)[0]
    return (outcome, limit_ticks) if side is Side.BUY else (outcome.opposite, PAYOUT_TICKS - limit_ticks)


def _off_grid(instrument: Instrument, terms: Place | ApprovedAmend) -> RejectReason | None:
    ticks, lots = terms.limit_ticks, terms.lots
    if not 0 < ticks < PAYOUT_TICKS or ticks % instrument.tick or lots % instrument.lot:
        return RejectReason.BAD_TICK_OR_LOT
    return RejectReason.BELOW_MINIMUM if lots < max(instrument.min_lots, 1) else None
