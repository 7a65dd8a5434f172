"""What the stages know of an instrument, made of the record that everybody else keeps of it.

The stages calculate in floats of the quote currency and in bps; the factors that bring ticks, lots and money there are
made here once, so that no stage knows decimals.
"""

from millrace.core.instrument import PPM, Instrument
from millrace.strategies.quoting.model import BPS, SymbolTerms

_PPM_PER_BPS = PPM / BPS


def terms_of(instrument: Instrument, *, can_amend: bool = True) -> SymbolTerms:
    """Return the facts of an instrument that travel with its data; fees are those of the account there.

    Whether the venue amends resting orders is not the instrument's to say.
    """
    return SymbolTerms(
        symbol=instrument.id.symbol,
        tick=instrument.tick,
        lot=instrument.lot,
        min_lots=instrument.min_lots,
        min_cost=instrument.min_cost,
        price_unit=10.0**-instrument.price_decimals,
        lot_unit=10.0**-instrument.lot_decimals,
        cost_unit=10.0**instrument.quote_decimals,
        maker_fee_bps=instrument.maker_fee_ppm / _PPM_PER_BPS,
        taker_fee_bps=instrument.taker_fee_ppm / _PPM_PER_BPS,
        can_amend=can_amend,
    )
