"""An order at the simulated venue: its terms, what it traded, and the exact sums of that.

Sums are made anew from all trades of the order, grouped by price and style, so that many small fills cost what one
fill costs. Where a buyer's fee is kept in contracts, `cum_lots` are those received, `cum_fee` is what the kept ones are
worth and `cum_cost` the rest of the cash, so that cost and fee are the cash paid at every venue (arb 6).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from millrace.core.commands import OrderState, Side, Style
from millrace.core.fee_terms import PAYOUT_TICKS, FeeSchedule
from millrace.core.instrument import Instrument, Lots, Money, Outcome, Ticks
from millrace.core.order_truth import VenueOrder
from millrace.sim.prediction.venue_records import Trade

_KEPT_PER_NANO = 10
"""A nano-dollar of fee is so many ticks x millionths of a contract."""


@dataclass(slots=True, eq=False)
class WorkingOrder:
    """An open order; `number` is its place among ours, `ahead` what others have before it at its price.

    `gross` lots traded, of which `cum_lots` were received; `held` is the money, or the contracts of a sell, on hold.
    """

    instrument: Instrument
    client_id: str
    venue_order_id: str
    side: Side
    style: Style
    lots: Lots
    limit_ticks: Ticks
    placed_ns: int
    response_ns: int
    number: int
    ahead: Lots = 0
    gross: Lots = 0
    cum_lots: Lots = 0
    cum_cost: Money = 0
    cum_fee: Money = 0
    held: int = 0
    traded: dict[tuple[Ticks, bool], Lots] = field(default_factory=dict)

    @property
    def left(self) -> Lots:
        """Lots that it may still trade."""
        return self.lots - self.gross

    @property
    def wants(self) -> Outcome:
        """The outcome that it buys in effect."""
        outcome = terms_of(self.instrument)[0]
        return outcome if self.side is Side.BUY else outcome.opposite

    @property
    def pays_ticks(self) -> Ticks:
        """The most that it pays for that outcome."""
        return self.price_of(self.limit_ticks)

    def price_of(self, ticks: Ticks) -> Ticks:
        """Turn a price of the outcome that it buys in effect into one of its own instrument, or back."""
        return ticks if self.side is Side.BUY else PAYOUT_TICKS - ticks

    def trade(self, trades: Iterable[Trade]) -> None:
        """Add trades, and make the sums anew."""
        for ticks, lots, maker in trades:
            self.traded[ticks, maker] = self.traded.get((ticks, maker), 0) + lots
        self.gross = sum(self.traded.values())
        self.cum_lots, self.cum_cost, self.cum_fee = sums(self.instrument, self.side, self.traded)

    def need(self) -> int:
        """Return what must be on hold for the rest: contracts of a sell, else cost and fee at its limit."""
        if self.side is Side.SELL:
            return self.left
        done = self.traded.get((self.limit_ticks, True), 0)
        whole = {(self.limit_ticks, True): done + self.left}
        _, cost, fee = sums(self.instrument, self.side, whole)
        _, cost_done, fee_done = sums(self.instrument, self.side, {(self.limit_ticks, True): done})
        return cost + fee - cost_done - fee_done

    def described(self, state: OrderState | None = None, reason: str = "") -> VenueOrder:
        """Return the order as the venue tells it; without a state it is open."""
        return VenueOrder(
            instrument=self.instrument.id,
            client_id=self.client_id,
            venue_order_id=self.venue_order_id,
            side=self.side,
            lots=self.lots,
            limit_ticks=self.limit_ticks,
            state=state or (OrderState.PARTIAL if self.cum_lots else OrderState.OPEN),
            cum_lots=self.cum_lots,
            cum_cost=self.cum_cost,
            cum_fee=self.cum_fee,
            reason=reason,
            placed_ns=self.placed_ns,
        )


def terms_of(instrument: Instrument) -> tuple[Outcome, FeeSchedule]:
    """Return which outcome an instrument is, and its market's fees."""
    assert instrument.binary is not None  # noqa: S101  this venue lists nothing else
    return instrument.binary.outcome, instrument.binary.fees


def sums(instrument: Instrument, side: Side, traded: dict[tuple[Ticks, bool], Lots]) -> tuple[Lots, Money, Money]:
    """Return cumulative lots, cost and fee of an order that traded so much at each (price, as maker)."""
    fees = terms_of(instrument)[1]
    gross = cash = kept = fee = 0
    for (ticks, maker), lots in traded.items():
        gross += lots
        cash += instrument.cost(ticks, lots)
        fee += instrument.trade_fee(ticks, lots, maker=maker)
        kept += -(-fees.fee_nano(ticks, lots, maker=maker) * _KEPT_PER_NANO // ticks)
    if fees.in_shares and side is Side.BUY:
        fee = min(fee, max(cash - 1, 0))
        return gross - min(kept, gross), cash - fee, fee
    return gross, cash, fee
