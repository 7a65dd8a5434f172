"""A venue in process: it takes requests and market data, and answers with what a real one would report.

Fills are deliberately modest (design section 3): a resting order trades at its limit when a print passes it by a tick,
in price-time order and within a share of the bar's volume, or when a quote meets it, within the displayed size. A LIMIT
order that crosses trades whole and at once at the opposing price (the last one where there are no quotes): depth is not
known, so neither is impact. An IOC order does the same or ends at once. Other participants' queues, self-trades and
fees in base are not modelled.

State changes in one way only: a record is made here, logged, and applied (`venue_state`). `rebuild` applies logged
records, so a restarted program finds the venue it left. What we are told travels on one connection: answers arrive in
the order in which they were given, later than the change by the order's response time.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from millrace.core.binary_events import MarketResolved, PairsRedeemed
from millrace.core.commands import Approved, ApprovedAmend, Place, Side, Style
from millrace.core.events import (
    AdoptedOrder,
    AmendRefused,
    BalanceReport,
    CancelRefused,
    EndStatus,
    Event,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    RejectReason,
)
from millrace.core.instrument import PPM, InstrumentId, Lots, Money, Ticks
from millrace.core.order_truth import VenueOrder
from millrace.sim.amends import amend_fault
from millrace.sim.balances import need
from millrace.sim.matching import Pair, RestingOrder, RestingSide
from millrace.sim.rate_counter import ADD_COST, AMEND_COST, amend_cost, cancel_cost
from millrace.sim.venue_log import (
    REFUSALS,
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
from millrace.sim.venue_settings import FillRule, VenueSettings
from millrace.sim.venue_state import VenueState

__all__ = ["Delivery", "FillRule", "SimVenue", "VenueSettings"]


NOTHING_TO_TAKE = "nothing to take"
"""Why an IOC order ends that does not cross."""


class Delivery(NamedTuple):
    """An event and when the program receives it; the event's own time is the same."""

    ts_ns: int
    event: Event


class SimVenue:
    """One account at one simulated venue. Times of calls about one instrument must not go back."""

    def __init__(self, settings: VenueSettings, log: Callable[[VenueRecord], None] | None = None) -> None:
        self.settings = settings
        self._log = log
        self._state = VenueState(settings)
        self._prints_fill = settings.fill_rule is not FillRule.QUOTES
        self._quotes_fill = settings.fill_rule is not FillRule.PRINTS

    @classmethod
    def rebuild(
        cls,
        settings: VenueSettings,
        records: Iterable[VenueRecord],
        log: Callable[[VenueRecord], None] | None = None,
    ) -> "SimVenue":
        """Return the venue that wrote these records; from there on it writes to `log`."""
        venue = cls(settings)
        for record in records:
            venue._write(record)
        venue._log = log
        for order in [order for order in venue._state.open.values() if order.style is Style.IOC]:
            # The log was torn between its arrival and what became of it.
            venue.end_order(order.client_id, 0, EndStatus.CANCELLED, NOTHING_TO_TAKE)
        return venue

    # Requests

    def arrival_ns(self, client_id: str, sent_ns: int) -> int:
        """Return when a request about this order, sent at `sent_ns`, reaches the venue."""
        return sent_ns + self._state.latency.request_ns(client_id)

    def place(self, approved: Approved, ts_ns: int) -> list[Delivery]:
        """Handle an order that arrives at `ts_ns`."""
        order, client_id = approved.order, approved.client_id
        pair = self._state.pairs.get(order.instrument)
        if pair is None:
            return self._reject(approved, ts_ns, RejectReason.UNKNOWN_INSTRUMENT, 0.0)
        pair.advance(ts_ns)
        counter = self._state.counters[order.instrument]
        charged = counter.after(ADD_COST, ts_ns)
        if charged is None:
            return self._reject(approved, ts_ns, RejectReason.RATE_LIMIT, counter.now(ts_ns))
        taken_at = pair.taken_price(order.side, order.limit_ticks)
        fault = self._fault(pair, order, client_id, taken_at)
        if fault is not None:
            return self._reject(approved, ts_ns, fault, charged)
        self._write(
            Accepted(
                ts_ns=ts_ns,
                client_id=client_id,
                instrument=order.instrument,
                side=order.side,
                style=order.style,
                lots=order.lots,
                limit_ticks=order.limit_ticks,
                number=self._state.numbered + 1,
                counter=charged,
            )
        )
        resting = self._state.open[client_id]
        answers = [self._answer(OrderAccepted(client_id, resting.venue_order_id, self._state.answered_ns))]
        if taken_at:
            answers.append(self._execute(resting, ts_ns, order.lots, taken_at, None))
        elif order.style is Style.IOC:
            answers.append(self._end(resting, ts_ns, EndStatus.CANCELLED, NOTHING_TO_TAKE, charged))
        return self._with_balances(answers)

    def amend(self, amend: ApprovedAmend, ts_ns: int) -> list[Delivery]:
        """Handle new terms of an open order that arrive at `ts_ns`; a limit that crosses now takes at once."""
        instrument, client_id = amend.order.instrument, amend.client_id
        pair, counter = self._state.pairs[instrument], self._state.counters[instrument]
        pair.advance(ts_ns)
        order = self._state.open.get(client_id)
        cost = AMEND_COST if order is None else amend_cost(ts_ns - order.touched_ns)
        charged = counter.after(cost, ts_ns)
        if charged is None:
            return self._refuse_amend(amend, ts_ns, RejectReason.RATE_LIMIT, counter.now(ts_ns))
        failed = counter.after(AMEND_COST, ts_ns) or 0.0
        if order is None:
            return self._refuse_amend(amend, ts_ns, RejectReason.UNKNOWN_ORDER, failed)
        moves = amend.limit_ticks != order.limit_ticks
        taken_at = pair.taken_price(order.side, amend.limit_ticks) if moves else 0
        free = self._state.balances.free[order.held_asset]
        fault = amend_fault(order, amend.lots, amend.limit_ticks, taken_at, free)
        if fault is not None:
            return self._refuse_amend(amend, ts_ns, fault, failed)
        self._write(Amended(ts_ns, client_id, amend.revision, amend.lots, amend.limit_ticks, charged))
        told = OrderAmended(client_id, amend.revision, amend.lots, amend.limit_ticks, self._state.answered_ns)
        answers = [self._answer(told)]
        if taken_at:
            answers.append(self._execute(order, ts_ns, order.lots - order.cum_lots, taken_at, None))
        return self._with_balances(answers)

    def cancel(self, instrument: InstrumentId, client_id: str, ts_ns: int) -> list[Delivery]:
        """Handle a cancel that arrives at `ts_ns`."""
        order = self._state.open.get(client_id)
        if order is None or order.instrument.id != instrument:
            return self._refuse_cancel(instrument, client_id, ts_ns, "unknown order")
        self._state.pairs[instrument].advance(ts_ns)
        charged = self._state.counters[instrument].after(cancel_cost(ts_ns - order.touched_ns), ts_ns)
        if charged is None:
            return self._refuse_cancel(instrument, client_id, ts_ns, RejectReason.RATE_LIMIT.value)
        return self._with_balances([self._end(order, ts_ns, EndStatus.CANCELLED, "user", charged)])

    # What nobody asked for

    def rest(self, left: AdoptedOrder, told_as: str, ts_ns: int) -> None:
        """Have an order on the books that another program placed; the caller saw to the money that it holds."""
        side, placed_ns = Side(left.side), min(left.made_ns, ts_ns)
        terms = (left.lots, left.limit_ticks, placed_ns, left.cum_lots, left.cum_cost, left.cum_fee)
        self._write(Rested(ts_ns, left.venue_order_id, told_as, left.instrument, side, *terms))

    def end_order(self, client_id: str, ts_ns: int, status: EndStatus, reason: str) -> list[Delivery]:
        """End an open order as the venue does of its own accord: it expires, or is purged; none: it is not open."""
        order = self._state.open.get(client_id)
        if order is None:
            return []
        pair, counter = self._state.pairs[order.instrument.id], self._state.counters[order.instrument.id]
        ts_ns = max(ts_ns, pair.now_ns)
        pair.advance(ts_ns)
        return self._with_balances([self._end(order, ts_ns, status, reason, counter.now(ts_ns))])

    def restart(self, ts_ns: int) -> None:
        """Come back with an empty book and tell nobody: every open order is cancelled."""
        for client_id in list(self._state.open):
            self.end_order(client_id, ts_ns, EndStatus.CANCELLED, "venue restarted")

    # Market data

    def bounds(self, instrument: InstrumentId) -> tuple[Ticks | None, Ticks | None]:
        """Return (low, high): only a print or ask <= low, or a print or bid >= high, may fill something resting.

        Where quotes may fill, the bounds are the best limits themselves; prints alone must pass them by a tick.
        """
        pair = self._state.pairs[instrument]
        margin = 0 if self._quotes_fill else pair.instrument.tick
        low, high = pair.buys.best(), pair.sells.best()
        return (None if low is None else low - margin), (None if high is None else high + margin)

    def on_print(
        self,
        instrument: InstrumentId,
        ts_ns: int,
        ticks: Ticks,
        lots: Lots,  # noqa: ARG002  a row of market data; the bar's volume limits fills, not the print's
        bar: int,
        bar_lots: Lots,
    ) -> list[Delivery]:
        """Work through a print; the prints of one `bar` share its volume `bar_lots`."""
        pair = self._state.pairs[instrument]
        pair.advance(ts_ns)
        answers: list[Delivery] = []
        if self._prints_fill:
            allowed = bar_lots * self.settings.participation_ppm // PPM
            tick = pair.instrument.tick
            self._match(pair.buys, ts_ns, ticks + tick, bar, allowed, answers)
            self._match(pair.sells, ts_ns, ticks - tick, bar, allowed, answers)
        self._write(Moved(ts_ns, instrument, ticks, pair.bid_ticks, pair.ask_ticks))
        return self._with_balances(answers)

    def on_quote(
        self, instrument: InstrumentId, ts_ns: int, bid: Ticks, ask: Ticks, bid_lots: Lots, ask_lots: Lots
    ) -> list[Delivery]:
        """Work through a quote; a bid or ask of 0 is absent. Quotes of one nanosecond share their displayed size."""
        pair = self._state.pairs[instrument]
        pair.advance(ts_ns)
        answers: list[Delivery] = []
        if self._quotes_fill:
            caps = self.settings.quote_size_caps
            if ask > 0:
                self._match(pair.buys, ts_ns, ask, ts_ns, ask_lots if caps else None, answers, quoted=True)
            if bid > 0:
                self._match(pair.sells, ts_ns, bid, ts_ns, bid_lots if caps else None, answers, quoted=True)
        self._write(Moved(ts_ns, instrument, pair.last_ticks, max(bid, 0), max(ask, 0)))
        return self._with_balances(answers)

    def skip_to(
        self,
        instrument: InstrumentId,
        ts_ns: int,
        last_ticks: Ticks | None = None,
        bid: Ticks | None = None,
        ask: Ticks | None = None,
    ) -> None:
        """Take the last row of a run of market data that lay strictly inside `bounds`; None leaves a price as it is."""
        pair = self._state.pairs[instrument]
        pair.advance(ts_ns)
        last = pair.last_ticks if last_ticks is None else last_ticks
        bid = pair.bid_ticks if bid is None else max(bid, 0)
        ask = pair.ask_ticks if ask is None else max(ask, 0)
        self._write(Moved(ts_ns, instrument, last, bid, ask))

    # Questions

    def open_orders(self, instrument: InstrumentId | None = None) -> tuple[VenueOrder, ...]:
        """Return the open orders of an instrument, or of the account, in order of arrival."""
        orders = self._state.open.values()
        return tuple(order.described() for order in orders if instrument in {None, order.instrument.id})

    def ended_orders(self, instrument: InstrumentId | None, since_ns: int) -> tuple[VenueOrder, ...]:
        """Return orders that were placed since then and have ended, in the order of their ends."""
        ended = self._state.ended.values()
        return tuple(one for one in ended if instrument in {None, one.instrument} and one.placed_ns >= since_ns)

    def order_status(self, client_id: str) -> VenueOrder | None:
        """Return an order, open or ended; None for one that was never accepted (or ended very long ago)."""
        order = self._state.open.get(client_id)
        return self._state.ended.get(client_id) if order is None else order.described()

    def balances(self) -> dict[str, tuple[Money, Money]]:
        """Return asset -> (free, hold) now."""
        return self._state.balances.pairs()

    def statement(self) -> dict[str, tuple[Money, Money]]:
        """Return what it says when it is asked what we own: all of it are balances."""
        return self.balances()

    def endings(self, since_ns: int) -> tuple[MarketResolved | PairsRedeemed, ...]:  # noqa: ARG002  the line's shape
        """Return nothing: a coin has no end."""
        return ()

    @property
    def now_ns(self) -> int:
        """The latest time that the venue has worked through or answered at; 0 before anything happened."""
        return max([self._state.answered_ns, *(pair.now_ns for pair in self._state.pairs.values())])

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as builtins, for comparison."""
        return self._state.snapshot()

    # Deciding

    def _fault(self, pair: Pair, order: Place, client_id: str, taken_at: Ticks) -> RejectReason | None:
        facts = pair.instrument
        if client_id in self._state.open:
            return RejectReason.DUPLICATE_CLIENT_ID
        if order.limit_ticks <= 0 or order.limit_ticks % facts.tick or order.lots % facts.lot:
            return RejectReason.BAD_TICK_OR_LOT
        if order.lots < max(facts.min_lots, 1) or facts.cost(order.limit_ticks, order.lots) < facts.min_cost:
            return RejectReason.BELOW_MINIMUM
        if pair.open_orders >= facts.max_open_orders:
            return RejectReason.OPEN_ORDER_LIMIT
        if taken_at and order.style is Style.POST_ONLY:
            return RejectReason.POST_ONLY_WOULD_CROSS
        asset, amount = need(facts, order.side, order.limit_ticks, order.lots)
        if taken_at and order.side is Side.BUY:
            cost = facts.cost(taken_at, order.lots)
            amount = max(amount, cost + facts.fee(cost, maker=False))
        return RejectReason.INSUFFICIENT_FUNDS if self._state.balances.free[asset] < amount else None

    def _match(
        self,
        table: RestingSide,
        ts_ns: int,
        worst: Ticks,
        bar: int,
        allowed: Lots | None,
        answers: list[Delivery],
        *,
        quoted: bool = False,
    ) -> None:
        if table.best() is None:
            return
        budget = table.displayed if quoted else table.printed
        for order, lots in table.reached(worst, None if allowed is None else budget.left(bar, allowed)):
            answers.append(self._execute(order, ts_ns, lots, order.limit_ticks, bar, quoted=quoted))

    def _execute(
        self, order: RestingOrder, ts_ns: int, lots: Lots, ticks: Ticks, bar: int | None, *, quoted: bool = False
    ) -> Delivery:
        cum_lots, cum_cost, cum_fee = order.executed(ticks, lots, maker=bar is not None)
        self._write(Executed(ts_ns, order.client_id, lots, bar, quoted, cum_cost, cum_fee))
        return self._answer(OrderProgress(order.client_id, cum_lots, cum_cost, cum_fee, self._state.answered_ns))

    def _end(self, order: RestingOrder, ts_ns: int, status: EndStatus, reason: str, counter: float) -> Delivery:
        self._write(Ended(ts_ns, order.client_id, status, reason, counter))
        progress = OrderProgress(
            order.client_id, order.cum_lots, order.cum_cost, order.cum_fee, self._state.answered_ns
        )
        return self._answer(OrderEnded(progress, status, reason))

    def _reject(self, approved: Approved, ts_ns: int, reason: RejectReason, counter: float) -> list[Delivery]:
        self._write(Rejected(ts_ns, approved.client_id, approved.order.instrument, reason, counter))
        return [self._answer(OrderRejected(approved.client_id, reason, REFUSALS[reason], self._state.answered_ns))]

    def _refuse_cancel(self, instrument: InstrumentId, client_id: str, ts_ns: int, reason: str) -> list[Delivery]:
        self._write(Refused(ts_ns, client_id, instrument, reason))
        return [self._answer(CancelRefused(client_id, reason, self._state.answered_ns))]

    def _refuse_amend(self, amend: ApprovedAmend, ts_ns: int, reason: RejectReason, counter: float) -> list[Delivery]:
        self._write(Unamended(ts_ns, amend.client_id, amend.order.instrument, reason, counter))
        return [self._answer(AmendRefused(amend.client_id, amend.revision, reason, self._state.answered_ns))]

    def _answer(self, event: Event) -> Delivery:
        return Delivery(self._state.answered_ns, event)

    def _with_balances(self, answers: list[Delivery]) -> list[Delivery]:
        if answers:
            report = BalanceReport(self.settings.venue, self._state.balances.pairs(), self._state.answered_ns)
            answers.append(self._answer(report))
        return answers

    def _write(self, record: VenueRecord) -> None:
        if self._log is not None:
            self._log(record)
        self._state.apply(record)
