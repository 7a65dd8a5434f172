"""What a comparison with the venue restricts, and who may lift it (runtime 2.16)."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from faulty_line import ASK, DOGE, LOTS
from millrace.core.commands import (
    Alert,
    Book,
    CancelOrder,
    Lift,
    OrderState,
    OrderUpdate,
    Place,
    Post,
    Reply,
    Side,
    Style,
)
from millrace.core.events import Operator
from millrace.core.ids import SubPosition
from millrace.core.permission import Level, ReasonCode
from millrace.core.recovery_events import Reconciled, RecoveryBegan
from millrace.risk.board import RestrictionBoard
from millrace.risk.reconciliation import ReconciliationGuard

DOLLAR = 10**DOGE.quote_decimals
LEG = SubPosition("slots", DOGE.id, "slot1", "B")


class Desk:
    """A guard with a board, and a view that shows both."""

    def __init__(self) -> None:
        self.guard = ReconciliationGuard((DOGE,))
        self.board = RestrictionBoard()
        self.alerts: list[Alert] = []
        self.books: list[Book] = []
        self.replies: list[str] = []

    def instrument(self, _: Any) -> Any:
        return DOGE

    def market(self, _: Any) -> Any:
        return SimpleNamespace(last_ticks=ASK)

    def restrictions(self) -> list[Any]:
        return self.board.active()

    def see(self, seen: Any) -> None:
        for verdict in self.guard.observe(seen, self):
            if isinstance(verdict, Post):
                self.board.post(verdict.restriction)
            elif isinstance(verdict, Lift):
                self.board.lift(verdict.restriction_id)
            elif isinstance(verdict, Reply):
                self.replies.append(verdict.said)
            else:
                (self.alerts if isinstance(verdict, Alert) else self.books).append(verdict)

    def compared(
        self, usd: int | None, doge: int = 0, orphans: tuple[str, ...] = (), weak: tuple[str, ...] = ()
    ) -> None:
        totals = None if usd is None else {DOGE.base: doge, DOGE.quote: usd}
        self.see(Reconciled("toy", orphans, weak, totals, 1))

    def asked(self, action: str, **args: Any) -> None:
        self.see(Operator(action, args, 2))

    def standing(self) -> dict[str, tuple[Level, ReasonCode]]:
        return {found.id: (found.level, found.reason) for found in self.board.active()}


@pytest.fixture
def desk() -> Desk:
    return Desk()


def bought(lots: int) -> OrderUpdate:
    place = Place(DOGE.id, Side.BUY, LOTS, ASK, Style.LIMIT, LEG, reduces=False, key="1", purpose="entry")
    cost = DOGE.cost(ASK, lots)
    fee = DOGE.fee(cost, maker=True)
    return OrderUpdate("c1", place, OrderState.FILLED, OrderState.OPEN, lots, cost, fee, lots, cost, fee, None, "", 1)


def test_a_start_halts_the_venue_until_it_has_answered(desk):
    desk.see(RecoveryBegan("toy", 1))
    assert desk.standing() == {"recovery/toy": (Level.HALT, ReasonCode.RECOVERY_INCOMPLETE)}
    desk.compared(1_000 * DOLLAR)
    assert desk.standing() == {}


@pytest.mark.parametrize("kind", ["orphans", "weak"])
def test_strange_orders_leave_exits_alone_until_they_are_gone_or_accepted(desk, kind):
    desk.compared(None, **{kind: ("x1", "x2")})
    assert desk.standing() == {"strangers/toy": (Level.REDUCE_ONLY, ReasonCode.STRANGE_ORDER)}
    assert [alert.code for alert in desk.alerts] == ["strange_order"]
    desk.compared(None, **{kind: ("x1", "x2")})
    assert len(desk.alerts) == 1, "said once"
    desk.asked("accept_order", order="x1")
    desk.asked("accept_order", order="x1", operator="ann", reason="mine")
    assert [said[:7] for said in desk.replies] == ["refused", "ok: x1 "]
    desk.compared(None, **{kind: ("x1", "x2")})
    assert desk.standing()
    desk.compared(None, **{kind: ("x1",)})
    assert desk.standing() == {}


def test_totals_must_be_the_opening_totals_and_our_fills(desk):
    opening = 1_000 * DOLLAR
    desk.compared(opening)
    update = bought(LOTS)
    desk.see(update)
    desk.compared(opening - update.d_cost - update.d_fee, DOGE.base_amount(LOTS))
    assert desk.standing() == {}
    assert desk.guard.status(desk)["drift"] == {"toy": {DOGE.base: 0, DOGE.quote: 0}}


@pytest.mark.parametrize("when", ["before", "after"])
def test_fills_before_the_first_totals_are_not_counted_twice(desk, when):
    update = bought(LOTS)
    paid = update.d_cost + update.d_fee
    if when == "before":
        desk.see(update)
        desk.compared(1_000 * DOLLAR - paid, DOGE.base_amount(LOTS))
    else:
        desk.compared(1_000 * DOLLAR)
        desk.see(update)
    desk.compared(1_000 * DOLLAR - paid, DOGE.base_amount(LOTS))
    assert desk.guard.status(desk)["drift"] == {"toy": {DOGE.base: 0, DOGE.quote: 0}}


def test_a_drift_halts_at_its_second_comparison_in_a_row_and_lifts_when_it_is_gone(desk):
    opening = 1_000 * DOLLAR
    desk.compared(opening)
    less = opening - 10 * DOLLAR - 1
    desk.compared(opening - 10 * DOLLAR)
    assert desk.alerts == [], "one per cent may be missing"
    desk.compared(less)
    assert desk.standing() == {}
    assert [alert.code for alert in desk.alerts] == ["balance_drift"]
    desk.compared(None)
    assert desk.standing() == {}, "a comparison that says nothing does not count"
    desk.compared(less)
    assert desk.standing() == {"drift/toy": (Level.HALT, ReasonCode.BALANCE_DRIFT)}
    desk.compared(less)
    assert len(desk.alerts) == 2
    desk.compared(opening)
    assert desk.standing() == {}


def test_a_dollars_worth_may_be_missing_of_a_small_account(desk):
    desk.compared(10 * DOLLAR, DOGE.base_amount(LOTS))
    dollar_of_base = DOLLAR * DOGE.base_amount(1) // DOGE.cost(ASK, 1)
    for short in (dollar_of_base, dollar_of_base + 1):
        for _ in range(2):
            desk.compared(10 * DOLLAR, DOGE.base_amount(LOTS) - short)
        assert bool(desk.standing()) is (short > dollar_of_base)


def test_a_person_books_the_difference_by_name_and_reason(desk):
    desk.compared(1_000 * DOLLAR)
    for _ in range(2):
        desk.compared(500 * DOLLAR)
    assert desk.standing()
    desk.asked("book_adjustment", venue="toy", asset="USD", amount=-500, operator="ann")
    desk.asked("book_adjustment", venue="toy", asset="EUR", amount=-500, operator="ann", reason="withdrawn")
    assert desk.books == []
    desk.asked("book_adjustment", venue="toy", asset="USD", amount=-500, operator="ann", reason="withdrawn")
    assert [book.values["amount"] for book in desk.books] == [-500 * DOLLAR]
    desk.compared(500 * DOLLAR)
    assert desk.standing() == {}


def test_the_guard_goes_on_where_its_snapshot_stands(desk):
    desk.compared(1_000 * DOLLAR)
    desk.see(bought(LOTS))
    desk.asked("accept_order", order="x1", operator="ann", reason="mine")
    desk.compared(500 * DOLLAR)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(desk.guard.snapshot()))
    desk.guard = ReconciliationGuard((DOGE,))
    desk.guard.restore(state)
    desk.compared(500 * DOLLAR, orphans=("x1",))
    assert desk.standing() == {"drift/toy": (Level.HALT, ReasonCode.BALANCE_DRIFT)}


# ---- reconcile_drift (slots 18)


def test_orders_at_the_venue_alone_are_listed_and_cancelled_only_when_that_is_confirmed(desk):
    desk.compared(100 * DOLLAR, orphans=("x1", "x2"))
    for args in ({}, {"confirm": False}, {"confirm": "maybe"}, {"force": True}):
        assert not any(isinstance(verdict, CancelOrder) for verdict in asked(desk, **args))
    listed = asked(desk)[-1]
    assert listed.data["orders"] == {"toy": ["x1", "x2"]}
    assert listed.data["drift"]["toy"] == {"DOGE": 0, "USD": 0}
    *cancels, reply = asked(desk, confirm="yes")
    assert [(cancel.instrument, cancel.client_id) for cancel in cancels] == [(DOGE.id, "x1"), (DOGE.id, "x2")]
    assert (reply.ok, reply.data["cancelling"]) == (True, 2)


def test_what_the_last_comparison_found_survives_a_snapshot_and_goes_with_the_next(desk):
    desk.compared(None, orphans=("x1",), weak=("w1",))
    again = ReconciliationGuard((DOGE,))
    again.restore(desk.guard.snapshot())
    desk.guard = again
    assert len(asked(desk, confirm=True)) == 2, "one that is ours by its terms is not touched"
    desk.compared(None)
    assert len(asked(desk, confirm=True)) == 1


def asked(desk, **args):
    return desk.guard.observe(Operator("reconcile_drift", args, 2), desk)


def test_each_finding_is_counted_once_by_its_type_and_by_venue(desk):
    """quoting 9: counters count each event once, though a comparison shows what lasts again and again."""
    desk.compared(100 * DOLLAR)
    for orphans in (("a",), ("a", "b"), ("b",), ("a",)):
        desk.compared(100 * DOLLAR, orphans=orphans, weak=("w",))
    desk.compared(50 * DOLLAR)
    desk.compared(50 * DOLLAR)
    found = {"order_at_venue_only": 3, "matched_by_terms": 1, "balance_drift": 1}
    assert desk.guard.discrepancies("toy") == found
    assert set(desk.guard.discrepancies("elsewhere").values()) == {0}
    again = Desk()
    again.guard.restore(msgspec.json.decode(msgspec.json.encode(desk.guard.snapshot())))
    again.compared(50 * DOLLAR)
    assert again.guard.discrepancies("toy") == found
