"""Markets and books for the tests of the lanes, in cents and contracts."""

from millrace.core.binary_events import BinaryQuote, BookLevel, QuoteSource
from millrace.core.fee_terms import CONTRACT_LOTS, FeeSchedule, FeeTerms
from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.lanes.detector import Detector
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.lanes.universe import Universe
from millrace.strategies.arb.model import MarketFacts, Proposition
from millrace.strategies.arb.rules.records import NO_RULES, RuleSet

CENT = 100
SECOND = 1_000_000_000
FREE = FeeSchedule(FeeTerms())
KALSHI = FeeSchedule(FeeTerms(quadratic_ppm=70_000, quantum_nano=10_000_000))
SHARES = FeeSchedule(FeeTerms(quadratic_ppm=40_000), in_shares=True)


def market(number: int, venue: str = "sim") -> InstrumentId:
    return InstrumentId(venue, f"M{number}")


def yes(number: int, venue: str = "sim") -> Proposition:
    return Proposition(market(number, venue), Outcome.YES)


def no(number: int, venue: str = "sim") -> Proposition:
    return Proposition(market(number, venue), Outcome.NO)


def facts(named, fees=FREE, **more) -> MarketFacts:
    return MarketFacts(market=named, event="E", fees=fees, **more)


def side(levels) -> tuple[BookLevel, ...]:
    """Levels from (cents, contracts); one price alone has 100 contracts, None none."""
    if levels is None:
        return ()
    if isinstance(levels, int | float):
        levels = [(levels, 100)]
    return tuple(BookLevel(round(cents * CENT), round(size * CONTRACT_LOTS)) for cents, size in levels)


def book(named, yes_asks=None, no_asks=None, yes_bids=None, no_bids=None, ts_ns=SECOND, source=QuoteSource.POLL):
    sides = (side(yes_asks), side(no_asks), side(yes_bids), side(no_bids))
    return BinaryQuote(named, ts_ns, ts_ns, 1, source, *sides)


def detector(markets, rules=NO_RULES, settings=None, fees=FREE, **more) -> Detector:
    settings = settings or LaneSettings()
    return Detector(Universe([facts(named, fees, **more) for named in markets], rules, settings))


def rule_set(*, buckets=(), trees=(), implications=(), pairs=()) -> RuleSet:
    return RuleSet(
        version="test", buckets=tuple(buckets), trees=tuple(trees), implications=tuple(implications), pairs=tuple(pairs)
    )
