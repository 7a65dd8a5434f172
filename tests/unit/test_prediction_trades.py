"""Trades of others on binary markets: what they do to our resting orders, to the book, and at the firewall (arb 7.3)."""

import itertools

import numpy as np
import pytest

from millrace.core.binary_events import BinaryQuote
from millrace.core.commands import Style
from millrace.core.data_quality import QuoteReason, Verdict
from millrace.core.events import OrderEnded, OrderProgress, OrderRejected, Print, RejectReason
from millrace.core.instrument import Outcome, outcome_id
from millrace.market.firewall import Firewall
from millrace.sim.prediction.latent import HOUR_NS
from millrace.sim.prediction.quotes import quotes
from millrace.sim.prediction.truth import Truth
from millrace.sim.prediction.universe import UniverseSettings, generate_universe
from millrace.sim.prediction.venue import PredictionVenue
from millrace.sim.prediction.venue_records import decode_record, encode_record
from prediction_venue import KALSHI, ONE, POLY, book, kalshi, order, polymarket

YES, NO = outcome_id(KALSHI, Outcome.YES), outcome_id(KALSHI, Outcome.NO)


def trade(name, ts_ns, ticks, contracts, *, sells=True):
    return Print(name, ts_ns, ticks, round(contracts * ONE), sells)


def filled(deliveries):
    """Contracts that each order has traded so far, as the venue tells it."""
    news = [one.event for one in deliveries]
    told = [event.progress if isinstance(event, OrderEnded) else event for event in news]
    return {event.client_id: event.cum_lots / ONE for event in told if isinstance(event, OrderProgress)}


@pytest.fixture
def resting():
    """A venue whose YES is 0.40 to 0.45 with ten contracts bid, and an order of five that joins them."""
    records = []
    one = PredictionVenue(kalshi(), records.append)
    one.on_book(book(KALSHI, 1, yes_asks=[(4_500, 50)], no_asks=[(6_000, 10)]))
    one.place(order("a", KALSHI, lots=5 * ONE, ticks=4_000, style=Style.POST_ONLY), 2)
    return one, records


def test_who_stood_there_before_us_is_fed_first(resting) -> None:
    one, _ = resting
    assert filled(one.on_trade(trade(YES, 3, 4_000, 8))) == {}
    # Two are left of the ten; the rest is ours.
    assert filled(one.on_trade(trade(YES, 4, 4_000, 5))) == {"a": 3.0}
    assert filled(one.on_trade(trade(YES, 5, 4_000, 5))) == {"a": 5.0}
    assert filled(one.on_trade(trade(YES, 6, 4_000, 5))) == {}
    assert one.positions() == {YES: 5 * ONE}


def test_a_maker_pays_the_makers_fee_at_his_own_limit(resting) -> None:
    one, _ = resting
    (answer, *_) = one.on_trade(trade(YES, 3, 4_000, 15))
    progress = answer.event
    assert isinstance(progress, OrderProgress)
    assert (progress.cum_cost, progress.cum_fee) == (2_000_000_000, 0)


def test_a_better_price_of_ours_is_met_before_the_book(resting) -> None:
    one, _ = resting
    one.place(order("b", KALSHI, lots=4 * ONE, ticks=4_200, style=Style.POST_ONLY), 3)
    # Six contracts sold at 0.40: four met ours at 0.42 first, two those before us at 0.40.
    assert filled(one.on_trade(trade(YES, 4, 4_000, 6))) == {"b": 4.0}
    assert filled(one.on_trade(trade(YES, 5, 4_000, 9))) == {"a": 1.0}


def test_a_trade_through_our_price_had_to_take_everything_at_it(resting) -> None:
    one, _ = resting
    assert filled(one.on_trade(trade(YES, 3, 3_900, 2))) == {"a": 2.0}


def test_a_buyer_of_the_other_outcome_meets_us_and_other_sides_do_not(resting) -> None:
    one, _ = resting
    assert filled(one.on_trade(trade(YES, 3, 4_500, 99, sells=False))) == {}
    assert filled(one.on_trade(trade(NO, 4, 5_500, 99))) == {}
    assert filled(one.on_trade(trade(NO, 5, 6_000, 12, sells=False))) == {"a": 2.0}
    assert filled(one.on_trade(Print(YES, 6, 4_000, 99 * ONE))) == {}


def test_those_who_are_not_shown_any_more_have_left_the_queue(resting) -> None:
    one, _ = resting
    one.on_book(book(KALSHI, 3, yes_asks=[(4_500, 50)], no_asks=[(6_000, 3)]))
    assert filled(one.on_trade(trade(YES, 4, 4_000, 4))) == {"a": 1.0}
    # Who comes later stands behind us, and a side that is not shown down to our price says nothing.
    one.on_book(book(KALSHI, 5, yes_asks=[(4_500, 50)]))
    one.on_book(book(KALSHI, 6, yes_asks=[(4_500, 50)], no_asks=[(6_000, 30)]))
    assert filled(one.on_trade(trade(YES, 7, 4_000, 1))) == {"a": 2.0}


def test_two_of_our_orders_at_one_price_share_one_queue() -> None:
    one = PredictionVenue(kalshi())
    one.on_book(book(KALSHI, 1, yes_asks=[(4_500, 50)], no_asks=[(6_000, 10)]))
    for name in ("a", "b"):
        one.place(order(name, KALSHI, lots=5 * ONE, ticks=4_000, style=Style.POST_ONLY), 2)
    assert filled(one.on_trade(trade(YES, 3, 4_000, 18))) == {"a": 5.0, "b": 3.0}


def test_what_others_took_is_gone_until_the_next_book() -> None:
    one = PredictionVenue(kalshi())
    one.on_book(book(KALSHI, 1, yes_asks=[(4_000, 10)]))
    one.on_trade(trade(YES, 2, 4_000, 7, sells=False))
    assert filled(one.place(order("a", KALSHI, lots=20 * ONE, ticks=4_000), 3)) == {"a": 3.0}
    one.on_book(book(KALSHI, 4, yes_asks=[(4_000, 10)]))
    # The next book knows of their trade, and not of ours.
    assert filled(one.place(order("b", KALSHI, lots=20 * ONE, ticks=4_000), 5)) == {"b": 7.0}


def test_an_unmirrored_bid_that_was_sold_to_is_no_offer_any_more() -> None:
    one = PredictionVenue(polymarket())
    name = outcome_id(POLY, Outcome.YES)
    one.on_book(book(POLY, 1, yes_asks=[(4_500, 5)], yes_bids=[(4_000, 10)], no_asks=[], no_bids=[]))
    one.on_trade(trade(name, 2, 4_000, 10))
    # A buyer of NO at 0.60 would have met that bid.
    assert filled(one.place(order("a", POLY, Outcome.NO, lots=5 * ONE, ticks=6_000), 3)) == {"a": 0.0}


def test_a_post_only_order_that_would_trade_at_its_arrival_is_refused(resting) -> None:
    one, _ = resting
    answers = one.place(order("b", KALSHI, lots=ONE, ticks=4_500, style=Style.POST_ONLY), 3)
    assert [one.event.reason for one in answers if isinstance(one.event, OrderRejected)] == [
        RejectReason.POST_ONLY_WOULD_CROSS
    ]


def test_a_cancel_that_comes_after_the_fill_finds_nothing(resting) -> None:
    one, _ = resting
    one.on_trade(trade(YES, 3, 4_000, 15))
    assert filled(one.cancel(YES, "a", 4)) == {}
    assert one.positions() == {YES: 5 * ONE}


def test_the_log_of_a_venue_with_trades_gives_it_back(resting) -> None:
    one, records = resting
    one.on_trade(trade(YES, 3, 4_000, 12))
    one.on_trade(trade(YES, 4, 4_500, 7, sells=False))
    told = [decode_record(encode_record(record)) for record in records]
    assert PredictionVenue.rebuild(kalshi(), told).snapshot() == one.snapshot()


# The firewall


def wall():
    found = Firewall()
    for instrument in kalshi().instruments:
        found.know(instrument)
    found.judge(book(KALSHI, 10**18, yes_asks=[(4_500, 50)], no_asks=[(6_000, 10)]))
    return found


def verdict(found, event):
    said = found.judge(event)
    return None if said is None else (said.verdict, said.reasons)


@pytest.mark.parametrize(
    ("ticks", "lots", "reason"),
    [
        (0, 1, QuoteReason.PRICE_OUT_OF_RANGE),
        (10_000, 1, QuoteReason.PRICE_OUT_OF_RANGE),
        (4_050, 1, QuoteReason.OFF_TICK),
        (4_000, 0, QuoteReason.NON_POSITIVE_SIZE),
    ],
)
def test_2_2_a_print_that_cannot_be_is_rejected_and_counted(ticks, lots, reason) -> None:
    found = wall()
    assert verdict(found, Print(YES, 10**18 + 1, ticks, lots, True)) == (Verdict.REJECT, (reason,))
    assert found.counts()["kalshi"].reasons[reason] == 1


def test_2_2_a_print_far_from_the_book_or_without_one_is_not_believed() -> None:
    found = wall()
    assert verdict(found, trade(YES, 10**18 + 1, 4_000, 1)) is None
    assert verdict(found, trade(NO, 10**18 + 2, 5_500, 1)) is None
    assert verdict(found, trade(YES, 10**18 + 3, 1_000, 1)) == (Verdict.SUSPECT, (QuoteReason.PRICE_JUMP,))
    assert verdict(found, trade(YES, 10**18 + 1, 4_000, 1)) == (Verdict.REJECT, (QuoteReason.OUT_OF_ORDER,))
    assert verdict(Firewall(), trade(YES, 10**18, 4_000, 1)) is None  # nobody said that it is an outcome
    # A bad print leaves the book tradable.
    assert found.tradable(KALSHI, 10**18 + 4) == ()


# The generated flow


def hour(**more):
    settings = UniverseSettings(seed=5, markets=60, quotes_per_sec=6, **{"prints_per_sec": 6.0, **more})
    universe = generate_universe(5, 60, settings=settings)
    ends = settings.begins_ns + HOUR_NS
    return universe, list(itertools.takewhile(lambda row: row.ts_ns < ends, quotes(universe, settings.begins_ns)))


def test_trades_change_no_quote_and_a_stream_opened_later_has_the_same() -> None:
    _, plain = hour(prints_per_sec=0.0)
    universe, rows = hour()
    assert [row for row in rows if not isinstance(row.event, Print)] == plain
    later = universe.settings.begins_ns + HOUR_NS // 3
    again = itertools.takewhile(lambda row: row.ts_ns < later + HOUR_NS // 3, quotes(universe, later))
    assert list(again) == [row for row in rows if later <= row.ts_ns < later + HOUR_NS // 3]
    assert [row.ts_ns for row in rows] == sorted(row.ts_ns for row in rows)


def test_each_trade_is_at_the_best_price_that_its_venue_showed_and_within_its_size() -> None:
    _, rows = hour()
    books, taken, seen, missed = {}, {}, 0, 0
    for row in rows:
        event = row.event
        if isinstance(event, BinaryQuote) and row.to_venue:
            books[event.market], taken = event, {k: v for k, v in taken.items() if k[0] != event.market}
        if not isinstance(event, Print) or not row.to_venue:
            continue
        market, _, side = str(event.instrument).rpartition("/")
        quote = next(one for at, one in books.items() if str(at) == market)
        levels = {
            ("YES", True): quote.yes_bids, ("YES", False): quote.yes_asks,
            ("NO", True): quote.no_bids, ("NO", False): quote.no_asks,
        }[side, event.taker_sells]  # fmt: skip
        at = (quote.market, side, event.taker_sells)
        taken[at] = taken.get(at, 0) + event.lots
        assert event.ticks == levels[0].ticks
        assert taken[at] <= levels[0].lots
        seen += 1
        missed += not row.to_program
    assert seen > 5_000
    assert any(isinstance(row.event, Print) and not row.to_venue for row in rows), "none was garbled"


def test_whoever_knows_moves_the_price_against_the_maker_and_the_others_do_not() -> None:
    def markout(informed_ppm):
        """Mean move of the fair price in the taker's favour a minute after his trade, in ticks."""
        universe, rows = hour(informed_ppm=informed_ppm)
        truth = Truth(universe)
        moves = []
        for row in rows:
            event = row.event
            after = row.ts_ns - universe.settings.begins_ns
            if not isinstance(event, Print) or not row.to_venue or after > HOUR_NS - 61 * 10**9:
                continue
            market, _, side = str(event.instrument).rpartition("/")
            number = np.array([next(n for at, n in universe.number.items() if str(at) == market)])
            one, two = (
                truth_price(universe, number, np.array([at], dtype=np.int64)) for at in (after, after + 60 * 10**9)
            )
            rises = (side == "YES") is not event.taker_sells
            moves.append((two - one) * (1 if rises else -1))
        assert truth.prices.half.min() > 0
        return float(np.mean(moves))

    assert abs(markout(0)) < 3
    assert markout(900_000) > 20


def truth_price(universe, number, after):
    group = universe.group[number]
    figure = universe.latent.at(group, after)
    return float(universe.latent.chance(group, after, figure, universe.low[number], universe.high[number])[0]) * 10_000
