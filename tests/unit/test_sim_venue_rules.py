"""The simulated venue one rule at a time: rejects, both fill rules, the rate counter of venues 1.5, latency, recovery."""

import re

import msgspec
import pytest

from millrace.core.commands import Approved, OrderState, Place, Side, Style
from millrace.core.events import (
    BalanceReport,
    CancelRefused,
    EndStatus,
    OrderAccepted,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    RejectReason,
)
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, InstrumentId
from millrace.sim.rate_counter import TIERS, RateCounter, cancel_cost
from millrace.sim.venue import FillRule, SimVenue, VenueSettings

DOGE = Instrument(
    id=InstrumentId("kraken", "DOGE/USD"),
    base="DOGE",
    quote="USD",
    price_decimals=7,
    tick=10,
    lot_decimals=8,
    lot=100,
    min_lots=50 * 10**8,
    min_cost=5 * 10**8,
    maker_fee_ppm=2_500,
    taker_fee_ppm=4_000,
    max_open_orders=225,
)
USD, COIN, SEC, MS = 10**9, 10**8, 10**9, 10**6
LOTS = 60 * COIN
AT = 1_700_000  # 0.17 USD


def venue(**changes):
    base = VenueSettings("kraken", (DOGE,), {"USD": 2_000 * USD, "DOGE": 10_000 * COIN}, 1)
    return SimVenue(msgspec.structs.replace(base, **changes))


def order(client_id, side=Side.BUY, limit=AT, lots=LOTS, style=Style.POST_ONLY, instrument=DOGE.id):
    position = SubPosition("slots", instrument, client_id, "entry")
    return Approved(Place(instrument, side, lots, limit, style, position, False, client_id, "entry"), client_id, 1, 0)


def events(deliveries):
    return [event for _, event in deliveries]


def reject(deliveries):
    (event,) = events(deliveries)
    assert isinstance(event, OrderRejected)
    return event.reason


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (order("a", instrument=InstrumentId("kraken", "XBT/USD")), RejectReason.UNKNOWN_INSTRUMENT),
        (order("a", limit=AT + 5), RejectReason.BAD_TICK_OR_LOT),
        (order("a", limit=0), RejectReason.BAD_TICK_OR_LOT),
        (order("a", lots=LOTS + 50), RejectReason.BAD_TICK_OR_LOT),
        (order("a", lots=50 * COIN - 100), RejectReason.BELOW_MINIMUM),
        (order("a", lots=0), RejectReason.BELOW_MINIMUM),
        (order("a", limit=AT // 100), RejectReason.BELOW_MINIMUM),  # 0.102 USD, costmin 0.5
        (order("a", lots=11_800 * COIN), RejectReason.INSUFFICIENT_FUNDS),  # 2,006 USD and fee
        (order("a", side=Side.SELL, limit=2 * AT, lots=10_001 * COIN), RejectReason.INSUFFICIENT_FUNDS),
    ],
)
def test_bad_orders_are_rejected_and_hold_nothing(bad, reason):
    sim = venue()
    before = sim.balances()
    assert reject(sim.place(bad, SEC)) is reason
    assert sim.balances() == before
    assert sim.open_orders(DOGE.id) == ()
    assert sim.order_status("a") is None


def test_funds_cover_cost_and_maker_fee_to_the_last_unit():
    need = DOGE.cost(AT, LOTS) + DOGE.fee(DOGE.cost(AT, LOTS), maker=True)
    assert need == 10_200_000_000 + 25_500_000
    assert reject(venue(opening={"USD": need - 1}).place(order("a"), SEC)) is RejectReason.INSUFFICIENT_FUNDS
    sim = venue(opening={"USD": need})
    accepted, balances = events(sim.place(order("a"), SEC))
    assert isinstance(accepted, OrderAccepted)
    assert balances.balances == {"USD": (0, need), "DOGE": (0, 0)}


def test_duplicate_ids_are_refused_among_open_orders_only():
    sim = venue()
    sim.place(order("a"), SEC)
    assert reject(sim.place(order("a", limit=AT - 10), 2 * SEC)) is RejectReason.DUPLICATE_CLIENT_ID
    sim.cancel(DOGE.id, "a", 3 * SEC)
    assert isinstance(sim.place(order("a"), 4 * SEC)[0].event, OrderAccepted)


def test_open_order_cap_is_the_instruments():
    sim = venue(instruments=(msgspec.structs.replace(DOGE, max_open_orders=2),))
    sim.place(order("a"), SEC)
    sim.place(order("b"), SEC)
    assert reject(sim.place(order("c"), SEC)) is RejectReason.OPEN_ORDER_LIMIT
    sim.cancel(DOGE.id, "a", 2 * SEC)
    assert isinstance(sim.place(order("c"), 3 * SEC)[0].event, OrderAccepted)


@pytest.mark.parametrize(
    ("side", "limit", "crosses"),
    [(Side.BUY, AT, False), (Side.BUY, AT + 10, True), (Side.SELL, AT, False), (Side.SELL, AT - 10, True)],
)
def test_post_only_against_the_last_price(side, limit, crosses):
    sim = venue()
    sim.skip_to(DOGE.id, SEC, AT)
    answer = sim.place(order("a", side, limit), 2 * SEC)[0].event
    assert isinstance(answer, OrderRejected) == crosses
    assert not crosses or answer.reason is RejectReason.POST_ONLY_WOULD_CROSS


@pytest.mark.parametrize(
    ("side", "limit", "crosses"),
    [(Side.BUY, AT, False), (Side.BUY, AT + 10, True), (Side.SELL, AT + 10, False), (Side.SELL, AT, True)],
)
def test_post_only_against_a_quote(side, limit, crosses):
    sim = venue()
    sim.on_quote(DOGE.id, SEC, AT, AT + 10, LOTS, LOTS)
    answer = sim.place(order("a", side, limit), 2 * SEC)[0].event
    assert isinstance(answer, OrderRejected) == crosses
    assert not crosses or answer.reason is RejectReason.POST_ONLY_WOULD_CROSS


def test_limit_that_crosses_takes_at_the_opposing_price():
    sim = venue()
    sim.on_quote(DOGE.id, SEC, AT, AT + 10, 1, 1)
    accepted, progress, balances = events(sim.place(order("a", limit=AT + 500, style=Style.LIMIT), 2 * SEC))
    cost = DOGE.cost(AT + 10, LOTS)
    assert isinstance(accepted, OrderAccepted)
    assert (progress.cum_lots, progress.cum_cost, progress.cum_fee) == (LOTS, cost, DOGE.fee(cost, maker=False))
    assert balances.balances["USD"] == (2_000 * USD - cost - DOGE.fee(cost, maker=False), 0)
    _, sold, _ = events(sim.place(order("b", Side.SELL, AT - 500, style=Style.LIMIT), 3 * SEC))
    assert sold.cum_cost == DOGE.cost(AT, LOTS)
    assert sim.order_status("a").state is OrderState.FILLED


def test_limit_takes_at_the_last_price_without_quotes_and_needs_the_taker_fee():
    cost = DOGE.cost(AT, LOTS)
    spend = cost + DOGE.fee(cost, maker=False)
    sim = venue(opening={"USD": spend - 1})
    sim.skip_to(DOGE.id, SEC, AT)
    taker = order("a", limit=AT + 10, style=Style.LIMIT)
    assert reject(sim.place(taker, 2 * SEC)) is RejectReason.INSUFFICIENT_FUNDS
    sim = venue(opening={"USD": spend})
    sim.skip_to(DOGE.id, SEC, AT)
    assert sim.place(taker, 2 * SEC)[1].event.cum_cost == cost
    assert sim.balances()["USD"] == (0, 0)


def test_a_print_fills_from_one_tick_through_and_at_the_limit():
    """Design section 3: not at the limit, only through it; 10 % of the bar's volume a side."""
    sim = venue(fill_rule=FillRule.PRINTS)
    sim.place(order("buy"), SEC)
    sim.place(order("sell", Side.SELL, AT + 100), SEC)
    assert sim.bounds(DOGE.id) == (AT - 10, AT + 110)
    assert sim.on_print(DOGE.id, 2 * SEC, AT, 1, 0, 10**15) == []
    assert sim.on_print(DOGE.id, 3 * SEC, AT + 100, 1, 0, 10**15) == []
    (progress, _) = events(sim.on_print(DOGE.id, 4 * SEC, AT - 10, 1, 0, 10**15))
    cost = DOGE.cost(AT, LOTS)
    assert (progress.client_id, progress.cum_lots, progress.cum_cost) == ("buy", LOTS, cost)
    assert progress.cum_fee == DOGE.fee(cost, maker=True)
    (progress, balances) = events(sim.on_print(DOGE.id, 5 * SEC, AT + 110, 1, 0, 10**15))
    assert progress.client_id == "sell"
    assert isinstance(balances, BalanceReport)
    assert sim.bounds(DOGE.id) == (None, None)


def test_prints_of_one_bar_share_a_tenth_of_its_volume_per_side():
    sim = venue()
    sim.place(order("first"), SEC)
    sim.place(order("second"), 2 * SEC)
    sim.place(order("better", limit=AT + 10), 3 * SEC)
    sim.place(order("sell", Side.SELL, AT - 10, style=Style.LIMIT), 4 * SEC)  # no price known yet: it rests
    deep = AT - 1_000
    news = events(sim.on_print(DOGE.id, 5 * SEC, deep, 1, 7, 1_000 * COIN))[:-1]
    assert [(n.client_id, n.cum_lots) for n in news] == [("better", LOTS), ("first", 40 * COIN)]
    assert sim.on_print(DOGE.id, 6 * SEC, deep, 1, 7, 1_000 * COIN) == []
    news = events(sim.on_print(DOGE.id, 7 * SEC, AT + 1_000, 1, 7, 1_000 * COIN))[:-1]
    assert [n.client_id for n in news] == ["sell"]
    news = events(sim.on_print(DOGE.id, 8 * SEC, deep, 1, 8, 1_000 * COIN))[:-1]
    assert [(n.client_id, n.cum_lots) for n in news] == [("first", LOTS), ("second", LOTS)]
    assert sim.on_print(DOGE.id, 9 * SEC, deep, 1, 9, 0) == []


def test_a_quote_fills_at_the_limit_up_to_the_displayed_size():
    sim = venue()
    sim.place(order("buy"), SEC)
    assert sim.bounds(DOGE.id) == (AT, None)
    assert sim.on_quote(DOGE.id, 2 * SEC, AT - 10, AT + 10, LOTS, LOTS) == []
    (progress, _) = events(sim.on_quote(DOGE.id, 3 * SEC, AT - 20, AT, LOTS, LOTS // 2))
    assert (progress.cum_lots, progress.cum_cost) == (LOTS // 2, DOGE.cost(AT, LOTS // 2))
    (progress, _) = events(sim.on_quote(DOGE.id, 4 * SEC, AT - 50, AT - 40, LOTS, LOTS))
    assert (progress.cum_lots, progress.cum_cost) == (LOTS, DOGE.cost(AT, LOTS))


def test_displayed_size_can_be_ignored_and_an_absent_ask_fills_nothing():
    sim = venue(quote_size_caps=False)
    sim.place(order("buy"), SEC)
    assert sim.on_quote(DOGE.id, 2 * SEC, AT - 20, 0, 1, 0) == []
    assert sim.on_quote(DOGE.id, 3 * SEC, AT - 20, AT, 1, 1)[0].event.cum_lots == LOTS


def test_each_rule_can_be_chosen_alone():
    prints, quotes = venue(fill_rule=FillRule.PRINTS), venue(fill_rule=FillRule.QUOTES)
    for sim in (prints, quotes):
        sim.place(order("buy"), SEC)
    assert prints.on_quote(DOGE.id, 2 * SEC, AT - 20, AT - 10, LOTS, LOTS) == []
    assert quotes.on_print(DOGE.id, 2 * SEC, AT - 10, 1, 0, 10**15) == []
    assert prints.on_print(DOGE.id, 3 * SEC, AT - 10, 1, 0, 10**15)
    assert quotes.on_quote(DOGE.id, 3 * SEC, AT - 20, AT, LOTS, LOTS)


def test_cancel_after_a_partial_fill_ends_with_the_progress_and_frees_the_rest():
    sim = venue()
    sim.place(order("a"), SEC)
    sim.on_print(DOGE.id, 2 * SEC, AT - 10, 1, 0, 200 * COIN)
    assert sim.order_status("a").state is OrderState.PARTIAL
    ended, balances = events(sim.cancel(DOGE.id, "a", 3 * SEC))
    cost = DOGE.cost(AT, 20 * COIN)
    assert isinstance(ended, OrderEnded)
    assert (ended.status, ended.progress.cum_lots, ended.progress.cum_cost) == (EndStatus.CANCELLED, 20 * COIN, cost)
    assert balances.balances["USD"] == (2_000 * USD - cost - DOGE.fee(cost, maker=True), 0)
    assert sim.order_status("a").state is OrderState.CANCELLED
    assert sim.bounds(DOGE.id) == (None, None)


def test_cancel_of_what_is_not_open_is_refused():
    sim = venue()
    (refused,) = events(sim.cancel(DOGE.id, "never", SEC))
    assert isinstance(refused, CancelRefused)
    assert refused.reason == "unknown order"
    sim.place(order("a"), SEC)
    sim.on_print(DOGE.id, 2 * SEC, AT - 10, 1, 0, 10**15)
    assert isinstance(sim.cancel(DOGE.id, "a", 3 * SEC)[0].event, CancelRefused)


def test_cancel_penalties_by_age():
    """Venues 1.5: +8 below 5 s, then 6, 5, 4, 2, 1 and nothing from 300 s."""
    ages = [0, 4.999, 5, 9.999, 10, 14.999, 15, 44.999, 45, 89.999, 90, 299.999, 300]
    assert [cancel_cost(int(age * SEC)) for age in ages] == [8, 8, 6, 6, 5, 5, 4, 4, 2, 2, 1, 1, 0]


def test_tiers_of_venues_1_5():
    assert [(t.threshold, t.decay_per_sec) for t in TIERS.values()] == [(60, 1.0), (125, 2.34), (180, 3.75)]


def test_the_counter_refuses_adds_and_cancels_and_decays():
    sim = venue()
    for n in range(20):
        sim.place(order(f"o{n}", lots=50 * COIN), SEC)
        sim.cancel(DOGE.id, f"o{n}", SEC)  # 9 points a pair: 20 pairs make 180
    assert reject(sim.place(order("x"), SEC)) is RejectReason.RATE_LIMIT
    later = SEC + 267_000_000  # 3.75 /s: one point and a little
    assert isinstance(sim.place(order("x"), later)[0].event, OrderAccepted)
    (refused,) = events(sim.cancel(DOGE.id, "x", later))
    assert isinstance(refused, CancelRefused)
    assert refused.reason == "rate_limit"
    assert isinstance(sim.cancel(DOGE.id, "x", later + 5 * SEC)[0].event, OrderEnded)


def test_refusals_are_in_the_log_too():
    records = []
    sim = SimVenue(venue().settings, records.append)
    for n in range(20):
        sim.place(order(f"o{n}", lots=50 * COIN), SEC)
        sim.cancel(DOGE.id, f"o{n}", SEC)
    sim.place(order("x"), 2 * SEC)
    sim.cancel(DOGE.id, "never", 2 * SEC)
    sim.cancel(DOGE.id, "x", 2 * SEC + 1)
    assert [type(record).__name__ for record in records[-3:]] == ["Accepted", "Refused", "Refused"]
    assert SimVenue.rebuild(sim.settings, records).snapshot() == sim.snapshot()


def test_a_request_that_fails_validation_is_charged_and_a_refused_one_is_not():
    sim = venue()
    for _ in range(180):
        assert reject(sim.place(order("bad", limit=3), SEC)) is RejectReason.BAD_TICK_OR_LOT
    assert reject(sim.place(order("good"), SEC)) is RejectReason.RATE_LIMIT
    assert reject(sim.place(order("good"), SEC)) is RejectReason.RATE_LIMIT
    assert isinstance(sim.place(order("good"), 2 * SEC)[0].event, OrderAccepted)


def test_without_a_tier_nothing_is_counted():
    counter = RateCounter(None)
    assert counter.after(1e9, 0) == 0.0
    sim = venue(rate=None)
    for _ in range(400):
        assert reject(sim.place(order("bad", limit=3), SEC)) is RejectReason.BAD_TICK_OR_LOT


def test_latency_has_a_base_and_a_share_of_jitter_that_belongs_to_the_order():
    sim = venue()
    arrivals = {sim.arrival_ns(f"o{n}", 0) for n in range(200)}
    assert 25 * MS <= min(arrivals) < 26 * MS
    assert 34 * MS < max(arrivals) <= 35 * MS
    assert sim.arrival_ns("o1", 7) == sim.arrival_ns("o1", 0) + 7
    assert venue(seed=2).arrival_ns("o1", 0) != sim.arrival_ns("o1", 0)
    still = venue(jitter_ns=0)
    assert still.arrival_ns("o1", 100) == 100 + 25 * MS
    assert [ts_ns for ts_ns, _ in still.place(order("o1"), SEC)] == [SEC + 25 * MS] * 2


def test_venue_order_ids_are_shaped_like_krakens_and_differ():
    sim = venue(rate=None)
    ids = [sim.place(order(f"o{n}"), SEC)[0].event.venue_order_id for n in range(100)]
    assert len(set(ids)) == 100
    assert all(re.fullmatch(r"O[A-Z2-7]{5}-[A-Z2-7]{5}-[A-Z2-7]{6}", venue_id) for venue_id in ids)


def test_recovery_questions():
    sim = venue()
    first = sim.place(order("a"), SEC)[0].event
    sim.place(order("b", Side.SELL, 2 * AT), SEC)
    assert [o.client_id for o in sim.open_orders(DOGE.id)] == ["a", "b"]
    status = sim.order_status("a")
    assert (status.venue_order_id, status.state, status.limit_ticks) == (first.venue_order_id, OrderState.OPEN, AT)
    sim.on_print(DOGE.id, 2 * SEC, AT - 10, 1, 0, 10**15)
    assert sim.order_status("a").state is OrderState.FILLED
    assert sim.order_status("a").cum_cost == DOGE.cost(AT, LOTS)
    assert sim.balances()["DOGE"] == (10_000 * COIN, LOTS)


def test_ended_orders_are_forgotten_from_the_oldest():
    sim = venue(ended_kept=2)
    for n in range(3):
        sim.place(order(f"o{n}"), SEC)
        sim.cancel(DOGE.id, f"o{n}", SEC)
    assert [sim.order_status(f"o{n}") is None for n in range(3)] == [True, False, False]


def test_time_at_the_venue_never_goes_back():
    sim = venue()
    sim.skip_to(DOGE.id, 2 * SEC, AT)
    with pytest.raises(AssertionError, match="went back"):
        sim.place(order("a"), SEC)


def test_progress_is_the_only_carrier_of_fills():
    sim = venue()
    sim.place(order("a"), SEC)
    kinds = [type(event) for event in events(sim.on_print(DOGE.id, 2 * SEC, AT - 10, 1, 0, 10**15))]
    assert kinds == [OrderProgress, BalanceReport]


# ---- orders that take what is there and end (slots 11.3)


@pytest.mark.parametrize(("side", "limit"), [(Side.BUY, AT + 10), (Side.SELL, AT - 10)])
def test_an_ioc_order_that_crosses_trades_at_once_at_the_last_price_and_pays_the_takers_fee(side, limit):
    sim = venue()
    sim.on_print(DOGE.id, SEC, AT, LOTS, 1, LOTS)
    accepted, progress, _ = events(sim.place(order("a", side, limit, style=Style.IOC), 2 * SEC))
    assert isinstance(accepted, OrderAccepted)
    cost = DOGE.cost(AT, LOTS)
    assert (progress.cum_lots, progress.cum_cost, progress.cum_fee) == (LOTS, cost, DOGE.fee(cost, maker=False))
    assert sim.open_orders(DOGE.id) == ()
    assert sim.order_status("a").state is OrderState.FILLED


def test_an_ioc_order_that_does_not_cross_ends_at_once_and_holds_nothing():
    sim = venue()
    sim.on_print(DOGE.id, SEC, AT, LOTS, 1, LOTS)
    before = sim.balances()
    accepted, ended, _ = events(sim.place(order("a", limit=AT - 10, style=Style.IOC), 2 * SEC))
    assert isinstance(accepted, OrderAccepted)
    assert isinstance(ended, OrderEnded)
    assert (ended.status, ended.progress.cum_lots) == (EndStatus.CANCELLED, 0)
    assert sim.balances() == before
    assert sim.open_orders(DOGE.id) == ()


def test_an_ioc_order_never_rests_even_where_the_venues_log_was_torn_behind_its_arrival():
    written = []
    base = VenueSettings("kraken", (DOGE,), {"USD": 2_000 * USD, "DOGE": 10_000 * COIN}, 1)
    sim = SimVenue(base, written.append)
    sim.on_print(DOGE.id, SEC, AT, LOTS, 1, LOTS)
    sim.place(order("a", limit=AT - 10, style=Style.IOC), 2 * SEC)
    torn = written[:-1]
    again = SimVenue.rebuild(base, torn)
    assert again.open_orders(DOGE.id) == ()
    assert again.balances() == sim.balances()
    assert again.order_status("a").state is OrderState.CANCELLED
