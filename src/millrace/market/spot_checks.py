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
_ROWS_AT_ONCE = 16_384
"""As many rows are looked at together as the processor holds close by."""
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

    @property
    def surely_near(self) -> float:
        """The share of a price by which the next may differ and surely be no jump.

        A little less than the limit, in floats, which cannot overflow: what lies between is judged exactly when shown.
        """
        return self.jump_ppm / _PPM * (1.0 - 1e-9)

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
    rows = len(columns[0])
    found = [np.zeros(min(rows, 1), np.int64)]
    for start in range(0, rows, _ROWS_AT_ONCE):
        # With the row before, so that each but the very first is seen as a next one.
        first = max(start - 1, 0)
        part = tuple(column[first : start + _ROWS_AT_ONCE] for column in columns)
        if not _all_plain(part, tick, rules):
            found.append(first + 1 + _odd_after_first(part, tick, rules))
    return np.concatenate(found)


def _all_plain(part: tuple[Column, ...], tick: Ticks, rules: SpotRules) -> bool:
    """Tell, at a fraction of the cost of looking at each row, that none of these is odd; False: one may be."""
    ts_ns, middle = part[0], middles(part)
    if len(part) == _PRINT_COLUMNS:
        _, ticks, lots = part
        sound = ticks.min() > 0 and lots.min() >= 0
        priced = part[1:2]
    else:
        _, bid, ask, bid_lots, ask_lots = part
        sound = bid.min() > 0 and (ask - bid).min() > 0 and bid_lots.min() > 0 and ask_lots.min() > 0
        priced = part[1:3]
    if not sound or ts_ns[0] <= 0 or (ts_ns[1:] < ts_ns[:-1]).any():
        return False
    if tick > 1 and any((prices % tick).any() for prices in priced):
        return False
    moves = middle[1:] - middle[:-1]
    return not moves.size or bool(max(moves.max(), -moves.min()) <= middle.min() * rules.surely_near)


def _odd_after_first(part: tuple[Column, ...], tick: Ticks, rules: SpotRules) -> Column:
    """Return the odd rows, counted from the second."""
    ts_ns, middle = part[0], middles(part)
    after = tuple(column[1:] for column in part)
    if len(part) == _PRINT_COLUMNS:
        times, ticks, lots = after
        odd = (ticks <= 0) | (lots < 0) | (times <= 0)
        if tick > 1:
            odd |= ticks % tick != 0
    else:
        times, bid, ask, bid_lots, ask_lots = after
        odd = (bid <= 0) | (bid >= ask) | (bid_lots <= 0) | (ask_lots <= 0) | (times <= 0)
        if tick > 1:
            odd |= (bid % tick != 0) | (ask % tick != 0)
    gaps = np.diff(ts_ns)
    far = np.abs(np.diff(middle)) > middle[:-1] * rules.surely_near
    odd |= (far & (gaps <= rules.max_age_ns)) | (gaps < 0)
    return np.flatnonzero(odd)
