"""Books of one binary market, in cents, and a firewall that knows it: for tests of what may be believed."""

from millrace.core.binary_events import BinaryQuote, BookLevel, QuoteSource
from millrace.core.fee_terms import CONTRACT_LOTS, FeeSchedule, FeeTerms
from millrace.core.instrument import BinaryTerms, Instrument, InstrumentId, Outcome, outcome_id
from millrace.market.firewall import Firewall

SECOND = 1_000_000_000
NOON = 20_454 * 86_400 * SECOND + 43_200 * SECOND
RAIN = InstrumentId("kalshi", "RAIN")
FREE = FeeSchedule(FeeTerms())


def outcome_facts(market=RAIN, outcome=Outcome.YES, fees=FREE, tick=100) -> Instrument:
    name = outcome_id(market, outcome)
    terms = BinaryTerms(market, outcome, fees)
    return Instrument(name, name.symbol, "USD", 4, tick, 6, CONTRACT_LOTS, CONTRACT_LOTS, 0, 0, 0, 200, terms)


def level(cents, contracts=100) -> tuple[BookLevel, ...]:
    """One level; None for an empty side."""
    if cents is None:
        return ()
    return (BookLevel(round(cents * 100), round(contracts * CONTRACT_LOTS)),)


def book(
    yes=40, no=62, yes_bid=38, no_bid=60, at=0.0, version=1, source=QuoteSource.STREAM, market=RAIN, size=100, **more
):
    """Asks and bids in cents, `at` seconds after noon."""
    ts_ns = NOON + round(at * SECOND)
    sides = (level(yes, size), level(no, size), level(yes_bid, size), level(no_bid, size))
    told = {"venue_ts_ns": ts_ns, **more}
    fields = ("yes_asks", "no_asks", "yes_bids", "no_bids")
    return BinaryQuote(
        market=market, ts_ns=ts_ns, version=version, source=source, **{**dict(zip(fields, sides, strict=True)), **told}
    )


def firewall(*markets, fees=FREE, tick=100, settings=None) -> Firewall:
    found = Firewall(settings)
    for market in markets or (RAIN,):
        found.know(outcome_facts(market, Outcome.YES, fees, tick))
        found.know(outcome_facts(market, Outcome.NO, fees, tick))
    return found


def seconds(at: float) -> int:
    return NOON + round(at * SECOND)
