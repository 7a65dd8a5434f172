"""The scheduled comparison of a book with the one that its venue gives when it is asked (runtime 2.4 rule 5).

A venue's answer is as old as its way back, and the book moves meanwhile. So every top of the local book since the
question is kept, and the answer disagrees only when it matches none of them. One that is ahead of the local book waits
until the book has come as far.
"""

from typing import Any, Final

import msgspec

from millrace.core.book_events import BookSnapshot
from millrace.core.instrument import Lots, Ticks
from millrace.market.books.order_book import OrderBook, Top

_TOPS_KEPT: Final = 10_000
"""A check during which the top moved more often is given up: nothing in memory may grow with a late answer."""
_SIZE_SHARE_INVERSE: Final = 10
"""Sizes agree within a tenth of the larger one."""


def later_than(event: BookSnapshot, book: OrderBook) -> bool:
    """Tell whether a snapshot is of a later moment than a book: by version, else venue time, else request (rule 6)."""
    if event.seq and book.seq:
        return event.seq > book.seq
    if event.venue_ts_ns and book.venue_ts_ns:
        return event.venue_ts_ns > book.venue_ts_ns
    return not event.requested_ns or event.requested_ns > book.ts_ns


def top_of(event: BookSnapshot) -> Top:
    """Return the top of a snapshot, whose levels are best first."""
    bid_ticks, bid_lots = event.bids[0] if event.bids else (0, 0)
    ask_ticks, ask_lots = event.asks[0] if event.asks else (0, 0)
    return bid_ticks, bid_lots, ask_ticks, ask_lots


def agree(ours: Top, theirs: Top, tick: Ticks) -> bool:
    """Tell whether two tops are the same within a tick on price and 10 % on size."""
    return (
        abs(ours[0] - theirs[0]) <= tick
        and abs(ours[2] - theirs[2]) <= tick
        and _near(ours[1], theirs[1])
        and _near(ours[3], theirs[3])
    )


def _near(one: Lots, other: Lots) -> bool:
    return abs(one - other) * _SIZE_SHARE_INVERSE <= max(one, other)


class Check:
    """One comparison under way; `tops` are the local ones since it was asked for, each from its time on."""

    __slots__ = ("awaited", "tick", "tops")

    def __init__(self, ts_ns: int, top: Top, tick: Ticks) -> None:
        self.tick = tick
        self.tops: list[tuple[int, Top]] = [(ts_ns, top)]
        self.awaited: BookSnapshot | None = None

    def note(self, ts_ns: int, top: Top) -> bool:
        """Take a top; False when there are too many and the check is given up."""
        if top != self.tops[-1][1]:
            self.tops.append((ts_ns, top))
        return len(self.tops) <= _TOPS_KEPT

    def answered(self, event: BookSnapshot, book: OrderBook) -> bool | None:
        """Return whether the venue's answer agrees with some top since it was asked; None: that shows later."""
        theirs = top_of(event)
        first = 0
        for place, (ts_ns, _) in enumerate(self.tops):
            if ts_ns <= event.requested_ns:
                first = place
        if any(agree(ours, theirs, self.tick) for _, ours in self.tops[first:]):
            return True
        if (event.seq or event.venue_ts_ns) and later_than(event, book):
            self.awaited = event
            return None
        return False

    def caught_up(self, book: OrderBook) -> bool | None:
        """Return the same of an answer that was ahead, now that the book moved; None: not yet."""
        event = self.awaited
        if event is None:
            return None
        if agree(book.top(), top_of(event), self.tick):
            return True
        return None if later_than(event, book) else False

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "tick": self.tick,
            "tops": [[ts_ns, list(top)] for ts_ns, top in self.tops],
            "awaited": msgspec.to_builtins(self.awaited),
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Check":
        """Return what `snapshot` saved."""
        (ts_ns, first), *others = [(ts_ns, _top(saved)) for ts_ns, saved in state["tops"]]
        check = cls(ts_ns, first, state["tick"])
        check.tops += others
        check.awaited = msgspec.convert(state["awaited"], BookSnapshot | None)
        return check


def _top(saved: list[int]) -> Top:
    bid, bid_lots, ask, ask_lots = saved
    return bid, bid_lots, ask, ask_lots
