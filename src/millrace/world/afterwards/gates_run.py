"""The gates of a run: judged from its folder by whoever asks, or from its own ledger while it trades (slots 20.3).

Both read the same records with the same rules, so `millrace gates` and the `gates` block of the status cannot differ
but for what is not written down yet. While a run trades its records are read again only when one came in that a gate
reads; in between the status shows the verdict that stands.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from millrace.core.commands import Book, Command
from millrace.core.events import Event
from millrace.core.failure import WorldError
from millrace.core.ledger import LedgerStore
from millrace.shell.manifest import RunStart
from millrace.shell.run_records import read_run
from millrace.strategies.slots.stages.gate_check import Evidence, Gate, StartRecord
from millrace.strategies.slots.stages.gate_momentum import CYCLE, gate_b
from millrace.strategies.slots.stages.gate_records import INVARIANT, LOW_HEADROOM, STAGE
from millrace.strategies.slots.stages.gates import RELEASE, gate_a, gate_c
from millrace.strategies.slots.telemetry.vintage_day import KIND as DAY
from millrace.world.premises import LEDGER

SLOT_GATES: Final[dict[str, Callable[[Evidence], Gate]]] = {"A": gate_a, "B": gate_b, "C": gate_c}
_NEWS: Final = frozenset({STAGE, DAY, INVARIANT, LOW_HEADROOM, RELEASE})
_KINDS: Final = _NEWS | {CYCLE}
_AGAIN_NS: Final = 60 * 1_000_000_000
"""How long a verdict stands without news: a stretch without headroom grows although nothing is written."""


def judge(folder: Path, names: Sequence[str], since_ns: int = 0) -> tuple[Gate, ...]:
    """Return these gates of the run in a folder, judged on what it wrote down from `since_ns` on.

    Raises OperatorError where there is no run, and WorldError where its records are damaged.
    """
    found = read_run(folder, folder / LEDGER, _KINDS)
    evidence = Evidence(found.bookings, _starts(found.starts), found.last_ns, since_ns=since_ns)
    return tuple(SLOT_GATES[name](evidence) for name in names)


def _starts(starts: Sequence[RunStart]) -> list[StartRecord]:
    return [
        StartRecord(start.began_ns, start.tracked_orders or 0, start.total_ms / 1e3)
        for start in starts
        if start.began_ns is not None and start.total_ms is not None
    ]


class GateWatch:
    """The `gates` block of a run that trades; `starts` gives the starts as the manifest has them.

    Cycles are many and are only judged together with a day's record, so they are read when one of those came in.
    """

    def __init__(self, ledger: LedgerStore, starts: Callable[[], Sequence[RunStart]]) -> None:
        self._ledger = ledger
        self._starts = starts
        self._block: dict[str, Any] = {}
        self._due_ns = 0
        self._new_day = True

    def listen(self, event: Event, commands: list[Command]) -> None:
        """Note that a record came in which a gate reads; a listener of the sequencer."""
        del event
        for command in commands:
            if isinstance(command, Book) and command.kind in _NEWS:
                self._due_ns = 0
                self._new_day = self._new_day or command.kind == DAY

    def status(self, now_ns: int) -> dict[str, Any]:
        """Return each gate by its name; what is not in the ledger yet is not judged.

        There is none while the records cannot be read: an old verdict would be taken for one that stands.
        """
        if now_ns >= self._due_ns:
            try:
                self._judge(now_ns)
            except WorldError:
                self._block, self._new_day = {}, True
        return self._block

    def _judge(self, now_ns: int) -> None:
        kinds = sorted(_KINDS if self._new_day else _NEWS)
        books = [book for kind in kinds for book in self._ledger.bookings(kind)]
        books.sort(key=lambda book: book.ts_ns)
        evidence = Evidence(books, _starts(self._starts()), now_ns)
        names = [name for name in SLOT_GATES if self._new_day or name != "B"]
        judged = {name: SLOT_GATES[name](evidence).status() for name in names}
        self._block = {name: judged.get(name) or self._block[name] for name in SLOT_GATES}
        self._due_ns, self._new_day = now_ns + _AGAIN_NS, False
