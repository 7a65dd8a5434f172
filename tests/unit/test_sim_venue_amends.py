"""Amends at the simulated venue: queue, money, refusals and the rate counter (venues 1.4, 1.5)."""

import msgspec
import pytest
from test_sim_venue_rules import AT, COIN, DOGE, LOTS, SEC, USD, events, order, venue

from millrace.core.commands import ApprovedAmend, OrderState, Side, Style
from millrace.core.events import AmendRefused, BalanceReport, OrderAmended, OrderProgress, RejectReason
from millrace.sim.rate_counter import RateTier, amend_cost
from millrace.sim.venue import FillRule, SimVenue
from millrace.sim.venue_log import decode_record, encode_record


def new(sim, client_id, ts_ns, *, lots=None, limit=None, revision=1):
    found = sim.order_status(client_id)
    lots = lots if lots is not None else found.lots if found else LOTS
    limit = limit if limit is not None else found.limit_ticks if found else AT
    place = order(client_id).order
    return events(sim.amend(ApprovedAmend(place, client_id, revision, lots, limit, True, 1, 0), ts_ns))


def queue(sim):
    return [found.client_id for found in sim.open_orders(DOGE.id)]


def quotes(**changes):
    return venue(fill_rule=FillRule.QUOTES, **changes)


def test_an_amended_order_keeps_its_id_and_has_its_new_terms_and_hold():
    sim = quotes()
    sim.place(order("a"), SEC)
    before = sim.order_status("a")
    amended, report = new(sim, "a", 20 * SEC, lots=70 * COIN, limit=AT - 10)
    assert amended == OrderAmended("a", 1, 70 * COIN, AT - 10, amended.ts_ns)
    assert isinstance(report, BalanceReport)
    after = sim.order_status("a")
    assert after == msgspec.structs.replace(before, lots=70 * COIN, limit_ticks=AT - 10)
    cost = DOGE.cost(AT - 10, 70 * COIN)
    assert sim.balances()["USD"][1] == cost + DOGE.fee(cost, maker=True)


@pytest.mark.parametrize(
    ("changes", "keeps"),
    [
        ({"lots": 50 * COIN}, True),
        ({"lots": 61 * COIN}, False),
        ({"limit": AT - 10}, False),
        ({"lots": 50 * COIN, "limit": AT - 10}, False),
    ],
)
def test_the_place_in_the_queue_stays_only_for_a_smaller_size_at_the_same_price(changes, keeps):
    sim = quotes()
    for client_id in "ab":
        sim.place(order(client_id), SEC)
    new(sim, "a", 2 * SEC, **changes)
    if "limit" in changes:
        new(sim, "a", 3 * SEC, limit=AT, revision=2)
    assert queue(sim) == (["a", "b"] if keeps else ["b", "a"])
    progress = events(sim.on_quote(DOGE.id, 4 * SEC, AT - 10, AT, COIN, COIN))[0]
    assert progress.client_id == ("a" if keeps else "b")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"limit": AT + 5}, RejectReason.BAD_TICK_OR_LOT),
        ({"limit": 0}, RejectReason.BAD_TICK_OR_LOT),
        ({"lots": LOTS + 50}, RejectReason.BAD_TICK_OR_LOT),
        ({"lots": 20 * COIN}, RejectReason.BELOW_FILLED),  # exactly what is filled
        ({"lots": 10 * COIN}, RejectReason.BELOW_FILLED),
        ({"lots": 49 * COIN}, RejectReason.BELOW_MINIMUM),
        ({"limit": AT // 100 // 10 * 10}, RejectReason.BELOW_MINIMUM),
        ({"limit": AT + 20}, RejectReason.POST_ONLY_WOULD_CROSS),
        ({"lots": 11_800 * COIN}, RejectReason.INSUFFICIENT_FUNDS),
    ],
)
def test_bad_terms_are_refused_and_change_nothing_but_the_counter(changes, reason):
    sim = quotes()
    sim.place(order("a"), SEC)
    sim.on_quote(DOGE.id, 2 * SEC, AT - 10, AT, 20 * COIN, 20 * COIN)
    sim.on_quote(DOGE.id, 3 * SEC, AT, AT + 20, COIN, COIN)
    before = sim.order_status("a"), sim.balances(), queue(sim)
    assert before[0].cum_lots == 20 * COIN
    (refused,) = new(sim, "a", 30 * SEC, **changes)
    assert isinstance(refused, AmendRefused)
    assert (refused.revision, refused.reason) == (1, reason)
    assert (sim.order_status("a"), sim.balances(), queue(sim)) == before


def test_an_order_that_is_not_open_cannot_be_amended():
    sim = quotes()
    assert new(sim, "a", SEC)[0].reason is RejectReason.UNKNOWN_ORDER
    sim.place(order("a"), 2 * SEC)
    sim.cancel(DOGE.id, "a", 3 * SEC)
    assert new(sim, "a", 4 * SEC, lots=50 * COIN)[0].reason is RejectReason.UNKNOWN_ORDER


def test_smaller_at_an_unchanged_price_is_no_crossing():
    sim = quotes()
    sim.place(order("a"), SEC)
    sim.skip_to(DOGE.id, 2 * SEC, bid=AT - 10, ask=AT)
    assert isinstance(new(sim, "a", 3 * SEC, lots=50 * COIN)[0], OrderAmended)


def test_a_limit_that_crosses_takes_the_rest_at_the_opposing_price_with_the_takers_fee():
    sim = quotes()
    sim.place(order("a", style=Style.LIMIT), SEC)
    sim.on_quote(DOGE.id, 2 * SEC, AT - 10, AT, 20 * COIN, 20 * COIN)
    sim.on_quote(DOGE.id, 3 * SEC, AT, AT + 20, COIN, COIN)
    amended, progress, _ = new(sim, "a", 4 * SEC, limit=AT + 500)
    first, rest = DOGE.cost(AT, 20 * COIN), DOGE.cost(AT + 20, 40 * COIN)
    assert isinstance(amended, OrderAmended)
    assert isinstance(progress, OrderProgress)
    fees = DOGE.fee(first, maker=True) + DOGE.fee(rest, maker=False)
    assert (progress.cum_lots, progress.cum_cost, progress.cum_fee) == (LOTS, first + rest, fees)
    assert sim.order_status("a").state is OrderState.FILLED
    assert sim.balances()["USD"] == (2_000 * USD - first - rest - fees, 0)


def test_what_was_filled_before_stays_at_its_price():
    sim = quotes()
    sim.place(order("a", Side.SELL), SEC)
    sim.on_quote(DOGE.id, 2 * SEC, AT, AT + 10, 20 * COIN, 20 * COIN)
    new(sim, "a", 3 * SEC, limit=AT + 1_000, lots=50 * COIN)
    progress = events(sim.on_quote(DOGE.id, 4 * SEC, AT + 1_000, AT + 2_000, LOTS, LOTS))[0]
    costs = DOGE.cost(AT, 20 * COIN), DOGE.cost(AT + 1_000, 30 * COIN)
    assert (progress.cum_lots, progress.cum_cost) == (50 * COIN, sum(costs))
    assert progress.cum_fee == sum(DOGE.fee(cost, maker=True) for cost in costs)
    assert sim.balances()["DOGE"] == (9_950 * COIN, 0)


@pytest.mark.parametrize(
    ("age_sec", "cost"), [(0, 4), (4.999, 4), (5, 3), (9.999, 3), (10, 2), (14.999, 2), (15, 1), (900, 1)]
)
def test_the_cost_of_an_amend_by_age(age_sec, cost):
    """Venues 1.5: one, and three, two or one more below 5, 10 and 15 s."""
    assert amend_cost(round(age_sec * SEC)) == cost


def level(sim):
    return sim.snapshot()["pairs"][str(DOGE.id)]["counter"][0]


def test_age_counts_from_the_last_amend_for_amends_and_cancels():
    sim = quotes(rate=RateTier(1_000.0, 0.0))
    sim.place(order("a"), SEC)
    new(sim, "a", 21 * SEC, lots=61 * COIN)
    assert level(sim) == 1 + 1, "older than 15 s"
    new(sim, "a", 22 * SEC, lots=62 * COIN, revision=2)
    assert level(sim) == 2 + 4, "amended a second ago"
    sim.cancel(DOGE.id, "a", 28 * SEC)
    assert level(sim) == 6 + 6, "amended six seconds ago"


def test_a_refused_amend_is_charged_its_fixed_part_and_one_over_the_threshold_nothing():
    sim = quotes(rate=RateTier(5.0, 0.0))
    sim.place(order("a"), SEC)
    new(sim, "a", 2 * SEC, lots=COIN)
    assert level(sim) == 2
    (refused,) = new(sim, "a", 3 * SEC, lots=61 * COIN, revision=2)
    assert refused.reason is RejectReason.RATE_LIMIT
    assert level(sim) == 2
    assert isinstance(new(sim, "a", 30 * SEC, lots=61 * COIN, revision=3)[0], OrderAmended)


def test_a_rebuilt_venue_has_the_amends_and_goes_on_like_it():
    log = []
    settings = quotes().settings
    sim = SimVenue(settings, lambda record: log.append(encode_record(record)))
    for client_id in "abc":
        sim.place(order(client_id), SEC)
    sim.on_quote(DOGE.id, 2 * SEC, AT - 10, AT, 20 * COIN, 20 * COIN)
    new(sim, "a", 3 * SEC, limit=AT - 30)
    new(sim, "b", 4 * SEC, lots=90 * COIN)
    new(sim, "b", 5 * SEC, lots=COIN, revision=2)
    again = SimVenue.rebuild(settings, [decode_record(data) for data in log])
    assert again.snapshot() == sim.snapshot()
    for one in (sim, again):
        one.on_quote(DOGE.id, 6 * SEC, AT - 50, AT - 30, 500 * COIN, 500 * COIN)
    assert again.snapshot() == sim.snapshot()
