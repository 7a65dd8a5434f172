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


class Verified:
    """The rows to show: a snapshot whenever a book becomes known, the changes that follow it, the trades meanwhile.

    `gaps` counts how often a book that was known was lost, and `dark_ns` is the time without one between the first
    row and the last.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.gaps = 0
        self.dark_ns = 0
        self._rows = self._shown(rows)

    def __iter__(self) -> Iterator[Row]:
        """Yield each row once."""
        return self._rows

    def _shown(self, rows: Iterable[Row]) -> Iterator[Row]:
        books, last_ns = Books(), 0
        for row in rows:
            kept = books.kept(row.instrument)
            was_live = kept.state is BookState.LIVE
            self.dark_ns += 0 if was_live or not last_ns else max(row.ts_ns - last_ns, 0)
            last_ns = max(last_ns, row.ts_ns)
            if isinstance(row, Print):
                if was_live:
                    yield row
                continue
            before = kept.book.seq
            books.observe(row)
            if kept.state is not BookState.LIVE:
                self.gaps += was_live
                continue
            book = kept.book
            if not was_live or isinstance(row, BookSnapshot):
                yield BookSnapshot(row.instrument, row.ts_ns, book.venue_ts_ns, book.seq, book.bids(), book.asks())
            elif not row.seq or row.seq > before:
                yield row
