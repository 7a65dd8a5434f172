"""News in any order, any number of times, ends in the same books (runtime 2.15 A3)."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import Approved, OrderState, Place, RecordFill, RecordOrder, Side, Style, Submit
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
from millrace.orders.table import OrderTable
from millrace.shell.ledger_memory import MemoryLedger

IDS = ClientIds("here", ("grid",))
MARKETS = [InstrumentId("kraken", "DOGE/USD"), InstrumentId("kraken", "BTC/USDC")]
KEYS = ["k0", "k1", "k2"]
client_ids = st.sampled_from([IDS.client_id("grid", key) for key in KEYS] + ["foreign"])
progresses = st.builds(
    lambda client_id, lots: OrderProgress(client_id, lots, lots * 7, lots, 5), client_ids, st.integers(0, 6)
)
news = st.one_of(
    st.builds(OrderAccepted, client_ids, st.sampled_from(["V1", "V2", ""]), st.just(5)),
    st.builds(OrderRejected, client_ids, st.sampled_from(RejectReason), st.just("no"), st.just(5)),
    progresses,
    st.builds(OrderEnded, progresses, st.sampled_from(EndStatus), st.just("user")),
    st.builds(OrderUnknown, client_ids, st.just("timeout"), st.just(5)),
    st.builds(CancelRefused, client_ids, st.just("unknown order"), st.just(5)),
)
places = st.tuples(
    *(
        st.builds(
            lambda market, side, lots, group, reduces, key=key: Place(
                market, side, lots, 7, Style.LIMIT, SubPosition("grid", market, group, "A"), reduces, key, "p"
            ),
            st.sampled_from(MARKETS),
            st.sampled_from(Side),
            st.integers(1, 5),
            st.sampled_from(["1", "2"]),
            st.booleans(),
        )
        for key in KEYS
    )
)


def started(orders: tuple[Place, ...]) -> tuple[OrderTable, MemoryLedger]:
    table, ledger = OrderTable(IDS), MemoryLedger()
    for order in orders:
        approved = Approved(order, IDS.client_id("grid", order.key), 0, 1)
        table.add(approved)
        ledger.commit([Submit(approved)])
    return table, ledger


@settings(max_examples=150)
@given(places, st.lists(news, max_size=14), st.integers(0, 14))
def test_books_live_counts_and_ledger_follow_the_orders(orders, events, saved_at):
    table, ledger = started(orders)
    by_id = {IDS.client_id("grid", order.key): order for order in orders}
    ended: dict[str, str] = {}
    for number, event in enumerate(events):
        if number == saved_at:
            restored = OrderTable(IDS)
            restored.restore(decode_state(encode_state(table.snapshot())))
            table = restored
        applied = table.apply(event)
        if applied is not None:
            update, facts = applied
            ledger.commit(facts)
            assert min(update.d_lots, update.cum_lots) >= 0
            assert (update.state is not update.previous) <= any(isinstance(fact, RecordOrder) for fact in facts)
            assert (update.d_lots > 0) <= any(isinstance(fact, RecordFill) for fact in facts)
        for row in table.snapshot()["orders"]:
            state = OrderState(row["state"])
            assert ended.get(row["client_id"], state) == state
            if state.is_terminal:
                ended[row["client_id"]] = state
    rows = {row["client_id"]: row for row in table.snapshot()["orders"]}
    held, live = Counter(), Counter()
    closing = Counter()
    for client_id, order in by_id.items():
        row = rows[client_id]
        held[order.position] += order.side.sign * row["cum_lots"]
        if not OrderState(row["state"]).is_terminal:
            live[order.instrument] += 1
            closing[order.position, order.side] += order.reduces * max(order.lots - row["cum_lots"], 0)
        booked = ledger.order(client_id)
        assert (booked.state, booked.cum_lots, booked.cum_cost) == (row["state"], row["cum_lots"], row["cum_cost"])
        assert (row["state"] == OrderState.FILLED) <= (row["cum_lots"] >= order.lots)
    assert {position.position: position.lots for position in ledger.positions()} == {
        at: lots for at, lots in held.items() if lots
    }
    for order in orders:
        at = order.position
        assert table.position(at) == held[at]
        assert table.live(order.instrument) == live[order.instrument]
        for side in Side:
            assert table.coverable(at, side) == max(-side.sign * held[at] - closing[at, side], 0)


@settings(max_examples=100)
@given(places, st.lists(progresses, max_size=8), st.randoms(use_true_random=False))
def test_fills_add_up_alike_in_any_order_and_number(orders, events, random):
    table, _ = started(orders)
    shuffled, _ = started(orders)
    again = events + events
    random.shuffle(again)
    for event in events:
        table.apply(event)
    for event in again:
        shuffled.apply(event)
    assert shuffled.snapshot()["orders"] == table.snapshot()["orders"]
    assert sorted(shuffled.snapshot()["positions"]) == sorted(table.snapshot()["positions"])
