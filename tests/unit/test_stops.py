"""Kill switches: each source and scope stops exactly its scope, and only a person with a name clears it (2.17)."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.commands import (
    Alert,
    Cancel,
    CancelOrder,
    Lift,
    Place,
    Post,
    Refuse,
    Reply,
    Severity,
    Side,
    Style,
    Submit,
)
from millrace.core.engine import Engine
from millrace.core.events import BalanceReport, Operator, OrderAccepted, OrderProgress, Timer
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.instrument import InstrumentId
from millrace.core.kill import GLOBAL, HeldKills, KillOrder, kill_id, kill_over, read_kills, read_scope
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind, scopes_of
from millrace.core.strategy import Interest
from millrace.core.trouble_events import KillRequested, KillSource
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.risk.stops import KillSwitch
from millrace.venues.kraken.facts import instrument_facts

DOGE = instrument_facts("kraken:DOGE/USD")
BTC = msgspec.structs.replace(instrument_facts("kraken:BTC/USDC"), id=InstrumentId("bybit", "BTCUSDC"))
LEGS = [
    SubPosition("grid", DOGE.id, "slot1", "A"),
    SubPosition("arb", DOGE.id, "parity/b1", "A"),
    SubPosition("arb", BTC.id, "cross/EV/b2", "A"),
]
SCOPES = sorted({scope for leg in LEGS for scope in scopes_of(leg)}, key=str)


class Trader:
    """Wants what it is given at the next timer."""

    def __init__(self, name: str) -> None:
        self.name, self.wants = name, []

    def series(self):
        return ()

    def decide(self, event, view):
        wants, self.wants = (self.wants, []) if isinstance(event, Timer) else ([], self.wants)
        return wants

    def interest(self):
        return Interest()


class Floor:
    """Two strategies at two venues, with a kill switch; every leg has one resting order of its own."""

    def __init__(self) -> None:
        self.traders = {name: Trader(name) for name in ("grid", "arb")}
        self.orders = OrderTable(ClientIds("t", ("grid", "arb")))
        self.board = RestrictionBoard()
        known = frozenset(scope for leg in LEGS for scope in scopes_of(leg))
        self.engine = Engine(
            (DOGE, BTC), tuple(self.traders.values()), MarketView(), self.orders, Account(), self.board,
            (KillSwitch(known),),
        )  # fmt: skip
        for venue in ("kraken", "bybit"):
            self.engine.step(BalanceReport(venue, dict.fromkeys(("USD", "USDC", "DOGE", "BTC"), (10**12, 0)), 1))
        self.now_ns = 10
        self.resting = {}
        for leg in LEGS:
            (submit,) = self.trade(leg)
            self.resting[leg] = submit.order.client_id
            self.engine.step(OrderAccepted(submit.order.client_id, f"V{len(self.resting)}", self.now_ns))

    def trade(self, leg: SubPosition, side: Side = Side.BUY, *, reduces: bool = False) -> list:
        self.now_ns += 1
        lots, key = (40, "exit") if reduces else (100, f"{leg}/{self.now_ns}")
        place = Place(leg.instrument, side, lots, 5, Style.POST_ONLY, leg, reduces, f"{leg}/{key}", "test")
        self.traders[leg.strategy].wants = [place]
        return self.engine.step(Timer(self.now_ns))

    def cancel(self, leg: SubPosition) -> list:
        self.now_ns += 1
        order = self.orders.open_order(self.resting[leg])
        self.traders[leg.strategy].wants = [Cancel(leg.strategy, order.place.key, "test")]
        return self.engine.step(Timer(self.now_ns))

    def ask(self, action: str, **args) -> str:
        made = self.engine.step(Operator(action, args, self.now_ns))
        return next(command.said for command in made if isinstance(command, Reply) and command.action == action)


@pytest.mark.parametrize("flatten", [False, True])
@pytest.mark.parametrize("scope", SCOPES, ids=str)
@pytest.mark.parametrize("source", KillSource)
def test_2_17_a2_each_source_and_scope_blocks_exactly_its_scope(source: KillSource, scope: Scope, flatten: bool):
    floor = Floor()
    made = floor.engine.step(KillRequested(source, scope, "why", flatten, floor.now_ns))
    inside = [leg for leg in LEGS if scope in scopes_of(leg)]
    assert inside
    wanted = [CancelOrder(leg.instrument, floor.resting[leg], kill_id(source, scope)) for leg in inside]
    assert [command for command in made if isinstance(command, CancelOrder)] == (wanted if flatten else [])
    reason = "operator_halt" if source is KillSource.CONTROL else "kill_switch"
    for leg in LEGS:
        (answer,) = floor.trade(leg)
        if leg in inside:
            assert isinstance(answer, Refuse)
            assert answer.reasons == (reason,)
        else:
            assert isinstance(answer, Submit)
    (standing,) = floor.board.active()
    assert (standing.recovery, standing.level, standing.scope) == (Recovery.OPERATOR, Level.HALT, scope)


@pytest.mark.parametrize("scope", SCOPES, ids=str)
@pytest.mark.parametrize("level", Level)
def test_2_1_a1_each_level_and_scope_admits_what_it_should(level: Level, scope: Scope):
    """Increase, reduce and cancel through the engine; rule 2: cancels are admitted at every level."""
    floor = Floor()
    for leg in LEGS:
        floor.engine.step(OrderProgress(floor.resting[leg], 40, 200, 1, floor.now_ns))
    restriction = Restriction("r", scope, level, ReasonCode.UNKNOWN_ORDER, "t", "test", 1, 0.5, recovery=Recovery.AUTO)
    assert floor.board.post(restriction)
    for leg in LEGS:
        effective = level if scope in scopes_of(leg) else Level.OPEN
        assert floor.board.standing_of(leg).level is effective
        (increase,) = floor.trade(leg)
        assert isinstance(increase, Submit) == (effective <= Level.CAUTION)
        (reduce,) = floor.trade(leg, Side.SELL, reduces=True)
        assert isinstance(reduce, Submit) == (effective <= Level.REDUCE_ONLY)
        for refused in (increase, reduce):
            assert isinstance(refused, Submit) or refused.reasons == ("unknown_order",)
        assert floor.cancel(leg) == [CancelOrder(leg.instrument, floor.resting[leg], "test")]


def test_a_kill_is_told_once_and_may_still_flatten_later():
    floor = Floor()
    post, alert = floor.engine.step(KillRequested(KillSource.FILE, GLOBAL, "KILL", False, 50))
    assert isinstance(post, Post)
    assert alert == Alert(Severity.PAGE, "kill", "file kill of global: KILL", 50)
    assert floor.engine.step(KillRequested(KillSource.FILE, GLOBAL, "KILL", False, 51)) == []
    made = floor.engine.step(KillRequested(KillSource.FILE, GLOBAL, "KILL", True, 52))
    assert [type(command) for command in made] == [CancelOrder] * 3


def test_a_kill_of_what_is_not_here_stops_everything_and_a_request_is_refused():
    floor = Floor()
    typo = Scope(ScopeKind.VENUE, "krakn")
    floor.engine.step(KillRequested(KillSource.FILE, typo, "KILL", False, 50))
    (standing,) = floor.board.active()
    assert (standing.scope, standing.id) == (GLOBAL, "kill/file/venue:krakn")
    assert "not here" in standing.text
    answer = floor.ask("halt", scope="venue:krakn")
    assert answer.startswith("refused: there is no scope venue:krakn here; there are family:DOGE/USD, family:EV, ")
    assert floor.ask("halt", scope="everything").startswith("refused")
    assert len(floor.board.active()) == 1


def test_clearing_needs_the_id_a_name_and_a_reason():
    """Runtime 2.17 rule 2."""
    floor = Floor()
    assert floor.ask("halt", scope="strategy:arb", reason="odd fills").endswith("id=kill/control/strategy:arb")
    wanted = {"id": "kill/control/strategy:arb", "operator": "ann", "reason": "understood"}
    for left_out in wanted:
        some = {name: value for name, value in wanted.items() if name != left_out}
        assert floor.ask("clear", **some).startswith(f"refused: say {left_out}=")
    assert "no restriction kill/control/global stands" in floor.ask("clear", **wanted | {"id": "kill/control/global"})
    made = floor.engine.step(Operator("clear", wanted, 99))
    assert made[0] == Lift("kill/control/strategy:arb", "ann: understood", 99)
    assert floor.board.active() == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"recovery": Recovery.AUTO}, "by what it measures"),
        ({"recovery": Recovery.PROBATION}, "by what it measures"),
        ({"hold_until_ns": 10**12 + 5}, "holds for another 1000 s"),
        ({"scope": Scope(ScopeKind.STRATEGY, "grid"), "posted_by": "grid"}, "ask it to resume"),
    ],
)
def test_what_a_rule_lifts_no_word_lifts(changes, why):
    floor = Floor()
    restriction = Restriction("r", GLOBAL, Level.HALT, ReasonCode.UNKNOWN_ORDER, "t", "engine", 1)
    floor.board.post(msgspec.structs.replace(restriction, **changes))
    answer = floor.ask("clear", id="r", operator="ann", reason="please")
    assert answer.startswith("refused")
    assert why in answer
    assert len(floor.board.active()) == 1


def test_status_tells_the_kills_in_force():
    floor = Floor()
    (stops,) = floor.engine.guards
    assert stops.status(floor.engine) == {"active": []}
    floor.ask("halt", reason="lunch")
    assert stops.status(floor.engine) == {"active": [{"id": "kill/control/global", "scope": "global", "text": "lunch"}]}


def test_the_words_of_a_kill():
    def read(text: str) -> list[tuple[str, bool]]:
        return [(str(order.scope), order.flatten) for order in read_kills(text, KillSource.FILE, "KILL")]

    assert read("") == read("\n# nothing\n") == read("global") == [("global", False)]
    assert read("flatten") == read("global flatten  # now") == [("global", True)]
    assert read("venue:kraken\nstrategy:slots flatten") == [("venue:kraken", False), ("strategy:slots", True)]
    assert read("market:kraken:DOGE/USD; lane:parity") == [("market:kraken:DOGE/USD", False), ("lane:parity", False)]
    for nonsense in ("venue", "venue:", "kraken", "1", "global now", "venue:kraken flatten now", "Venue:kraken"):
        assert read(nonsense) == [("global", False)], nonsense
    assert read("lane:x\nwhat is this") == [("lane:x", False), ("global", False)]


@given(st.text())
def test_any_text_kills_something(text: str):
    assert read_kills(text, KillSource.FILE, "KILL")


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_a_scope_survives_its_text(scope: Scope):
    assert read_scope(str(scope)) == scope


def test_kills_held_in_memory_cover_what_they_name():
    held = HeldKills()
    assert kill_over(held.standing(), LEGS[0]) is None
    for scope, leg in itertools.product(SCOPES, LEGS):
        held.orders = (KillOrder(KillSource.FILE, scope, False, "x"),)
        assert (kill_over(held.standing(), leg) is not None) == (scope in scopes_of(leg))
