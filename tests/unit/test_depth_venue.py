"""The simulated venue of order books, rule by rule (quoting 4.5; runtime 2.21)."""

from math import inf

import msgspec
import pytest

from depth_venue import ABC, COIN, DOLLAR, NAME, OPENING, buy, changed, order, sell, settings, shown, terms, trade
from millrace.core.commands import Side, Style
from millrace.core.events import (
    AmendRefused,
    BalanceReport,
    CancelRefused,
    EndStatus,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    RejectReason,
)
from millrace.core.instrument import InstrumentId
from millrace.market.queue_models import QueueRule
from millrace.sim.depth.records import decode_record, encode_record
from millrace.sim.depth.settings import FeedDelay
from millrace.sim.depth.venue import WITH_OURSELVES, DepthVenue
from millrace.sim.rate_counter import RateTier

BIDS, ASKS = ((1_000, 50), (999, 80), (998, 90)), ((1_002, 40), (1_003, 60), (1_005, 70))


def venue(bids=BIDS, asks=ASKS, **more) -> DepthVenue:
    one = DepthVenue(settings(**{"queue": QueueRule.RISK_AVERSE} | more))
    one.on_book(shown(1, bids, asks))
    return one


def events(deliveries, kind) -> list:
    return [one.event for one in deliveries if isinstance(one.event, kind)]


def filled(one, client_id) -> int:
    return one.order_status(client_id).cum_lots


def refusal(deliveries) -> RejectReason:
    return (events(deliveries, OrderRejected) or events(deliveries, AmendRefused))[0].reason


# Taking


def test_a_take_walks_the_levels_to_its_limit_and_its_rest_waits_there() -> None:
    one = venue()
    answers = one.place(buy("a", 200, 1_003), 2)
    # 40 lots at 10.02 and 60 at 10.03: 400.80 + 601.80 cents of dollars, and 0.2 % of them
    cost = (40 * 1_002 + 60 * 1_003) * DOLLAR // 10_000
    progress = events(answers, OrderProgress)[-1]
    assert (progress.cum_lots, progress.cum_cost, progress.cum_fee) == (100, cost, cost * 2 // 1_000)
    left = one.order_status("a")
    assert (left.cum_lots, left.lots, left.state) == (100, 200, "partial")
    assert one.ahead_of("a") == 0
    rest = 100 * 1_003 * DOLLAR // 10_000
    free, hold = one.balances()["USDT"]
    assert hold == rest + rest // 1_000  # at the maker's fee
    assert free == OPENING["USDT"] - hold - cost - cost * 2 // 1_000
    assert one.balances()["ABC"] == (OPENING["ABC"] + 1 * COIN, 0)


def test_an_ioc_takes_what_there_is_and_ends() -> None:
    one = venue()
    ended = events(one.place(sell("a", 100, 1_000, Style.IOC), 2), OrderEnded)[0]
    assert (ended.progress.cum_lots, ended.status) == (50, EndStatus.CANCELLED)
    assert not one.open_orders()
    assert one.balances()["ABC"] == (OPENING["ABC"] - COIN // 2, 0)
    nothing = events(one.place(sell("b", 100, 1_001, Style.IOC), 3), OrderEnded)[0]
    assert nothing.progress.cum_lots == 0


def test_what_was_taken_is_not_there_again_while_the_level_stands() -> None:
    one = venue()

    def takes(name, ts_ns) -> int:
        return events(one.place(buy(name, 500, 1_002, Style.IOC), ts_ns), OrderEnded)[0].progress.cum_lots

    assert takes("a", 2) == 40
    assert takes("b", 3) == 0
    one.on_book(changed(4, asks=[(1_002, 55)]))
    assert takes("c", 5) == 15
    one.on_book(changed(6, asks=[(1_002, 10)]))
    assert takes("d", 7) == 0
    one.on_book(changed(8, asks=[(1_002, 0)]))
    one.on_book(changed(9, asks=[(1_002, 30)]))  # gone and come back: new
    assert takes("e", 10) == 30
    one.on_book(shown(11, BIDS, ((1_002, 35),)))
    assert takes("f", 12) == 5


def test_a_post_only_order_that_would_take_is_refused_at_equality_and_rests_a_tick_before() -> None:
    one = venue()
    assert refusal(one.place(buy("a", 10, 1_002, Style.POST_ONLY), 2)) is RejectReason.POST_ONLY_WOULD_CROSS
    assert events(one.place(buy("b", 10, 1_001, Style.POST_ONLY), 3), OrderAccepted)
    assert one.ahead_of("b") == 0


def test_orders_never_trade_with_ours_the_later_one_ends() -> None:
    one = venue()
    one.place(sell("s", 10, 1_003), 2)
    answers = one.place(buy("b", 200, 1_005), 3)
    ended = events(answers, OrderEnded)[0]
    assert (ended.progress.cum_lots, ended.reason) == (40, WITH_OURSELVES)  # what is better than ours
    assert filled(one, "s") == 0
    assert refusal(one.place(buy("p", 10, 1_004, Style.POST_ONLY), 4)) is RejectReason.POST_ONLY_WOULD_CROSS
    # Filled before it comes to ours, nothing ends it.
    one.on_book(changed(5, asks=[(1_002, 0)]))
    one.on_book(changed(6, asks=[(1_002, 40)]))
    assert events(one.place(buy("c", 30, 1_005), 7), OrderProgress)[-1].cum_lots == 30


def test_orders_of_ours_that_do_not_meet_rest_on_both_sides() -> None:
    one = venue()
    one.place(buy("b", 10, 999, Style.POST_ONLY), 2)
    one.place(sell("s", 10, 1_004, Style.POST_ONLY), 2)
    assert events(one.place(buy("b2", 10, 1_001, Style.POST_ONLY), 3), OrderAccepted)
    one.cancel(NAME, "b2", 4)
    assert events(one.place(sell("s2", 10, 1_001, Style.POST_ONLY), 5), OrderAccepted)
    one.cancel(NAME, "s2", 6)
    assert one.on_book(changed(7, bids=[(997, 5)], asks=[(1_006, 5)])) == []
    one.on_book(changed(8, bids=[(1_000, 0), (999, 0), (998, 0)]))
    assert refusal(one.place(sell("s3", 10, 999, Style.POST_ONLY), 9)) is RejectReason.POST_ONLY_WOULD_CROSS
    ended = events(one.place(sell("s4", 10, 998), 10), OrderEnded)[0]
    assert (ended.progress.cum_lots, ended.reason) == (0, WITH_OURSELVES)
    assert filled(one, "b") == filled(one, "s") == 0


def test_nothing_but_whole_lots_trades_where_a_lot_is_more_than_one_unit() -> None:
    """Recorded levels are told to the last decimal, and orders may only have whole lots."""
    one = venue(instruments=(msgspec.structs.replace(ABC, lot=10, min_lots=10),))
    assert refusal(one.place(buy("odd", 25, 1_000), 2)) is RejectReason.BAD_TICK_OR_LOT
    one.on_book(changed(3, asks=[(1_002, 47)]))
    taken = events(one.place(buy("t", 100, 1_002, Style.IOC), 4), OrderEnded)[0]
    assert taken.progress.cum_lots == 40
    one.place(buy("a", 50, 1_000, Style.POST_ONLY), 5)
    one.on_trade(trade(6, 1_000, 77))  # 50 before us, 27 reached us
    assert filled(one, "a") == 20
    one.on_book(changed(7, bids=[(1_000, 0)], asks=[(1_000, 18)]))
    assert filled(one, "a") == 30
    one.on_trade(trade(8, 999, 9))
    assert filled(one, "a") == 30
    one.on_trade(trade(9, 999, 500))
    assert filled(one, "a") == 50


@pytest.mark.parametrize(
    ("approved", "reason"),
    [
        (buy("a", 0, 1_000), RejectReason.BELOW_MINIMUM),
        (buy("a", 10, 0), RejectReason.BAD_TICK_OR_LOT),
        (buy("a", 100_000_000, 999), RejectReason.INSUFFICIENT_FUNDS),
        (sell("a", 100_001, 1_010), RejectReason.INSUFFICIENT_FUNDS),
        (order("a", Side.BUY, 10, 1_000, name=InstrumentId("bybit", "XYZ/USDT")), RejectReason.UNKNOWN_INSTRUMENT),
    ],
)
def test_refusals(approved, reason) -> None:
    one = venue()
    before = one.balances()
    assert refusal(one.place(approved, 2)) is reason
    assert one.balances() == before


def test_refusals_that_others_of_ours_cause() -> None:
    one = venue(rate=RateTier(51.5, 0.0))
    for number in range(50):
        one.place(buy(f"o{number}", 1, 900), 2)
    assert refusal(one.place(buy("o1", 1, 900), 3)) is RejectReason.DUPLICATE_CLIENT_ID
    assert refusal(one.place(buy("x", 1, 900), 3)) is RejectReason.RATE_LIMIT
    plain = venue()
    for number in range(50):
        plain.place(buy(f"o{number}", 1, 900), 2)
    assert refusal(plain.place(buy("x", 1, 900), 3)) is RejectReason.OPEN_ORDER_LIMIT


def test_money_covers_a_take_with_its_fees_to_the_unit() -> None:
    cost = 40 * 1_002 * DOLLAR // 10_000
    for short, accepted in ((0, True), (1, False)):
        one = venue(opening={"USDT": cost + cost * 2 // 1_000 - short})
        answers = one.place(buy("a", 40, 1_002), 2)
        assert bool(events(answers, OrderAccepted)) is accepted
        assert one.balances()["USDT"] == ((0, 0) if accepted else (cost + cost * 2 // 1_000 - 1, 0))


# Waiting


def test_an_order_waits_for_what_its_level_showed_and_then_fills_in_parts() -> None:
    one = venue()
    one.place(buy("a", 30, 1_000, Style.POST_ONLY), 2)
    assert one.ahead_of("a") == 50
    assert one.on_trade(trade(3, 1_000, 45)) == []
    assert one.ahead_of("a") == 5
    # 20 trade: 5 were before us, 15 are ours.
    progress = events(one.on_trade(trade(4, 1_000, 20)), OrderProgress)[0]
    cost = 15 * 1_000 * DOLLAR // 10_000
    assert (progress.cum_lots, progress.cum_cost, progress.cum_fee) == (15, cost, cost // 1_000)
    one.on_trade(trade(5, 1_000, 100))
    assert one.order_status("a").state == "filled"
    assert one.balances()["USDT"][1] == 0


def test_trades_of_the_other_side_and_at_better_prices_move_nothing() -> None:
    one = venue()
    one.place(buy("a", 30, 999), 2)
    assert one.on_trade(trade(3, 1_002, 500, taker_sells=False)) == []
    assert one.on_trade(trade(4, 1_000, 500)) == []
    assert one.ahead_of("a") == 80


def test_a_trade_through_the_price_fills_up_to_what_traded_the_best_price_first() -> None:
    one = venue()
    one.place(buy("low", 30, 999), 2)
    one.place(buy("high", 30, 1_000), 3)
    one.on_trade(trade(4, 998, 50))
    assert (filled(one, "high"), filled(one, "low")) == (30, 20)
    assert one.ahead_of("low") == 0


def test_who_took_is_read_off_the_touch_where_nobody_says() -> None:
    one = venue()
    one.place(buy("b", 30, 1_000), 2)
    one.place(sell("s", 30, 1_002), 2)
    one.on_trade(trade(3, 1_000, 70, taker_sells=None))
    assert (filled(one, "b"), filled(one, "s")) == (20, 0)
    one.on_trade(trade(4, 1_002, 70, taker_sells=None))
    assert filled(one, "s") == 30
    one.on_trade(trade(5, 1_001, 70, taker_sells=None))  # between the touches: nobody's
    assert filled(one, "b") == 20


def test_our_orders_at_one_price_fill_by_time_and_share_one_trade() -> None:
    one = venue()
    one.place(buy("a", 20, 1_000), 2)
    one.on_book(changed(3, bids=[(1_000, 60)]))
    one.place(buy("b", 20, 1_000), 4)
    assert (one.ahead_of("a"), one.ahead_of("b")) == (50, 60)
    one.on_trade(trade(5, 1_000, 75))
    assert (filled(one, "a"), filled(one, "b")) == (20, 0)
    # Of the 75, 50 were before a, 20 were a's, and 5 of the 10 between them went.
    assert one.ahead_of("b") == 5


def test_trades_come_off_the_level_once() -> None:
    """The trade is told first and the smaller level after it; only what shrank beyond it was cancelled."""
    for rule, ahead in ((QueueRule.RISK_AVERSE, 30.0), (QueueRule.POWER, 30 - 10 * 27 / 28)):
        one = venue(bids=((1_000, 60), (999, 5)), queue=rule)
        one.place(buy("a", 20, 1_000), 2)
        one.on_trade(trade(3, 1_000, 30))
        one.on_book(changed(4, bids=[(1_000, 40)]))  # 30 traded and 10 came, behind us
        assert one.ahead_of("a") == 30
        one.on_book(changed(5, bids=[(1_000, 30)]))  # 10 cancelled: 30 stood before us, 10 behind
        assert one.ahead_of("a") == pytest.approx(ahead)


def test_a_level_smaller_than_what_was_before_us_says_how_much_that_was() -> None:
    for rule in QueueRule:
        one = venue(queue=rule)
        one.place(buy("a", 20, 1_000), 2)
        one.on_book(changed(3, bids=[(1_000, 12)]))
        assert one.ahead_of("a") <= 12
        one.on_book(changed(4, bids=[(1_000, 0)]))
        assert one.ahead_of("a") == 0
        one.on_book(changed(5, bids=[(1_000, 70)]))  # they all came after us
        assert one.ahead_of("a") == 0


def test_beyond_the_last_level_nobody_knows_what_is_ahead() -> None:
    one = venue()
    one.place(buy("a", 20, 990), 2)
    assert one.ahead_of("a") == inf
    one.on_trade(trade(3, 990, 500))
    assert filled(one, "a") == 0
    one.on_book(changed(4, bids=[(990, 25)]))
    assert one.ahead_of("a") == 25
    one.place(buy("b", 20, 980), 5)
    one.on_book(changed(6, bids=[(970, 5)]))  # now one sees that far, and nothing is there
    one.on_trade(trade(7, 980, 25))
    assert (filled(one, "a"), filled(one, "b")) == (20, 5)


def test_a_book_that_comes_to_our_price_fills_what_it_offers_there_once() -> None:
    one = venue()
    one.place(buy("a", 100, 1_000), 2)
    cost = 30 * 1_000 * DOLLAR // 10_000
    down = changed(3, bids=[(1_000, 0)], asks=[(999, 10), (1_000, 20)])
    progress = events(one.on_book(down), OrderProgress)[0]
    assert (progress.cum_lots, progress.cum_cost, progress.cum_fee) == (30, cost, cost // 1_000)  # at our limit
    assert one.on_book(changed(4, asks=[(1_001, 7)])) == []
    one.on_book(changed(5, asks=[(999, 14)]))
    assert filled(one, "a") == 34
    one.on_book(changed(6, asks=[(999, 2)]))
    assert filled(one, "a") == 34


# Ending and changing


def test_only_a_smaller_size_keeps_the_place() -> None:
    one = venue()
    a = buy("a", 30, 1_000)
    one.place(a, 2)
    one.on_trade(trade(3, 1_000, 20))
    assert events(one.amend(terms(a, 20, 1_000), 4), OrderAmended)
    assert one.ahead_of("a") == 30
    one.amend(terms(a, 25, 1_000, 2), 5)
    assert one.ahead_of("a") == 50
    one.amend(terms(a, 25, 999, 3), 6)
    assert one.ahead_of("a") == 80
    hold = 25 * 999 * DOLLAR // 10_000
    assert one.balances()["USDT"][1] == hold + -(-hold // 1_000)


def test_an_amended_limit_takes_what_it_reaches_and_a_post_only_one_may_not() -> None:
    one = venue()
    a, b = buy("a", 60, 1_000), buy("b", 60, 1_000, Style.POST_ONLY)
    one.place(a, 2)
    one.place(b, 2)
    assert refusal(one.amend(terms(b, 60, 1_002), 3)) is RejectReason.POST_ONLY_WOULD_CROSS
    assert events(one.amend(terms(a, 60, 1_002), 3), OrderProgress)[0].cum_lots == 40
    assert refusal(one.amend(terms(a, 40, 1_002, 2), 4)) is RejectReason.BELOW_FILLED
    assert refusal(one.amend(terms(buy("z", 1, 1), 40, 1_002), 4)) is RejectReason.UNKNOWN_ORDER


def test_a_cancelled_order_gives_its_money_back_and_is_known_afterwards() -> None:
    one = venue()
    one.place(buy("a", 30, 1_000), 2)
    answers = one.cancel(NAME, "a", 9)
    assert events(answers, OrderEnded)[0].status is EndStatus.CANCELLED
    assert answers[0].ts_ns == 9 + 5  # the answer travels
    assert events(answers, BalanceReport)[0].balances == one.balances() == {k: (v, 0) for k, v in OPENING.items()}
    assert events(one.cancel(NAME, "a", 10), CancelRefused)
    assert [ended.client_id for ended in one.ended_orders(None, 0)] == ["a"]
    assert one.arrival_ns("a", 100) == 107


def test_an_expiry_and_a_restart_end_orders() -> None:
    one = venue()
    for name in "abc":
        one.place(buy(name, 30, 1_000), 2)
    assert events(one.end_order("a", 3, EndStatus.EXPIRED, "too old"), OrderEnded)[0].status is EndStatus.EXPIRED
    one.restart(4)
    assert not one.open_orders()
    assert len(one.ended_orders(NAME, 0)) == 3
    assert one.balances()["USDT"] == (OPENING["USDT"], 0)


def test_a_snapshot_is_the_book_without_us() -> None:
    one = venue()
    one.place(buy("a", 30, 1_001), 2)
    one.on_book(changed(3, bids=[(999, 7)], seq=8))
    now = one.book_now(NAME, 10, polled=True)
    assert (now.bids, now.seq, now.ts_ns, now.polled) == (((1_000, 50), (999, 7), (998, 90)), 8, 10, True)


def test_changes_before_a_snapshot_and_rows_of_others_are_passed_over() -> None:
    log: list = []
    one = DepthVenue(settings(), log.append)
    assert one.on_book(changed(1, bids=[(1_000, 5)])) == []
    assert one.on_trade(trade(2, 1_000, 5)) == []
    assert log == []
    one.place(buy("a", 5, 1_000), 3)
    assert one.ahead_of("a") == inf


def test_a_log_gives_the_venue_back_and_every_record_survives_its_bytes() -> None:
    log: list = []
    one = DepthVenue(settings(), lambda record: log.append(encode_record(record)))
    one.on_book(shown(1, BIDS, ASKS))
    one.place(buy("a", 200, 1_002), 2)
    one.place(sell("b", 200, 1_010), 2)
    one.on_trade(trade(3, 1_002, 9))
    one.amend(terms(sell("b", 200, 1_010), 100, 1_005), 4)
    one.on_book(changed(5, asks=[(1_002, 0), (1_001, 3)]))
    one.cancel(NAME, "b", 6)
    again = DepthVenue.rebuild(settings(), map(decode_record, log))
    assert again.snapshot() == one.snapshot()
    assert again.now_ns == one.now_ns
    torn = DepthVenue.rebuild(settings(), map(decode_record, log[:2]))
    assert [one.client_id for one in torn.open_orders()] == ["a"]


def test_an_ioc_whose_log_was_torn_after_it_came_is_ended() -> None:
    log: list = []
    one = DepthVenue(settings(), log.append)
    one.on_book(shown(1, BIDS, ASKS))
    one.place(buy("a", 200, 1_002, Style.IOC), 2)
    torn = DepthVenue.rebuild(settings(), log[:2])
    assert torn.order_status("a").state == "cancelled"


# Time


def test_rows_reach_the_program_late_and_in_their_order() -> None:
    second_ns = 1_000_000_000
    rows_ns = range(0, 20 * second_ns, second_ns // 70)
    delay, again = (FeedDelay(4, second_ns, second_ns // 2) for _ in range(2))
    heard = [delay.heard_ns(ts_ns) for ts_ns in rows_ns]
    assert heard == sorted(heard) == [again.heard_ns(ts_ns) for ts_ns in rows_ns]
    late = [at - ts_ns for at, ts_ns in zip(heard, rows_ns, strict=True)]
    assert min(late) >= second_ns
    assert 1.4 * second_ns < max(late) <= 1.5 * second_ns
    assert len(set(late)) > 50
    # A delay depends on the time alone: whoever asks from the middle on is told the same.
    later = FeedDelay(4, second_ns, second_ns // 2)
    assert [later.heard_ns(ts_ns) for ts_ns in rows_ns[700:]] == heard[700:]
    assert FeedDelay(4, 100).heard_ns(30) == 130
