"""Baskets under random fates, books and pay-outs: positions and cash are the venues', and nothing is forgotten (arb 21.6).

A world of two markets at two venues, one of which only buys, lives through drawn quotes, faults, restarts and endings.
After every step of it the program's positions, where no order is in flight, are those of the venues.
"""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from arb_world import SECOND, Fate, World
from millrace.core.binary_events import BinaryQuote, BookLevel, QuoteSource
from millrace.core.commands import Submit
from millrace.core.events import Started
from millrace.core.fee_terms import FeeSchedule, FeeTerms
from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.execution.settings import DeskSettings, ExecutionSettings
from millrace.strategies.arb.gates.settings import GateSettings
from millrace.strategies.arb.model import MarketFacts, Proposition, Tier
from millrace.strategies.arb.rules.records import BucketRule, Label, PairRule, Provenance, Relation, RuleSet
from millrace.strategies.arb.settings import ArbSettings
from millrace.strategies.arb.telemetry.rows import BASKET, DECISION, STATE, BasketRow, DecisionRow

ONE = 1_000_000
CENT = FeeSchedule(FeeTerms(quadratic_ppm=70_000, quantum_nano=10_000_000, fill_quantum_nano=100_000))
SHARES = FeeSchedule(FeeTerms(quadratic_ppm=50_000, quantum_nano=10_000, rounds_down=True), in_shares=True)
END_NS = 36_000 * SECOND
A, B, C, D = (
    InstrumentId(venue, name) for venue, name in (("kalshi", "A"), ("poly", "B"), ("kalshi", "C"), ("poly", "D"))
)
FACTS = (
    MarketFacts(market=A, event="E", fees=CENT, resolves_ns=END_NS, lot=ONE),
    MarketFacts(market=C, event="E", fees=CENT, resolves_ns=END_NS, lot=ONE),
    MarketFacts(
        market=B, event="F", fees=SHARES, currency="pUSD", lot=10_000, min_lots=ONE, resolves_ns=END_NS, can_sell=False
    ),
    MarketFacts(market=D, event="F", fees=SHARES, currency="pUSD", lot=10_000, min_lots=ONE, resolves_ns=END_NS),
)  # fmt: skip
RULES = RuleSet(
    version="r",
    pairs=(
        PairRule(
            group_id="m1", relation=Relation.EQUIVALENT, left=Proposition(A), right=Proposition(B),
            source=Provenance.HUMAN, tier=Tier.STRICT, confidence=0.99, mapped=True, mapping_id="m1",
        ),
    ),
    buckets=(
        BucketRule(
            group_id="k1", label=Label.EXHAUSTIVE, exclusive=True, members=(Proposition(A), Proposition(C), Proposition(D))
        ),
    ),
)  # fmt: skip
SETTINGS = ArbSettings(
    gates=GateSettings(
        min_profit_usd=0.05, min_edge=0.002, moved_sec=0.01, min_quality=-5.0, min_fill=0.01, min_realized_usd=-5.0
    ),
    desk=DeskSettings(market_cooldown_sec=5.0, opportunity_cooldown_sec=5.0),
    execution=ExecutionSettings(max_repair_loss=0.1, repair_window_sec=6.0),
)
FATES = (*[Fate.WELL] * 4, Fate.REFUSED, Fate.TIMEOUT, Fate.LOST, Fate.TWICE)


def book(market, ts_ns, bid, luck):
    """A book of two levels whose best bid is given; now and then both sides together cost less than a dollar."""
    yes = bid + luck.randrange(1, 3)
    no = 100 - bid + luck.choice([-4, -2, 0, 0, 1])
    no_bid = min(100 - yes, no - 1)

    def levels(cents, step):
        sizes = luck.randrange(5, 80), luck.randrange(5, 80)
        return tuple(BookLevel((cents + at * step) * 100, size * ONE) for at, size in enumerate(sizes))

    sides = (levels(yes, 1), levels(no, 1), levels(bid, -1), levels(no_bid, -1))
    return BinaryQuote(market, ts_ns, ts_ns, ts_ns, QuoteSource.STREAM, *sides)


def show(world, luck):
    market = luck.choice([fact.market for fact in FACTS if fact.market not in world.ended])
    bid = min(max(world.bids.get(market, 32) + luck.randrange(-6, 7), 20), 45)
    world.bids[market] = bid
    world.now_ns += 1
    world.quote(book(market, world.now_ns, bid, luck))


def restart(world):
    """Die and come back from the snapshot, as after a kill between two steps."""
    state = world.engine.snapshot()
    world.build()
    world.engine.restore(state)
    assert world.engine.snapshot() == state
    world.feed(Started(restart=True, ts_ns=world.now_ns))


def settled(world):
    return not any(order for life in world.desk.baskets.lives.values() for order in life.orders)


def judged(world):
    """What must hold whenever no order is in flight."""
    if not settled(world):
        return
    assert world.believed() == world.truth()
    lives = world.desk.baskets.lives.values()
    held = {}
    for life in lives:
        for leg in life.legs:
            for outcome, lots in ((leg.outcome, leg.owned), (leg.outcome.opposite, leg.other_owned)):
                name = Proposition(leg.market, outcome).instrument
                if lots:
                    held[name] = held.get(name, 0) + lots
    assert held == world.believed()
    cash = world.desk.outcomes.cash_nano - sum(life.spent_nano for life in lives)
    assert abs(world.cash() - world.opening - cash) <= 5_000 * (1 + world.desk.trading.opened)


def lived(seed, steps):
    luck = random.Random(seed)
    fates = random.Random(seed + 1)
    world = World(FACTS, RULES, SETTINGS, fate=lambda _id, _number: fates.choice(FATES))
    world.opening = world.cash()
    world.ended, world.bids = set(), {}
    for _ in range(steps):
        chance = luck.random()
        if chance < 0.85:
            show(world, luck)
        elif chance < 0.95:
            restart(world)
        elif len(world.ended) < 3:
            market = luck.choice([fact.market for fact in FACTS if fact.market not in world.ended])
            world.ended.add(market)
            world.resolve(market, luck.choice([0, 10_000, None, 5_000]))
        world.run(luck.choice([0.1, 0.3, 1.0, 4.0, 15.0]))
        judged(world)
    return world


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_positions_and_cash_are_the_venues_through_faults_restarts_and_endings(seed):
    world = lived(seed, 60)
    world.run(90)
    for fact in FACTS:
        if fact.market not in world.ended:
            world.resolve(fact.market, 10_000)
    world.run(30)
    judged(world)
    assert settled(world)
    assert world.believed() == world.truth() == {}
    assert world.desk.baskets.lives == {}
    decided = [DecisionRow.read(found) for found in world.books_of(DECISION)]
    ends = [BasketRow.read(found) for found in world.books_of(BASKET)]
    opened = {row.basket for row in decided if row.verdict == "opened"}
    assert {row.basket.partition("/")[0] for row in ends} == opened
    assert len({row.decision_id for row in decided}) == len(decided)
    assert sum(row.simulated_nano for row in ends) == world.desk.outcomes.cash_nano
    sent = [command.order.key for command in world.commands if isinstance(command, Submit)]
    assert len(sent) == len(set(sent))


def test_the_worlds_reach_what_they_are_for():
    """Without baskets that are whole, given up, put right and left early the test above would show little."""
    states, purposes = set(), set()
    for seed in range(15):
        world = lived(seed, 60)
        states |= {found.values["state"] for found in world.books_of(STATE)}
        purposes |= {command.order.order.purpose for command in world.commands if isinstance(command, Submit)}
    assert states >= {"working", "hedged", "repairing", "completed", "abandoned"}
    assert purposes >= {"leg", "complete", "exit"}
