"""The ladders of 240 recorded sports events with their quoted prices and sizes: what is there, and what a naive bot sees.

They are the only recorded input of the implication lane with sizes (arb 4.5). Real books respect their ladders: not one
of 545 steps is sold below its floor, fees left aside; the same events read as exclusive buckets show 47 "arbitrages".
"""

import gzip

import msgspec
import pytest

from arb_quotes import FREE, KALSHI
from millrace.core.binary_events import BinaryQuote, BookLevel, QuoteSource
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.research.arb_data.metadata import read_metadata
from millrace.strategies.arb.combo.lane import offers_of
from millrace.strategies.arb.combo.search import Search
from millrace.strategies.arb.combo.settings import ComboSettings
from millrace.strategies.arb.lanes.detector import Detector
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.lanes.universe import Universe
from millrace.strategies.arb.model import Lane
from millrace.strategies.arb.rules.generate import generate
from millrace.strategies.arb.rules.joint import Joint
from millrace.strategies.arb.rules.load import parse_rules

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def recorded(shared):
    """The file, its markets, and the proposed ladders as if a person had approved each."""
    path = shared / "data/prediction/metadata/kalshi_spread_events_with_markets_2026-05.json.gz"
    facts = read_metadata([path]).facts
    document = msgspec.json.encode(generate(facts).document)
    signed = document.replace(b'"approved_by":"","approved_at":""', b'"approved_by":"ann","approved_at":"2026-05-15"')
    return msgspec.json.decode(gzip.decompress(path.read_bytes())), facts, parse_rules(signed, path.name, 0)


def level(dollars, contracts):
    ticks, lots = round(float(dollars) * PAYOUT_TICKS), round(float(contracts) * CONTRACT_LOTS)
    return (BookLevel(ticks, lots),) if 0 < ticks < PAYOUT_TICKS and lots > 0 else ()


def turned(levels):
    return tuple(BookLevel(PAYOUT_TICKS - each.ticks, each.lots) for each in levels)


def watching(recorded, fees, settings) -> Detector:
    events, facts, rules = recorded
    said = {market["ticker"]: market for event in events for market in event["markets"]}
    detector = Detector(Universe([msgspec.structs.replace(fact, fees=fees) for fact in facts], rules, settings))
    for fact in facts:
        market = said[fact.market.symbol]
        asks = level(market["yes_ask_dollars"], market["yes_ask_size_fp"])
        bids = level(market["yes_bid_dollars"], market["yes_bid_size_fp"])
        sides = (asks, turned(bids), bids, turned(asks))
        detector.observe(BinaryQuote(fact.market, SECOND, SECOND, 1, QuoteSource.POLL, *sides))
    return detector


def test_no_recorded_ladder_is_sold_below_its_floor(recorded) -> None:
    _, facts, rules = recorded
    assert sum(len(rule.chain) - 1 for rule in rules.implications) == 545
    detector = watching(recorded, FREE, LaneSettings(min_edge_nano=0, near_nano=20_000_000))
    quoted = [detector.quote(fact.market) for fact in facts]
    assert sum(bool(quote.yes_asks and quote.yes_bids) for quote in quoted) == 965
    assert [basket for basket in detector.scan(SECOND) if basket.net_nano > 0] == []
    near = [one for one in detector.near(SECOND) if one.lane is Lane.IMPLICATION]
    assert near, "steps within two cents of their floor show that the prices are compared at all"
    report = Search(Joint(rules), ComboSettings()).run(offers_of(detector))
    assert (report.examined, report.found) == (347, ())


def test_a_ladder_that_is_broken_on_purpose_is_found_and_fees_decide(recorded) -> None:
    """NO of the stronger rung and YES of the weaker, sold a cent under a dollar, do not pay the fees; eight cents do."""
    _, _, rules = recorded
    books = watching(recorded, FREE, LaneSettings())
    steps = [(rule.chain[0].market, rule.chain[1].market) for rule in rules.implications]
    bids = {stronger: books.quote(stronger).yes_bids for stronger, _ in steps}
    stronger, weaker = next(step for step in steps if bids[step[0]] and bids[step[0]][0].ticks > PAYOUT_TICKS // 4)
    for fees, edge_ticks, lanes in ((FREE, 100, 1), (KALSHI, 100, 0), (KALSHI, 800, 1)):
        detector = watching(recorded, fees, LaneSettings(min_edge_nano=1_000_000))
        cheap = (BookLevel(bids[stronger][0].ticks - edge_ticks, 50 * CONTRACT_LOTS),)
        was = detector.quote(weaker)
        detector.observe(msgspec.structs.replace(was, yes_asks=cheap, no_bids=turned(cheap), yes_bids=(), no_asks=()))
        found = [basket for basket in detector.scan(SECOND) if basket.lane is Lane.IMPLICATION]
        assert len(found) == lanes
        combos = Search(Joint(rules), ComboSettings()).run(offers_of(detector)).found
        assert len(combos) == lanes
        assert all(combo.net_nano >= basket.net_nano for combo, basket in zip(combos, found, strict=True))


def test_a_bot_that_reads_events_as_buckets_sees_47_arbitrages(recorded) -> None:
    """The exchange denies that any of these events is exclusive; adding prices does not ask."""
    events, _, rules = recorded
    all_yes = all_no = 0
    for event in events:
        yes, no = ([float(market[f"{side}_ask_dollars"]) for market in event["markets"]] for side in ("yes", "no"))
        if len(yes) >= 3 and all(0 < price < 1 for price in yes):
            all_yes += sum(yes) < 1
            all_no += all(0 < price < 1 for price in no) and sum(no) < len(no) - 1
    assert (all_yes, all_no) == (11, 36)
    assert not rules.buckets
