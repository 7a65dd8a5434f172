"""Whole histories of the venue of books: money to the unit, no more filled than there was, and a log that tells all."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from depth_venue import ABC, NAME, OPENING, changed, order, shown, terms, trade
from depth_venue import settings as venue_settings
from millrace.core.commands import Side, Style
from millrace.core.events import BalanceReport, OrderEnded, OrderProgress
from millrace.market.queue_models import QueueRule
from millrace.sim.depth.records import Crossed, Took, Traded, decode_record, encode_record
from millrace.sim.depth.venue import DepthVenue

BID, ASK = 998, 1_002
prices = st.integers(995, 1_005)
sizes = st.integers(0, 60)
sides = st.sampled_from(list(Side))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("place"), sides, st.integers(1, 90), prices, st.sampled_from(list(Style))),
        st.tuples(st.just("amend"), st.integers(0, 9), st.integers(1, 90), prices),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("level"), sides, st.integers(0, 4), sizes),
        st.tuples(st.just("move"), st.integers(-3, 3)),
        st.tuples(st.just("trade"), prices, st.integers(1, 80), st.sampled_from([True, False, None])),
    ),
    max_size=40,
)


def lived(rule, story):
    """Return the venue, its log, what it told, and the orders by name."""
    log: list = []
    venue = DepthVenue(venue_settings(queue=rule, opening=OPENING), lambda record: log.append(encode_record(record)))
    bid, ask = BID, ASK
    told = venue.on_book(shown(1, [(BID, 30), (BID - 1, 30)], [(ASK, 30), (ASK + 1, 30)]))
    orders: dict = {}
    revisions: Counter = Counter()
    for number, (kind, *what) in enumerate(story):
        ts_ns, name = 2 + number, f"o{what[0]}"
        if kind == "place":
            name = f"o{len(orders)}"
            orders[name] = order(name, what[0], what[1], what[2], what[3])
            told += venue.place(orders[name], ts_ns)
        elif kind == "amend" and name in orders:
            revisions[name] += 1
            told += venue.amend(terms(orders[name], what[1], what[2], revisions[name]), ts_ns)
        elif kind == "cancel" and name in orders:
            told += venue.cancel(NAME, name, ts_ns)
        elif kind == "level":
            one = (bid - what[1], what[2]) if what[0] is Side.BUY else (ask + what[1], what[2])
            told += venue.on_book(changed(ts_ns, *([[one], []] if what[0] is Side.BUY else [[], [one]])))
        elif kind == "move":
            bid, ask = bid + what[0], ask + what[0]
            told += venue.on_book(shown(ts_ns, [(bid, 20), (bid - 2, 9)], [(ask, 20), (ask + 2, 9)]))
        elif kind == "trade":
            told += venue.on_trade(trade(ts_ns, *what))
    return venue, [decode_record(data) for data in log], told, orders


@settings(max_examples=150, deadline=None)
@given(steps, st.sampled_from(list(QueueRule)))
def test_every_history(story, rule) -> None:
    venue, log, told, orders = lived(rule, story)
    money_and_coins_are_conserved(venue, told, orders)
    nothing_fills_that_was_not_there(log, orders)
    times = [delivery.ts_ns for delivery in told]
    assert times == sorted(times)
    again = DepthVenue.rebuild(venue.settings, log)
    assert again.snapshot() == venue.snapshot()
    assert [one.client_id for one in again.open_orders()] == [one.client_id for one in venue.open_orders()]
    assert all(orders[one.client_id].order.style is not Style.IOC for one in venue.open_orders())
    for name in [one.client_id for one in venue.open_orders()]:
        venue.cancel(NAME, name, 10_000)
    assert all(hold == 0 for _, hold in venue.balances().values())


def money_and_coins_are_conserved(venue, told, orders) -> None:
    """Opening less what was paid, plus what was got, is what is free and held; and nothing is ever negative."""
    final = {}
    for delivery in told:
        event = delivery.event
        if isinstance(event, BalanceReport):
            assert all(free >= 0 and hold >= 0 for free, hold in event.balances.values())
        progress = event.progress if isinstance(event, OrderEnded) else event
        if isinstance(progress, OrderProgress):
            before = final.get(progress.client_id)
            assert before is None or (progress.cum_lots, progress.cum_cost) >= (before.cum_lots, before.cum_cost)
            final[progress.client_id] = progress
    cash, coins = OPENING["USDT"], OPENING["ABC"]
    for name, progress in final.items():
        sign = orders[name].order.side.sign
        cash -= sign * progress.cum_cost + progress.cum_fee
        coins += sign * ABC.base_amount(progress.cum_lots)
    assert {asset: free + hold for asset, (free, hold) in venue.balances().items()} == {"USDT": cash, "ABC": coins}


def nothing_fills_that_was_not_there(log, orders) -> None:
    """A trade fills no more of ours than it traded, a book no more than it offers, and no limit is passed."""
    for record in log:
        if isinstance(record, Traded):
            assert sum(fill.lots for fill in record.fills) <= record.event.lots
            by_side = {orders[fill.client_id].order.side for fill in record.fills}
            assert len(by_side) <= 1
            if record.event.taker_sells is not None:
                assert by_side <= {Side.BUY if record.event.taker_sells else Side.SELL}
        elif isinstance(record, Crossed):
            assert sum(fill.lots for fill in record.fills) == sum(lots for _, lots in record.used)
        elif isinstance(record, Took):
            assert orders[record.client_id].order.style is not Style.POST_ONLY


@settings(max_examples=60, deadline=None)
@given(steps, st.data())
def test_a_log_cut_anywhere_gives_a_venue_that_goes_on(story, data) -> None:
    venue, log, _, _ = lived(QueueRule.POWER, story)
    torn = DepthVenue.rebuild(venue.settings, log[: data.draw(st.integers(0, len(log)))])
    for one in torn.open_orders():
        torn.on_trade(trade(9_000, one.limit_ticks - one.side.sign, 1_000, one.side is Side.BUY))
        torn.end_order(one.client_id, 9_001, "expired", "late")
    assert not torn.open_orders()
    assert all(free >= 0 and hold == 0 for free, hold in torn.balances().values())
