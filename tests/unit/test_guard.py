"""The guard seam: what guards are shown and when, what their verdicts do, and that a guard that fails halts everything."""

from typing import Any

import pytest

from millrace.core import codec
from millrace.core.commands import (
    Alert,
    CancelOrder,
    Lift,
    OrderUpdate,
    Place,
    Post,
    Refuse,
    Severity,
    Side,
    Style,
    Submit,
)
from millrace.core.engine import Engine
from millrace.core.events import BalanceReport, MarketBlock, OrderAccepted, OrderProgress, Print, Timer
from millrace.core.guard import CancelScope
from millrace.core.halts import EXCEPTION_ID, GUARD_ID
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.instrument import InstrumentId
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind, scopes_of
from millrace.core.strategy import Bound, Field, Interest
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.venues.kraken.facts import instrument_facts

DOGE = instrument_facts("kraken:DOGE/USD")
GLOBAL = Scope(ScopeKind.GLOBAL)


class Watch:
    """A guard that says what it was told to say, and remembers what it was shown and what stood then."""

    def __init__(self, name: str, *reads: type) -> None:
        self.name, self.reads = name, reads
        self.says: list[Any] = []
        self.seen: list[Any] = []
        self.objects: tuple[str, ...] = ()
        self.wants = Interest()
        self.breaks = ""

    def observe(self, seen, view):
        if self.breaks == "observe":
            raise KeyError({"b", "a"})
        self.seen.append(seen)
        said, self.says = self.says, []
        return said

    def objections(self, places, view):
        if self.breaks == "objections":
            raise ValueError("cannot tell")
        return self.objects

    def interest(self):
        return self.wants

    def snapshot(self):
        return {"seen": len(self.seen)}

    def restore(self, state):
        self.seen = [None] * state["seen"]

    def status(self, view):
        return {}


class Trader:
    """A strategy that asks for what it was given, at the next timer."""

    name = "trader"

    def __init__(self) -> None:
        self.wants: list[Any] = []
        self.levels: list[Level] = []
        self.breaks = False
        self.waits_ns = 90

    def series(self):
        return ()

    def decide(self, event, view):
        if self.breaks:
            raise RuntimeError("bug")
        self.levels.append(view.standing(self.name, DOGE.id).level)
        wants, self.wants = (self.wants, []) if isinstance(event, Timer) else ([], self.wants)
        return wants

    def interest(self):
        return Interest((Bound(DOGE.id, Field.LAST, True, 5),), self.waits_ns, 30)

    def snapshot(self):
        return {}

    def restore(self, state):
        pass


def place(key: str = "1", group: str = "g", *, side: Side = Side.BUY, lots: int = 100, reduces: bool = False) -> Place:
    leg = SubPosition("trader", DOGE.id, group, "A")
    return Place(DOGE.id, side, lots, 1_700_000, Style.POST_ONLY, leg, reduces, key, "entry")


def halt(scope: Scope = GLOBAL, name: str = "w") -> Restriction:
    return Restriction(name, scope, Level.HALT, ReasonCode.OPERATOR_HALT, "t", "watch", 1, recovery=Recovery.AUTO)


def build(*guards: Watch) -> tuple[Engine, Trader]:
    trader = Trader()
    table = OrderTable(ClientIds("t", ("trader",)))
    engine = Engine((DOGE,), (trader,), MarketView(), table, Account(), RestrictionBoard(), guards)
    engine.step(BalanceReport("kraken", {"USD": (10**12, 0), "DOGE": (10**12, 0)}, 1))
    return engine, trader


def test_a_guard_sees_the_kinds_that_it_reads_and_speaks_before_the_strategies():
    watch, prices = Watch("watch", Timer, OrderUpdate), Watch("prices", Print)
    engine, trader = build(watch, prices)
    engine.step(Print(DOGE.id, 2, 1_700_000, 1))
    engine.step(MarketBlock(DOGE.id, 3, "print", (b"\1" + b"\0" * 7,) * 3))
    assert (len(watch.seen), len(prices.seen)) == (0, 1)
    watch.says = [Post(halt())]
    assert engine.step(Timer(4)) == [Post(halt())]
    assert trader.levels[-1] is Level.HALT, "the strategy sees the board as the guard left it"
    watch.says = [Lift("w", "over", 5), Alert(Severity.INFO, "x", "y", 5)]
    assert [type(command) for command in engine.step(Timer(5))] == [Lift, Alert]
    trader.wants = [place()]
    (submit,) = engine.step(Timer(6))
    engine.step(OrderProgress(submit.order.client_id, 40, 68, 1, 7))
    assert isinstance(watch.seen[-1], OrderUpdate)
    assert engine.positions() == {place().position: 40}
    assert [order.cum_lots for order in engine.unfinished()] == [40]


def test_objections_stop_what_adds_and_not_what_reduces():
    watch = Watch("watch")
    engine, trader = build(watch)
    trader.wants = [place()]
    (submit,) = engine.step(Timer(2))
    engine.step(OrderProgress(submit.order.client_id, 100, 170, 1, 3))
    watch.objects = (ReasonCode.DAILY_LOSS_LOCK.value,)
    trader.wants = [place("2"), place("3", side=Side.SELL, reduces=True)]
    refuse, exit_ = engine.step(Timer(4))
    assert refuse == Refuse("2", ("daily_loss_lock",))
    assert isinstance(exit_, Submit)
    watch.objects = ("because",)
    trader.wants = [place("4")]
    assert engine.step(Timer(5)) == [Refuse("4", ("board_failure",))], "reasons come from the closed list (2.1 A4)"


@pytest.mark.parametrize("way", ["observe", "objections"])
def test_a_guard_that_raises_halts_everything_once_and_pages(way):
    watch, other = Watch("watch", Timer), Watch("other", Timer)
    engine, trader = build(watch, other)
    watch.breaks = way
    watch.wants = Interest(deadline_ns=7)
    trader.wants = [place()]
    post, alert, refuse = engine.step(Timer(2))
    assert post.restriction.id == f"{GUARD_ID}watch"
    assert (post.restriction.level, post.restriction.scope) == (Level.HALT, GLOBAL)
    assert (post.restriction.reason, post.restriction.recovery) == (ReasonCode.GUARD_FAILURE, Recovery.OPERATOR)
    assert alert.severity is Severity.PAGE
    assert alert.text == f"watch: {type(engine.fault).__name__} in Watch.{way}"
    assert refuse == Refuse("1", ("guard_failure",))
    trader.wants = [place("2")]
    assert engine.step(Timer(3)) == [Refuse("2", ("guard_failure",))]
    assert len(other.seen) == 2, "the others go on watching"
    assert engine.interest().deadline_ns == 90, "who failed is not woken for ever"


def test_a_step_that_raises_halts_everything_and_keeps_what_it_decided():
    """Runtime 1.4: HALT(global, core_exception)."""
    watch = Watch("watch", Timer)
    engine, trader = build(watch)
    trader.breaks = True
    watch.says = [Post(halt(Scope(ScopeKind.VENUE, "bybit")))]
    kept, post, alert = engine.step(Timer(2))
    assert kept.restriction.scope.name == "bybit"
    assert post.restriction.id == EXCEPTION_ID
    assert post.restriction.reason is ReasonCode.CORE_EXCEPTION
    assert alert.text == "Timer: RuntimeError in Trader.decide"
    assert repr(engine.fault) == "RuntimeError('bug')"
    assert engine.step(Timer(3)) == [], "a person is told once"
    trader.breaks, trader.wants = False, [place()]
    assert engine.step(Timer(4)) == [Refuse("1", ("core_exception",))]


def test_a_scope_is_cancelled_whole_once_and_nothing_else():
    watch = Watch("watch", Timer)
    engine, trader = build(watch)
    groups = ("parity/b1", "parity/E1/b2", "cross/E1/b3", "slot4")
    trader.wants = [place(group, group) for group in groups]
    ids = {submit.order.order.key: submit.order.client_id for submit in engine.step(Timer(2))}
    for client_id in ids.values():
        engine.step(OrderAccepted(client_id, f"V{client_id}", 3))
    watch.says = [CancelScope(Scope(ScopeKind.LANE, "parity"), "kill")]
    made = engine.step(Timer(4))
    assert made == [CancelOrder(DOGE.id, ids[group], "kill") for group in ("parity/b1", "parity/E1/b2")]
    watch.says = [CancelScope(Scope(ScopeKind.FAMILY, "E1"), "kill")]
    assert engine.step(Timer(5)) == [CancelOrder(DOGE.id, ids["cross/E1/b3"], "kill")]
    watch.says = [CancelScope(Scope(ScopeKind.LANE, "trader"), "kill")]
    assert engine.step(Timer(6)) == [CancelOrder(DOGE.id, ids["slot4"], "kill")]
    watch.says = [CancelScope(GLOBAL, "kill")]
    assert engine.step(Timer(7)) == []


def test_lane_and_family_are_said_by_the_group():
    def names(group: str) -> tuple[str, str]:
        leg = SubPosition("trader", InstrumentId("kraken", "DOGE/USD"), group, "A")
        return leg.lane, leg.family

    assert names("slot7") == ("trader", "DOGE/USD")
    assert names("parity/b3") == ("parity", "DOGE/USD")
    assert names("cross/E1/b4") == ("cross", "E1")
    assert {str(scope) for scope in scopes_of(place(group="cross/E1/b4").position)} == {
        "global",
        "venue:kraken",
        "strategy:trader",
        "lane:cross",
        "market:kraken:DOGE/USD",
        "family:E1",
    }


def test_interests_are_merged_and_a_guards_deadline_is_kept_in_any_case():
    first, second = Watch("first", Timer), Watch("second")
    engine, _ = build(first, second)
    alone = Interest((Bound(DOGE.id, Field.LAST, True, 5),), 90, 30)
    assert engine.interest() == alone
    first.wants = Interest((Bound(DOGE.id, Field.LAST, False, 9),), 20)
    second.wants = Interest(all_events=True)
    assert engine.interest() == alone, "asked again when a guard was shown something"
    engine.step(Timer(2))
    bounds = (*alone.bounds, Bound(DOGE.id, Field.LAST, False, 9))
    assert engine.interest() == Interest(bounds, 20, 20, all_events=True)


def test_a_strategy_is_asked_when_to_wake_it_after_it_was_shown_something_and_not_before():
    engine, trader = build(Watch("watch", Timer))
    before = engine.interest()
    trader.waits_ns = 70
    assert engine.interest() is before
    engine.step(MarketBlock(DOGE.id, 2, "print", (b"", b"", b"")))
    assert engine.interest() == before, "a block is shown to no strategy"
    engine.step(Timer(3))
    assert engine.interest().deadline_ns == 70
    trader.waits_ns, trader.breaks = 60, True
    engine.step(Timer(4))
    assert engine.interest().deadline_ns == 60, "one that raised may have changed its mind before"
    trader.waits_ns = 50
    engine.restore(engine.snapshot())
    assert engine.interest().deadline_ns == 50


def test_guards_are_part_of_the_snapshot():
    engine, _ = build(Watch("watch", Timer))
    engine.step(Timer(2))
    other_watch = Watch("watch", Timer)
    other, _ = build(other_watch)
    other.restore(codec.decode_state(codec.encode_state(engine.snapshot())))
    assert len(other_watch.seen) == 1
    assert other.snapshot() == engine.snapshot()
