"""Gives each event its number, writes it down, steps the core, and hands on what follows.

The order is the contract (design sections 1 and 5.6): event into the journal, step, commands into the journal, journal
sync before the ledger commit, ledger commit before anything is sent. When the journal cannot be written the core is
told so by an event, the board halts everything but cancels, and what happened waits in memory, bounded, until it can be
written; then the core is told that too.
"""

from collections import deque
from collections.abc import Callable

from millrace.core.commands import Command, Submit
from millrace.core.engine import Engine
from millrace.core.events import Event, OrderRejected, RejectReason, StorageRecovered, StorageTrouble
from millrace.core.failure import WorldError
from millrace.shell.executor import Executor, LedgerFailedError
from millrace.shell.journal import Journal

StepListener = Callable[[Event, list[Command]], None]
_UNWRITTEN_LIMIT = 20_000


class Sequencer:
    """The single entrance to the core of one running program."""

    def __init__(self, engine: Engine, executor: Executor, journal: Journal | None, first_seq: int = 1) -> None:
        self.engine = engine
        self.next_pump_ns: int | None = None
        self.events = 0
        self.commands = 0
        self._executor = executor
        self._journal = journal
        self._seq = first_seq - 1
        self._listeners: list[StepListener] = []
        self._unwritten: deque[tuple[int, Event | list[Command]]] = deque()
        self._ledger_trouble = False

    @property
    def seq(self) -> int:
        """Number of the last event."""
        return self._seq

    def listen(self, listener: StepListener) -> None:
        """Show every step to a listener, which may look and not touch."""
        self._listeners.append(listener)

    def feed(self, event: Event) -> None:
        """Number, write, step, carry out."""
        if self._unwritten:
            self._try_to_write()
        if self._journal is not None and not self._unwritten:
            try:
                self._journal.append_event(self._seq + 1, event)
            except WorldError as error:
                self._stop_trading(str(error), event.ts_ns)
        self._seq += 1
        if self._unwritten:
            self._hold_back(self._seq, event)
        commands = self.engine.step(event)
        self._carry_out(event, self._write(commands, event.ts_ns))

    def _write(self, commands: list[Command], ts_ns: int) -> list[Command]:
        """Write one step's commands; returns those that may be carried out, which is all but orders in trouble."""
        if self._journal is None or not commands:
            return commands
        if self._unwritten:
            self._hold_back(self._seq, commands)
            return commands
        try:
            self._journal.append_commands(self._seq, commands)
            if any(isinstance(command, Submit) for command in commands):
                self._journal.sync()
        except WorldError as error:
            # An order may not leave on a journal that is not synced: what was to be sent counts as refused.
            self._hold_back(self._seq, commands)
            self._stop_trading(str(error), ts_ns)
            for command in commands:
                if isinstance(command, Submit):
                    self._refuse(command.order.client_id, ts_ns, "journal not written")
            return [command for command in commands if not isinstance(command, Submit)]
        return commands

    def _carry_out(self, event: Event, commands: list[Command]) -> None:
        self.events += 1
        self._executor.heard(event)
        if commands:
            self.commands += len(commands)
            try:
                self.next_pump_ns = self._executor.execute(commands, event.ts_ns)
            except LedgerFailedError as trouble:
                self._ledger_failed(trouble, event.ts_ns)
        for listener in self._listeners:
            listener(event, commands)
        if self._ledger_trouble and self._executor.retry():
            self._ledger_trouble = False
            self.feed(StorageRecovered("ledger", event.ts_ns))

    def _ledger_failed(self, trouble: LedgerFailedError, ts_ns: int) -> None:
        if not self._ledger_trouble:
            self._ledger_trouble = True
            self.feed(StorageTrouble("ledger", str(trouble), ts_ns))
        for client_id in trouble.unsent:
            self._refuse(client_id, ts_ns, "ledger not written")

    def _refuse(self, client_id: str, ts_ns: int, text: str) -> None:
        self.feed(OrderRejected(client_id, RejectReason.OTHER, text, ts_ns))

    def _stop_trading(self, text: str, ts_ns: int) -> None:
        event = StorageTrouble("journal", text, ts_ns)
        self._seq += 1
        self._hold_back(self._seq, event)
        commands = self.engine.step(event)
        if commands:
            self._hold_back(self._seq, commands)
        self._carry_out(event, commands)

    def _hold_back(self, seq: int, record: Event | list[Command]) -> None:
        self._unwritten.append((seq, record))
        if len(self._unwritten) > _UNWRITTEN_LIMIT:
            raise WorldError(
                f"{len(self._unwritten)} records wait for a journal that cannot be written; free its disk and restart"
            )

    def _try_to_write(self) -> None:
        journal = self._journal
        assert journal is not None  # noqa: S101  records are held back only where there is a journal
        try:
            while self._unwritten:
                seq, record = self._unwritten[0]
                if isinstance(record, list):
                    journal.append_commands(seq, record)
                else:
                    journal.append_event(seq, record)
                self._unwritten.popleft()
            journal.sync()
        except WorldError:
            return
        self.feed(StorageRecovered("journal", self.engine.now_ns))

    def close(self) -> None:
        """Sync and close the journal."""
        if self._journal is not None:
            self._journal.close()
