"""What must hold for every history of the simulated venue: money, holds, priority, caps, and the log that rebuilds it."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.commands import Approved, ApprovedAmend, Place, Side, Style
from millrace.core.events import BalanceReport, OrderEnded, OrderProgress, OrderRejected
from millrace.core.ids import SubPosition
from millrace.core.instrument import PPM, Instrument, InstrumentId
from millrace.sim.balances import buying_need
from millrace.sim.rate_counter import RateTier
from millrace.sim.venue import FillRule, SimVenue, VenueSettings
from millrace.sim.venue_log import Amended, Executed, decode_record, encode_record

DOGE = Instrument(
    id=InstrumentId("kraken", "DOGE/USD"),
    base="DOGE",
    quote="USD",
    price_decimals=7,
    tick=10,
    lot_decimals=8,
    lot=1_000,
    min_lots=5_000_000,
    min_cost=1_000,
    maker_fee_ppm=2_500,
    taker_fee_ppm=4_000,
    max_open_orders=6,
)
OPENING = {"USD": 60_000_000, "DOGE": 40_000_000}
MID = 1_700_000
STEP_NS = 3_000_000  # below the jitter, so that answers could overtake each other

price = st.integers(-6, 6).map(lambda step: MID + 10 * step)
sides = st.sampled_from(list(Side))
action = st.one_of(
    st.tuples(
        st.just("place"),
        sides,
        price,
        st.integers(4_990, 12_000).map(lambda n: 1_000 * n),
        st.sampled_from(list(Style)),
    ),
    st.tuples(st.just("cancel"), st.integers(0, 15)),
    st.tuples(st.just("amend"), st.integers(1, 8), price, st.integers(4_990, 12_000).map(lambda n: 1_000 * n)),
    st.tuples(st.just("print"), price, st.integers(0, 100_000_000), st.booleans()),
    st.tuples(st.just("quote"), price, st.integers(0, 3), st.integers(0, 12_000_000)),
)
actions = st.lists(action, min_size=25, max_size=60)
rules = st.sampled_from(list(FillRule))


def venue_settings(rule: FillRule, seed: int = 3) -> VenueSettings:
    return VenueSettings("kraken", (DOGE,), OPENING, seed, rate=RateTier(60.0, 3.75), fill_rule=rule)


def approved(client_id: str, side: Side, limit: int, lots: int, style: Style, ts_ns: int = 0) -> Approved:
    position = SubPosition("slots", DOGE.id, client_id, "entry")
    return Approved(Place(DOGE.id, side, lots, limit, style, position, False, client_id, "entry"), client_id, 1, ts_ns)


class History:
    """Applies actions to a venue and remembers time, ids and the number of the bar."""

    def __init__(self, venue):
        self.venue, self.ts_ns, self.bar, self.ids = venue, 0, 0, 0
        self.amends = 0

    def apply(self, act):
        self.ts_ns += STEP_NS
        kind = act[0]
        if kind == "place":
            self.ids += 1
            _, side, limit, lots, style = act
            return self.venue.place(approved(f"id{self.ids}", side, limit, lots, style), self.ts_ns)
        if kind == "cancel":
            return self.venue.cancel(DOGE.id, f"id{act[1]}", self.ts_ns)
        if kind == "amend":
            _, number, limit, lots = act
            open_ids = [order.client_id for order in self.venue.open_orders(DOGE.id)]
            client_id = open_ids[number % len(open_ids)] if open_ids else "nobody"
            order = approved(client_id, Side.BUY, limit, lots, Style.LIMIT).order
            self.amends += 1
            return self.venue.amend(ApprovedAmend(order, client_id, self.amends, lots, limit, True, 1, 0), self.ts_ns)
        if kind == "print":
            _, ticks, bar_lots, new = act
            self.bar += new
            # a bar's volume is one number: derive it from the bar so that its prints agree
            self.bar_lots = bar_lots if new or not hasattr(self, "bar_lots") else self.bar_lots
            return self.venue.on_print(DOGE.id, self.ts_ns, ticks, 1, self.bar, self.bar_lots)
        _, bid, spread, lots = act
        return self.venue.on_quote(DOGE.id, self.ts_ns, bid, bid + 10 + 10 * spread, lots, lots)


def totals(balances):
    return {asset: free + hold for asset, (free, hold) in balances.items()}


@settings(max_examples=60, deadline=None)
@given(actions, rules)
def test_money_is_conserved_and_holds_are_what_open_orders_need(acts, rule):
    history = History(SimVenue(venue_settings(rule)))
    venue, traded, reported = history.venue, {}, None
    priced = {}  # client id -> limit, and lots, cost and fee when it became the limit
    expected = dict(OPENING)
    for act in acts:
        for _, event in history.apply(act):
            if isinstance(event, OrderProgress):
                order = venue.order_status(event.client_id)
                old = traded.get(event.client_id, (0, 0, 0))
                new = (event.cum_lots, event.cum_cost, event.cum_fee)
                assert all(b >= a for a, b in zip(old, new, strict=True))
                assert old[0] < new[0] <= order.lots
                lots, cost, fee = (b - a for a, b in zip(old, new, strict=True))
                traded[event.client_id] = new
                expected["DOGE"] += order.side.sign * lots
                expected["USD"] -= order.side.sign * cost + fee
            if isinstance(event, OrderEnded):
                last = (event.progress.cum_lots, event.progress.cum_cost, event.progress.cum_fee)
                assert traded.get(event.client_id, (0, 0, 0)) == last
            if isinstance(event, BalanceReport):
                reported = event.balances
        assert totals(venue.balances()) == expected
        assert reported is None or reported == venue.balances()
        assert all(free >= 0 and hold >= 0 for free, hold in venue.balances().values())
        holds = {"USD": 0, "DOGE": 0}
        for order in venue.open_orders(DOGE.id):
            if priced.get(order.client_id, (0,))[0] != order.limit_ticks:
                priced[order.client_id] = (order.limit_ticks, order.cum_lots, order.cum_cost, order.cum_fee)
            _, lots, cost, fee = priced[order.client_id]
            if order.side is Side.BUY:
                spent = order.cum_cost - cost + order.cum_fee - fee
                holds["USD"] += buying_need(DOGE, order.limit_ticks, order.lots - lots) - spent
            else:
                holds["DOGE"] += order.lots - order.cum_lots
        assert {asset: hold for asset, (_, hold) in venue.balances().items()} == holds


@settings(max_examples=60, deadline=None)
@given(actions, rules)
def test_fills_keep_priority_limits_caps_and_bounds(acts, rule):
    records = []
    history = History(SimVenue(venue_settings(rule), records.append))
    venue, taken, repriced = history.venue, defaultdict(int), set()
    for act in acts:
        before = venue.open_orders(DOGE.id)
        low, high = venue.bounds(DOGE.id)
        mark = len(records)
        answers = history.apply(act)
        made = {r.client_id: r.lots for r in records[mark:] if isinstance(r, Executed) and r.bar is not None}
        repriced |= {r.client_id for r in records[mark:] if isinstance(r, Amended)}
        if act[0] in ("place", "cancel", "amend"):
            assert not made
            continue
        if act[0] == "print":
            buy_at, sell_at, margin, cap = act[1], act[1], 10, history.bar_lots * 100_000 // PPM
            budget = ("bar", history.bar)
        else:
            buy_at, sell_at, margin, cap = act[1] + 10 + 10 * act[2], act[1], 0, act[3]
            budget = ("quote", history.ts_ns)
        if (low is None or buy_at > low) and (high is None or sell_at < high):
            assert answers == []
        fills = rule is FillRule.BOTH or rule.value.startswith(act[0])
        for side, at in ((Side.BUY, buy_at), (Side.SELL, sell_at)):
            queue = sorted((o for o in before if o.side is side), key=lambda o: -o.side.sign * o.limit_ticks)
            want = []  # price-time order: sorted is stable and open orders come in order of arrival
            left = cap - taken[(budget, side)]
            left -= left % DOGE.lot
            for order in queue:
                if not fills or side.sign * (order.limit_ticks - at) < margin or not left:
                    break
                lots = min(left, order.lots - order.cum_lots)
                want.append((order.client_id, lots))
                left -= lots
            mine = {o.client_id for o in queue}
            assert [(client_id, lots) for client_id, lots in made.items() if client_id in mine] == want
            taken[(budget, side)] += sum(lots for _, lots in want)
            assert taken[(budget, side)] <= cap
            for client_id, _ in want:
                order = venue.order_status(client_id)
                if client_id not in repriced:
                    assert order.cum_cost == DOGE.cost(order.limit_ticks, order.cum_lots)
                    assert order.cum_fee == DOGE.fee(order.cum_cost, maker=True)


@settings(max_examples=60, deadline=None)
@given(actions, st.integers(0, 40), rules)
def test_a_rebuilt_venue_is_the_venue_and_goes_on_like_it(acts, cut, rule):
    cut = min(cut, len(acts))
    log = []
    live = History(SimVenue(venue_settings(rule), lambda record: log.append(encode_record(record))))
    for act in acts[:cut]:
        live.apply(act)
    again = History(SimVenue.rebuild(venue_settings(rule), [decode_record(data) for data in log]))
    again.ts_ns, again.bar, again.ids, again.amends = live.ts_ns, live.bar, live.ids, live.amends
    if hasattr(live, "bar_lots"):
        again.bar_lots = live.bar_lots
    assert again.venue.snapshot() == live.venue.snapshot()
    for act in acts[cut:]:
        assert again.apply(act) == live.apply(act)
    assert again.venue.snapshot() == live.venue.snapshot()


@settings(max_examples=40, deadline=None)
@given(actions, rules, st.integers(0, 2**70))
def test_one_seed_gives_one_history_and_news_keeps_its_order(acts, rule, seed):
    first, second = (History(SimVenue(venue_settings(rule, seed))) for _ in range(2))
    second.venue.arrival_ns("asked before", 5)
    last_ns = 0
    for act in acts:
        answers = first.apply(act)
        assert answers == second.apply(act)
        for ts_ns, event in answers:
            assert ts_ns == event.ts_ns
            assert first.ts_ns + 25_000_000 <= ts_ns
            assert ts_ns >= last_ns
            last_ns = ts_ns
        assert sum(isinstance(event, BalanceReport) for _, event in answers) <= 1
        if answers and not isinstance(answers[-1].event, BalanceReport):
            assert len(answers) == 1
            assert not isinstance(answers[0].event, OrderProgress | OrderEnded)


@settings(max_examples=40, deadline=None)
@given(actions, rules)
def test_skipping_rows_inside_the_bounds_changes_nothing(acts, rule):
    whole, skipping = (History(SimVenue(venue_settings(rule))) for _ in range(2))
    for act in acts:
        low, high = skipping.venue.bounds(DOGE.id)
        ask = act[1] + 10 + 10 * act[2] if act[0] == "quote" else act[1]
        if act[0] in ("print", "quote") and (low is None or ask > low) and (high is None or act[1] < high):
            skipping.ts_ns += STEP_NS
            if act[0] == "print":
                skipping.venue.skip_to(DOGE.id, skipping.ts_ns, act[1])
                skipping.bar += act[3]
                skipping.bar_lots = act[2] if act[3] or not hasattr(skipping, "bar_lots") else skipping.bar_lots
            else:
                skipping.venue.skip_to(DOGE.id, skipping.ts_ns, bid=act[1], ask=ask)
            assert whole.apply(act) == []
        else:
            assert whole.apply(act) == skipping.apply(act)
    assert whole.venue.snapshot() == skipping.venue.snapshot()


def test_a_quote_between_two_prints_of_a_bar_does_not_renew_the_bars_volume():
    """Found by the property above: both kinds of volume once shared one budget."""
    history = History(SimVenue(venue_settings(FillRule.BOTH)))
    for limit in (MID + 10, MID + 10):
        history.apply(("place", Side.BUY, limit, 6_000_000, Style.POST_ONLY))
    assert history.apply(("print", MID, 10_000_000, True))
    assert history.apply(("quote", MID, 0, 1_000))
    assert history.apply(("print", MID, 10_000_000, False)) == []


def test_random_actions_reach_fills_and_rejects():
    """The properties above mean something only if their histories trade: this one does."""
    history = History(SimVenue(venue_settings(FillRule.BOTH)))
    news = history.apply(("place", Side.BUY, MID, 6_000_000, Style.POST_ONLY))
    news += history.apply(("place", Side.SELL, MID + 10, 6_000_000, Style.POST_ONLY))
    news += history.apply(("print", MID - 10, 200_000_000, True))
    news += history.apply(("place", Side.SELL, MID - 20, 6_000_000, Style.POST_ONLY))
    assert sum(isinstance(event, OrderProgress) for _, event in news) == 1
    assert sum(isinstance(event, OrderRejected) for _, event in news) == 1
