"""Plans on the real engine: their legs leave all or none, under derived keys, and an opportunity once (runtime 2.15)."""

from typing import Any

import pytest
from msgspec import structs

from millrace.core.commands import (
    Alert,
    Intent,
    Opportunity,
    OpportunityLeg,
    Place,
    Plan,
    Refuse,
    Refused,
    Side,
    Style,
    Submit,
)
from millrace.core.engine import Engine
from millrace.core.events import BalanceReport, Print
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.core.strategy import Interest
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.opportunity import Opportunities
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.venues.kraken.facts import instrument_facts

DOGE, BTC = instrument_facts("kraken:DOGE/USD"), instrument_facts("kraken:BTC/USDC")
SECOND = 10**9
PAIR = Opportunity("cross_venue", (OpportunityLeg(DOGE.id, "buy"), OpportunityLeg(BTC.id, "sell")), "taker")


class Seeker:
    """Wants at each print what the test put into `wanted`; remembers what was refused."""

    name = "seeker"

    def __init__(self) -> None:
        self.wanted: list[Intent] = []
        self.refused: list[Refused] = []

    def series(self) -> tuple[()]:
        return ()

    def decide(self, event: Any, view: Any) -> list[Intent]:
        if isinstance(event, Refused):
            self.refused.append(event)
            return []
        wanted, self.wanted = self.wanted, []
        return wanted

    def interest(self) -> Interest:
        return Interest(all_events=True)

    def snapshot(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass

    def status(self, view: Any) -> dict[str, Any]:
        return {}


class Desk:
    def __init__(self) -> None:
        self.seeker = Seeker()
        self.board = RestrictionBoard()
        self.orders = OrderTable(ClientIds("test", ("seeker",)))
        self.engine = Engine((DOGE, BTC), (self.seeker,), MarketView(), self.orders, Account(), self.board)
        self.engine.step(BalanceReport("kraken", {"USD": (10**15, 0), "BTC": (10**15, 0)}, 0))

    def want(self, second: float, *intents: Intent) -> list[Any]:
        self.seeker.wanted = list(intents)
        return self.engine.step(Print(DOGE.id, round(second * SECOND), 2_000_000, 1))


def leg(facts: Any, side: Side, name: str) -> Place:
    position = SubPosition("seeker", facts.id, "cross/F/basket1", name)
    return Place(facts.id, side, facts.min_lots, 1_000_000, Style.LIMIT, position, False, name, "leg")


def plan(opportunity: Opportunity = PAIR) -> Plan:
    return Plan(opportunity, (leg(DOGE, Side.BUY, "one"), leg(BTC, Side.SELL, "two")))


def keys(made: list[Any]) -> list[str]:
    return [command.order.order.key for command in made if isinstance(command, Submit)]


def test_all_legs_leave_in_one_step_under_keys_derived_from_the_opportunity():
    made = Desk().want(61, plan())
    key = "cross_venue|eq|taker||kraken/btc%2fusdc/sell,kraken/doge%2fusd/buy|1"
    assert keys(made) == [f"{key}/one/a1", f"{key}/two/a1"]
    again = Desk().want(61, plan())
    assert [command.order.client_id for command in again] == [command.order.client_id for command in made]


@pytest.mark.parametrize("alias", [PAIR, structs.replace(PAIR, kind="structural_parity", style="maker")])
def test_a_duplicate_is_dropped_with_that_reason_and_counted(alias):
    desk = Desk()
    desk.want(59.9, plan())
    made = desk.want(60.1, plan(alias))
    (refuse,) = made
    assert isinstance(refuse, Refuse)
    assert refuse.reasons == ("duplicate",)
    assert [(news.place.position.leg, news.reasons) for news in desk.seeker.refused] == [
        ("one", ("duplicate",)),
        ("two", ("duplicate",)),
    ]
    assert desk.orders.opportunities.dropped == 1
    assert len(keys(desk.want(119.9, plan(alias)))) == 2


def test_two_aliases_in_one_step_the_first_executes():
    made = Desk().want(1, plan(structs.replace(PAIR, kind="structural_parity")), plan())
    assert [key.partition("|")[0] for key in keys(made)] == ["structural_parity"] * 2


def test_a_plan_with_a_leg_that_may_not_leave_does_not_leave_and_closes_nothing():
    desk = Desk()
    scope = Scope(ScopeKind.MARKET, str(BTC.id))
    desk.board.post(Restriction("b", scope, Level.HALT, ReasonCode.OPERATOR_HALT, "", "test", 0))
    made = desk.want(1, plan())
    assert keys(made) == []
    assert [(type(command), command.reasons) for command in made] == [(Refuse, ("operator_halt",))]
    assert len(desk.seeker.refused) == 2
    assert desk.orders.live(DOGE.id) == 0
    desk.board.lift("b")
    assert len(keys(desk.want(2, plan()))) == 2


def test_what_was_acted_on_outlives_a_restart():
    desk, later = Desk(), Desk()
    desk.want(1, plan())
    later.engine.restore(desk.engine.snapshot())
    assert keys(later.want(2, plan())) == []


def test_memory_that_ends_before_its_time_is_told_and_never_sends_an_order_twice():
    desk = Desk()
    desk.orders.opportunities = Opportunities(remembered=1)
    desk.want(1, plan())
    other = Opportunity("toy", (OpportunityLeg(DOGE.id, "buy"),), "taker", cooldown_ns=90 * SECOND)
    made = desk.want(2, Plan(other, (leg(DOGE, Side.BUY, "only"),)))
    assert [command.code for command in made if isinstance(command, Alert)] == ["cooldown_evicted"]
    assert [command.reasons for command in desk.want(3, plan())] == [("duplicate",)], "its orders are known still"


def test_a_single_order_is_no_opportunity():
    desk = Desk()
    desk.want(1, plan())
    place = structs.replace(leg(DOGE, Side.BUY, "x"), key="mine")
    assert keys(desk.want(2, place)) == ["mine"]


def test_a_plan_without_legs_is_a_mistake():
    with pytest.raises(ValueError, match="no legs"):
        Opportunities().admit(Plan(PAIR, ()), 0)
