"""What a quote says about itself: implied probability, overround, and how far its two sides disagree (arb 2.3).

These figures are for people and for alarms on a mapping; no size and no edge is computed from them.
"""

from typing import NamedTuple

from millrace.core.binary_events import BinaryQuote, Levels
from millrace.core.fee_terms import PAYOUT_TICKS


class Decomposition(NamedTuple):
    """Two prices of one market, in dollars, as a probability and an edge per side: yes = p + e, no = 1 - p + e."""

    probability: float
    edge_per_side: float


class QuoteDiagnostics(NamedTuple):
    """The decomposition of asks and of bids, the gap of their probabilities, each side's spread and their difference.

    Whatever a missing price leaves open is None.
    """

    asks: Decomposition | None
    bids: Decomposition | None
    midpoint_gap: float | None
    yes_spread: float | None
    no_spread: float | None
    spread_difference: float | None

    def shown(self) -> dict[str, float | None]:
        """Return the figures for people, in dollars and fractions of one."""
        return {
            "probability": None if self.asks is None else self.asks.probability,
            "overround_per_side": None if self.asks is None else self.asks.edge_per_side,
            "bid_probability": None if self.bids is None else self.bids.probability,
            "midpoint_gap": self.midpoint_gap,
            "yes_spread": self.yes_spread,
            "no_spread": self.no_spread,
            "spread_difference": self.spread_difference,
        }


def decompose(yes: float, no: float) -> Decomposition:
    """Return the implied probability and the edge per side of two prices in dollars."""
    return Decomposition((yes + 1 - no) / 2, (yes + no - 1) / 2)


def diagnose(quote: BinaryQuote) -> QuoteDiagnostics:
    """Return the diagnostics of a quote's best prices."""
    tops = [levels[0].ticks / PAYOUT_TICKS if levels else None for levels in _sides(quote)]
    yes_ask, no_ask, yes_bid, no_bid = tops
    asks = None if yes_ask is None or no_ask is None else decompose(yes_ask, no_ask)
    bids = None if yes_bid is None or no_bid is None else decompose(yes_bid, no_bid)
    gap = None if asks is None or bids is None else abs(asks.probability - bids.probability)
    yes_spread = None if yes_ask is None or yes_bid is None else yes_ask - yes_bid
    no_spread = None if no_ask is None or no_bid is None else no_ask - no_bid
    difference = None if yes_spread is None or no_spread is None else abs(yes_spread - no_spread)
    return QuoteDiagnostics(asks, bids, gap, yes_spread, no_spread, difference)


def _sides(quote: BinaryQuote) -> tuple[Levels, ...]:
    return quote.yes_asks, quote.no_asks, quote.yes_bids, quote.no_bids
