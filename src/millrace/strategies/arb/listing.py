"""The two instruments of a binary market, made from what its venue says about it.

Everybody who trades, fills, counts or settles outcomes takes them from here, so that scales, ticks and fees of a leg
are the same at the desk, in the ledger and at a simulated venue. A market without known fees can be listed and never
taken: its schedule is `UNKNOWN_FEES`, dearer than any edge (arb 6).
"""

from millrace.core.fee_terms import UNKNOWN_SOURCE, FeeSchedule, FeeTerms
from millrace.core.instrument import (
    BINARY_LOT_DECIMALS,
    BINARY_PRICE_DECIMALS,
    BinaryTerms,
    Instrument,
    Outcome,
    outcome_id,
)
from millrace.strategies.arb.model import MarketFacts

_DOLLAR_NANO = 1_000_000_000
UNKNOWN_FEES = FeeSchedule(FeeTerms(flat_nano=_DOLLAR_NANO), FeeTerms(flat_nano=_DOLLAR_NANO), source=UNKNOWN_SOURCE)
"""A dollar a contract: what an unknown schedule is taken to charge where a figure is needed at all."""
_OPEN_ORDERS = 200
"""Open orders per outcome; venues of outcomes allow far more."""


def outcome_instruments(facts: MarketFacts) -> tuple[Instrument, Instrument]:
    """Return the instruments of YES and of NO."""
    yes, no = (_instrument(facts, outcome) for outcome in Outcome)
    return yes, no


def _instrument(facts: MarketFacts, outcome: Outcome) -> Instrument:
    name = outcome_id(facts.market, outcome)
    return Instrument(
        id=name,
        base=name.symbol,
        quote=facts.currency,
        price_decimals=BINARY_PRICE_DECIMALS,
        tick=facts.tick,
        lot_decimals=BINARY_LOT_DECIMALS,
        lot=facts.lot,
        min_lots=facts.min_lots,
        min_cost=0,
        maker_fee_ppm=0,
        taker_fee_ppm=0,
        max_open_orders=_OPEN_ORDERS,
        binary=BinaryTerms(
            market=facts.market,
            outcome=outcome,
            fees=facts.fees or UNKNOWN_FEES,
            mirrored=facts.mirrored,
            can_sell=facts.can_sell,
        ),
    )
