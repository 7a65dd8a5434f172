"""Laws of fees: monotone in contracts, never below what is owed, and one order's fills against one fill."""

from hypothesis import given
from hypothesis import strategies as st

from millrace.core.fee_terms import CONTRACT_LOTS, FeeTerms
from millrace.orders.fees import OrderFee
from millrace.venues.kalshi import fees as kalshi
from millrace.venues.polymarket import fees as polymarket

CENT = 10_000_000
TICKS = st.integers(1, 9_999)
CONTRACTS = st.integers(1, 2_000)
TERMS = st.builds(
    FeeTerms,
    quadratic_ppm=st.integers(0, 300_000),
    price_ppm=st.integers(0, 30_000),
    flat_nano=st.integers(0, 10**7),
    quantum_nano=st.sampled_from([1, 10_000, 100_000, CENT]),
    rounds_down=st.booleans(),
    fill_quantum_nano=st.sampled_from([0, 100_000]),
)


@given(TERMS, TICKS, CONTRACTS, CONTRACTS)
def test_a_fee_grows_with_the_contracts(terms, ticks, some, more) -> None:
    fee = terms.fee_nano(ticks, some * CONTRACT_LOTS)
    assert fee <= terms.fee_nano(ticks, (some + more) * CONTRACT_LOTS)
    assert fee >= 0


@given(st.lists(st.tuples(st.integers(1, 99), st.integers(1, 50)), min_size=1, max_size=30))
def test_an_order_pays_the_ceiling_of_its_fills(fills) -> None:
    """With prices in cents and whole contracts: the sum of the fills' trade fees, rounded up to the cent once."""
    terms = kalshi.published("KXA").taker
    order = OrderFee()
    paid = [order.fill(terms, cents * 100, contracts * CONTRACT_LOTS) for cents, contracts in fills]
    trade = sum(terms.fill_nano(cents * 100, contracts * CONTRACT_LOTS) for cents, contracts in fills)
    assert sum(paid) == order.cum_nano == -(-trade // CENT) * CENT
    assert min(paid) >= 0
    walked = terms.walked_nano((cents * 100, contracts * CONTRACT_LOTS) for cents, contracts in fills)
    assert walked == order.cum_nano


@given(st.lists(st.tuples(st.integers(1, 9_999), st.integers(1, 500)), min_size=1, max_size=30))
def test_prices_between_cents_pay_the_trade_fee_and_no_more_than_is_set_aside(fills) -> None:
    terms = kalshi.published("KXA").taker
    order, trade, aside = OrderFee(), 0, 0
    for ticks, contracts in fills:
        assert order.fill(terms, ticks, contracts * CONTRACT_LOTS) >= 0
        trade += terms.fill_nano(ticks, contracts * CONTRACT_LOTS)
        aside += terms.most_nano(ticks, contracts * CONTRACT_LOTS)
        assert trade <= order.cum_nano <= aside


@given(st.integers(100, 9_900), st.integers(1, 500 * CONTRACT_LOTS), st.sampled_from(["0.03", "0.05", "0.07"]))
def test_ordering_the_gross_brings_the_net(ticks, net, rate) -> None:
    schedule = polymarket.schedule(enabled=True, rate=rate)
    gross = schedule.gross_lots(ticks, net, lot=10_000)
    assert gross % 10_000 == 0
    assert schedule.net_lots(ticks, gross) >= net
    # No more than a lot and a step of the fee above what the rate asks for.
    assert gross <= net / (1 - float(rate) * (1 - ticks / 10_000)) + 20_000 + 100_000 / ticks
