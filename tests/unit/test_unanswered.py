"""The questions about unanswered orders, rule by rule (runtime 2.14, 2.15 rules 3 and 5)."""

from typing import Any, NamedTuple

import pytest
from msgspec import structs

from faulty_line import ASK, DOGE, LOTS, SECOND
from millrace.core.commands import Approved, ApprovedAmend, CancelOrder, OrderState, Place, Side, Style
from millrace.core.events import (
    AmendRefused,
    CancelRefused,
    EndStatus,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderEvent,
    OrderProgress,
    OrderRejected,
    OrderUnknown,
    RejectReason,
)
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.order_truth import GONE, VenueOrder
from millrace.core.recovery_events import QueryAnswered, QueryFailed
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.shell.unanswered import Follows, Patience, Query, StatusAnswer, Unanswered

MS = SECOND // 1_000
SENT_NS = 100 * SECOND


class Desk(NamedTuple):
    """An order that has just been sent, the table that knows it, and who waits for its answer."""

    table: OrderTable
    unanswered: Unanswered
    approved: Approved

    @property
    def id(self) -> str:
        return self.approved.client_id

    @property
    def cancel(self) -> CancelOrder:
        return CancelOrder(DOGE.id, self.id, "test")

    @property
    def state(self) -> OrderState | None:
        order = self.table.open_order(self.id)
        return None if order is None else order.state

    def hear(self, event: OrderEvent) -> Follows:
        self.table.apply(event)
        return self.unanswered.heard(event)

    def wait(self, until_ns: int) -> list[tuple[int, Any]]:
        """Let time pass and every question leave at once; returns when what came, in ms after the order was sent."""
        seen: list[tuple[int, Any]] = []
        while (due_ns := self.unanswered.next_ns) is not None and due_ns <= until_ns:
            follows = self.unanswered.due(due_ns)
            for event in follows.news:
                seen.append(((due_ns - SENT_NS) // MS, type(event)))
                if isinstance(event, OrderEvent):
                    self.hear(event)
            for call in follows.calls:
                assert isinstance(call, Query)
                seen.append(((due_ns - SENT_NS) // MS, Query))
                self.unanswered.asked(call.client_id, due_ns)
        return seen

    def tell(self, found: VenueOrder | None, asked_ms: int, at_ms: int) -> Follows:
        answer = StatusAnswer(self.id, found, SENT_NS + asked_ms * MS)
        follows = self.unanswered.answered(answer, SENT_NS + at_ms * MS)
        for event in follows.news:
            if isinstance(event, OrderEvent):
                self.hear(event)
        return follows

    def at_venue(self, state: OrderState, cum_lots: int = 0) -> VenueOrder:
        cost = DOGE.cost(ASK, cum_lots)
        return VenueOrder(DOGE.id, self.id, "O1", Side.BUY, LOTS, ASK, state, cum_lots, cost, 0, "user")


@pytest.fixture
def desk() -> Desk:
    table = OrderTable(ClientIds("toy", ("buyer",)))
    leg = SubPosition("buyer", DOGE.id, "1", "B")
    place = Place(DOGE.id, Side.BUY, LOTS, ASK, Style.LIMIT, leg, reduces=False, key="1/1", purpose="toy")
    approved = RestrictionBoard().permit(place, table.client_id("buyer", "1/1"), 0, SENT_NS)
    assert isinstance(approved, Approved)
    table.add(approved)
    unanswered = Unanswered(table, Patience())
    unanswered.placed(approved, SENT_NS)
    return Desk(table, unanswered, approved)


def accepted(desk: Desk) -> OrderAccepted:
    return OrderAccepted(desk.id, "O1", SENT_NS + 50 * MS)


def test_an_answer_in_time_ends_the_watch(desk):
    desk.hear(accepted(desk))
    assert len(desk.unanswered) == 0
    assert desk.unanswered.next_ns is None


def test_the_ladder_and_the_halt(desk):
    seen = desk.wait(SENT_NS + 15 * SECOND)
    assert seen == [
        (2_000, OrderUnknown),
        (2_250, Query),
        (2_500, Query),
        (3_000, Query),
        (4_000, Query),
        (6_000, Query),
        (10_000, QueryFailed),
        (10_000, Query),
        (14_000, Query),
    ]
    assert desk.state is OrderState.UNKNOWN
    found = desk.tell(desk.at_venue(OrderState.OPEN), 14_000, 14_100)
    assert [type(event) for event in found.news] == [OrderAccepted, QueryAnswered]
    assert desk.state is OrderState.OPEN
    assert len(desk.unanswered) == 0


def test_late_news_lifts_the_halt_as_well(desk):
    desk.wait(SENT_NS + 12 * SECOND)
    follows = desk.hear(OrderProgress(desk.id, LOTS, DOGE.cost(ASK, LOTS), 0, SENT_NS + 12 * SECOND))
    assert follows.news == [QueryAnswered(desk.id, SENT_NS + 12 * SECOND)]


def test_absent_is_believed_only_of_a_settled_venue(desk):
    reset = OrderUnknown(desk.id, "reset", SENT_NS + 100 * MS)
    desk.hear(reset)
    assert desk.wait(SENT_NS + 400 * MS) == [(350, Query)]
    assert desk.tell(None, 350, 400) == Follows([], [])
    assert desk.tell(None, 1_999, 2_100) == Follows([], [])
    assert desk.tell(None, 2_000, 2_100) == Follows([], [desk.approved])


def test_an_answer_from_before_the_resend_says_nothing_about_it(desk):
    desk.wait(SENT_NS + 2_300 * MS)
    assert desk.tell(None, 2_250, 2_300).calls == [desk.approved]
    assert desk.tell(None, 2_250, 2_350) == Follows([], []), "it waits to leave already"
    assert desk.unanswered.may_send(desk.id)
    desk.unanswered.placed(desk.approved, SENT_NS + 2_400 * MS)
    assert desk.tell(None, 2_250, 9_000) == Follows([], [])
    assert desk.tell(None, 4_399, 9_000) == Follows([], [])


def test_news_stops_a_resend_that_waits_to_leave(desk):
    desk.wait(SENT_NS + 2_300 * MS)
    desk.tell(None, 2_250, 2_300)
    desk.hear(accepted(desk))
    assert not desk.unanswered.may_send(desk.id)


def test_three_resends_and_then_it_counts_as_lost(desk):
    now_ms = 0
    for _ in range(Patience().resends):
        desk.wait(SENT_NS + (now_ms + 2_300) * MS)
        assert desk.tell(None, now_ms + 2_250, now_ms + 2_300).calls == [desk.approved]
        now_ms += 2_400
        desk.unanswered.placed(desk.approved, SENT_NS + now_ms * MS)
    desk.wait(SENT_NS + (now_ms + 2_300) * MS)
    (lost,) = desk.tell(None, now_ms + 2_250, now_ms + 2_300).news
    assert isinstance(lost, OrderRejected)
    assert lost.reason is RejectReason.LOST
    assert len(desk.unanswered) == 0


def test_an_order_that_was_to_be_cancelled_is_not_sent_again(desk):
    desk.unanswered.unwanted(desk.cancel)
    desk.wait(SENT_NS + 2_300 * MS)
    follows = desk.tell(None, 2_250, 2_300)
    assert [type(event) for event in follows.news] == [OrderRejected]
    assert follows.calls == []


def test_an_accepted_order_ends_when_it_was_denied_twice_a_settle_time_apart_and_is_never_sent_again(desk):
    desk.hear(accepted(desk))
    desk.hear(OrderUnknown(desk.id, "reset", SENT_NS + SECOND))
    desk.wait(SENT_NS + 4 * SECOND)
    assert desk.tell(None, 4_000, 4_050) == ([], [])
    assert desk.tell(None, 5_999, 6_050) == ([], [])
    follows = desk.tell(None, 6_000, 6_050)
    (ended,) = follows.news
    assert isinstance(ended, OrderEnded)
    assert (ended.status, ended.reason) == (EndStatus.CANCELLED, GONE)
    assert follows.calls == []
    assert len(desk.unanswered) == 0


def test_a_refusal_as_duplicate_is_a_question(desk):
    desk.hear(OrderRejected(desk.id, RejectReason.DUPLICATE_CLIENT_ID, "", SENT_NS + 50 * MS))
    assert desk.state is OrderState.UNKNOWN
    assert desk.wait(SENT_NS + 300 * MS) == [(300, Query)]


def test_a_cancel_without_an_answer_is_asked_about(desk):
    desk.hear(accepted(desk))
    desk.table.request_cancel("buyer", "1/1")
    desk.unanswered.cancelled(desk.cancel, SENT_NS + SECOND)
    assert desk.wait(SENT_NS + 3_300 * MS) == [(3_250, Query)]
    assert desk.state is OrderState.OPEN, "the order is no less certain than before"
    follows = desk.tell(desk.at_venue(OrderState.OPEN), 3_250, 3_300)
    assert follows.news == [CancelRefused(desk.id, RejectReason.LOST.value, SENT_NS + 3_300 * MS)]
    assert len(desk.unanswered) == 0


def test_a_cancel_whose_answer_was_lost_ends_with_its_fills(desk):
    desk.hear(accepted(desk))
    desk.table.request_cancel("buyer", "1/1")
    desk.unanswered.cancelled(desk.cancel, SENT_NS + SECOND)
    desk.wait(SENT_NS + 3_300 * MS)
    (ended,) = desk.tell(desk.at_venue(OrderState.CANCELLED, 40), 3_250, 3_300).news
    assert isinstance(ended, OrderEnded)
    assert (ended.status, ended.progress.cum_lots) == (EndStatus.CANCELLED, 40)
    assert len(desk.unanswered) == 0


def test_unknown_order_on_a_cancel_is_a_question_and_the_cancel_leaves_again(desk):
    desk.table.request_cancel("buyer", "1/1")
    desk.unanswered.cancelled(desk.cancel, SENT_NS + 10 * MS)
    desk.hear(CancelRefused(desk.id, "unknown order", SENT_NS + 60 * MS))
    assert desk.state is OrderState.SENT
    assert desk.wait(SENT_NS + 400 * MS) == [(310, Query)]
    follows = desk.tell(desk.at_venue(OrderState.OPEN), 310, 400)
    assert [type(event) for event in follows.news] == [OrderAccepted]
    assert follows.calls == [desk.cancel]


@pytest.mark.parametrize("reason", [RejectReason.RATE_LIMIT, RejectReason.LOST])
def test_a_cancel_that_was_put_off_is_the_strategys_again(desk, reason):
    desk.hear(accepted(desk))
    desk.table.request_cancel("buyer", "1/1")
    desk.unanswered.cancelled(desk.cancel, SENT_NS + SECOND)
    desk.hear(CancelRefused(desk.id, reason.value, SENT_NS + SECOND))
    assert len(desk.unanswered) == 0


def test_a_refused_question_is_no_answer(desk):
    desk.wait(SENT_NS + 2_300 * MS)
    refused = StatusAnswer(desk.id, None, SENT_NS + 2_250 * MS, refused=True)
    assert desk.unanswered.answered(refused, SENT_NS + 2_300 * MS) == Follows([], [])
    assert len(desk.unanswered) == 1


def amended(desk: Desk, lots: int = LOTS + 20, left_ns: int = SENT_NS + SECOND) -> ApprovedAmend:
    """Let an amend of the accepted order leave."""
    desk.hear(accepted(desk))
    before = desk.approved.order
    after = structs.replace(before, lots=lots)
    amend = RestrictionBoard().permit_amend(before, after, desk.id, 1, 0, left_ns)
    assert isinstance(amend, ApprovedAmend)
    desk.table.amend(amend)
    desk.unanswered.amended(amend, left_ns)
    return amend


@pytest.mark.parametrize("refused", [False, True])
def test_an_answer_to_an_amend_in_time_ends_the_watch(desk, refused):
    amended(desk)
    at_ns = SENT_NS + SECOND + 50 * MS
    pace = AmendRefused(desk.id, 1, RejectReason.RATE_LIMIT, at_ns)
    assert desk.hear(pace if refused else OrderAmended(desk.id, 1, LOTS + 20, ASK, at_ns)) == ([], [])
    assert len(desk.unanswered) == 0


def test_an_amend_without_an_answer_after_two_seconds_is_asked_about_and_its_new_terms_confirm_it(desk):
    amended(desk)
    assert desk.wait(SENT_NS + 3_300 * MS) == [(3_250, Query)]
    assert desk.state is OrderState.OPEN, "the order is no less certain than before"
    found = structs.replace(desk.at_venue(OrderState.OPEN), lots=LOTS + 20)
    follows = desk.tell(found, 3_250, 3_300)
    assert follows == ([OrderAmended(desk.id, 1, LOTS + 20, ASK, SENT_NS + 3_300 * MS)], [])
    assert len(desk.unanswered) == 0


def test_old_terms_count_only_when_the_question_left_after_the_venue_had_settled(desk):
    amended(desk)
    desk.wait(SENT_NS + 3_300 * MS)
    assert desk.tell(desk.at_venue(OrderState.OPEN), 2_999, 3_300) == ([], [])
    assert len(desk.unanswered) == 1, "it is asked again"
    follows = desk.tell(desk.at_venue(OrderState.OPEN), 3_000, 3_400)
    assert follows == ([AmendRefused(desk.id, 1, RejectReason.LOST, SENT_NS + 3_400 * MS)], [])
    assert len(desk.unanswered) == 0


def test_a_ladder_without_answers_about_an_amend_halts_the_venue(desk):
    amended(desk)
    seen = [kind for _, kind in desk.wait(SENT_NS + 20 * SECOND)]
    assert seen.count(QueryFailed) == 1
    found = structs.replace(desk.at_venue(OrderState.OPEN), lots=LOTS + 20)
    assert [type(event) for event in desk.tell(found, 19_000, 20_000).news] == [OrderAmended, QueryAnswered]


def test_an_unknown_order_on_an_amend_is_a_question_about_the_order(desk):
    amended(desk)
    desk.hear(AmendRefused(desk.id, 1, RejectReason.UNKNOWN_ORDER, SENT_NS + 1_050 * MS))
    assert desk.wait(SENT_NS + 1_400 * MS) == [(1_300, Query)]
    (progress,) = desk.tell(desk.at_venue(OrderState.FILLED, LOTS), 1_300, 1_400).news
    assert isinstance(progress, OrderProgress)
    assert desk.state is None
    assert len(desk.unanswered) == 0


def test_an_order_that_was_filled_under_its_old_terms_ends_with_the_answer(desk):
    amended(desk)
    desk.wait(SENT_NS + 3_300 * MS)
    news = desk.tell(desk.at_venue(OrderState.FILLED, LOTS), 3_250, 3_300).news
    assert [type(event) for event in news] == [AmendRefused, OrderProgress]
    assert desk.state is None


def test_the_end_of_the_order_answers_its_amend(desk):
    amended(desk)
    nothing = OrderProgress(desk.id, 0, 0, 0, SENT_NS + 2 * SECOND)
    desk.hear(OrderEnded(nothing, EndStatus.CANCELLED, "user"))
    assert len(desk.unanswered) == 0


def test_only_the_amend_that_its_order_waits_for_may_leave(desk):
    amend = amended(desk)
    assert desk.unanswered.may_amend(amend)
    desk.hear(AmendRefused(desk.id, 1, RejectReason.LOST, SENT_NS + 2 * SECOND))
    assert not desk.unanswered.may_amend(amend)


def test_after_a_restart_an_amend_is_in_question_from_then_on(desk):
    amended(desk)
    desk.table.apply(accepted(desk))
    again = Unanswered(desk.table, Patience())
    began_ns = SENT_NS + 5 * SECOND
    again.question(desk.id, began_ns)
    assert again.due(began_ns).calls == [Query(DOGE.id, desk.id)]
    early = StatusAnswer(desk.id, desk.at_venue(OrderState.OPEN), began_ns)
    assert again.answered(early, began_ns + 50 * MS) == ([], []), "it may have left just before the end"
    late = StatusAnswer(desk.id, desk.at_venue(OrderState.OPEN), began_ns + 2 * SECOND)
    (lost,) = again.answered(late, began_ns + 3 * SECOND).news
    assert lost == AmendRefused(desk.id, 1, RejectReason.LOST, began_ns + 3 * SECOND)
