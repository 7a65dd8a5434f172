"""What any simulated venue can be asked about the orders of its one account, the same way whatever it trades.

The program asks these questions when it starts and each minute; that a venue of books and one of outcomes answer them
alike is what lets one reconciler serve all. An order that ended very long ago is forgotten.
"""

from collections.abc import Mapping
from typing import Protocol

from millrace.core.instrument import Instrument, InstrumentId
from millrace.core.order_truth import VenueOrder


class _Working(Protocol):
    @property
    def instrument(self) -> Instrument: ...

    def described(self) -> VenueOrder: ...


class _Orders(Protocol):
    @property
    def open(self) -> Mapping[str, _Working]: ...

    @property
    def ended(self) -> Mapping[str, VenueOrder]: ...


class KnownOrders:
    """Answers from the state of the venue that it is a part of."""

    _state: _Orders

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
