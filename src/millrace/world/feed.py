"""Market data on its way into a simulation, read in bulk.

A feed is a run of column chunks (one for a file, one per day for the generator) and a place in it. It finds the next
row that can matter and hands over what lies before it as one block, so quiet hours cost one search (design section 9).
"""

from collections.abc import Callable, Iterator

import numpy as np

from millrace.core.events import MarketBlock, Print, Quote
from millrace.core.instrument import InstrumentId, Ticks
from millrace.market.waiting_rows import last_of
from millrace.sim.candles import Column, PrintColumns, QuoteColumns
from millrace.sim.column_search import first_outside
from millrace.sim.venue import Delivery, SimVenue

Columns = PrintColumns | QuoteColumns
OddRows = Callable[[InstrumentId, tuple[Column, ...]], Column]
"""Tells which rows the program must see one by one, whatever its bounds: those that its firewall looks at twice."""


class Feed:
    """One instrument's market data, and the simulated venue that sees each row before the program, if there is one."""

    def __init__(self, instrument: InstrumentId, chunks: Iterator[Columns], venue: SimVenue | None = None) -> None:
        self.instrument = instrument
        self.venue = venue
        self._chunks = chunks
        self._row = 0
        self._chunk: Columns | None = next(chunks, None)
        self._odd_rows: OddRows | None = None
        self._columns: tuple[Column, ...] = ()
        self._odd: Iterator[int] | None = None
        self._next_odd = 0
        self.rows = 0

    def show_alone(self, odd_rows: OddRows) -> None:
        """Stop before every row that this names, besides those outside the bounds."""
        self._odd_rows, self._odd = odd_rows, None

    @property
    def next_ns(self) -> int | None:
        """Time of the next row; None when the feed is exhausted."""
        self._turn_page()
        return None if self._chunk is None else int(self._chunk.ts_ns[self._row])

    def _turn_page(self) -> None:
        while self._chunk is not None and self._row >= len(self._chunk):
            self._chunk = next(self._chunks, None)
            self._row = 0
            self._columns, self._odd = (), None

    def _before_odd(self, chunk: Columns, start: int, end: int) -> int:
        """Return the first row of [start, end) that must be shown alone, `end` when none is."""
        if self._odd_rows is None:
            return end
        if self._odd is None:
            self._odd = iter(self._odd_rows(self.instrument, self._packable(chunk)).tolist())
            self._next_odd = -1
        while self._next_odd < start:
            self._next_odd = next(self._odd, len(chunk))
        return min(end, self._next_odd)

    def _packable(self, chunk: Columns) -> tuple[Column, ...]:
        """Return the columns of the present chunk as a block has them."""
        if not self._columns:
            self._columns = tuple(np.ascontiguousarray(column, "<i8") for column in _columns(chunk))
        return self._columns

    def skip(self, until_ns: int, low: Ticks | None, high: Ticks | None) -> tuple[MarketBlock | None, bool]:
        """Pass over rows up to `until_ns` that lie strictly between the bounds.

        Returns the rows passed as a block (None: none were) and whether the feed now stands at a row that lies at or
        outside a bound, or must be shown alone. At the end of a chunk it returns early; call again while `next_ns` is
        not past `until_ns`.
        """
        self._turn_page()
        chunk, start = self._chunk, self._row
        if chunk is None:
            return None, False
        end = len(chunk)
        if chunk.ts_ns[end - 1] > until_ns:
            end = int(np.searchsorted(chunk.ts_ns, until_ns, side="right"))
        if end <= start:
            return None, False
        row = first_outside(chunk, start, self._before_odd(chunk, start, end), low, high)
        self._row = row
        self.rows += row - start
        return (self._block(chunk, start, row) if row > start else None), row < end

    def _block(self, chunk: Columns, start: int, stop: int) -> MarketBlock:
        kind = "print" if isinstance(chunk, PrintColumns) else "quote"
        packed = tuple([column[start:stop].tobytes() for column in self._packable(chunk)])
        return MarketBlock(self.instrument, last_of(packed[0]), kind, packed)

    def take(self) -> tuple[Print | Quote, list[Delivery]]:
        """Show the next row to the venue; returns it as an event, and what the venue answers to it."""
        chunk, row, venue = self._chunk, self._row, self.venue
        assert chunk is not None  # noqa: S101  callers take a row that `skip` or `next_ns` showed
        self._row += 1
        self.rows += 1
        instrument, ts_ns = self.instrument, int(chunk.ts_ns[row])
        if isinstance(chunk, PrintColumns):
            ticks, lots = int(chunk.ticks[row]), int(chunk.lots[row])
            shown = Print(instrument, ts_ns, ticks, lots)
            if venue is None:
                return shown, []
            return shown, venue.on_print(instrument, ts_ns, ticks, lots, int(chunk.bar[row]), int(chunk.bar_lots[row]))
        bid, ask = int(chunk.bid_ticks[row]), int(chunk.ask_ticks[row])
        sizes = int(chunk.bid_lots[row]), int(chunk.ask_lots[row])
        quoted = Quote(instrument, ts_ns, bid, ask, *sizes)
        return quoted, [] if venue is None else venue.on_quote(instrument, ts_ns, bid, ask, *sizes)

    def bounds(self) -> tuple[Ticks | None, Ticks | None]:
        """Return the prices at which a row may fill something at the venue; None where nothing rests."""
        return (None, None) if self.venue is None else self.venue.bounds(self.instrument)

    def skipped(self, block: MarketBlock) -> None:
        """Tell the venue the last row of a block that was passed over."""
        if self.venue is not None:
            self.venue.skip_to(self.instrument, block.ts_ns, *_last_prices(block.columns))


def _columns(chunk: Columns) -> tuple[Column, ...]:
    """Return a chunk's columns in the order of a block."""
    if isinstance(chunk, PrintColumns):
        return chunk.ts_ns, chunk.ticks, chunk.lots
    return chunk.ts_ns, chunk.bid_ticks, chunk.ask_ticks, chunk.bid_lots, chunk.ask_lots


def _last_prices(columns: tuple[bytes, ...]) -> tuple[Ticks | None, Ticks | None, Ticks | None]:
    """Return (last, bid, ask) of a block: the last row's, None for what its kind does not carry."""
    if len(columns) == 3:  # noqa: PLR2004  a block of prints: ts, ticks, lots
        return last_of(columns[1]), None, None
    return None, last_of(columns[1]), last_of(columns[2])


def no_feed() -> Feed:
    """Return the feed of a program without a spot market."""
    return Feed(InstrumentId("", ""), iter(()))
