"""The simulated venue of binary markets, rule by rule (arb 2, 6, 11, 12, 17; venues 3, 4)."""

import pytest
from msgspec import structs

from millrace.core.binary_events import MarketResolved, PairsRedeemed, QuoteSource, RedeemRoute
from millrace.core.commands import ApprovedAmend, OrderState, Side, Style
from millrace.core.events import (
    BalanceReport,
    EndStatus,
    MarketPhase,
    OrderAmended,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    RejectReason,
)
from millrace.core.ids import SubPosition
from millrace.core.instrument import Outcome, outcome_id
from millrace.orders.positions import Positions
from millrace.sim.prediction.settings import Luck
from millrace.sim.prediction.venue import PredictionVenue
from prediction_venue import KALSHI, ONE, POLY, book, kalshi, order, polymarket

YES, NO = outcome_id(KALSHI, Outcome.YES), outcome_id(KALSHI, Outcome.NO)


def venue(settings=None, **more) -> PredictionVenue:
    return PredictionVenue(settings or kalshi(**more))


def events(deliveries, kind):
    return [one.event for one in deliveries if isinstance(one.event, kind)]


def rejected(deliveries) -> RejectReason:
    return events(deliveries, OrderRejected)[0].reason


def test_a_take_walks_the_levels_up_to_its_limit_and_no_further() -> None:
    one = venue()
    one.on_book(book(KALSHI, 1, yes_asks=[(4_000, 5), (4_100, 5), (4_300, 50)], no_asks=[(6_200, 9)]))
    answers = one.place(order("a", KALSHI, lots=20 * ONE, ticks=4_200), 2)
    ended = events(answers, OrderEnded)[0]
    # 5 at 0.40 and 5 at 0.41: 4.05 dollars
    assert (ended.progress.cum_lots, ended.progress.cum_cost) == (10 * ONE, 4_050_000_000)
    assert ended.status is EndStatus.CANCELLED
    assert one.positions() == {YES: 10 * ONE}


def test_what_was_taken_is_not_there_again_while_the_level_stands() -> None:
    one = venue()
    for ts_ns, size, taken in ((1, 10, 10), (3, 10, 0), (5, 14, 4), (7, 6, 0)):
        one.on_book(book(KALSHI, ts_ns, yes_asks=[(4_000, size)]))
        progress = events(one.place(order(f"o{ts_ns}", KALSHI, lots=20 * ONE, ticks=4_000), ts_ns + 1), OrderEnded)
        assert progress[0].progress.cum_lots == taken * ONE
    one.on_book(book(KALSHI, 9, yes_asks=[(4_100, 6)]))
    one.on_book(book(KALSHI, 11, yes_asks=[(4_000, 6)]))  # gone and come back: new
    assert events(one.place(order("z", KALSHI, lots=20 * ONE, ticks=4_000), 12), OrderProgress)[0].cum_lots == 6 * ONE


def test_a_mirrored_book_is_one_liquidity_in_two_views() -> None:
    one = venue(nets=False)
    one.on_book(book(KALSHI, 1, yes_asks=[(4_000, 10)], no_asks=[(6_100, 10)]))
    bought = events(one.place(order("b", KALSHI, lots=30 * ONE, ticks=4_000), 2), OrderEnded)[0]
    sold = events(one.place(order("s", KALSHI, side=Side.SELL, lots=10 * ONE, ticks=3_900), 3), OrderProgress)[0]
    again = events(one.place(order("n", KALSHI, Outcome.NO, lots=5 * ONE, ticks=6_100), 4), OrderEnded)[0]
    assert bought.progress.cum_lots == 10 * ONE  # not 20, though the NO bids show the same ten
    assert (sold.cum_lots, sold.cum_cost) == (10 * ONE, 3_900_000_000)
    assert again.progress.cum_lots == 0  # the sell of YES took the NO asks


def test_elsewhere_the_other_outcomes_bids_are_levels_of_their_own() -> None:
    one = venue(polymarket())
    one.on_book(book(POLY, 1, yes_asks=[(4_000, 10)], no_bids=[(6_000, 7)], yes_bids=[], no_asks=[]))
    bought = events(one.place(order("b", POLY, lots=30 * ONE, ticks=4_000), 2), OrderEnded)[0]
    assert bought.progress.cum_cost + bought.progress.cum_fee == 17 * 400_000


def test_a_resting_order_waits_for_those_who_stood_there_before_it() -> None:
    one = venue()
    one.on_book(book(KALSHI, 1, yes_asks=[(4_500, 10)], no_asks=[(6_000, 8)]))  # 8 bid for YES at 0.40
    one.place(order("m", KALSHI, lots=5 * ONE, ticks=4_000, style=Style.POST_ONLY), 2)
    assert one.on_book(book(KALSHI, 3, yes_asks=[(4_100, 50)])) == []
    assert one.on_book(book(KALSHI, 4, yes_asks=[(4_000, 6)])) == []  # six of the eight are served
    part = events(one.on_book(book(KALSHI, 5, yes_asks=[(4_000, 10)])), OrderProgress)[0]  # four more came
    assert (part.cum_lots, part.cum_cost, part.cum_fee) == (2 * ONE, 800_000_000, 0)
    whole = events(one.on_book(book(KALSHI, 6, yes_asks=[(3_800, 99)])), OrderProgress)[0]
    assert (whole.cum_lots, whole.cum_cost) == (5 * ONE, 2_000_000_000)  # at its limit, not at the better price
    assert one.order_status("m").state is OrderState.FILLED


def test_post_only_never_takes_and_a_limit_rests_with_what_is_left() -> None:
    one = venue()
    one.on_book(book(KALSHI, 1, yes_asks=[(4_000, 3)], no_asks=[(6_500, 3)]))
    assert (
        rejected(one.place(order("p", KALSHI, ticks=4_000, style=Style.POST_ONLY), 2))
        is RejectReason.POST_ONLY_WOULD_CROSS
    )
    one.place(order("l", KALSHI, lots=5 * ONE, ticks=4_000, style=Style.LIMIT), 3)
    status = one.order_status("l")
    assert (status.state, status.cum_lots) == (OrderState.PARTIAL, 3 * ONE)
    assert one.balances()["USD"][1] == 800_000_000  # two more at 0.40, maker fees are nothing


def test_a_summary_fills_nothing() -> None:
    one = venue()
    one.on_book(book(KALSHI, 1, yes_asks=[(4_000, 3)], source=QuoteSource.SUMMARY))
    assert events(one.place(order("a", KALSHI, ticks=9_000), 2), OrderProgress) == []


def test_pairs_of_one_market_become_dollars_at_once() -> None:
    one = venue()
    one.on_book(book(KALSHI, 1, yes_asks=[(4_000, 10)], no_asks=[(5_500, 6)]))
    one.place(order("y", KALSHI, lots=10 * ONE, ticks=4_000), 2)
    answers = one.place(order("n", KALSHI, Outcome.NO, lots=10 * ONE, ticks=5_500), 3)
    assert events(answers, PairsRedeemed)[0].lots == 6 * ONE
    assert events(answers, PairsRedeemed)[0].proceeds == 6 * 10**9
    assert one.positions() == {YES: 4 * ONE}
    # 4.00 and 3.30 paid, fees 0.07*10*.24 = 0.168 -> 0.17 and 0.07*6*.2475 = 0.10395 -> 0.11, six dollars back
    assert (
        one.balances()["USD"][0] == 100 * 10**9 - 4_000_000_000 - 3_300_000_000 - 170_000_000 - 110_000_000 + 6 * 10**9
    )


def test_many_small_fills_pay_the_fee_of_one() -> None:
    """arb 6: the accumulator gives back what the roundings of single fills took too much."""
    facts = kalshi().markets[0]
    makers_pay = structs.replace(facts, fees=structs.replace(facts.fees, maker=facts.fees.taker))
    fees = []
    for sizes in ([5], [1, 1, 1, 1, 1]):
        one = venue(kalshi(markets=(makers_pay,)))
        one.place(order("m", KALSHI, lots=5 * ONE, style=Style.POST_ONLY), 1)
        for ts_ns, size in enumerate(sizes, 2):
            one.on_book(book(KALSHI, 2 * ts_ns, yes_asks=[(5_000, size)]))
            one.on_book(book(KALSHI, 2 * ts_ns + 1, yes_asks=[]))
        assert one.order_status("m").state is OrderState.FILLED
        fees.append(one.order_status("m").cum_fee)
    assert fees == [90_000_000, 90_000_000]  # 5 x 0.07 / 4 = 0.0875, up to the cent; five times 0.02 would be 0.10


def test_fees_in_shares_leave_fewer_contracts_and_no_other_cash() -> None:
    one = venue(polymarket())
    one.on_book(book(POLY, 1, yes_asks=[(4_000, 100)], yes_bids=[], no_bids=[], no_asks=[]))
    ended = events(one.place(order("b", POLY, lots=100 * ONE, ticks=4_000), 2), OrderEnded)[0]
    # 100 x 0.05 x 0.4 x 0.6 = 1.2 dollars of fee = 3 contracts at 0.40; cash paid is 40 dollars
    assert ended.progress.cum_lots == 97 * ONE
    assert (ended.progress.cum_cost, ended.progress.cum_fee) == (38_800_000, 1_200_000)
    assert one.positions() == {outcome_id(POLY, Outcome.YES): 97 * ONE}
    assert one.balances()["pUSD"] == (60_000_000, 0)
    assert one.order_status("b").state is OrderState.CANCELLED


@pytest.mark.parametrize(("yes_ticks", "back"), [(10_000, 10 * 10**9), (0, 0), (5_000, 5 * 10**9), (None, 4 * 10**9)])
def test_an_ending_pays_and_ends_orders(yes_ticks, back) -> None:
    one = venue()
    one.on_book(book(KALSHI, 1, yes_asks=[(4_000, 10)]))
    one.place(order("y", KALSHI, lots=10 * ONE, ticks=4_000), 2)
    one.place(order("r", KALSHI, lots=10 * ONE, ticks=3_000, style=Style.LIMIT), 3)
    before = one.balances()["USD"]
    answers = one.resolve(KALSHI, yes_ticks, 9)
    assert events(answers, OrderEnded)[0].status is EndStatus.EXPIRED
    told = events(answers, MarketResolved)[0]
    assert (told.yes_ticks, told.paid, told.fee) == (yes_ticks, back, 0)
    assert one.balances()["USD"] == (sum(before) + back, 0)
    assert one.positions() == {}
    assert rejected(one.place(order("z", KALSHI), 10)) is RejectReason.MARKET_CLOSED


def test_refusals() -> None:
    one = venue(kalshi(opening={"USD": 10**9}))
    one.on_book(book(KALSHI, 1, yes_asks=[(4_000, 10)]))
    cases = [
        (order("a", KALSHI, ticks=4_050), RejectReason.BAD_TICK_OR_LOT),
        (order("a", KALSHI, ticks=10_000), RejectReason.BAD_TICK_OR_LOT),
        (order("a", KALSHI, lots=ONE + 1), RejectReason.BAD_TICK_OR_LOT),
        (order("a", KALSHI, lots=ONE // 2), RejectReason.BELOW_MINIMUM),
        (order("a", KALSHI, lots=3 * ONE, ticks=4_000), RejectReason.INSUFFICIENT_FUNDS),
        (order("a", KALSHI, side=Side.SELL, ticks=3_000), RejectReason.INSUFFICIENT_FUNDS),
        (order("a", POLY), RejectReason.UNKNOWN_INSTRUMENT),
    ]
    for ts_ns, (asked, reason) in enumerate(cases, 2):
        assert rejected(one.place(asked, ts_ns)) is reason
    one.place(order("d", KALSHI, ticks=3_000, style=Style.LIMIT), 20)
    assert rejected(one.place(order("d", KALSHI, ticks=3_000), 21)) is RejectReason.DUPLICATE_CLIENT_ID
    one.set_phase(KALSHI, MarketPhase.PAUSED, 22)
    assert rejected(one.place(order("e", KALSHI, ticks=4_000), 23)) is RejectReason.MARKET_CLOSED


def test_a_buy_only_venue_refuses_sells() -> None:
    facts = kalshi().markets[0]
    one = venue(kalshi(markets=(structs.replace(facts, can_sell=False),)))
    assert rejected(one.place(order("s", KALSHI, side=Side.SELL), 1)) is RejectReason.OTHER


def test_an_order_never_trades_with_ourselves() -> None:
    one = venue()
    one.on_book(book(KALSHI, 1, yes_asks=[(4_000, 2), (4_500, 9)], no_asks=[(7_000, 5)]))
    one.place(order("n", KALSHI, Outcome.NO, lots=3 * ONE, ticks=5_900, style=Style.POST_ONLY), 2)
    ended = events(one.place(order("y", KALSHI, lots=9 * ONE, ticks=4_500, style=Style.LIMIT), 3), OrderEnded)[0]
    assert ended.progress.cum_lots == 2 * ONE
    assert ended.reason == "self-trade prevention"


def test_slipped_and_beaten_takers_get_less_and_never_pay_more_than_their_limit() -> None:
    """arb 17: sd half a cent, at most two, one-sided; so often another one takes half before us."""
    settings = kalshi(slippage_sd_ticks=50, adverse_ppm=150_000)
    luck = Luck(settings)
    ids = [f"o{n}" for n in range(4_000)]
    slips = [luck.slipped_ticks(one, 10) for one in ids]
    assert 0 <= min(slips) <= max(slips) <= 200
    assert 36 <= sum(slips) / len(slips) <= 44  # half-normal: 0.8 sd
    assert 0.13 <= sum(luck.is_beaten(one) for one in ids) / len(ids) <= 0.17
    travels = [Luck(kalshi(latency_mean_ns=1_500_000_000, latency_sd_ns=750_000_000)).travel_ns(one) for one in ids]
    assert 1.45e9 <= sum(travels) / len(travels) <= 1.60e9
    unlucky = next(one for one in ids if luck.slipped_ticks(one, 100) and not luck.is_beaten(one))
    beaten = next(one for one in ids if not luck.slipped_ticks(one, 100) and luck.is_beaten(one))
    one = venue(settings)
    one.on_book(book(KALSHI, 1, yes_asks=[(4_000, 10)]))
    assert events(one.place(order(unlucky, KALSHI, ticks=4_000), 2), OrderProgress) == []
    assert (
        events(one.place(order(beaten, KALSHI, lots=9 * ONE, ticks=4_000), 3), OrderEnded)[0].progress.cum_lots
        == 5 * ONE
    )


def test_an_amend_takes_when_it_crosses_and_keeps_its_place_when_it_shrinks() -> None:
    one = venue()
    one.on_book(book(KALSHI, 1, yes_asks=[(4_500, 10)], no_asks=[(6_000, 8)]))
    first = order("m", KALSHI, lots=5 * ONE, ticks=4_000, style=Style.LIMIT)
    one.place(first, 2)
    assert events(one.amend(ApprovedAmend(first.order, "m", 1, 3 * ONE, 4_000, False, 1, 3), 3), OrderAmended)
    one.on_book(book(KALSHI, 4, yes_asks=[(4_000, 9)]))
    assert one.order_status("m").cum_lots == ONE  # eight stood before it, still
    answers = one.amend(ApprovedAmend(first.order, "m", 2, 3 * ONE, 4_500, True, 1, 5), 5)
    assert one.order_status("m").cum_lots == ONE  # 4_000 is used up, nothing stands at 4_500 any more
    one.on_book(book(KALSHI, 6, yes_asks=[(4_400, 9)]))
    assert one.order_status("m").state is OrderState.FILLED
    assert isinstance(answers[-1].event, BalanceReport)


def test_orders_end_when_their_market_closes() -> None:
    facts = kalshi().markets[0]
    one = venue(kalshi(markets=(structs.replace(facts, close_ns=10),)))
    one.place(order("m", KALSHI, style=Style.LIMIT), 2)
    assert events(one.on_book(book(KALSHI, 10, yes_asks=[(4_000, 9)])), OrderEnded)[0].progress.cum_lots == 0
    assert rejected(one.place(order("z", KALSHI), 11)) is RejectReason.MARKET_CLOSED


def test_what_it_paid_is_told_again_to_whoever_asks_for_it():
    records = []
    one = PredictionVenue(kalshi(), records.append)
    one.on_book(book(KALSHI, 1, yes_asks=[(4_000, 9)], no_asks=[(6_100, 9)]))
    one.place(order("a", KALSHI), 2)
    told = one.place(order("b", KALSHI, Outcome.NO, ticks=7_000), 3)
    told += one.resolve(KALSHI, 10_000, 4)
    endings = tuple(event for _, event in told if isinstance(event, PairsRedeemed | MarketResolved))
    assert len(endings) == 2
    assert one.endings(0) == endings
    assert one.endings(endings[1].ts_ns) == endings[1:]
    assert PredictionVenue.rebuild(kalshi(), records).endings(0) == endings


def test_pairs_that_are_told_twice_are_taken_once():
    held = Positions()
    yes, no = (SubPosition("arb", outcome_id(KALSHI, outcome), "intra/F/b1", outcome.value) for outcome in Outcome)
    held.move(yes, 5 * ONE, 1)
    held.move(no, 5 * ONE, 1)
    first, second = (PairsRedeemed(KALSHI, ONE, 10**9, RedeemRoute.NET, 7, number) for number in (1, 2))
    assert len(held.close(second, {})) == 2, "news may come in any order"
    assert held.knows(second)
    assert not held.knows(first)
    again = Positions()
    again.restore(held.snapshot())
    assert len(again.close(first, {})) == 2
    assert again.close(first, {}) == again.close(second, {}) == []
    assert again.lots(yes) == again.lots(no) == 3 * ONE
