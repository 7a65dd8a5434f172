"""Builders for tests of the simulated venue of binary markets."""

from millrace.core.binary_events import BinaryQuote, BookLevel, QuoteSource
from millrace.core.commands import Approved, Place, Side, Style
from millrace.core.fee_terms import FeeSchedule, FeeTerms
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId, Outcome, outcome_id
from millrace.sim.prediction.settings import PredictionSettings
from millrace.strategies.arb.model import MarketFacts

KALSHI = InstrumentId("kalshi", "A")
POLY = InstrumentId("polymarket", "B")
CENT = FeeSchedule(FeeTerms(quadratic_ppm=70_000, quantum_nano=10_000_000, fill_quantum_nano=100_000))
SHARES = FeeSchedule(FeeTerms(quadratic_ppm=50_000, quantum_nano=10_000, rounds_down=True), in_shares=True)
ONE = 1_000_000
NO_LUCK = {
    "latency_mean_ns": 10,
    "latency_sd_ns": 0,
    "response_latency_ns": 5,
    "slippage_sd_ticks": 0,
    "adverse_ppm": 0,
}


def kalshi(lot=10_000, **more) -> PredictionSettings:
    facts = MarketFacts(market=KALSHI, event="E", fees=CENT, mirrored=True, lot=lot)
    return PredictionSettings(
        **{"venue": "kalshi", "markets": (facts,), "opening": {"USD": 100 * 10**9}, "seed": 1, "nets": True}
        | NO_LUCK
        | more
    )


def polymarket(**more) -> PredictionSettings:
    facts = MarketFacts(market=POLY, event="E", fees=SHARES, currency="pUSD", lot=10_000)
    return PredictionSettings(
        **{"venue": "polymarket", "markets": (facts,), "opening": {"pUSD": 100 * 10**6}, "seed": 1} | NO_LUCK | more
    )


def book(
    market, ts_ns, *, yes_asks=(), no_asks=(), yes_bids=None, no_bids=None, source=QuoteSource.STREAM
) -> BinaryQuote:
    """A mirrored book unless bids are given; levels are (ticks, contracts)."""

    def levels(rows):
        return tuple(BookLevel(ticks, round(size * ONE)) for ticks, size in rows)

    def turned(rows):
        return tuple((10_000 - ticks, size) for ticks, size in rows)

    yes_bids = turned(no_asks) if yes_bids is None else yes_bids
    no_bids = turned(yes_asks) if no_bids is None else no_bids
    sides = (levels(yes_asks), levels(no_asks), levels(yes_bids), levels(no_bids))
    return BinaryQuote(market, ts_ns, ts_ns, ts_ns, source, *sides)


def order(
    client_id, market, outcome=Outcome.YES, *, side=Side.BUY, lots=ONE, ticks=5_000, style=Style.IOC, ts_ns=0
) -> Approved:
    name = outcome_id(market, outcome)
    place = Place(name, side, lots, ticks, style, SubPosition("arb", name, client_id, "leg"), False, client_id, "leg")
    return Approved(place, client_id, 1, ts_ns)
