"""Facts of a step on their way into the ledger, and what waits when it cannot be written.

One transaction takes all facts of a step, and nothing leaves before it. When the journal does not have the step yet,
or the ledger failed, the facts wait in their order, bounded, and who asked learns that no order of theirs may leave.
"""

from millrace.core.commands import Command
from millrace.core.events import Event
from millrace.core.failure import WorldError
from millrace.core.ledger import FACTS, CommitResult, LedgerStore
from millrace.core.trouble_events import IntentKeyReused, StorageRecovered, StorageTrouble

_BACKLOG_LIMIT = 100_000
_NOTHING_NEW = CommitResult(frozenset(), ())


class FactWriter:
    """The facts that wait for one ledger; what the core must hear of it goes to `news`."""

    def __init__(self, ledger: LedgerStore, news: list[Event]) -> None:
        self.ledger = ledger
        self._news = news
        self._backlog: list[Command] = []
        self._down = False

    @property
    def in_trouble(self) -> bool:
        """Whether facts wait to be written, or the ledger has not been seen to work since it failed."""
        return self._down or bool(self._backlog)

    def of_step(self, commands: list[Command], now_ns: int, *, hold: bool) -> CommitResult | None:
        """Commit what of a step's commands the ledger holds, as `write` does."""
        facts: list[Command] = [command for command in commands if isinstance(command, FACTS)]
        return self.write(facts, now_ns, hold=hold) if facts else _NOTHING_NEW

    def write(self, facts: list[Command], now_ns: int, *, hold: bool) -> CommitResult | None:
        """Commit the facts of a step; None when they have to wait, and then none of its orders may leave.

        With `hold` the journal does not have the step yet. Raises WorldError when too many wait.
        """
        self._backlog.extend(facts)
        if hold or self._down:
            if len(self._backlog) > _BACKLOG_LIMIT:
                raise WorldError(f"{len(self._backlog)} facts wait for a full or broken disk; free it and restart")
            return None
        return self._commit(now_ns)

    def retry(self, now_ns: int) -> None:
        """Try to write what waits; call it only when the journal has all of it."""
        if self._commit(now_ns) is not None and self._down:
            self._down = False
            self._news.append(StorageRecovered("ledger", now_ns))

    def _commit(self, now_ns: int) -> CommitResult | None:
        try:
            written = self.ledger.commit(self._backlog)
        except WorldError as error:
            if not self._down:
                self._down = True
                self._news.append(StorageTrouble("ledger", str(error), now_ns))
            return None
        self._backlog.clear()
        if written.reused_keys:
            self._news.append(IntentKeyReused(written.reused_keys, now_ns))
        return written
