"""Fill chances, styles, repair, impact and calibration: the contract's numbers and the directions that matter."""

import pytest
from msgspec.structs import replace

from arb_quotes import KALSHI, SECOND, book, detector, facts, market, no, yes
from millrace.core.binary_events import BookLevel
from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.strategies.arb.economics.assessment import Outlook, assess, divergence, leg_fill, resized
from millrace.strategies.arb.economics.calibration import CalibrationBook, Forecast
from millrace.strategies.arb.economics.fill import maker_fill, taker_fill
from millrace.strategies.arb.economics.impact import Curve, ImpactBook, most_contracts, prior, robust_curve, slippage
from millrace.strategies.arb.economics.joint_fill import GRADES, graduated, joint_fill
from millrace.strategies.arb.economics.repair import leg_money, outcome_value
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.economics.style import (
    MakerCase,
    choose_style,
    maker_value,
    one_maker,
    post_price,
    taker_value,
)
from millrace.strategies.arb.lanes.exact import offer_of
from millrace.strategies.arb.model import Lane, Style, Tier

S = EconomicsSettings()


def test_defaults_are_the_contracts() -> None:
    """Arb 7, 8, 19."""
    assert (S.fill_half_life_sec, S.transform_penalty, S.spread_weight) == (120, 0.05, 1)
    assert (S.maker_spread, S.maker_fill, S.max_adverse, S.maker_advantage) == (0.02, 0.30, 0.5, 0.005)
    assert (S.correlation, S.impact_factor, S.impact_exponent, S.depth_share, S.least_depth) == (0.7, 0.10, 1.5, 0.5, 5)
    assert (S.queue_half_life_sec, S.latency_sec, S.calibration_window, S.calibration_least) == (5, 0.2, 200, 10)
    assert (S.divergence_intra, S.divergence_structural, S.divergence_strict) == (0.0005, 0.002, 0.01)
    assert (S.divergence_fallback, S.lock_rate_per_year) == (0.05, 0.10)


def test_a_half_life_is_a_half_life() -> None:
    """Arb 7.2, W-14."""
    assert taker_fill(10, 100, 120, 0.0, S) == pytest.approx(taker_fill(10, 100, 0, 0.0, S) / 2)


def test_a_takers_chance() -> None:
    """Arb 7.2: depth, spread with its floor, and the turned price of a venue whose books are two."""
    assert taker_fill(100, 50, 0, 0.0, S) == pytest.approx(0.5)
    assert taker_fill(10, 50, 0, 0.04, S) == pytest.approx(0.96)
    assert taker_fill(10, 50, 0, 0.99, S) == pytest.approx(0.1)
    assert taker_fill(10, 50, 0, 0.0, S, turned_elsewhere=True) == pytest.approx(0.95)
    assert taker_fill(10, 0, 0, 0.0, S) == taker_fill(0, 10, 0, 0.0, S) == 0.0


def test_more_queue_means_a_lower_maker_chance() -> None:
    """Arb 7.3, W-11; and an unknown rate is the small prior."""
    chances = [maker_fill(5, queue, 5, 600, S) for queue in (0, 10, 40, 200)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.9 > chances[-1]
    assert maker_fill(5, 0, 5, None, S) < 1e-6
    # What is known of the queue is worth half after five seconds, so the chance falls towards the prior's.
    assert maker_fill(5, 10, 5, 600, S, age_sec=20) < maker_fill(5, 10, 5, 600, S)


def test_where_a_maker_posts() -> None:
    """Arb 7.1: max(bid + 1 tick, ask - 2 ticks), strictly below the ask."""
    assert post_price(40 * 100, 50 * 100, 100, 2) == 48 * 100
    assert post_price(47 * 100, 50 * 100, 100, 2) == 48 * 100
    assert post_price(49 * 100, 50 * 100, 100, 2) == 49 * 100
    assert post_price(0, 100, 100, 2) is None


def test_no_trade_is_a_choice() -> None:
    """Arb 7.5, W-15: refused as maker and below the threshold as taker is nothing at all."""
    narrow = MakerCase(0.5, 0.5, 0.51, 0.9, 0.0, 0.0, 0.0)
    assert choose_style(narrow, 1.0, -0.001, 0.0, S) == (None, "spread_too_narrow")
    assert choose_style(narrow, 1.0, 0.002, 0.0, S) == (Style.TAKER, "spread_too_narrow")
    wide = MakerCase(0.5, 0.49, 0.53, 0.5, 0.1, 0.0, 0.01)
    assert choose_style(wide, 0.02, 0.01, 0.0, S) == (Style.MAKER, None)
    assert choose_style(wide, 0.01, 0.02, 0.0, S) == (Style.TAKER, "taker_worth_more")
    assert maker_value(0.5, 0.04, 0.01, 0.01, 0.002) == pytest.approx(0.018)
    assert maker_value(0.5, 0.04, 0.01, -0.01, 0.0) == pytest.approx(0.015)
    assert taker_value(0.5, 0.04, 0.01) == pytest.approx(0.01)


def test_one_maker_waits_at_a_time() -> None:
    """Arb 7.6."""
    makers = (Style.MAKER, Style.TAKER, Style.MAKER)
    assert one_maker(makers, (0.01, 0.0, 0.02), S) == (Style.TAKER, Style.TAKER, Style.MAKER)
    parallel = EconomicsSettings(allow_parallel_makers=True)
    assert one_maker(makers, (0.01, 0.0, 0.02), parallel) == makers


def test_the_copula_does_not_pass_the_weakest_leg() -> None:
    """Arb 8.1, W-42: legs of 0.9 and 0.1 at rho 0.7; the original's form says 0.209."""
    assert 0.09 < joint_fill((0.9, 0.1), ("a", "a"), 0.7) < 0.1
    assert joint_fill((0.9, 0.1), ("a", "b"), 0.7) == pytest.approx(0.09)


def test_graduated_fills() -> None:
    """Arb 8.6."""
    chances = graduated(0.6, 0.1)
    assert len(chances) == len(GRADES)
    assert (chances[0], chances[-1], sum(chances)) == pytest.approx((0.1, 0.6, 1.0))


def test_slippage_walks_the_book_and_then_follows_the_curve() -> None:
    """Arb 8.5."""
    levels = (BookLevel(5_000, 10 * CONTRACT_LOTS), BookLevel(5_200, 10 * CONTRACT_LOTS))
    assert slippage(levels, 10 * CONTRACT_LOTS, prior(S)) == 0
    assert slippage(levels, 20 * CONTRACT_LOTS, prior(S)) == pytest.approx(0.01)
    beyond = slippage(levels, 40 * CONTRACT_LOTS, prior(S))
    assert beyond == pytest.approx((10 * 0.02 + 20 * 0.02) / 40 + 0.10 * 2**1.5 * 0.5)


def test_the_size_where_the_marginal_impact_eats_the_edge() -> None:
    """Arb 8.5, 9.10: n* = depth (edge / (k (1 + 1.5)))^(1/1.5), half the depth at most, none below five contracts."""
    assert most_contracts(100, 0.01, S) == pytest.approx(100 * (0.01 / 0.25) ** (1 / 1.5))
    assert most_contracts(100, 0.5, S) == 50
    assert most_contracts(4.9, 0.5, S) == most_contracts(100, 0.0, S) == 0
    n = Curve(0.1, 1.5).most_contracts(0.02, 1_000)
    marginal = (Curve(0.1, 1.5).cost(n + 1, 1_000) * (n + 1)) - Curve(0.1, 1.5).cost(n, 1_000) * n
    assert marginal == pytest.approx(0.02, rel=0.01)


def test_impact_is_learned_from_signed_slippage_and_outliers_do_not_teach_it() -> None:
    shares = [0.05 + 0.02 * step for step in range(20)]
    fills = [(share, 0.04 * share**0.8) for share in shares]
    assert robust_curve([*fills, (0.5, 3.0)]) == pytest.approx((0.04, 0.8), abs=0.005)
    impact = ImpactBook(S)
    for share, slip in fills[:-1]:
        impact.add("kalshi", "bucket", share, slip)
    assert impact.beyond_plan("kalshi", "bucket", 20, 100) == 0  # 19 fills are too few
    impact.add("kalshi", "bucket", *fills[-1])
    # Twenty fills against a prior that weighs twenty: half of what was learned.
    assert 0 < impact.beyond_plan("kalshi", "bucket", 20, 100) < 0.04 * 0.2**0.8
    again = ImpactBook(S)
    again.restore(impact.snapshot())
    assert again.beyond_plan("kalshi", "bucket", 20, 100) == impact.beyond_plan("kalshi", "bucket", 20, 100)


def _money(lots, ask=40, bid=38, behind=42, **more):
    named = market(1)
    quote = book(named, yes_asks=[(ask, 10), (behind, 10)], no_asks=[(60, 10)], yes_bids=[(bid, 10)])
    offer = offer_of(yes(1), facts(named, KALSHI, **more), quote, Style.TAKER, 2, SECOND)
    return leg_money(offer, 40 * lots * 10, lots, S, resting=False)


def test_the_three_ways_out_of_a_leg() -> None:
    """Arb 8.3: complete behind what was missed, sell at the bid, hold at the middle less a charge."""
    lots = 10 * CONTRACT_LOTS
    money = _money(lots)
    assert money.complete_nano == 4_200_000_000 + 180_000_000
    assert money.unwind_nano == 3_800_000_000 - 170_000_000
    assert money.hold_nano == round((0.39 - 0.05) * 10 * 1e9)
    assert _money(11 * CONTRACT_LOTS).complete_nano is None
    # On a buy-only venue a leg is left by buying the other side: a dollar less 60 cents and the fee.
    assert _money(lots, can_sell=False).unwind_nano == 4_000_000_000 - 170_000_000


def test_an_outcomes_value_is_the_best_way_out() -> None:
    lots = 10 * CONTRACT_LOTS
    leg = _money(lots)
    floor = 10 * 10**9
    spent = leg.spent_nano
    assert outcome_value(0b00, (leg, leg), floor) == 0
    assert outcome_value(0b11, (leg, leg), floor) == floor - 2 * spent
    assert outcome_value(0b01, (leg, leg), floor) == 0  # completing would even earn, which is not counted on
    assert outcome_value(0b01, (leg, leg), 8_100_000_000) == 8_100_000_000 - leg.complete_nano - spent
    assert outcome_value(0b01, (leg, leg), 7 * 10**9) == leg.unwind_nano - spent


def _basket(yes_ask=40, no_ask=55, contracts=100):
    found = detector([market(1)], fees=KALSHI, mirrored=False)
    quote = book(
        market(1),
        yes_asks=[(yes_ask, contracts), (yes_ask + 2, contracts)],
        no_asks=[(no_ask, contracts), (no_ask + 2, contracts)],
        yes_bids=[(yes_ask - 1, contracts)],
        no_bids=[(no_ask - 1, contracts)],
    )
    found.observe(quote)
    (basket,) = found.candidates(2 * SECOND)
    offers = [offer_of(leg, facts(market(1), KALSHI), quote, Style.TAKER, 2, SECOND) for leg in (no(1), yes(1))]
    return basket, offers


def _assess(basket, offers, doubtful_nano=0.0, hours=0.0, impact=None):
    fills = [leg_fill(offer, leg, basket.lots, 2 * SECOND, S) for offer, leg in zip(offers, basket.legs, strict=True)]
    return assess(basket, offers, fills, Outlook(2 * SECOND, hours, doubtful_nano), impact or ImpactBook(S), S)


def test_an_assessment_is_a_sum_over_outcomes() -> None:
    """Arb 8.4: less than the edge, more than nothing; four chances that sum to one for Kelly (9.2)."""
    basket, offers = _basket()
    basket = resized(basket, offers, 50 * CONTRACT_LOTS)
    found = _assess(basket, offers)
    assert 0 < found.expected_nano < found.net_nano == basket.net_nano
    chances, returns = found.outcomes
    assert sum(chances) == pytest.approx(1)
    assert returns[0] == pytest.approx(basket.net_nano / (basket.cost_nano + basket.fee_nano))
    assert returns[2] <= 0 > returns[3] >= -1
    assert found.worst_loss_nano == max(leg.cost_nano + leg.fee_nano for leg in basket.legs)
    assert -0.5 < found.fill_quality < 0


def test_locked_capital_and_a_smaller_trusted_edge_cost() -> None:
    """Arb 9.8: carry = cost x 0.10 x hours / 8760; arb 9.9: the edge of several looks."""
    basket, offers = _basket()
    basket = resized(basket, offers, 50 * CONTRACT_LOTS)
    plain, later, less = _assess(basket, offers), _assess(basket, offers, hours=720), _assess(basket, offers, 1e6)
    assert later.carry_nano == pytest.approx((basket.cost_nano + basket.fee_nano) * 0.10 * 720 / 8_760, abs=1)
    assert later.expected_nano < plain.expected_nano
    assert less.net_nano == plain.net_nano - 50_000_000
    assert less.expected_nano < plain.expected_nano


def test_slippage_is_summed_over_legs() -> None:
    """W-17: not averaged."""
    basket, offers = _basket()
    basket = resized(basket, offers, 50 * CONTRACT_LOTS)
    impact = ImpactBook(S)
    for _ in range(20):
        impact.add("sim", "intra", 0.5, 0.004)
    one = impact.beyond_plan("sim", "intra", 50, 100) * 50 * 1e9
    assert _assess(basket, offers, impact=impact).slippage_nano == pytest.approx(2 * one, abs=2)


def test_a_size_that_the_books_do_not_hold_is_no_basket() -> None:
    basket, offers = _basket()
    assert resized(basket, offers, 201 * CONTRACT_LOTS) is None
    walked = resized(basket, offers, 150 * CONTRACT_LOTS)
    assert walked.cost_nano == (100 * 95 + 50 * 99) * 10**7


@pytest.mark.parametrize(
    ("lane", "tier", "apart", "chance"),
    [
        (Lane.INTRA, Tier.NONE, False, 0.0005),
        (Lane.BUCKET, Tier.NONE, False, 0.002),
        (Lane.CROSS, Tier.STRICT, True, 0.01),
        (Lane.CROSS, Tier.FALLBACK, True, 0.05),
    ],
)
def test_divergence_by_relation(lane, tier, apart, chance) -> None:
    """Arb 4.7."""

    basket, _ = _basket()
    legs = list(basket.legs)
    if apart:
        legs[0] = legs[0]._replace(proposition=no(1, "other"))
    assert divergence(replace(basket, lane=lane, tier=tier, legs=tuple(legs)), S) == chance


def test_forecasts_beside_outcomes() -> None:
    """Arb 8.7: window 200, at least 10, biases, Brier score, bins, alerts; stale ones are reported."""
    calibration = CalibrationBook(S)
    for number in range(9):
        calibration.predicted(Forecast(f"b{number}", "kalshi|intra|tt", 0.9, 0.0, 0.02))
        calibration.came(f"b{number}", filled=number % 3 > 0, slippage=0.01, profit=0.0)
    assert calibration.report("kalshi|intra|tt") is None
    assert calibration.error("kalshi|intra|tt") == 0.0
    calibration.predicted(Forecast("b9", "kalshi|intra|tt", 0.9, 0.0, 0.02))
    calibration.came("b9", filled=False, slippage=0.01, profit=0.0)
    calibration.predicted(Forecast("open", "kalshi|intra|tt", 0.9, 0.0, 0.02))
    calibration.came("never", filled=True, slippage=0.0, profit=0.0)
    (found,) = calibration.reports()
    assert (found.known, found.open_or_lost) == (10, 1)
    assert (found.fill_bias, found.slippage_bias, found.profit_bias) == pytest.approx((0.3, -0.01, 0.02))
    assert found.brier == pytest.approx(0.6 * 0.01 + 0.4 * 0.81)
    assert found.bins == ((pytest.approx(0.9), pytest.approx(0.6), 10),)
    assert found.alerts == ("fill_bias", "slippage_bias", "pnl_bias")
    alerts = tuple(f"kalshi|intra|tt: {name}" for name in found.alerts)
    assert calibration.new_alerts() == alerts
    assert calibration.new_alerts() == ()
    again = CalibrationBook(S)
    again.restore(calibration.snapshot())
    assert again.new_alerts() == ()
    assert again.reports() == calibration.reports()
    for number in range(250):
        again.predicted(Forecast(f"x{number}", "kalshi|intra|tt", 0.9, 0.0, 0.02))
    assert again.report("kalshi|intra|tt").open_or_lost == 51 + 200
