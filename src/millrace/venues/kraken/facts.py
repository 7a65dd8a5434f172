"""What an instrument of Kraken is, for runs that have no venue to ask.

A data file holds prices and nothing else, so ticks, lots, minimums and fees come from here (design section 3). Kraken
moves its minimums from time to time (venues 1); a live session must read them and these numbers are then only the
starting point. Money is written as the venue writes it and turned into exact integers once.
"""

from decimal import Decimal

from millrace.core.failure import OperatorError
from millrace.core.instrument import LEDGER_DECIMALS, PPM, Instrument, InstrumentId

VENUE = "kraken"
_MAKER_PCT = Decimal("0.25")
_TAKER_PCT = Decimal("0.40")
_MAX_OPEN_ORDERS = 225
_PCT = 100


def _spot(
    base: str, quote: str, *, price_decimals: int, lot_decimals: int, order_min: str, cost_min: str
) -> Instrument:
    """Build a spot pair at the entry fee tier; tick and lot are the smallest units that the decimals can say."""
    return Instrument(
        id=InstrumentId(VENUE, f"{base}/{quote}"),
        base=base,
        quote=quote,
        price_decimals=price_decimals,
        tick=1,
        lot_decimals=lot_decimals,
        lot=1,
        min_lots=int(Decimal(order_min).scaleb(lot_decimals)),
        min_cost=int(Decimal(cost_min).scaleb(LEDGER_DECIMALS[quote])),
        maker_fee_ppm=int(_MAKER_PCT * PPM / _PCT),
        taker_fee_ppm=int(_TAKER_PCT * PPM / _PCT),
        max_open_orders=_MAX_OPEN_ORDERS,
    )


_FACTS = {
    facts.id: facts
    for facts in (
        _spot("DOGE", "USD", price_decimals=7, lot_decimals=8, order_min="50", cost_min="0.5"),
        _spot("BTC", "USDC", price_decimals=2, lot_decimals=8, order_min="0.00005", cost_min="0.5"),
    )
}


def known_facts() -> tuple[Instrument, ...]:
    """Return the facts of every instrument that is known here."""
    return tuple(_FACTS.values())


_OLD_NAMES = {"XDG": "DOGE", "XBT": "BTC"}
"""What Kraken calls an asset where the market says otherwise (venues 1)."""


def is_pair(text: str, instrument: InstrumentId) -> bool:
    """Tell whether a text like XDGUSD, XBT/USDC or DOGE/USD names the instrument."""
    name = text.strip().upper().replace("/", "")
    for old, new in _OLD_NAMES.items():
        name = name.replace(old, new)
    return name == instrument.symbol.upper().replace("/", "")


def instrument_facts(instrument: InstrumentId | str) -> Instrument:
    """Return the facts of an instrument given as id or as `venue:symbol`; raises OperatorError naming the known ones.

    Source: design section 3 for DOGE/USD, venues 1.
    """
    wanted = InstrumentId.parse(instrument) if isinstance(instrument, str) else instrument
    facts = _FACTS.get(wanted)
    if facts is None:
        known = ", ".join(str(name) for name in _FACTS)
        raise OperatorError(f"no facts are known of instrument {wanted}; known are: {known}")
    return facts
