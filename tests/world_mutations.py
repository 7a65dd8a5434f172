"""Ways to break the program on purpose, each of which a fault world must find (issue 3, step f).

A mutation takes pytest's monkeypatch and breaks one promise: what it breaks stands in its docstring, and which oracle
is expected to speak in `MUTATIONS`. That the oracles can tell is what makes a thousand sound worlds mean something.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millrace.capacity.call_budget import CallBudget
from millrace.core import engine, halts
from millrace.core.commands import Approved, Command, OrderState, Place, RecordFill
from millrace.core.events import CancelRefused, EndStatus, Event, OrderEnded, OrderProgress, OrderUnknown, Started
from millrace.core.ids import ClientIds
from millrace.core.ledger import CommitResult
from millrace.core.permission import Level, Standing
from millrace.core.recovery_events import Reconciled, RecoveryBegan
from millrace.core.trouble_events import StorageTrouble
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.shell import sequencer as sequencer_module
from millrace.shell.executor import Executor
from millrace.shell.journal import Journal
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.reconciler import BalancesAnswer, Reconciler, Steps
from millrace.shell.unanswered import Follows, Patience, Unanswered
from millrace.strategies.slots.books.residue import InventoryResidue
from millrace.strategies.slots.books.retired import RetiredSlots
from millrace.strategies.slots.reducer import writeoff
from millrace.strategies.slots.reducer.model import Cycle, SlotConfig, SlotState
from millrace.strategies.slots.strategy import SlotGrid
from millrace.world.faults.fault_premises import FaultPremises
from millrace.world.line import NEVER_NS

Mutation = Callable[[pytest.MonkeyPatch], None]


def forget_a_fill(patch: pytest.MonkeyPatch) -> None:
    """Every fifth increment never reaches the ledger."""
    kept, count = MemoryLedger._record_fill, [0]

    def record(self: MemoryLedger, fill: RecordFill) -> None:
        count[0] += 1
        if count[0] % 5:
            kept(self, fill)

    patch.setattr(MemoryLedger, "_record_fill", record)


def book_fills_twice(patch: pytest.MonkeyPatch) -> None:
    """A fill that is told again is booked again: the table adds the cumulative figure to what it has."""

    def filled(self: Any, order: Any, news: OrderProgress, wanted: OrderState, text: str) -> Any:
        facts: list[Command] = []
        added = (news.cum_lots, news.cum_cost, news.cum_fee)
        if news.cum_lots:
            self._book(order, added, news.ts_ns, facts)
        if order.cum_lots >= order.place.lots:
            wanted = OrderState.FILLED
        return self._moved(order, wanted, news.ts_ns, facts, added if news.cum_lots else (0, 0, 0), text=text)

    patch.setattr(OrderTable, "_filled", filled)


def resend_blindly(patch: pytest.MonkeyPatch) -> None:
    """An order without an answer is sent again instead of asked about."""
    asks = Unanswered.due

    def blind(self: Unanswered, now_ns: int) -> Follows:
        follows = asks(self, now_ns)
        calls: list[Any] = []
        for call in follows.calls:
            watch = self._watches.get(getattr(call, "client_id", ""))
            if watch is not None and watch.approved is not None:
                watch.resending = True
                calls.append(watch.approved)
            else:
                calls.append(call)
        return Follows(follows.news, calls)

    patch.setattr(Unanswered, "due", blind)


def believe_an_early_absence(patch: pytest.MonkeyPatch) -> None:
    """The venue is asked at once, and its "no such order" is believed while the order is still on its way."""
    kept = Unanswered.__init__

    def init(self: Unanswered, orders: OrderTable, _: Patience) -> None:
        kept(self, orders, Patience(answer_ns=1, settle_ns=0))

    patch.setattr(Unanswered, "__init__", init)


def skip_the_board(patch: pytest.MonkeyPatch) -> None:
    """Whatever is wanted is approved, and nobody is told of a restriction."""

    def permit(self: RestrictionBoard, place: Place, client_id: str, _: int, ts_ns: int, *__: Any) -> Any:
        return Approved(place, client_id, self.version, ts_ns)

    patch.setattr(RestrictionBoard, "permit", permit)
    for question in ("standing", "standing_of"):
        patch.setattr(RestrictionBoard, question, lambda *_: Standing(Level.OPEN, 1.0, ()))


def send_what_waited_unasked(patch: pytest.MonkeyPatch) -> None:
    """An order that waited leaves although the board has closed meanwhile."""
    patch.setattr(Executor, "_may_leave", lambda *_: True)


def commit_before_the_journal(patch: pytest.MonkeyPatch) -> None:
    """The ledger takes facts that the journal could still lose."""
    patch.setattr(sequencer_module, "_secure", lambda *_: None)


def believe_a_sync_that_failed(patch: pytest.MonkeyPatch) -> None:
    """After a failed sync nothing is written again: the next one is believed."""
    kept = Journal.sync

    def sync(self: Journal) -> None:
        written, clean = self._written, self._clean
        try:
            kept(self)
        finally:
            if self._pending and not self._written:
                self._written, self._clean = written, clean
                written and setattr(self, "_cut_back", lambda: None)

    patch.setattr(Journal, "_cut_back", lambda _: None)
    patch.setattr(Journal, "sync", sync)


class _Lazy:
    """A disk that replaces a file only to shorten it."""

    def __init__(self, disk: Any) -> None:
        self.disk = disk

    def replace(self, path: Path, data: bytes) -> None:
        if len(data) < len(self.disk.read(path)):
            self.disk.replace(path, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.disk, name)


def continue_from_memory(patch: pytest.MonkeyPatch) -> None:
    """A start goes on behind what an earlier program wrote without writing it anew."""
    kept = Journal._continue

    def continue_(self: Journal, name: str, data: bytes, missing_bytes: int) -> None:
        disk = self._disk
        self._disk = _Lazy(disk)
        kept(self, name, data, missing_bytes)
        self._disk = disk

    patch.setattr(Journal, "_continue", continue_)


def keep_the_torn_tail(patch: pytest.MonkeyPatch) -> None:
    """A start appends behind a record that a crash tore."""
    kept = Journal._continue

    def continue_(self: Journal, name: str, data: bytes, missing_bytes: int) -> None:
        kept(self, name, data, missing_bytes)
        self._disk.replace(self._directory / name, data)
        self._file = self._disk.append(self._directory / name)

    patch.setattr(Journal, "_continue", continue_)


def admit_a_second_program(patch: pytest.MonkeyPatch) -> None:
    """The lease is given to everybody."""
    kept = FaultPremises.occupy

    def occupy(self: FaultPremises) -> Any:
        self.is_held = False
        return kept(self)

    patch.setattr(FaultPremises, "occupy", occupy)


def start_without_asking(patch: pytest.MonkeyPatch) -> None:
    """A restart believes its own books."""
    kept = Reconciler.begin

    def begin(self: Reconciler, now_ns: int, *, restart: bool) -> Steps:
        if not restart:
            return kept(self, now_ns, restart=restart)
        self._next_cycle_ns = NEVER_NS
        started = Started(restart=restart, ts_ns=now_ns)
        return Steps(
            [RecoveryBegan(self._venue, now_ns), Reconciled(self._venue, (), (), None, now_ns), started], [], []
        )

    patch.setattr(Reconciler, "begin", begin)


def never_compare(patch: pytest.MonkeyPatch) -> None:
    """While it trades, nobody compares our orders with the venue's."""
    kept = Reconciler.progress

    def progress(self: Reconciler, now_ns: int, is_asking: Callable[[str], bool]) -> list[Event]:
        news = kept(self, now_ns, is_asking)
        if news:
            self._next_cycle_ns = NEVER_NS
        return news

    patch.setattr(Reconciler, "progress", progress)


def never_ask_for_a_pay_out(patch: pytest.MonkeyPatch) -> None:
    """What a venue paid while nobody heard is never asked for: its answer about our money is taken without it."""
    kept = Reconciler._balances

    def balances(self: Reconciler, answer: BalancesAnswer, now_ns: int, steps: Steps) -> None:
        kept(self, answer._replace(endings=()), now_ns, steps)

    patch.setattr(Reconciler, "_balances", balances)


def name_orders_by_count(patch: pytest.MonkeyPatch) -> None:
    """Client ids are counted, not derived: a repeated intent is another order."""
    count = [0]
    kept = ClientIds.client_id

    def client_id(self: ClientIds, strategy: str, key: str) -> str:
        count[0] += 1
        return kept(self, strategy, f"{key}/{count[0]}")

    patch.setattr(ClientIds, "client_id", client_id)


def reserve_nothing(patch: pytest.MonkeyPatch) -> None:
    """Money of orders that left counts as free until the venue reports it spent."""
    patch.setattr(Account, "_hold", lambda *_: None)
    patch.setattr(Account, "_drop", lambda *_: None)
    patch.setattr(Account, "_late_fill", lambda *_: None)
    patch.setattr(Account, "update", lambda *_: None)


def take_a_refused_cancel_for_done(patch: pytest.MonkeyPatch) -> None:
    """ "I do not know it" is taken for "it is cancelled"."""

    def refused(self: OrderTable, order: Any, event: CancelRefused) -> Any:
        progress = OrderProgress(order.client_id, order.cum_lots, order.cum_cost, order.cum_fee, event.ts_ns)
        return self._order_ended(order, OrderEnded(progress, EndStatus.CANCELLED, event.reason))

    patch.setattr(OrderTable, "_cancel_refused", refused)


def take_unknown_for_rejected(patch: pytest.MonkeyPatch) -> None:
    """An order without an answer counts as refused."""

    def unknown(self: OrderTable, order: Any, event: OrderUnknown) -> Any:
        return self._moved(order, OrderState.REJECTED, event.ts_ns, [], text=event.reason)

    patch.setattr(OrderTable, "_unknown", unknown)


def ignore_storage_trouble(patch: pytest.MonkeyPatch) -> None:
    """A disk that cannot be written stops nobody, and orders leave all the same."""
    kept = halts.said_of

    def said_of(event: Any, now_ns: int) -> list[Any]:
        return [] if isinstance(event, StorageTrouble) else kept(event, now_ns)

    sends = Executor._submit

    def submit(self: Executor, order: Approved, written: CommitResult | None, now_ns: int) -> None:
        sends(self, order, written or CommitResult(frozenset({order.client_id}), ()), now_ns)

    patch.setattr(engine, "said_of", said_of)
    patch.setattr(Executor, "_submit", submit)


def forget_restrictions_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    """The board comes back empty from a snapshot."""
    kept = RestrictionBoard.restore

    def restore(self: RestrictionBoard, state: dict[str, Any]) -> None:
        kept(self, {**state, "posted": []})

    patch.setattr(RestrictionBoard, "restore", restore)


def forget_the_grid_at_a_restart(patch: pytest.MonkeyPatch) -> None:
    """The strategy comes back from a snapshot with fresh slots."""
    patch.setattr(SlotGrid, "restore", lambda *_: None)


def depend_on_the_life(patch: pytest.MonkeyPatch) -> None:
    """A decision depends on what is in no event: how often this process was asked."""
    kept, asked = SlotGrid.decide, [0]

    def decide(self: SlotGrid, event: Event, view: Any) -> Any:
        asked[0] += 1
        return [] if asked[0] % 97 == 0 else kept(self, event, view)

    patch.setattr(SlotGrid, "decide", decide)


def ignore_retry_after(patch: pytest.MonkeyPatch) -> None:
    """A venue that says for how long it wants to be left alone is asked again at our own pace."""
    kept = CallBudget.rate_limited
    patch.setattr(CallBudget, "rate_limited", lambda self, now_ns, _=0: kept(self, now_ns))


def ignore_the_kill_file(patch: pytest.MonkeyPatch) -> None:
    """The kill file is looked at once a minute, and not before an order leaves."""
    patch.setattr(Executor, "_killed", lambda *_: False)


def forget_what_a_release_left(patch: pytest.MonkeyPatch) -> None:
    """What a write-off leaves in the account is counted by nobody."""
    patch.setattr(InventoryResidue, "written_off", lambda self, _: setattr(self, "moves", self.moves + 1))


def let_a_removed_slot_take_its_profit_along(patch: pytest.MonkeyPatch) -> None:
    """A slot that is removed leaves its id behind and not what it realised (slots 23, P31)."""
    patch.setattr(RetiredSlots, "take", lambda self, slot_id, _: self.slot_ids.append(slot_id))


def book_a_release_without_its_fee(patch: pytest.MonkeyPatch) -> None:
    """The running sum of fees leaves out what a release was charged."""
    kept = writeoff.book

    def book(state: SlotState, cycle: Cycle, cfg: SlotConfig, *, completes: bool = True) -> Any:
        before, booked = state.total_fees, kept(state, cycle, cfg, completes=completes)
        state.total_fees = before
        return booked

    patch.setattr(writeoff, "book", book)


MUTATIONS: dict[Mutation, tuple[int, set[str]]] = {
    forget_a_fill: (0, {"position", "ledger"}),
    book_fills_twice: (0, {"fills"}),
    resend_blindly: (0, {"placed twice"}),
    believe_an_early_absence: (11, {"liveness", "placed twice"}),
    skip_the_board: (0, {"killed scope"}),
    send_what_waited_unasked: (7, {"killed scope"}),
    commit_before_the_journal: (0, {"order of writing"}),
    believe_a_sync_that_failed: (7, {"liveness"}),
    continue_from_memory: (5, {"liveness"}),
    keep_the_torn_tail: (0, {"liveness"}),
    admit_a_second_program: (1, {"second instance"}),
    start_without_asking: (0, {"liveness", "open orders"}),
    never_compare: (12, {"liveness", "open orders"}),
    name_orders_by_count: (0, {"liveness"}),
    reserve_nothing: (9, {"conservation", "worst case"}),
    take_a_refused_cancel_for_done: (0, {"open orders"}),
    take_unknown_for_rejected: (0, {"open orders"}),
    ignore_storage_trouble: (25, {"liveness", "order of writing"}),
    forget_restrictions_at_a_restart: (0, {"liveness", "board", "replay"}),
    forget_the_grid_at_a_restart: (0, {"program", "liveness"}),
    depend_on_the_life: (1, {"replay", "liveness"}),
    ignore_retry_after: (5, {"pace"}),
    ignore_the_kill_file: (33, {"killed scope"}),
    forget_what_a_release_left: (4, {"slots"}),
    let_a_removed_slot_take_its_profit_along: (4, {"sums"}),
    book_a_release_without_its_fee: (4, {"sums"}),
}
"""Each with the seed that is known to find it in an hour, and the oracles that may speak first."""
