"""What we believe about an order, what the venue says about it, and the news that leads from the one to the other.

A restart, a request without an answer and the comparison that never stops end in the same questions, so all get their
events here (runtime 2.15 rule 3, 2.16). The events carry cumulative state: told twice, or after the real news, they
change nothing.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from millrace.core.commands import OrderState, Place, Side
from millrace.core.events import (
    AmendRefused,
    CancelRefused,
    EndStatus,
    Event,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderProgress,
    RejectReason,
)
from millrace.core.instrument import InstrumentId, Lots, Money, Ticks

_ENDED = {OrderState.CANCELLED: EndStatus.CANCELLED, OrderState.EXPIRED: EndStatus.EXPIRED}
UNCONFIRMED = frozenset({OrderState.INTENT, OrderState.SENT, OrderState.UNKNOWN})
"""States in which we have no word from the venue."""
GONE = "the venue does not know it any more"
WEAK_MATCH_NS = 60_000_000_000
"""How far apart our making and the venue's taking of an order may be that is matched by its terms alone."""


class Terms(NamedTuple):
    """What an amend may change: lots in all, filled ones included, and the limit."""

    lots: Lots
    limit_ticks: Ticks


class OpenOrder(msgspec.Struct, frozen=True, gc=False):
    """An order that has not ended, as far as we know; `cancel_out` while a cancel is on its way.

    `venue_order_id` is empty until the venue accepted it; `made_ns` is when the board let it through. `place` has the
    terms that the venue confirmed, `wanted` those of amend number `revision` while nobody knows whether it was done.
    An answer to what was asked before `terms_ns` says nothing about either.
    """

    client_id: str
    place: Place
    state: OrderState
    venue_order_id: str
    cum_lots: Lots
    cum_cost: Money
    cum_fee: Money
    cancel_out: bool
    made_ns: int
    revision: int = 0
    wanted: Terms | None = None
    terms_ns: int = 0

    @property
    def terms(self) -> Terms:
        """The confirmed terms."""
        return Terms(self.place.lots, self.place.limit_ticks)

    @property
    def is_amendable(self) -> bool:
        """Whether the venue has it and neither an amend nor a cancel is on its way."""
        return self.state not in UNCONFIRMED and self.wanted is None and not self.cancel_out

    @property
    def never_seen(self) -> bool:
        """Whether nothing that we know says that the venue ever had it."""
        return self.state in UNCONFIRMED and not self.venue_order_id and not self.cum_lots


class VenueOrder(msgspec.Struct, frozen=True, gc=False):
    """What the venue answers when it is asked about an order; `client_id` is empty where it does not tell it."""

    instrument: InstrumentId
    client_id: str
    venue_order_id: str
    side: Side
    lots: Lots
    limit_ticks: Ticks
    state: OrderState
    cum_lots: Lots
    cum_cost: Money
    cum_fee: Money
    reason: str
    placed_ns: int = 0

    @property
    def terms(self) -> Terms:
        """The terms as the venue has them."""
        return Terms(self.lots, self.limit_ticks)


def differences(
    order: OpenOrder, found: VenueOrder, now_ns: int, asked_ns: int, *, cancel_lost: bool = True
) -> list[Event]:
    """Return what the venue knows of an order and we do not, as events at `now_ns`; it was asked at `asked_ns`.

    With `cancel_lost` a cancel that was out while the order still stands did not work: it is reported as refused, so it
    is sent again.
    """
    events: list[Event] = []
    if order.state in UNCONFIRMED:
        events.append(OrderAccepted(order.client_id, found.venue_order_id, now_ns))
    events += _terms_told(order, found, now_ns, asked_ns)
    progress = OrderProgress(order.client_id, found.cum_lots, found.cum_cost, found.cum_fee, now_ns)
    if found.state in _ENDED:
        return [*events, OrderEnded(progress, _ENDED[found.state], found.reason)]
    if found.cum_lots > order.cum_lots:
        events.append(progress)
    if cancel_lost and order.cancel_out and not found.state.is_terminal:
        events.append(CancelRefused(order.client_id, RejectReason.LOST.value, now_ns))
    return events


def _terms_told(order: OpenOrder, found: VenueOrder, now_ns: int, asked_ns: int) -> list[Event]:
    """Return what the venue's terms say of an amend; terms that are nobody's are adopted, because they bind us.

    Old terms of an open order say nothing here: the amend may still be under way. Those of an ended one are final.
    """
    over = found.state.is_terminal
    if asked_ns < order.terms_ns and not over:
        return []
    if order.wanted is not None and found.terms == order.wanted:
        return [OrderAmended(order.client_id, order.revision, *found.terms, now_ns)]
    events: list[Event] = []
    if found.terms != order.terms and asked_ns >= order.terms_ns:
        events.append(OrderAmended(order.client_id, 0, *found.terms, now_ns))
    if over and order.wanted is not None:
        events.append(AmendRefused(order.client_id, order.revision, RejectReason.LOST, now_ns))
    return events


def gone(order: OpenOrder, now_ns: int) -> OrderEnded:
    """Return the end of an order that the venue had accepted and has forgotten, trade history included."""
    progress = OrderProgress(order.client_id, order.cum_lots, order.cum_cost, order.cum_fee, now_ns)
    return OrderEnded(progress, EndStatus.CANCELLED, GONE)


class Compared(NamedTuple):
    """Our unfinished orders beside the venue's, which may have ended (runtime 2.16).

    `orphans` are open, carry our tag and are not ours, `foreign` counts open ones without it, `weak` are ours whose
    only match are the terms of an order that nobody claims.
    """

    matched: list[tuple[OpenOrder, VenueOrder]]
    absent: list[OpenOrder]
    weak: list[OpenOrder]
    orphans: list[VenueOrder]
    foreign: int


def compare(ours: Iterable[OpenOrder], theirs: Sequence[VenueOrder], tag: str) -> Compared:
    """Match by client id, then by the venue's id, then, weakly, by terms and time."""
    by_client = {found.client_id: found for found in theirs if found.client_id}
    by_venue = {found.venue_order_id: found for found in theirs}
    compared = Compared([], [], [], [], 0)
    claimed: set[str] = set()
    unmatched: list[OpenOrder] = []
    for order in ours:
        found = by_client.get(order.client_id) or by_venue.get(order.venue_order_id)
        if found is None:
            unmatched.append(order)
        else:
            claimed.add(found.venue_order_id)
            compared.matched.append((order, found))
    nameless = [found for found in theirs if not found.client_id and found.venue_order_id not in claimed]
    for order in unmatched:
        alike = next((found for found in nameless if _alike(order, found)), None)
        if alike is not None:
            nameless.remove(alike)
            claimed.add(alike.venue_order_id)
        (compared.absent if alike is None else compared.weak).append(order)
    left = [found for found in theirs if found.venue_order_id not in claimed and not found.state.is_terminal]
    compared.orphans.extend(found for found in left if found.client_id.startswith(tag))
    return compared._replace(foreign=len(left) - len(compared.orphans))


def _alike(order: OpenOrder, found: VenueOrder) -> bool:
    place = order.place
    terms = (found.instrument, found.side, found.lots, found.limit_ticks)
    same = terms == (place.instrument, place.side, place.lots, place.limit_ticks)
    return same and order.never_seen and abs(found.placed_ns - order.made_ns) <= WEAK_MATCH_NS
