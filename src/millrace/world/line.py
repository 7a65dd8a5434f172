"""The connection between program and venue: requests and answers in flight, with what goes wrong on the way.

Without `Faults` everything arrives, once and in order. With one, each call and each piece of news draws its fate
(`sim.faults`). Balances are the venue's own statement, not an answer to a call, and meet no fault.

A call that carries several items is one request with one time of arrival: they are carried out in their order, and each
is answered for itself. It overtakes nothing that was sent before it, and nothing that is sent after it overtakes it, so
an order's cancel comes after the order however both left. What goes wrong with the request goes wrong with all of it;
besides, the venue may refuse single items, or leave them out of its answer.

A refusal answers one request. When the same order has been sent again since, it is dropped here, as a client drops the
response to a request that it has given up.
"""

import heapq
from collections import Counter
from typing import Any, Protocol

from msgspec import structs

from millrace.core.binary_events import MarketResolved, PairsRedeemed
from millrace.core.commands import Approved, ApprovedAmend, CancelOrder
from millrace.core.events import (
    AmendRefused,
    BalanceReport,
    CancelRefused,
    Event,
    OrderAccepted,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    OrderUnknown,
    RejectReason,
)
from millrace.core.instrument import InstrumentId, Money, whole_account
from millrace.core.order_truth import VenueOrder
from millrace.shell.measures import VenueTime
from millrace.shell.reconciler import (
    AccountAnswer,
    AccountQuery,
    BalancesAnswer,
    BalancesQuery,
    OpenOrdersAnswer,
    OpenOrdersQuery,
)
from millrace.shell.unanswered import StatusAnswer
from millrace.shell.venue_port import Order
from millrace.sim.faults import Fate, Fault, Faults
from millrace.sim.venue import Delivery
from millrace.sim.venue_clock import TRUE_CLOCK

NEVER_NS = 2**63 - 1
_TIME = "time"
_LIST, _BALANCES = "open orders", "balances"
"""The questions about the account as a whole; the names stand where the venue draws a travel time per order."""
_GOOD = Fate(Fault.NONE)
_PACE = RejectReason.RATE_LIMIT
_TOO_FAST = "refused on the way: too many requests"
_RESET = "connection reset before the answer"
_BUSY = "refused by the venue, which took others of the same call"
_UNANSWERED = frozenset({Fault.ANSWER_LOST, Fault.RESET})
_LATE = frozenset({Fault.ANSWER_DELAYED, Fault.ANSWER_OVERTAKEN})


class VenueFigures(Protocol):
    """What the line must know of a venue's assumptions."""

    @property
    def venue(self) -> str:
        """The venue's name."""
        ...

    @property
    def response_latency_ns(self) -> int:
        """From a change at the venue to our hearing it."""
        ...


class VenueHere(Protocol):
    """A venue that lives in this process, whatever it trades."""

    @property
    def settings(self) -> VenueFigures:
        """Its assumptions."""
        ...

    @property
    def now_ns(self) -> int:
        """The latest time that it has worked through."""
        ...

    def arrival_ns(self, client_id: str, sent_ns: int) -> int:
        """Return when a request about this order, sent at `sent_ns`, reaches the venue."""
        ...

    def place(self, approved: Approved, ts_ns: int) -> list[Delivery]:
        """Handle an order that arrives."""
        ...

    def amend(self, amend: ApprovedAmend, ts_ns: int) -> list[Delivery]:
        """Handle new terms of an order that arrive."""
        ...

    def cancel(self, instrument: InstrumentId, client_id: str, ts_ns: int) -> list[Delivery]:
        """Handle a cancel that arrives."""
        ...

    def open_orders(self, instrument: InstrumentId | None) -> tuple[VenueOrder, ...]:
        """Return the open orders of an instrument, or of the whole account."""
        ...

    def ended_orders(self, instrument: InstrumentId | None, since_ns: int) -> tuple[VenueOrder, ...]:
        """Return the orders that were placed since then and have ended."""
        ...

    def order_status(self, client_id: str) -> VenueOrder | None:
        """Return an order, open or ended; None for one that it does not know."""
        ...

    def statement(self) -> dict[str, tuple[Money, Money]]:
        """Return what it says when it is asked what we own: asset -> (free, held)."""
        ...

    def endings(self, since_ns: int) -> tuple[MarketResolved | PairsRedeemed, ...]:
        """Return what became cash without an order since then, in order."""
        ...


class SimulatedLine:
    """The connection to one venue, the executor's port. `fates` counts what went wrong; `clock` is the venue's."""

    def __init__(self, venue: VenueHere, faults: Faults | None = None) -> None:
        self.venue = venue
        self.fates: Counter[Fault] = Counter()
        self.clock = TRUE_CLOCK
        self._faults = faults
        self._drawn: Counter[tuple[str, str]] = Counter()
        self._heap: list[tuple[int, int, str, Any]] = []
        self._count = 0
        self._latest_ns = 0
        self._batch_ns = 0

    @property
    def now_ns(self) -> int:
        """The latest time that the venue has worked through."""
        return self.venue.now_ns

    def push(self, ts_ns: int, kind: str, payload: Any) -> None:
        """Put something on its way; equal times keep their order."""
        self._count += 1
        heapq.heappush(self._heap, (ts_ns, self._count, kind, payload))

    @property
    def next_ns(self) -> int:
        """When the next thing arrives."""
        return self._heap[0][0] if self._heap else NEVER_NS

    def pop(self) -> tuple[int, str, Any]:
        """Take what arrives next: time, kind, payload."""
        ts_ns, _, kind, payload = heapq.heappop(self._heap)
        return ts_ns, kind, payload

    def reach(self, end_ns: int, due_ns: int) -> int:  # noqa: ARG002  nothing has to be waited for
        """Return `end_ns`: simulated time passes at once."""
        return end_ns

    # Requests (the executor's port)

    def place(self, approved: Approved, now_ns: int) -> None:
        """Send an order."""
        client_id = approved.client_id
        fate, arrival_ns = self._request("place", client_id, now_ns)
        attempt = self._drawn["place", client_id]
        if fate.fault is Fault.RATE_LIMITED:
            self._refuse(approved, _PACE, _TOO_FAST, attempt, self._back_ns(arrival_ns), fate.late_ns)
        elif fate.fault is not Fault.REQUEST_LOST:
            self.push(arrival_ns, "place", (approved, fate, attempt))

    def amend(self, amend: ApprovedAmend, now_ns: int) -> None:
        """Send new terms of an order."""
        fate, arrival_ns = self._request("amend", amend.client_id, now_ns)
        if fate.fault is Fault.RATE_LIMITED:
            self._refuse(amend, _PACE, _TOO_FAST, 0, self._back_ns(arrival_ns), fate.late_ns)
        elif fate.fault is not Fault.REQUEST_LOST:
            self.push(arrival_ns, "amend", (amend, fate))

    def cancel(self, instrument: InstrumentId, client_id: str, now_ns: int) -> None:
        """Send a cancel."""
        fate, arrival_ns = self._request("cancel", client_id, now_ns)
        if fate.fault is Fault.RATE_LIMITED:
            cancel = CancelOrder(instrument, client_id, "")
            self._refuse(cancel, _PACE, _TOO_FAST, 0, self._back_ns(arrival_ns), fate.late_ns)
        elif fate.fault is not Fault.REQUEST_LOST:
            self.push(arrival_ns, "cancel", (instrument, client_id, fate))

    def send_batch(self, calls: tuple[Order, ...], now_ns: int) -> None:
        """Send several orders, new terms or cancels in one call."""
        fate, arrival_ns = self._request("batch", calls[0].client_id, now_ns)
        items = [self._item(call, now_ns) for call in calls]
        if fate.fault is Fault.RATE_LIMITED:
            back_ns = self._back_ns(arrival_ns)
            for call, (_, attempt) in zip(calls, items, strict=True):
                self._refuse(call, _PACE, _TOO_FAST, attempt, back_ns, fate.late_ns)
        elif fate.fault is not Fault.REQUEST_LOST:
            self.push(arrival_ns, "batch", (calls, items, fate))

    def _item(self, call: Order, now_ns: int) -> tuple[Fate, int]:
        """Return what happens to one item of a call, and which attempt of its order it is."""
        if self._faults is None:
            return _GOOD, 0
        client_id = call.client_id
        if isinstance(call, Approved):
            self._drawn["place", client_id] += 1
        self._drawn["item", client_id] += 1
        fate = self._faults.of_item(client_id, self._drawn["item", client_id], now_ns)
        self.fates[fate.fault] += 1
        return fate, self._drawn["place", client_id]

    def ask_order(self, instrument: InstrumentId, client_id: str, now_ns: int) -> None:  # noqa: ARG002  the port's shape
        """Ask what became of an order."""
        fate, arrival_ns = self._request("query", client_id, now_ns)
        if fate.fault is Fault.RATE_LIMITED:
            self.push(self._back_ns(arrival_ns), "answer", StatusAnswer(client_id, None, now_ns, True, fate.late_ns))
        elif fate.fault is not Fault.REQUEST_LOST:
            self.push(arrival_ns, "query", (client_id, now_ns, fate))

    def ask_open_orders(self, query: OpenOrdersQuery, now_ns: int) -> None:
        """Ask which orders are open, and lately ended."""
        self._ask(_LIST, query, OpenOrdersAnswer(query.instrument, None, now_ns), now_ns)

    def ask_balances(self, query: BalancesQuery, now_ns: int) -> None:
        """Ask what we own, and what became cash without an order."""
        self._ask(_BALANCES, query, BalancesAnswer(None, now_ns, query.venue), now_ns)

    def _ask(self, purpose: str, query: AccountQuery, refusal: AccountAnswer, now_ns: int) -> None:
        fate, arrival_ns = self._request(purpose, purpose, now_ns)
        if fate.fault is Fault.RATE_LIMITED:
            self.push(self._back_ns(arrival_ns), "answer", refusal)
        elif fate.fault is not Fault.REQUEST_LOST:
            self.push(arrival_ns, purpose, (query, now_ns, fate))

    def ask_time(self, now_ns: int) -> None:
        """Ask for the venue's time: a public question, which costs nothing of the call budget."""
        fate, arrival_ns = self._request(_TIME, _TIME, now_ns)
        if fate.fault not in {Fault.RATE_LIMITED, Fault.REQUEST_LOST}:
            self.push(arrival_ns, "ask_time", (now_ns, fate))

    def _refuse(
        self, call: Order, reason: RejectReason, text: str, attempt: int, back_ns: int, retry_after_ns: int = 0
    ) -> None:
        """Put the refusal of a call, or of one item of it, on its way."""
        if isinstance(call, Approved):
            refusal = OrderRejected(call.client_id, reason, text, back_ns, retry_after_ns)
            self.push(back_ns, "refusal", (refusal, attempt))
        elif isinstance(call, ApprovedAmend):
            self.push(back_ns, "event", AmendRefused(call.client_id, call.revision, reason, back_ns, retry_after_ns))
        else:
            self.push(back_ns, "event", CancelRefused(call.client_id, reason.value, back_ns, retry_after_ns))

    def _request(self, purpose: str, client_id: str, now_ns: int) -> tuple[Fate, int]:
        """Return what happens to a call and when it arrives."""
        arrival_ns = max(self.venue.arrival_ns(client_id, now_ns), self._batch_ns)
        self._latest_ns = max(self._latest_ns, arrival_ns)
        if purpose == "batch":
            arrival_ns = self._batch_ns = self._latest_ns
        if self._faults is None:
            return _GOOD, arrival_ns
        self._drawn[purpose, client_id] += 1
        fate = self._faults.of_call(purpose, client_id, self._drawn[purpose, client_id], now_ns)
        self.fates[fate.fault] += 1
        return fate, arrival_ns + (fate.late_ns if fate.fault is Fault.REQUEST_OVERTAKEN else 0)

    # Arrivals at the venue

    def arrive(self, kind: str, payload: Any, ts_ns: int) -> None:
        """Hand a request to the venue and put its answers on their way back."""
        if kind == "place":
            approved, fate, attempt = payload
            deliveries = self.venue.place(approved, ts_ns)
            self._answer_call(deliveries, fate, attempt, approved.client_id)
        elif kind == "amend":
            amend, fate = payload
            self._answer_call(self.venue.amend(amend, ts_ns), fate, 0, "")
        elif kind == "cancel":
            instrument, client_id, fate = payload
            self._answer_call(self.venue.cancel(instrument, client_id, ts_ns), fate, 0, "")
        elif kind == "batch":
            calls, items, fate = payload
            for call, (item, attempt) in zip(calls, items, strict=True):
                self._carry_out(call, fate, item, attempt, ts_ns)
        else:
            self._asked(kind, payload, ts_ns)

    def _asked(self, kind: str, payload: Any, ts_ns: int) -> None:
        """Put the answer to a question on its way back."""
        if kind == "ask_time":
            asked_ns, fate = payload
            if fate.fault not in _UNANSWERED:
                told = VenueTime(self.venue.settings.venue, asked_ns, self.clock.shows(ts_ns))
                self.push(self._back_ns(ts_ns) + fate.late_ns, _TIME, told)
        elif kind == "query":
            client_id, asked_ns, fate = payload
            self._answer_question(StatusAnswer(client_id, self.venue.order_status(client_id), asked_ns), fate, ts_ns)
        elif kind == _LIST:
            query, asked_ns, fate = payload
            named = None if query.instrument == whole_account(query.instrument.venue) else query.instrument
            found = self.venue.open_orders(named)
            if query.since_ns is not None:
                found += self.venue.ended_orders(named, query.since_ns)
            self._answer_question(OpenOrdersAnswer(query.instrument, found, asked_ns), fate, ts_ns)
        else:
            query, asked_ns, fate = payload
            report = BalanceReport(query.venue, self.venue.statement(), ts_ns)
            endings = self.venue.endings(query.since_ns)
            self._answer_question(BalancesAnswer(report, asked_ns, query.venue, endings), fate, ts_ns)

    def _carry_out(self, call: Order, fate: Fate, item: Fate, attempt: int, ts_ns: int) -> None:
        """Have the venue carry out one item of a call, unless it refuses that one."""
        if item.fault is Fault.ITEM_REFUSED:
            if fate.fault not in _UNANSWERED:
                late_ns = fate.late_ns if fate.fault in _LATE else 0
                self._refuse(call, RejectReason.OTHER, _BUSY, attempt, self._back_ns(ts_ns) + late_ns)
            return
        if isinstance(call, Approved):
            deliveries = self.venue.place(call, ts_ns)
        elif isinstance(call, ApprovedAmend):
            deliveries = self.venue.amend(call, ts_ns)
        else:
            deliveries = self.venue.cancel(call.instrument, call.client_id, ts_ns)
        reset_id = call.client_id if isinstance(call, Approved) else ""
        self._answer_call(deliveries, fate if item.fault is Fault.NONE else item, attempt, reset_id)

    def is_current(self, client_id: str, attempt: int) -> bool:
        """Tell whether an order has not been sent again since this attempt."""
        return self._drawn["place", client_id] == attempt

    def answer(self, deliveries: list[Delivery]) -> None:
        """Put news that nobody asked for on its way."""
        for ts_ns, event in deliveries:
            self._tell(ts_ns, event)

    def _answer_call(self, deliveries: list[Delivery], fate: Fate, attempt: int, reset_id: str) -> None:
        """Put the answer to a call on its way, and what the venue tells beside it."""
        for ts_ns, event in deliveries:
            if isinstance(event, OrderProgress | BalanceReport):
                self._tell(ts_ns, event)
            elif fate.fault in _UNANSWERED:
                if fate.fault is Fault.RESET and reset_id:
                    self.push(ts_ns, "event", OrderUnknown(reset_id, _RESET, ts_ns))
            else:
                kind = "refusal" if isinstance(event, OrderRejected) else "event"
                self._deliver(ts_ns, event, fate, kind, attempt)

    def _tell(self, ts_ns: int, event: Event) -> None:
        about = _about(event)
        if self._faults is None or not about:
            self.push(ts_ns, "event", event)
            return
        self._drawn["news", about] += 1
        fate = self._faults.of_news(about, self._drawn["news", about], ts_ns)
        self.fates[fate.fault] += 1
        self._deliver(ts_ns, event, fate, "event", 0)

    def _deliver(self, ts_ns: int, event: Event, fate: Fate, kind: str, attempt: int) -> None:
        times = [ts_ns]
        if fate.fault in _LATE:
            times = [ts_ns + fate.late_ns]
        elif fate.fault is Fault.ANSWER_TWICE:
            times = [ts_ns, ts_ns + fate.late_ns]
        elif fate.fault is Fault.ANSWER_LOST:
            times = []
        for at_ns in times:
            told = event if at_ns == ts_ns else told_at(event, at_ns)
            self.push(at_ns, kind, told if kind == "event" else (told, attempt))

    def _answer_question(self, answer: StatusAnswer | AccountAnswer, fate: Fate, ts_ns: int) -> None:
        if fate.fault in _UNANSWERED:
            return
        self.push(self._back_ns(ts_ns) + (fate.late_ns if fate.fault in _LATE else 0), "answer", answer)
        if fate.fault is Fault.ANSWER_TWICE:
            self.push(self._back_ns(ts_ns) + fate.late_ns, "answer", answer)

    def _back_ns(self, ts_ns: int) -> int:
        return ts_ns + self.venue.settings.response_latency_ns


def _about(event: Event) -> str:
    """Return the order or the market that news is of which may be lost, late or told twice; "" for other news."""
    if isinstance(event, OrderProgress | OrderEnded | OrderAccepted):
        return event.client_id
    return str(event.market) if isinstance(event, MarketResolved | PairsRedeemed) else ""


def told_at(event: Event, ts_ns: int) -> Event:
    """Return the event as of when we learn of it: what is late has no older time than what came before it."""
    if isinstance(event, OrderEnded):
        return structs.replace(event, progress=structs.replace(event.progress, ts_ns=ts_ns))
    return structs.replace(event, ts_ns=ts_ns)
