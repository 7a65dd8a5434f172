"""What a slot asks for, in causal order within one transition (slots 1.3).

A negative `local_id` names a recovery. `Orphan` and `Book` are bookkeeping: nothing leaves for the venue.
"""

import msgspec

from millrace.strategies.slots.reducer.model import Cause, Recovery, Role, Side, TradeId
from millrace.strategies.slots.reducer.model import Order as OrderRecord


class Place(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Place a limit order: price in USD per unit, volume in base units."""

    local_id: int
    side: Side
    role: Role
    price: float
    volume: float
    trade_id: TradeId
    cycle: int
    post_only: bool
    reason: str


class Cancel(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Cancel an order; its end comes back as an event."""

    local_id: int
    txid: str
    reason: str


class Orphan(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An exit became a recovery; the order at the venue stays as it is."""

    local_id: int
    recovery_id: int
    reason: str


class Book(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A cycle, or a part of one, was booked; amounts in USD."""

    trade_id: TradeId
    cycle: int
    net: float
    gross: float
    fees: float
    settled: float
    from_recovery: bool
    cause: Cause


Action = Place | Cancel | Orphan | Book


def place_order(order: OrderRecord, reason: str) -> Place:
    """Return the placement of a slot's order."""
    return Place(
        order.local_id, order.side, order.role, order.price, order.volume,
        order.trade_id, order.cycle, True, reason,
    )  # fmt: skip


def place_recovery(recovery: Recovery, reason: str) -> Place:
    """Return the placement of a recovery, under its negative id."""
    return Place(
        -recovery.recovery_id, recovery.side, "exit", recovery.price, recovery.volume,
        recovery.trade_id, recovery.cycle, True, reason,
    )  # fmt: skip
