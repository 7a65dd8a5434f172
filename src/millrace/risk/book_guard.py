"""Repairs books that are wrong, each alone, and takes the quotes off that rest by them (runtime 2.4 rules 4 and 5).

The books say that they are wrong; what follows is this guard's: the market's orders are cancelled in the same step, the
book is asked for anew, a market that is wrong again and again is left alone, and when many are wrong the connection is
made anew. Books that look right are compared with the venue's once a minute where money is at stake, and a few of the
others in turn, each at a second of the minute that is its own: questions about many books in one moment would wait for
the pace of calls, behind each other and beside orders.

Only markets that are quoted by their books are restricted and pulled: an order of a grid rests at a price of its own
and is no worse for a book that nobody can see.
"""

from collections import Counter, deque
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from typing import Any, Final

from millrace.core.book_events import BookCause, BookNews, BookState
from millrace.core.commands import Alert, Lift, Place, Post, ResyncBook, Severity
from millrace.core.events import Started, Timer
from millrace.core.guard import CancelScope, GuardView, Seen, Verdict
from millrace.core.instrument import InstrumentId
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind
from millrace.core.strategy import Interest
from millrace.market.books.books import Books
from millrace.market.books.upkeep import RECHECK_NS
from millrace.risk.book_care import WINDOW_NS, BookCare, Step

CHECK_NS: Final = 60_000_000_000
"""How often books with money at stake are compared with the venue's."""
_SECOND_NS: Final = 1_000_000_000
_WORD: Final = 8
MOST_MARKETS: Final = 10
"""When more markets of a venue are resynced in a minute, the connection is at fault."""
_SAMPLE_SHARE_INVERSE: Final = 100
_DURATIONS_KEPT: Final = 256
_AWAITED: Final = frozenset({BookCause.NO_SNAPSHOT, BookCause.RESET})
"""After these a snapshot comes by itself."""
_NOTHING = Interest()


def book_id(instrument: InstrumentId) -> str:
    """Return the id of the restriction that stands while a market's book cannot be had."""
    return f"book/{instrument}"


@cache
def phase_ns(instrument: InstrumentId) -> int:
    """Return when after each full minute a market's book is compared: whole seconds, by a hash of its name."""
    drawn = int.from_bytes(blake2b(str(instrument).encode(), digest_size=_WORD).digest(), "little")
    return drawn % (CHECK_NS // _SECOND_NS) * _SECOND_NS


class BookGuard:
    """Implements `core.guard.Guard`; `books` are those of the market view and are only read here.

    `instruments` are the markets that are quoted by their books.
    """

    name = "books"
    reads: tuple[type, ...] = (BookNews, Timer, Started)

    def __init__(self, books: Books, instruments: Iterable[InstrumentId]) -> None:
        self.books = books
        self._quoted = tuple(dict.fromkeys(instruments))
        self._markets = frozenset(self._quoted)
        self._care: dict[InstrumentId, BookCare] = {}
        self._rechecks: dict[InstrumentId, int] = {}
        self._lately: dict[str, deque[tuple[int, InstrumentId]]] = {}
        self._check_ns = 0  # when some book is compared next
        self.resyncs: Counter[tuple[str, str]] = Counter()
        self.durations_ns: dict[str, deque[int]] = {}

    # What happens

    def observe(self, seen: Seen, view: GuardView) -> list[Verdict]:
        """Return what follows for books and for what rests by them."""
        if isinstance(seen, BookNews):
            return self._news(seen)
        said: list[Verdict] = []
        if isinstance(seen, Started):
            self._started(seen)
        elif self._check_ns and seen.ts_ns >= self._check_ns:
            said += self._checks(view, seen.ts_ns)
            self._check_ns = self._next_check_ns(seen.ts_ns)
        for instrument, due_ns in sorted(self._rechecks.items()):
            if seen.ts_ns >= due_ns:
                said += self._checked(instrument, seen.ts_ns)
        for instrument in sorted(self._care):
            said += self._due(instrument, seen.ts_ns)
        return said

    def _started(self, seen: Started) -> None:
        """Books that are not there yet should come with the subscription."""
        for instrument in self._quoted:
            if self.books.state_of(instrument) is BookState.EMPTY:
                self._of(instrument).awaits(BookCause.NO_SNAPSHOT, seen.ts_ns)
        if self._quoted:
            self._check_ns = self._next_check_ns(seen.ts_ns)

    def _news(self, news: BookNews) -> list[Verdict]:
        instrument, ts_ns = news.instrument, news.ts_ns
        if news.agreed is False and news.state is BookState.LIVE:
            self._rechecks[instrument] = ts_ns + RECHECK_NS
            return []
        if news.state is BookState.LIVE:
            return [] if news.agreed else self._live(instrument, ts_ns)
        cause = news.cause or BookCause.NO_SNAPSHOT
        said = self._pulled(instrument, cause)
        care = self._of(instrument)
        if cause in _AWAITED:
            care.awaits(cause, ts_ns)
        elif cause is BookCause.RESTART:
            care.awaits(cause, ts_ns)
            care.due_ns = max(ts_ns, care.held_until_ns)
        else:
            if care.spoilt(cause, ts_ns):
                text = f"the book of {instrument} was wrong again and again, last by {cause.value}"
                said += self._restricted(instrument, text, ts_ns)
            said += self._storm(instrument, ts_ns)
        return said + self._due(instrument, ts_ns)

    def _live(self, instrument: InstrumentId, ts_ns: int) -> list[Verdict]:
        care = self._of(instrument)
        if care.was_asked_for and care.wrong_ns:
            kept = self.durations_ns.setdefault(instrument.venue, deque(maxlen=_DURATIONS_KEPT))
            kept.append(ts_ns - care.wrong_ns)
        if care.live(ts_ns) and instrument in self._markets:
            return [Lift(book_id(instrument), f"the book of {instrument} is verified again", ts_ns)]
        return []

    def _due(self, instrument: InstrumentId, now_ns: int) -> list[Verdict]:
        """Ask for a book when its time has come."""
        care = self._care[instrument]
        step = care.step(now_ns)
        if step is Step.NOTHING:
            return []
        said: list[Verdict] = []
        if step is Step.GIVE_UP:
            care.unquotable = True
            said = self._restricted(instrument, f"no snapshot of the book of {instrument} came when asked for", now_ns)
        care.asked(now_ns)
        return [*said, self._resync(instrument, care.cause, now_ns)]

    def _resync(self, instrument: InstrumentId, cause: BookCause, now_ns: int) -> ResyncBook:
        self.resyncs[instrument.venue, cause.value] += 1
        return ResyncBook(instrument, cause.value, now_ns)

    def _pulled(self, instrument: InstrumentId, cause: BookCause) -> list[Verdict]:
        if instrument not in self._markets:
            return []
        return [CancelScope(Scope(ScopeKind.MARKET, str(instrument)), f"book_{cause.value}")]

    def _restricted(self, instrument: InstrumentId, text: str, now_ns: int) -> list[Verdict]:
        alert = Alert(Severity.WARN, ReasonCode.BOOK_UNVERIFIED.value, text, now_ns)
        if instrument not in self._markets:
            return [alert]
        posted = Restriction(
            id=book_id(instrument),
            scope=Scope(ScopeKind.MARKET, str(instrument)),
            level=Level.HALT,
            reason=ReasonCode.BOOK_UNVERIFIED,
            text=text,
            posted_by=self.name,
            posted_ns=now_ns,
            hold_until_ns=self._of(instrument).held_until_ns,
            recovery=Recovery.AUTO,
        )
        return [Post(posted), alert]

    def _storm(self, instrument: InstrumentId, now_ns: int) -> list[Verdict]:
        """Make a connection anew over which many books go wrong within a minute."""
        venue = instrument.venue
        lately = self._lately.setdefault(venue, deque())
        lately.append((now_ns, instrument))
        while now_ns - lately[0][0] > WINDOW_NS:
            lately.popleft()
        if len({market for _, market in lately}) <= MOST_MARKETS:
            return []
        lately.clear()
        text = f"more than {MOST_MARKETS} books of {venue} went wrong within a minute; its stream is connected anew"
        said: list[Verdict] = [Alert(Severity.WARN, "book_reconnect", text, now_ns)]
        for kept in self.books.all():
            at = kept.instrument
            care = self._of(at)
            if at.venue == venue and not care.is_restricted:
                care.awaits(BookCause.RECONNECT, now_ns)
                care.asked(now_ns)
                said += self._pulled(at, BookCause.RECONNECT)
                said.append(self._resync(at, BookCause.RECONNECT, now_ns))
        return said

    # Scheduled comparisons

    def _checks(self, view: GuardView, now_ns: int) -> list[Verdict]:
        """Compare the books whose second has come: where money is at stake, and some of the others in turn."""
        every = [kept.instrument for kept in self.books.all()]
        share = -(-len(every) // _SAMPLE_SHARE_INVERSE)
        staked = {position.instrument for position in view.positions()}
        staked |= {order.place.instrument for order in view.unfinished()}
        said: list[Verdict] = []
        for place, at in enumerate(every):
            minute = (now_ns - phase_ns(at)) // CHECK_NS
            is_due = minute > (self._check_ns - 1 - phase_ns(at)) // CHECK_NS
            if is_due and (at in staked or (place - minute * share) % len(every) < share):
                said += self._checked(at, now_ns)
        return said

    def _next_check_ns(self, now_ns: int) -> int:
        """Return when the second of some book comes next."""
        every = {*self._quoted, *(kept.instrument for kept in self.books.all())}
        return min(((now_ns - phase_ns(at)) // CHECK_NS + 1) * CHECK_NS + phase_ns(at) for at in every)

    def _checked(self, instrument: InstrumentId, now_ns: int) -> list[Verdict]:
        self._rechecks.pop(instrument, None)
        if self.books.state_of(instrument) is not BookState.LIVE:
            return []
        return [ResyncBook(instrument, BookCause.CHECK.value, now_ns, only_check=True)]

    # The rest of a guard

    def objections(self, places: tuple[Place, ...], view: GuardView) -> tuple[str, ...]:
        """Object to orders that would rest by a book that is not there at this moment."""
        for place in places:
            if place.instrument in self._markets and view.depth(place.instrument) is None:
                return (ReasonCode.BOOK_UNVERIFIED.value,)
        return ()

    def interest(self) -> Interest:
        """Return when a book must be asked for or compared next."""
        due = [care.due_ns for care in self._care.values() if care.due_ns]
        due += self._rechecks.values()
        if self._check_ns:
            due.append(self._check_ns)
        return Interest(deadline_ns=min(due)) if due else _NOTHING

    def status(self, view: GuardView) -> dict[str, Any]:
        """Return how many books are in which state, what was wrong, and which markets are given up."""
        states = Counter((kept.instrument.venue, kept.state.value) for kept in self.books.all())
        return {
            venue: {
                "books": {state.value: states[venue, state.value] for state in BookState},
                "resyncs": {cause: count for (at, cause), count in sorted(self.resyncs.items()) if at == venue},
                "checksum_failures": counts.checksum_failures,
                "divergences": counts.divergences,
                "duplicates": counts.duplicates,
                "late_snapshots": counts.late,
                "waiting_changes": counts.waiting,
                "restricted": [
                    str(at) for at in sorted(self._care) if at.venue == venue and self._care[at].is_restricted
                ],
                "oldest_verified_sec": self._oldest_sec(venue, view.now_ns),
            }
            for venue, counts in self.books.counts().items()
        }

    def _oldest_sec(self, venue: str, now_ns: int) -> float | None:
        ages = self.books.verified_ages_ns(venue, now_ns)
        return round(max(ages) / 1e9, 3) if ages else None

    def _of(self, instrument: InstrumentId) -> BookCare:
        care = self._care.get(instrument)
        if care is None:
            care = self._care[instrument] = BookCare()
        return care

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "care": {str(at): care.snapshot() for at, care in self._care.items()},
            "rechecks": {str(at): due_ns for at, due_ns in self._rechecks.items()},
            "lately": {venue: [[at_ns, str(at)] for at_ns, at in rows] for venue, rows in self._lately.items()},
            "check_ns": self._check_ns,
            "resyncs": [[venue, cause, count] for (venue, cause), count in self.resyncs.items()],
            "durations_ns": {venue: list(rows) for venue, rows in self.durations_ns.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._care = {}
        for text, saved in state["care"].items():
            self._of(InstrumentId.parse(text)).restore(saved)
        self._rechecks = {InstrumentId.parse(text): due_ns for text, due_ns in state["rechecks"].items()}
        self._lately = {
            venue: deque((at_ns, InstrumentId.parse(text)) for at_ns, text in rows)
            for venue, rows in state["lately"].items()
        }
        self._check_ns = state["check_ns"]
        self.resyncs = Counter({(venue, cause): count for venue, cause, count in state["resyncs"]})
        durations_ns = state["durations_ns"]
        self.durations_ns = {venue: deque(rows, maxlen=_DURATIONS_KEPT) for venue, rows in durations_ns.items()}
