"""A spot venue in process that knows prints and quotes: what they fill of our orders, and nothing of anybody else's.

Fills are deliberately modest (design section 3): a resting order trades at its limit when a print passes it by a tick,
in price-time order and within a share of the bar's volume, or when a quote meets it, within the displayed size. A LIMIT
order that crosses trades whole and at once at the opposing price (the last one where there are no quotes): depth is not
known, so neither is impact. An IOC order does the same or ends at once. Other participants' queues, self-trades and
fees in base are not modelled.
"""

from collections.abc import Callable, Iterable

from millrace.core.commands import Approved, ApprovedAmend, Place, Side, Style
from millrace.core.events import (
    EndStatus,
    OrderAmended,
    OrderProgress,
    RejectReason,
)
from millrace.core.instrument import PPM, InstrumentId, Lots, Ticks
from millrace.sim.amends import amend_fault
from millrace.sim.balances import need
from millrace.sim.matching import Pair, RestingOrder, RestingSide
from millrace.sim.rate_counter import ADD_COST, AMEND_COST, amend_cost
from millrace.sim.spot_venue import NOTHING_TO_TAKE, Delivery, SpotVenue
from millrace.sim.venue_log import (
    Amended,
    Executed,
    Moved,
    VenueRecord,
)
from millrace.sim.venue_settings import FillRule, VenueSettings
from millrace.sim.venue_state import VenueState

__all__ = ["NOTHING_TO_TAKE", "Delivery", "FillRule", "SimVenue", "VenueSettings"]


class SimVenue(SpotVenue):
    """One account at one simulated venue. Times of calls about one instrument must not go back."""

    def __init__(self, settings: VenueSettings, log: Callable[[VenueRecord], None] | None = None) -> None:
        super().__init__(VenueState(settings), log)
        self.settings: VenueSettings = settings
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
        venue._replay(records, log)
        return venue

    # Requests

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
        resting, answers = self._accept(approved, ts_ns, charged)
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

    # Deciding

    def _fault(self, pair: Pair, order: Place, client_id: str, taken_at: Ticks) -> RejectReason | None:
        facts = pair.instrument
        fault = self._terms_fault(pair, order, client_id)
        if fault is not None:
            return fault
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
