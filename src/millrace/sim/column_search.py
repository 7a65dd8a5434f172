"""The next row of market data that can matter, found in bulk.

Near rows are looked at directly, because a grid's next fill is usually close and a call of numpy costs more than the
rows; far ones through the lowest and highest price of each block, so that quiet weeks cost microseconds (design
section 9).
"""

from millrace.core.instrument import Ticks
from millrace.sim.candles import BLOCK_ROWS, Column, PrintColumns, QuoteColumns

_NEAR_ROWS = 4 * BLOCK_ROWS
_FIRST_BLOCKS = 64
_NO_LOW, _NO_HIGH = -(2**63), 2**63 - 1


def first_outside(
    columns: PrintColumns | QuoteColumns, start: int, end: int, low: Ticks | None, high: Ticks | None
) -> int:
    """Return the first row in [start, end) with a print (ask) <= low or a print (bid) >= high; `end` when none is.

    A bound of None is no bound.
    """
    if low is None and high is None:
        return end
    low = _NO_LOW if low is None else low
    high = _NO_HIGH if high is None else high
    lows, highs = columns.low_side, columns.high_side
    # The near rows, up to a block's edge; from there on whole blocks can be skipped.
    edge = min(end, (start + _NEAR_ROWS) // BLOCK_ROWS * BLOCK_ROWS)
    row = _first(lows, highs, start, edge, low, high)
    if row < edge or edge == end:
        return row
    first_row = _first_block(columns, edge // BLOCK_ROWS, -(-end // BLOCK_ROWS), low, high) * BLOCK_ROWS
    return _first(lows, highs, first_row, min(end, first_row + BLOCK_ROWS), low, high) if first_row < end else end


def _first_block(columns: PrintColumns | QuoteColumns, start: int, end: int, low: Ticks, high: Ticks) -> int:
    width = _FIRST_BLOCKS
    while start < end:
        stop = min(end, start + width)
        block = _first(columns.block_low, columns.block_high, start, stop, low, high)
        if block < stop:
            return block
        start = stop
        width *= 4
    return end


def _first(lows: Column, highs: Column, start: int, end: int, low: Ticks, high: Ticks) -> int:
    if start >= end:
        return end
    hit = lows[start:end] <= low
    hit |= highs[start:end] >= high
    place = int(hit.argmax())
    return start + place if hit[place] else end
