"""The rows of a recording as a venue lived them: whole books first, and then nothing but changes that follow.

A recorder's snapshot is older than some of the changes around it, and a simulated venue has no way to ask for another.
So the books that the program itself keeps sort it out first (runtime 2.4): the venue is shown a book when it is known,
and each change after that; where a recording has a gap, the next whole book.
"""

from collections.abc import Iterable, Iterator

from millrace.core.book_events import BookDelta, BookSnapshot, BookState
from millrace.core.events import Print
from millrace.market.books.books import Books

Row = BookSnapshot | BookDelta | Print


def verified(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield a snapshot whenever a book becomes known, the changes that follow it, and the trades meanwhile."""
    books = Books()
    for row in rows:
        kept = books.kept(row.instrument)
        was_live = kept.state is BookState.LIVE
        if isinstance(row, Print):
            if was_live:
                yield row
            continue
        before = kept.book.seq
        books.observe(row)
        if kept.state is not BookState.LIVE:
            continue
        book = kept.book
        if not was_live or isinstance(row, BookSnapshot):
            yield BookSnapshot(row.instrument, row.ts_ns, book.venue_ts_ns, book.seq, book.bids(), book.asks())
        elif not row.seq or row.seq > before:
            yield row
