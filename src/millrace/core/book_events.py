"""The order book of an instrument as its venue tells it: a snapshot, and what changed since.

They are events like those of `core.events`, which joins them into the one union. Quantities are absolute, as venues
send them: a level of 0 lots is gone. Whether a book may be believed is decided in `market/books`, by sequence numbers
where the venue counts and by checksum where it sends one (runtime 2.4).
"""

from enum import StrEnum
from typing import ClassVar, Protocol

import msgspec

from millrace.core.binary_events import BookLevel, Levels
from millrace.core.instrument import InstrumentId


class BookSnapshot(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="book_snapshot"):
    """The whole book down to the depth that was subscribed, best prices first.

    `seq` is the venue's number of the last change in it, 0 where it does not count; `venue_ts_ns` is 0 where the venue
    does not say. `checksum` is the venue's CRC-32 of the book after this message, None where it sends none. One that
    was `polled` was asked for and not pushed: it is compared with the book, and becomes the book only if that is asked
    for; `requested_ns` is when it was asked for. `depth` is how many levels of a side were subscribed, 0 for all:
    what falls out below is never said to be gone.
    """

    instrument: InstrumentId
    ts_ns: int
    venue_ts_ns: int
    seq: int
    bids: Levels
    asks: Levels
    checksum: int | None = None
    polled: bool = False
    requested_ns: int = 0
    depth: int = 0
    is_market: ClassVar[bool] = True


class BookDelta(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="book_delta"):
    """Levels that changed, each with what rests there now; `first_seq` to `seq` are the venue's changes in it.

    Both are 0 where the venue does not count. A message whose `first_seq` is not one more than the last `seq` is a gap;
    where a venue names the message before instead, `first_seq` is one more than that.
    """

    instrument: InstrumentId
    ts_ns: int
    venue_ts_ns: int
    first_seq: int
    seq: int
    bids: Levels
    asks: Levels
    checksum: int | None = None
    is_market: ClassVar[bool] = True


BookEvent = BookSnapshot | BookDelta
BOOK_EVENTS = (BookSnapshot, BookDelta)
"""The kinds of `BookEvent`."""


class BookState(StrEnum):
    """What is known of a market's book (runtime 2.4); only a live one is served."""

    EMPTY = "empty"
    SYNCING = "syncing"
    LIVE = "live"
    INVALID = "invalid"


class BookCause(StrEnum):
    """Why a book is not live, or is asked for anew; a closed set, because it is the label of a metric."""

    NO_SNAPSHOT = "no_snapshot"
    GAP = "gap"
    OUT_OF_ORDER = "out_of_order"
    CHECKSUM = "checksum"
    CROSSED = "crossed"
    MALFORMED = "malformed"
    OVERFLOW = "overflow"
    DIVERGED = "diverged"
    RESET = "reset"
    RESTART = "restart"
    RECONNECT = "reconnect"
    CHECK = "check"


class BookNews(msgspec.Struct, frozen=True, gc=False):
    """A book became live, is no longer, or was compared with the venue's; guards are shown it, nobody journals it.

    `cause` is why it is not live, or why it was not before. `agreed` is how a comparison ended, None without one.
    """

    instrument: InstrumentId
    state: BookState
    cause: BookCause | None
    ts_ns: int
    agreed: bool | None = None


class Depth(Protocol):
    """A book as strategies may read it; nothing can be changed through it."""

    seq: int
    ts_ns: int
    venue_ts_ns: int

    def best_bid(self) -> BookLevel | None:
        """Return the best bid, None of an empty side."""
        ...

    def best_ask(self) -> BookLevel | None:
        """Return the best ask."""
        ...

    def bids(self, depth: int | None = None) -> Levels:
        """Return the first `depth` bids, or all, best first."""
        ...

    def asks(self, depth: int | None = None) -> Levels:
        """Return the first `depth` asks, or all, best first."""
        ...
