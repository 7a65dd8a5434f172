"""Requests that the venue has not answered: when to ask, and what an answer means (runtime 2.14, 2.15 rule 3).

An order without an answer after 2 s is unknown and is asked for by its client id at 0.25, 0.5, 1, 2 and 4 s, then every
4 s. Found, it is adopted with the events that a restart would use. Absent counts only when the question left after the
venue had had time to settle since the last send, and when nothing we know says that the venue ever had the order; then
the same order is sent again, three times at most, unless it was to be cancelled meanwhile. Nothing is resent blindly:
a venue that forgets ended orders' ids would take a second one. A ladder without any answer halts the venue. An order
that the venue had accepted and denies twice, a settle time apart, has ended with what we know of its fills; whoever
answers looks into the trade history before denying.

A cancel without an answer, or one that met an unknown order, is a question too, never an assumption. So is an amend:
the terms that the venue has decide, the new ones at once, the old ones when the question left after the venue had had
time to settle.
"""

from typing import NamedTuple

import msgspec

from millrace.core.commands import Approved, ApprovedAmend, CancelOrder
from millrace.core.events import (
    AmendRefused,
    CancelRefused,
    Event,
    OrderEvent,
    OrderRejected,
    OrderUnknown,
    RejectReason,
)
from millrace.core.instrument import InstrumentId
from millrace.core.order_truth import UNCONFIRMED, OpenOrder, VenueOrder, differences, gone
from millrace.core.ports import Orders
from millrace.core.recovery_events import QueryAnswered, QueryFailed

_NEVER_NS = 2**63 - 1
_MS = 1_000_000
LADDER_NS = (250 * _MS, 500 * _MS, 1_000 * _MS, 2_000 * _MS, 4_000 * _MS)
"""When an unknown order is asked for, from when it became unknown; later questions follow at the last distance."""
_REPEATED = frozenset({RejectReason.RATE_LIMIT.value, RejectReason.LOST.value})
"""Refusals of a cancel that its strategy sends again; any other asks what became of the order."""
_LOST = "the venue never had it"


class Patience(msgspec.Struct, frozen=True, gc=False):
    """How long an answer may take, how long a venue takes to settle, and how often an order is sent again."""

    answer_ns: int = 2_000 * _MS
    settle_ns: int = 2_000 * _MS
    resends: int = 3


class Query(NamedTuple):
    """A question about one order."""

    instrument: InstrumentId
    client_id: str


class StatusAnswer(NamedTuple):
    """The venue's answer to a question that left at `asked_ns`: the order, None for none, or that we ask too fast.

    When it refused, `retry_after_ns` is how long it wants to be left alone; 0 where it does not say.
    """

    client_id: str
    found: VenueOrder | None
    asked_ns: int
    refused: bool = False
    retry_after_ns: int = 0


class Follows(NamedTuple):
    """What follows: news for the core, and calls for the outbox."""

    news: list[Event]
    calls: list[Query | Approved | CancelOrder]


class _Watch(msgspec.Struct, gc=False):
    """One unanswered order. `ladder_ns` is when it became unknown, `denied_ns` when the venue denied it, 0 before.

    `revision` is the amend without an answer, 0 for none; it left at `amend_ns`.
    """

    instrument: InstrumentId
    client_id: str
    sent_ns: int
    due_ns: int
    approved: Approved | None = None
    cancel: CancelOrder | None = None
    ladder_ns: int = 0
    asked: int = 0
    resends: int = 0
    denied_ns: int = 0
    revision: int = 0
    amend_ns: int = 0
    resending: bool = False
    halted: bool = False


class Unanswered:
    """The unanswered orders of one venue account."""

    def __init__(self, orders: Orders, patience: Patience) -> None:
        self._orders = orders
        self._patience = patience
        self._watches: dict[str, _Watch] = {}

    def __len__(self) -> int:
        return len(self._watches)

    @property
    def next_ns(self) -> int | None:
        """When `due` must be called next; None while nothing is unanswered."""
        if not self._watches:
            return None
        earliest = min([watch.due_ns for watch in self._watches.values()])
        return None if earliest == _NEVER_NS else earliest

    def question(self, client_id: str, now_ns: int, *, halted: bool = False) -> None:
        """Ask about an unfinished order that may have changed unheard; `halted` when its venue stands halted for it.

        What leaves of it again is for its strategy to decide, so an order that the venue never had is not resent.
        """
        order, watch = self._orders.open_order(client_id), self._watches.get(client_id)
        if order is None:
            return
        if watch is None:
            watch = _Watch(order.place.instrument, client_id, now_ns, now_ns, halted=halted)
            watch.ladder_ns = max(now_ns, 1)
            self._watches[client_id] = watch
        if order.wanted is not None and watch.revision != order.revision:
            watch.revision, watch.amend_ns = order.revision, now_ns

    # What leaves

    def placed(self, approved: Approved, now_ns: int) -> None:
        """Note that an order left, for the first time or again."""
        due_ns = now_ns + self._patience.answer_ns
        again = self._watches.get(approved.client_id)
        if again is None:
            watch = _Watch(approved.order.instrument, approved.client_id, now_ns, due_ns, approved)
            self._watches[approved.client_id] = watch
            return
        again.sent_ns, again.due_ns = now_ns, due_ns
        again.ladder_ns = again.asked = 0
        again.resending = False

    def unwanted(self, cancel: CancelOrder) -> None:
        """Note that an order is to leave the book: if the venue never had it, it is not sent again."""
        watch = self._watches.get(cancel.client_id)
        if watch is not None:
            watch.cancel = cancel

    def cancelled(self, cancel: CancelOrder, now_ns: int) -> None:
        """Note that a cancel left."""
        due_ns = now_ns + self._patience.answer_ns
        watch = self._watches.setdefault(cancel.client_id, _Watch(cancel.instrument, cancel.client_id, now_ns, due_ns))
        watch.cancel = cancel
        if not watch.ladder_ns:
            watch.due_ns = min(watch.due_ns, due_ns)

    def amended(self, amend: ApprovedAmend, now_ns: int) -> None:
        """Note that an amend left."""
        due_ns = now_ns + self._patience.answer_ns
        new = _Watch(amend.order.instrument, amend.client_id, now_ns, due_ns)
        watch = self._watches.setdefault(amend.client_id, new)
        watch.revision, watch.amend_ns = amend.revision, now_ns
        if not watch.ladder_ns:
            watch.due_ns = min(watch.due_ns, due_ns)

    def asked(self, client_id: str, now_ns: int) -> None:
        """Note that a question left."""
        watch = self._watches.get(client_id)
        if watch is None:
            return
        watch.asked += 1
        if watch.asked < len(LADDER_NS):
            watch.due_ns = max(watch.ladder_ns + LADDER_NS[watch.asked], now_ns + LADDER_NS[0])
        else:
            watch.due_ns = now_ns + LADDER_NS[-1]

    def watches(self, client_id: str) -> bool:
        """Tell whether anything about the order is unanswered."""
        return client_id in self._watches

    def is_asking(self, client_id: str) -> bool:
        """Tell whether the order is still one to ask about."""
        watch = self._watches.get(client_id)
        return watch is not None and watch.ladder_ns > 0 and not watch.resending

    def may_send(self, client_id: str) -> bool:
        """Tell whether the venue still never had an order that waits to leave, for the first time or again."""
        order, watch = self._orders.open_order(client_id), self._watches.get(client_id)
        return order is not None and order.never_seen and (watch is None or watch.resending)

    def may_amend(self, amend: ApprovedAmend) -> bool:
        """Tell whether an amend that waits to leave is still what its order waits for."""
        order = self._orders.open_order(amend.client_id)
        return order is not None and order.wanted is not None and order.revision == amend.revision

    # What comes

    def due(self, now_ns: int) -> Follows:
        """Return what the passing of time asks for."""
        follows = Follows([], [])
        for watch in [watch for watch in self._watches.values() if watch.due_ns <= now_ns]:
            order = self._orders.open_order(watch.client_id)
            if order is None:
                self._known(watch, now_ns, follows.news)
            elif not watch.ladder_ns:
                _doubt(watch, now_ns)
                if order.state in UNCONFIRMED:
                    text = f"no answer within {self._patience.answer_ns / 1e9:g} s"
                    follows.news.append(OrderUnknown(watch.client_id, text, now_ns))
            else:
                if watch.asked >= len(LADDER_NS):
                    _halt(watch, "no answer to any question about it", now_ns, follows.news)
                follows.calls.append(Query(watch.instrument, watch.client_id))
                watch.due_ns = _NEVER_NS
        return follows

    def concerns(self, event: OrderEvent) -> bool:
        """Tell whether news is of an unanswered order or makes one."""
        return event.client_id in self._watches or _is_question(event)

    def heard(self, event: OrderEvent) -> Follows:
        """Take an order's news, which the core has applied already."""
        follows = Follows([], [])
        order, watch = self._orders.open_order(event.client_id), self._watches.get(event.client_id)
        if watch is not None and not _is_out(watch, order):
            watch.revision = 0
        if order is None:
            if watch is not None:
                self._known(watch, event.ts_ns, follows.news)
        elif _is_question(event):
            self._raised(event, order.place.instrument)
        elif watch is not None:
            if isinstance(event, CancelRefused):
                watch.cancel = None
            if watch.cancel is None and not watch.revision and order.state not in UNCONFIRMED:
                self._known(watch, event.ts_ns, follows.news)
        return follows

    def _raised(self, event: OrderEvent, instrument: InstrumentId) -> None:
        """Note that news raised a question."""
        watch = self._watches.get(event.client_id)
        if watch is None:
            watch = self._watches[event.client_id] = _Watch(instrument, event.client_id, event.ts_ns, _NEVER_NS)
        if isinstance(event, CancelRefused):
            watch.cancel = watch.cancel or CancelOrder(watch.instrument, watch.client_id, event.reason)
        if not watch.ladder_ns:
            _doubt(watch, event.ts_ns)

    def answered(self, answer: StatusAnswer, now_ns: int) -> Follows:
        """Take the answer to a question."""
        follows = Follows([], [])
        watch = self._watches.get(answer.client_id)
        if watch is None or answer.refused:
            return follows
        order = self._orders.open_order(answer.client_id)
        if order is None:
            self._known(watch, now_ns, follows.news)
        elif answer.found is not None:
            self._found(watch, order, answer.found, answer.asked_ns, now_ns, follows)
        elif not order.never_seen:
            self._denied(watch, order, answer, now_ns, follows)
        elif not watch.resending and answer.asked_ns >= watch.sent_ns + self._patience.settle_ns:
            self._absent(watch, now_ns, follows)
        return follows

    def _denied(self, watch: _Watch, order: OpenOrder, answer: StatusAnswer, now_ns: int, follows: Follows) -> None:
        if not watch.denied_ns:
            watch.denied_ns = answer.asked_ns
        elif answer.asked_ns >= watch.denied_ns + self._patience.settle_ns:
            follows.news.append(gone(order, now_ns))
            self._known(watch, now_ns, follows.news)

    def _found(
        self, watch: _Watch, order: OpenOrder, found: VenueOrder, asked_ns: int, now_ns: int, follows: Follows
    ) -> None:
        follows.news.extend(differences(order, found, now_ns, asked_ns))
        if _is_out(watch, order) and not found.state.is_terminal and found.terms != order.wanted:
            if found.terms != order.terms or asked_ns < watch.amend_ns + self._patience.settle_ns:
                return
            follows.news.append(AmendRefused(order.client_id, order.revision, RejectReason.LOST, now_ns))
        if watch.cancel is None or order.cancel_out or found.state.is_terminal:
            self._known(watch, now_ns, follows.news)
            return
        _answer(watch, now_ns, follows.news)
        watch.ladder_ns = watch.asked = watch.denied_ns = 0
        watch.due_ns = _NEVER_NS
        follows.calls.append(watch.cancel)

    def _absent(self, watch: _Watch, now_ns: int, follows: Follows) -> None:
        _answer(watch, now_ns, follows.news)
        if watch.approved is None or watch.cancel is not None or watch.resends >= self._patience.resends:
            reason = RejectReason.NEVER_LEFT if watch.approved is None else RejectReason.LOST
            follows.news.append(OrderRejected(watch.client_id, reason, _LOST, now_ns))
            return
        watch.resends += 1
        watch.resending = True
        watch.due_ns = _NEVER_NS
        follows.calls.append(watch.approved)

    def _known(self, watch: _Watch, now_ns: int, news: list[Event]) -> None:
        del self._watches[watch.client_id]
        _answer(watch, now_ns, news)


def _is_out(watch: _Watch, order: OpenOrder | None) -> bool:
    """Tell whether an amend of the order left and nobody knows what became of it."""
    return order is not None and order.wanted is not None and order.revision == watch.revision


def _is_question(event: OrderEvent) -> bool:
    """Tell whether news leaves open what became of the order."""
    if isinstance(event, OrderRejected):
        return event.reason is RejectReason.DUPLICATE_CLIENT_ID
    if isinstance(event, AmendRefused):
        return event.reason is RejectReason.UNKNOWN_ORDER
    return isinstance(event, OrderUnknown) or (isinstance(event, CancelRefused) and event.reason not in _REPEATED)


def _doubt(watch: _Watch, now_ns: int) -> None:
    watch.ladder_ns = now_ns
    watch.asked = 0
    watch.due_ns = now_ns + LADDER_NS[0]


def _halt(watch: _Watch, why: str, now_ns: int, news: list[Event]) -> None:
    if not watch.halted:
        watch.halted = True
        news.append(QueryFailed(watch.client_id, watch.instrument.venue, f"{watch.client_id}: {why}", now_ns))


def _answer(watch: _Watch, now_ns: int, news: list[Event]) -> None:
    if watch.halted:
        watch.halted = False
        news.append(QueryAnswered(watch.client_id, now_ns))
