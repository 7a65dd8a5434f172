"""One market's book from nothing to live, and what makes it stop being believed (runtime 2.4).

EMPTY -> SYNCING -> LIVE -> INVALID -> SYNCING. A book is live from a snapshot on, as long as every change that came
since follows the one before, matches the checksum where there is one, and leaves bids below asks. Anything else makes
it invalid within the same step, before anybody reads it. Changes that come while no snapshot is there are kept and
applied to it when it comes, as far as they are newer: without that a snapshot that was asked for is out of date when
it arrives.

What kind of venue it is nobody has to say: the events carry numbers, a checksum, a time of the venue, or none of them.
"""

from operator import attrgetter
from typing import Any, Final

import msgspec

from millrace.core.binary_events import BookLevel, Levels
from millrace.core.book_events import BookCause, BookDelta, BookNews, BookSnapshot, BookState
from millrace.core.instrument import InstrumentId, Ticks
from millrace.market.books.check import Check, later_than
from millrace.market.books.checksum import checksum
from millrace.market.books.order_book import OrderBook

MOST_WAITING: Final = 4_096
"""So many changes of one venue's books are kept while they wait for snapshots (runtime 2.3)."""
RECHECK_NS: Final = 2_000_000_000
"""Two comparisons that disagree count as two when they are so far apart (runtime 2.4 rule 5)."""
_by_number = attrgetter("seq")


class VenueBooks:
    """What is counted of all books of one venue; `waiting` are the changes that wait for snapshots."""

    __slots__ = ("checksum_failures", "divergences", "duplicates", "late", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.checksum_failures = 0
        self.divergences = 0
        self.duplicates = 0
        self.late = 0

    def snapshot(self) -> dict[str, int]:
        """Return the state as builtins."""
        return {name: getattr(self, name) for name in self.__slots__}

    def restore(self, state: dict[str, int]) -> None:
        """Take a state that `snapshot` gave."""
        for name in self.__slots__:
            setattr(self, name, state[name])


class KeptBook:
    """The book of one market; `doubted` says that the firewall does not believe its top.

    `since_ns` is when it came into its state, `verified_ns` when it was last known to be the venue's.
    """

    __slots__ = (
        "_check",
        "_checksum",
        "_depth",
        "_floor",
        "_follows_snapshot",
        "_last",
        "_mismatch_ns",
        "_venue",
        "_waiting",
        "book",
        "cause",
        "doubted",
        "instrument",
        "since_ns",
        "state",
        "verified_ns",
    )

    def __init__(self, instrument: InstrumentId, venue: VenueBooks) -> None:
        self.instrument = instrument
        self.book = OrderBook()
        self.state = BookState.EMPTY
        self.cause: BookCause | None = None
        self.since_ns = 0
        self.verified_ns = 0
        self.doubted = False
        self._venue = venue
        self._waiting: list[BookDelta] = []
        self._floor = (0, 0)  # number and venue time of the newest change that is known and is not kept
        self._depth = 0
        self._checksum: int | None = None
        self._follows_snapshot = False
        self._last: tuple[Levels, Levels, int] | None = None
        self._check: Check | None = None
        self._mismatch_ns = 0

    @property
    def served(self) -> OrderBook | None:
        """The book, while it may be believed."""
        return self.book if self.state is BookState.LIVE and not self.doubted else None

    # What the venue says

    def changed(self, event: BookDelta) -> BookNews | None:
        """Take a change; returns what became of the book when it is not simply the next one."""
        if self.state is not BookState.LIVE:
            return self._keep(event)
        fault = self._apply(event)
        if fault is None:
            return None if self._check is None else self._compared_later(event)
        if fault is BookCause.GAP:
            self._waiting.append(event)
            self._venue.waiting += 1
        else:
            self._floor = (event.seq, event.venue_ts_ns)
        return self._spoilt(fault, event.ts_ns)

    def came(self, event: BookSnapshot) -> BookNews | None:
        """Take a snapshot: the book from now on, or what it is compared with where that was asked for."""
        if event.polled:
            return self._compared(event)
        if not self._is_news(event):
            self._venue.late += 1
            return None
        was_live = self.state is BookState.LIVE
        fault = self._become(event)
        if fault is not None:
            return self._spoilt(fault, event.ts_ns)
        for kept in sorted(self._waiting, key=_by_number) if event.seq else self._waiting:
            is_newer = kept.seq > event.seq if event.seq else kept.venue_ts_ns > event.venue_ts_ns > 0
            fault = self._apply(kept) if is_newer else None
            if fault is not None:
                return self._spoilt(fault, event.ts_ns)
        self._forget_waiting()
        self._floor = (0, 0)
        if was_live:
            return None if self._check is None else self._compared_later(event)
        cause, self.cause = self.cause, None
        self.doubted = False
        return self._turned(BookState.LIVE, cause, event.ts_ns)

    # What else happens to it

    def resync(self, ts_ns: int) -> None:
        """Wait for a snapshot that was just asked for."""
        if self.state is BookState.LIVE:
            self.cut_off(BookCause.RECONNECT, ts_ns)
        self.state, self.since_ns = BookState.SYNCING, ts_ns

    def cut_off(self, cause: BookCause, ts_ns: int) -> BookNews | None:
        """Begin anew with a new connection; what came over the old one is forgotten. None: there was no book."""
        if self.state is BookState.EMPTY:
            return None
        self._forget_waiting()
        self._floor = (0, 0)
        self.cause = cause
        return self._turned(BookState.SYNCING, cause, ts_ns)

    def check(self, ts_ns: int, tick: Ticks) -> None:
        """Remember tops from now on: the venue is asked for its book to compare them with."""
        if self.state is BookState.LIVE:
            self._check = Check(ts_ns, self.book.top(), tick)

    # Within

    def _turned(self, state: BookState, cause: BookCause | None, ts_ns: int) -> BookNews:
        self.state, self.since_ns = state, ts_ns
        self._check = None
        return BookNews(self.instrument, state, cause, ts_ns)

    def _spoilt(self, cause: BookCause, ts_ns: int) -> BookNews:
        self.cause = cause
        self._venue.checksum_failures += cause is BookCause.CHECKSUM
        return self._turned(BookState.INVALID, cause, ts_ns)

    def _keep(self, event: BookDelta) -> BookNews | None:
        """Keep a change for the snapshot that is to come; the first one of an empty book begins the waiting."""
        if self._venue.waiting >= MOST_WAITING:
            self._forget_waiting()
            self._floor = (event.seq, event.venue_ts_ns)
            return self._spoilt(BookCause.OVERFLOW, event.ts_ns)
        self._waiting.append(event)
        self._venue.waiting += 1
        if self.state is not BookState.EMPTY:
            return None
        self.cause = BookCause.NO_SNAPSHOT
        return self._turned(BookState.SYNCING, self.cause, event.ts_ns)

    def _forget_waiting(self) -> None:
        self._venue.waiting -= len(self._waiting)
        self._waiting.clear()

    def _is_news(self, event: BookSnapshot) -> bool:
        """Tell whether a snapshot is of a later moment than what is known (rule 6).

        One with a lower number but a later time of the venue is taken: the venue counts anew.
        """
        if self.state is BookState.LIVE:
            book = self.book
            return later_than(event, book) or (event.seq > 0 and event.venue_ts_ns > book.venue_ts_ns > 0)
        seq, venue_ts_ns = self._floor
        if event.seq and seq:
            return event.seq >= seq
        return not (event.venue_ts_ns and venue_ts_ns) or event.venue_ts_ns >= venue_ts_ns

    def _become(self, event: BookSnapshot) -> BookCause | None:
        book = self.book
        self._depth, self._follows_snapshot, self._last = event.depth, True, None
        sound = book.replace(event.bids, event.asks)
        return self._judged(event, sound=sound)

    def _apply(self, event: BookDelta) -> BookCause | None:
        """Apply the next change; returns what shows that the book is wrong now."""
        book = self.book
        if event.seq:
            if event.seq <= book.seq:
                self._venue.duplicates += not self._follows_snapshot
                return None
            follows = event.first_seq == book.seq + 1
            if not follows and not (self._follows_snapshot and event.first_seq <= book.seq):
                return BookCause.GAP
            self._follows_snapshot = False
        elif event.venue_ts_ns < book.venue_ts_ns and event.venue_ts_ns:
            return BookCause.OUT_OF_ORDER
        elif event.checksum is not None:
            content = (event.bids, event.asks, event.venue_ts_ns)
            self._venue.duplicates += event.checksum == self._checksum and content == self._last
            self._last = content
        return self._judged(event, sound=book.change(event.bids, event.asks))

    def _judged(self, event: BookSnapshot | BookDelta, *, sound: bool) -> BookCause | None:
        """Cut the changed book to its depth, and then say what is wrong with it."""
        book = self.book
        book.seq, book.ts_ns, book.venue_ts_ns = event.seq, event.ts_ns, event.venue_ts_ns
        if self._depth:
            book.cut(self._depth)
        self._checksum = event.checksum
        if event.checksum is not None and checksum(book) != event.checksum:
            return BookCause.CHECKSUM
        if not sound:
            return BookCause.MALFORMED
        if book.is_crossed:
            return BookCause.CROSSED
        if event.seq or event.checksum is not None or isinstance(event, BookSnapshot):
            self.verified_ns = event.ts_ns
        return None

    # Comparisons

    def _compared(self, event: BookSnapshot) -> BookNews | None:
        """Take the answer to a comparison; one that nobody waits for any more says nothing."""
        if self._check is None or self._check.awaited is not None:
            return None
        agreed = self._check.answered(event, self.book)
        return None if agreed is None else self._concluded(event.ts_ns, agreed=agreed)

    def _compared_later(self, event: BookDelta | BookSnapshot) -> BookNews | None:
        check, book = self._check, self.book
        assert check is not None  # noqa: S101  the caller looked
        if not check.note(event.ts_ns, book.top()):
            self._check = None
            return None
        agreed = check.caught_up(book)
        return None if agreed is None else self._concluded(event.ts_ns, agreed=agreed)

    def _concluded(self, ts_ns: int, *, agreed: bool) -> BookNews:
        """End a comparison; the second that disagrees ends the book. A snapshot between the two changes nothing."""
        self._check = None
        if agreed:
            self.verified_ns, self._mismatch_ns = ts_ns, 0
            return BookNews(self.instrument, self.state, BookCause.CHECK, ts_ns, agreed=True)
        self._venue.divergences += 1
        if not self._mismatch_ns:
            self._mismatch_ns = ts_ns
        elif ts_ns - self._mismatch_ns >= RECHECK_NS:
            self._mismatch_ns = 0
            self._floor = (self.book.seq, self.book.venue_ts_ns)
            return self._spoilt(BookCause.DIVERGED, ts_ns)
        return BookNews(self.instrument, self.state, BookCause.CHECK, ts_ns, agreed=False)

    # Snapshots

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        book = self.book
        return {
            "book": [book.seq, book.ts_ns, book.venue_ts_ns, book.bids(), book.asks()],
            "state": self.state.value,
            "cause": None if self.cause is None else self.cause.value,
            "times": [self.since_ns, self.verified_ns, self._mismatch_ns],
            "doubted": self.doubted,
            "waiting": msgspec.to_builtins(self._waiting),
            "floor": list(self._floor),
            "verify": [self._depth, self._checksum, self._follows_snapshot],
            "last": self._last,
            "check": None if self._check is None else self._check.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; the venue's counts are restored apart."""
        book = self.book = OrderBook()
        book.seq, book.ts_ns, book.venue_ts_ns, bids, asks = state["book"]
        book.replace(_levels(bids), _levels(asks))
        self.state = BookState(state["state"])
        self.cause = None if state["cause"] is None else BookCause(state["cause"])
        self.since_ns, self.verified_ns, self._mismatch_ns = state["times"]
        self.doubted = state["doubted"]
        self._waiting = msgspec.convert(state["waiting"], list[BookDelta])
        seq, venue_ts_ns = state["floor"]
        self._floor = (seq, venue_ts_ns)
        self._depth, self._checksum, self._follows_snapshot = state["verify"]
        last = state["last"]
        self._last = None if last is None else (_levels(last[0]), _levels(last[1]), last[2])
        self._check = None if state["check"] is None else Check.restored(state["check"])


def _levels(saved: list[list[int]]) -> Levels:
    return tuple([BookLevel(ticks, lots) for ticks, lots in saved])
