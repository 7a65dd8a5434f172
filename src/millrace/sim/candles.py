"""Market data as packed integer columns, and how bars and trades become them (design section 3).

A bar tells four prices and no order between them; it is played as open-low-high-close when it closed up and as
open-high-low-close when it closed down, so that the nearer extreme comes first. Each column record also holds the
lowest and highest price of every block of rows, which is what lets the search skip (see column_search).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.int64]
BLOCK_ROWS = 256
"""Rows per block of the skip index."""
PRINTS_PER_BAR = 4


@dataclass(frozen=True, slots=True, eq=False)
class PrintColumns:
    """Prints, one row each: time, price in ticks, lots, the bar that they belong to and that bar's volume in lots.

    Rows of one bar share its volume as the budget of fills; `bar` never repeats for another bar of the same columns.
    """

    ts_ns: Column
    ticks: Column
    lots: Column
    bar: Column
    bar_lots: Column
    block_low: Column = field(init=False, repr=False)
    block_high: Column = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "block_low", block_extreme(np.minimum, self.ticks))
        object.__setattr__(self, "block_high", block_extreme(np.maximum, self.ticks))

    def __len__(self) -> int:
        return len(self.ts_ns)

    @property
    def low_side(self) -> Column:
        """The price that a lower bound looks at."""
        return self.ticks

    @property
    def high_side(self) -> Column:
        """The price that an upper bound looks at."""
        return self.ticks

    def since(self, ts_ns: int) -> "PrintColumns":
        """Return the rows at or after `ts_ns` (times ascend)."""
        first = int(np.searchsorted(self.ts_ns, ts_ns))
        return PrintColumns(
            *(column[first:] for column in (self.ts_ns, self.ticks, self.lots, self.bar, self.bar_lots))
        )

    def until(self, ts_ns: int) -> "PrintColumns":
        """Return the rows at or before `ts_ns` (times ascend)."""
        end = int(np.searchsorted(self.ts_ns, ts_ns, side="right"))
        return PrintColumns(*(column[:end] for column in (self.ts_ns, self.ticks, self.lots, self.bar, self.bar_lots)))


@dataclass(frozen=True, slots=True, eq=False)
class QuoteColumns:
    """Best quotes, one row each: time, bid and ask in ticks, and the lots displayed there."""

    ts_ns: Column
    bid_ticks: Column
    ask_ticks: Column
    bid_lots: Column
    ask_lots: Column
    block_low: Column = field(init=False, repr=False)
    block_high: Column = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "block_low", block_extreme(np.minimum, self.ask_ticks))
        object.__setattr__(self, "block_high", block_extreme(np.maximum, self.bid_ticks))

    def __len__(self) -> int:
        return len(self.ts_ns)

    @property
    def low_side(self) -> Column:
        """The price that a lower bound looks at: what a buy would have to pay."""
        return self.ask_ticks

    @property
    def high_side(self) -> Column:
        """The price that an upper bound looks at: what a sell would get."""
        return self.bid_ticks


def block_extreme(extreme: np.ufunc, prices: Column) -> Column:
    """Return the minimum or maximum of every BLOCK_ROWS rows; the last block may be shorter."""
    if not len(prices):
        return np.empty(0, np.int64)
    found: Column = extreme.reduceat(prices, np.arange(0, len(prices), BLOCK_ROWS))
    return found


def prints_of_bars(
    ts_ns: Column,
    open_: Column,
    high: Column,
    low: Column,
    close: Column,
    volume_lots: Column,
    bar_ns: int,
    first_bar: int = 0,
) -> PrintColumns:
    """Return four prints per bar, at its start, a quarter, a half and its last nanosecond. Inputs are int64 columns.

    Prices are ticks, `ts_ns` the bar's opening time. Each print carries a quarter of the volume (rounded down), and the
    bar's volume goes into `bar_lots`: a bar without volume moves the last price and fills nothing. Bars are numbered
    from `first_bar`. A missing bar is time without prints.
    """
    count = len(ts_ns)
    up = close >= open_
    ticks = np.column_stack((open_, np.where(up, low, high), np.where(up, high, low), close))
    offsets = np.array([0, bar_ns // 4, bar_ns // 2, bar_ns - 1], np.int64)
    return PrintColumns(
        ts_ns=(np.asarray(ts_ns, np.int64)[:, None] + offsets).ravel(),
        ticks=ticks.astype(np.int64, copy=False).ravel(),
        lots=np.repeat(np.asarray(volume_lots, np.int64) // PRINTS_PER_BAR, PRINTS_PER_BAR),
        bar=np.repeat(np.arange(first_bar, first_bar + count, dtype=np.int64), PRINTS_PER_BAR),
        bar_lots=np.repeat(np.asarray(volume_lots, np.int64), PRINTS_PER_BAR),
    )


def prints_of_trades(ts_ns: Column, ticks: Column, lots: Column, first_bar: int = 0) -> PrintColumns:
    """Return recorded trades as prints: each is its own bar, numbered from `first_bar`, with its own lots as volume."""
    bars = np.arange(first_bar, first_bar + len(ts_ns), dtype=np.int64)
    return PrintColumns(ts_ns=ts_ns, ticks=ticks, lots=lots, bar=bars, bar_lots=lots)
