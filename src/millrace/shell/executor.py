"""Carries commands out: durable in the ledger first, then to the venue, at the pace that the call budget allows.

One transaction holds all facts of a step (group commit), and only an order that the ledger took as new is sent, so a
command that is carried out twice places one order (runtime 2.15). What has to wait does so in the `outbox`, where an
entry that finds it full, or that waited longer than `valid_for_ns`, ends without having been sent. The executor takes
`Approved` orders and amends only, and those come from the restriction board, which is asked again when one has waited
and the board has changed since (design section 5.1). The kill file is looked at before each, whatever the core knows. A
cancel takes an amend of its order back that still waits.

Calls of a rank that leave at the same moment are one request where the venue has such calls (`batching`); each is
looked at, paid for and answered as if it were alone. What the venue does not answer is asked about until it is known
(`unanswered`).

While facts cannot be written (`fact_writer`), orders are refused, cancels leave all the same, and the facts wait. What
is certain without asking the venue is collected as news, which the sequencer gives to the core before anything else.
"""

from collections.abc import Callable
from functools import partial

from millrace.capacity.batch_rules import SINGLE_CALLS, BatchRules
from millrace.capacity.call_budget import CallBudget
from millrace.core.commands import AmendOrder, Approved, ApprovedAmend, CancelOrder, Command, Submit
from millrace.core.events import (
    AmendRefused,
    CancelRefused,
    EndStatus,
    Event,
    OrderEnded,
    OrderEvent,
    OrderProgress,
    OrderRejected,
    OrderUnknown,
    RejectReason,
)
from millrace.core.failure import WorldError
from millrace.core.instrument import InstrumentId
from millrace.core.kill import HeldKills, KillFile, kill_over
from millrace.core.ledger import CommitResult, LedgerStore
from millrace.core.order_truth import UNCONFIRMED
from millrace.core.permission import Level
from millrace.core.ports import Board, Orders
from millrace.core.probe import NO_PROBE, OrderProbe, Stage
from millrace.core.recovery_events import QueryAnswered
from millrace.core.trouble_events import CallWaited, ExecutorFailed, KillRequested
from millrace.shell.batching import Joiner
from millrace.shell.fact_writer import FactWriter
from millrace.shell.latency_watch import Pulse
from millrace.shell.outbox import OUTBOX_LIMIT, Call, Outbox, Rank, venue_of
from millrace.shell.pace_news import WITHDRAWN, answer_paces, is_refused, news_paces
from millrace.shell.reconciler import (
    AccountAnswer,
    AccountQuery,
    OpenOrdersQuery,
    Reconciler,
    Steps,
)
from millrace.shell.unanswered import Follows, Patience, Query, StatusAnswer, Unanswered
from millrace.shell.venue_calls import VenueCalls, is_probe
from millrace.shell.venue_port import Order, VenuePort

_TOO_OLD = "not sent: too old by the time its call came"
_PATIENCE = Patience()
_NO_KILLS = HeldKills()
_FAILURES_NS = 60_000_000_000
TOLD_WAIT_NS = 5_000_000
"""A call that waited shorter left at once: an order of magnitude below any venue's answer."""
_UNWRITTEN = "not sent: journal or ledger cannot be written"
_REUSED = "not sent: its intent key came back with another payload"
_KILLED = "not sent: killed"
_SUPERSEDED = "not sent: its order is to be cancelled"
_FULL = "not sent: too many calls wait already"
_RESTRICTED = "not sent: what is restricted changed while it waited"
KNOWN_ALREADY = "the ledger holds this order already; the venue must say what became of it"
"""Why an order is unknown that was not sent because it exists."""


class Executor:
    """Outbox of one venue account."""

    def __init__(
        self,
        ledger: LedgerStore,
        port: VenuePort,
        budget: CallBudget,
        board: Board,
        orders: Orders,
        *,
        reconciler: Reconciler | None = None,
        patience: Patience = _PATIENCE,
        valid_for_ns: int | None = None,
        outbox_limit: int = OUTBOX_LIMIT,
        calls: VenueCalls | None = None,
        kill_file: KillFile = _NO_KILLS,
        probe: OrderProbe = NO_PROBE,
        pulse: Pulse | None = None,
        batches: BatchRules = SINGLE_CALLS,
    ) -> None:
        self.ledger = ledger
        self.budget = budget
        self._port = port
        self._board = board
        self._orders = orders
        self._valid_for_ns = valid_for_ns
        self._unanswered = Unanswered(orders, patience)
        self._reconciler = reconciler
        self._outbox = Outbox(outbox_limit)
        self._calls = calls
        self._joiner = Joiner(port, batches, None if calls is None else calls.batches)
        self._failed_ns: int | None = None
        self._kill_file = kill_file
        self._probe = probe
        self._pulse = pulse
        self._send_ns: int | None = None
        self._due_ns: int | None = None
        self._is_known = self._is_pumped = False
        self._news: list[Event] = []
        self._facts = FactWriter(ledger, self._news)

    def go_by(self, valid_for_ns: int | None, batches: BatchRules) -> None:
        """Go by another longest wait and other rules of batches from now on; what waits stays."""
        self._happened()
        self._valid_for_ns, self._joiner.rules = valid_for_ns, batches

    @property
    def waiting(self) -> int:
        """Number of calls that wait for the budget."""
        return len(self._outbox)

    @property
    def calls(self) -> VenueCalls | None:
        """The calls under way and their breakers; None where nobody watches them."""
        return self._calls

    @property
    def unanswered(self) -> int:
        """Number of orders that the venue owes an answer about."""
        return len(self._unanswered)

    @property
    def in_trouble(self) -> bool:
        """Whether facts wait to be written, or the ledger has not been seen to work since it failed."""
        return self._facts.in_trouble

    def take_news(self) -> list[Event]:
        """Return, once, what the core must be told before anything else, in order."""
        news = self._news.copy()
        self._news.clear()
        return news

    # Carrying out

    def execute(self, commands: list[Command], now_ns: int, *, hold: bool) -> None:
        """Write one step's facts and put its calls into the outbox; `pump` sends them.

        With `hold` the journal does not have the step yet, so the ledger may not have it either (design section 5.6).
        """
        self.carry_out(commands, self._facts.of_step(commands, now_ns, hold=hold), now_ns)

    def carry_out(self, commands: list[Command], written: CommitResult | None, now_ns: int) -> None:
        """Put the calls of a step whose facts somebody wrote into the outbox; `written` None: they could not be."""
        self._happened()
        for command in commands:
            if isinstance(command, Submit):
                self._safely(command.order, partial(self._submit, command.order, written, now_ns), now_ns)
            elif isinstance(command, AmendOrder):
                self._safely(command.amend, partial(self._submit, command.amend, written, now_ns), now_ns)
            elif isinstance(command, CancelOrder):
                self._safely(command, partial(self._cancel, command, now_ns), now_ns)

    def _cancel(self, command: CancelOrder, now_ns: int) -> None:
        """Send a cancel; what waits here of its order does not leave any more, and one that never left just ends."""
        waiting = self._outbox.withdraw(command.client_id)
        if isinstance(waiting, Approved):
            nothing = OrderProgress(command.client_id, 0, 0, 0, now_ns)
            self._news.append(OrderEnded(nothing, EndStatus.CANCELLED, WITHDRAWN))
            return
        if waiting is not None:
            self._refuse(waiting, RejectReason.SUPERSEDED, _SUPERSEDED, now_ns)
        self._unanswered.unwanted(command)
        self._outbox.push(command, now_ns)

    def retry(self, now_ns: int) -> None:
        """Try to write what waits; call it only when the journal has all of it."""
        self._facts.retry(now_ns)

    def _submit(self, call: Approved | ApprovedAmend, written: CommitResult | None, now_ns: int) -> None:
        is_order = isinstance(call, Approved)
        if written is None:
            self._refuse(call, RejectReason.NEVER_LEFT, _UNWRITTEN, now_ns)
        elif call.client_id in (written.new_client_ids if is_order else written.new_amends):
            self._probe.mark(call.client_id, Stage.LEDGER)
            if self._outbox.is_full and call.increases:
                self._refuse(call, RejectReason.OUTBOX_FULL, _FULL, now_ns)
            else:
                self._outbox.push(call, now_ns)
        elif call.key in written.reused_keys:
            self._refuse(call, RejectReason.LOST, _REUSED, now_ns)
        elif is_order:
            self._news.append(OrderUnknown(call.client_id, KNOWN_ALREADY, now_ns))
        else:
            self._unanswered.question(call.client_id, now_ns)

    def _refuse(self, call: Approved | ApprovedAmend, reason: RejectReason, text: str, now_ns: int) -> None:
        if isinstance(call, Approved):
            self._news.append(OrderRejected(call.client_id, reason, text, now_ns))
        else:
            self._news.append(AmendRefused(call.client_id, call.revision, reason, now_ns))

    # Failing

    def _safely(self, call: Call, act: Callable[[], None], now_ns: int) -> None:
        """Act on a call; what raises is a call whose outcome is unknown, and a bug that may happen once (runtime 2.14).

        A failed assertion is neither: it ends the program, as everywhere.
        """
        try:
            act()
        except AssertionError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, the other calls must go on
            self._rebuild(venue_of(call), error, now_ns)

    def _rebuild(self, venue: str, error: Exception, now_ns: int) -> None:
        """Read the ledger again: what it holds and nobody here knows of is asked about; cancels are asked for anew."""
        again = self._failed_ns is not None and now_ns - self._failed_ns <= _FAILURES_NS
        self._failed_ns = now_ns
        waiting = {call.client_id for call in self._outbox if isinstance(call, Approved | ApprovedAmend | CancelOrder)}
        try:
            live = [row.client_id for row in self.ledger.orders(live_only=True)]
        except WorldError:
            live, again = [], True
        for client_id in live:
            order = self._orders.open_order(client_id)
            if (
                order is None
                or order.place.instrument.venue != venue
                or client_id in waiting
                or self._unanswered.watches(client_id)
            ):
                continue
            if order.cancel_out:
                self._news.append(CancelRefused(client_id, RejectReason.LOST.value, now_ns))
            if order.wanted is not None or (order.state in UNCONFIRMED and not order.cancel_out):
                self._unanswered.question(client_id, now_ns)
        self._news.append(ExecutorFailed(venue, f"{type(error).__name__}: {error}", again, now_ns))

    # Starting

    def recover(self, now_ns: int, *, restart: bool, halted: tuple[str, ...] = ()) -> None:
        """Put everything of ours in question until the venue has answered (runtime 2.16).

        The news that follow end with `Reconciled` and `Started`. `halted` names orders for which the venue was halted.
        """
        self._happened()
        for client_id in halted:
            if self._orders.open_order(client_id) is None:
                self._news.append(QueryAnswered(client_id, now_ns))
            self._unanswered.question(client_id, now_ns, halted=True)
        if self._reconciler is not None:
            self._compare(self._reconciler.begin(now_ns, restart=restart), now_ns)

    @property
    def recovering(self) -> bool:
        """Whether the venue has not yet answered everything that a start asks."""
        return self._reconciler is not None and self._reconciler.recovering

    def _compare(self, steps: Steps, now_ns: int) -> None:
        self._news += steps.news
        for client_id in steps.questions:
            self._unanswered.question(client_id, now_ns)
        for call in steps.calls:
            self._outbox.push(call, now_ns)

    # Sending

    @property
    def next_ns(self) -> int | None:
        """When `pump` must be called next; None when nothing is awaited."""
        if not self._is_known:
            self._due_ns, self._is_known = self._awaited_ns(), True
        pulse_ns = None if self._pulse is None else self._pulse.next_ns
        if pulse_ns is None or self._due_ns is None:
            return self._due_ns if pulse_ns is None else pulse_ns
        return min(self._due_ns, pulse_ns)

    def _awaited_ns(self) -> int | None:
        """Return the earliest of what is awaited, but for the pulse, which hangs on what the core found."""
        waits = [] if self._send_ns is None else [self._send_ns]
        if (asked_ns := self._unanswered.next_ns) is not None:
            waits.append(asked_ns)
        if self._reconciler is not None:
            waits.append(self._reconciler.next_ns)
        if self._calls is not None and (call_ns := self._calls.next_ns) is not None:
            waits.append(call_ns)
        return min(waits) if waits else None

    def _happened(self) -> None:
        """Forget what was awaited, because of what the caller is about to do."""
        self._is_known = self._is_pumped = False

    def pump(self, now_ns: int) -> int | None:
        """Send what the budget allows now; returns when there is more to do, None when nothing is awaited.

        Where nothing waits to leave, nothing happened since the last time, and nothing is due, there is nothing to do.
        """
        due_ns = self.next_ns if self._is_pumped and not len(self._outbox) else now_ns
        if due_ns is None or due_ns > now_ns:
            return due_ns
        self._follow(self._unanswered.due(now_ns), now_ns)
        if self._calls is not None:
            self._calls.due(now_ns)
            for probe in self._calls.probes(lambda rank: self._outbox.head(rank) is not None):
                self._outbox.push(probe, now_ns)
        if self._pulse is not None:
            for question in self._pulse.due(now_ns):
                self._outbox.push(question, now_ns)
        if self._reconciler is not None:
            self._compare(self._reconciler.due(now_ns), now_ns)
            self._news += self._reconciler.progress(now_ns, self._unanswered.is_asking)
        self._send_ns = self._send(now_ns)
        if self._calls is not None:
            self._news += self._calls.take_moves()
        self._is_known, self._is_pumped = False, True
        return self.next_ns

    def _follow(self, follows: Follows, now_ns: int) -> None:
        self._news += follows.news
        for call in follows.calls:
            self._outbox.push(call, now_ns)

    def _send(self, now_ns: int) -> int | None:
        """Send rank by rank; returns when the budget lets the next call go, None when none waits for it."""
        for rank in Rank:
            later_ns = self._send_rank(rank, now_ns)
            for frame in self._joiner.take():
                self._safely(frame[0], partial(self._joiner.send, frame, now_ns), now_ns)
            if later_ns is not None:
                return later_ns
        return None

    def _send_rank(self, rank: Rank, now_ns: int) -> int | None:
        while (waiting := self._outbox.head(rank)) is not None:
            call = waiting.call
            if self._dropped(call, waiting.queued_ns, now_ns):
                self._outbox.pop(rank)
                continue
            if self._calls is not None and not self._calls.may_leave(rank, now_ns):
                break
            is_paid = isinstance(call, Order) and self._joiner.is_paid(call)
            earliest = now_ns if is_paid else self.budget.earliest_ns(now_ns, urgent=rank.urgent)
            if earliest > now_ns:
                return earliest
            self._outbox.pop(rank)
            if isinstance(call, Approved | ApprovedAmend) and self._killed(call, now_ns):
                continue
            if not is_paid:
                self.budget.take(now_ns, waited_ns=now_ns - waiting.queued_ns)
            self._say_waited(call, now_ns - waiting.queued_ns, now_ns)
            self._safely(call, partial(self._leave, rank, call, now_ns), now_ns)
        return None

    def _say_waited(self, call: Call, waited_ns: int, now_ns: int) -> None:
        """Tell whoever wants to know how slow the venue is what of the time to an answer was our own."""
        order = self._orders.open_order(call.client_id) if isinstance(call, Order) else None
        if order is not None and waited_ns >= TOLD_WAIT_NS:
            place = order.place
            self._news.append(CallWaited(place.position.strategy, place.key, waited_ns, now_ns))

    def _leave(self, rank: Rank, call: Call, now_ns: int) -> None:
        if self._calls is not None:
            self._calls.left(rank, call, now_ns)
        if isinstance(call, CancelOrder):
            if not is_probe(call.client_id):
                self._unanswered.cancelled(call, now_ns)
            self._joiner.add(call)
        elif isinstance(call, Query):
            self._unanswered.asked(call.client_id, now_ns)
            if self._pulse is not None and is_probe(call.client_id):
                self._pulse.left(now_ns)
            self._port.ask_order(call.instrument, call.client_id, now_ns)
        elif isinstance(call, Approved):
            self._probe.mark(call.client_id, Stage.SEND)
            self._unanswered.placed(call, now_ns)
            self._joiner.add(call)
        elif isinstance(call, ApprovedAmend):
            self._unanswered.amended(call, now_ns)
            self._joiner.add(call)
        else:
            self._ask(call, now_ns)

    def _ask(self, query: AccountQuery, now_ns: int) -> None:
        if self._reconciler is not None:
            self._reconciler.asked(query, now_ns)
        if isinstance(query, OpenOrdersQuery):
            self._port.ask_open_orders(query, now_ns)
        else:
            self._port.ask_balances(query, now_ns)

    def _dropped(self, call: Call, queued_ns: int, now_ns: int) -> bool:
        """Tell whether a call that waited need not or may not leave any more."""
        if isinstance(call, Query):
            return not (is_probe(call.client_id) or self._unanswered.is_asking(call.client_id))
        return isinstance(call, Approved | ApprovedAmend) and self._outdated(call, queued_ns, now_ns)

    def _outdated(self, call: Approved | ApprovedAmend, queued_ns: int, now_ns: int) -> bool:
        """Tell whether an order or amend that waited may not leave any more; the core is told why."""
        asks = self._unanswered
        if not (asks.may_send(call.client_id) if isinstance(call, Approved) else asks.may_amend(call)):
            return True
        if not self._may_leave(call):
            self._refuse(call, RejectReason.RESTRICTION_CHANGED, _RESTRICTED, now_ns)
            return True
        limit_ns = self._valid_for_ns if call.increases else None
        if limit_ns is None or now_ns - queued_ns <= limit_ns:
            return False
        self._refuse(call, RejectReason.TOO_OLD, _TOO_OLD, now_ns)
        return True

    def _killed(self, approved: Approved | ApprovedAmend, now_ns: int) -> bool:
        """Look at the kill file at the last moment; the core hears of a kill that it did not know (runtime 2.14)."""
        kill = kill_over(self._kill_file.standing(), approved.order.position)
        if kill is None:
            return False
        told = KillRequested(kill.source, kill.scope, kill.text, kill.flatten, now_ns)
        known = {restriction.id for restriction in self._board.active()}
        if kill.restriction_id not in known and told not in self._news:
            self._news.append(told)
        self._refuse(approved, RejectReason.KILLED, _KILLED, now_ns)
        return True

    def _may_leave(self, approved: Approved | ApprovedAmend) -> bool:
        """Ask the board again when it changed since it approved: yes or no, never another size (design 5.1)."""
        if approved.board_version == self._board.version:
            return True
        level = self._board.standing_of(approved.order.position).level
        return level < Level.REDUCE_ONLY or (level is Level.REDUCE_ONLY and not approved.increases)

    def poll(self, instrument: InstrumentId, now_ns: int) -> bool:
        """Ask for the open orders if the budget allows it now and no cancel, exit or question waits; False: skipped."""
        if self._outbox.highest not in {None, Rank.ENTRY} or self.budget.earliest_ns(now_ns, urgent=False) > now_ns:
            return False
        if self._calls is not None and not self._calls.may_leave(Rank.QUESTION, now_ns):
            return False
        self._happened()
        self.budget.take(now_ns)
        self._leave(Rank.QUESTION, OpenOrdersQuery(instrument), now_ns)
        return True

    def answered(self, answer: StatusAnswer | AccountAnswer, now_ns: int) -> None:
        """Take the venue's answer to a question; what follows is news and calls."""
        self._happened()
        refused = is_refused(answer)
        answer_paces(self.budget, answer, now_ns)
        if self._calls is not None:
            self._calls.answered(answer, now_ns, refused=refused)
            self._news += self._calls.take_moves()
        if isinstance(answer, StatusAnswer):
            if self._pulse is not None and is_probe(answer.client_id):
                self._pulse.answered(answer, now_ns)
            self._follow(self._unanswered.answered(answer, now_ns), now_ns)
        elif self._reconciler is not None:
            self._compare(self._reconciler.answered(answer, now_ns), now_ns)

    def heard(self, event: OrderEvent) -> bool:
        """Take what an event that the core has seen says about our pace and our requests; True: `pump` is due."""
        self._happened()
        news_paces(self.budget, event)
        if self._reconciler is not None:
            self._reconciler.heard(event)
        if self._calls is not None:
            self._calls.heard(event)
            self._news += self._calls.take_moves()
        if not self._unanswered.concerns(event):
            return bool(self._news) or (self._calls is not None and self._calls.wants_probe)
        before_ns = self._unanswered.next_ns
        self._follow(self._unanswered.heard(event), event.ts_ns)
        due_ns = self._unanswered.next_ns
        if self._calls is not None and self._calls.wants_probe:
            return True
        return bool(self._news) or self.recovering or (due_ns is not None and (before_ns is None or due_ns < before_ns))

    def settled(self, venue: str) -> None:  # noqa: ARG002  an executor has one venue
        """Note that money or positions moved without an order: a market paid, or the venue took pairs back."""
        self._happened()
        if self._reconciler is not None:
            self._reconciler.disturb()
