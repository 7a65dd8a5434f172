"""What the ledger promises, so that SQLite and its in-memory twin can be told apart by nothing but durability.

The ledger is the truth about money: intents, orders, fills, restrictions and bookings, each under a unique key, written
in one transaction per batch before an order leaves (design sections 5.6, 5.10 and 6; runtime 2.15, 2.16).
"""

from typing import Protocol

import msgspec

from millrace.core.commands import (
    AmendOrder,
    Book,
    Command,
    Lift,
    OrderState,
    Place,
    Post,
    RecordAdoption,
    RecordAmend,
    RecordClosing,
    RecordFill,
    RecordOpening,
    RecordOrder,
    Submit,
)
from millrace.core.ids import SubPosition
from millrace.core.instrument import Lots, Money
from millrace.core.order_truth import Terms
from millrace.core.permission import Restriction

FACTS = (
    Submit,
    AmendOrder,
    RecordAdoption,
    RecordOpening,
    RecordOrder,
    RecordAmend,
    RecordFill,
    RecordClosing,
    Book,
    Post,
    Lift,
)
"""The commands that a ledger keeps; the journal is synced before they are committed."""


class LedgerOrder(msgspec.Struct, frozen=True, gc=False):
    """An order as the ledger holds it; cum_* are the sums of its booked fills.

    `place` is what was sent at first, `terms` what holds now, `wanted` what an amend without an answer asks for.
    """

    client_id: str
    place: Place
    state: OrderState
    venue_order_id: str
    cum_lots: Lots
    cum_cost: Money
    cum_fee: Money
    created_ns: int
    updated_ns: int
    terms: Terms
    wanted: Terms | None


class LedgerPosition(msgspec.Struct, frozen=True, gc=False):
    """Signed lots, and the quote money paid (+) or received (-) and fees for them, of one sub-position."""

    position: SubPosition
    lots: Lots
    cost: Money
    fees: Money


class CommitResult(msgspec.Struct, frozen=True, gc=False):
    """Which submits and amends of the batch are new (to be sent), and which keys came back with another payload.

    A new amend is named by its order's client id: an order has one at a time.
    """

    new_client_ids: frozenset[str]
    reused_keys: tuple[str, ...]
    new_amends: frozenset[str] = frozenset()


class LedgerStore(Protocol):
    """One writer; every method either takes effect whole or raises WorldError and changes nothing."""

    def commit(self, commands: list[Command]) -> CommitResult:
        """Write the batch in one durable transaction; rows already there by unique key change nothing."""
        ...

    def probe(self, ts_ns: int) -> None:
        """Write something that matters to nobody, durably: how a ledger that nobody writes to shows that it works."""
        ...

    def orders(self, *, live_only: bool = False) -> list[LedgerOrder]:
        """Return orders in creation order."""
        ...

    def order(self, client_id: str) -> LedgerOrder | None:
        """Return one order."""
        ...

    def positions(self) -> list[LedgerPosition]:
        """Return sub-positions that are not flat, in a stable order."""
        ...

    def fills(self) -> int:
        """Return the number of booked fill increments."""
        ...

    def fees(self, strategy: str) -> dict[str, Money]:
        """Return what the venue charged for a strategy's fills, by the groups of their positions."""
        ...

    def cash(self, strategy: str) -> dict[str, Money]:
        """Return what a strategy's fills and closings brought in, less what they and their fees cost, by group."""
        ...

    def bookings(self, kind: str | None = None) -> list[Book]:
        """Return accounting records in the order in which they were written."""
        ...

    def restrictions(self) -> list[Restriction]:
        """Return restrictions in force."""
        ...

    def close(self) -> None:
        """Release the store."""
        ...
