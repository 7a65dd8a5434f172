"""New terms of an open order, part by part: board, table, engine, what the venue's terms say (runtime 2.1, 2.15)."""

from typing import Any

import pytest
from msgspec import structs

from millrace.core.commands import (
    Alert,
    Amend,
    AmendOrder,
    AmendResult,
    Approved,
    ApprovedAmend,
    Cancel,
    CancelOrder,
    OrderState,
    OrderUpdate,
    Place,
    RecordAmend,
    Refuse,
    Refused,
    Severity,
    Side,
    Style,
    Submit,
)
from millrace.core.engine import Engine
from millrace.core.events import (
    AmendRefused,
    BalanceReport,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderProgress,
    Print,
    RejectReason,
)
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.order_truth import Terms, VenueOrder, differences
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.core.strategy import Interest
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.venues.kraken.facts import instrument_facts

DOGE = instrument_facts("kraken:DOGE/USD")
COIN, CENT = 10**8, 10**5
AT = 17 * CENT
ENTRY = Place(
    DOGE.id, Side.BUY, 60 * COIN, AT, Style.POST_ONLY, SubPosition("slots", DOGE.id, "1", "B"), False, "k", ""
)
EXIT = structs.replace(ENTRY, side=Side.SELL, reduces=True, key="x")
GLOBAL = Scope(ScopeKind.GLOBAL)


def halt(level: Level) -> Restriction:
    return Restriction("r", GLOBAL, level, ReasonCode.OPERATOR_HALT, "", "test", 0)


# The board (runtime 2.1, design section 5)

SMALLER, LARGER = {"lots": 50 * COIN}, {"lots": 70 * COIN}
DEARER, CHEAPER = {"limit_ticks": AT + CENT}, {"limit_ticks": AT - CENT}
ENTRIES = {"smaller": (SMALLER, False), "cheaper": (CHEAPER, False), "smaller and cheaper": (SMALLER | CHEAPER, False)}
ENTRIES |= {"larger": (LARGER, True), "dearer": (DEARER, True), "smaller but dearer": (SMALLER | DEARER, True)}


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("name", ENTRIES)
def test_what_adds_to_a_position_is_judged_like_a_new_order_and_halt_admits_no_amend(level, name):
    changes, increases = ENTRIES[name]
    board = RestrictionBoard()
    board.post(halt(level))
    verdict = board.permit_amend(ENTRY, structs.replace(ENTRY, **changes), "id", 1, 0, 5)
    if level <= Level.CAUTION or (level is Level.REDUCE_ONLY and not increases):
        assert isinstance(verdict, ApprovedAmend)
        assert (verdict.increases, verdict.order, verdict.key, verdict.board_version) == (increases, ENTRY, "k/r1", 1)
    else:
        assert isinstance(verdict, Refused)
        assert (verdict.is_amend, verdict.reasons) == (True, ("operator_halt",))


def test_a_sell_that_goes_down_trades_sooner_and_one_that_goes_up_later():
    board = RestrictionBoard()
    board.post(halt(Level.REDUCE_ONLY))
    sell = structs.replace(ENTRY, side=Side.SELL)
    assert isinstance(board.permit_amend(sell, structs.replace(sell, **DEARER), "id", 1, 0, 5), ApprovedAmend)
    assert isinstance(board.permit_amend(sell, structs.replace(sell, **CHEAPER), "id", 1, 0, 5), Refused)


@pytest.mark.parametrize(("lots", "admitted"), [(90 * COIN, True), (90 * COIN + 1, False)])
def test_an_exit_may_grow_to_what_is_open_and_move_under_reduce_only(lots, admitted):
    board = RestrictionBoard()
    board.post(halt(Level.REDUCE_ONLY))
    after = structs.replace(EXIT, lots=lots, limit_ticks=AT - CENT)
    verdict = board.permit_amend(EXIT, after, "id", 1, 90 * COIN, 5)
    assert isinstance(verdict, ApprovedAmend) == admitted
    assert not admitted or not verdict.increases
    assert admitted or verdict.reasons == ("exceeds_open_position",)


def test_objections_stop_what_increases_and_nothing_else():
    board = RestrictionBoard()
    for changes, increases in ENTRIES.values():
        verdict = board.permit_amend(ENTRY, structs.replace(ENTRY, **changes), "id", 1, 0, 5, ("daily_loss_cap",))
        assert isinstance(verdict, Refused) == increases


@pytest.mark.parametrize("bad", [{"lots": 0}, {"lots": -1}, {"lots": float("nan")}, {"limit_ticks": 1.5}])
def test_terms_that_cannot_be_judged_are_refused(bad):
    verdict = RestrictionBoard().permit_amend(ENTRY, structs.replace(ENTRY, **bad), "id", 1, 0, 5)
    assert isinstance(verdict, Refused)
    assert verdict.reasons == ("board_failure",)


# The table


class Desk:
    """The engine with one strategy that wants what the test says, and remembers what it is told."""

    name = "slots"

    def __init__(self) -> None:
        self.wanted: list[Any] = []
        self.told: list[OrderUpdate] = []
        self.refused: list[Refused] = []
        self.board = RestrictionBoard()
        self.orders = OrderTable(ClientIds("test", ("slots",)))
        self.engine = Engine((DOGE,), (self,), MarketView(), self.orders, Account(), self.board)
        self.now_ns = 0
        self.step(BalanceReport("kraken", {"USD": (10**12, 0), "DOGE": (10**12, 0)}, 0))

    def series(self) -> tuple[()]:
        return ()

    def decide(self, event: Any, view: Any) -> list[Any]:
        if isinstance(event, Refused):
            self.refused.append(event)
            return []
        if isinstance(event, OrderUpdate):
            self.told.append(event)
            return []
        wanted, self.wanted = self.wanted, []
        return wanted

    def interest(self) -> Interest:
        return Interest(all_events=True)

    def snapshot(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None: ...

    def status(self, view: Any) -> dict[str, Any]:
        return {}

    def step(self, event: Any) -> list[Any]:
        self.now_ns = max(self.now_ns, event.ts_ns)
        return self.engine.step(event)

    def want(self, *intents: Any) -> list[Any]:
        self.wanted = list(intents)
        return self.step(Print(DOGE.id, self.now_ns + 10, AT, 1))

    def open(self, place: Place = ENTRY) -> str:
        (submit,) = self.want(place)
        assert isinstance(submit, Submit)
        self.step(OrderAccepted(submit.order.client_id, f"O-{place.key}", self.now_ns))
        return submit.order.client_id

    def amend(self, lots: int, limit: int = AT, key: str = "k") -> list[Any]:
        return self.want(Amend("slots", key, lots * COIN, limit, "moves"))

    def filled(self, client_id: str, coins: int) -> list[Any]:
        return self.step(OrderProgress(client_id, coins * COIN, DOGE.cost(AT, coins * COIN), 0, self.now_ns))

    @property
    def order(self):
        return self.orders.named("slots", "k")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_amend_is_numbered_and_both_terms_count_until_it_is_answered(desk):
    client_id = desk.open()
    (command,) = desk.amend(80, AT - CENT)
    assert isinstance(command, AmendOrder)
    assert (command.amend.key, command.amend.client_id) == ("k/r1", client_id)
    assert (desk.order.terms, desk.order.wanted) == ((60 * COIN, AT), (80 * COIN, AT - CENT))
    (fact,) = desk.step(OrderAmended(client_id, 1, 80 * COIN, AT - CENT, desk.now_ns))
    assert fact == RecordAmend(client_id, 1, 1, 80 * COIN, AT - CENT, True, desk.now_ns)
    assert (desk.order.terms, desk.order.wanted) == ((80 * COIN, AT - CENT), None)
    told = desk.told[-1]
    assert told.amend == AmendResult(1, 80 * COIN, AT - CENT, None)
    assert (told.place.lots, told.place.limit_ticks) == (80 * COIN, AT - CENT)
    assert (told.state, told.previous, told.d_lots) == (OrderState.OPEN, OrderState.OPEN, 0)
    (second,) = desk.amend(70)
    assert second.amend.key == "k/r2"


def test_a_refused_amend_leaves_the_terms_and_is_told_with_its_reason(desk):
    client_id = desk.open()
    desk.amend(80)
    (fact,) = desk.step(AmendRefused(client_id, 1, RejectReason.INSUFFICIENT_FUNDS, desk.now_ns))
    assert not fact.done
    assert (desk.order.terms, desk.order.wanted) == ((60 * COIN, AT), None)
    assert desk.told[-1].amend == AmendResult(1, 80 * COIN, AT, RejectReason.INSUFFICIENT_FUNDS)
    assert desk.told[-1].reject is None, "the order itself was not rejected"


def test_the_intent_may_be_repeated_after_an_amend_and_another_payload_still_halts(desk):
    client_id = desk.open()
    desk.amend(80)
    desk.step(OrderAmended(client_id, 1, 80 * COIN, AT, desk.now_ns))
    assert desk.want(ENTRY) == []
    desk.want(structs.replace(ENTRY, lots=80 * COIN))
    assert [one.reason for one in desk.board.active()] == [ReasonCode.INTENT_KEY_REUSE]


def test_an_exit_covers_the_larger_of_both_terms(desk):
    entry = desk.open()
    desk.filled(entry, 60)
    desk.step(BalanceReport("kraken", {"USD": (10**12, 0), "DOGE": (10**12, 0)}, desk.now_ns))
    exit_id = desk.open(structs.replace(EXIT, lots=30 * COIN))
    leg = EXIT.position
    assert desk.orders.coverable(leg, Side.SELL) == 30 * COIN
    desk.amend(50, key="x")
    assert desk.orders.coverable(leg, Side.SELL) == 10 * COIN
    desk.step(AmendRefused(exit_id, 1, RejectReason.RATE_LIMIT, desk.now_ns))
    assert desk.orders.coverable(leg, Side.SELL) == 30 * COIN
    desk.amend(20, key="x")
    assert desk.orders.coverable(leg, Side.SELL) == 30 * COIN, "the old size may still be at the venue"
    desk.step(OrderAmended(exit_id, 2, 20 * COIN, AT, desk.now_ns))
    assert desk.orders.coverable(leg, Side.SELL) == 40 * COIN
    assert isinstance(desk.amend(61, key="x")[0], Refuse)
    assert isinstance(desk.amend(60, key="x")[0], AmendOrder)


def test_old_news_of_an_earlier_amend_changes_nothing(desk):
    client_id = desk.open()
    desk.amend(80)
    first = OrderAmended(client_id, 1, 80 * COIN, AT, desk.now_ns)
    desk.step(first)
    desk.amend(70)
    assert desk.step(first) == []
    desk.step(OrderAmended(client_id, 2, 70 * COIN, AT, desk.now_ns))
    assert desk.step(first) == []
    assert desk.step(AmendRefused(client_id, 1, RejectReason.LOST, desk.now_ns)) == []
    assert desk.order.terms == (70 * COIN, AT)


def test_an_amend_that_counted_as_lost_and_was_done_is_believed(desk):
    client_id = desk.open()
    desk.amend(80)
    desk.step(AmendRefused(client_id, 1, RejectReason.LOST, desk.now_ns))
    desk.step(OrderAmended(client_id, 1, 80 * COIN, AT, desk.now_ns))
    assert desk.order.terms == (80 * COIN, AT)


def test_more_than_the_old_terms_allowed_shows_that_the_amend_was_done(desk):
    client_id = desk.open()
    desk.amend(80)
    desk.filled(client_id, 60)
    assert desk.order.state is OrderState.PARTIAL, "what the amend added may still fill"
    facts = desk.filled(client_id, 70)
    assert [type(fact).__name__ for fact in facts] == ["RecordAmend", "RecordFill"]
    assert desk.told[-1].amend == AmendResult(1, 80 * COIN, AT, None)
    assert desk.order.terms == (80 * COIN, AT)
    desk.filled(client_id, 80)
    assert desk.order is None
    assert desk.told[-1].state is OrderState.FILLED


def test_an_order_full_under_its_old_terms_ends_when_the_larger_ones_are_refused(desk):
    client_id = desk.open()
    desk.amend(80)
    desk.filled(client_id, 60)
    desk.step(AmendRefused(client_id, 1, RejectReason.UNKNOWN_ORDER, desk.now_ns))
    assert desk.told[-1].state is OrderState.FILLED
    assert desk.orders.live(DOGE.id) == 0


def test_an_order_with_as_much_filled_as_its_smaller_terms_ends_with_their_confirmation(desk):
    client_id = desk.open()
    desk.amend(50)
    desk.filled(client_id, 50)
    assert desk.order is not None
    desk.step(OrderAmended(client_id, 1, 50 * COIN, AT, desk.now_ns))
    assert desk.told[-1].state is OrderState.FILLED


def test_more_than_both_terms_is_an_overfill(desk):
    client_id = desk.open()
    desk.amend(80)
    assert not any(isinstance(fact, Alert) for fact in desk.filled(client_id, 80))
    client_id = desk.open(structs.replace(ENTRY, key="other"))
    desk.amend(80, key="other")
    (alert,) = [fact for fact in desk.filled(client_id, 81) if isinstance(fact, Alert)]
    assert (alert.severity, alert.code) == (Severity.PAGE, "overfill")


# The engine


def test_one_at_a_time_and_nothing_for_terms_that_hold_or_are_asked_for(desk):
    client_id = desk.open()
    assert desk.amend(60) == []
    desk.amend(80)
    assert desk.amend(80) == []
    assert desk.amend(70) == [Refuse("k", ("not_amendable",))]
    assert (desk.refused[-1].is_amend, desk.refused[-1].place.lots) == (True, 70 * COIN)
    (cancel,) = desk.want(Cancel("slots", "k", "over"))
    assert isinstance(cancel, CancelOrder)
    desk.step(OrderAmended(client_id, 1, 80 * COIN, AT, desk.now_ns))
    assert desk.amend(70) == [Refuse("k", ("not_amendable",))], "its cancel is on its way"
    nothing = OrderProgress(client_id, 0, 0, 0, desk.now_ns)
    desk.step(OrderEnded(nothing, "cancelled", "user"))
    assert desk.amend(70) == []
    assert desk.amend(70, key="nobody") == []


def test_an_order_that_the_venue_has_not_confirmed_is_not_amended(desk):
    desk.want(ENTRY)
    assert desk.amend(80) == [Refuse("k", ("not_amendable",))]


def test_a_halt_refuses_amends_and_admits_the_cancel(desk):
    desk.open()
    desk.board.post(halt(Level.HALT))
    assert desk.amend(50) == [Refuse("k", ("operator_halt",))]
    assert isinstance(desk.want(Cancel("slots", "k", "over"))[0], CancelOrder)


def test_the_account_holds_the_larger_need_until_the_answer(desk):
    client_id = desk.open()
    desk.step(BalanceReport("kraken", {"USD": (10**12, 0), "DOGE": (10**12, 0)}, desk.now_ns))
    before = desk.engine.free("kraken", "USD")
    assert before == 10**12, "the venue's own hold is in its report"
    desk.amend(80)
    cost = DOGE.cost(AT, 20 * COIN)
    assert before - desk.engine.free("kraken", "USD") == pytest.approx(cost + DOGE.fee(cost, maker=True), abs=4)
    desk.step(AmendRefused(client_id, 1, RejectReason.RATE_LIMIT, desk.now_ns))
    assert desk.engine.free("kraken", "USD") == before
    desk.amend(50)
    assert desk.engine.free("kraken", "USD") == before
    desk.step(OrderAmended(client_id, 2, 50 * COIN, AT, desk.now_ns))
    desk.amend(60, AT + CENT)
    held = desk.engine.free("kraken", "USD")
    assert held < before
    desk.step(OrderAmended(client_id, 3, 60 * COIN, AT + CENT, desk.now_ns))
    assert desk.engine.free("kraken", "USD") == held, "until a report knows of it"
    desk.step(BalanceReport("kraken", {"USD": (10**12, 0), "DOGE": (10**12, 0)}, desk.now_ns))
    assert desk.engine.free("kraken", "USD") == before


def venue_need(limit: int, lots: int, *, maker: bool = True) -> int:
    cost = DOGE.cost(limit, lots)
    return cost + DOGE.fee(cost, maker=maker)


CASES = {
    "cheaper and larger": (AT, 60 * COIN, AT // 2, 100 * COIN, 30 * COIN, True),
    "dearer": (AT, 60 * COIN, AT + CENT, 60 * COIN, 30 * COIN, True),
    "two roundings for one": (1_702_186, 5_652_231_581, 1_702_187, 5_652_231_584, 38, True),
    "takes": (AT, 60 * COIN, AT + CENT, 60 * COIN, 0, False),
}


@pytest.mark.parametrize(("old", "lots", "new", "wanted", "filled", "maker"), CASES.values(), ids=CASES)
def test_what_fills_at_the_old_price_while_an_amend_travels_is_counted(desk, old, lots, new, wanted, filled, maker):
    """The venue has filled part of a buy, of which we have not heard, when the amend comes."""
    style = Style.POST_ONLY if maker else Style.LIMIT
    desk.open(structs.replace(ENTRY, lots=lots, limit_ticks=old, style=style))
    reported = 10**12
    desk.step(BalanceReport("kraken", {"USD": (reported, venue_need(old, lots))}, desk.now_ns))
    desk.want(Amend("slots", "k", wanted, new, "moves"))
    held = venue_need(old, lots) - venue_need(old, filled)
    free_at_venue = reported + held - venue_need(new, wanted - filled, maker=maker)
    assert desk.engine.free("kraken", "USD") <= free_at_venue
    assert desk.engine.free("kraken", "USD") > free_at_venue - venue_need(AT, 60 * COIN)


def test_an_order_that_ended_with_its_amend_unanswered_may_have_spent_by_the_new_terms(desk):
    client_id = desk.open()
    desk.step(BalanceReport("kraken", {"USD": (10**12, 0)}, desk.now_ns))
    desk.amend(60, AT + CENT)
    held = desk.engine.free("kraken", "USD")
    assert held < 10**12
    desk.step(OrderProgress(client_id, 60 * COIN, DOGE.cost(AT + CENT, 60 * COIN), 0, desk.now_ns))
    assert desk.told[-1].state is OrderState.FILLED
    assert desk.engine.free("kraken", "USD") == held
    desk.step(BalanceReport("kraken", {"USD": (10**11, 0)}, desk.now_ns))
    assert desk.engine.free("kraken", "USD") == 10**11


# What the venue's terms say


def told(desk: Desk, lots: int, asked_ns: int, state: OrderState = OrderState.OPEN) -> list[Any]:
    found = VenueOrder(DOGE.id, desk.order.client_id, "O-k", Side.BUY, lots * COIN, AT, state, 0, 0, 0, "")
    return differences(desk.order, found, desk.now_ns + 5, asked_ns)


def test_new_terms_are_confirmed_and_old_ones_say_nothing_while_the_order_is_open(desk):
    client_id = desk.open()
    desk.amend(80)
    asked_ns = desk.now_ns
    assert told(desk, 80, asked_ns) == [OrderAmended(client_id, 1, 80 * COIN, AT, desk.now_ns + 5)]
    assert told(desk, 60, asked_ns) == []
    assert told(desk, 80, asked_ns - 1) == [], "asked before there was an amend"


def test_the_terms_of_an_order_that_has_ended_are_final(desk):
    client_id = desk.open()
    desk.amend(80)
    events = told(desk, 60, 0, OrderState.CANCELLED)
    assert [type(event) for event in events] == [AmendRefused, OrderEnded]
    assert events[0] == AmendRefused(client_id, 1, RejectReason.LOST, desk.now_ns + 5)
    assert [type(event) for event in told(desk, 80, 0, OrderState.EXPIRED)] == [OrderAmended, OrderEnded]


def test_terms_of_nobody_are_taken_over_with_a_page_and_old_answers_are_not(desk):
    client_id = desk.open()
    desk.amend(80)
    desk.step(OrderAmended(client_id, 1, 80 * COIN, AT, desk.now_ns))
    assert told(desk, 60, desk.now_ns - 1) == [], "the answer is older than what we know"
    (strange,) = told(desk, 55, desk.now_ns)
    assert strange == OrderAmended(client_id, 0, 55 * COIN, AT, desk.now_ns + 5)
    alert, fact = desk.step(strange)
    assert (alert.severity, alert.code) == (Severity.PAGE, "terms_not_ours")
    assert (fact.number, fact.revision, fact.done) == (2, 0, True)
    assert desk.order.terms == Terms(55 * COIN, AT)
    assert desk.step(strange) == []


def test_a_weaker_amend_is_not_an_approved_order():
    """An executor that took one for the other would place an order instead of changing one."""
    assert not issubclass(ApprovedAmend, Approved)
