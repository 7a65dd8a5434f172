"""The coins of a generated market: what one costs, how finely it is priced, how wide, deep and busy its book is.

The figures are of the order of what such pairs show on a spot venue. They differ on purpose: pairs whose spread is one
tick, where only the place in the queue counts, and pairs whose spread is many, where the price does.
"""

from typing import NamedTuple

from millrace.core.instrument import LEDGER_DECIMALS, Instrument, InstrumentId
from millrace.sim.depth.market_settings import DepthMarketSettings

QUOTE = "USDT"
_MIN_COST_USDT = 1


class Coin(NamedTuple):
    """One coin: price in dollars, decimals of price and quantity, usual spread, dollars in a level, events a second.

    `volatility` is the standard deviation of a day's logarithmic return.
    """

    name: str
    price: float
    price_decimals: int
    lot_decimals: int
    spread_bps: float
    level_usd: float
    per_sec: float
    volatility: float


COINS = (
    Coin("BTC", 64_000.0, 1, 6, 0.3, 60_000.0, 8.0, 0.025),
    Coin("ETH", 3_100.0, 2, 5, 0.4, 45_000.0, 7.0, 0.032),
    Coin("SOL", 150.0, 2, 3, 0.9, 20_000.0, 5.0, 0.042),
    Coin("XRP", 0.52, 4, 2, 2.0, 25_000.0, 4.0, 0.038),
    Coin("DOGE", 0.11, 5, 1, 1.5, 15_000.0, 4.0, 0.045),
    Coin("ADA", 0.38, 4, 2, 2.7, 12_000.0, 3.0, 0.042),
    Coin("AVAX", 27.0, 2, 3, 4.0, 9_000.0, 2.5, 0.048),
    Coin("LINK", 13.5, 3, 3, 3.0, 8_000.0, 2.5, 0.045),
    Coin("DOT", 5.6, 3, 3, 3.5, 7_000.0, 2.0, 0.042),
    Coin("LTC", 71.0, 2, 4, 3.0, 7_000.0, 2.0, 0.036),
    Coin("UNI", 7.4, 3, 3, 4.5, 6_000.0, 1.8, 0.05),
    Coin("ATOM", 6.3, 3, 3, 5.0, 5_000.0, 1.6, 0.044),
    Coin("NEAR", 4.7, 3, 2, 5.0, 5_000.0, 1.6, 0.055),
    Coin("APT", 7.9, 3, 2, 6.0, 4_000.0, 1.4, 0.055),
    Coin("FIL", 4.1, 3, 2, 7.0, 3_500.0, 1.2, 0.048),
    Coin("ALGO", 0.142, 4, 1, 9.0, 2_500.0, 1.0, 0.046),
    Coin("SAND", 0.31, 4, 1, 10.0, 2_000.0, 0.9, 0.052),
    Coin("MANA", 0.33, 4, 1, 12.0, 1_800.0, 0.8, 0.052),
    Coin("BAT", 0.191, 4, 1, 16.0, 1_200.0, 0.6, 0.045),
    Coin("ZRX", 0.362, 4, 1, 24.0, 900.0, 0.5, 0.05),
)
"""At most so many symbols can be asked for."""


def instrument_of(coin: Coin, settings: DepthMarketSettings) -> Instrument:
    """Return the facts of a coin's pair against USDT."""
    return Instrument(
        id=InstrumentId(settings.venue, f"{coin.name}/{QUOTE}"),
        base=coin.name,
        quote=QUOTE,
        price_decimals=coin.price_decimals,
        tick=1,
        lot_decimals=coin.lot_decimals,
        lot=1,
        min_lots=1,
        min_cost=_MIN_COST_USDT * 10 ** LEDGER_DECIMALS[QUOTE],
        maker_fee_ppm=settings.maker_fee_ppm,
        taker_fee_ppm=settings.taker_fee_ppm,
        max_open_orders=settings.max_open_orders,
    )
