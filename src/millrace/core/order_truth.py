"""What we believe about an order, what the venue says about it, and the news that leads from the one to the other.

A restart and a request without an answer end in the same question, so both get their events here (runtime 2.15 rule 3,
2.16). The events carry cumulative state: told twice, or after the real news, they change nothing.
"""

import msgspec

from millrace.core.commands import OrderState, Place, Side
from millrace.core.events import CancelRefused, EndStatus, Event, OrderAccepted, OrderEnded, OrderProgress, RejectReason
from millrace.core.instrument import InstrumentId, Lots, Money, Ticks

_ENDED = {OrderState.CANCELLED: EndStatus.CANCELLED, OrderState.EXPIRED: EndStatus.EXPIRED}
UNCONFIRMED = frozenset({OrderState.INTENT, OrderState.SENT, OrderState.UNKNOWN})
"""States in which we have no word from the venue."""


class OpenOrder(msgspec.Struct, frozen=True, gc=False):
    """An order that has not ended, as far as we know; `cancel_out` while a cancel is on its way.

    `venue_order_id` is empty until the venue accepted it.
    """

    client_id: str
    place: Place
    state: OrderState
    venue_order_id: str
    cum_lots: Lots
    cancel_out: bool

    @property
    def never_seen(self) -> bool:
        """Whether nothing that we know says that the venue ever had it."""
        return self.state in UNCONFIRMED and not self.venue_order_id and not self.cum_lots


class VenueOrder(msgspec.Struct, frozen=True, gc=False):
    """What the venue answers when it is asked about an order."""

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


def differences(order: OpenOrder, found: VenueOrder, now_ns: int) -> list[Event]:
    """Return what the venue knows of an order and we do not, as events at `now_ns`.

    A cancel that was out while the order still stands did not work: it is reported as refused, so it is sent again.
    """
    events: list[Event] = []
    if order.state in UNCONFIRMED:
        events.append(OrderAccepted(order.client_id, found.venue_order_id, now_ns))
    progress = OrderProgress(order.client_id, found.cum_lots, found.cum_cost, found.cum_fee, now_ns)
    if found.state in _ENDED:
        return [*events, OrderEnded(progress, _ENDED[found.state], found.reason)]
    if found.cum_lots > order.cum_lots:
        events.append(progress)
    if order.cancel_out and not found.state.is_terminal:
        events.append(CancelRefused(order.client_id, RejectReason.LOST.value, now_ns))
    return events
