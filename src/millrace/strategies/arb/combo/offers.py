"""What can be bought, as the combination lane sees it: books with the time until which they were known to hold.

The search and the check read the same thing from different places, the one from bytes, the other from the detector.
"""

from collections.abc import Callable

from millrace.core.binary_events import BinaryQuote
from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.lanes.exact import Offer, offer_of
from millrace.strategies.arb.model import MarketFacts, Proposition, Style

Known = tuple[BinaryQuote, int]
"""A book, and when it was last known to hold."""


class Offers:
    """What can be bought at its asking price now."""

    def __init__(
        self, fact_of: Callable[[InstrumentId], MarketFacts | None], known: Callable[[InstrumentId], Known | None]
    ) -> None:
        self.known = known
        self._fact_of = fact_of

    def of(self, taken: Proposition) -> Offer | None:
        """Return what a market's book offers of a proposition; None when that is nothing."""
        fact, found = self._fact_of(taken.market), self.known(taken.market)
        return None if fact is None or found is None else offer_of(taken, fact, found[0], Style.TAKER, 0, found[1])
