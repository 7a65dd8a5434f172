"""What a recording says about the figures of the quoting models: fills by distance, moves, and what fills lose.

The middle is looked at once a second. A sweep of takers in the second after it would have filled an order as far from
that middle as its deepest trade went, so sweeps counted by depth give the rate of fills at each distance, for one side,
and with no queue before us: what the fit says of fills near the middle is the most that anybody could have had.
"""

from collections.abc import Iterable
from itertools import pairwise
from math import log, sqrt
from typing import NamedTuple

import msgspec

from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.events import Print
from millrace.core.failure import WorldError
from millrace.market.books.books import Books
from millrace.strategies.quoting.calibration import Intensity, aversion_for_limit, fitted_intensity
from millrace.strategies.quoting.model import BPS

Row = BookSnapshot | BookDelta | Print
GRID = 40
"""Distances that are counted: so many between the half width and where sweeps end."""
_SECOND_NS = 1_000_000_000
_SIDES = 2
_SILENCE_SEC = 60
"""A book that was silent for longer is not taken to have stood still."""
_DEEPEST = 0.995
"""Share of the sweeps that the grid covers; the last ones are single events."""


class QuotingFigures(msgspec.Struct, frozen=True):
    """What one recording gave; each names the setting that it is for, where there is one.

    `seconds` had a book. `moves_per_sec` is how often the middle left an order of one side behind; a fill is run over
    when the middle goes against it within a second, and loses `adverse_loss_bps` then. An aversion of 0 means that the
    middle never moved, so none follows.
    """

    symbol: str
    seconds: int
    sweeps: int
    half_width_bps: float
    vol_bps_sqrt_sec: float
    intensity: Intensity
    limit_sizes: float
    aversion: float
    moves_per_sec: float
    adverse_share: float
    adverse_loss_bps: float

    def overrides(self) -> str:
        """Return the figures as overrides of the desk's settings for this symbol (`quoting.overrides`)."""
        fills, decay, _ = self.intensity
        found = {
            "adaptive_spread.glft_fills_per_sec": fills,
            "adaptive_spread.glft_decay_per_bps": decay,
            "adaptive_spread.glft_aversion": self.aversion,
            "queue_aware.moves_per_sec": self.moves_per_sec,
            "queue_aware.adverse_share": self.adverse_share,
            "queue_aware.adverse_loss_bps": self.adverse_loss_bps,
        }
        return " ".join(f"{self.symbol}:{key}={value:.6g}" for key, value in found.items())


class _Sweep(NamedTuple):
    """Trades of one taker at one moment: how deep they went from the middle before, in bps, and when."""

    second: int
    buys: bool
    depth_bps: float


class _Counts:
    """What is counted on the way through a recording; `middles` are twice the middle at the end of each second."""

    def __init__(self) -> None:
        self.middles: dict[int, int] = {}
        self.widths_bps: list[float] = []
        self.left_behind = 0
        self.sweeps: list[_Sweep] = []
        self._key = (0, False)
        self._last = (0, 0)

    def middle(self, second: int, middle2: int) -> None:
        """Take the middle of a second; the seconds since the last one had that one, unless the book was silent long."""
        before, middle2_before = self._last
        if middle2_before and second - before <= _SILENCE_SEC:
            for quiet in range(before + 1, second):
                self.middles[quiet] = middle2_before
        if middle2:
            self.middles[second] = middle2
        self._last = (second, middle2)

    def trade(self, row: Print) -> None:
        """Take a trade; those of one taker at one moment are one sweep, as deep as its deepest."""
        second = row.ts_ns // _SECOND_NS
        self.middle(second, self._last[1])
        middle2 = self.middles.get(second - 1)
        if middle2 is None or row.taker_sells is None:
            return
        away = middle2 - 2 * row.ticks if row.taker_sells else 2 * row.ticks - middle2
        sweep = _Sweep(second, not row.taker_sells, away / middle2 * BPS)
        key = (row.ts_ns, sweep.buys)
        if key == self._key and self.sweeps:
            if sweep.depth_bps > self.sweeps[-1].depth_bps:
                self.sweeps[-1] = sweep
        elif away >= 0:
            self.sweeps.append(sweep)
        self._key = key


def calibrate(rows: Iterable[Row], limit_sizes: float) -> QuotingFigures:
    """Return the figures of one symbol's recording; `limit_sizes` is the largest position in base sizes.

    Raises WorldError for a recording that is too short or too quiet to say anything.
    """
    books, counts = Books(), _Counts()
    symbol, best = "", (0, 0)
    for row in rows:
        symbol = row.instrument.symbol
        if isinstance(row, Print):
            counts.trade(row)
            continue
        books.observe(row)
        book = books.live(row.instrument)
        bid, ask = (None, None) if book is None else (book.best_bid(), book.best_ask())
        second = row.ts_ns // _SECOND_NS
        if bid is None or ask is None:
            best = (0, 0)
            counts.middle(second, 0)
            continue
        counts.left_behind += (best[0] != 0 and bid.ticks > best[0]) + (best[1] != 0 and ask.ticks < best[1])
        best = (bid.ticks, ask.ticks)
        if second not in counts.middles:
            counts.widths_bps.append((ask.ticks - bid.ticks) / (ask.ticks + bid.ticks) * BPS)
        counts.middle(second, bid.ticks + ask.ticks)
    return _figures(symbol, counts, limit_sizes)


def _figures(symbol: str, counts: _Counts, limit_sizes: float) -> QuotingFigures:
    seconds = len(counts.middles)
    if seconds < _SIDES or not counts.sweeps:
        raise WorldError(
            f"{symbol or 'the recording'}: {seconds} s of book and {len(counts.sweeps)} sweeps say nothing"
        )
    half_width = sorted(counts.widths_bps)[len(counts.widths_bps) // 2]
    depths = sorted(sweep.depth_bps for sweep in counts.sweeps)
    deepest = depths[int((len(depths) - 1) * _DEEPEST)]
    if deepest <= half_width:
        raise WorldError(
            f"{symbol}: none of its {len(depths)} sweeps went past the touch, so nothing shows how fills fall off"
        )
    grid = [half_width + (deepest - half_width) * number / GRID for number in range(GRID + 1)]
    reached = [sum(depth >= distance for depth in depths) for distance in grid]
    intensity = fitted_intensity(grid, reached, float(_SIDES * seconds))
    squares = [
        log(counts.middles[later] / counts.middles[sooner]) ** 2
        for sooner, later in pairwise(sorted(counts.middles))
        if later == sooner + 1
    ]
    vol = sqrt(sum(squares) / len(squares)) * BPS if squares else 0.0
    share, loss = _adverse(counts)
    return QuotingFigures(
        symbol,
        seconds,
        len(counts.sweeps),
        half_width,
        vol,
        intensity,
        limit_sizes,
        aversion_for_limit(intensity, vol, limit_sizes) if vol > 0.0 else 0.0,
        counts.left_behind / (_SIDES * seconds),
        share,
        loss,
    )


def _adverse(counts: _Counts) -> tuple[float, float]:
    """Return the share of sweeps after which the middle went on the same way, and how far it went then, in bps."""
    measured, losses = 0, []
    for sweep in counts.sweeps:
        before, after = counts.middles.get(sweep.second - 1), counts.middles.get(sweep.second + 1)
        if before is None or after is None:
            continue
        measured += 1
        moved = (after - before) / before * BPS
        against = (moved if sweep.buys else -moved) - sweep.depth_bps
        if against > 0.0:
            losses.append(against)
    return (len(losses) / measured if measured else 0.0), (sum(losses) / len(losses) if losses else 0.0)


def calibration_text(figures: QuotingFigures) -> str:
    """Return the figures for people, and as one line that a configuration takes."""
    one, (fills, decay, explained) = figures, figures.intensity
    lines = (
        f"{one.symbol}: {one.seconds} s with a book, {one.sweeps} sweeps",
        f"  half width {one.half_width_bps:.3g} bps, volatility {one.vol_bps_sqrt_sec:.3g} bps per sqrt(s)",
        f"  fills of a side: {fills:.3g} a second at the middle, exp(-{decay:.3g} x bps); explained {explained:.0%}",
        f"  aversion {one.aversion:.3g} at a limit of {one.limit_sizes:g} base sizes",
        f"  the middle leaves a side's orders {one.moves_per_sec:.3g} times a second",
        f"  {one.adverse_share:.0%} of fills are run over and lose {one.adverse_loss_bps:.3g} bps",
        f"  quoting.overrides: {one.overrides()}",
    )
    return "\n".join(lines)
