"""What contracts can be bought and sold for at this moment, from the last book that may be believed (arb 2.2, 12).

Repairs and exits are priced here and never from the plan: what was true when a basket was found has just been shown
not to hold. A book that the firewall does not let anybody trade on, because it is old or odd, gives no price at all.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from millrace.core.binary_events import BinaryQuote, BookLevel
from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.instrument import InstrumentId, Lots, Ticks
from millrace.core.strategy import View
from millrace.market.buying import bids_of
from millrace.strategies.arb.lanes.exact import Offer, offer_of
from millrace.strategies.arb.model import TICK_LOTS_PER_NANO, MarketFacts, NanoUsd, Proposition, Style

LOT_NANO = 1_000
"""What one lot pays when it wins."""


class Walk(NamedTuple):
    """Some contracts at the prices of a book: how many there are of those wanted, the worst price, the cash with fees.

    `nano` is what is paid for a purchase and what is received for a sale.
    """

    lots: Lots
    ticks: Ticks
    nano: NanoUsd


class Prices:
    """The books as they may be traded on, of the markets that the desk knows."""

    def __init__(self, facts: Mapping[InstrumentId, MarketFacts]) -> None:
        self.facts = facts

    def quote(self, market: InstrumentId, view: View) -> BinaryQuote | None:
        """Return a market's last accepted book if the firewall lets it be traded on now."""
        return None if view.tradable(market) else view.book(market)

    def offer(self, proposition: Proposition, view: View) -> Offer | None:
        """Return what can be bought of an outcome now."""
        quote, fact = self.quote(proposition.market, view), self.facts[proposition.market]
        return None if quote is None else offer_of(proposition, fact, quote, Style.TAKER, 0, view.now_ns)

    def buy(self, proposition: Proposition, lots: Lots, view: View) -> Walk | None:
        """Return what `lots` of an outcome cost now, or those of them that are offered; None without any."""
        offer = self.offer(proposition, view)
        if offer is None or lots <= 0:
            return None
        fees = offer.fees.taker
        walked, fills = _walked(offer.levels, lots)
        kept = 0
        if offer.fees.in_shares:
            kept = sum(ticks * (offer.fees.gross_lots(ticks, taken) - taken) for ticks, taken in fills)
        fee = -(-kept // TICK_LOTS_PER_NANO) if offer.fees.in_shares else fees.walked_nano(fills)
        cost = -(-sum(ticks * taken for ticks, taken in fills) // TICK_LOTS_PER_NANO)
        return Walk(walked, fills[-1][0], cost + fee) if fills else None

    def sell(self, proposition: Proposition, lots: Lots, view: View) -> Walk | None:
        """Return what `lots` of an outcome bring at the bids now, or as many as are wanted; None without any."""
        market = proposition.market
        quote, fact = self.quote(market, view), self.facts[market]
        if quote is None or fact.fees is None or not fact.can_sell or lots <= 0:
            return None
        bids = [level for level in bids_of(quote, proposition.outcome) if 0 < level.ticks < PAYOUT_TICKS]
        walked, fills = _walked(bids, lots)
        if not fills:
            return None
        worth = sum(ticks * taken for ticks, taken in fills) // TICK_LOTS_PER_NANO
        return Walk(walked, fills[-1][0], worth - fact.fees.taker.walked_nano(fills))

    def fair_nano(self, proposition: Proposition, lots: Lots, view: View, charge: float) -> NanoUsd:
        """Return what contracts are worth at the middle less the charge for holding them; 0 without a book."""
        quote, offer = self.quote(proposition.market, view), self.offer(proposition, view)
        if quote is None or offer is None:
            return 0
        bids = bids_of(quote, proposition.outcome)
        middle = (offer.levels[0].ticks + (bids[0].ticks if bids else 0)) // 2
        return max(middle - round(charge * PAYOUT_TICKS), 0) * lots // TICK_LOTS_PER_NANO


def _walked(levels: Sequence[BookLevel], lots: Lots) -> tuple[Lots, list[tuple[Ticks, Lots]]]:
    fills, rest = [], lots
    for level in levels:
        taken = min(level.lots, rest)
        if taken > 0:
            fills.append((level.ticks, taken))
            rest -= taken
    return lots - rest, fills
