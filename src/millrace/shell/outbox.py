"""Calls to one venue that wait for their turn (runtime 2.14, slots 4.4).

Cancels leave first, then what closes a position or makes an order smaller, then questions, then what opens one; within
a rank, first come first served. The ranks are apart, so that one whose breaker is open holds nobody else up. What
opens a position is taken only while there is room for it: an order that would leave at a price of long ago is better
not sent at all.
"""

from collections import deque
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from millrace.core.commands import Approved, ApprovedAmend, CancelOrder
from millrace.shell.reconciler import AccountQuery, BalancesQuery
from millrace.shell.unanswered import Query

Call = Approved | ApprovedAmend | CancelOrder | Query | AccountQuery
"""Everything that leaves for a venue."""
OUTBOX_LIMIT = 32
"""Calls that may wait before new increasing orders are refused (runtime 2.14)."""


class Rank(IntEnum):
    """Who leaves first."""

    CANCEL = 0
    EXIT = 1
    QUESTION = 2
    ENTRY = 3

    @property
    def urgent(self) -> bool:
        """Tell whether the call may overdraw the budget: the way out is not blocked by the way in."""
        return self <= Rank.EXIT


class Waiting(NamedTuple):
    """A call and since when it waits."""

    call: Call
    queued_ns: int


class Outbox:
    """The waiting calls, by rank."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ranks: tuple[deque[Waiting], ...] = tuple(deque() for _ in Rank)

    def __len__(self) -> int:
        return sum(map(len, self._ranks))

    def __iter__(self) -> Iterator[Call]:
        """Yield the waiting calls in the order in which they would leave."""
        return (waiting.call for rank in self._ranks for waiting in rank)

    @property
    def is_full(self) -> bool:
        """Tell whether a new increasing order has to be refused."""
        return len(self) >= self._limit

    @property
    def highest(self) -> Rank | None:
        """Rank of the call that would leave first; None when nothing waits."""
        return next((rank for rank in Rank if self._ranks[rank]), None)

    def push(self, call: Call, now_ns: int) -> None:
        """Let a call wait behind those of its rank."""
        self._ranks[_rank(call)].append(Waiting(call, now_ns))

    def head(self, rank: Rank) -> Waiting | None:
        """Return the first call of a rank."""
        waiting = self._ranks[rank]
        return waiting[0] if waiting else None

    def pop(self, rank: Rank) -> None:
        """Take the first call of a rank away."""
        self._ranks[rank].popleft()

    def withdraw(self, client_id: str) -> Approved | ApprovedAmend | None:
        """Take an order, or an amend of it, back that has not left; None when neither waited here."""
        for rank in (Rank.EXIT, Rank.ENTRY):
            for waiting in self._ranks[rank]:
                call = waiting.call
                if isinstance(call, Approved | ApprovedAmend) and call.client_id == client_id:
                    self._ranks[rank].remove(waiting)
                    return call
        return None


def _rank(call: Call) -> Rank:
    if isinstance(call, CancelOrder):
        return Rank.CANCEL
    if isinstance(call, Approved | ApprovedAmend):
        return Rank.ENTRY if call.increases else Rank.EXIT
    return Rank.QUESTION


def venue_of(call: Call) -> str:
    """Return the venue that a call is for."""
    if isinstance(call, Approved | ApprovedAmend):
        return call.order.instrument.venue
    return call.venue if isinstance(call, BalancesQuery) else call.instrument.venue
