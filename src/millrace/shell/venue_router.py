"""Several venues behind one face: each has an executor of its own, and a step's facts are one ledger transaction.

Whoever carries commands out need not know how many venues there are. A command goes to the executor of its
instrument's venue, with that venue's pace, breakers, outbox and comparison, so that trouble at one holds up none of the
others. What they have to tell the core is told in the order of the venues, so a run with the same events has the same
history.

The program has started when its first venue has answered; until each of the others has too, that one is halted.
"""

from collections import OrderedDict
from collections.abc import Sequence

from millrace.core.commands import AmendOrder, CancelOrder, Command, Submit
from millrace.core.events import Event, OrderEvent, Started
from millrace.core.instrument import InstrumentId
from millrace.core.ledger import LedgerStore
from millrace.core.ports import Orders
from millrace.shell.executor import Executor
from millrace.shell.fact_writer import FactWriter
from millrace.shell.reconciler import AccountAnswer, BalancesAnswer
from millrace.shell.unanswered import StatusAnswer
from millrace.shell.venue_calls import probe_id

_REMEMBERED = 20_000


class VenueRouter:
    """Executors by venue, the first one leading."""

    def __init__(self, ledger: LedgerStore, executors: dict[str, Executor], orders: Orders) -> None:
        self.executors = executors
        self._first = next(iter(executors))
        self._orders = orders
        self._probes = {probe_id(venue): venue for venue in executors}
        self._sent_to: OrderedDict[str, str] = OrderedDict()
        self._news: list[Event] = []
        self._facts = FactWriter(ledger, self._news)

    @property
    def waiting(self) -> int:
        """Number of calls that wait for a budget."""
        return sum(one.waiting for one in self.executors.values())

    @property
    def unanswered(self) -> int:
        """Number of orders that a venue owes an answer about."""
        return sum(one.unanswered for one in self.executors.values())

    @property
    def recovering(self) -> bool:
        """Whether a venue has not yet answered everything that a start asks."""
        return any(one.recovering for one in self.executors.values())

    @property
    def in_trouble(self) -> bool:
        """Whether facts wait to be written, or the ledger has not been seen to work since it failed."""
        return self._facts.in_trouble

    @property
    def next_ns(self) -> int | None:
        """When `pump` must be called next; None when nothing is awaited."""
        return min((ts_ns for one in self.executors.values() if (ts_ns := one.next_ns) is not None), default=None)

    def take_news(self) -> list[Event]:
        """Return, once, what the core must be told before anything else, venue by venue."""
        news = self._news.copy()
        self._news.clear()
        for venue, executor in self.executors.items():
            told = executor.take_news()
            news += told if venue == self._first else [event for event in told if not isinstance(event, Started)]
        return news

    # Carrying out

    def execute(self, commands: list[Command], now_ns: int, *, hold: bool) -> None:
        """Write one step's facts and hand its calls to their venues; `pump` sends them."""
        written = self._facts.of_step(commands, now_ns, hold=hold)
        calls: dict[str, list[Command]] = {}
        for command in commands:
            if isinstance(command, Submit | AmendOrder | CancelOrder):
                venue = _instrument_of(command).venue
                calls.setdefault(venue, []).append(command)
                if isinstance(command, Submit):
                    self._remember(command.order.client_id, venue)
        for venue, ours in calls.items():
            self.executors[venue].carry_out(ours, written, now_ns)

    def _remember(self, client_id: str, venue: str) -> None:
        """Note where news of an order will come from: late news of one that ended is still that venue's."""
        self._sent_to[client_id] = venue
        if len(self._sent_to) > _REMEMBERED:
            self._sent_to.popitem(last=False)

    def retry(self, now_ns: int) -> None:
        """Try to write what waits; call it only when the journal has all of it."""
        self._facts.retry(now_ns)

    def recover(self, now_ns: int, *, restart: bool, halted: Sequence[str] = ()) -> None:
        """Put everything of ours in question, at every venue, until it has answered (runtime 2.16)."""
        for venue, executor in self.executors.items():
            ours = tuple(client_id for client_id in halted if (self._venue(client_id) or self._first) == venue)
            executor.recover(now_ns, restart=restart, halted=ours)

    def pump(self, now_ns: int) -> int | None:
        """Send what the budgets allow now; returns when there is more to do, None when nothing is awaited."""
        due = [one.pump(now_ns) for one in self.executors.values()]
        return min((ts_ns for ts_ns in due if ts_ns is not None), default=None)

    def poll(self, instrument: InstrumentId, now_ns: int) -> bool:
        """Ask for an instrument's open orders if its venue's budget allows it now; False: skipped."""
        return self.executors[instrument.venue].poll(instrument, now_ns)

    # What comes

    def heard(self, event: OrderEvent) -> bool:
        """Take what an order's news says about our pace and requests at its venue; True: `pump` is due.

        Of an order that nobody knows, each venue may think that it asked for the news.
        """
        venue = self._venue(event.client_id)
        asked = self.executors.values() if venue is None else (self.executors[venue],)
        due = [one.heard(event) for one in asked]
        return any(due)

    def settled(self, venue: str) -> None:
        """Note that money or positions at a venue moved without an order."""
        self.executors[venue].settled(venue)

    def answered(self, answer: StatusAnswer | AccountAnswer, now_ns: int) -> None:
        """Take a venue's answer to a question."""
        if isinstance(answer, StatusAnswer):
            venue = self._venue(answer.client_id) or self._first
        else:
            venue = answer.venue if isinstance(answer, BalancesAnswer) else answer.instrument.venue
        self.executors[venue].answered(answer, now_ns)

    def _venue(self, client_id: str) -> str | None:
        known = self._probes.get(client_id) or self._sent_to.get(client_id)
        if known is not None:
            return known
        order = self._orders.open_order(client_id)
        return None if order is None else order.place.instrument.venue


def _instrument_of(command: Submit | AmendOrder | CancelOrder) -> InstrumentId:
    if isinstance(command, CancelOrder):
        return command.instrument
    return command.order.order.instrument if isinstance(command, Submit) else command.amend.order.instrument


Carrier = Executor | VenueRouter
"""Whoever carries commands out."""
