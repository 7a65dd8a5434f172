"""The order table against runtime 2.15 rule 2: what each piece of news does to an order and to its sub-position."""

import pytest

from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import Alert, Approved, OrderState, Place, RecordFill, RecordOrder, Side, Style
from millrace.core.events import (
    CancelRefused,
    EndStatus,
    OrderAccepted,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    OrderUnknown,
    RejectReason,
)
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.instrument import InstrumentId
from millrace.orders.states import FOLLOWERS, next_state
from millrace.orders.table import OrderTable

DOGE = InstrumentId("kraken", "DOGE/USD")
LEG = SubPosition("grid", DOGE, "7", "A")
IDS = ClientIds("here", ("grid",))
ID = IDS.client_id("grid", "k")


def place(key: str = "k", lots: int = 10, side: Side = Side.BUY, *, reduces: bool = False) -> Place:
    return Place(DOGE, side, lots, 100, Style.POST_ONLY, LEG, reduces, key, "entry")


def add(table: OrderTable, order: Place) -> str:
    client_id = table.client_id("grid", order.key)
    table.add(Approved(order, client_id, 0, 1))
    return client_id


def table_with(*news) -> OrderTable:
    table = OrderTable(IDS)
    add(table, place())
    for event in news:
        table.apply(event)
    return table


def accepted(venue_id: str = "V1", ts_ns: int = 2) -> OrderAccepted:
    return OrderAccepted(ID, venue_id, ts_ns)


def progress(cum_lots: int, fee: int = 1, ts_ns: int = 3, client_id: str = ID) -> OrderProgress:
    return OrderProgress(client_id, cum_lots, cum_lots * 100, fee * cum_lots, ts_ns)


def ended(cum_lots: int = 0, status: EndStatus = EndStatus.CANCELLED, client_id: str = ID) -> OrderEnded:
    return OrderEnded(progress(cum_lots, client_id=client_id), status, "user")


def rejected(reason: RejectReason = RejectReason.INSUFFICIENT_FUNDS) -> OrderRejected:
    return OrderRejected(ID, reason, "no", 3)


def codes(facts) -> list[str]:
    return [fact.code for fact in facts if isinstance(fact, Alert)]


def test_terminal_states_absorb_and_the_rest_can_end():
    for state in OrderState:
        followers = {wanted for wanted in OrderState if wanted is not state and next_state(state, wanted) is wanted}
        assert followers == FOLLOWERS[state]
        assert bool(followers) is not state.is_terminal
        assert state.is_terminal or {OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED} <= followers
    assert OrderState.REJECTED not in FOLLOWERS[OrderState.OPEN] | FOLLOWERS[OrderState.PARTIAL]


@pytest.mark.parametrize(
    ("news", "state"),
    [
        ([], OrderState.SENT),
        ([accepted()], OrderState.OPEN),
        ([accepted(), progress(3)], OrderState.PARTIAL),
        ([progress(3)], OrderState.PARTIAL),
        ([progress(3), accepted()], OrderState.PARTIAL),
        ([progress(0)], OrderState.OPEN),
        ([accepted(), progress(10)], OrderState.FILLED),
        ([accepted(), ended(10)], OrderState.FILLED),
        ([ended(3)], OrderState.CANCELLED),
        ([ended(0, EndStatus.EXPIRED)], OrderState.EXPIRED),
        ([rejected()], OrderState.REJECTED),
        ([accepted(), rejected()], OrderState.OPEN),
        ([rejected(RejectReason.DUPLICATE_CLIENT_ID)], OrderState.UNKNOWN),
        ([accepted(), rejected(RejectReason.DUPLICATE_CLIENT_ID)], OrderState.OPEN),
        ([OrderUnknown(ID, "timeout", 2)], OrderState.UNKNOWN),
        ([OrderUnknown(ID, "timeout", 2), accepted()], OrderState.OPEN),
        ([OrderUnknown(ID, "timeout", 2), rejected()], OrderState.REJECTED),
        ([progress(3), OrderUnknown(ID, "timeout", 2), accepted()], OrderState.PARTIAL),
        ([ended(3), OrderUnknown(ID, "timeout", 2), accepted()], OrderState.CANCELLED),
        ([ended(3), progress(10)], OrderState.CANCELLED),
        ([accepted(), progress(7), progress(3)], OrderState.PARTIAL),
    ],
)
def test_states(news, state: OrderState):
    table = table_with(*news)
    assert table.snapshot()["orders"][0]["state"] == state
    assert table.live(DOGE) == (0 if state.is_terminal else 1)


def test_the_update_carries_what_the_news_added_and_the_totals():
    table = table_with(accepted(), progress(3))
    update, facts = table.apply(progress(10, ts_ns=9))
    assert (update.state, update.previous) == (OrderState.FILLED, OrderState.PARTIAL)
    assert (update.d_lots, update.d_cost, update.d_fee) == (7, 700, 7)
    assert (update.cum_lots, update.cum_cost, update.cum_fee, update.ts_ns) == (10, 1_000, 10, 9)
    assert facts == [
        RecordFill(ID, LEG, Side.BUY, 7, 700, 7, 10, 1_000, 10, 9),
        RecordOrder(ID, OrderState.FILLED, "V1", 9),
    ]


@pytest.mark.parametrize("event", [accepted(), progress(3), progress(2), progress(0), rejected()])
def test_old_and_repeated_news_changes_nothing(event):
    table = table_with(accepted(), progress(3))
    before = table.snapshot()
    assert table.apply(event) is None
    assert table.snapshot() == before


def test_news_of_others_orders_is_not_ours():
    assert OrderTable(IDS).apply(progress(3)) is None


def test_the_venues_id_is_recorded_when_the_fill_came_first():
    table = table_with(progress(3))
    _, facts = table.apply(accepted("V9", 5))
    assert facts == [RecordOrder(ID, OrderState.PARTIAL, "V9", 5)]


def test_a_fill_after_the_end_is_booked_and_alerted():
    table = table_with(accepted(), ended(3))
    update, facts = table.apply(progress(5))
    assert (update.state, update.d_lots, table.position(LEG)) == (OrderState.CANCELLED, 2, 5)
    assert isinstance(facts[0], RecordFill)
    assert codes(facts) == ["fill_after_end"]


def test_an_overfill_is_booked_and_pages():
    table = table_with(accepted())
    update, facts = table.apply(progress(12))
    assert (update.state, table.position(LEG), codes(facts)) == (OrderState.FILLED, 12, ["overfill"])
    _, facts = table.apply(progress(13))
    assert (table.position(LEG), codes(facts)) == (13, ["overfill"])


def test_an_order_that_counts_as_rejected_and_shows_up_pages_once():
    table = table_with(rejected())
    assert codes(table.apply(accepted())[1]) == ["accepted_after_end"]
    assert table.apply(accepted()) is None


def test_a_fee_that_comes_late_is_booked():
    table = table_with(accepted(), progress(10, fee=0))
    update, facts = table.apply(progress(10, fee=2))
    assert (update.d_lots, update.d_fee) == (0, 20)
    assert facts == [RecordFill(ID, LEG, Side.BUY, 0, 0, 20, 10, 1_000, 20, 3)]
    assert table.apply(progress(10, fee=1)) is None


def test_one_cancel_is_out_at_a_time():
    table = table_with(accepted())
    assert table.request_cancel("grid", "k") == (ID, DOGE)
    assert table.request_cancel("grid", "k") is None
    update, facts = table.apply(CancelRefused(ID, "rate limit", 4))
    assert (update.state, update.text, facts) == (OrderState.OPEN, "rate limit", [])
    assert table.apply(CancelRefused(ID, "rate limit", 4)) is None
    assert table.request_cancel("grid", "k") == (ID, DOGE)
    table.apply(OrderUnknown(ID, "timeout", 5))
    assert table.request_cancel("grid", "k") == (ID, DOGE)
    table.apply(ended())
    assert table.request_cancel("grid", "k") is None
    assert table.request_cancel("grid", "nobody") is None


def test_what_an_exit_may_still_cover():
    table = table_with(accepted(), progress(10))
    assert (table.coverable(LEG, Side.SELL), table.coverable(LEG, Side.BUY)) == (10, 0)
    first = add(table, place("exit1", 6, Side.SELL, reduces=True))
    assert table.coverable(LEG, Side.SELL) == 4
    table.apply(progress(2, client_id=first))
    assert (table.position(LEG), table.coverable(LEG, Side.SELL)) == (8, 4)
    table.apply(ended(2, client_id=first))
    assert table.coverable(LEG, Side.SELL) == 8
    second = add(table, place("exit2", 8, Side.SELL, reduces=True))
    table.apply(progress(8, client_id=second))
    assert (table.position(LEG), table.coverable(LEG, Side.SELL)) == (0, 0)
    assert table.positions() == {}


def test_a_short_legs_buy_exit_is_reducing():
    """Design section 5.3."""
    table = OrderTable(IDS)
    short = add(table, place("short", 10, Side.SELL))
    table.apply(progress(10, client_id=short))
    assert (table.position(LEG), table.coverable(LEG, Side.BUY), table.coverable(LEG, Side.SELL)) == (-10, 10, 0)


def test_keys_and_ids_are_taken_once():
    table = table_with()
    assert table.known("grid", "k") == place()
    assert table.known("grid", "other") is None
    with pytest.raises(ValueError, match="already"):
        add(table, place())


def test_ended_orders_are_forgotten_oldest_first():
    table = OrderTable(IDS, ended_kept=3)
    for number in range(6):
        client_id = add(table, place(f"k{number}"))
        if number != 1:
            table.apply(ended(client_id=client_id))
    known = [number for number in range(6) if table.known("grid", f"k{number}")]
    assert known == [1, 3, 4, 5]
    assert table.live(DOGE) == 1


def test_a_restored_table_goes_on_alike():
    table, again = table_with(accepted(), progress(4)), OrderTable(IDS)
    add(table, place("exit", 3, Side.SELL, reduces=True))
    table.apply(ended(client_id=add(table, place("gone"))))
    table.request_cancel("grid", "k")
    again.restore(decode_state(encode_state(table.snapshot())))
    assert again.snapshot() == table.snapshot()
    assert (again.live(DOGE), again.coverable(LEG, Side.SELL), again.position(LEG)) == (2, 1, 4)
    assert again.request_cancel("grid", "k") is None
    assert again.apply(progress(9)) == table.apply(progress(9))
    with pytest.raises(ValueError):  # noqa: PT011  msgspec words it
        again.restore({"orders": 3})
    assert again.snapshot() == table.snapshot()
