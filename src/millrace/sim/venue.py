"""A venue in process: it takes requests and market data, and answers with what a real one would report.

Fills are deliberately modest (design section 3): a resting order trades at its limit when a print passes it by a tick,
in price-time order and within a share of the bar's volume, or when a quote meets it, within the displayed size. A LIMIT
order that crosses trades whole and at once at the opposing price (the last one where there are no quotes): depth is not
known, so neither is impact. Other participants' queues, self-trades and fees in base are not modelled.

State changes in one way only: a record is made, logged, and applied. `rebuild` applies logged records, so a restarted
program finds the venue it left. What we are told travels on one connection: answers arrive in the order in which they
were given, later than the change by the order's response time.
"""

from base64 import b32encode
from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from millrace.core.commands import Approved, ApprovedAmend, OrderState, Place, Side, Style
from millrace.core.events import (
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
from millrace.sim.amends import amend_fault, apply_amend
from millrace.sim.balances import Balances, need
from millrace.sim.latency import Latency
from millrace.sim.matching import Pair, RestingOrder, RestingSide
from millrace.sim.rate_counter import ADD_COST, AMEND_COST, RateCounter, amend_cost, cancel_cost
from millrace.sim.venue_log import (
    REFUSALS,
    Accepted,
    Amended,
    Ended,
    Executed,
    Moved,
    Refused,
    Rejected,
    Unamended,
    VenueRecord,
)
from millrace.sim.venue_settings import FillRule, VenueSettings

__all__ = ["Delivery", "FillRule", "SimVenue", "VenueSettings"]


class Delivery(NamedTuple):
    """An event and when the program receives it; the event's own time is the same."""

    ts_ns: int
    event: Event


class SimVenue:
    """One account at one simulated venue. Times of calls about one instrument must not go back."""

    def __init__(self, settings: VenueSettings, log: Callable[[VenueRecord], None] | None = None) -> None:
        self.settings = settings
        self._log = log
        self._latency = Latency(
            settings.seed, settings.request_latency_ns, settings.response_latency_ns, settings.jitter_ns
        )
        self._pairs = {instrument.id: Pair(instrument) for instrument in settings.instruments}
        self._counters = {instrument.id: RateCounter(settings.rate) for instrument in settings.instruments}
        assets = [asset for instrument in settings.instruments for asset in (instrument.base, instrument.quote)]
        self._balances = Balances(settings.opening, assets)
        self._open: dict[str, RestingOrder] = {}
        self._ended: OrderedDict[str, VenueOrder] = OrderedDict()
        self._numbered = 0
        self._answered_ns = 0
        self._id_key = blake2b(str(settings.seed).encode(), digest_size=16).digest()
        self._appliers: dict[type, Callable[[Any], None]] = {
            Accepted: self._accepted,
            Rejected: self._rejected,
            Executed: self._executed,
            Amended: self._amended,
            Unamended: self._rejected,
            Ended: self._order_ended,
            Refused: self._refused,
            Moved: self._moved,
        }
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
        return venue

    # Requests

    def arrival_ns(self, client_id: str, sent_ns: int) -> int:
        """Return when a request about this order, sent at `sent_ns`, reaches the venue."""
        return sent_ns + self._latency.request_ns(client_id)

    def place(self, approved: Approved, ts_ns: int) -> list[Delivery]:
        """Handle an order that arrives at `ts_ns`."""
        order, client_id = approved.order, approved.client_id
        pair = self._pairs.get(order.instrument)
        if pair is None:
            return self._reject(approved, ts_ns, RejectReason.UNKNOWN_INSTRUMENT, 0.0)
        pair.advance(ts_ns)
        counter = self._counters[order.instrument]
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
                number=self._numbered + 1,
                counter=charged,
            )
        )
        resting = self._open[client_id]
        answers = [self._answer(OrderAccepted(client_id, resting.venue_order_id, self._answered_ns))]
        if taken_at:
            answers.append(self._execute(resting, ts_ns, order.lots, taken_at, None))
        return self._with_balances(answers)

    def amend(self, amend: ApprovedAmend, ts_ns: int) -> list[Delivery]:
        """Handle new terms of an open order that arrive at `ts_ns`; a limit that crosses now takes at once."""
        instrument, client_id = amend.order.instrument, amend.client_id
        pair, counter = self._pairs[instrument], self._counters[instrument]
        pair.advance(ts_ns)
        order = self._open.get(client_id)
        cost = AMEND_COST if order is None else amend_cost(ts_ns - order.touched_ns)
        charged = counter.after(cost, ts_ns)
        if charged is None:
            return self._refuse_amend(amend, ts_ns, RejectReason.RATE_LIMIT, counter.now(ts_ns))
        failed = counter.after(AMEND_COST, ts_ns) or 0.0
        if order is None:
            return self._refuse_amend(amend, ts_ns, RejectReason.UNKNOWN_ORDER, failed)
        moves = amend.limit_ticks != order.limit_ticks
        taken_at = pair.taken_price(order.side, amend.limit_ticks) if moves else 0
        free = self._balances.free[order.held_asset]
        fault = amend_fault(order, amend.lots, amend.limit_ticks, taken_at, free)
        if fault is not None:
            return self._refuse_amend(amend, ts_ns, fault, failed)
        self._write(Amended(ts_ns, client_id, amend.revision, amend.lots, amend.limit_ticks, charged))
        told = OrderAmended(client_id, amend.revision, amend.lots, amend.limit_ticks, self._answered_ns)
        answers = [self._answer(told)]
        if taken_at:
            answers.append(self._execute(order, ts_ns, order.lots - order.cum_lots, taken_at, None))
        return self._with_balances(answers)

    def cancel(self, instrument: InstrumentId, client_id: str, ts_ns: int) -> list[Delivery]:
        """Handle a cancel that arrives at `ts_ns`."""
        order = self._open.get(client_id)
        if order is None or order.instrument.id != instrument:
            return self._refuse_cancel(instrument, client_id, ts_ns, "unknown order")
        self._pairs[instrument].advance(ts_ns)
        charged = self._counters[instrument].after(cancel_cost(ts_ns - order.touched_ns), ts_ns)
        if charged is None:
            return self._refuse_cancel(instrument, client_id, ts_ns, RejectReason.RATE_LIMIT.value)
        self._write(Ended(ts_ns, client_id, EndStatus.CANCELLED, "user", charged))
        at_ns = self._answered_ns
        progress = OrderProgress(client_id, order.cum_lots, order.cum_cost, order.cum_fee, at_ns)
        return self._with_balances([self._answer(OrderEnded(progress, EndStatus.CANCELLED, "user"))])

    # What nobody asked for

    def end_order(self, client_id: str, ts_ns: int, status: EndStatus, reason: str) -> list[Delivery]:
        """End an open order as the venue does of its own accord: it expires, or is purged; none: it is not open."""
        order = self._open.get(client_id)
        if order is None:
            return []
        pair, counter = self._pairs[order.instrument.id], self._counters[order.instrument.id]
        ts_ns = max(ts_ns, pair.now_ns)
        pair.advance(ts_ns)
        self._write(Ended(ts_ns, client_id, status, reason, counter.now(ts_ns)))
        progress = OrderProgress(client_id, order.cum_lots, order.cum_cost, order.cum_fee, self._answered_ns)
        return self._with_balances([self._answer(OrderEnded(progress, status, reason))])

    def restart(self, ts_ns: int) -> None:
        """Come back with an empty book and tell nobody: every open order is cancelled."""
        for client_id in list(self._open):
            self.end_order(client_id, ts_ns, EndStatus.CANCELLED, "venue restarted")

    # Market data

    def bounds(self, instrument: InstrumentId) -> tuple[Ticks | None, Ticks | None]:
        """Return (low, high): only a print or ask <= low, or a print or bid >= high, may fill something resting.

        Where quotes may fill, the bounds are the best limits themselves; prints alone must pass them by a tick.
        """
        pair = self._pairs[instrument]
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
        pair = self._pairs[instrument]
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
        pair = self._pairs[instrument]
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
        pair = self._pairs[instrument]
        pair.advance(ts_ns)
        last = pair.last_ticks if last_ticks is None else last_ticks
        bid = pair.bid_ticks if bid is None else max(bid, 0)
        ask = pair.ask_ticks if ask is None else max(ask, 0)
        self._write(Moved(ts_ns, instrument, last, bid, ask))

    # Questions

    def open_orders(self, instrument: InstrumentId) -> tuple[VenueOrder, ...]:
        """Return the open orders of an instrument in order of arrival."""
        return tuple(order.described() for order in self._open.values() if order.instrument.id == instrument)

    def ended_orders(self, instrument: InstrumentId, since_ns: int) -> tuple[VenueOrder, ...]:
        """Return the orders of an instrument that were placed since then and have ended, in the order of their ends."""
        ended = self._ended.values()
        return tuple(order for order in ended if order.instrument == instrument and order.placed_ns >= since_ns)

    def order_status(self, client_id: str) -> VenueOrder | None:
        """Return an order, open or ended; None for one that was never accepted (or ended very long ago)."""
        order = self._open.get(client_id)
        return self._ended.get(client_id) if order is None else order.described()

    def balances(self) -> dict[str, tuple[Money, Money]]:
        """Return asset -> (free, hold) now."""
        return self._balances.pairs()

    @property
    def now_ns(self) -> int:
        """The latest time that the venue has worked through or answered at; 0 before anything happened."""
        return max([self._answered_ns, *(pair.now_ns for pair in self._pairs.values())])

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as builtins, for comparison."""
        return {
            "balances": self._balances.pairs(),
            "open": {
                client_id: (msgspec.to_builtins(order.described()), order.style.value, order.touched_ns, order.held)
                for client_id, order in self._open.items()
            },
            "ended": {client_id: msgspec.to_builtins(order) for client_id, order in self._ended.items()},
            "numbered": self._numbered,
            "answered_ns": self._answered_ns,
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
                for pair, counter in zip(self._pairs.values(), self._counters.values(), strict=True)
            },
        }

    # Deciding

    def _fault(self, pair: Pair, order: Place, client_id: str, taken_at: Ticks) -> RejectReason | None:
        facts = pair.instrument
        if client_id in self._open:
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
        return RejectReason.INSUFFICIENT_FUNDS if self._balances.free[asset] < amount else None

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
        return self._answer(OrderProgress(order.client_id, cum_lots, cum_cost, cum_fee, self._answered_ns))

    def _reject(self, approved: Approved, ts_ns: int, reason: RejectReason, counter: float) -> list[Delivery]:
        self._write(Rejected(ts_ns, approved.client_id, approved.order.instrument, reason, counter))
        return [self._answer(OrderRejected(approved.client_id, reason, REFUSALS[reason], self._answered_ns))]

    def _refuse_cancel(self, instrument: InstrumentId, client_id: str, ts_ns: int, reason: str) -> list[Delivery]:
        self._write(Refused(ts_ns, client_id, instrument, reason))
        return [self._answer(CancelRefused(client_id, reason, self._answered_ns))]

    def _refuse_amend(self, amend: ApprovedAmend, ts_ns: int, reason: RejectReason, counter: float) -> list[Delivery]:
        self._write(Unamended(ts_ns, amend.client_id, amend.order.instrument, reason, counter))
        return [self._answer(AmendRefused(amend.client_id, amend.revision, reason, self._answered_ns))]

    def _answer(self, event: Event) -> Delivery:
        return Delivery(self._answered_ns, event)

    def _with_balances(self, answers: list[Delivery]) -> list[Delivery]:
        if answers:
            report = BalanceReport(self.settings.venue, self._balances.pairs(), self._answered_ns)
            answers.append(self._answer(report))
        return answers

    # Changing: every change of state is one of these records

    def _write(self, record: VenueRecord) -> None:
        if self._log is not None:
            self._log(record)
        self._appliers[type(record)](record)

    def _accepted(self, record: Accepted) -> None:
        pair = self._pairs[record.instrument]
        pair.advance(record.ts_ns)
        pair.open_orders += 1
        self._counters[record.instrument].set(record.counter, record.ts_ns)
        self._numbered = record.number
        asset, amount = need(pair.instrument, record.side, record.limit_ticks, record.lots)
        self._balances.place(asset, amount)
        order = RestingOrder(
            instrument=pair.instrument,
            client_id=record.client_id,
            venue_order_id=self._order_id(record.number),
            side=record.side,
            style=record.style,
            lots=record.lots,
            limit_ticks=record.limit_ticks,
            placed_ns=record.ts_ns,
            response_ns=self._latency.response_ns(record.client_id),
            held=amount,
            touched_ns=record.ts_ns,
        )
        self._open[record.client_id] = order
        self._ended.pop(record.client_id, None)
        pair.table(record.side).add(order)
        self._answered(record.ts_ns + order.response_ns)

    def _executed(self, record: Executed) -> None:
        order = self._open[record.client_id]
        pair = self._pairs[order.instrument.id]
        pair.advance(record.ts_ns)
        table = pair.table(order.side)
        if record.bar is not None:
            (table.displayed if record.quoted else table.printed).spend(record.bar, record.lots)
        d_cost, d_fee = record.cum_cost - order.cum_cost, record.cum_fee - order.cum_fee
        order.cum_lots += record.lots
        order.cum_cost, order.cum_fee = record.cum_cost, record.cum_fee
        filled = order.cum_lots == order.lots
        if order.side is Side.BUY:
            released = order.held if filled else d_cost + d_fee
            self._balances.bought(order.instrument, record.lots, d_cost + d_fee, released)
        else:
            released = order.instrument.base_amount(record.lots)
            self._balances.sold(order.instrument, record.lots, d_cost - d_fee)
        order.held -= released
        if filled:
            self._close(pair, order, OrderState.FILLED, "")
        self._answered(record.ts_ns + order.response_ns)

    def _amended(self, record: Amended) -> None:
        order = self._open[record.client_id]
        pair = self._pairs[order.instrument.id]
        pair.advance(record.ts_ns)
        self._counters[order.instrument.id].set(record.counter, record.ts_ns)
        held = order.held
        if apply_amend(pair.table(order.side), order, record):
            self._open[record.client_id] = self._open.pop(record.client_id)  # in order of the places in the queue
        self._balances.place(order.held_asset, order.held - held)
        self._answered(record.ts_ns + order.response_ns)

    def _order_ended(self, record: Ended) -> None:
        order = self._open[record.client_id]
        pair = self._pairs[order.instrument.id]
        pair.advance(record.ts_ns)
        self._counters[order.instrument.id].set(record.counter, record.ts_ns)
        self._balances.release(order.held_asset, order.held)
        self._close(pair, order, OrderState(record.status.value), record.reason)
        self._answered(record.ts_ns + order.response_ns)

    def _rejected(self, record: Rejected | Unamended) -> None:
        pair = self._pairs.get(record.instrument)
        if pair is not None:
            pair.advance(record.ts_ns)
            self._counters[record.instrument].set(record.counter, record.ts_ns)
        self._answered(record.ts_ns + self._latency.response_ns(record.client_id))

    def _refused(self, record: Refused) -> None:
        pair = self._pairs.get(record.instrument)
        if pair is not None:
            pair.advance(record.ts_ns)
        self._answered(record.ts_ns + self._latency.response_ns(record.client_id))

    def _moved(self, record: Moved) -> None:
        pair = self._pairs[record.instrument]
        pair.now_ns = record.ts_ns
        pair.last_ticks, pair.bid_ticks, pair.ask_ticks = record.last_ticks, record.bid_ticks, record.ask_ticks

    def _close(self, pair: Pair, order: RestingOrder, state: OrderState, reason: str) -> None:
        del self._open[order.client_id]
        pair.table(order.side).remove(order)
        pair.open_orders -= 1
        self._ended[order.client_id] = order.described(state, reason)
        if len(self._ended) > self.settings.ended_kept:
            self._ended.popitem(last=False)

    def _answered(self, ts_ns: int) -> None:
        self._answered_ns = max(self._answered_ns, ts_ns)

    def _order_id(self, number: int) -> str:
        """Sixteen base32 digits of a hash of the count, grouped as Kraken groups them (venues 1.4)."""
        digits = b32encode(blake2b(number.to_bytes(8, "big"), key=self._id_key, digest_size=10).digest()).decode()
        return f"O{digits[:5]}-{digits[5:10]}-{digits[10:]}"
