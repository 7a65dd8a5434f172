"""Dirty feeds restrict their venue, and no leg leaves on a book that is not accepted at that moment (runtime 2.2)."""

import pytest

from feeds import NOON, RAIN, SECOND, book, outcome_facts, seconds
from guard_floor import Trader
from millrace.core.binary_events import StreamBeat
from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import (
    Finish,
    LegPolicy,
    Opportunity,
    OpportunityLeg,
    Place,
    Plan,
    Refuse,
    Side,
    Style,
    Submit,
)
from millrace.core.engine import Engine
from millrace.core.events import BalanceReport, OrderAccepted, OrderProgress, Print, Timer
from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.instrument import InstrumentId, Outcome
from millrace.core.permission import Level
from millrace.market.firewall_settings import FirewallSettings
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.risk.feed_guard import FeedGuard
from millrace.venues.kraken.facts import instrument_facts

DOGE = instrument_facts("kraken:DOGE/USD")
FAR = InstrumentId("polymarket", "RAIN")
FACTS = (DOGE, *(outcome_facts(market, outcome) for market in (RAIN, FAR) for outcome in Outcome))
YES, NO = FACTS[1], FACTS[4]
RULES = FirewallSettings()


class Desk:
    """A trader with money at three venues behind an engine whose only guard is the firewall's."""

    def __init__(self):
        self.now_ns = NOON
        self._build()
        for venue in ("kraken", "kalshi", "polymarket"):
            self.engine.step(BalanceReport(venue, {"USD": (10**15, 0)}, NOON))

    def _build(self):
        market = MarketView(RULES)
        self.firewall = market.firewall
        self.trader, self.board = Trader("arb"), RestrictionBoard()
        orders = OrderTable(ClientIds("t", ("arb",)))
        guards = (FeedGuard(market.firewall, RULES),)
        self.engine = Engine(FACTS, (self.trader,), market, orders, Account(), self.board, guards)

    def restart(self):
        saved = encode_state(self.engine.snapshot())
        self._build()
        self.engine.restore(decode_state(saved))
        assert encode_state(self.engine.snapshot()) == saved

    def step(self, event):
        made = self.engine.step(event)
        assert self.engine.fault is None, self.engine.fault
        return made

    def prints(self, count, bad, at):
        """`count` prints within a second from `at` on, the first `bad` of them impossible."""
        made = []
        for index in range(count):
            ticks = 0 if index < bad else 1_700_000
            made += self.step(Print(DOGE.id, seconds(at) + index, ticks, 1))
        return made

    def wait_until(self, at):
        made, end_ns = [], seconds(at)
        while (due_ns := self.engine.interest().deadline_ns) is not None and due_ns <= end_ns:
            made += self.step(Timer(due_ns))
        return made

    def level(self, venue="kraken"):
        instrument = DOGE.id if venue == "kraken" else YES.id
        standing = self.board.standing("arb", instrument)
        return standing.level, standing.multiplier if standing.level is Level.CAUTION else 1.0

    def want(self, intent, at):
        self.trader.wants = [intent]
        return self.step(Timer(seconds(at)))


def leg(facts, ticks, key="k1", style=Style.IOC, side=Side.BUY, reduces=False):
    position = SubPosition("arb", facts.id, "intra/F/b1", "A")
    return Place(facts.id, side, CONTRACT_LOTS, ticks, style, position, reduces, key, "test")


OPEN, HALVED, HALTED = (Level.OPEN, 1.0), (Level.CAUTION, 0.5), (Level.HALT, 1.0)


@pytest.mark.parametrize(
    ("count", "bad", "standing"),
    [(199, 150, OPEN), (200, 40, OPEN), (205, 42, HALVED), (204, 102, HALVED), (205, 104, HALTED)],
)
def test_2_2_a_fifth_halves_and_a_half_halts_from_200_observations_on(count, bad, standing):
    desk = Desk()
    good = [Print(DOGE.id, seconds(1) + index, 1_700_000, 1) for index in range(count - bad)]
    rubbish = [Print(DOGE.id, seconds(2) + index, 0, 1) for index in range(bad)]
    for event in (*good, *rubbish):
        desk.step(event)
    assert desk.level() == standing
    assert desk.level("kalshi") == OPEN, "another venue's feed is another matter"


def test_2_2_what_is_older_than_half_a_minute_does_not_count():
    desk = Desk()
    desk.prints(300, 0, 0)
    desk.prints(150, 150, 40)
    assert desk.level() == OPEN, "150 are fewer than 200"
    desk.prints(60, 60, 41)
    assert desk.level() == HALTED


def test_2_2_it_is_lifted_after_a_minute_of_clean_data_and_silence_is_not_clean():
    desk = Desk()
    desk.prints(300, 290, 0)
    assert desk.level() == HALTED
    desk.wait_until(120)
    assert desk.level() == HALTED, "nothing came, so nothing was measured"
    for at in range(120, 185, 2):
        desk.wait_until(at)
        desk.prints(10, 0, at)
    desk.wait_until(184)
    assert desk.level() == HALTED
    desk.prints(10, 0, 185)
    made = desk.wait_until(186)
    assert desk.level() == OPEN
    assert [command.code for command in made if hasattr(command, "code")] == ["feed_clean"]
    assert desk.engine.interest().deadline_ns is None, "nobody is woken for nothing"


def test_2_2_five_per_cent_are_not_clean_enough():
    desk = Desk()
    desk.prints(300, 290, 0)
    for at in range(40, 140, 2):
        desk.wait_until(at)
        desk.prints(20, 1, at)
    assert desk.level() == HALTED


def test_2_2_a_restart_forgets_nothing():
    desk = Desk()
    desk.prints(300, 290, 0)
    desk.restart()
    assert desk.level() == HALTED
    for at in range(40, 105, 5):
        desk.wait_until(at)
        desk.prints(10, 0, at)
    desk.wait_until(105)
    assert desk.level() == OPEN
    assert desk.engine.guards[0].status(desk.engine)["kraken"]["reasons"]["price_out_of_range"] == 290


def test_an_order_on_an_outcome_leaves_only_on_an_accepted_book():
    desk = Desk()
    assert desk.want(leg(YES, 4_000), 0) == [Refuse("k1", ("quote_state",))], "no book was ever seen"
    desk.step(book(at=1))
    assert isinstance(desk.want(leg(YES, 4_000, "k2"), 1.5)[0], Submit)
    assert desk.want(leg(YES, 4_000, "k3"), 3.5) == [Refuse("k3", ("quote_state",))], "the feed went silent"
    desk.step(StreamBeat("kalshi", seconds(3.6)))
    assert desk.want(leg(YES, 3_900, "k4"), 3.7) == [Refuse("k4", ("quote_state",))], "its price is gone"
    resting = leg(YES, 3_900, "k5", Style.POST_ONLY)
    assert isinstance(desk.want(resting, 3.8)[0], Submit), "one that rests needs no price that is there"
    desk.step(book(at=4, version=2, yes=58, no=58))
    assert desk.want(leg(YES, 5_800, "k6"), 4.1) == [Refuse("k6", ("quote_state",))], "the newest book is rejected"


def test_an_order_that_reduces_leaves_whatever_the_book_is_like():
    desk = Desk()
    desk.step(book(at=1))
    [submit] = desk.want(leg(YES, 4_000, "k1"), 1.1)
    client_id = submit.order.client_id
    desk.step(OrderAccepted(client_id, "V1", seconds(1.2)))
    desk.step(OrderProgress(client_id, CONTRACT_LOTS, 400_000_000, 0, seconds(1.3)))
    [out] = desk.want(leg(YES, 100, "k2", side=Side.SELL, reduces=True), 60)
    assert isinstance(out, Submit), "a way out is never closed by bad data"


def test_a_leg_that_leaves_later_passes_the_gate_again():
    desk = Desk()
    desk.step(book(at=0))
    desk.step(book(at=0, market=FAR))
    first, second = leg(YES, 4_000, "A"), leg(NO, 6_200, "B")
    legs = tuple(OpportunityLeg(facts.id, "buy") for facts in (YES, NO))
    policy = LegPolicy(finish=Finish.HOLD, hardness=(2.0, 1.0))
    plan = Plan(Opportunity("cross", legs, "taker"), (first, second), policy)
    [submit] = [command for command in desk.want(plan, 0.1) if isinstance(command, Submit)]
    assert submit.order.order.instrument == YES.id, "the harder venue first"
    desk.step(book(at=0.2, market=FAR, version=2, yes=58, no=58))
    client_id = submit.order.client_id
    desk.step(OrderAccepted(client_id, "V1", seconds(0.3)))
    made = desk.step(OrderProgress(client_id, CONTRACT_LOTS, 400_000_000, 0, seconds(0.4)))
    assert [command.reasons for command in made if isinstance(command, Refuse)] == [("quote_state",)]
    assert not [command for command in made if isinstance(command, Submit)]


def test_a_plan_one_of_whose_legs_may_not_be_traded_does_not_begin():
    desk = Desk()
    desk.step(book(at=0))
    legs = tuple(OpportunityLeg(facts.id, "buy") for facts in (YES, NO))
    plan = Plan(Opportunity("cross", legs, "taker"), (leg(YES, 4_000, "A"), leg(NO, 6_200, "B")))
    assert [command.reasons for command in desk.want(plan, 0.1)] == [("quote_state",)]


def test_what_is_not_accepted_reaches_no_strategy():
    desk, seen = Desk(), []
    desk.trader.decide = lambda event, view: seen.append(event) or []
    for event in (
        book(at=0),
        book(at=0.5, version=2, yes=58, no=58),
        book(at=1, version=3, yes=20, no=82, yes_bid=18, no_bid=80),
    ):
        desk.step(event)
    assert [event.version for event in seen] == [1]
    assert desk.engine.book(RAIN).version == 1
    assert desk.engine.now_ns == NOON + SECOND
