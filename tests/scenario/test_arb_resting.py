"""The desk with trades of others: it rests where that is worth more, fills in the queue, hedges, and learns (arb 7)."""

from typing import Any

import pytest
from msgspec import structs
from test_arb_desk import EASY, FACTS, KALSHI, ONE, PAIR, POLY, check, cross, opened, rows, show

from arb_world import SECOND, Fate, World
from millrace.core.binary_events import StreamReset
from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import CancelOrder, Submit
from millrace.core.events import Print, Started
from millrace.core.instrument import InstrumentId, Outcome, outcome_id
from millrace.core.permission import Level, Scope, ScopeKind
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.execution.basket import State
from millrace.strategies.arb.execution.counting import edge_ticks
from millrace.strategies.arb.model import Proposition, Style
from millrace.strategies.arb.outcomes import safe_mode
from millrace.strategies.arb.telemetry.rows import REST, RestRow

KNOWS = structs.replace(EASY, economics=EconomicsSettings(arrival_least_sec=20.0))
YES = outcome_id(KALSHI, Outcome.YES)


def trade(world: World, contracts: float, ticks: int = 3_800, *, to_program: bool = True) -> None:
    """Somebody sells YES at kalshi."""
    world.now_ns += 1
    event = Print(YES, world.now_ns, ticks, round(contracts * ONE), True)
    world._deliver(world.venues["kalshi"].on_trade(event))
    if to_program:
        world.feed(event)


def busy(settings=KNOWS, **more: Any) -> World:
    """A world in which thirty contracts a second are sold at kalshi's bid, and everybody knows it."""
    world = opened(settings=settings, **more)
    for _ in range(30):
        show(world, KALSHI, 0.40, 0.62)
        trade(world, 30)
        world.run(1)
    return world


def sent(world: World) -> list[Any]:
    return [command.order.order for command in world.commands if isinstance(command, Submit)]


def rests(world: World) -> list[RestRow]:
    return [RestRow.read(found) for found in world.books_of(REST)]


def begun(**more: Any) -> World:
    """A busy world whose desk has just posted its maker leg."""
    world = busy(**more)
    cross(world)
    world.run(0.5)
    (order,) = sent(world)
    assert (order.style.value, order.instrument) == ("post_only", YES)
    return world


def test_7_5_a_leg_rests_where_enough_trades_and_takes_where_nobody_knows():
    world = begun()
    (row,) = rows(world)
    assert (row.verdict, row.style) == ("opened", "mt")
    (life,) = world.desk.baskets.lives.values()
    assert [leg.style for leg in life.legs] == [Style.MAKER, Style.TAKER]
    unknown = opened(settings=KNOWS)
    cross(unknown)
    unknown.run(0.5)
    assert {order.style.value for order in sent(unknown)} == {"ioc"}


def test_makers_can_be_switched_off():
    off = structs.replace(KNOWS, economics=structs.replace(KNOWS.economics, makers=False))
    world = busy(settings=off)
    cross(world)
    world.run(1)
    assert {order.style.value for order in sent(world)} == {"ioc"}


def test_7_6_the_takers_follow_each_part_of_the_fill():
    world = begun()
    (life,) = world.desk.baskets.lives.values()
    trade(world, 10)
    world.run(0.3)
    assert life.legs[0].held == 10 * ONE
    assert abs(life.legs[1].held - 10 * ONE) <= world.desk.baskets.tolerance(life)
    trade(world, 100)
    world.run(1)
    assert (life.state, life.legs[0].held) == (State.HEDGED, life.lots)
    assert life.full - life.matched <= world.desk.baskets.tolerance(life)
    assert [order.style.value for order in sent(world)] == ["post_only", "ioc", "ioc"]
    check(world)


def test_7_5_a_part_fill_gives_it_three_seconds_more_and_no_longer():
    world = begun()
    (life,) = world.desk.baskets.lives.values()
    began_ns = life.opened_ns
    world.run(4)
    trade(world, 5)
    world.run(2.2)
    (order,) = world.venues["kalshi"].open_orders()
    assert order.cum_lots == 5 * ONE
    world.run(1.2)
    # The first attempt has ended three seconds after the fill, and the second one rests for what is left.
    posted = [order for order in sent(world) if order.style.value == "post_only"]
    assert [order.lots for order in posted] == [life.lots, life.lots - 5 * ONE]
    assert world.now_ns - began_ns < 9 * SECOND
    check(world)


def test_7_4_what_a_fill_lost_is_measured_after_5_and_60_seconds_and_told_in_a_row():
    world = begun()
    trade(world, 200)
    world.run(1)
    show(world, KALSHI, 0.38, 0.64)
    world.run(10)
    show(world, KALSHI, 0.36, 0.66)
    assert rests(world) == []
    world.run(60)
    (row,) = rests(world)
    assert (row.filled_lots, row.refused, row.basket) == (row.lots, False, "b1")
    assert row.forecast == pytest.approx(0.4 * 0.01)
    assert row.soon == pytest.approx(0.02)
    assert row.late == pytest.approx(0.04)
    assert row.chance > 0.3
    # One fill beside a prior of twenty: (20 * 0.4 * 0.01 + 0.04) / 21.
    family = "kalshi|"
    assert world.desk.judge.marks.expected(family, 0.01) == pytest.approx(0.12 / 21)


def test_an_attempt_that_nobody_meets_leaves_a_row_with_its_chance_and_nothing_else():
    world = begun()
    world.run(8)
    (row, *_) = rests(world)
    assert (row.filled_lots, row.forecast, row.soon, row.late) == (0, None, None, None)
    assert row.ended_ns - row.placed_ns == pytest.approx(5 * SECOND, abs=SECOND)


def test_a_leg_whose_book_turned_before_it_arrived_is_refused_and_the_basket_goes_on():
    world = busy()
    cross(world)
    world.run(0.26)
    world.quote(structs.replace(world.books[KALSHI], yes_asks=world.books[KALSHI].yes_bids, version=world.now_ns),
                to_program=False)  # fmt: skip
    world.run(1)
    assert any(row.refused for row in rests(world))
    world.run(30)
    check(world)


def test_11_5_a_maker_filled_and_the_other_leg_gone_is_repaired_by_the_rules_that_are_there():
    world = begun()
    world.venues["polymarket"].on_book(
        structs.replace(world.books[POLY], ts_ns=world.now_ns, yes_asks=(), no_asks=(), yes_bids=(), no_bids=())
    )
    trade(world, 200)
    world.run(0.5)
    show(world, POLY, 0.40, 0.66)
    world.run(40)
    (life,) = world.desk.baskets.lives.values()
    assert life.repaired or life.was_naked
    assert life.state in {State.HEDGED, State.UNWOUND, State.HELD_NAKED}
    check(world)


@pytest.mark.parametrize("fate", [Fate.TIMEOUT, Fate.TWICE, Fate.LOST])
def test_an_answer_that_goes_astray_changes_no_money(fate):
    world = busy(fate=lambda _id, number: fate if number == 1 else Fate.WELL)
    cross(world)
    world.run(0.5)
    trade(world, 8)
    world.run(2)
    trade(world, 200)
    world.run(80)
    check(world)
    for life in world.desk.baskets.lives.values():
        assert not life.uneven(world.desk.baskets.tolerance(life))


@pytest.mark.parametrize("after", [0.01, 0.3, 2.0, 5.2])
def test_a_program_that_comes_back_in_the_middle_of_an_attempt_goes_on_with_the_same_state(after):
    world = begun()
    trade(world, 6)
    world.run(after)
    saved = decode_state(encode_state(world.engine.snapshot()))
    commands = len(world.commands)
    world.build()
    world.engine.restore(saved)
    assert encode_state(world.engine.snapshot()) == encode_state(saved)
    world.feed(Started(restart=True, ts_ns=world.now_ns))
    world.report()
    trade(world, 200)
    world.run(80)
    assert len(world.commands) > commands
    check(world)
    (life,) = world.desk.baskets.lives.values()
    assert life.matched > 0
    assert not life.uneven(world.desk.baskets.tolerance(life))


def test_the_same_events_give_the_same_commands_with_resting_legs():
    world = begun()
    trade(world, 7)
    world.run(3)
    trade(world, 60)
    world.run(70)
    again = World(world.facts, world.rules, world.settings)
    again.journal.clear()
    fresh = again.engine
    again.build()
    assert again.engine is not fresh
    for event in world.journal:
        again.engine.step(event)
    assert again.engine.command_hash == world.engine.command_hash


def test_neither_outcome_rests_while_the_basket_takes_the_other_one_of_its_market():
    """Who rests on YES and takes NO of one market would meet himself."""
    from test_arb_desk import NO_RULES, OPEN, UNMIRRORED

    world = opened(UNMIRRORED, rules=NO_RULES, settings=KNOWS)
    name = outcome_id(OPEN, Outcome.YES)
    for _ in range(30):
        show(world, OPEN, 0.46, 0.56)
        world.now_ns += 1
        world.feed(Print(name, world.now_ns, 4_400, 30 * ONE, True))
        world.run(1)
    for _ in range(2):
        show(world, OPEN, 0.45, 0.48)
        world.run(2.1)
    assert {order.style.value for order in sent(world)} == {"ioc"}


def posted(world: World) -> list[Any]:
    return [order for order in sent(world) if order.style.value == "post_only"]


def working(world: World, venue: str = "kalshi") -> list[Any]:
    return world.venues[venue].open_orders()


def test_11_2_a_leg_whose_hedge_became_dearer_than_the_edge_rests_no_longer_and_does_not_come_back():
    world = begun()
    (life,) = world.desk.baskets.lives.values()
    dearer = edge_ticks(life)
    assert dearer > 0
    show(world, POLY, 0.52, 0.51 + dearer // 100 / 100)
    world.run(0.1)
    assert not working(world)
    trade(world, 200)
    world.run(20)
    assert life.legs[0].held == 0
    assert len(posted(world)) == 1
    check(world)


def test_a_leg_rests_no_longer_than_its_hedge_has_a_book_and_what_filled_is_still_hedged():
    world = begun()
    (life,) = world.desk.baskets.lives.values()
    trade(world, 10)
    world.run(0.2)
    held = life.legs[0].held
    assert held == 10 * ONE
    world.quote(structs.replace(world.books[POLY], ts_ns=world.now_ns, version=world.now_ns + 1, no_asks=(),
                               yes_bids=()))  # fmt: skip
    world.run(0.1)
    assert not working(world)
    trade(world, 200)
    world.run(30)
    assert life.legs[0].held == held
    assert not life.uneven(world.desk.baskets.tolerance(life))
    check(world)


def test_a_leg_that_rests_is_pulled_when_only_risk_that_shrinks_is_allowed():
    world = begun()
    (life,) = world.desk.baskets.lives.values()
    world.board.post(safe_mode("arb", "a person wants to look", world.now_ns))
    show(world, KALSHI, 0.40, 0.62)
    world.run(0.1)
    assert not working(world)
    world.run(20)
    assert (len(posted(world)), life.state) == (1, State.ABANDONED)


def test_11_7_what_follows_a_part_fill_stays_set_aside_to_the_last_contract():
    world = begun()
    (life,) = world.desk.baskets.lives.values()
    taker = life.legs[1]
    trade(world, 10)
    world.run(0.3)
    assert 0 < taker.held < life.lots
    free, alone = (world.desk.trading.free_nano(world.engine, but=but)["polymarket"] for but in (None, life))
    assert alone - free == pytest.approx(taker.planned_nano * (life.lots - taker.held) / life.lots, abs=1)


@pytest.mark.parametrize("lost_ns", [SECOND, 3 * SECOND // 2])
def test_a_leg_of_an_ended_market_whose_cancels_go_astray_is_cancelled_until_it_ends(lost_ns):
    """The basket waits for the end of what rests before it is given up."""
    world = begun()
    (life,) = world.desk.baskets.lives.values()
    cancels = []
    carry_out = world.carry_out

    def lossy(command):
        if isinstance(command, CancelOrder):
            cancels.append(command)
            if len(cancels) <= 2:
                world.at(world.now_ns + lost_ns, lambda: world._ask(world.venues["kalshi"], command.client_id))
                return
        carry_out(command)

    world.carry_out = lossy
    world.resolve(POLY, 0)
    world.run(30)
    assert not working(world)
    assert len(cancels) > 2
    assert life.state is State.ABANDONED


def test_a_second_attempt_asks_for_what_is_missing_where_takers_pay_in_contracts_and_makers_nothing():
    world, name = opened(settings=KNOWS), outcome_id(POLY, Outcome.NO)
    for _ in range(30):
        show(world, POLY, 0.52, 0.50)
        world.now_ns += 1
        world.feed(Print(name, world.now_ns, 4_800, 30 * ONE, True))
        world.run(1)
    cross(world)
    world.run(8)
    (life,) = world.desk.baskets.lives.values()
    assert [(order.instrument, order.lots) for order in posted(world)] == [(name, life.lots)] * 2


def test_nothing_rests_or_is_taken_of_a_basket_whose_mapping_was_lost():
    world = begun()
    (life,) = world.desk.baskets.lives.values()
    life.downgraded = True
    world.run(0.3)
    show(world, KALSHI, 0.40, 0.62)
    world.run(0.1)
    assert not working(world)
    world.run(20)
    assert (len(sent(world)), life.state) == (1, State.ABANDONED)


def test_7_1_a_second_attempt_posts_where_a_first_one_would():
    world = begun()
    show(world, KALSHI, 0.40, 0.66)
    world.run(6)
    assert [order.limit_ticks for order in posted(world)] == [3_900, 3_800]


def test_a_leg_does_not_rest_where_its_hedge_may_not_leave():
    world = begun()
    stop = structs.replace(safe_mode("arb", "it does not answer", world.now_ns), id="outage", level=Level.HALT,
                           scope=Scope(ScopeKind.VENUE, "polymarket"))  # fmt: skip
    world.board.post(stop)
    show(world, KALSHI, 0.40, 0.62)
    world.run(0.1)
    assert not working(world)


def test_a_leg_does_not_rest_in_a_book_that_nobody_knows():
    world = begun()
    world.feed(StreamReset("kalshi", world.now_ns))
    show(world, POLY, 0.52, 0.50)
    world.run(0.1)
    assert not working(world)


def test_two_baskets_of_one_cycle_may_both_have_a_leg_that_rests():
    """What was found has its legs as takers; what was decided of it has not."""
    more = [structs.replace(fact, market=InstrumentId(fact.market.venue, f"{fact.market.symbol}2"), event=f"{fact.event}2")
            for fact in FACTS]  # fmt: skip
    sides = [Proposition(fact.market) for fact in more]
    pair = structs.replace(PAIR.pairs[0], group_id="m2", mapping_id="m2", left=sides[0], right=sides[1])
    world = opened(*FACTS, *more, rules=structs.replace(PAIR, pairs=(*PAIR.pairs, pair)), settings=KNOWS)
    for _ in range(30):
        for market in (KALSHI, more[0].market):
            show(world, market, 0.40, 0.62)
            world.now_ns += 1
            world.feed(Print(outcome_id(market, Outcome.YES), world.now_ns, 3_800, 30 * ONE, True))
        world.run(1)
    cross(world)
    show(world, more[0].market, 0.40, 0.62)
    show(world, more[1].market, 0.52, 0.50)
    world.run(0.5)
    assert {order.instrument.symbol for order in posted(world)} == {"A/YES", "A2/YES"}
    assert len({row.cycle for row in rows(world) if row.verdict == "opened"}) == 1


@pytest.mark.parametrize("smaller", [False, True])
def test_8_7_a_basket_filled_as_was_foretold_but_for_what_may_be_left_unless_it_was_made_smaller(smaller):
    world = begun()
    (life,) = world.desk.baskets.lives.values()
    ends: list[Any] = []
    learnt = world.desk.judge.ended
    world.desk.judge.ended = lambda end: (ends.append(end), learnt(end))[1]
    planned = life.lots
    show(world, KALSHI, 0.40, 0.62, 30 if smaller else 100)
    show(world, POLY, 0.52, 0.50, 30 if smaller else 100)
    if not smaller:
        trade(world, 200)
    world.run(15)
    assert life.state is State.HEDGED
    # A fee in contracts leaves some dust.
    assert life.lots - ONE < life.matched < life.lots
    assert (life.lots < planned) == smaller
    for market in (KALSHI, POLY):
        world.resolve(market, 10_000)
    world.run(1)
    assert [end.filled for end in ends] == [not smaller]
