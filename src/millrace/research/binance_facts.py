"""What an instrument of Binance was when it was recorded: a recording says prices and sizes and nothing else.

Ticks and lots are those of the venue's instrument pages at the time; each price and size of a recording is checked
against them. Fees are those of an ordinary account without discounts. A coin-margined contract is worth a fixed number
of dollars, so its size in coins depends on the price: a level or trade of it is shown as the coins that its contracts
are worth at its own price, and the pair is traded as if it were spot. That leaves out funding and margin.
"""

from enum import StrEnum
from typing import NamedTuple

from millrace.core.failure import OperatorError
from millrace.core.instrument import LEDGER_DECIMALS, Instrument, InstrumentId, Lots, Ticks, half_even


class Venue(StrEnum):
    """Binance's three markets; each counts, charges and sizes in its own way."""

    SPOT = "binance_spot"
    USDM = "binance_usdm"
    COINM = "binance_coinm"


class Fees(NamedTuple):
    """Parts per million of the cost."""

    maker_ppm: int
    taker_ppm: int


FEES = {Venue.SPOT: Fees(1_000, 1_000), Venue.USDM: Fees(200, 500), Venue.COINM: Fees(200, 500)}
"""An ordinary account's, in the years of the recordings: spot 0.1 %, futures 0.02 % and 0.05 %."""
_MAX_OPEN_ORDERS = 200


class Listing(NamedTuple):
    """One instrument's facts and how its sizes are written: `contract` is a contract's worth in quote currency."""

    instrument: Instrument
    size_decimals: int
    contract: int = 0

    def lots(self, size: int, ticks: Ticks) -> Lots:
        """Return lots of a size in units of its last decimal, at a price; exact but for contracts worth coins."""
        if not self.contract:
            return size
        facts = self.instrument
        worth = size * self.contract * 10 ** (facts.lot_decimals + facts.price_decimals)
        return half_even(worth, ticks * 10**self.size_decimals)


def _listing(
    venue: Venue, symbol: str, pair: str, decimals: tuple[int, int], lot: int, min_cost: int, contract: int = 0
) -> Listing:
    """Return a listing; `decimals` are those of price and size, `min_cost` whole units of the quote currency.

    Old orders on spot rest with more decimals than new ones may have, so sizes there are told to the last of eight.
    """
    base, quote = pair.split("/")
    fees = FEES[venue]
    lot_decimals = LEDGER_DECIMALS[base] if contract else decimals[1]
    facts = Instrument(
        id=InstrumentId(venue.value, symbol),
        base=base,
        quote=quote,
        price_decimals=decimals[0],
        tick=1,
        lot_decimals=lot_decimals,
        lot=lot,
        min_lots=lot,
        min_cost=min_cost * 10 ** LEDGER_DECIMALS[quote],
        maker_fee_ppm=fees.maker_ppm,
        taker_fee_ppm=fees.taker_ppm,
        max_open_orders=_MAX_OPEN_ORDERS,
    )
    return Listing(facts, decimals[1], contract)


_LISTINGS = {
    (Venue(one.instrument.id.venue), one.instrument.id.symbol): one
    for one in (
        _listing(Venue.SPOT, "BTCUSDT", "BTC/USDT", (2, 8), 1_000, 5),
        _listing(Venue.SPOT, "NEXOUSDT", "NEXO/USDT", (3, 8), 1_000_000, 5),
        _listing(Venue.USDM, "BTCUSDT", "BTC/USDT", (1, 3), 1, 100),
        _listing(Venue.COINM, "BTCUSD_PERP", "BTC/USD", (1, 0), 1, 100, 100),
    )
}


def listing(venue: Venue, symbol: str) -> Listing:
    """Return an instrument's facts; raises OperatorError naming those that are known."""
    found = _LISTINGS.get((venue, symbol))
    if found is None:
        known = ", ".join(f"{at.value}:{name}" for at, name in _LISTINGS)
        raise OperatorError(
            f"tick and lot of {venue.value}:{symbol} are not known, and a recording does not say them; known: {known}"
        )
    return found
