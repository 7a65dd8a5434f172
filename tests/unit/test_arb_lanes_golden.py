"""Golden part C: the lanes find what the reference found where it was right, and nothing where it was not (arb 21.2, 21.3)."""

import json

import pytest

from arb_quotes import facts, rule_set
from millrace.core.binary_events import BinaryQuote, BookLevel, QuoteSource
from millrace.core.fee_terms import CONTRACT_LOTS, FeeSchedule, FeeTerms
from millrace.core.instrument import InstrumentId, Outcome
from millrace.market.buying import Origin, effective_buy
from millrace.strategies.arb.lanes.detector import Detector
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.lanes.subset import best_subset
from millrace.strategies.arb.lanes.universe import Universe
from millrace.strategies.arb.model import Lane, Proposition, Tier
from millrace.strategies.arb.rules.records import BucketRule, Label, PairRule, Provenance, Relation, TreeBits, TreeRule

NOW = 10**18
FIELDS = {"kalshi": "kalshi_market_id", "polymarket": "polymarket_market_id", "forecastex": "forecastex_market_id"}
STYLES = {"taker": "", "maker_estimate": "_maker"}


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden" / "arb.json").read_bytes())


def level(price, size):
    return None if price is None else BookLevel(round(price * 10_000), round(size * CONTRACT_LOTS))


def test_effective_buy(golden) -> None:
    for _, ask, ask_size, bid, bid_size, result in golden["effective_buy"]["rows"]:
        found = effective_buy(level(ask, ask_size), level(bid, bid_size))
        if result is None:
            assert found is None
            continue
        price, size, origin = result
        assert found == (round(price * 10_000), round(size * CONTRACT_LOTS), Origin(origin.removesuffix("_transform")))


def test_best_subset_of_an_exclusive_group(golden) -> None:
    for row in golden["truth"]["all_no_best_subset"]["rows"]:
        chosen = best_subset([[(mils * 1_000_000, CONTRACT_LOTS)] for mils in row["no_costs_mils"]])
        edge = sum(1_000 - row["no_costs_mils"][index] for index in chosen) - 1_000
        assert (edge, len(chosen)) == (row["best_edge_mils"], row["smallest_best_k"])


def named(ref):
    return InstrumentId(ref["venue"], ref["market_id"])


def proposition(ref):
    return Proposition(named(ref), Outcome(ref["side"]))


def rules_of(universe):
    labels = universe["labels"]
    rules = universe["rules"]
    buckets = [
        BucketRule(
            group_id=row["group_id"], label=Label(labels[row["group_id"]]), members=tuple(map(proposition, row["legs"])),
            exclusive=labels[row["group_id"]] != "unknown" or row["exclusivity_source"] == "exchange_api",
        )
        for row in rules["mutually_exclusive_buckets"]
    ]  # fmt: skip
    # The vectors count a tree of unknown label as exclusive and nested: what explicit links and the exchange prove.
    bits = dict.fromkeys(Label, TreeBits(cover=False, exclusive=True, nested=True))
    bits[Label.EXHAUSTIVE] = TreeBits(cover=True, exclusive=True, nested=True)
    trees = [
        TreeRule(
            group_id=row["group_id"], label=Label(labels[row["group_id"]]), bits=bits[Label(labels[row["group_id"]])],
            parent=proposition(row["parent"]), children=tuple(map(proposition, row["children"])),
        )
        for row in rules["event_trees"]
    ]  # fmt: skip
    pairs = [
        PairRule(
            group_id=row["group_id"], relation=Relation(row["relationship"]), left=proposition(row["left"]),
            right=proposition(row["right"]), source=Provenance.GENERATED, tier=Tier.STRICT, confidence=1.0,
        )
        for row in rules["cross_market_parity_checks"]
    ]  # fmt: skip
    for row in universe["mappings"]:
        refs = [InstrumentId(venue, row[field]) for venue, field in FIELDS.items() if row[field]]
        pairs += [
            PairRule(
                group_id=f"{row['group_id']}:{left.venue}:{right.venue}", relation=Relation.EQUIVALENT,
                left=Proposition(left), right=Proposition(right), source=Provenance.HUMAN, tier=Tier.STRICT,
                confidence=1.0, mapped=True,
            )
            for index, left in enumerate(refs)
            for right in refs[index + 1 :]
        ]  # fmt: skip
    return rule_set(buckets=buckets, trees=trees, pairs=pairs)


def detector_of(universe, style, share=1.0):
    """The reference's makers buy at prices of their own; they come in as asks, so that the same sums are taken."""
    edge = round(universe["min_net_edge"] * 10**9)
    far = LaneSettings(min_edge_nano=edge, leg_risk_nano=0, taker_skew_ns=600 * 10**9)
    markets, quotes = [], []
    for row in universe["quotes"]:
        fees = FeeSchedule(FeeTerms(flat_nano=round(row["fee_per_contract"] * share * 10**9)))
        markets.append(facts(named(row), fees, lot=1, min_lots=1))
        asks = []
        for side in ("yes", "no"):
            ask = level(row[f"{side}{style}_buy_price"], row[f"{side}{style}_buy_size"])
            asks.append((ask,) if ask is not None and ask.lots else ())
        ts_ns = NOW - round(row["age_s"] * 10**9)
        quotes.append(BinaryQuote(named(row), ts_ns, ts_ns, 1, QuoteSource.POLL, asks[0], asks[1], (), ()))
    detector = Detector(Universe(markets, rules_of(universe), far))
    for quote in quotes:
        detector.observe(quote)
    return detector


def found_by(detector):
    """Each basket by lane and legs, under the lanes of its aliases too, as the reference lists it."""
    baskets = detector.candidates(NOW)
    assert baskets == detector.scan(NOW)
    return {
        (
            lane.kind,
            tuple(
                sorted((*leg.proposition.market, leg.proposition.outcome.value, leg.limit_ticks) for leg in basket.legs)
            ),
        ): basket
        for basket in baskets
        for lane in (basket.lane, *basket.aliases)
    }


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("style", STYLES)
def test_same_baskets_as_recorded_where_the_payout_is_right(golden, index, style) -> None:
    universe = golden["universes"][index]
    found = found_by(detector_of(universe, STYLES[style]))
    # Its flat fee is charged once per market: both sides of one market pay half each.
    found = {key: basket for key, basket in found.items() if basket.lane is not Lane.INTRA}
    halved = found_by(detector_of(universe, STYLES[style], share=0.5))
    found |= {key: basket for key, basket in halved.items() if basket.lane is Lane.INTRA}
    wanted, refused = {}, set()
    for row in universe["opportunities"]:
        if row["style"] != style:
            continue
        key = (
            row["kind"],
            tuple(
                sorted((venue, market, side, round(price * 10_000)) for venue, market, side, price, _ in row["legs"])
            ),
        )
        if row["deviates"]:
            refused.add(key)
        elif row["net"] >= universe["min_net_edge"] * row["correct_floor"]:  # W-05: the edge is per dollar of floor
            wanted[key] = row
    assert not refused & set(found)
    assert set(wanted) <= set(found)
    assert wanted
    for key, row in wanted.items():
        basket = found[key]
        contracts = basket.lots / CONTRACT_LOTS
        assert basket.floor == row["correct_floor"]
        assert basket.gross_nano / contracts == pytest.approx(row["gross"] * 1e9, abs=2)
        assert basket.net_nano / contracts == pytest.approx(row["net"] * 1e9, abs=2)
        assert contracts == pytest.approx(min(leg[4] for leg in row["legs"]))
    for key in set(found) - set(wanted):
        # What the reference never formed: baskets of NOs, and a direction whose other two prices are missing.
        basket = found[key]
        assert basket.lane in {Lane.BUCKET, Lane.EVENT_TREE} or basket.lane.family == "cross_parity", key
        assert (
            basket.net_nano * 1 >= round(universe["min_net_edge"] * 1e9) * basket.floor * basket.lots // CONTRACT_LOTS
        )
