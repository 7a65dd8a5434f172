"""Each gate and each limit through the whole desk: what opens a basket opens none when that one figure forbids it (W-37).

A module that decides well and is not asked decides nothing; so every case here goes from a quote through detector,
cycle, decider and board, and reads the decision row that the ledger keeps.
"""

from typing import Any

import pytest
from msgspec import structs

from arb_world import SECOND, World
from millrace.config.load import load_settings
from millrace.core.binary_events import BinaryQuote, BookLevel, QuoteSource, RedeemRoute
from millrace.core.commands import Reply
from millrace.core.events import Operator
from millrace.core.fee_terms import FeeSchedule, FeeTerms
from millrace.core.instrument import InstrumentId
from millrace.risk.exposure_guard import ExposureGuard
from millrace.strategies.arb.model import MarketFacts, Proposition
from millrace.strategies.arb.rules.records import BucketRule, Label, RuleSet
from millrace.strategies.arb.settings import ArbSettings
from millrace.strategies.arb.telemetry.rows import DECISION, DecisionRow
from millrace.world.assemble import build_program

ONE = 1_000_000
MARKET = InstrumentId("kalshi", "OPEN")
FEES = FeeSchedule(FeeTerms(quadratic_ppm=70_000, quantum_nano=10_000_000, fill_quantum_nano=100_000))
FACTS = MarketFacts(market=MARKET, event="G", category="weather", fees=FEES, pair_route=RedeemRoute.NET)


def _side(*levels: tuple[float, float]) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(round(price * 10_000), round(size * ONE)) for price, size in levels)


def _rows(facts: MarketFacts = FACTS, usd: float = 1_000.0, **changes: Any) -> list[DecisionRow]:
    """Show 42 + 50 cents, a hundred contracts each, and return what was decided; changes are fields of the parts."""
    world = World((facts,), settings=_settings(**changes), usd=usd)
    for source in (QuoteSource.STREAM, QuoteSource.POLL, QuoteSource.STREAM):
        world.now_ns += 1
        asks = _side((0.42, 100)), _side((0.50, 100))
        bids = _side((0.41, 100)), _side((0.49, 100))
        world.quote(BinaryQuote(MARKET, world.now_ns, world.now_ns, world.now_ns, source, *asks, *bids))
    world.run(1)
    return [DecisionRow.read(found) for found in world.books_of(DECISION)]


def _settings(**changes: Any) -> ArbSettings:
    settings = ArbSettings()
    for name, value in changes.items():
        (part,) = [
            part for part in ("economics", "stake", "gates", "exposure") if hasattr(getattr(settings, part), name)
        ]
        settings = structs.replace(settings, **{part: structs.replace(getattr(settings, part), **{name: value})})
    return settings


def test_nothing_forbids_it() -> None:
    (row,) = _rows()
    assert (row.verdict, row.reason, row.lane) == ("opened", "", "intra")
    assert row.lots == 28 * ONE  # what may be lost at worst, with this much confidence, buys so many (arb 9.5)
    assert 0 < row.expected_nano < row.detected_nano


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("edge", {"min_edge": 0.06}),
        ("expected_profit", {"min_profit_usd": 50.0}),
        ("fill_probability", {"min_fill": 0.99}),
        ("fill_quality", {"min_quality": 0.0}),
        ("realized_profit", {"min_realized_usd": 50.0}),
        ("no_style", {"divergence_intra": 0.9}),
        ("sanity_edge", {"sanity_edge": 0.01}),
        ("micro_price", {"micro_low": 0.45, "micro_contracts": 1_000.0}),
        ("lane_disabled", {"overrides": "intra enabled no"}),
        ("uncertainty", {"uncertainty_new": 0.9}),
        ("size", {"trade_usd": 0.5}),
        ("size", {"trade_contracts": 0.5}),
        ("size", {"depth_share": 0.001}),
        ("size", {"least_depth": 1_000.0}),
        ("capital", {"venue_cash_share": 0.0}),
        ("loss_budget", {"loss_most_usd": 0.0}),
        ("cluster_budget", {"cluster_share": 0.0}),
        ("cluster_positions", {"cluster_positions": 0}),
        ("exposure_total", {"total_usd": 0.5}),
        ("exposure_venue", {"venue_usd": 0.5}),
        ("exposure_category", {"category_usd": 0.5}),
        ("exposure_market", {"market_usd": 0.5}),
        ("exposure_positions", {"positions": 0}),
        ("exposure_lane", {"lane_positions": 0}),
        ("exposure_family", {"family_positions": 0}),
        ("exposure_open_markets", {"open_markets": 0}),
    ],
)
def test_each_figure_alone_forbids_it(reason, changes) -> None:
    found = _rows(**changes)
    assert found
    assert {row.verdict for row in found} == {"rejected"}
    assert all(reason in row.reasons.split(",") for row in found)


def test_money_that_is_not_there_forbids_it() -> None:
    assert {row.verdict for row in _rows(usd=0.5)} == {"rejected"}


def test_a_lock_that_is_too_long_forbids_it() -> None:
    far = structs.replace(FACTS, pair_route=RedeemRoute.RESOLUTION, resolves_ns=1_000 * 3_600 * SECOND)
    assert {row.reason for row in _rows(far)} <= {"edge", "horizon", "realized_profit", "expected_profit"}
    assert all("horizon" in row.reasons for row in _rows(far))


def test_what_a_basket_holds_is_what_it_claims() -> None:
    """Arb 16: not what was planned, once its first orders have ended."""
    other = InstrumentId("polymarket", "OPEN2")
    held = structs.replace(FACTS, pair_route=RedeemRoute.RESOLUTION, resolves_ns=3_600 * SECOND, market=other)
    world = World((held,))
    for number, no in enumerate((0.50, 0.50, 0.50, 0.49)):
        world.now_ns += 1
        asks, bids = (_side((0.42, 100)), _side((no, 100))), (_side((0.41, 100)), _side((no - 0.01, 100)))
        world.quote(BinaryQuote(other, world.now_ns, world.now_ns, world.now_ns, QuoteSource.POLL, *asks, *bids))
        if number == 2:
            world.run(2)
    world.run(2)
    (life,) = world.desk.baskets.lives.values()
    (claim,) = world.desk.judge.exposure.claims.values()
    assert claim.nano == life.spent_nano > 0


def test_the_program_has_the_guard_with_the_same_limits() -> None:
    settings = load_settings(
        overrides={"arb.enabled": "true", "arb_exposure.total_usd": "77", "prediction.markets": "40"}
    )
    (guard,) = [one for one in build_program(settings).engine.guards if isinstance(one, ExposureGuard)]
    assert guard.settings == settings.arb.exposure
    assert guard.settings.total_usd == 77.0


def test_an_operator_sees_a_quote_taken_apart() -> None:
    """Arb 2.3."""
    world = World((FACTS,))
    asks, bids = (_side((0.52, 9)), _side((0.51, 9))), (_side((0.49, 9)), _side((0.45, 9)))
    world.quote(BinaryQuote(MARKET, 1, 1, 1, QuoteSource.POLL, *asks, *bids))
    made = world.feed(Operator("arb_market", {"market": str(MARKET)}, 2)) or world.commands
    (reply,) = [one for one in made if isinstance(one, Reply)]
    assert reply.ok
    assert reply.data["probability"] == pytest.approx(0.505)
    assert reply.data["midpoint_gap"] == pytest.approx(0.015)


def test_rules_that_cannot_all_be_true_leave_a_row_and_no_order() -> None:
    """Arb 4.6, 17: detected is opened plus rejected, so what contradicts itself is rejected and not dropped."""
    one, other = (Proposition(InstrumentId("kalshi", name)) for name in ("A", "B"))
    buckets = tuple(
        BucketRule(group_id=str(number), label=Label.EXHAUSTIVE, exclusive=True, members=members)
        for number, members in enumerate(((one,), (other,), (one, other)))
    )  # each must be true, and only one of them
    facts = tuple(structs.replace(FACTS, market=each.market) for each in (one, other))
    world = World(facts, rules=RuleSet(version="no", buckets=buckets))
    for number in range(1, 4):
        asks, bids = (_side((0.42, 100)), _side((0.50, 100))), (_side((0.41, 100)), _side((0.49, 100)))
        world.quote(BinaryQuote(one.market, number, number, number, QuoteSource.POLL, *asks, *bids))
        world.now_ns = number
    world.run(1)
    found = [DecisionRow.read(book) for book in world.books_of(DECISION)]
    assert found
    assert all("rules_contradict" in row.reasons for row in found)
    assert not world.desk.baskets.lives
