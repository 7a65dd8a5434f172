"""Positions that become cash without an order: pay-outs and pairs taken back, through engine and ledger (arb 12)."""

from typing import Any

import pytest

from millrace.core.binary_events import MarketResolved, PairsRedeemed, RedeemRoute
from millrace.core.commands import (
    Book,
    Finish,
    LegPolicy,
    Opportunity,
    OpportunityLeg,
    OrderUpdate,
    Place,
    Plan,
    RecordClosing,
    Refuse,
    Side,
    Style,
    Submit,
)
from millrace.core.engine import Engine
from millrace.core.events import BalanceReport, OrderProgress, Started
from millrace.core.fee_terms import FeeSchedule, FeeTerms
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.instrument import InstrumentId, Outcome
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.core.strategy import Interest
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.risk.reconciliation import ReconciliationGuard
from millrace.shell.ledger_memory import MemoryLedger
from millrace.strategies.arb.listing import outcome_instruments
from millrace.strategies.arb.model import MarketFacts

MARKET = InstrumentId("kalshi", "RAIN")
FACTS = MarketFacts(market=MARKET, event="E", fees=FeeSchedule(FeeTerms(quadratic_ppm=70_000)))
YES, NO = outcome_instruments(FACTS)
CONTRACT, DOLLAR = 1_000_000, 10**9


class Buyer:
    """Wants what the test says; remembers updates."""

    name = "arb"

    def __init__(self) -> None:
        self.wanted: list[Any] = []
        self.updates: list[OrderUpdate] = []

    def series(self) -> tuple[()]:
        return ()

    def decide(self, event: Any, view: Any) -> list[Any]:
        if isinstance(event, OrderUpdate):
            self.updates.append(event)
        wanted, self.wanted = self.wanted, []
        return wanted

    def interest(self) -> Interest:
        return Interest()

    def snapshot(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass

    def status(self, view: Any) -> dict[str, Any]:
        return {}


class Desk:
    def __init__(self) -> None:
        self.buyer, self.ledger, self.board = Buyer(), MemoryLedger(), RestrictionBoard()
        self.guard = ReconciliationGuard((YES, NO))
        self.orders = OrderTable(ClientIds("test", ("arb",)))
        parts = (MarketView(), self.orders, Account(), self.board)
        self.engine = Engine((YES, NO), (self.buyer,), *parts, guards=(self.guard,))
        self.step(BalanceReport("kalshi", {"USD": (100 * DOLLAR, 0)}, 0))

    def step(self, event: Any) -> list[Any]:
        made = self.engine.step(event)
        self.ledger.commit(made)
        return made

    def want(self, *intents: Any) -> list[Any]:
        self.buyer.wanted = list(intents)
        return self.step(Started(False, 1))

    def buy(self, outcome: Outcome, contracts: int, ticks: int, group: str = "intra/f/b1", told: bool = True) -> str:
        place = leg(outcome, contracts, ticks, group)
        (submit,) = self.want(place)
        if told:
            self.fill(submit.order.client_id, contracts, ticks)
        return submit.order.client_id

    def fill(self, client_id: str, contracts: int, ticks: int, ts_ns: int = 2) -> list[Any]:
        cost = contracts * ticks * DOLLAR // 10_000
        return self.step(OrderProgress(client_id, contracts * CONTRACT, cost, 0, ts_ns))


def leg(outcome: Outcome, contracts: int, ticks: int, group: str = "intra/f/b1", **changes: Any) -> Place:
    instrument = (YES if outcome is Outcome.YES else NO).id
    position = SubPosition("arb", instrument, group, outcome.value)
    key = f"{group}/{outcome}/{contracts}/{ticks}"
    terms = {"side": Side.BUY, "reduces": False, **changes}
    side, reduces = terms.pop("side"), terms.pop("reduces")
    return Place(instrument, side, contracts * CONTRACT, ticks, Style.IOC, position, reduces, key, "leg", **terms)


def closings(made: list[Any]) -> list[RecordClosing]:
    return [command for command in made if isinstance(command, RecordClosing)]


def test_a_market_that_resolves_pays_every_sub_position_and_each_is_flat_after():
    desk = Desk()
    desk.buy(Outcome.YES, 3, 4_000)
    desk.buy(Outcome.NO, 2, 5_000)
    made = closings(desk.step(MarketResolved(MARKET, 10_000, 9, fee_per_contract=DOLLAR // 100)))
    assert [(one.position.instrument, one.lots, one.proceeds, one.fee) for one in made] == [
        (YES.id, 3 * CONTRACT, 3 * DOLLAR, 3 * DOLLAR // 100),
        (NO.id, 2 * CONTRACT, 0, 0),
    ]
    assert desk.orders.positions() == {}
    assert desk.ledger.positions() == []
    assert desk.ledger.cash("arb") == {"intra/f/b1": 3 * DOLLAR - 3 * DOLLAR // 100 - 2_200_000_000}
    assert desk.ledger.fills() == 2
    told = [update for update in desk.buyer.updates if update.client_id.startswith("closing/")]
    assert [(update.d_lots, update.d_cost, update.place.purpose) for update in told] == [
        (3 * CONTRACT, 3 * DOLLAR, "resolution"),
        (2 * CONTRACT, 0, "resolution"),
    ]
    assert closings(desk.step(MarketResolved(MARKET, 10_000, 10))) == []


def test_a_void_market_gives_each_leg_its_cost_back():
    desk = Desk()
    desk.buy(Outcome.YES, 3, 4_000)
    made = closings(desk.step(MarketResolved(MARKET, None, 9)))
    assert [(one.proceeds, one.fee) for one in made] == [(1_200_000_000, 0)]


def test_a_void_pays_what_the_venue_says_shared_by_cost():
    desk = Desk()
    desk.buy(Outcome.YES, 1, 4_000, "intra/f/b1")
    desk.buy(Outcome.YES, 1, 2_000, "intra/f/b2")
    made = closings(desk.step(MarketResolved(MARKET, None, 9, paid=500_000_001)))
    assert [one.proceeds for one in made] == [333_333_334, 166_666_667]


def test_shares_of_a_pay_out_sum_to_what_the_venue_paid():
    desk = Desk()
    for number in range(3):
        desk.buy(Outcome.YES, 1, 4_000, f"intra/f/b{number}")
    made = closings(desk.step(MarketResolved(MARKET, 3_333, 9, paid=999_900_002, fee=7)))
    assert sum(one.proceeds for one in made) == 999_900_002
    assert sum(one.fee for one in made) == 7
    wrong = Desk()
    wrong.buy(Outcome.YES, 1, 4_000)
    (made,) = closings(wrong.step(MarketResolved(MARKET, 10_000, 9, paid=5)))
    assert made.proceeds == DOLLAR


def test_pairs_taken_back_close_both_sides_within_one_basket_first():
    desk = Desk()
    desk.buy(Outcome.YES, 2, 4_000, "intra/f/b1")
    desk.buy(Outcome.YES, 5, 4_000, "intra/f/b2")
    desk.buy(Outcome.NO, 5, 5_000, "intra/f/b2")
    made = closings(desk.step(PairsRedeemed(MARKET, 5 * CONTRACT, 5 * DOLLAR, RedeemRoute.NET, 9, 1)))
    assert [(one.position.group, one.lots) for one in made] == [("intra/f/b2", 5 * CONTRACT)] * 2
    assert sum(one.proceeds for one in made) == 5 * DOLLAR
    assert list(desk.orders.positions().values()) == [2 * CONTRACT]


@pytest.mark.parametrize("yes_ticks", [10_000, 0])
def test_a_fill_heard_of_after_its_market_paid_is_closed_on_the_spot(yes_ticks):
    desk = Desk()
    client_id = desk.buy(Outcome.YES, 4, 4_000, told=False)
    assert closings(desk.step(MarketResolved(MARKET, yes_ticks, 9))) == []
    (made,) = closings(desk.fill(client_id, 4, 4_000, 11))
    assert made.proceeds == 4 * DOLLAR * yes_ticks // 10_000
    assert made.ts_ns == 11
    assert desk.orders.positions() == {}


def test_pairs_taken_back_before_their_fills_were_heard_of_are_owed_until_then():
    desk = Desk()
    yes = desk.buy(Outcome.YES, 4, 4_000, told=False)
    no = desk.buy(Outcome.NO, 4, 5_000, told=False)
    assert closings(desk.step(PairsRedeemed(MARKET, 4 * CONTRACT, 4 * DOLLAR, RedeemRoute.NET, 9, 1))) == []
    assert closings(desk.fill(yes, 4, 4_000, 10)) == []
    copy = Desk()
    copy.engine.restore(desk.engine.snapshot())
    made = closings(desk.fill(no, 4, 5_000, 11))
    assert sum(one.proceeds for one in made) == 4 * DOLLAR
    assert desk.orders.positions() == {}
    assert closings(copy.fill(no, 4, 5_000, 11)) == made


def pairs(contracts: int, number: int = 1, ts_ns: int = 12) -> PairsRedeemed:
    return PairsRedeemed(MARKET, contracts * CONTRACT, contracts * DOLLAR, RedeemRoute.NET, ts_ns, number)


def test_pairs_of_which_we_hear_after_a_void_bring_their_dollars_and_only_once():
    """The venue had netted them, so it paid nothing for the void: not their cost, and not nothing, but a dollar each."""
    desk = Desk()
    desk.buy(Outcome.YES, 3, 4_000)
    desk.buy(Outcome.NO, 3, 5_000)
    made = closings(desk.step(MarketResolved(MARKET, None, 9, paid=0)))
    assert [one.proceeds for one in made] == [0, 0]
    assert desk.orders.positions() == {}
    assert not desk.orders.knows(pairs(3))
    copy = Desk()
    copy.engine.restore(desk.engine.snapshot())
    made = closings(desk.step(pairs(3)))
    assert [(one.position.instrument, one.lots, one.proceeds, one.route) for one in made] == [
        (YES.id, 0, 3 * DOLLAR // 2, RedeemRoute.NET),
        (NO.id, 0, 3 * DOLLAR // 2, RedeemRoute.NET),
    ]
    assert closings(copy.step(pairs(3))) == made
    assert desk.orders.knows(pairs(3))
    assert closings(desk.step(pairs(3, ts_ns=50))) == []
    assert closings(desk.step(MarketResolved(MARKET, None, 51, paid=0))) == []
    assert desk.ledger.cash("arb") == {"intra/f/b1": 300_000_000}
    assert desk.ledger.positions() == []
    (books,) = desk.guard.snapshot()["books"].values()
    assert books["flows"] == {YES.base: 0, NO.base: 0, "USD": 300_000_000}
    told = [update for update in desk.buyer.updates if update.client_id.startswith("closing/")]
    assert [(update.d_lots, update.d_cost) for update in told[2:]] == [(0, 3 * DOLLAR // 2)] * 2


def test_what_a_void_paid_is_shared_anew_among_what_is_left_of_it_without_the_pairs():
    desk = Desk()
    desk.buy(Outcome.YES, 5, 4_000, "intra/f/b1")
    desk.buy(Outcome.NO, 2, 5_000, "intra/f/b2")
    made = closings(desk.step(MarketResolved(MARKET, None, 9, paid=1_200_000_000)))
    assert [one.proceeds for one in made] == [800_000_000, 400_000_000]
    made = closings(desk.step(pairs(2)))
    assert [(one.lots, one.proceeds) for one in made] == [(0, 1_400_000_000), (0, 600_000_000)]
    assert desk.ledger.cash("arb") == {"intra/f/b1": 200_000_000, "intra/f/b2": 0}


def test_a_fill_of_a_void_market_that_is_heard_of_late_takes_its_share_and_no_more_comes_of_it():
    desk = Desk()
    late = desk.buy(Outcome.YES, 3, 4_000, "intra/f/b2", told=False)
    desk.buy(Outcome.YES, 1, 4_000, "intra/f/b1")
    (made,) = closings(desk.step(MarketResolved(MARKET, None, 9, paid=1_600_000_000)))
    assert made.proceeds == 1_600_000_000
    made = closings(desk.fill(late, 3, 4_000, 11))
    assert [(one.position.group, one.lots, one.proceeds) for one in made] == [
        ("intra/f/b1", 0, -1_200_000_000),
        ("intra/f/b2", 3 * CONTRACT, 1_200_000_000),
    ]
    assert desk.ledger.cash("arb") == {"intra/f/b1": 0, "intra/f/b2": 0}


def test_pairs_that_nothing_explained_when_their_market_was_void_are_owed_still():
    desk = Desk()
    yes = desk.buy(Outcome.YES, 4, 4_000, told=False)
    no = desk.buy(Outcome.NO, 4, 5_000, told=False)
    desk.step(pairs(4, ts_ns=8))
    assert closings(desk.step(MarketResolved(MARKET, None, 9, paid=0))) == []
    copy = Desk()
    copy.engine.restore(desk.engine.snapshot())
    for one in (desk, copy):
        one.fill(yes, 4, 4_000, 10)
        one.fill(no, 4, 5_000, 11)
        assert one.orders.positions() == {}
    assert desk.ledger.cash("arb") == {"intra/f/b1": 400_000_000}
    assert desk.orders.snapshot() == copy.orders.snapshot()


@pytest.mark.parametrize("first", ["pairs", "pay-out"])
def test_pairs_pay_no_fee_of_a_pay_out_whichever_is_heard_of_first(first: str):
    desk = Desk()
    desk.buy(Outcome.YES, 5, 4_000)
    desk.buy(Outcome.NO, 3, 5_000)
    fee = DOLLAR // 100
    news = [pairs(3, ts_ns=8), MarketResolved(MARKET, 10_000, 9, fee, paid=2 * DOLLAR, fee=2 * fee)]
    for event in news if first == "pairs" else reversed(news):
        desk.step(event)
    assert desk.ledger.cash("arb") == {"intra/f/b1": 5 * DOLLAR - 2 * fee - 3_500_000_000}
    assert desk.ledger.fees("arb") == {"intra/f/b1": 2 * fee}


def test_the_comparison_with_the_venue_knows_what_closings_brought():
    desk = Desk()
    desk.buy(Outcome.YES, 3, 4_000)
    desk.step(MarketResolved(MARKET, 10_000, 9))
    (books,) = desk.guard.snapshot()["books"].values()
    assert books["flows"] == {YES.base: 0, "USD": 1_800_000_000}


def restriction(level: Level) -> Restriction:
    return Restriction("r", Scope(ScopeKind.GLOBAL), level, ReasonCode.OPERATOR_PAUSE, "", "test", 0)


def test_reduce_only_admits_a_hedge_of_what_a_basket_lacks_and_nothing_beyond():
    desk = Desk()
    desk.buy(Outcome.YES, 5, 4_000)
    desk.board.post(restriction(Level.REDUCE_ONLY))
    (refused,) = desk.want(leg(Outcome.NO, 4, 5_000))
    assert refused.reasons == ("operator_pause",)
    (refused,) = desk.want(leg(Outcome.NO, 6, 5_000, hedges=True))
    assert refused.reasons == ("exceeds_open_position",)
    (refused,) = desk.want(leg(Outcome.NO, 1, 5_000, "intra/f/b2", hedges=True))
    assert refused.reasons == ("exceeds_open_position",)
    assert isinstance(desk.want(leg(Outcome.NO, 4, 5_000, hedges=True))[0], Submit)
    (refused,) = desk.want(leg(Outcome.NO, 2, 5_000, hedges=True))
    assert refused.reasons == ("exceeds_open_position",)
    assert isinstance(desk.want(leg(Outcome.NO, 1, 5_000, hedges=True))[0], Submit)
    desk.board.post(restriction(Level.HALT))
    assert isinstance(desk.want(leg(Outcome.YES, 1, 5_000, reduces=True, side=Side.SELL))[0], Refuse)


def plan(intent: str, second: str = "b") -> Plan:
    legs = tuple(
        Place(one.id, Side.BUY, CONTRACT, 4_000, Style.IOC, SubPosition("arb", one.id, "x/f/b1", name), False, name, "")
        for one, name in ((YES, "a"), (NO, "b"))
    )
    found = Opportunity("intra_venue", (OpportunityLeg(MARKET, "yes"), OpportunityLeg(MARKET, "no")), "tt")
    row = Book("arb", "arb_decision", intent, {}, 1)
    return Plan(found, legs, LegPolicy(Finish.STRATEGY, hardness=(1.0, 2.0)), intent=intent, booked=(row,))


def test_a_strategy_that_follows_its_legs_itself_sends_the_hardest_and_its_row_stands_in_the_same_step():
    desk = Desk()
    made = desk.want(plan("b1"))
    assert [command.order.order.key for command in made if isinstance(command, Submit)] == ["b1/b/a1"]
    assert [command.key for command in made if isinstance(command, Book)] == ["b1"]
    assert desk.engine.is_closed(plan("b1").opportunity)
    refused = desk.want(plan("b2"))
    assert [type(command) for command in refused] == [Refuse]
