"""Carries commands out: durable in the ledger first, then to the venue, at the pace that the call budget allows.

One transaction holds all facts of a step (group commit), and only an order that the ledger took as new is sent, so a
command that is carried out twice places one order (runtime 2.15). Waiting orders leave by priority: cancels and exits
before entries (slots 4.4). The executor takes `Approved` orders only, and those come from the restriction board.

When the ledger cannot be written, nothing new leaves, cancels still do, and the facts wait in order until it can.
"""

import heapq
from typing import Protocol

from millrace.capacity.call_budget import CallBudget
from millrace.core.commands import Approved, CancelOrder, Command, Submit
from millrace.core.events import (
    CancelRefused,
    EndStatus,
    Event,
    OrderAccepted,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    RejectReason,
)
from millrace.core.failure import WorldError
from millrace.core.instrument import InstrumentId
from millrace.core.ledger import LedgerStore

_URGENT = 0
_ENTRY = 3
_BACKLOG_LIMIT = 100_000


class VenuePort(Protocol):
    """The way to one venue; answers come back as events."""

    def place(self, approved: Approved, now_ns: int) -> None:
        """Send an order."""
        ...

    def cancel(self, instrument: InstrumentId, client_id: str, now_ns: int) -> None:
        """Send a cancel."""
        ...

    def report(self, event: Event) -> None:
        """Give the program an event that is certain without asking the venue."""
        ...


class LedgerFailedError(WorldError):
    """The ledger refused a batch; `unsent` are the orders of it, none of which left."""

    def __init__(self, text: str, unsent: list[str]) -> None:
        super().__init__(text)
        self.unsent = unsent


class Executor:
    """Outbox of one venue account."""

    def __init__(self, ledger: LedgerStore, port: VenuePort, budget: CallBudget) -> None:
        self.ledger = ledger
        self.budget = budget
        self._port = port
        self._outbox: list[tuple[int, int, int, Approved | CancelOrder]] = []
        self._count = 0
        self._backlog: list[Command] = []

    @property
    def waiting(self) -> int:
        """Number of calls that wait for the budget."""
        return len(self._outbox)

    @property
    def in_trouble(self) -> bool:
        """Whether facts wait for a ledger that cannot be written."""
        return bool(self._backlog)

    def execute(self, commands: list[Command], now_ns: int) -> int | None:
        """Carry out one step's commands; returns when `pump` must be called next, None when nothing waits.

        Raises LedgerFailedError after queueing the cancels when the ledger cannot be written.
        """
        submits = [command.order for command in commands if isinstance(command, Submit)]
        for command in commands:
            if isinstance(command, CancelOrder) and not self._withdraw(command, now_ns):
                self._enqueue(_URGENT, now_ns, command)
        try:
            new = self._commit(commands)
        except WorldError as error:
            self._remember(commands)
            self.pump(now_ns)
            raise LedgerFailedError(str(error), [order.client_id for order in submits]) from error
        for order in submits:
            if order.client_id in new:
                self._enqueue(_URGENT if order.order.reduces else _ENTRY, now_ns, order)
        return self.pump(now_ns)

    def _withdraw(self, cancel: CancelOrder, now_ns: int) -> bool:
        """Take an order back that still waits here: it ends without having been sent, and its cancel need not leave."""
        for place, (_, _, _, call) in enumerate(self._outbox):
            if isinstance(call, Approved) and call.client_id == cancel.client_id:
                del self._outbox[place]
                heapq.heapify(self._outbox)
                nothing = OrderProgress(cancel.client_id, 0, 0, 0, now_ns)
                self._port.report(OrderEnded(nothing, EndStatus.CANCELLED, "withdrawn before it was sent"))
                return True
        return False

    def _commit(self, commands: list[Command]) -> frozenset[str]:
        if self._backlog:
            self.ledger.commit(self._backlog)
            self._backlog.clear()
        return self.ledger.commit(commands).new_client_ids

    def _remember(self, commands: list[Command]) -> None:
        self._backlog.extend(commands)
        if len(self._backlog) > _BACKLOG_LIMIT:
            raise WorldError(
                f"{len(self._backlog)} facts wait for a ledger that cannot be written; free its disk and restart"
            )

    def retry(self) -> bool:
        """Try to write what waits; True when nothing waits any more."""
        try:
            self._commit([])
        except WorldError:
            return False
        return True

    def resend(self, approved: Approved, now_ns: int) -> None:
        """Queue an order that the ledger already holds and the venue surely does not (recovery only)."""
        self._enqueue(_URGENT if approved.order.reduces else _ENTRY, now_ns, approved)

    def heard(self, event: Event) -> None:
        """Take what an answer says about our pace."""
        if isinstance(event, OrderAccepted):
            self.budget.succeeded()
        elif (isinstance(event, OrderRejected) and event.reason is RejectReason.RATE_LIMIT) or (
            isinstance(event, CancelRefused) and event.reason == RejectReason.RATE_LIMIT.value
        ):
            self.budget.rate_limited(event.ts_ns)

    def _enqueue(self, priority: int, now_ns: int, call: Approved | CancelOrder) -> None:
        self._count += 1
        heapq.heappush(self._outbox, (priority, self._count, now_ns, call))

    def pump(self, now_ns: int) -> int | None:
        """Send what the budget allows now; returns the time of the next try, None when nothing waits."""
        while self._outbox:
            priority, _, queued_ns, call = self._outbox[0]
            earliest = self.budget.earliest_ns(now_ns, urgent=priority == _URGENT)
            if earliest > now_ns:
                return earliest
            heapq.heappop(self._outbox)
            self.budget.take(now_ns, waited_ns=now_ns - queued_ns)
            if isinstance(call, CancelOrder):
                self._port.cancel(call.instrument, call.client_id, now_ns)
            else:
                self._port.place(call, now_ns)
        return None
