"""What must hold for every history of the simulated venue of binary markets: cash, contracts, liquidity, and its log."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.binary_events import MarketResolved, PairsRedeemed
from millrace.core.commands import ApprovedAmend, Side, Style
from millrace.core.events import BalanceReport, OrderEnded, OrderProgress
from millrace.core.instrument import Outcome, outcome_id
from millrace.sim.prediction.venue import PredictionVenue
from millrace.sim.prediction.venue_records import Accepted, Executed, Shown, decode_record, encode_record
from prediction_venue import KALSHI, NO_LUCK, ONE, POLY, book, kalshi, order, polymarket

TICKS = [3_800, 4_000, 4_200, 4_400, 5_600, 5_800, 6_000, 6_200]
rows = st.lists(st.tuples(st.sampled_from(TICKS), st.integers(1, 12)), max_size=3, unique_by=lambda row: row[0])
sides = st.tuples(
    rows.map(sorted),
    rows.map(sorted),
    rows.map(lambda r: sorted(r, reverse=True)),
    rows.map(lambda r: sorted(r, reverse=True)),
)
action = st.one_of(
    st.tuples(st.just("book"), sides),
    st.tuples(
        st.just("place"),
        st.sampled_from(list(Outcome)),
        st.sampled_from(list(Side)),
        st.sampled_from(list(Style)),
        st.sampled_from([50, 100, 150, 300, 900, 1_500]),
        st.sampled_from(TICKS),
    ),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("amend"), st.integers(0, 30), st.sampled_from([50, 100, 300, 900]), st.sampled_from(TICKS)),
)
histories = st.lists(action, min_size=15, max_size=50)
LUCKY = st.booleans().map(
    lambda lucky: NO_LUCK if lucky else NO_LUCK | {"slippage_sd_ticks": 100, "adverse_ppm": 400_000}
)


def lived(config, market, history, ending):
    log: list = []
    venue = PredictionVenue(config, lambda record: log.append(encode_record(record)))
    told: list = []
    places = {}
    for ts_ns, (kind, *what) in enumerate(history, 1):
        if kind == "book":
            asks_yes, asks_no, bids_yes, bids_no = what[0]
            bids = {} if config.markets[0].mirrored else {"yes_bids": bids_yes, "no_bids": bids_no}
            told += venue.on_book(book(market, ts_ns, yes_asks=asks_yes, no_asks=asks_no, **bids))
        elif kind == "place":
            outcome, side, style, hundredths, ticks = what
            name = f"o{len(places)}"
            places[name] = order(
                name, market, outcome, side=side, style=style, lots=hundredths * ONE // 100, ticks=ticks
            )
            told += venue.place(places[name], ts_ns)
        elif places and f"o{what[0]}" in places:
            name = f"o{what[0]}"
            place = places[name].order
            if kind == "cancel":
                told += venue.cancel(place.instrument, name, ts_ns)
            else:
                told += venue.amend(ApprovedAmend(place, name, 1, what[1] * ONE // 100, what[2], True, 1, ts_ns), ts_ns)
    if ending != "open":
        told += venue.resolve(market, {"yes": 10_000, "no": 0, "half": 5_000, "void": None}[ending], 1_000)
    return venue, [decode_record(data) for data in log], told, places


@settings(max_examples=150, deadline=None)
@given(histories, LUCKY, st.sampled_from(["open", "yes", "no", "half", "void"]), st.booleans())
def test_every_history(history, lucky, ending, nets) -> None:
    for config, market in ((kalshi(ONE, nets=nets, **lucky), KALSHI), (polymarket(nets=nets, **lucky), POLY)):
        venue, log, told, places = lived(config, market, history, ending)
        cash_and_contracts_are_conserved(config, venue, told, places, resolved=ending != "open")
        no_more_is_traded_than_was_shown(venue, log, places, mirrored=config.markets[0].mirrored)
        times = [delivery.ts_ns for delivery in told]
        assert times == sorted(times)
        again = PredictionVenue.rebuild(config, log)
        assert again.snapshot() == venue.snapshot()


def cash_and_contracts_are_conserved(config, venue, told, places, *, resolved) -> None:
    final = {}
    cash = sum(config.opening.values())
    pairs = 0
    for delivery in told:
        event = delivery.event
        if isinstance(event, OrderEnded):
            final[event.client_id] = event.progress
        elif isinstance(event, OrderProgress):
            final[event.client_id] = event
        elif isinstance(event, PairsRedeemed):
            assert event.proceeds == event.lots * sum(config.opening.values()) // (100 * ONE)
            cash += event.proceeds
            pairs += event.lots
        elif isinstance(event, MarketResolved):
            cash += event.paid - event.fee
        elif isinstance(event, BalanceReport):
            assert all(free >= 0 and hold >= 0 for free, hold in event.balances.values())
    held = Counter()
    for name, progress in final.items():
        place = places[name].order
        cash -= place.side.sign * progress.cum_cost + progress.cum_fee
        held[place.instrument] += place.side.sign * progress.cum_lots
    ((free, hold),) = venue.balances().values()
    assert free + hold == cash
    if resolved:
        assert venue.positions() == {}
        assert hold == 0
        assert not venue.open_orders()
    else:
        for outcome in Outcome:
            held[outcome_id(config.markets[0].market, outcome)] -= pairs
        assert venue.positions() == {name: lots for name, lots in held.items() if lots}
        assert all(lots > 0 for lots in venue.positions().values())


def no_more_is_traded_than_was_shown(venue, log, places, *, mirrored) -> None:
    """Each level gives at most what it showed when it came, and what it grew by since."""
    shown: dict = {}
    offered = Counter()
    taken = Counter()
    for record in log:
        if isinstance(record, Shown):
            quote = record.quote
            now = {(Outcome.YES, False, level.ticks): level.lots for level in quote.yes_asks}
            now |= {(Outcome.NO, False, level.ticks): level.lots for level in quote.no_asks}
            if not mirrored:
                now |= {(Outcome.YES, True, 10_000 - level.ticks): level.lots for level in quote.no_bids}
                now |= {(Outcome.NO, True, 10_000 - level.ticks): level.lots for level in quote.yes_bids}
            for key, lots in now.items():
                offered[key] += max(lots - shown.get(key, 0), 0)
            shown = now
        elif isinstance(record, Executed):
            for key, lots in record.used:
                taken[tuple(key)] += lots
                assert lots <= shown[tuple(key)]
            assert sum(trade.lots for trade in record.trades) <= sum(lots for _, lots in record.used)
    assert all(lots <= offered[key] for key, lots in taken.items())
    accepted = {record.client_id: record for record in log if isinstance(record, Accepted)}
    amended = {record.client_id for record in log if type(record).__name__ == "Amended"}
    for record in log:
        if isinstance(record, Executed) and record.client_id not in amended:
            terms = accepted[record.client_id]
            for trade in record.trades:
                assert terms.side.sign * (terms.limit_ticks - trade.ticks) >= 0
                assert terms.style is not Style.POST_ONLY or trade.maker


@settings(max_examples=20, deadline=None)
@given(histories, st.data())
def test_a_log_cut_anywhere_gives_a_venue_that_goes_on(history, data) -> None:
    config = kalshi()
    _, log, _, places = lived(config, KALSHI, history, "open")
    cut = data.draw(st.integers(0, len(log)))
    venue = PredictionVenue.rebuild(config, log[:cut])
    assert all(places[one.client_id].order.style is not Style.IOC for one in venue.open_orders())
    assert len(venue.positions()) <= 1  # pairs are dollars, whatever the cut tore apart
    venue.resolve(KALSHI, 10_000, 10_000)
    assert venue.positions() == {}
