"""What a few seconds of one symbol brought, in figures that do not know how large we quoted.

Every figure is a ratio or a count, so a symbol that was given little is not scored badly for that, which would give it
less still (quoting 6). A profit made while nothing traded waits for the next window that trades: left out it would be
lost, and a position that bleeds between two fills would look like a good symbol.
"""

from typing import Any, NamedTuple

from millrace.core.instrument import Lots
from millrace.strategies.quoting.features.markouts import Markout
from millrace.strategies.quoting.model import BPS

ADVERSE_MS = 1_000
"""The markout that the penalty is taken from."""
_ADVERSE_BPS = 5.0
"""A markout of so much against us is the whole penalty."""


class ScoreInputs(NamedTuple):
    """One sample of a symbol; None where there was nothing to measure. Profit and slippage are in bps."""

    net_bps: float | None = None
    fill_rate: float | None = None
    slippage_bps: float | None = None
    queue_edge_score: float | None = None
    adverse_penalty: float | None = None


class ScoreWindow:
    """Gathers one symbol's window of time until it is closed; times are ms, mids in half ticks."""

    __slots__ = ("_adverse", "_edge", "_filled", "_quotes", "_slippage", "_total", "_traded")

    def __init__(self) -> None:
        self._total = 0  # profit and turnover in value units, as of the last window that traded
        self._traded = 0
        self._quotes = 0
        self._filled = 0
        self._slippage = [0.0, 0]  # sum of lots times bps, and lots
        self._adverse = [0.0, 0]
        self._edge = [0.0, 0]  # sum of ms times edge, and ms

    def on_quote_end(self, *, rested_ms: int, filled: bool, min_time_in_book_ms: int) -> None:
        """Take a quote that is gone: it counts when it filled, if only in part, or had time to."""
        if filled or rested_ms >= min_time_in_book_ms:
            self._quotes += 1
            self._filled += filled

    def on_fill(self, lots: Lots, worse_ticks: float, mid2: int) -> None:
        """Take a fill whose price was so many ticks worse for us than the one intended."""
        self._slippage[0] += lots * worse_ticks * 2.0 / mid2 * BPS
        self._slippage[1] += lots

    def on_markout(self, markout: Markout) -> None:
        """Take where the mid went after a fill; late ones and other horizons than one second say nothing here."""
        if markout.horizon_ms == ADVERSE_MS and not markout.late:
            self._adverse[0] += markout.lots * markout.bps
            self._adverse[1] += markout.lots

    def on_queue(self, rested_ms: int, percentile: float) -> None:
        """Take how long a quote has rested at a place in its queue, 0 the front and 100 the back."""
        self._edge[0] += rested_ms * (1.0 - percentile / 100.0)
        self._edge[1] += rested_ms

    def close(self, total: int, traded: int, winsor_bps: float) -> ScoreInputs:
        """Return the window's sample and begin the next; the symbol's profit and turnover so far are in value units."""
        net = None
        if traded > self._traded:
            net = max(-winsor_bps, min(winsor_bps, (total - self._total) / (traded - self._traded) * BPS))
            self._total, self._traded = total, traded
        markout = _mean(self._adverse)
        inputs = ScoreInputs(
            net_bps=net,
            fill_rate=self._filled / self._quotes if self._quotes else None,
            slippage_bps=_mean(self._slippage),
            queue_edge_score=_mean(self._edge),
            adverse_penalty=None if markout is None else max(0.0, min(1.0, -markout / _ADVERSE_BPS)),
        )
        self._quotes = self._filled = 0
        self._slippage, self._adverse, self._edge = [0.0, 0], [0.0, 0], [0.0, 0]
        return inputs

    def snapshot(self) -> list[Any]:
        """Return the state as builtins."""
        means = [list(self._slippage), list(self._adverse), list(self._edge)]
        return [self._total, self._traded, self._quotes, self._filled, means]

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._total, self._traded, self._quotes, self._filled, means = state
        self._slippage, self._adverse, self._edge = (list(mean) for mean in means)


def _mean(weighted: list[float]) -> float | None:
    return weighted[0] / weighted[1] if weighted[1] else None
