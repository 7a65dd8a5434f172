"""What both ledgers decide alike: which facts change a row, and what a row then says.

The in-memory ledger and SQLite differ in durability only (design section 5.10), so every rule that is more than a
unique key stands here once.
"""

from millrace.core.commands import (
    ApprovedAmend,
    OrderState,
    RecordClosing,
    RecordFill,
    RecordOpening,
    RecordOrder,
)
from millrace.core.instrument import Lots, Money
from millrace.core.order_truth import Terms
from millrace.orders.states import next_state

FillKey = tuple[str, Lots, Money, Money]
OPENING = "opening/"
"""Begins the name under which an opening position stands among the fills; no order has an id like it."""
CLOSING = "closing/"
"""The same of what became cash without an order."""


def fill_key(fill: RecordFill) -> FillKey:
    """Return what makes an increment unique: the cumulative state that it leads to.

    The fee is part of it: a venue may report it later than the lots, and that increment must be booked too.
    """
    return fill.client_id, fill.cum_lots, fill.cum_cost, fill.cum_fee


def moved(state: OrderState, fact: RecordOrder) -> OrderState:
    """Return an order's state after a fact: facts that are repeated after a restart take no order back."""
    return next_state(state, fact.state)


def terms_of(amend: ApprovedAmend) -> Terms:
    """Return the terms that an amend asks for: its payload, as far as it may not come back changed."""
    return Terms(amend.lots, amend.limit_ticks)


def venue_key(venue: str, venue_order_id: str) -> str:
    """Name a venue's order id in the list of keys that came back with another payload."""
    return f"{venue} order {venue_order_id}"


def opening_fill(opening: RecordOpening) -> RecordFill:
    """Return an opening position as the increment that positions are summed from; the same one comes only once."""
    position, amounts = opening.position, (opening.lots, opening.cost, opening.fee)
    name = f"{OPENING}{position.strategy}/{position.instrument}/{position.group}/{position.leg}"
    return RecordFill(name, position, opening.side, *amounts, 0, 0, 0, opening.ts_ns)


def closing_fill(closing: RecordClosing) -> RecordFill:
    """Return what became cash as the increment that positions are summed from; the same one comes only once."""
    position = closing.position
    at = f"{position.strategy}/{position.instrument}/{position.group}/{position.leg}"
    name = f"{CLOSING}{at}/{closing.route}/{closing.number}/{closing.ts_ns}"
    amounts = (abs(closing.lots), closing.cost, closing.fee)
    return RecordFill(name, position, closing.side, *amounts, 0, 0, 0, closing.ts_ns)
