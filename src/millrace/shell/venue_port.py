"""The way from the executor to one venue: what is sent, never what comes back.

Answers come back as events through the sequencer, or as answers to questions, so that a venue in this process, one in
another and a real one are driven alike. Whoever implements this keeps the calls in the order in which they were given.
"""

from typing import Protocol

from millrace.core.commands import Approved, ApprovedAmend, CancelOrder
from millrace.core.instrument import InstrumentId
from millrace.shell.reconciler import BalancesQuery, OpenOrdersQuery

Order = Approved | ApprovedAmend | CancelOrder
"""What changes something at a venue, and may leave together with others of its kind."""


class VenuePort(Protocol):
    """The way to one venue; answers come back as events."""

    def place(self, approved: Approved, now_ns: int) -> None:
        """Send an order. A refusal that answers an earlier send of the same order may not be reported any more."""
        ...

    def amend(self, amend: ApprovedAmend, now_ns: int) -> None:
        """Send new terms of an order."""
        ...

    def cancel(self, instrument: InstrumentId, client_id: str, now_ns: int) -> None:
        """Send a cancel."""
        ...

    def send_batch(self, calls: tuple[Order, ...], now_ns: int) -> None:
        """Send several orders, several new terms or several cancels in one call; each is answered for itself."""
        ...

    def ask_order(self, instrument: InstrumentId, client_id: str, now_ns: int) -> None:
        """Ask what became of an order; the answer comes back as a `StatusAnswer`."""
        ...

    def ask_open_orders(self, query: OpenOrdersQuery, now_ns: int) -> None:
        """Ask which orders are open (and lately ended); the answer comes back as an `OpenOrdersAnswer`."""
        ...

    def ask_balances(self, query: BalancesQuery, now_ns: int) -> None:
        """Ask what we own, and what became cash without an order; the answer comes back as a `BalancesAnswer`."""
        ...
