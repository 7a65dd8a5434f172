"""Gives each event its number, writes it down, steps the core, and hands on what follows.

The order is the contract (design sections 1 and 5.6): event into the journal, step, commands into the journal, journal
sync before the ledger commit, ledger commit before anything is sent. When the journal cannot be written the core is
told so by an event before it sees the one that failed, the board halts everything but cancels, and what happened waits
in memory, bounded, until it can be written; then the ledger takes what it missed and the core is told that too.

Nothing feeds from inside a step: what follows at once is queued, so numbers, journal and listeners see one order.
"""

from collections import deque
from collections.abc import Callable

from millrace.core.binary_events import MarketResolved, PairsRedeemed
from millrace.core.commands import CancelOrder, Command
from millrace.core.engine import Engine
from millrace.core.events import ORDER_EVENTS, Event
from millrace.core.failure import WorldError
from millrace.core.ledger import FACTS
from millrace.core.trouble_events import StorageRecovered, StorageTrouble
from millrace.shell.journal import Journal
from millrace.shell.reconciler import AccountAnswer
from millrace.shell.unanswered import StatusAnswer
from millrace.shell.venue_router import Carrier

_SETTLING = (MarketResolved, PairsRedeemed)
StepListener = Callable[[Event, list[Command]], None]
_UNWRITTEN_LIMIT = 200_000
_RETRY_NS = 1_000_000_000


class Sequencer:
    """The single entrance to the core of one running program; `messages` counts what was not market data.

    Without `sync` the journal is synced when it likes: for runs whose ledger is in memory and dies with the program.
    """

    def __init__(
        self, engine: Engine, executor: Carrier, journal: Journal | None, first_seq: int = 1, *, sync: bool = True
    ) -> None:
        self.engine = engine
        self.messages = 0
        self._executor = executor
        self._journal = journal
        self._sync = sync
        self._seq = first_seq - 1
        self._listeners: list[StepListener] = []
        self._queue: deque[Event] = deque()
        self._unwritten: deque[tuple[int, Event | list[Command]]] = deque()
        self._journal_down = False
        self._retry_at_ns = 0
        self._pump_owed = False
        self._clock: Callable[[], int] | None = None
        self._took: Callable[[int, int], None] | None = None

    @property
    def seq(self) -> int:
        """Number of the last event."""
        return self._seq

    def listen(self, listener: StepListener) -> None:
        """Show every step, once and in order, to a listener, which may look and not touch."""
        self._listeners.append(listener)

    def time_steps(self, clock: Callable[[], int], took: Callable[[int, int], None]) -> None:
        """Tell `took` how many ns of this clock each step of the core takes, and the event's time."""
        self._clock, self._took = clock, took

    def feed(self, event: Event) -> int | None:
        """Number, write, step, carry out; returns when `pump` must be called next, None when it need not."""
        if (self._journal_down or self._executor.in_trouble) and event.ts_ns >= self._retry_at_ns:
            self._retry(event.ts_ns)
        self._queue.append(event)
        self._drain()
        if not self._pump_owed:
            return None
        return self.pump(self.engine.now_ns)

    def answer(self, answer: StatusAnswer | AccountAnswer, now_ns: int) -> int | None:
        """Take the venue's answer to a question; what it changes reaches the core as events."""
        self._executor.answered(answer, now_ns)
        self._queue.extend(self._executor.take_news())
        self._drain()
        return self.pump(now_ns)

    def pump(self, now_ns: int) -> int | None:
        """Let calls leave that waited for the budget; returns when to come back, None when nothing waits."""
        while True:
            self._pump_owed = False
            next_ns = self._executor.pump(now_ns)
            self._queue.extend(self._executor.take_news())
            self._drain()
            if not self._pump_owed:
                return next_ns

    def recover(self, now_ns: int, *, restart: bool, halted: tuple[str, ...] = ()) -> int | None:
        """Begin to ask the venue about everything of ours; nothing new leaves until it has answered."""
        self._executor.recover(now_ns, restart=restart, halted=halted)
        self._queue.extend(self._executor.take_news())
        self._drain()
        return self.pump(now_ns)

    def settle(self) -> bool:
        """Sync the journal; True when it and the ledger hold everything up to the last event."""
        if self._journal_down or self._executor.in_trouble:
            self._retry(self.engine.now_ns)
        elif self._journal is not None:
            try:
                self._journal.sync()
            except WorldError as error:
                self._queue.append(self._journal_failed(error, self.engine.now_ns))
        self._drain()
        return not (self._journal_down or self._executor.in_trouble)

    def close(self) -> None:
        """Write what waits, sync and close the journal; raises WorldError when that cannot be."""
        self.settle()
        if self._journal is not None:
            self._journal.close()
        if self._unwritten:
            raise WorldError(
                f"the last {len(self._unwritten)} records were not written to the journal; the next start learns from"
                " the venue what became of the orders"
            )

    # One event

    def _drain(self) -> None:
        while self._queue:
            self._one(self._queue.popleft())

    def _one(self, event: Event) -> None:
        if self._journal is not None:
            trouble = self._write(self._seq + 1, event, event.ts_ns)
            if trouble is not None:
                self._queue.extendleft((event, trouble))
                return
        self._seq += 1
        self.messages += not event.is_market
        commands = self.engine.step(event) if self._clock is None else self._timed(event, self._clock)
        if isinstance(event, ORDER_EVENTS) and self._executor.heard(event):
            self._pump_owed = True
        elif isinstance(event, _SETTLING):
            self._executor.settled(event.market.venue)
        if commands:
            self._carry_out(commands, event.ts_ns)
        for listener in self._listeners:
            listener(event, commands)

    def _timed(self, event: Event, clock: Callable[[], int]) -> list[Command]:
        began_ns = clock()
        commands = self.engine.step(event)
        if self._took is not None:
            self._took(clock() - began_ns, event.ts_ns)
        return commands

    def _carry_out(self, commands: list[Command], ts_ns: int) -> None:
        """Write one step's commands and have them done; what failed and what is certain goes to the core first."""
        trouble = self._write(self._seq, commands, ts_ns)
        if trouble is not None:
            self._hold_back(self._seq, commands)
        self._executor.execute(commands, self.engine.now_ns, hold=self._journal_down)
        self._queue.extendleft(reversed(self._executor.take_news()))
        if trouble is not None:
            self._queue.appendleft(trouble)
        self._pump_owed = True

    # The journal

    def _write(self, seq: int, record: Event | list[Command], ts_ns: int) -> StorageTrouble | None:
        """Write an event or its commands, or hold them back while that cannot be; returns trouble that is new."""
        if self._journal is None:
            return None
        if self._journal_down:
            self._hold_back(seq, record)
            return None
        try:
            _append(self._journal, seq, record)
            if self._sync and isinstance(record, list):
                _secure(self._journal, record)
        except WorldError as error:
            return self._journal_failed(error, ts_ns)
        return None

    def _journal_failed(self, error: WorldError, ts_ns: int) -> StorageTrouble:
        self._journal_down = True
        self._retry_at_ns = ts_ns + _RETRY_NS
        return StorageTrouble("journal", str(error), ts_ns)

    def _hold_back(self, seq: int, record: Event | list[Command]) -> None:
        self._unwritten.append((seq, record))
        if len(self._unwritten) > _UNWRITTEN_LIMIT:
            raise WorldError(
                f"{len(self._unwritten)} records wait for a journal that cannot be written; free its disk and restart"
            )

    def _retry(self, now_ns: int) -> None:
        """Write what waits, in the order of safety: journal, then ledger, and only then say that it is over."""
        self._retry_at_ns = now_ns + _RETRY_NS
        if self._journal_down and not self._caught_up():
            return
        if self._executor.in_trouble:
            self._executor.retry(now_ns)
            self._queue.extend(self._executor.take_news())
        if self._journal_down:
            self._journal_down = False
            self._queue.append(StorageRecovered("journal", now_ns))

    def _caught_up(self) -> bool:
        journal = self._journal
        assert journal is not None  # noqa: S101  only a journal that is there can be down
        try:
            while self._unwritten:
                _append(journal, *self._unwritten[0])
                self._unwritten.popleft()
            journal.sync()
        except WorldError:
            return False
        return True


def _append(journal: Journal, seq: int, record: Event | list[Command]) -> None:
    if isinstance(record, list):
        journal.append_commands(seq, record)
    else:
        journal.append_event(seq, record)


def _secure(journal: Journal, commands: list[Command]) -> None:
    """Sync before the ledger may hold what is written here; a cancel needs no more than to survive the program."""
    if any(isinstance(command, FACTS) for command in commands):
        journal.sync()
    elif any(isinstance(command, CancelOrder) for command in commands):
        journal.flush()
