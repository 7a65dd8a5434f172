"""One account at one spot venue, whatever decides there who trades: its requests, answers, and what it can be asked.

State changes in one way only: a record is made, logged, and applied (`venue_state`), so a restarted program finds the
venue it left. What we are told travels on one connection: answers arrive in the order in which they were given, later
than the change by the order's response time. How an order meets the market is the matter of the venues made of this
one: `venue` for prints and quotes, `depth` for books with queues.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from millrace.core.binary_events import MarketResolved, PairsRedeemed
from millrace.core.commands import Approved, ApprovedAmend, Place, Side, Style
from millrace.core.events import (
    AmendRefused,
    BalanceReport,
    CancelRefused,
    EndStatus,
    Event,
    OrderAccepted,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    RejectReason,
)
from millrace.core.instrument import InstrumentId, Money
from millrace.core.recovery_events import AdoptedOrder
from millrace.sim.known_orders import KnownOrders
from millrace.sim.matching import Pair, RestingOrder
from millrace.sim.rate_counter import cancel_cost
from millrace.sim.venue_log import (
    REFUSALS,
    Accepted,
    Ended,
    Refused,
    Rejected,
    Rested,
    Unamended,
)
from millrace.sim.venue_settings import AccountSettings
from millrace.sim.venue_state import VenueState

NOTHING_TO_TAKE = "nothing to take"
"""Why an IOC order ends that does not cross."""


class Delivery(NamedTuple):
    """An event and when the program receives it; the event's own time is the same."""

    ts_ns: int
    event: Event


class SpotVenue(KnownOrders):
    """Orders and money of one account. Times of calls about one instrument must not go back."""

    settings: AccountSettings
    _state: VenueState

    def __init__(self, state: VenueState, log: Callable[[Any], None] | None) -> None:
        self._log = log
        self._state = state

    def _replay(self, records: Iterable[Any], log: Callable[[Any], None] | None) -> None:
        """Become the venue that wrote these records; from there on write to `log`."""
        for record in records:
            self._write(record)
        self._log = log
        for order in [order for order in self._state.open.values() if order.style is Style.IOC]:
            # The log was torn between its arrival and what became of it.
            self.end_order(order.client_id, 0, EndStatus.CANCELLED, NOTHING_TO_TAKE)

    # Requests

    def arrival_ns(self, client_id: str, sent_ns: int) -> int:
        """Return when a request about this order, sent at `sent_ns`, reaches the venue."""
        return sent_ns + self._state.latency.request_ns(client_id)

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

    # Questions

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

    def _accept(self, approved: Approved, ts_ns: int, counter: float) -> tuple[RestingOrder, list[Delivery]]:
        """Take an order onto the books; returns it, and the answer that says so."""
        order, client_id = approved.order, approved.client_id
        terms = (order.instrument, order.side, order.style, order.lots, order.limit_ticks)
        self._write(Accepted(ts_ns, client_id, *terms, self._state.numbered + 1, counter))
        resting = self._state.open[client_id]
        return resting, [self._answer(OrderAccepted(client_id, resting.venue_order_id, self._state.answered_ns))]

    def _terms_fault(self, pair: Pair, order: Place, client_id: str) -> RejectReason | None:
        """Return what is wrong with an order whatever the market is like."""
        facts = pair.instrument
        if client_id in self._state.open:
            return RejectReason.DUPLICATE_CLIENT_ID
        if order.limit_ticks <= 0 or order.limit_ticks % facts.tick or order.lots % facts.lot:
            return RejectReason.BAD_TICK_OR_LOT
        if order.lots < max(facts.min_lots, 1) or facts.cost(order.limit_ticks, order.lots) < facts.min_cost:
            return RejectReason.BELOW_MINIMUM
        return RejectReason.OPEN_ORDER_LIMIT if pair.open_orders >= facts.max_open_orders else None

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

    def _write(self, record: Any) -> None:
        if self._log is not None:
            self._log(record)
        self._state.apply(record)
