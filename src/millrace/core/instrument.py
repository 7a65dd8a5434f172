"""What is traded, and the exact numbers of it.

Prices and quantities that reach an order, a fill or the ledger are integers: a price counts units of
10**-price_decimals, a quantity counts units of 10**-lot_decimals, and money counts units of the currency's ledger
scale (design sections 3 and 4). The tick and the lot are multiples of those units and travel in the `Instrument`
record, because a venue may change them while the program runs; the scales never change.
"""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import msgspec

from millrace.core.failure import OperatorError
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS, FeeSchedule

Ticks = int
"""A price in units of 10**-price_decimals of the instrument."""
Lots = int
"""A quantity in units of 10**-lot_decimals of the instrument."""
Money = int
"""An amount in units of 10**-ledger_decimals of its currency."""

PPM = 1_000_000
LEDGER_DECIMALS = {"USD": 9, "DOGE": 8, "BTC": 8, "USDC": 6, "pUSD": 6, "USDT": 8}
"""Ledger scale of each currency (design section 3): an amount is an integer of 10**-decimals."""
_COIN_DECIMALS = 8
"""Ledger scale of a coin that is not named there."""
_NANO_DECIMALS = 9
BINARY_PRICE_DECIMALS = len(str(PAYOUT_TICKS)) - 1
BINARY_LOT_DECIMALS = len(str(CONTRACT_LOTS)) - 1
"""Every outcome has these scales, so that legs of different venues count in the same units; ticks and lots differ."""


class InstrumentId(NamedTuple):
    """A venue and the symbol as that venue's market data says it; text form `kraken:DOGE/USD`."""

    venue: str
    symbol: str

    def __str__(self) -> str:
        return f"{self.venue}:{self.symbol}"

    @classmethod
    def parse(cls, text: str) -> "InstrumentId":
        """Read `venue:symbol`; raises OperatorError when either part is missing."""
        venue, colon, symbol = text.partition(":")
        if not (venue and colon and symbol):
            raise OperatorError(f"instrument {text!r} is not of the form venue:symbol, e.g. kraken:DOGE/USD")
        return cls(venue, symbol)


def whole_account(venue: str) -> InstrumentId:
    """Return the name under which a question or a cancel means whatever instrument of a venue it concerns."""
    return InstrumentId(venue, "")


class Outcome(StrEnum):
    """The two answers of a binary market; a side of it is bought, and pays one dollar or nothing."""

    YES = "yes"
    NO = "no"

    @property
    def opposite(self) -> "Outcome":
        """The other answer."""
        return Outcome.NO if self is Outcome.YES else Outcome.YES


class BinaryTerms(msgspec.Struct, frozen=True, gc=False):
    """What makes an instrument one outcome of a binary market.

    `market` is the venue and the market's id; with `mirrored` the ask of one outcome is the bid of the other, the same
    liquidity seen twice (arb 2.1). `can_sell` False: an outcome is left only by buying the other one.
    """

    market: InstrumentId
    outcome: Outcome
    fees: FeeSchedule
    mirrored: bool = False
    can_sell: bool = True


def outcome_id(market: InstrumentId, outcome: Outcome) -> InstrumentId:
    """Return the instrument of one outcome of a market: `kalshi:KXTEMP-26/YES`."""
    return InstrumentId(market.venue, f"{market.symbol}/{outcome.name}")


def outcome_of(instrument: InstrumentId) -> tuple[InstrumentId, Outcome]:
    """Return the market and the outcome of an outcome's instrument; raises KeyError for any other instrument."""
    symbol, _, outcome = instrument.symbol.rpartition("/")
    return InstrumentId(instrument.venue, symbol), Outcome[outcome]


def half_even(numerator: int, denominator: int) -> int:
    """Divide integers exactly and round half to even; the denominator is positive."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient % 2):
        quotient += 1
    return quotient


class Instrument(msgspec.Struct, frozen=True, gc=False):
    """Facts of one instrument. Fees are parts per million of cost; minimums are in lots and quote money."""

    id: InstrumentId
    base: str
    quote: str
    price_decimals: int
    tick: Ticks
    lot_decimals: int
    lot: Lots
    min_lots: Lots
    min_cost: Money
    maker_fee_ppm: int
    taker_fee_ppm: int
    max_open_orders: int
    binary: BinaryTerms | None = None

    @property
    def quote_decimals(self) -> int:
        """Ledger decimals of the quote currency."""
        return LEDGER_DECIMALS[self.quote]

    @property
    def base_decimals(self) -> int:
        """Ledger decimals of the base currency, an outcome's own where it is one; never fewer than the lot decimals."""
        return self.lot_decimals if self.binary is not None else LEDGER_DECIMALS.get(self.base, _COIN_DECIMALS)

    def ticks(self, price: float | Decimal | str) -> Ticks:
        """Ticks of a price that is already rounded to the instrument's decimals."""
        if isinstance(price, float):
            return round(price * 10.0**self.price_decimals)
        return int(Decimal(price).scaleb(self.price_decimals).to_integral_value())

    def price(self, ticks: Ticks) -> float:
        """The double nearest to the decimal price; equal to round(x, price_decimals) for every such x."""
        return ticks / 10.0**self.price_decimals

    def lots(self, volume: float | Decimal | str) -> Lots:
        """Lots of a volume that is already rounded to the instrument's decimals."""
        if isinstance(volume, float):
            return round(volume * 10.0**self.lot_decimals)
        return int(Decimal(volume).scaleb(self.lot_decimals).to_integral_value())

    def volume(self, lots: Lots) -> float:
        """The double nearest to the decimal volume."""
        return lots / 10.0**self.lot_decimals

    def cost(self, ticks: Ticks, lots: Lots) -> Money:
        """Price x volume in quote money, rounded half-even once."""
        surplus = self.price_decimals + self.lot_decimals - self.quote_decimals
        product = ticks * lots
        return half_even(product, 10**surplus) if surplus > 0 else product * 10**-surplus

    def fee(self, cost: Money, *, maker: bool) -> Money:
        """Fee in quote money on a cost, rounded half-even; of a binary outcome use `trade_fee`."""
        return half_even(cost * (self.maker_fee_ppm if maker else self.taker_fee_ppm), PPM)

    def trade_fee(self, ticks: Ticks, lots: Lots, *, maker: bool) -> Money:
        """Fee in quote money of one order that trades `lots` at `ticks`: of the cost, or by the market's own schedule.

        A schedule's fee is never rounded down on the way to the currency's ledger scale.
        """
        if self.binary is None:
            return self.fee(self.cost(ticks, lots), maker=maker)
        return self._from_nano(self.binary.fees.fee_nano(ticks, lots, maker=maker))

    def most_fee(self, ticks: Ticks, lots: Lots, *, may_take: bool) -> Money:
        """Fee to set aside for one order: the maker's, or the taker's where that is higher and it may take.

        However many fills it comes in, a binary market's schedule takes no more.
        """
        if self.binary is None:
            cost = self.cost(ticks, lots)
            fee = self.fee(cost, maker=True)
            return max(fee, self.fee(cost, maker=False)) if may_take else fee
        fees = self.binary.fees
        nano = fees.maker.most_nano(ticks, lots)
        if may_take:
            nano = max(nano, fees.taker.most_nano(ticks, lots))
        return self._from_nano(nano)

    def _from_nano(self, nano: int) -> Money:
        return -(-nano // int(10 ** (_NANO_DECIMALS - self.quote_decimals)))

    def base_amount(self, lots: Lots) -> Money:
        """Lots as base money."""
        return lots * int(10 ** (self.base_decimals - self.lot_decimals))

    def quote_float(self, money: Money) -> float:
        """Quote money as a double, for signals and reports."""
        return money / 10.0**self.quote_decimals

    def base_float(self, money: Money) -> float:
        """Base money as a double, for signals and reports."""
        return money / 10.0**self.base_decimals
