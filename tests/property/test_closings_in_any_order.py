"""Fills, pairs taken back and a pay-out, told in any order, late and twice: in the end the cash is the venue's."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.binary_events import MarketResolved, PairsRedeemed, RedeemRoute
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId, Outcome, half_even
from millrace.orders.positions import Positions
from millrace.strategies.arb.listing import outcome_instruments
from millrace.strategies.arb.model import MarketFacts

MARKET = InstrumentId("kalshi", "M")
BOTH = dict(zip(Outcome, outcome_instruments(MarketFacts(market=MARKET, event="E")), strict=True))
INSTRUMENTS = {one.id: one for one in BOTH.values()}
LOTS, DOLLAR, FEE = 1_000_000, 10**9, 13_000_007
BUY, SELL, NET = "buy", "sell", "net"
deeds = st.lists(
    st.tuples(
        st.sampled_from([BUY, BUY, BUY, SELL, NET]),
        st.sampled_from(Outcome),
        st.integers(1, 5 * LOTS),
        st.integers(1, 9_999),
        st.sampled_from("abc"),
    ),
    min_size=1,
    max_size=10,
)
pays = st.sampled_from([None, None, None, 0, 10_000, 3_333])


class Venue:
    """Does what is asked of it as far as that goes, writes down the news of it, and counts money by itself."""

    def __init__(self) -> None:
        self.news: list[object] = []
        self.held: Counter[Outcome] = Counter()
        self.basis: Counter[Outcome] = Counter()
        self.ours: Counter[tuple[Outcome, str]] = Counter()
        self.paid = self.redeemed = self.fee = self.pairs = 0

    def trade(self, deed: str, outcome: Outcome, lots: int, ticks: int, group: str) -> None:
        if deed == NET:
            return self.net(min(lots, *(self.held[one] for one in Outcome)))
        sign = 1 if deed == BUY else -1
        if deed == SELL:
            lots = min(lots, self.ours[outcome, group], self.held[outcome])
        cost = BOTH[outcome].cost(ticks, lots)
        if not lots or not cost:
            return None
        self.ours[outcome, group] += sign * lots
        if deed == BUY:
            self.held[outcome] += lots
            self.basis[outcome] += cost
        else:
            self.give(outcome, lots)
        return self.news.append((outcome, sign * lots, cost, group))

    def give(self, outcome: Outcome, lots: int) -> None:
        self.basis[outcome] -= half_even(self.basis[outcome] * lots, self.held[outcome])
        self.held[outcome] -= lots

    def net(self, lots: int) -> None:
        if lots:
            for outcome in Outcome:
                self.give(outcome, lots)
            self.pairs += 1
            self.redeemed += lots * DOLLAR // LOTS
            self.news.append(PairsRedeemed(MARKET, lots, lots * DOLLAR // LOTS, RedeemRoute.NET, 5, self.pairs))

    def resolve(self, yes_ticks: int | None) -> None:
        for outcome, ticks in zip(Outcome, (yes_ticks, None if yes_ticks is None else 10_000 - yes_ticks), strict=True):
            lots = self.held.pop(outcome, 0)
            self.paid += self.basis[outcome] if ticks is None else BOTH[outcome].cost(ticks, lots)
            self.fee += -(-FEE * lots // LOTS) if ticks else 0
        self.news.append(MarketResolved(MARKET, yes_ticks, 6, FEE, self.paid, self.fee))


def heard(table: Positions, item: object) -> int:
    """Return the cash that follows from one piece of news."""
    if isinstance(item, MarketResolved | PairsRedeemed):
        again = table.knows(item)
        found = table.close(item, INSTRUMENTS)
        assert table.knows(item)
        assert not (again and found)
    else:
        outcome, lots, cost, group = item
        position = SubPosition("arb", BOTH[outcome].id, f"intra/f/{group}", outcome.value)
        table.move(position, lots, cost)
        found = table.late(position, INSTRUMENTS)
    return sum(one.proceeds - one.fee for one in found)


@settings(max_examples=400, deadline=None)
@given(deeds, pays, st.booleans(), st.randoms(use_true_random=False))
def test_cash_and_positions_do_not_depend_on_the_order_of_the_news(did, yes_ticks, resolves, random):
    venue = Venue()
    for deed in did:
        venue.trade(*deed)
    if resolves:
        venue.resolve(yes_ticks)
    endings = [item for item in venue.news if isinstance(item, MarketResolved | PairsRedeemed)]
    news = venue.news + [item for item in endings if random.random() < 0.5]
    random.shuffle(news)
    table, cash, told, seen = Positions(), 0, 0, set()
    for item in news:
        cash += heard(table, item)
        if item in endings and item not in seen:
            seen.add(item)
            told += item.paid - item.fee if isinstance(item, MarketResolved) else item.proceeds
        if yes_ticks is None:
            assert cash <= told, "no money comes of a void that the venue did not speak of"
        after = Positions()
        after.restore(table.snapshot())
        assert after.snapshot() == table.snapshot()
        table = after
    assert cash == told == venue.redeemed + venue.paid - venue.fee
    open_lots: Counter[Outcome] = Counter()
    for position, lots in table.all().items():
        open_lots[Outcome(position.leg)] += lots
    assert open_lots == venue.held
    assert not (resolves and table.all())
    assert table.owed() == {}


@settings(max_examples=100, deadline=None)
@given(deeds, st.sampled_from([None, 0, 10_000]), st.randoms(use_true_random=False))
def test_a_venue_that_does_not_say_what_it_paid_is_taken_by_its_rules(did, yes_ticks, random):
    """By the answer a contract pays a dollar or nothing; of a void without pairs each leg has its cost back."""
    venue, cash = Venue(), 0
    for deed, *terms in did:
        if deed == BUY or (yes_ticks is not None and deed == NET):
            venue.trade(deed, *terms)
    bought = sum(item[2] for item in venue.news if isinstance(item, tuple))
    venue.resolve(yes_ticks)
    news = [*venue.news[:-1], MarketResolved(MARKET, yes_ticks, 6)]
    random.shuffle(news)
    table = Positions()
    for item in news:
        cash += heard(table, item)
    assert cash == (bought if yes_ticks is None else venue.redeemed + venue.paid)
    assert table.all() == table.owed() == {}
