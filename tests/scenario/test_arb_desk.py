"""The desk through the real engine and simulated venues: what it finds it trades, and what fails it puts right."""

from typing import Any

import pytest
from msgspec import structs

from arb_world import SECOND, Fate, World
from millrace.core.binary_events import BinaryQuote, BookLevel, QuoteSource
from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import Alert, Submit
from millrace.core.events import Operator, Started
from millrace.core.fee_terms import FeeSchedule, FeeTerms
from millrace.core.instrument import InstrumentId, Outcome
from millrace.core.permission import Level
from millrace.core.strategy import Interest
from millrace.strategies.arb.combo.settings import ComboSettings
from millrace.strategies.arb.execution.basket import State
from millrace.strategies.arb.execution.settings import DeskSettings, ExecutionSettings
from millrace.strategies.arb.gates.settings import GateSettings
from millrace.strategies.arb.holding.settings import HoldingSettings
from millrace.strategies.arb.model import MarketFacts, Proposition, Style, Tier
from millrace.strategies.arb.rules.records import NO_RULES, PairRule, Provenance, Relation, RuleSet
from millrace.strategies.arb.settings import ArbSettings
from millrace.strategies.arb.telemetry.rows import BASKET, DECISION, STATE, BasketRow, DecisionRow

ONE = 1_000_000
KALSHI = InstrumentId("kalshi", "A")
POLY = InstrumentId("polymarket", "B")
CENT = FeeSchedule(FeeTerms(quadratic_ppm=70_000, quantum_nano=10_000_000, fill_quantum_nano=100_000))
SHARES = FeeSchedule(FeeTerms(quadratic_ppm=50_000, quantum_nano=10_000, rounds_down=True), in_shares=True)
OPEN = InstrumentId("kalshi", "OPEN")
END_NS = 36_000 * SECOND
FACTS = (
    MarketFacts(market=KALSHI, event="E", fees=CENT, mirrored=True, resolves_ns=END_NS),
    MarketFacts(
        market=POLY, event="F", fees=SHARES, currency="pUSD", lot=10_000, min_lots=ONE, mirrored=True,
        resolves_ns=END_NS,
    ),
)  # fmt: skip
UNMIRRORED = MarketFacts(market=OPEN, event="G", fees=CENT, resolves_ns=END_NS)
PAIR = RuleSet(
    version="pair",
    pairs=(
        PairRule(
            group_id="m1", relation=Relation.EQUIVALENT, left=Proposition(KALSHI), right=Proposition(POLY),
            source=Provenance.HUMAN, tier=Tier.STRICT, confidence=0.99, mapped=True, mapping_id="m1",
        ),
    ),
)  # fmt: skip
EASY = ArbSettings(gates=GateSettings(min_profit_usd=0.1), desk=DeskSettings(market_cooldown_sec=60.0))


def book(market: InstrumentId, ts_ns: int, yes: float, no: float, size: float = 100, source=QuoteSource.POLL) -> Any:
    """A book of one level a side, asks in dollars; mirrored unless both sides together cost less than a dollar."""

    def level(price: float) -> tuple[BookLevel, ...]:
        return (BookLevel(round(price * 10_000), round(size * ONE)),)

    asks = (level(yes), level(no))
    crossed = yes + no < 1
    bids = (level(yes - 0.02), level(no - 0.02)) if crossed else (level(1 - no), level(1 - yes))
    return BinaryQuote(market, ts_ns, ts_ns, ts_ns, source, *asks, *bids)


def show(world: World, market: InstrumentId, yes: float, no: float, size: float = 100) -> None:
    """Stream a book; a jump is confirmed by a poll, as the firewall wants it."""
    for source in (QuoteSource.STREAM, QuoteSource.POLL, QuoteSource.STREAM):
        world.now_ns += 1
        world.quote(book(market, world.now_ns, yes, no, size, source))


def rows(world: World) -> list[DecisionRow]:
    return [DecisionRow.read(found) for found in world.books_of(DECISION)]


def ended(world: World) -> list[BasketRow]:
    return [BasketRow.read(found) for found in world.books_of(BASKET)]


def states(world: World) -> list[str]:
    return [found.values["state"] for found in world.books_of(STATE)]


def check(world: World) -> None:
    """Positions are the venue's, the ledger's cash is the venue's, and every end has its row."""
    assert world.believed() == world.truth()
    ledger = sum(world.ledger.cash("arb").values())
    spent = {"kalshi": 0, "polymarket": 0}
    assert spent is not None
    assert world.cash() - world.opening == pytest.approx(nano(world, ledger), abs=2_000)
    for found in rows(world):
        assert (found.verdict == "opened") == bool(found.basket)


def nano(world: World, ledger: int) -> int:
    """The ledger's cash by group, each in its own currency, as nano-dollars."""
    del ledger
    total = 0
    for position_cash in (
        world.desk.outcomes.cash_nano,
        *(-life.spent_nano for life in world.desk.baskets.lives.values()),
    ):
        total += position_cash
    return total


def opened(*facts: MarketFacts, rules: RuleSet = PAIR, settings: ArbSettings = EASY, **more: Any) -> World:
    world = World(facts or FACTS, rules, settings, **more)
    world.opening = world.cash()
    world.run(1)
    return world


def test_an_intra_basket_is_bought_nets_at_the_venue_and_its_cash_is_the_ledgers():
    world = opened(UNMIRRORED, rules=NO_RULES)
    show(world, OPEN, 0.45, 0.48)
    world.run(5)
    (row,) = rows(world)
    assert (row.verdict, row.lane, row.reason) == ("opened", "intra", "")
    assert [leg.data for leg in row.legs] == ["accept", "accept"]
    (end,) = ended(world)
    assert end.outcome == "completed"
    assert end.realised_nano is None
    assert end.simulated_nano == world.cash() - world.opening > 0
    assert world.believed() == world.truth() == {}
    assert states(world) == ["working", "hedged", "completed"]
    assert nano(world, 0) == sum(world.ledger.cash("arb").values()) == end.simulated_nano


def test_nothing_to_look_at_wakes_nobody():
    world = opened(settings=structs.replace(EASY, combo=ComboSettings(reporting=False)))
    show(world, KALSHI, 0.52, 0.50)
    show(world, POLY, 0.52, 0.50)
    assert world.engine.interest().deadline_ns is None
    assert rows(world) == []


def cross(world: World, size: float = 100) -> None:
    show(world, KALSHI, 0.40, 0.62, size)
    show(world, POLY, 0.52, 0.50, size)


def test_a_cross_basket_is_held_until_both_markets_pay():
    world = opened()
    cross(world)
    world.run(5)
    (row,) = rows(world)
    assert (row.verdict, row.lane) == ("opened", "cross")
    assert 0.01 < row.on_cost < row.on_cost_per_year
    (life,) = world.desk.baskets.lives.values()
    assert life.state is State.HEDGED
    assert life.full - life.matched <= world.desk.baskets.tolerance(life)
    check(world)
    world.resolve(KALSHI, 10_000)
    world.run(1)
    assert ended(world) == []
    world.resolve(POLY, 10_000)
    world.run(1)
    (end,) = ended(world)
    assert (end.outcome, end.diverged) == ("completed", False)
    assert end.simulated_nano == pytest.approx(world.cash() - world.opening, abs=2_000)
    check(world)


def sent(world: World) -> list[str]:
    return [command.order.client_id for command in world.commands if isinstance(command, Submit)]


def test_what_a_fill_cost_beyond_its_plan_is_learned_once():
    """W-18: signed, in dollars per contract, from every fill of a taker, also of baskets that ended otherwise."""
    world = opened()
    cross(world)
    world.run(5)
    learned = world.desk.judge.impact.snapshot()["fills"]
    assert {name: len(fills) for name, fills in learned.items()} == {
        "kalshi|cross_parity": 1, "polymarket|cross_parity": 1,
    }  # fmt: skip
    for market in (KALSHI, POLY):
        world.resolve(market, 10_000)
    world.run(1)
    assert [end.outcome for end in ended(world)] == ["completed"]
    assert world.desk.judge.impact.snapshot()["fills"] == learned


def test_a_recommended_exit_closes_nothing_before_its_orders_fill():
    """W-27: what the venue refuses is held on, and asked for again."""
    well = [True]
    world = opened(fate=lambda _id, _number: Fate.WELL if well[0] else Fate.REFUSED)
    cross(world)
    world.run(5)
    (life,) = world.desk.baskets.lives.values()
    held, orders = world.truth(), len(sent(world))
    well[0], life.downgraded = False, True
    world.run(12)
    assert (life.closing, life.state, life.key in world.desk.baskets.lives) == ("downgrade", State.HEDGED, True)
    assert len(sent(world)) > orders + 2
    assert world.truth() == world.believed() == held
    assert ended(world) == []
    well[0] = True
    world.run(12)
    assert sum(world.truth().values()) < ONE // 100, "what is left is less than any order"
    check(world)


def test_names_of_orders_hold_no_time():
    """W-28: a minute later, on the other side of a cooldown's bucket, the same intent has the same names."""
    early, late = opened(), opened()
    late.run(59.95)
    for world in (early, late):
        cross(world)
        world.run(5)
    assert sent(early) == sent(late) != []
    assert rows(early)[0].opportunity == rows(late)[0].opportunity


def test_legs_that_resolve_apart_are_a_divergence():
    world = opened()
    cross(world)
    world.run(5)
    world.resolve(KALSHI, 0)
    world.resolve(POLY, 10_000)
    world.run(1)
    (end,) = ended(world)
    assert end.diverged
    assert end.simulated_nano < 0
    assert [found.code for found in world.commands if isinstance(found, Alert)] == ["divergence"]


@pytest.mark.parametrize("fate", [Fate.REFUSED, Fate.TIMEOUT, Fate.LOST, Fate.TWICE])
@pytest.mark.parametrize("leg", [1, 2])
def test_whatever_happens_to_a_leg_positions_are_the_venues_and_nothing_is_left_uneven(fate, leg):
    world = opened(fate=lambda _id, number: fate if number == leg else Fate.WELL)
    cross(world)
    world.run(60)
    check(world)
    keys = [command.order.client_id for command in world.commands if isinstance(command, Submit)]
    assert len(keys) == len(set(keys))
    for life in world.desk.baskets.lives.values():
        assert not life.uneven(world.desk.baskets.tolerance(life)) or life.state is State.HELD_NAKED
    if (fate, leg) == (Fate.REFUSED, 1):
        assert [end.outcome for end in ended(world)] == ["abandoned"]


def runs_away(world: World, yes: float, no: float) -> None:
    """Let the second leg's book move while the first order is on its way."""
    world.at(world.now_ns + SECOND // 4 + 26_000_000, lambda: show(world, POLY, yes, no))


def test_a_second_leg_that_got_dearer_is_completed_where_that_costs_least():
    world = opened(settings=structs.replace(EASY, execution=ExecutionSettings(max_repair_loss=0.3)))
    cross(world)
    runs_away(world, 0.40, 0.62)
    world.run(20)
    check(world)
    assert states(world) == ["working", "repairing", "hedged"]
    (life,) = world.desk.baskets.lives.values()
    assert life.repaired
    assert life.repair_nano == pytest.approx(0.12 * 41e9, rel=0.05)


def test_what_is_held_naked_is_closed_when_its_value_has_gone():
    world = opened()
    cross(world)
    runs_away(world, 0.27, 0.75)
    world.run(45)
    check(world)
    assert world.desk.holder.counts == {"ev_stop": 1}
    assert [end.outcome for end in ended(world)] == ["naked"]


def test_a_second_leg_whose_price_ran_away_is_given_back_within_the_loss_allowed():
    generous = ExecutionSettings(max_repair_loss=0.3)
    world = opened(settings=structs.replace(EASY, execution=generous))
    cross(world)
    runs_away(world, 0.27, 0.75)
    world.run(60)
    check(world)
    assert states(world) == ["working", "repairing", "unwound"]
    (end,) = ended(world)
    assert end.outcome == "unwound"
    assert end.repair_nano > 0


def test_what_cannot_be_put_right_is_held_told_and_stops_its_lane_and_pair_of_venues():
    world = opened(settings=structs.replace(EASY, holding=HoldingSettings(look_sec=1e6)))
    cross(world)
    runs_away(world, 0.27, 0.75)
    world.run(45)
    check(world)
    (life,) = world.desk.baskets.lives.values()
    assert life.state is State.HELD_NAKED
    assert [found.code for found in world.commands if isinstance(found, Alert)] == ["leg_exposure"]
    assert world.desk.outcomes.frozen == [("kalshi", "polymarket")]
    assert next(one.ts_ns for one in world.commands if isinstance(one, Alert)) >= 30 * SECOND
    (stop,) = world.board.active()
    assert (stop.scope.name, stop.level) == ("cross", Level.REDUCE_ONLY)
    world.resolve(KALSHI, 10_000)
    world.run(1)
    (end,) = ended(world)
    assert (end.outcome, end.simulated_nano == world.cash() - world.opening) == ("naked", True)
    world.feed(Operator("acknowledge", {"operator": "me", "reason": "seen"}, world.now_ns, "q1"))
    assert (world.board.active(), world.desk.outcomes.frozen) == ([], [])


def test_a_start_with_uneven_legs_is_safe_mode_until_a_person_acknowledges():
    world = opened(fate=lambda _id, number: Fate.WELL if number == 1 else Fate.LOST)
    cross(world)
    world.run(0.5)
    state = world.engine.snapshot()
    world.build()
    world.engine.restore(state)
    assert world.engine.snapshot() == state
    world.feed(Started(restart=True, ts_ns=world.now_ns))
    position = next(iter(world.orders.positions()))
    assert world.engine.standing_of(position).level is Level.REDUCE_ONLY
    world.run(60)
    check(world)
    world.feed(Operator("acknowledge", {"operator": "me", "reason": "seen"}, world.now_ns, "q1"))
    assert "safe_mode" not in {one.id for one in world.board.active()}


def test_each_outcome_of_a_market_stays_in_one_basket():
    world = opened()
    cross(world)
    world.run(3)
    show(world, KALSHI, 0.64, 0.38)
    show(world, POLY, 0.50, 0.52)
    world.run(3)
    reasons = [row.reasons for row in rows(world) if row.verdict == "rejected"]
    assert any("opposite_held" in found for found in reasons)
    assert {leg.outcome for life in world.desk.baskets.lives.values() for leg in life.legs if leg.market == KALSHI} == {
        Outcome.YES
    }


def test_the_journal_gives_the_same_commands_again_from_every_point():
    """The process dies after each event in turn: what comes back from there ends with the same commands (arb 21.6)."""
    world = opened(fate=lambda _id, number: Fate.TIMEOUT if number == 2 else Fate.WELL)
    cross(world)
    world.run(4)
    world.resolve(KALSHI, 10_000)
    world.resolve(POLY, 10_000)
    world.run(1)
    assert [end.outcome for end in ended(world)] == ["completed"]
    events, want = world.journal, world.engine.command_hash
    world.build()
    snapshots = []
    for event in events:
        snapshots.append(world.engine.snapshot())
        world.engine.step(event)
    assert world.engine.command_hash == want
    for at, state in enumerate(snapshots):
        world.build()
        world.engine.restore(decode_state(encode_state(state)))
        for event in events[at:]:
            world.engine.step(event)
        assert world.engine.command_hash == want


def test_a_start_that_is_told_twice_changes_nothing_the_second_time():
    world = opened(fate=lambda _id, number: Fate.WELL if number == 1 else Fate.LOST)
    cross(world)
    world.run(0.5)
    world.feed(Started(restart=True, ts_ns=world.now_ns))
    before, positions, baskets = world.board.active(), world.orders.positions(), world.desk.baskets.snapshot()
    made = world.feed(Started(restart=True, ts_ns=world.now_ns))
    assert not [command for command in made if isinstance(command, Submit)]
    assert (world.board.active(), world.orders.positions(), world.desk.baskets.snapshot()) == (
        before,
        positions,
        baskets,
    )
    assert before[0].reason.value == "leg_exposure"


def test_a_lane_that_is_paused_opens_nothing_and_says_so():
    world = opened()
    world.feed(Operator("pause_lane", {"lane": "cross", "reason": "looking"}, world.now_ns, "q1"))
    cross(world)
    world.run(3)
    (row,) = rows(world)
    assert (row.verdict, row.reason) == ("rejected", "paused")
    world.feed(Operator("resume_lane", {"lane": "cross"}, world.now_ns, "q2"))
    show(world, KALSHI, 0.40, 0.62)
    world.run(3)
    assert [row.verdict for row in rows(world)] == ["rejected", "opened"]


@pytest.mark.parametrize(
    ("objections", "reasons"),
    [
        (("worst_case_exceeds_loss_cap",), "paused,worst_case_exceeds_loss_cap"),
        (("quote_state",), "quote_state"),
        (("worst_case_exceeds_loss_cap", "quote_state"), "quote_state,worst_case_exceeds_loss_cap"),
    ],
)
def test_a_plan_that_a_guard_refuses_is_one_rejected_row_and_no_basket(objections, reasons):
    class Never:
        name = "never"
        reads: tuple[type, ...] = ()

        def objections(self, places: Any, view: Any) -> tuple[str, ...]:
            return objections if len(places) > 1 else ()

        def interest(self) -> Interest:
            return Interest()

    world = opened()
    world.engine.guards = (Never(),)
    cross(world)
    world.run(3)
    (row,) = rows(world)
    assert (row.verdict, row.basket, row.reason) == ("rejected", "", reasons.partition(",")[0])
    assert row.reasons == reasons
    assert world.desk.baskets.lives == {}
    assert (world.desk.trading.opened, len(world.desk.judge.exposure.claims)) == (0, 0)
    assert not [command for command in world.commands if isinstance(command, Submit)]


def as_maker(world: World) -> None:
    """Let the first leg of whatever is decided rest a cent below the ask."""
    decide = world.desk.judge.decide

    def resting(basket: Any, context: Any, *, rests: bool = True) -> Any:
        found = decide(basket, context, rests=rests)
        if not rests:
            return found
        first, *others = found.basket.legs
        maker = first._replace(style=Style.MAKER, limit_ticks=first.limit_ticks - 100)
        return structs.replace(found, basket=structs.replace(found.basket, legs=(maker, *others)))

    world.desk.judge.decide = resting  # type: ignore[method-assign]


def test_a_maker_leg_goes_first_and_takers_follow_its_part_fill_for_what_it_filled():
    world = opened()
    as_maker(world)
    cross(world)
    world.run(1)
    (sent,) = [command.order.order for command in world.commands if isinstance(command, Submit)]
    assert (sent.style.value, sent.limit_ticks, sent.instrument.symbol) == ("post_only", 3_900, "A/YES")
    show(world, KALSHI, 0.38, 0.64, 12)
    world.run(1)
    (life,) = world.desk.baskets.lives.values()
    taken = life.legs[0].held
    assert 0 < taken < life.lots
    assert abs(life.legs[1].held - taken) <= world.desk.baskets.tolerance(life)
    world.run(10)
    check(world)
    posted = [
        (command.order.order.key, command.order.order.style.value)
        for command in world.commands
        if isinstance(command, Submit)
    ]
    assert [style for _, style in posted].count("post_only") <= 2
    assert not life.uneven(world.desk.baskets.tolerance(life))
    assert life.state is State.HEDGED


def styles(world: World) -> list[str]:
    return [command.order.order.style.value for command in world.commands if isinstance(command, Submit)]


def test_7_5_a_maker_leg_that_nobody_meets_is_posted_twice_and_then_the_basket_is_taken():
    world = opened()
    as_maker(world)
    cross(world)
    world.run(9)
    posted = [command.order.order for command in world.commands if isinstance(command, Submit)]
    assert styles(world) == ["post_only", "post_only"]
    assert posted[1].limit_ticks <= posted[0].limit_ticks
    cross(world)
    world.run(11)
    assert styles(world) == ["post_only", "post_only", "ioc", "ioc"]
    (life,) = world.desk.baskets.lives.values()
    row, *_ = rows(world)
    assert (life.state, life.matched > 0, row.style) == (State.HEDGED, True, "mt")
    assert [other.verdict for other in rows(world)].count("opened") == 1
    assert life.lots <= row.lots
    assert [leg.style for leg in life.legs] == [Style.TAKER, Style.TAKER]
    assert list(world.desk.judge.exposure.claims) == [life.key]
    check(world)
    for market in (KALSHI, POLY):
        world.resolve(market, 10_000)
    world.run(1)
    (end,) = ended(world)
    assert end.outcome == "completed"
    assert end.simulated_nano == world.cash() - world.opening
    # What was planned is what takers pay, so that nothing was saved and nothing slipped.
    assert abs(end.slippage_nano) < 20_000_000


@pytest.mark.parametrize("later", [(0.44, 0.58), None])
def test_7_5_where_nothing_is_left_for_takers_it_is_given_up_without_a_trade(later):
    """W-15: a maker that was not met is no reason to take at any price, or on a book that is not to be traded on."""
    world = opened()
    as_maker(world)
    cross(world)
    world.run(9)
    if later is None:
        world.desk.judge.rules_changed(NO_RULES)
        world.feed(Operator("pause_lane", {"lane": "cross"}, world.now_ns, "q1"))
    else:
        show(world, KALSHI, *later)
        show(world, POLY, 0.52, 0.57)
    world.run(11)
    assert styles(world) == ["post_only", "post_only"]
    assert [end.outcome for end in ended(world)] == ["abandoned"]
    assert world.truth() == {}
    check(world)


def test_a_frozen_pair_of_venues_opens_nothing():
    world = opened()
    world.desk.outcomes.frozen.append(("kalshi", "polymarket"))
    cross(world)
    world.run(3)
    (row,) = rows(world)
    assert (row.verdict, row.reason) == ("rejected", "lane_not_ready")


def test_a_second_posting_that_is_refused_leaves_its_decision_as_it_was():
    world = opened()
    as_maker(world)
    cross(world)
    world.run(1)
    world.feed(Operator("pause_lane", {"lane": "cross"}, world.now_ns, "q1"))
    world.run(20)
    assert [row.verdict for row in rows(world)] == ["opened"]
    assert [end.outcome for end in ended(world)] == ["abandoned"]
    check(world)
