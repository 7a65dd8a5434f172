"""What can be wrong with a print or a quote of a spot pair, one by one and in columns with the same answer.

A backtest passes quiet rows over in blocks. So the rows that are not ordinary are found in bulk first, each is shown
alone, and what follows it too, until the market is ordinary again; everything between is accepted unseen. Whether a row
is ordinary depends on the row before it alone: a move of at most 3 % never is a jump, whatever is usual (runtime 2.2).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millrace.core.data_quality import QuoteReason
from millrace.core.events import Print, Quote
from millrace.core.instrument import Ticks
from millrace.market.firewall_settings import FirewallSettings, ns
from millrace.market.suspicion import Measure
from millrace.market.watch import Watch

_PPM = 1_000_000
_PPM_PER_PCT = 10_000
_PRINT_COLUMNS = 3
Column = NDArray[np.int64]
Wrong = tuple[QuoteReason, ...]


class SpotRules(NamedTuple):
    """The firewall's figures for spot: the jump in ppm of the baseline, and how old a baseline may be."""

    jump_ppm: int
    jump_multiple: float
    max_age_ns: int

    @classmethod
    def of(cls, settings: FirewallSettings) -> "SpotRules":
        """Return them from the settings."""
        ppm = round(settings.jump_spot_pct * _PPM_PER_PCT)
        return cls(ppm, settings.jump_multiple, ns(settings.baseline_max_age_sec))

    def jump(self, watch: Watch, middle: int, ts_ns: int) -> tuple[Measure, ...]:
        """Return what makes a price a jump; () when it is none. A baseline that is too old says nothing."""
        base = watch.middle
        if base is None:
            return ()
        if ts_ns - watch.middle_ns > self.max_age_ns:
            watch.middle = None
            return ()
        move = abs(middle - base)
        if move * _PPM <= self.jump_ppm * base or move <= self.jump_multiple * watch.usual_move(ts_ns):
            return ()
        return (Measure(QuoteReason.PRICE_JUMP, middle, move, 2),)


def wrong_print(event: Print, tick: Ticks) -> Wrong:
    """Return what is wrong with a print; one without lots is a candle's, which moves the price and fills nothing."""
    found = []
    if event.ticks <= 0:
        found.append(QuoteReason.PRICE_OUT_OF_RANGE)
    elif event.ticks % tick:
        found.append(QuoteReason.OFF_TICK)
    if event.lots < 0:
        found.append(QuoteReason.NON_POSITIVE_SIZE)
    if event.ts_ns <= 0:
        found.append(QuoteReason.BAD_TIMESTAMP)
    return tuple(found)


def wrong_quote(event: Quote, tick: Ticks) -> Wrong:
    """Return what is wrong with a quote, being crossed apart."""
    found = []
    bid, ask = event.bid_ticks, event.ask_ticks
    if bid <= 0 or ask <= 0:
        found.append(QuoteReason.PRICE_OUT_OF_RANGE)
    elif bid % tick or ask % tick:
        found.append(QuoteReason.OFF_TICK)
    if event.bid_lots <= 0 or event.ask_lots <= 0:
        found.append(QuoteReason.NON_POSITIVE_SIZE)
    if event.ts_ns <= 0:
        found.append(QuoteReason.BAD_TIMESTAMP)
    if bid == ask:
        found.append(QuoteReason.LOCKED)
    return tuple(found)


def crossed(event: Quote) -> tuple[Measure, ...]:
    """Return what is suspect about a quote whose bid is above its ask."""
    over = event.bid_ticks - event.ask_ticks
    return (Measure(QuoteReason.CROSSED, over, over, 1),) if over > 0 else ()


def middles(columns: tuple[Column, ...]) -> Column:
    """Return twice the middle price of each row: prints (ts, ticks, lots) or quotes (ts, bid, ask, lots, lots)."""
    return 2 * columns[1] if len(columns) == _PRINT_COLUMNS else columns[1] + columns[2]


def odd_rows(columns: tuple[Column, ...], tick: Ticks, settings: FirewallSettings) -> Column:
    """Return the rows, ascending, that the firewall might not plainly accept after the row before; always the first.

    `columns` are those of a MarketBlock as arrays: times ascend, prices are ticks, sizes lots.
    """
    rules = SpotRules.of(settings)
    ts_ns = columns[0]
    if not len(ts_ns):
        return np.empty(0, np.int64)
    middle = middles(columns)
    if len(columns) == _PRINT_COLUMNS:
        _, ticks, lots = columns
        odd = (ticks <= 0) | (lots < 0) | (ts_ns <= 0)
        if tick > 1:
            odd |= ticks % tick != 0
    else:
        _, bid, ask, bid_lots, ask_lots = columns
        odd = (bid <= 0) | (bid >= ask) | (bid_lots <= 0) | (ask_lots <= 0) | (ts_ns <= 0)
        if tick > 1:
            odd |= (bid % tick != 0) | (ask % tick != 0)
    odd[0] = True
    gaps = np.diff(ts_ns)
    # A little less than the limit in floats, which cannot overflow: what lies between is judged exactly when shown.
    far = np.abs(np.diff(middle)) > middle[:-1] * (rules.jump_ppm / _PPM * (1.0 - 1e-9))
    odd[1:] |= (far & (gaps <= rules.max_age_ns)) | (gaps < 0)
    return np.flatnonzero(odd)
