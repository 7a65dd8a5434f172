"""An outcome's instrument carries its market's facts, and unknown fees eat every edge."""

from millrace.core.fee_terms import FeeSchedule, FeeTerms
from millrace.core.instrument import InstrumentId, Outcome, outcome_of
from millrace.strategies.arb.listing import UNKNOWN_FEES, outcome_instruments
from millrace.strategies.arb.model import MarketFacts

MARKET = InstrumentId("kalshi", "KXTEMP-26/T80")


def test_both_outcomes_carry_the_facts_of_their_market() -> None:
    fees = FeeSchedule(FeeTerms(quadratic_ppm=70_000))
    facts = MarketFacts(
        market=MARKET, event="KXTEMP-26", fees=fees, tick=10, lot=10_000, min_lots=1_000_000, mirrored=True
    )
    yes, no = outcome_instruments(facts)
    assert [outcome_of(one.id) for one in (yes, no)] == [(MARKET, Outcome.YES), (MARKET, Outcome.NO)]
    assert yes.binary is not None
    assert yes.binary.fees is fees
    assert (yes.tick, yes.lot, yes.min_lots, yes.binary.mirrored) == (10, 10_000, 1_000_000, True)
    assert yes.cost(5_000, 2_000_000) == 1_000_000_000  # 2 contracts at 0.50 are a dollar


def test_unknown_fees_cost_a_dollar_a_contract() -> None:
    yes, _ = outcome_instruments(MarketFacts(market=MARKET, event="E"))
    assert yes.binary is not None
    assert yes.binary.fees is UNKNOWN_FEES
    assert yes.trade_fee(4_000, 1_000_000, maker=False) >= 1_000_000_000
