"""An order at the simulated venue: its terms, what it traded, and the exact sums of that.

The fee of a fill depends on the fills before it (`orders.fees`), so each order keeps its own account of them. Where a
buyer's fee is kept in contracts, `cum_lots` are those received, `cum_fee` is what the kept ones are worth and
`cum_cost` the rest of the cash, so that cost and fee are the cash paid at every venue (arb 6).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from millrace.core.commands import OrderState, Side, Style
from millrace.core.fee_terms import PAYOUT_TICKS, FeeSchedule
from millrace.core.instrument import Instrument, Lots, Money, Outcome, Ticks
from millrace.core.order_truth import VenueOrder
from millrace.orders.fees import OrderFee
from millrace.sim.prediction.venue_records import Trade

_KEPT_PER_NANO = 10
"""A nano-dollar of fee is so many ticks x millionths of a contract."""
_NANO_DECIMALS = 9


class Filled(NamedTuple):
    """What trades came to: contracts received or given, their cost, and the fee."""

    lots: Lots
    cost: Money
    fee: Money

    @property
    def paid(self) -> Money:
        """The cash that a buy takes."""
        return self.cost + self.fee


@dataclass(slots=True, eq=False)
class WorkingOrder:
    """An open order; `number` is its place among ours, `ahead` what others have before it at its price.

    `gross` lots traded, of which `cum_lots` were received; `held` is the money, or the contracts of a sell, on hold.
    `rested_*` is what it traded as a maker since its limit last changed.
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
    rested_lots: Lots = 0
    rested_fee: Money = 0
    fees: OrderFee = field(default_factory=OrderFee)

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
        return self.limit_ticks if self.side is Side.BUY else PAYOUT_TICKS - self.limit_ticks

    def trade(self, trades: Iterable[Trade]) -> Filled:
        """Add trades to the sums; returns what they came to."""
        before = self.cum_lots, self.cum_cost, self.cum_fee
        for trade in trades:
            done = filled(self.instrument, self.side, self.fees, (trade,))
            self.gross += trade.lots
            self.cum_lots += done.lots
            self.cum_cost += done.cost
            self.cum_fee += done.fee
            if trade.maker:
                self.rested_lots += trade.lots
                self.rested_fee += done.fee
        return Filled(self.cum_lots - before[0], self.cum_cost - before[1], self.cum_fee - before[2])

    def take_terms(self, lots: Lots, limit_ticks: Ticks) -> None:
        """Take other terms; another limit begins the maker's sums anew."""
        if limit_ticks != self.limit_ticks:
            self.rested_lots = self.rested_fee = 0
        self.lots, self.limit_ticks = lots, limit_ticks

    def need(self) -> int:
        """Return what must be on hold for the rest: contracts of a sell, else cost and the most fee at its limit."""
        if self.side is Side.SELL:
            return self.left
        if not self.left:
            return 0
        fee = self.instrument.most_fee(self.limit_ticks, self.rested_lots + self.left, may_take=False)
        return self.instrument.cost(self.limit_ticks, self.left) + max(fee - self.rested_fee, 0)

    def saved(self) -> tuple[object, ...]:
        """Return what `described` leaves out, as builtins."""
        places = (self.style.value, self.number, self.ahead, self.gross, self.held)
        return (*places, self.rested_lots, self.rested_fee, msgspec.to_builtins(self.fees))

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


def filled(instrument: Instrument, side: Side, fees: OrderFee, trades: Iterable[Trade]) -> Filled:
    """Return what trades of one order come to; `fees` is the order's account, and goes on with them."""
    schedule = terms_of(instrument)[1]
    scale = int(10 ** (_NANO_DECIMALS - instrument.quote_decimals))
    lots = cost = fee = 0
    for ticks, traded, maker in trades:
        cash = instrument.cost(ticks, traded)
        nano = fees.fill(schedule.maker if maker else schedule.taker, ticks, traded)
        charged, kept = -(-nano // scale), 0
        if schedule.in_shares and side is Side.BUY:
            kept = min(-(-nano * _KEPT_PER_NANO // ticks), traded)
            charged = min(charged, max(cash - 1, 0))
            cash -= charged
        lots += traded - kept
        cost += cash
        fee += charged
    return Filled(lots, cost, fee)
