"""One market's book as the venue last showed it, less what our own orders took out of it.

Everything is seen as buying: who sells an outcome at p buys the other one at 1 - p, and meets the same levels. On a
mirrored venue the asks of an outcome say all of it; elsewhere the other outcome's bids, turned over, are levels of
their own (arb 2.1). What was taken from a level is not there again while the level stands; what it grows by is.
"""

from bisect import insort
from typing import NamedTuple

from millrace.core.binary_events import BinaryQuote, QuoteSource
from millrace.core.events import MarketPhase
from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.instrument import InstrumentId, Lots, Outcome, Ticks
from millrace.sim.prediction.order import WorkingOrder
from millrace.sim.prediction.venue_records import LevelKey


class Offer(NamedTuple):
    """Lots that a buyer can still have at one level."""

    key: LevelKey
    lots: Lots

    @property
    def ticks(self) -> Ticks:
        """The price that the buyer pays."""
        return self.key.ticks


class Book:
    """The book and our orders on it; `used` is what we took of the levels that stand, `traded` what others did.

    The next book that is shown knows of the others' trades, and nothing of ours.
    """

    __slots__ = ("is_resolved", "market", "mirrored", "now_ns", "phase", "quote", "resting", "traded", "used")

    def __init__(self, market: InstrumentId, *, mirrored: bool) -> None:
        self.market = market
        self.mirrored = mirrored
        self.quote = BinaryQuote(market, 0, 0, 0, QuoteSource.WARM, (), (), (), ())
        self.used: dict[LevelKey, Lots] = {}
        self.traded: dict[LevelKey, Lots] = {}
        self.resting: dict[Outcome, list[tuple[Ticks, int, WorkingOrder]]] = {outcome: [] for outcome in Outcome}
        self.phase = MarketPhase.OPEN
        self.is_resolved = False
        self.now_ns = 0

    def advance(self, ts_ns: int) -> None:
        """Move the market's time; going back would be a fault of whoever drives the venue."""
        if ts_ns < self.now_ns:
            raise AssertionError(f"{self.market}: venue time went back from {self.now_ns} to {ts_ns}")
        self.now_ns = ts_ns

    def show(self, quote: BinaryQuote) -> None:
        """Take a newer book."""
        self.quote = quote
        if self.traded:
            self.traded = {}
        if self.used:
            shown = {offer.key: offer.lots for outcome in Outcome for offer in self._displayed(outcome)}
            self.used = {key: min(lots, shown[key]) for key, lots in self.used.items() if key in shown}

    def use(self, key: LevelKey, lots: Lots) -> None:
        """Note that so much of a level is gone."""
        self.used[key] = self.used.get(key, 0) + lots

    def trade(self, key: LevelKey, lots: Lots) -> None:
        """Note that others took so much of a level."""
        self.traded[key] = self.traded.get(key, 0) + lots

    def offers(self, outcome: Outcome) -> list[Offer]:
        """Return what is left for buyers of an outcome, the cheapest first."""
        found = self._displayed(outcome)
        if self.used or self.traded:
            used, traded = self.used, self.traded
            found = [Offer(key, lots - used.get(key, 0) - traded.get(key, 0)) for key, lots in found]
        return [offer for offer in found if offer.lots > 0]

    def standing(self, outcome: Outcome, ticks: Ticks) -> Lots:
        """Return the lots that are bid for an outcome at one price: who comes now stands behind them."""
        turned = PAYOUT_TICKS - ticks
        return sum(offer.lots for offer in self.offers(outcome.opposite) if offer.ticks == turned)

    def reaches(self, outcome: Outcome, ticks: Ticks) -> bool:
        """Tell whether the bids for an outcome are shown down to this price: below that nobody knows who stands."""
        return any(offer.ticks >= PAYOUT_TICKS - ticks for offer in self._displayed(outcome.opposite))

    def _displayed(self, outcome: Outcome) -> list[Offer]:
        quote = self.quote
        yes = outcome is Outcome.YES
        asks = quote.yes_asks if yes else quote.no_asks
        found = [Offer(LevelKey(outcome, False, level.ticks), level.lots) for level in asks]
        if not self.mirrored:
            bids = quote.no_bids if yes else quote.yes_bids
            found += [Offer(LevelKey(outcome, True, PAYOUT_TICKS - level.ticks), level.lots) for level in bids]
            found.sort(key=_by_price)
        return found

    # Our orders

    def rest(self, order: WorkingOrder) -> None:
        """Put an order behind ours that are as good."""
        insort(self.resting[order.wants], (-order.pays_ticks, order.number, order))

    def leave(self, order: WorkingOrder) -> None:
        """Take an order out."""
        queue = self.resting[order.wants]
        self.resting[order.wants] = [row for row in queue if row[2] is not order]

    def own_ticks(self, outcome: Outcome) -> Ticks:
        """Return the price from which on a buyer of an outcome would trade with ourselves."""
        other = self.resting[outcome.opposite]
        return PAYOUT_TICKS - other[0][2].pays_ticks if other else PAYOUT_TICKS


def _by_price(offer: Offer) -> tuple[Ticks, bool]:
    return offer.key.ticks, offer.key.turned
