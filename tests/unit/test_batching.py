"""Calls that leave together: what joins, in which order, at what cost, and what is counted (quoting 4.6, 9, 10, 12)."""

from typing import Any

import pytest

import faulty_line as toy
from millrace.capacity.batch_rules import SINGLE_CALLS, BatchRules, OpBatch
from millrace.capacity.call_budget import CallBudgetSettings
from millrace.core.commands import Approved, ApprovedAmend, CancelOrder, Place, Side, Style
from millrace.core.events import AmendRefused, CancelRefused, OrderAccepted, OrderRejected, OrderUnknown, RejectReason
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId
from millrace.core.trouble_events import BreakerState
from millrace.risk.breakers import RULES, Endpoint, Outcome
from millrace.shell.batching import LEAST, BatchTally, Joiner
from millrace.shell.outbox import Rank
from millrace.shell.venue_calls import VenueCalls
from millrace.venues.batch_facts import batch_facts

DOGE, BTC = InstrumentId("toy", "DOGE/USD"), InstrumentId("toy", "BTC/USD")
TENS = BatchRules(OpBatch(10), OpBatch(10), OpBatch(10))
SLOW = CallBudgetSettings(calls_per_loop=10**9, metronome=False, bucket_calls=3, refill_ns=toy.SECOND)


def order(number: int, market: InstrumentId = DOGE) -> Approved:
    leg = SubPosition("toy", market, "1", "A")
    place = Place(market, Side.BUY, 1, 1, Style.LIMIT, leg, False, f"P{number}", "test")
    return Approved(place, f"P{number}", 1, 0)


def terms(number: int) -> ApprovedAmend:
    place = order(number)
    return ApprovedAmend(place.order, place.client_id, 1, 2, 1, True, 1, 0)


def cancel(number: int, market: InstrumentId = DOGE) -> CancelOrder:
    return CancelOrder(market, f"P{number}", "test")


class Port:
    """Keeps what leaves, a request a row."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, ...]] = []

    def place(self, approved: Approved, now_ns: int) -> None:
        self.sent.append((approved.client_id,))

    def amend(self, amend: ApprovedAmend, now_ns: int) -> None:
        self.sent.append((amend.client_id,))

    def cancel(self, instrument: InstrumentId, client_id: str, now_ns: int) -> None:
        self.sent.append((client_id,))

    def send_batch(self, calls: tuple[Any, ...], now_ns: int) -> None:
        self.sent.append(tuple(call.client_id for call in calls))


def joined(rules: BatchRules, *calls: Any) -> list[tuple[str, ...]]:
    port = Port()
    joiner = Joiner(port, rules, None)  # type: ignore[arg-type]
    for call in calls:
        joiner.add(call)
    for frame in joiner.take():
        joiner.send(frame, 0)
    assert joiner.take() == []
    return port.sent


def test_what_is_of_one_kind_leaves_together_and_a_lone_call_alone():
    assert joined(TENS, terms(1), order(2), terms(3), order(4)) == [("P1", "P3"), ("P2", "P4")]
    assert joined(TENS, terms(1), order(2)) == [("P1",), ("P2",)]


def test_one_cancel_batch_per_symbol():
    """Quoting 4.6."""
    calls = (cancel(1), cancel(2, BTC), cancel(3), cancel(4, BTC))
    assert joined(TENS, *calls) == [("P1", "P3"), ("P2", "P4")]


@pytest.mark.parametrize("one_market", [True, False])
def test_orders_of_several_markets_leave_together_where_the_venue_takes_them(one_market):
    rules = BatchRules(OpBatch(10), one_market=one_market)
    apart = [("P1", "P3"), ("P2",)] if one_market else [("P1", "P2", "P3")]
    assert joined(rules, order(1), order(2, BTC), order(3)) == apart


def test_a_full_batch_leaves_and_another_one_begins():
    rules = BatchRules(OpBatch(2))
    assert joined(rules, *map(order, range(5))) == [("P0", "P1"), ("P2", "P3"), ("P4",)]


def test_a_venue_without_batches_gets_single_calls():
    calls = [call(n) for n in range(3) for call in (order, terms, cancel)]
    assert joined(SINGLE_CALLS, *calls) == [(call.client_id,) for call in calls]
    assert batch_facts("nowhere") == SINGLE_CALLS


def test_a_desk_joins_no_more_than_it_was_told_nor_than_the_venue_takes():
    """Quoting 10: max_batch_size, coalesce_cancel, coalesce_place; venues 2: 1..10 in a request."""
    bybit = batch_facts("bybit")
    assert [bybit.of(op).most for op in ("place", "amend", "cancel")] == [10, 10, 10]
    assert bybit.within(20, cancels=True, orders=True) == bybit
    assert bybit.within(4, cancels=True, orders=True).cancel.most == 4
    assert bybit.within(4, cancels=False, orders=True) == BatchRules(OpBatch(4), OpBatch(4))
    assert bybit.within(4, cancels=True, orders=False) == BatchRules(cancel=OpBatch(4))


def test_what_venues_take_together():
    """Venues 1.4, 3 and 4: Kraken 15 of one pair and no amends; Kalshi's cancels cost a fifth; Polymarket 15."""
    kraken, kalshi, polymarket = map(batch_facts, ("kraken", "kalshi", "polymarket"))
    assert (kraken.place.most, kraken.amend.most, kraken.one_market) == (15, 1, True)
    assert kalshi.cancel.per_call == 5
    assert (polymarket.place.most, polymarket.amend.most) == (15, 1)


def test_each_item_is_paid_for_unless_the_venue_asks_less():
    dear, cheap = Joiner(Port(), TENS, None), Joiner(Port(), BatchRules(cancel=OpBatch(7, per_call=3)), None)  # type: ignore[arg-type]
    paid = []
    for joiner in (dear, cheap):
        for number in range(9):
            paid.append(not joiner.is_paid(cancel(number)))
            joiner.add(cancel(number))
    assert paid[:9] == [True] * 9
    assert paid[9:] == [True, False, False, True, False, False, True, True, False], "7 is full and the 8th is a new one"


# In the executor


def sent_by(world: toy.World) -> Port:
    """Have a world's executor say what leaves, and let it leave."""
    port = Port()
    world.executor._joiner._port = _Both(port, world.line)  # type: ignore[assignment]
    return port


class _Both:
    def __init__(self, port: Port, line: Any) -> None:
        self._port, self._line = port, line

    def __getattr__(self, name: str) -> Any:
        def both(*call: Any) -> None:
            getattr(self._port, name)(*call)
            getattr(self._line, name)(*call)

        return both


def test_what_one_step_wants_is_one_call_and_arrives_at_one_time():
    world = toy.make_world(5, None, burst=5, batches=TENS)
    port = sent_by(world)
    world.run(0.6)
    assert [len(frame) for frame in port.sent][:1] == [5]
    arrived = {record.ts_ns for record in world.log if type(record).__name__ == "Accepted"}
    assert len(arrived) == 1


def test_only_what_the_budget_lets_go_now_leaves_together():
    world = toy.make_world(8, None, burst=8, pace=SLOW, batches=TENS)
    port = sent_by(world)
    world.run(0.6)
    assert len(port.sent[0]) == 3
    world.run_to_the_end(60)
    assert max(len(frame) for frame in port.sent[1:]) == 1, "a call a second: nobody waits for a second one"


def test_a_kill_takes_orders_out_of_a_batch_and_cancels_leave():
    world = toy.make_world(6, None, burst=6, batches=TENS)
    port = sent_by(world)
    killed = iter([False, True, False, True, False, False])
    world.executor._killed = lambda call, now_ns: next(killed, False)  # type: ignore[method-assign]
    world.run(0.6)
    assert [len(frame) for frame in port.sent][:1] == [4]


def test_a_half_open_breaker_lets_one_item_out_and_not_a_batch():
    world = toy.make_world(6, None, burst=6, batches=TENS, breakers=True)
    port = sent_by(world)
    calls, tried = world.executor.calls, []
    assert calls is not None

    def may_leave(rank: Rank, now_ns: int) -> bool:
        tried.append(rank)
        return len(tried) == 1

    calls.may_leave = may_leave  # type: ignore[method-assign]
    world.run(0.55)
    assert [len(frame) for frame in port.sent] == [1]


# What is counted


def test_saved_calls_are_counted_by_what_they_do():
    tally = BatchTally()
    tally.sent([order(1), order(2), order(3)])
    tally.sent([cancel(1), cancel(2)])
    assert dict(tally.saved) == {"place": 2, "cancel": 1}


@pytest.mark.parametrize(
    ("news", "fails"),
    [
        (OrderAccepted("P2", "v", 5), False),
        (OrderRejected("P2", RejectReason.POST_ONLY_WOULD_CROSS, "", 5), False),
        (OrderRejected("P2", RejectReason.OTHER, "", 5), True),
        (OrderRejected("P2", RejectReason.RATE_LIMIT, "", 5), True),
        (OrderUnknown("P2", "reset", 5), True),
    ],
)
def test_a_batch_fails_in_part_when_one_of_its_items_does(news, fails):
    """Quoting 8 and 9: what the market did is no failure; fewer than a hundred batches count as a hundred."""
    calls = VenueCalls(DOGE, 1)
    frame = [order(1), order(2)]
    for call in frame:
        calls.left(Rank.ENTRY, call, 1)
    calls.batches.sent(frame)
    calls.heard(OrderAccepted("P1", "v", 5))
    calls.heard(news)
    assert calls.batches.fail_rate("place") == (1 / LEAST if fails else 0.0)


@pytest.mark.parametrize(
    ("frame", "news", "op", "fails"),
    [
        ([cancel(1), cancel(2)], CancelRefused("P2", "unknown order", 5), "cancel", False),
        ([cancel(1), cancel(2)], CancelRefused("P2", "other", 5), "cancel", True),
        ([terms(1), terms(2)], AmendRefused("P2", 1, RejectReason.UNKNOWN_ORDER, 5), "amend", False),
        ([terms(1), terms(2)], AmendRefused("P2", 1, RejectReason.OTHER, 5), "amend", True),
    ],
)
def test_cancels_and_new_terms_fail_too(frame, news, op, fails):
    calls = VenueCalls(DOGE, 1)
    for call in frame:
        calls.left(Rank.CANCEL, call, 1)
    calls.batches.sent(frame)
    calls.heard(type(news)(**{field: getattr(news, field) for field in news.__struct_fields__} | {"client_id": "P1"}))
    calls.heard(news)
    judged = {one: calls.batches.fail_rate(one) for one in ("place", "amend", "cancel")}
    assert judged == {"place": 0.0, "amend": 0.0, "cancel": 0.0} | {op: 1 / LEAST if fails else 0.0}


def test_an_item_without_an_answer_is_a_failure_after_two_seconds():
    calls = VenueCalls(DOGE, 1)
    frame = [terms(1), terms(2)]
    for call in frame:
        calls.left(Rank.ENTRY, call, 1)
    calls.batches.sent(frame)
    calls.due(toy.SECOND)
    assert calls.batches.fail_rate("amend") == 0.0
    calls.due(3 * toy.SECOND)
    assert calls.batches.fail_rate("amend") == 1 / LEAST


def test_the_share_is_of_the_newest_batches():
    tally = BatchTally()
    for number in range(1_000):
        tally.sent([order(2 * number), order(2 * number + 1)])
        for item in (2 * number, 2 * number + 1):
            tally.ended(("place", f"P{item}"), Outcome.ANSWERED, failed=number < 500)
    assert tally.fail_rate("place") == 0.0
    tally.sent([order(1), order(2)])
    tally.ended(("place", "P1"), Outcome.ANSWERED, failed=False)
    tally.ended(("place", "P2"), Outcome.FAILED, failed=True)
    assert tally.fail_rate("place") == 1 / 500


# What a breaker is told of one


def left_together(calls: VenueCalls, frame: list[Any], now_ns: int) -> None:
    for call in frame:
        calls.left(Rank.ENTRY, call, now_ns)
    calls.batches.sent(frame)


def orders_state(calls: VenueCalls) -> BreakerState:
    return calls.states()[Endpoint.ORDERS.value]


def test_a_batch_that_nobody_answers_is_one_call_that_failed():
    """Runtime 2.18: failures are calls in a row, and one lost request is one, whatever it carried."""
    calls = VenueCalls(DOGE, 1)
    for lost in range(RULES[Endpoint.ORDERS].in_row):
        assert orders_state(calls) is BreakerState.CLOSED
        now_ns = 10 * lost * toy.SECOND
        left_together(calls, [order(10 * lost + number) for number in range(10)], now_ns)
        calls.due(now_ns + 3 * toy.SECOND)
    assert orders_state(calls) is BreakerState.OPEN


def test_a_batch_that_was_answered_in_part_was_answered():
    calls = VenueCalls(DOGE, 1)
    for number in range(0, 40, 10):
        now_ns = number * toy.SECOND
        left_together(calls, [order(number + one) for one in range(10)], now_ns)
        calls.heard(OrderAccepted(f"P{number + 4}", "v", now_ns + 1))
        calls.due(now_ns + 3 * toy.SECOND)
    assert orders_state(calls) is BreakerState.CLOSED
    assert len(calls) == 0


def test_a_batch_that_is_refused_for_its_pace_is_one_refusal_of_a_storm():
    """Runtime 2.18: ten in 60 s are a storm."""
    calls = VenueCalls(DOGE, 1)
    for number in range(10):
        assert orders_state(calls) is BreakerState.CLOSED
        left_together(calls, [cancel(2 * number), cancel(2 * number + 1)], number)
        for item in (2 * number, 2 * number + 1):
            calls.heard(CancelRefused(f"P{item}", RejectReason.RATE_LIMIT.value, number))
    assert orders_state(calls) is BreakerState.OPEN


def test_a_probe_is_told_of_before_the_rest_of_its_batch_is_known():
    calls = VenueCalls(DOGE, 1, resumed=frozenset({Endpoint.ORDERS}))
    assert calls.wants_probe
    left_together(calls, [cancel(1), cancel(2)], 1)
    assert not calls.wants_probe
    calls.heard(CancelRefused("P1", "unknown order", 2))
    assert calls.wants_probe
    left_together(calls, [cancel(2), cancel(3)], 3)
    calls.heard(CancelRefused("P2", "unknown order", 4))
    assert calls.wants_probe, "what is asked again leaves no breaker waiting for ever"


def test_batches_are_kept_by_nobody_when_breakers_fail():
    calls = VenueCalls(DOGE, 1)
    left_together(calls, [order(1), order(2)], 1)
    calls._breakers.clear()
    calls.left(Rank.ENTRY, order(3), 2)
    assert calls.broken
    for number in range(0, 100, 2):
        left_together(calls, [order(number), order(number + 1)], 3)
    assert not calls.batches._under_way
    assert calls.batches.saved["place"] == 51
