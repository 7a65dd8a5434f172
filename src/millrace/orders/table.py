"""Every order of ours that is live, in flight or recently ended, and the sub-positions that their fills make.

News about an order is cumulative and may come twice, late, or before the order's own acceptance; only what it adds is
applied, once (design section 3). What follows for the ledger leaves as facts beside the update, so the ledger and this
table are told the same increments.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import structs

from millrace.core.binary_events import MarketResolved, PairsRedeemed
from millrace.core.commands import (
    Alert,
    AmendResult,
    Approved,
    ApprovedAmend,
    Command,
    Opportunity,
    OrderState,
    OrderUpdate,
    Place,
    Plan,
    RecordAdoption,
    RecordAmend,
    RecordClosing,
    RecordFill,
    RecordOrder,
    Severity,
    Side,
    Style,
)
from millrace.core.events import (
    AmendRefused,
    CancelRefused,
    EndStatus,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderEvent,
    OrderProgress,
    OrderRejected,
    OrderUnknown,
    RejectReason,
)
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.instrument import Instrument, InstrumentId, Lots, Money
from millrace.core.order_truth import GONE, OpenOrder, Terms
from millrace.core.recovery_events import AdoptedOrder
from millrace.orders.leg_policy import Legging
from millrace.orders.opportunity import Admission, Opportunities
from millrace.orders.positions import Closed, Positions, closing_of
from millrace.orders.states import next_state
from millrace.orders.tracked import TrackedOrder

Applied = tuple[OrderUpdate, list[Command]]
Closings = list[tuple[RecordClosing, OrderUpdate]]
_END_STATES = {EndStatus.CANCELLED: OrderState.CANCELLED, EndStatus.EXPIRED: OrderState.EXPIRED}


class _Saved(msgspec.Struct):
    orders: list[TrackedOrder]
    ended: list[str]
    opportunities: dict[str, Any]
    legs: list[Any]
    positions: dict[str, Any]
    closings: int


class OrderTable:
    """Implements `core.ports.Orders`. `ended_kept` bounds the memory of orders that nothing can follow."""

    def __init__(self, client_ids: ClientIds, ended_kept: int = 10_000) -> None:
        self._ids = client_ids
        self._ended_kept = ended_kept
        self._orders: dict[str, TrackedOrder] = {}
        self._keys: dict[tuple[str, str], TrackedOrder] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._positions = Positions()
        self._closings = 0
        self._closing: dict[tuple[SubPosition, Side], Lots] = {}
        self._live: dict[InstrumentId, int] = {}
        self.opportunities = Opportunities()
        self.legs = Legging()
        self._appliers: dict[type, Callable[[TrackedOrder, Any], Applied | None]] = {
            OrderAccepted: self._accepted,
            OrderRejected: self._rejected,
            OrderProgress: self._progressed,
            OrderEnded: self._order_ended,
            OrderUnknown: self._unknown,
            CancelRefused: self._cancel_refused,
            OrderAmended: self._amended,
            AmendRefused: self._amend_refused,
        }

    # Questions

    def known(self, strategy: str, key: str) -> Place | None:
        """Return the intent that already has this key, if any."""
        order = self._keys.get((strategy, key))
        return None if order is None else order.first or order.place

    def named(self, strategy: str, key: str) -> OpenOrder | None:
        """Return an order that has not ended by its intent key; None when there is none."""
        order = self._keys.get((strategy, key))
        return None if order is None or order.state.is_terminal else order.described()

    def client_id(self, strategy: str, key: str) -> str:
        """Return the client order id that an intent key of a strategy has."""
        return self._ids.client_id(strategy, key)

    def position(self, position: SubPosition) -> Lots:
        """Return signed open lots."""
        return self._positions.lots(position)

    def coverable(self, position: SubPosition, side: Side) -> Lots:
        """Return the lots that an order on `side` may still close; 0 when that side would add to the position."""
        closable = -side.sign * self._positions.lots(position)
        return max(closable - self._closing.get((position, side), 0), 0)

    def hedgeable(self, position: SubPosition) -> Lots:
        """Return the lots that a buy may still add without its group's sub-position being larger than any other's."""
        rest = sum(
            order.rest
            for order in self._orders.values()
            if not order.state.is_terminal and order.place.position == position and order.place.side is Side.BUY
        )
        return max(self._positions.most_in_group(position) - self._positions.lots(position) - rest, 0)

    def positions(self) -> dict[SubPosition, Lots]:
        """Return every sub-position that is not flat."""
        return self._positions.all()

    def live(self, instrument: InstrumentId) -> int:
        """Return the number of live or in-flight orders on an instrument."""
        return self._live.get(instrument, 0)

    def unfinished(self) -> list[OpenOrder]:
        """Return the orders that have not ended, in the order in which they were made."""
        return [order.described() for order in self._orders.values() if not order.state.is_terminal]

    def filled(self) -> list[tuple[str, int]]:
        """Return the orders that executed anything, by the venue's id, with when each was made."""
        orders = self._orders.values()
        return [(order.venue_order_id or order.client_id, order.made_ns) for order in orders if order.cum_lots]

    def open_order(self, client_id: str) -> OpenOrder | None:
        """Return an order that has not ended; None for any other."""
        order = self._orders.get(client_id)
        return None if order is None or order.state.is_terminal else order.described()

    # What we do

    def admit(self, plan: Plan, ts_ns: int) -> Admission:
        """Return a plan's legs under their intent keys, and whether its opportunity was acted on already."""
        return self.opportunities.admit(plan, ts_ns)

    def acted(self, opportunity: Opportunity, ts_ns: int) -> int:
        """Close an opportunity that was acted on; returns how many others were forgotten before their time."""
        return self.opportunities.acted(opportunity, ts_ns)

    def is_closed(self, opportunity: Opportunity, ts_ns: int) -> bool:
        """Tell whether an opportunity was acted on and is not open again."""
        return self.opportunities.closed(opportunity, ts_ns)

    def add(self, approved: Approved) -> None:
        """Take an order that is about to be sent; raises ValueError when its key or id is taken."""
        place = approved.order
        key = (place.position.strategy, place.key)
        if key in self._keys or approved.client_id in self._orders:
            raise ValueError(f"order {approved.client_id} ({place.key}) is already in the table")
        self._take(TrackedOrder(approved.client_id, place, OrderState.SENT, made_ns=approved.ts_ns))

    def adopt(self, found: AdoptedOrder, ts_ns: int) -> list[Command]:
        """Take an order that another program placed, under the venue's id, with what it had executed by then.

        Returns the facts for the ledger; raises ValueError when its key or id is taken.
        """
        client_id = found.venue_order_id
        side = Side(found.side)
        terms = (found.lots, found.limit_ticks, Style.POST_ONLY, found.position, found.reduces, found.key)
        place = Place(found.instrument, side, *terms, found.purpose)
        if (found.position.strategy, found.key) in self._keys or client_id in self._orders:
            raise ValueError(f"order {client_id} ({found.key}) is already in the table")
        state = OrderState.PARTIAL if found.cum_lots else OrderState.OPEN
        order = TrackedOrder(client_id, place, state, client_id, made_ns=found.made_ns)
        self._take(order)
        facts: list[Command] = [RecordAdoption(client_id, place, found.made_ns)]
        if found.cum_lots:
            self._book(order, (found.cum_lots, found.cum_cost, found.cum_fee), ts_ns, facts)
        return [*facts, RecordOrder(client_id, state, client_id, ts_ns)]

    def close(self, event: MarketResolved | PairsRedeemed, instruments: Mapping[InstrumentId, Instrument]) -> Closings:
        """Take a pay-out or pairs taken back: what each sub-position gave up, for the ledger and as guards see it."""
        return [self._closed(one, event.ts_ns) for one in self._positions.close(event, instruments)]

    def knows(self, event: MarketResolved | PairsRedeemed) -> bool:
        """Tell whether an ending was told before, or changes nothing any more."""
        return self._positions.knows(event)

    def close_late(self, update: OrderUpdate, instruments: Mapping[InstrumentId, Instrument]) -> Closings:
        """Return what a fill closes that was heard of after its market's end."""
        found = self._positions.late(update.place.position, instruments)
        return [self._closed(one, update.ts_ns) for one in found]

    def _closed(self, closed: Closed, ts_ns: int) -> tuple[RecordClosing, OrderUpdate]:
        self._closings += 1
        return closing_of(closed, self._closings, ts_ns)

    def opened(self, position: SubPosition, lots: Lots, cost: Money) -> None:
        """Take signed lots that were open before the first fill of ours."""
        self._positions.move(position, lots, cost)

    def _take(self, order: TrackedOrder) -> None:
        place = order.place
        self._orders[order.client_id] = self._keys[place.position.strategy, place.key] = order
        if not order.state.is_terminal:
            self._live[place.instrument] = self._live.get(place.instrument, 0) + 1
            self._cover(place, order.rest)

    def request_cancel(self, strategy: str, key: str) -> tuple[str, InstrumentId] | None:
        """Return the live order that a cancel must name; None when it has ended or a cancel is already out."""
        order = self._keys.get((strategy, key))
        if order is None or order.cancel_out or order.state.is_terminal:
            return None
        order.cancel_out = True
        return order.client_id, order.place.instrument

    def amend(self, approved: ApprovedAmend) -> None:
        """Take new terms that are about to be sent; raises ValueError unless they are the order's next amend."""
        order = self._orders[approved.client_id]
        if order.wanted is not None or order.state.is_terminal or approved.revision != order.revision + 1:
            raise ValueError(f"{approved.key} is not the next amend of {approved.client_id}")
        before = order.rest
        order.wanted = Terms(approved.lots, approved.limit_ticks)
        order.revision = approved.revision
        order.terms_ns = max(order.terms_ns, approved.ts_ns)
        self._cover(order.place, order.rest - before)

    # What the venue says

    def apply(self, event: OrderEvent) -> Applied | None:
        """Apply a venue's news: the update and the facts for the ledger; None when it changes nothing."""
        order = self._orders.get(event.client_id)
        return None if order is None else self._appliers[type(event)](order, event)

    def _accepted(self, order: TrackedOrder, event: OrderAccepted) -> Applied | None:
        named = event.venue_order_id not in {"", order.venue_order_id}
        if named:
            order.venue_order_id = event.venue_order_id
        wanted = OrderState.PARTIAL if order.cum_lots else OrderState.OPEN
        facts: list[Command] = []
        if named and order.state is OrderState.REJECTED:
            text = f"{order.client_id} counts as rejected, but the venue has it as {event.venue_order_id}"
            facts.append(Alert(Severity.PAGE, "accepted_after_end", text, event.ts_ns))
        return self._moved(order, wanted, event.ts_ns, facts, named=named)

    def _rejected(self, order: TrackedOrder, event: OrderRejected) -> Applied | None:
        # A refusal for a duplicate id says that the venue has an order of this id: not an end, but a question.
        duplicate = event.reason is RejectReason.DUPLICATE_CLIENT_ID
        if next_state(order.state, OrderState.REJECTED) is not OrderState.REJECTED:
            return None
        wanted = OrderState.UNKNOWN if duplicate else OrderState.REJECTED
        return self._moved(order, wanted, event.ts_ns, [], reject=event.reason, text=event.text)

    def _progressed(self, order: TrackedOrder, event: OrderProgress) -> Applied | None:
        return self._filled(order, event, OrderState.PARTIAL if event.cum_lots > 0 else OrderState.OPEN, "")

    def _order_ended(self, order: TrackedOrder, event: OrderEnded) -> Applied | None:
        applied = self._filled(order, event.progress, _END_STATES[event.status], event.reason)
        if applied is not None and event.reason == GONE:
            text = f"{order.client_id}: {GONE}; it ended with {order.cum_lots} of {order.place.lots} lots filled"
            applied[1].append(Alert(Severity.WARN, "order_forgotten", text, event.ts_ns))
        return applied

    def _unknown(self, order: TrackedOrder, event: OrderUnknown) -> Applied | None:
        order.cancel_out = False
        return self._moved(order, OrderState.UNKNOWN, event.ts_ns, [], text=event.reason)

    def _cancel_refused(self, order: TrackedOrder, event: CancelRefused) -> Applied | None:
        if not order.cancel_out or order.state.is_terminal:
            return None
        order.cancel_out = False
        return order.update(order.state, (0, 0, 0), None, event.reason, event.ts_ns), []

    def _amended(self, order: TrackedOrder, event: OrderAmended) -> Applied | None:
        """Take the venue's terms: of an amend that is newer than the last one confirmed, or of nobody's."""
        terms, place = Terms(event.lots, event.limit_ticks), order.place
        elsewhere = event.revision == 0 and terms != (place.lots, place.limit_ticks) and not order.state.is_terminal
        if not (elsewhere or order.done < event.revision <= order.revision):
            return None
        facts: list[Command] = []
        if elsewhere:
            text = f"{order.client_id} has terms that nobody here asked for: {terms.lots} lots at {terms.limit_ticks}"
            facts.append(Alert(Severity.PAGE, "terms_not_ours", text, event.ts_ns))
        result = self._learn(order, AmendResult(event.revision, *terms, None), event.ts_ns, facts)
        return self._answered(order, result, event.ts_ns, facts)

    def _amend_refused(self, order: TrackedOrder, event: AmendRefused) -> Applied | None:
        wanted = order.wanted
        if wanted is None or event.revision != order.revision or order.state.is_terminal:
            return None
        facts: list[Command] = []
        result = self._learn(order, AmendResult(event.revision, *wanted, event.reason), event.ts_ns, facts)
        return self._answered(order, result, event.ts_ns, facts)

    def _learn(self, order: TrackedOrder, result: AmendResult, ts_ns: int, facts: list[Command]) -> AmendResult:
        """Take the terms that hold from now on, and count anew what may still fill."""
        before, place = order.rest, order.place
        if result.revision == order.revision:
            order.wanted = None
        if result.reject is None:
            order.done = max(order.done, result.revision)
            order.first = order.first or place
            order.place = structs.replace(place, lots=result.lots, limit_ticks=result.limit_ticks)
        if not order.state.is_terminal:
            self._cover(place, order.rest - before)
        order.told += 1
        order.terms_ns = max(order.terms_ns, ts_ns)
        terms = (result.lots, result.limit_ticks)
        facts.append(RecordAmend(order.client_id, order.told, result.revision, *terms, result.reject is None, ts_ns))
        return result

    def _answered(self, order: TrackedOrder, result: AmendResult, ts_ns: int, facts: list[Command]) -> Applied | None:
        """Tell the strategy; an order with nothing left to fill has been filled."""
        wanted = order.state if order.cum_lots < order.most else OrderState.FILLED
        applied = self._moved(order, wanted, ts_ns, facts)
        return None if applied is None else (structs.replace(applied[0], amend=result), applied[1])

    def _filled(self, order: TrackedOrder, news: OrderProgress, wanted: OrderState, text: str) -> Applied | None:
        """Book what the cumulative state adds and move on; an older state than the one known adds nothing."""
        d_lots = news.cum_lots - order.cum_lots
        d_cost = news.cum_cost - order.cum_cost
        d_fee = news.cum_fee - order.cum_fee
        if d_lots < 0 or (d_lots == 0 and (d_cost < 0 or d_fee < 0)):
            d_lots = d_cost = d_fee = 0
        facts: list[Command] = []
        if news.cum_lots > 0 >= news.cum_cost:
            # Bought or sold for nothing: no usable price yet (slots 4.5). The venue is asked again, not believed.
            text = (
                f"{order.client_id}: {news.cum_lots} lots for {news.cum_cost}; news without a usable price is refused"
            )
            return self._moved(
                order, order.state, news.ts_ns, [Alert(Severity.WARN, "unusable_fill", text, news.ts_ns)]
            )
        result: AmendResult | None = None
        if order.wanted is not None and order.place.lots < news.cum_lots <= order.wanted.lots:
            # More than the old terms allowed: the amend was done, whatever became of its answer.
            result = self._learn(order, AmendResult(order.revision, *order.wanted, None), news.ts_ns, facts)
        if d_lots or d_cost or d_fee:
            self._book(order, (d_lots, d_cost, d_fee), news.ts_ns, facts)
        if order.cum_lots >= order.most:
            wanted = OrderState.FILLED
        elif wanted is OrderState.OPEN and order.cum_lots:
            wanted = OrderState.PARTIAL
        applied = self._moved(order, wanted, news.ts_ns, facts, (d_lots, d_cost, d_fee), text=text)
        if applied is not None and result is not None:
            applied = structs.replace(applied[0], amend=result), applied[1]
        return applied

    def _book(self, order: TrackedOrder, added: tuple[Lots, Money, Money], ts_ns: int, facts: list[Command]) -> None:
        place = order.place
        d_lots, d_cost, d_fee = added
        before = order.rest
        order.cum_lots += d_lots
        order.cum_cost += d_cost
        order.cum_fee += d_fee
        if not order.state.is_terminal:
            self._cover(place, order.rest - before)
        if d_lots:
            self._positions.move(place.position, place.side.sign * d_lots, d_cost)
        facts.append(RecordFill(order.client_id, place.position, place.side, *added, *order.totals, ts_ns))
        if d_lots and order.state.is_terminal and order.state is not OrderState.FILLED:
            text = f"{order.client_id} filled {d_lots} lots after it was {order.state.value}"
            facts.append(Alert(Severity.WARN, "fill_after_end", text, ts_ns))
        if d_lots and order.cum_lots > order.most:
            text = f"{order.client_id} filled {order.cum_lots} lots of {order.most}"
            facts.append(Alert(Severity.PAGE, "overfill", text, ts_ns))

    def _cover(self, place: Place, lots: Lots) -> None:
        """Count lots of a reducing order that may still fill as spoken for."""
        if place.reduces and lots:
            after = self._closing.get((place.position, place.side), 0) + lots
            if after:
                self._closing[place.position, place.side] = after
            else:
                del self._closing[place.position, place.side]

    def _moved(
        self,
        order: TrackedOrder,
        wanted: OrderState,
        ts_ns: int,
        facts: list[Command],
        added: tuple[Lots, Money, Money] = (0, 0, 0),
        *,
        named: bool = False,
        reject: RejectReason | None = None,
        text: str = "",
    ) -> Applied | None:
        """Take the state that may follow; the facts end with it when the state or the venue's id is new."""
        previous = order.state
        order.state = next_state(previous, wanted)
        if order.state is not previous or named:
            facts.append(RecordOrder(order.client_id, order.state, order.venue_order_id, ts_ns))
        if not facts:
            return None
        if order.state.is_terminal and not previous.is_terminal:
            self._end(order)
        return order.update(previous, added, reject, text, ts_ns), facts

    def _end(self, order: TrackedOrder) -> None:
        place = order.place
        order.cancel_out = False
        self._live[place.instrument] -= 1
        self._cover(place, -order.rest)
        order.wanted = None
        self._ended[order.client_id] = None
        if len(self._ended) > self._ended_kept:
            oldest = self._orders.pop(self._ended.popitem(last=False)[0])
            del self._keys[oldest.place.position.strategy, oldest.place.key]

    # Snapshots

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        parts = (self.opportunities.snapshot(), self.legs.snapshot(), self._positions.snapshot(), self._closings)
        saved = _Saved(list(self._orders.values()), list(self._ended), *parts)
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; raises ValueError, with the table unchanged, when it is none."""
        saved = msgspec.convert(state, _Saved)
        self.opportunities.restore(saved.opportunities)
        self.legs.restore(saved.legs)
        self._positions.restore(saved.positions)
        for table in (self._orders, self._keys, self._ended, self._closing, self._live):
            table.clear()
        self._closings = saved.closings
        for order in saved.orders:
            self._take(order)
        self._ended.update(dict.fromkeys(saved.ended))
