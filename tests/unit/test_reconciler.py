"""The comparison with the venue, question by question, and what is concluded from answers that are old (runtime 2.16)."""

from typing import NamedTuple

import pytest
from msgspec import structs

from faulty_line import ASK, DOGE, LOTS, SECOND
from millrace.core.commands import Approved, ApprovedAmend, OrderState, Place, Side, Style
from millrace.core.events import (
    BalanceReport,
    Event,
    OpenOrdersReport,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderEvent,
    OrderProgress,
    Started,
)
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.order_truth import VenueOrder
from millrace.core.recovery_events import Reconciled, RecoveryBegan
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.shell.reconciler import (
    ANSWER_NS,
    CYCLE_NS,
    MARGIN_NS,
    BalancesAnswer,
    BalancesQuery,
    OpenOrdersAnswer,
    OpenOrdersQuery,
    Reconciler,
)

IDS = ClientIds("toy", ("buyer",))
T0 = 10_000 * SECOND
LEG = SubPosition("buyer", DOGE.id, "1", "B")


class Desk(NamedTuple):
    """An order table with its reconciler, asked and answered by hand."""

    table: OrderTable
    reconciler: Reconciler
    asking: set[str]

    def order(self, key: str, *, opened: bool = True) -> str:
        place = Place(DOGE.id, Side.BUY, LOTS, ASK, Style.LIMIT, LEG, reduces=False, key=key, purpose="toy")
        approved = RestrictionBoard().permit(place, IDS.client_id("buyer", key), 0, T0)
        assert isinstance(approved, Approved)
        self.table.add(approved)
        if opened:
            self.hear(OrderAccepted(approved.client_id, f"O{key}", T0))
        return approved.client_id

    def hear(self, event: OrderEvent) -> None:
        self.table.apply(event)
        self.reconciler.heard(event)

    def balances(self, now_ns: int) -> list[Event]:
        report = BalanceReport("toy", {"USD": (90, 10)}, now_ns)
        return self.reconciler.answered(BalancesAnswer(report, now_ns), now_ns).news

    def listed(self, *found: VenueOrder, asked_ns: int, now_ns: int) -> tuple[list[Event], list[str]]:
        steps = self.reconciler.answered(OpenOrdersAnswer(DOGE.id, found, asked_ns), now_ns)
        for event in steps.news:
            if isinstance(event, OrderEvent):
                self.hear(event)
        self.asking.update(steps.questions)
        return steps.news, steps.questions

    def ended(self, now_ns: int) -> list[Event]:
        return self.reconciler.progress(now_ns, self.asking.__contains__)

    def cycle(self, now_ns: int, *found: VenueOrder) -> list[Event]:
        """Go through one comparison in which every answer comes at once."""
        for query in self.reconciler.due(now_ns).calls:
            self.reconciler.asked(query, now_ns)
        self.balances(now_ns + 1)
        for query in self.reconciler.due(now_ns + 1).calls:
            self.reconciler.asked(query, now_ns + 1)
        self.listed(*found, asked_ns=now_ns + 1, now_ns=now_ns + 2)
        return self.ended(now_ns + 3)


def at_venue(client_id: str, state: OrderState = OrderState.OPEN, cum_lots: int = 0) -> VenueOrder:
    cost = DOGE.cost(ASK, cum_lots)
    return VenueOrder(DOGE.id, client_id, f"V{client_id}", Side.BUY, LOTS, ASK, state, cum_lots, cost, 0, "user", T0)


@pytest.fixture
def desk() -> Desk:
    table = OrderTable(IDS)
    return Desk(table, Reconciler(table, "toy", (DOGE.id,), IDS.prefix), set())


def test_a_start_asks_for_balances_then_the_orders_and_begins_when_all_is_answered(desk):
    assert desk.reconciler.begin(T0, restart=False).news == [RecoveryBegan("toy", T0)]
    assert desk.reconciler.recovering
    assert desk.reconciler.due(T0).calls == [BalancesQuery("toy")]
    desk.reconciler.asked(BalancesQuery("toy"), T0)
    assert desk.reconciler.next_ns == T0 + ANSWER_NS
    assert [type(event) for event in desk.balances(T0 + 1)] == [BalanceReport]
    assert desk.ended(T0 + 1) == []
    assert desk.reconciler.due(T0 + 1).calls == [OpenOrdersQuery(DOGE.id, None)]
    desk.reconciler.asked(OpenOrdersQuery(DOGE.id, None), T0 + 1)
    desk.listed(asked_ns=T0 + 1, now_ns=T0 + 2)
    assert desk.ended(T0 + 3) == [Reconciled("toy", (), (), {"USD": 100}, T0 + 3), Started(False, T0 + 3)]
    assert desk.reconciler.next_ns == T0 + 3 + CYCLE_NS


def test_a_regular_poll_during_a_start_neither_asks_one_by_one_nor_ends_it(desk):
    """It names no ended orders: a start that took it for its own list asked for 20 fills in 39 s instead of 2."""
    filled = desk.order("1")
    desk.reconciler.begin(T0, restart=True)
    poll = OpenOrdersQuery(DOGE.id)
    desk.reconciler.asked(poll, T0)
    desk.reconciler.asked(BalancesQuery("toy"), T0)
    assert desk.listed(asked_ns=T0, now_ns=T0 + 1)[1] == []
    desk.balances(T0 + 1)
    (own,) = desk.reconciler.due(T0 + 1).calls
    desk.reconciler.asked(own, T0 + 2)
    desk.reconciler.asked(poll, T0 + 3)
    assert desk.listed(asked_ns=T0 + 3, now_ns=T0 + 4)[1] == []
    assert desk.ended(T0 + 4) == []
    news, questions = desk.listed(at_venue(filled, OrderState.FILLED, LOTS), asked_ns=T0 + 2, now_ns=T0 + 5)
    assert ([type(event) for event in news], questions) == ([OrderProgress, OpenOrdersReport], [])
    assert [type(event) for event in desk.ended(T0 + 5)] == [Reconciled, Started]
    assert desk.reconciler.at_start == {"filled": 1}


def test_what_is_not_answered_is_asked_again(desk):
    desk.reconciler.begin(T0, restart=False)
    for step in range(3):
        now_ns = T0 + step * ANSWER_NS
        assert desk.reconciler.due(now_ns).calls == [BalancesQuery("toy")]
        assert desk.reconciler.due(now_ns).calls == [], "it waits for its call"
        desk.reconciler.asked(BalancesQuery("toy"), now_ns)
    assert desk.reconciler.questions_repeated == 2
    assert desk.reconciler.answered(BalancesAnswer(None, T0), T0).news == [], "asked too fast"
    assert desk.ended(T0) == []


def test_after_a_sleep_the_venue_is_asked_what_it_paid_since_its_last_answer(desk):
    """News of a pay-out may have been lost at any time since then, so the margin counts from there (arb 12)."""
    desk.reconciler.begin(T0, restart=False)
    desk.cycle(T0)
    woken_ns = T0 + 10 * MARGIN_NS
    assert desk.reconciler.due(woken_ns).calls == [BalancesQuery("toy", T0 + 1 - MARGIN_NS)]


def test_a_restart_adopts_finishes_and_asks_about_what_the_list_does_not_explain(desk):
    sent, lost, filled, ended = desk.order("1", opened=False), desk.order("2", opened=False), desk.order("3"), "4"
    ended = desk.order(ended)
    desk.reconciler.begin(T0, restart=True)
    desk.reconciler.due(T0)
    desk.reconciler.asked(BalancesQuery("toy"), T0)
    desk.balances(T0 + 1)
    (query,) = desk.reconciler.due(T0 + 1).calls
    assert query == OpenOrdersQuery(DOGE.id, T0 - MARGIN_NS)
    desk.reconciler.asked(query, T0 + 1)
    news, questions = desk.listed(
        at_venue(sent),
        at_venue(filled, OrderState.FILLED, LOTS),
        at_venue(ended, OrderState.CANCELLED, 5),
        asked_ns=T0 + 1,
        now_ns=T0 + 2,
    )
    assert [type(event) for event in news] == [OrderAccepted, OrderProgress, OrderEnded, OpenOrdersReport]
    assert news[-1] == OpenOrdersReport(DOGE.id, 1, 0, T0 + 2)
    assert questions == [lost]
    assert desk.ended(T0 + 3) == [], "the question is open"
    desk.asking.clear()
    (reconciled, began) = desk.ended(T0 + 4)
    assert reconciled == Reconciled("toy", (), (), None, T0 + 4), "totals say nothing when something was filled"
    assert began == Started(True, T0 + 4)
    assert desk.reconciler.at_start == {"adopted": 1, "ended": 1, "filled": 1, "not_listed": 1}
    assert desk.reconciler.found() == {}


def test_only_an_order_that_was_open_before_we_asked_can_be_missing(desk):
    old = desk.order("1")
    desk.reconciler.asked(OpenOrdersQuery(DOGE.id), T0)
    young = desk.order("2")
    assert desk.listed(asked_ns=T0, now_ns=T0 + 1)[1] == [old]
    desk.reconciler.asked(OpenOrdersQuery(DOGE.id), T0 + 5)
    assert desk.listed(asked_ns=T0, now_ns=T0 + 6)[1] == [], "an answer to an older question"
    assert desk.listed(asked_ns=T0 + 5, now_ns=T0 + 7)[1] == [old, young]


def test_an_order_that_ended_while_the_list_was_on_its_way_is_no_stranger(desk):
    client_id = desk.order("1")
    desk.reconciler.begin(T0, restart=False)
    assert desk.cycle(T0, at_venue(client_id))
    desk.reconciler.asked(OpenOrdersQuery(DOGE.id), T0 + SECOND)
    desk.hear(OrderEnded(OrderProgress(client_id, 0, 0, 0, T0 + SECOND), "cancelled", "user"))
    desk.listed(at_venue(client_id), asked_ns=T0 + SECOND, now_ns=T0 + SECOND + 1)
    (reconciled,) = desk.cycle(T0 + 2 * CYCLE_NS)
    assert reconciled.orphans == ()


def test_a_stranger_with_our_tag_is_named_at_once_at_a_start_and_after_two_lists_later(desk):
    stranger = IDS.client_id("buyer", "of another life")
    desk.reconciler.begin(T0, restart=False)
    (reconciled, _) = desk.cycle(T0, at_venue(stranger), at_venue("feedbeef"))
    assert reconciled.orphans == (stranger,)
    (reconciled,) = desk.cycle(T0 + 2 * CYCLE_NS)
    assert reconciled.orphans == ()
    (reconciled,) = desk.cycle(T0 + 4 * CYCLE_NS, at_venue(stranger))
    assert reconciled.orphans == ()
    (reconciled,) = desk.cycle(T0 + 6 * CYCLE_NS, at_venue(stranger))
    assert reconciled.orphans == (stranger,)


def test_an_order_that_only_its_terms_tell_is_weak_and_not_asked_about(desk):
    desk.order("1", opened=False)
    desk.reconciler.begin(T0, restart=True)
    nameless = at_venue("")
    (reconciled, _) = desk.cycle(T0, nameless)
    assert reconciled.weak == (IDS.client_id("buyer", "1"),)
    assert desk.asking == set()


def test_a_fill_between_the_totals_and_the_list_makes_them_say_nothing(desk):
    client_id = desk.order("1")
    desk.reconciler.begin(T0, restart=False)
    assert desk.cycle(T0, at_venue(client_id))
    now_ns = T0 + 2 * CYCLE_NS
    for query in desk.reconciler.due(now_ns).calls:
        desk.reconciler.asked(query, now_ns)
    desk.balances(now_ns + 1)
    desk.hear(OrderProgress(client_id, 5, 5, 0, now_ns + 2))
    for query in desk.reconciler.due(now_ns + 3).calls:
        desk.reconciler.asked(query, now_ns + 3)
    desk.listed(at_venue(client_id, OrderState.PARTIAL, 5), asked_ns=now_ns + 3, now_ns=now_ns + 4)
    (reconciled,) = desk.ended(now_ns + 5)
    assert reconciled.totals is None
    (reconciled,) = desk.cycle(now_ns + 2 * CYCLE_NS, at_venue(client_id, OrderState.PARTIAL, 5))
    assert reconciled.totals == {"USD": 100}


def with_amend(desk: Desk, lots: int) -> str:
    """Return an open order whose amend is on its way."""
    client_id = desk.order("1")
    before = Place(DOGE.id, Side.BUY, LOTS, ASK, Style.LIMIT, LEG, reduces=False, key="1", purpose="toy")
    amend = RestrictionBoard().permit_amend(before, structs.replace(before, lots=lots), client_id, 1, 0, T0)
    assert isinstance(amend, ApprovedAmend)
    desk.table.amend(amend)
    return client_id


def test_new_terms_in_the_list_confirm_an_amend(desk):
    client_id = with_amend(desk, LOTS + 5)
    found = structs.replace(at_venue(client_id), lots=LOTS + 5)
    desk.reconciler.asked(OpenOrdersQuery(DOGE.id), T0 + 1)
    news, questions = desk.listed(found, asked_ns=T0 + 1, now_ns=T0 + 2)
    assert news[0] == OrderAmended(client_id, 1, LOTS + 5, ASK, T0 + 2)
    assert questions == []


def test_old_terms_in_the_list_are_a_question_at_a_start_and_nothing_while_it_trades(desk):
    client_id = with_amend(desk, LOTS + 5)
    assert desk.listed(at_venue(client_id), asked_ns=T0 + 1, now_ns=T0 + 2)[1] == []
    desk.reconciler.begin(T0 + 3, restart=True)
    assert desk.listed(at_venue(client_id), asked_ns=T0 + 4, now_ns=T0 + 5)[1] == [client_id]


def test_terms_that_nobody_asked_for_are_told(desk):
    client_id = desk.order("1")
    found = structs.replace(at_venue(client_id), limit_ticks=ASK + 7)
    news, _ = desk.listed(found, asked_ns=T0 + 1, now_ns=T0 + 2)
    assert news[0] == OrderAmended(client_id, 0, LOTS, ASK + 7, T0 + 2)
