"""What may be read of the core: markets, own orders, positions, money and what is restricted.

Strategies and guards are shown the core itself (`core.strategy.View`, `core.guard.GuardView`), and the loop around it
asks which rows of market data may pass unseen. None of these functions changes anything, so they stand apart from the
step, which does.
"""

from collections.abc import Sequence
from typing import Any

from millrace.core.binary_events import BinaryQuote
from millrace.core.book_events import Depth
from millrace.core.commands import Opportunity
from millrace.core.data_quality import TAKER_BUY, LegNeeds, LegVerdict, QuoteReason
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, InstrumentId, Lots, Money, Outcome
from millrace.core.order_truth import OpenOrder
from millrace.core.permission import Restriction, Standing
from millrace.core.ports import Account, Board, Market, Orders


class CoreView:
    """The parts of the core as they may be read; `now_ns` is the time of the last event."""

    def __init__(
        self, instruments: Sequence[Instrument], market: Market, orders: Orders, account: Account, board: Board
    ) -> None:
        self.now_ns = 0
        self.board = board
        self.orders = orders
        self.account = account
        self._instruments = {instrument.id: instrument for instrument in instruments}
        self._market = market
        self._quality = market.firewall

    def market(self, instrument: InstrumentId) -> Any:
        """Return the instrument's market record."""
        return self._market.state(instrument)

    def instrument(self, instrument: InstrumentId) -> Instrument:
        """Return the instrument's facts; raises KeyError for one that the run does not trade."""
        return self._instruments[instrument]

    def position(self, position: SubPosition) -> Lots:
        """Return the signed open lots of a sub-position."""
        return self.orders.position(position)

    def free(self, venue: str, asset: str) -> Money | None:
        """Return the money free for new orders."""
        return self.account.free(venue, asset)

    def total(self, venue: str, asset: str) -> Money | None:
        """Return free plus held money as last reported."""
        return self.account.total(venue, asset)

    def book(self, market: InstrumentId) -> BinaryQuote | None:
        """Return a binary market's last accepted book."""
        return self._quality.book(market)

    def depth(self, instrument: InstrumentId) -> Depth | None:
        """Return an instrument's book while it is known to be the venue's."""
        return self._market.depth(instrument)

    def tradable(
        self, market: InstrumentId, outcome: Outcome | None = None, needs: LegNeeds = TAKER_BUY
    ) -> tuple[QuoteReason, ...]:
        """Return why a leg may not be traded now."""
        return self._quality.tradable(market, self.now_ns, outcome, needs)

    def leg_verdict(self, market: InstrumentId) -> LegVerdict:
        """Return what a decision row keeps of a leg."""
        return self._quality.leg_verdict(market)

    def unsettled(self) -> tuple[InstrumentId, ...]:
        """Return the binary markets whose books must be asked for."""
        return self._quality.unsettled(self.now_ns)

    def is_plain(self, instrument: InstrumentId) -> bool:
        """Tell whether ordinary rows of an instrument may come as a block."""
        return self._quality.is_plain(instrument)

    def odd_rows(self, instrument: InstrumentId, columns: tuple[Any, ...]) -> Any:
        """Return the rows that must be shown one by one."""
        return self._quality.odd_rows(instrument, columns)

    def live_orders(self, instrument: InstrumentId) -> int:
        """Return how many of our orders are live or in flight."""
        return self.orders.live(instrument)

    def standing(self, strategy: str, instrument: InstrumentId) -> Standing:
        """Return the restriction level and multiplier that an order would meet."""
        return self.board.standing(strategy, instrument)

    def standing_of(self, position: SubPosition) -> Standing:
        """Return the same for orders of a sub-position, its lane and family included."""
        return self.board.standing_of(position)

    def is_closed(self, opportunity: Opportunity) -> bool:
        """Tell whether an opportunity, by its family or a market of it, was acted on and is not open again."""
        return self.orders.is_closed(opportunity, self.now_ns)

    def restrictions(self) -> list[Restriction]:
        """Return the restrictions in force."""
        return self.board.active()

    def positions(self) -> dict[SubPosition, Lots]:
        """Return every sub-position that is not flat."""
        return self.orders.positions()

    def unfinished(self) -> list[OpenOrder]:
        """Return the orders that have not ended."""
        return self.orders.unfinished()
