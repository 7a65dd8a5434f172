"""Takes the figures that playbooks judge by, and makes events of those that matter.

A figure becomes an event when it turns bad, worse or better, and every 10 s while it is bad or a book that stands
waits for it; one that others calculate with, also when it has changed by its step since it was told, nought being what
a start begins with. So a healthy run publishes nothing, and the end of trouble is always something that was measured:
where nothing new was measured (a venue that does not answer), nothing is published.

Durations are taken with the clock in whose time the program lives; a simulation's stands still while the ledger works.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from millrace.core.clock import Clock, SimulatedClock
from millrace.core.clock_skew import Lead, SkewWindow
from millrace.core.commands import Book, Command
from millrace.core.events import Measured
from millrace.core.failure import WorldError
from millrace.core.instrument import Money
from millrace.core.ledger import CommitResult, LedgerOrder, LedgerPosition, LedgerStore
from millrace.core.permission import Restriction
from millrace.risk.playbooks_facts import STORAGE
from millrace.risk.playbooks_rows import CLOCK_SKEW, COMMIT_P99, FREE_DISK, Figure
from millrace.shell.latency_watch import LatencyWatch
from millrace.shell.metrics import LabelledValue

_SECOND_NS: Final = 1_000_000_000
_NEVER_NS: Final = 2**63 - 1
BEAT_NS: Final = 5 * _SECOND_NS
"""How often free space and the venue's clock are looked at."""
_REPEAT_NS: Final = 10 * _SECOND_NS
_WATCH_NS: Final = _SECOND_NS
"""How often is looked while a figure is bad or awaited."""
_WINDOW_NS: Final = 60 * _SECOND_NS
_KEPT: Final = 10_000
_SHARE: Final = 0.99
_MS: Final = 1_000_000
Awaited = Callable[[], frozenset[tuple[str, str]]]


class VenueTime(NamedTuple):
    """A venue's answer to what its clock shows, and when it was asked."""

    venue: str
    asked_ns: int
    venue_ns: int


class _Told(NamedTuple):
    """What was last published of a figure."""

    grade: int
    ts_ns: int


_NOTHING: Final = _Told(0, -_REPEAT_NS)


class Measures:
    """The figures of one program; `due` when `next_ns` has come. `ledger` is the one given, its commits measured.

    `awaited` names the (figure, subject) that books judge by now, `now` is the program's time, `free_bytes` tells what
    the disk has left. Without it nothing is looked at on a beat: then only what is awaited is measured. `leads` are
    the bounds between which the clocks of the venues that told their time lead ours.
    """

    def __init__(
        self, ledger: LedgerStore, awaited: Awaited, now: Callable[[], int], free_bytes: Callable[[], int] | None = None
    ) -> None:
        self.clock: Clock = SimulatedClock()
        self.latency: LatencyWatch | None = None
        self.ledger = TimedLedger(ledger, self)
        self._awaited = awaited
        self._now = now
        self._free_bytes = free_bytes
        self._beat_ns = _NEVER_NS if free_bytes is None else 0
        self._watch_ns = 0
        self._hurry = False
        self._taken: dict[tuple[Figure, str], float] = {}
        self._told: dict[tuple[Figure, str], _Told] = {}
        self._stepped: dict[tuple[Figure, str], float] = {}
        self._skews: dict[str, SkewWindow] = {}
        self.leads: dict[str, Lead] = {}
        self._commits: deque[tuple[int, int]] = deque(maxlen=_KEPT)
        self._slow_ns = -_WINDOW_NS

    @property
    def next_ns(self) -> int:
        """When `due` must be called next."""
        return min(self._figures_ns, _NEVER_NS if self.latency is None else self.latency.next_ns)

    @property
    def _figures_ns(self) -> int:
        """When figures must be looked at next."""
        if self._hurry or self._awaited() or self._told:
            return min(self._beat_ns, self._watch_ns)
        return self._beat_ns

    # Taking

    def venue_time(self, told: VenueTime, heard_ns: int) -> None:
        """Take a venue's time, read there at some moment between asking and hearing: what must be skew, not delay."""
        lead = self._skews.setdefault(told.venue, SkewWindow()).take(told.asked_ns, told.venue_ns, heard_ns)
        if lead is not None:
            self.leads[told.venue] = lead
            self._take(CLOCK_SKEW, told.venue, lead.least_ns / _SECOND_NS)

    def skew_rows(self) -> list[LabelledValue]:
        """Return by how much each venue's clock is known to lead ours, in seconds, for those who look from outside."""
        return [({"venue": venue}, lead.least_ns / _SECOND_NS) for venue, lead in sorted(self.leads.items())]

    def committed(self, took_ns: int, now_ns: int | None = None) -> None:
        """Take how long a commit took, of the step that is being carried out or at `now_ns`."""
        now_ns = self._now() if now_ns is None else now_ns
        self._commits.append((now_ns, took_ns))
        if COMMIT_P99.is_bad(took_ns / _MS):
            self._slow_ns = now_ns
            self._rush()

    def _take(self, figure: Figure, subject: str, value: float) -> None:
        self._taken[figure, subject] = value
        if figure.grade(value) != self._told.get((figure, subject), _NOTHING).grade:
            self._rush()

    def _rush(self) -> None:
        self._hurry, self._watch_ns = True, 0

    def asks_time(self, now_ns: int) -> bool:
        """Tell whether a venue's time should be asked for at this call of `due`."""
        return now_ns >= self._beat_ns

    # Publishing

    def due(self, now_ns: int) -> list[Measured]:
        """Measure what is due and return what must be published."""
        late: list[Measured] = []
        if self.latency is not None and self.latency.next_ns <= now_ns:
            late = self.latency.due(now_ns)
        return [*late, *(self._figures(now_ns) if self._figures_ns <= now_ns else ())]

    def _figures(self, now_ns: int) -> list[Measured]:
        """Look at the figures that playbooks judge by."""
        awaited = self._awaited()
        if self._free_bytes is not None and (now_ns >= self._beat_ns or (FREE_DISK.name, STORAGE) in awaited):
            self._take(FREE_DISK, STORAGE, self._space(self._free_bytes))
        if now_ns >= self._beat_ns:
            self._beat_ns = now_ns + BEAT_NS
        in_question = (COMMIT_P99.name, STORAGE) in awaited or (COMMIT_P99, STORAGE) in self._told
        if in_question or now_ns - self._slow_ns < _WINDOW_NS:
            self._measure_commits(now_ns, probe=in_question)
        fades_ns = self._slow_ns + _WINDOW_NS
        self._hurry, self._watch_ns = False, now_ns + _WATCH_NS
        if fades_ns > now_ns:
            self._watch_ns = min(self._watch_ns, fades_ns)
        found = [self._verdict(key, value, now_ns, awaited) for key, value in self._taken.items()]
        self._taken.clear()
        return [measured for measured in found if measured is not None]

    def _space(self, free_bytes: Callable[[], int]) -> float:
        try:
            return float(free_bytes())
        except OSError:
            return 0.0  # a disk that cannot say what it has left is not one to write on

    def _measure_commits(self, now_ns: int, *, probe: bool) -> None:
        """Take the percentile of the window; with `probe` a ledger that nobody writes to is written to."""
        if probe and not (self._commits and now_ns - self._commits[-1][0] < _WATCH_NS):
            try:
                self.ledger.probe(now_ns)
            except WorldError:
                return  # it cannot be written: the executor says so, and no figure says that it can
        while self._commits and now_ns - self._commits[0][0] >= _WINDOW_NS:
            self._commits.popleft()
        durations = sorted(took_ns for _, took_ns in self._commits)
        if durations:
            rank = math.ceil(_SHARE * len(durations)) - 1
            self._take(COMMIT_P99, STORAGE, durations[rank] / _MS)

    def _verdict(
        self, key: tuple[Figure, str], value: float, now_ns: int, awaited: frozenset[tuple[str, str]]
    ) -> Measured | None:
        figure, subject = key
        told, grade = self._told.get(key, _NOTHING), figure.grade(value)
        wanted = grade > 0 or (figure.name, subject) in awaited
        stepped = figure.step is not None and abs(value - self._stepped.get(key, 0.0)) >= figure.step
        is_news = grade != told.grade or (wanted and now_ns - told.ts_ns >= _REPEAT_NS)
        if is_news or wanted:
            self._told[key] = _Told(grade, now_ns if is_news or stepped else told.ts_ns)
        else:
            self._told.pop(key, None)
        if not (is_news or stepped):
            return None
        self._stepped[key] = value
        return Measured(figure.name, subject, value, now_ns)


class TimedLedger:
    """Implements `LedgerStore` by another one, and measures how long its commits take; a failed one is no measure."""

    def __init__(self, ledger: LedgerStore, measures: Measures) -> None:
        self._ledger = ledger
        self._measures = measures

    def commit(self, commands: list[Command]) -> CommitResult:
        """Commit, and measure; a batch without facts writes nothing and is no measure."""
        if not commands:
            return self._ledger.commit(commands)
        clock = self._measures.clock
        began_ns = clock.monotonic_ns()
        result = self._ledger.commit(commands)
        self._measures.committed(clock.monotonic_ns() - began_ns)
        return result

    def probe(self, ts_ns: int) -> None:
        """Probe, and measure."""
        clock = self._measures.clock
        began_ns = clock.monotonic_ns()
        self._ledger.probe(ts_ns)
        self._measures.committed(clock.monotonic_ns() - began_ns, ts_ns)

    def orders(self, *, live_only: bool = False) -> list[LedgerOrder]:
        """Return orders in creation order."""
        return self._ledger.orders(live_only=live_only)

    def order(self, client_id: str) -> LedgerOrder | None:
        """Return one order."""
        return self._ledger.order(client_id)

    def positions(self) -> list[LedgerPosition]:
        """Return sub-positions that are not flat."""
        return self._ledger.positions()

    def fills(self) -> int:
        """Return the number of booked fill increments."""
        return self._ledger.fills()

    def fees(self, strategy: str) -> dict[str, Money]:
        """Return what a strategy's fills cost, by group."""
        return self._ledger.fees(strategy)

    def cash(self, strategy: str) -> dict[str, Money]:
        """Return what a strategy's fills and closings brought in, by group."""
        return self._ledger.cash(strategy)

    def bookings(self, kind: str | None = None) -> list[Book]:
        """Return accounting records."""
        return self._ledger.bookings(kind)

    def restrictions(self) -> list[Restriction]:
        """Return restrictions in force."""
        return self._ledger.restrictions()

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()
