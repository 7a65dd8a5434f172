"""Fills, pairs taken back and a pay-out, told in any order: in the end nothing is open and the cash is the venue's."""

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.binary_events import MarketResolved, PairsRedeemed, RedeemRoute
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId, Outcome
from millrace.orders.positions import Positions
from millrace.strategies.arb.listing import outcome_instruments
from millrace.strategies.arb.model import MarketFacts

MARKET = InstrumentId("kalshi", "M")
BOTH = dict(zip(Outcome, outcome_instruments(MarketFacts(market=MARKET, event="E")), strict=True))
INSTRUMENTS = {one.id: one for one in BOTH.values()}
fills = st.lists(
    st.tuples(st.sampled_from(Outcome), st.integers(1, 9), st.sampled_from(["a", "b", "c"])), min_size=1, max_size=8
)


def heard(table, item):
    """Return the closings that follow from one piece of news."""
    if isinstance(item, MarketResolved):
        return table.resolve(item, INSTRUMENTS)
    if isinstance(item, PairsRedeemed):
        return table.redeem(item)
    outcome, contracts, group = item
    position = SubPosition("arb", BOTH[outcome].id, f"intra/f/{group}", outcome.value)
    table.move(position, contracts * 1_000_000, contracts * 400_000_000)
    return table.late(position, INSTRUMENTS)


@settings(max_examples=200, deadline=None)
@given(fills, st.sampled_from([0, 10_000]), st.booleans(), st.randoms(use_true_random=False))
def test_cash_and_positions_do_not_depend_on_the_order_of_the_news(bought, yes_ticks, resolves, random):
    held = {outcome: sum(lots for side, lots, _ in bought if side is outcome) for outcome in Outcome}
    pairs = min(held.values())
    news = list(bought)
    if pairs:
        news.append(PairsRedeemed(MARKET, pairs * 1_000_000, pairs * 10**9, RedeemRoute.NET, 5))
    if resolves:
        news.append(MarketResolved(MARKET, yes_ticks, 6))
    random.shuffle(news)
    table, cash = Positions(), 0
    for item in news:
        cash += sum(one.proceeds - one.fee for one in heard(table, item))
        copy = Positions()
        copy.restore(table.snapshot())
        assert copy.snapshot() == table.snapshot()
    winner = Outcome.YES if yes_ticks else Outcome.NO
    paid = (held[winner] - pairs) * 10**9 if resolves else 0
    assert cash == pairs * 10**9 + paid
    left = 0 if resolves else sum(held.values()) - 2 * pairs
    assert sum(table.all().values()) == left * 1_000_000
    assert table.owed() == {}
