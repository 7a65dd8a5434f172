"""The desk on mapped markets: what may trade, what stops it, and what becomes of a basket whose mapping is lost."""

from typing import Any

import msgspec
import pytest

from arb_world import SECOND, World
from millrace.core.binary_events import BinaryQuote, BookLevel, QuoteSource
from millrace.core.commands import Alert, Reply
from millrace.core.events import Operator
from millrace.core.fee_terms import FeeSchedule, FeeTerms
from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.execution.settings import DeskSettings
from millrace.strategies.arb.gates.settings import GateSettings
from millrace.strategies.arb.mapping.load import parse_map
from millrace.strategies.arb.mapping.records import Check
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.settings import ArbSettings
from millrace.strategies.arb.strategy import ArbDesk
from millrace.strategies.arb.telemetry.rows import BASKET, DECISION, BasketRow, DecisionRow

ONE = 1_000_000
KALSHI, POLY = InstrumentId("kalshi", "A"), InstrumentId("polymarket", "B")
FEES = FeeSchedule(FeeTerms(quadratic_ppm=70_000, quantum_nano=10_000_000, fill_quantum_nano=100_000))
END_NS = 36_000 * SECOND
SETTINGS = ArbSettings(gates=GateSettings(min_profit_usd=0.1), desk=DeskSettings(market_cooldown_sec=1.0))
HEADER = "group_id,refs,confidence,provenance,approved_by,approved_at\n"
REFS = "kalshi:market:A polymarket:market:B"
APPROVED = HEADER + f"m1,{REFS},0.97,human,ann,2026-01-01\n"
GENERATED = HEADER + f"m1,{REFS},0.97,generated,,\n"


def facts(poly_title: str = "Will it rain in Denver on May 5?") -> tuple[MarketFacts, MarketFacts]:
    common: dict[str, Any] = {
        "fees": FEES, "mirrored": True, "resolves_ns": END_NS, "close_ns": END_NS, "rules_text": "By the office.",
    }  # fmt: skip
    return (
        MarketFacts(market=KALSHI, event="E", title="Will it rain in Denver on May 5?", **common),
        MarketFacts(market=POLY, event="F", title=poly_title, currency="pUSD", **common),
    )


def world(text: str = APPROVED, known: tuple[MarketFacts, ...] | None = None) -> World:
    made = World(known or facts(), settings=SETTINGS, mapping=parse_map(text, "map.csv"))
    made.run(1)
    return made


def show(made: World, market: InstrumentId, yes: float, no: float) -> None:
    for source in (QuoteSource.STREAM, QuoteSource.POLL, QuoteSource.STREAM):
        made.now_ns += 1
        yes_ask, no_ask = ((BookLevel(round(price * 10_000), 100 * ONE),) for price in (yes, no))
        yes_bid, no_bid = ((BookLevel(round((1 - price) * 10_000), 100 * ONE),) for price in (no, yes))
        made.quote(BinaryQuote(market, made.now_ns, made.now_ns, made.now_ns, source, yes_ask, no_ask, yes_bid, no_bid))


def cross(made: World, poly_no: float = 0.50) -> None:
    """YES at Kalshi for 0.40 with NO at Polymarket: at 0.50 an edge of some six cents after fees."""
    show(made, KALSHI, 0.40, 0.62)
    show(made, POLY, 1.02 - poly_no, poly_no)
    made.run(5)


def decided(made: World) -> list[tuple[str, str]]:
    return [(row.verdict, row.reason) for row in map(DecisionRow.read, made.books_of(DECISION))]


def test_a_pair_that_a_person_approved_trades() -> None:
    made = world()
    cross(made)
    assert decided(made) == [("opened", "")]
    assert made.believed() == made.truth()
    assert (made.desk.mappings.status()["mapped"], made.desk.mappings.status()["in_force"]) == (1, 1)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        (GENERATED, None),
        (APPROVED + f"m2,{REFS},0.97,human,ann,2026-01-01\n", None),
        (APPROVED, facts("Will it rain in Denver on May 6?")),
        (APPROVED, facts("Will Boulder vote in March?")),
    ],
)
def test_what_nobody_approved_contradicts_itself_or_reads_otherwise_is_not_even_looked_at(text, known) -> None:
    made = world(text, known)
    cross(made)
    assert decided(made) == []


def test_an_edge_above_0_30_quarantines_the_mapping_and_not_only_the_trade() -> None:
    """4.8."""
    made = world()
    cross(made, poly_no=0.20)
    assert [verdict for verdict, _ in decided(made)] == ["rejected"]
    assert {found.check for found in made.desk.mappings.watch.findings()} == {Check.SANITY_EDGE}
    alerts = [found.code for found in made.commands if isinstance(found, Alert)]
    assert alerts == ["suspect_edge", "mapping_blocked"]
    cross(made)
    assert len(decided(made)) == 1


def test_an_operator_revokes_a_mapping_and_the_basket_on_it_is_left() -> None:
    """12, exit 1."""
    made = world()
    cross(made)
    (life,) = made.desk.baskets.lives.values()
    asked = {"mapping": "m1", "operator": "ann", "reason": "other rules"}
    made.feed(Operator("quarantine_mapping", asked, made.now_ns, "q1"))
    assert life.downgraded
    made.run(30)
    (end,) = map(BasketRow.read, made.books_of(BASKET))
    assert end.outcome in {"completed", "unwound"}, "sold, not waited for"
    assert made.believed() == made.truth() == {}
    cross(made)
    assert len(decided(made)) == 1
    made.feed(Operator("release_mapping", asked, made.now_ns, "q2"))
    made.feed(Operator("release_mapping", asked, made.now_ns, "q3"))
    replies = [found for found in made.commands if isinstance(found, Reply)]
    assert [reply.code for reply in replies] == [200, 200, 400]
    cross(made)
    assert len(decided(made)) == 2


def test_an_edge_that_nobody_takes_for_ten_minutes_blocks_the_mapping() -> None:
    """14.3: the desk itself cannot: its exposure gate is full, or its cash is elsewhere."""
    made = World(facts(), settings=SETTINGS, mapping=parse_map(APPROVED, "m"), usd=0.01)
    made.run(1)
    for _ in range(150):
        cross(made)
    assert Check.PERSISTENT_EDGE in {found.check for found in made.desk.mappings.watch.findings()}
    count = len(decided(made))
    cross(made)
    assert len(decided(made)) == count


def test_one_leg_that_resolves_first_does_not_make_the_desk_leave_the_other() -> None:
    made = world()
    cross(made)
    made.resolve(KALSHI, 10_000)
    made.run(120)
    (life,) = made.desk.baskets.lives.values()
    assert not life.downgraded
    made.resolve(POLY, 10_000)
    made.run(1)
    (end,) = map(BasketRow.read, made.books_of(BASKET))
    assert end.outcome == "completed"


def test_a_desk_that_comes_back_holds_the_same_against_its_mappings() -> None:
    made = world()
    cross(made, poly_no=0.20)
    state = msgspec.json.decode(msgspec.json.encode(made.desk.snapshot()))
    again = ArbDesk("arb", made.facts, made.rules, made.settings, made.mapping)
    again.restore(state)
    assert again.snapshot() == made.desk.snapshot()
    assert again.mappings.blocked == {"m1"}
