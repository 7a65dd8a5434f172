"""Fees of binary markets: exact on the whole grid, per order and not per fill, unknown where they are unknown."""

import json
from pathlib import Path
from typing import Any

import pytest

from millrace.core.fee_terms import CONTRACT_LOTS, FeeSchedule, FeeTerms, in_force
from millrace.core.instrument import BinaryTerms, Instrument, InstrumentId, Outcome, outcome_id
from millrace.orders.fees import FeeStatements, OrderFee
from millrace.venues.kalshi import fees as kalshi
from millrace.venues.polymarket import fees as polymarket

CENT = 10_000_000
KALSHI = kalshi.published("KXHIGHNY", maker_fees=True)


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "golden" / "arb.json").read_text())


def _cents(schedule: FeeSchedule, contracts: int, cents: int, *, maker: bool = False) -> int:
    nano = schedule.fee_nano(cents * 100, contracts * CONTRACT_LOTS, maker=maker)
    assert nano % CENT == 0
    return nano // CENT


def test_all_99_000_cells_of_the_taker_fee_are_exact() -> None:
    """Arb 6: 1..1000 contracts x 1..99 cents, against integer arithmetic of its own."""
    for cents in range(1, 100):
        for contracts in range(1, 1001):
            exact = -(-7 * contracts * cents * (100 - cents) // 10_000)
            assert KALSHI.taker.fee_nano(cents * 100, contracts * CONTRACT_LOTS) == exact * CENT


def test_the_cells_that_binary_floats_get_wrong(golden) -> None:
    for contracts, cents, original, exact in golden["fee_float_error"]["examples_c_p_original_exact_cents"]:
        assert _cents(KALSHI, contracts, cents) == exact == original - 1
    assert golden["fee_float_error"]["cells"] == 99_000


def test_truth_rows(golden) -> None:
    index = kalshi.published("INXD")
    rates = [polymarket.schedule(enabled=True, rate=rate) for rate in ("0.03", "0.04", "0.05", "0.07")]
    for contracts, cents, taker, maker, half, *shares in golden["truth"]["fees"]["rows"]:
        assert _cents(KALSHI, contracts, cents) == taker
        assert _cents(KALSHI, contracts, cents, maker=True) == maker
        assert _cents(index, contracts, cents) == half
        lots = contracts * CONTRACT_LOTS
        assert [rate.fee_nano(cents * 100, lots, maker=False) // 10_000 for rate in rates] == shares


def test_the_other_venues_schedules(golden) -> None:
    flat = FeeTerms(flat_nano=5_000_000)
    mixed = {"min_nano": 50_000_000, "max_nano": 1_500_000_000}
    schedules = {
        "kalshi": KALSHI,
        "kalshi_index": kalshi.published("INX"),
        "forecastex": FeeSchedule(taker=flat, maker=flat),
        "poly_curve": FeeSchedule(taker=FeeTerms(quadratic_ppm=40_000)),
        "mixed": FeeSchedule(
            taker=FeeTerms(flat_nano=2_000_000, price_ppm=10_000, **mixed),
            maker=FeeTerms(flat_nano=-1_000_000, **mixed),
            settlement_flat_nano=3_000_000,
        ),
        "nowhere": FeeSchedule(taker=FeeTerms(flat_nano=20_000_000)),
    }
    for name, style, contracts, cents, total, settlement, exact in golden["fees"]["rows"]:
        schedule, lots = schedules[name], contracts * CONTRACT_LOTS
        nano = schedule.fee_nano(cents * 100, lots, maker=style == "maker")
        assert schedule.settlement_flat_nano * contracts == pytest.approx(settlement * 1e9)
        assert nano == (exact * CENT if exact is not None else pytest.approx(total * 1e9, abs=1))


@pytest.mark.parametrize(
    "found",
    [
        kalshi.schedule("flat"),
        polymarket.schedule(enabled=None, rate="0.07"),
        polymarket.schedule(enabled=True, rate=None),
        polymarket.schedule(enabled=True, rate="0.25", exponent="2"),
        polymarket.published("astrology"),
    ],
)
def test_what_is_not_known_has_no_schedule(found) -> None:
    assert found is None


def test_the_maker_fee_before_july_2025_was_flat() -> None:
    old = kalshi.schedule("quadratic_with_maker_fees")
    assert old.fee_nano(5_000, 100 * CONTRACT_LOTS, maker=True) == 25 * CENT
    assert kalshi.schedule("quadratic").fee_nano(5_000, CONTRACT_LOTS, maker=True) == 0


def test_a_recording_is_charged_by_the_schedule_of_its_time() -> None:
    before = kalshi.published("KXA", maker_fees=True, now_ns=kalshi.MAKER_FEES_FROM_NS - 1)
    assert (before.from_ns, before.maker.flat_nano) == (0, 2_500_000)
    assert kalshi.published("KXA", maker_fees=True).maker.quadratic_ppm == 17_500


def test_a_free_polymarket_market_takes_nothing() -> None:
    assert polymarket.schedule(enabled=False, rate=None).net_lots(5_000, 7) == 7


def test_the_schedule_in_force_is_the_latest_that_has_begun() -> None:
    early, late = FeeSchedule(FeeTerms(), from_ns=10), FeeSchedule(FeeTerms(flat_nano=1), from_ns=20)
    assert [in_force((late, early), at) for at in (9, 10, 19, 20)] == [None, early, early, late]


def test_a_buyer_in_shares_gets_fewer_and_orders_more() -> None:
    """Arb 6: n bought yields n - fee/p; 100 at 0.50 and 0.04: a fee of 1 dollar, 2 contracts."""
    schedule = polymarket.published("politics")
    assert schedule.net_lots(5_000, 100 * CONTRACT_LOTS) == 98 * CONTRACT_LOTS
    gross = schedule.gross_lots(5_000, 100 * CONTRACT_LOTS, lot=10_000)
    assert gross == 102_050_000
    assert schedule.net_lots(5_000, gross) >= 100 * CONTRACT_LOTS > schedule.net_lots(5_000, gross - 10_000)


def test_many_small_fills_end_where_one_large_fill_does() -> None:
    """Arb 6, venues 3: the order's accumulator gives whole cents back."""
    many, one = OrderFee(), OrderFee()
    fees = [many.fill(KALSHI.taker, 5_000, CONTRACT_LOTS) for _ in range(100)]
    one.fill(KALSHI.taker, 5_000, 100 * CONTRACT_LOTS)
    assert one.cum_nano == many.cum_nano == 175 * CENT
    assert fees[:4] == [2 * CENT, 2 * CENT, 2 * CENT, CENT]
    # Charged fill by fill without an accumulator it would have been two dollars.
    assert 100 * KALSHI.taker.fee_nano(5_000, CONTRACT_LOTS) == 200 * CENT


def test_a_direct_member_pays_hundredths_of_a_cent() -> None:
    direct = kalshi.schedule("quadratic", direct_member=True)
    assert direct.fee_nano(5_000, CONTRACT_LOTS, maker=False) == 17_500_000
    assert direct.fee_nano(3_300, CONTRACT_LOTS, maker=False) == 15_500_000


def test_what_is_set_aside_covers_the_worst_split() -> None:
    market = InstrumentId("kalshi", "KXA")
    facts = Instrument(
        outcome_id(market, Outcome.YES), "KXA/YES", "USD", 4, 100, 6, 10**6, 10**6, 0, 0, 0, 200,
        BinaryTerms(market, Outcome.YES, KALSHI),
    )  # fmt: skip
    lots = 500 * CONTRACT_LOTS
    split = OrderFee()
    for _ in range(500):
        split.fill(KALSHI.taker, 4_300, CONTRACT_LOTS)
    aside = facts.most_fee(4_300, lots, may_take=True)
    assert facts.trade_fee(4_300, lots, maker=False) < split.cum_nano <= aside
    assert facts.most_fee(4_300, lots, may_take=False) < aside


def test_statements_beside_estimates() -> None:
    """Arb 6: a mean error above half a cent per order, or a total more than one per cent too low."""
    book = FeeStatements()
    for _ in range(10):
        book.add("kalshi", 100 * CENT, 100 * CENT, maker=False)
        book.add("kalshi", 100 * CENT, 102 * CENT, maker=True)
        book.add("polymarket", 103 * CENT, 102 * CENT, maker=False)
    maker, taker, shares = book.comparisons()
    assert (maker.venue, maker.maker, maker.orders) == ("kalshi", True, 10)
    assert (maker.underestimates, maker.is_discrepancy) == (True, True)
    assert (taker.underestimates, taker.is_discrepancy) == (False, False)
    assert (shares.underestimates, shares.is_discrepancy) == (False, True)
    assert (shares.mean_error_nano, shares.absolute_error_nano) == (CENT, 10 * CENT)
