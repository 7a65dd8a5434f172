"""What decides whether a leg rests: measured trades, its chance, what fills lose, and the value of waiting (arb 7)."""

from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_quotes import SECOND, book
from millrace.core.events import Print
from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.instrument import InstrumentId, Outcome, outcome_id
from millrace.strategies.arb.books_at_hand import AsTakers, _rest
from millrace.strategies.arb.economics.fill import maker_fill
from millrace.strategies.arb.economics.flow import FlowBook
from millrace.strategies.arb.economics.markouts import LATE_NS, SOON_NS, Mark, MarkoutBook
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.economics.style import MakerCase, maker_value
from millrace.strategies.arb.model import Proposition

S = EconomicsSettings()
HOME = InstrumentId("kalshi", "A")
YES, NO = Proposition(HOME), Proposition(HOME, Outcome.NO)
QUOTE = book(HOME, ts_ns=SECOND, yes_asks=[(45, 90)], no_asks=[(60, 90)], yes_bids=[(40, 90)], no_bids=[(55, 90)])


def sold(ts_sec, contracts, ticks=4_000, outcome=Outcome.YES, *, sells=True):
    return Print(outcome_id(HOME, outcome), round(ts_sec * SECOND), ticks, round(contracts * CONTRACT_LOTS), sells)


def test_7_3_a_flow_is_unknown_until_enough_was_seen_for_long_enough() -> None:
    flow = FlowBook(S)
    assert (S.arrival_least_trades, S.arrival_least_sec, S.arrival_half_life_sec) == (5, 60, 600)
    for second in range(5):
        flow.traded(sold(100 + second, 10), QUOTE, 100)
    assert flow.of(YES, 104 * SECOND) is None, "too short a time"
    assert flow.of(NO, 200 * SECOND) is None, "nobody bought at the ask"
    flow.traded(sold(160, 10), QUOTE, 100)
    found = flow.of(YES, 161 * SECOND)
    assert found is not None
    # 60 contracts in 61 s, hardly faded.
    assert found.per_min == pytest.approx(60 / 61 * 60, rel=0.05)
    assert found.burst == pytest.approx(10)
    assert flow.of(YES, 10_000 * SECOND) is None, "long ago"


def test_a_buyer_of_the_other_outcome_sells_to_our_bid_and_others_do_not() -> None:
    flow = FlowBook(S)
    for second in range(10):
        flow.traded(sold(second, 10, 6_000, Outcome.NO, sells=False), QUOTE, 100)
        flow.traded(sold(second, 99, 4_500, sells=False), QUOTE, 100)  # buys YES: meets the bids of NO
        flow.traded(sold(second, 99, 4_300), QUOTE, 100)  # inside the spread: better than we would bid
        flow.traded(Print(YES.instrument, second * SECOND, 4_000, CONTRACT_LOTS), QUOTE, 100)
        flow.traded(sold(second, 99), None, 100)
    yes, no = flow.of(YES, 70 * SECOND), flow.of(NO, 70 * SECOND)
    assert yes is not None
    assert no is not None
    assert (yes.burst, no.burst) == (pytest.approx(10), pytest.approx(99))
    assert no.per_min == pytest.approx(9.9 * yes.per_min)


@given(st.lists(st.tuples(st.floats(0.1, 50), st.integers(1, 200)), min_size=6, max_size=40))
@settings(max_examples=60, deadline=None)
def test_the_faded_rate_is_that_of_every_trade_weighed_by_its_age(gaps) -> None:
    """Against the sum over all trades; and looking, or a snapshot between, changes nothing."""
    flow, times, sizes, now = FlowBook(S), [], [], 1.0
    for gap, contracts in gaps:
        now += gap
        flow.traded(sold(now, contracts), QUOTE, 100)
        times.append(now)
        sizes.append(contracts)
        flow.of(YES, round((now + 1) * SECOND))
        flow.known(round((now + 2) * SECOND))
        fresh = FlowBook(S)
        fresh.restore(flow.snapshot())
        flow = fresh
    now += 30
    weights = [exp(-log(2) * (now - at) / S.arrival_half_life_sec) for at in times]
    found = flow.of(YES, round(now * SECOND))
    if now - times[0] < S.arrival_least_sec or sum(weights) < S.arrival_least_trades:
        assert found is None
        return
    assert found is not None
    fades = S.arrival_half_life_sec / log(2)
    watched = fades * (1 - exp(-(now - times[0]) / fades))
    mean = sum(w * n for w, n in zip(weights, sizes, strict=True))
    assert found.per_min == pytest.approx(mean / watched * 60, rel=1e-6)
    assert found.burst == pytest.approx(sum(w * n * n for w, n in zip(weights, sizes, strict=True)) / mean, rel=1e-6)


def test_7_3_large_trades_are_a_gamma_variable_of_their_mean_and_variance() -> None:
    """Against drawn trades: lognormal sizes in Poisson number, in four seconds and eight tenths."""
    rng = np.random.default_rng(7)
    sizes = np.maximum(rng.lognormal(np.log(25), 1.0, 100_000), 1)
    burst = float((sizes**2).mean() / sizes.mean())
    known = EconomicsSettings(latency_sec=0.0, queue_half_life_sec=1e9)
    for trades in (0.5, 1.5, 4.0):
        counts = rng.poisson(trades, 20_000)
        drawn = np.array([rng.choice(sizes, count).sum() for count in counts])
        per_min = trades * sizes.mean() / 4.8 * 60
        for contracts in (10.0, 40.0, 100.0):
            chance = maker_fill(contracts, 0, 4.8, per_min, known, burst=burst)
            assert chance == pytest.approx(float((drawn >= contracts).mean()), abs=0.12)


@given(st.floats(1, 200), st.floats(0, 300), st.floats(1, 3_000), st.floats(1, 300))
@settings(max_examples=100, deadline=None)
def test_7_3_the_chance_falls_with_size_and_queue_and_rises_with_flow(contracts, queue, rate, burst) -> None:
    chance = maker_fill(contracts, queue, 5, rate, S, burst=burst)
    assert 0 <= chance <= 1
    assert maker_fill(contracts + 1, queue, 5, rate, S, burst=burst) <= chance + 1e-12
    assert maker_fill(contracts, queue + 1, 5, rate, S, burst=burst) <= chance + 1e-12
    assert maker_fill(contracts, queue, 5, rate * 1.1, S, burst=burst) >= chance - 1e-12


# Adverse selection


def mark(order="o", at_sec=0.0, **more):
    given = {"middle": 0.5, "half_spread": 0.02, "forecast": 0.008, **more}
    return Mark(order, "kalshi|news", HOME, Outcome.YES, round(at_sec * SECOND), **given)


def test_7_4_the_prior_is_two_fifths_of_the_half_spread_and_fills_outweigh_it() -> None:
    marks = MarkoutBook(S)
    assert marks.expected("kalshi|news", 0.02) == pytest.approx(0.4 * 0.02)
    assert marks.score("kalshi|news", 0.02) == pytest.approx(0.4)
    for number in range(20):
        marks.filled(mark(f"o{number}"))
    assert marks.next_ns == SOON_NS
    assert marks.due(SOON_NS, lambda *_: 0.49) == []
    assert marks.next_ns == LATE_NS
    done = marks.due(LATE_NS, lambda *_: 0.47)
    assert [(one.soon, one.late) for one in done[:1]] == [(pytest.approx(0.01), pytest.approx(0.03))]
    assert (len(done), marks.next_ns) == (20, None)
    # Twenty fills weigh as much as the prior, and the worse of both times counts.
    assert marks.expected("kalshi|news", 0.02) == pytest.approx((0.008 + 0.03) / 2)
    assert marks.score("kalshi|news", 0.02) == pytest.approx(0.95)
    assert marks.score("kalshi|news", 0.01) == 1.0
    assert marks.expected("polymarket|news", 0.02) == pytest.approx(0.008)


def test_a_gain_after_fills_is_no_forecast_and_a_book_that_is_gone_teaches_nothing() -> None:
    marks = MarkoutBook(S)
    for number in range(20):
        marks.filled(mark(f"o{number}"))
    marks.due(SOON_NS, lambda *_: 0.6)
    marks.due(LATE_NS, lambda *_: 0.6)
    assert marks.expected("kalshi|news", 0.02) == pytest.approx(0.004)
    gone = MarkoutBook(S)
    gone.filled(mark())
    gone.due(SOON_NS, lambda *_: None)
    assert gone.next_ns == LATE_NS, "a time that was looked at is not looked at again"
    (done,) = gone.due(LATE_NS, lambda *_: 0.1)
    assert (done.soon, done.late) == (None, pytest.approx(0.4))
    assert gone.expected("kalshi|news", 0.02) == pytest.approx(0.008)


def test_marks_come_back_from_a_snapshot() -> None:
    marks, again = MarkoutBook(S), MarkoutBook(S)
    marks.filled(mark("a"))
    marks.due(LATE_NS, lambda *_: 0.4)
    marks.filled(mark("b", at_sec=100))
    marks.due(100 * SECOND + SOON_NS, lambda *_: 0.4)
    again.restore(marks.snapshot())
    assert again.snapshot() == marks.snapshot()
    assert again.due(200 * SECOND, lambda *_: 0.3) == marks.due(200 * SECOND, lambda *_: 0.3)


# The value of waiting


def test_7_5_what_a_rest_is_worth_counts_the_wait_for_takers_and_for_the_other_legs() -> None:
    known = EconomicsSettings(latency_sec=0.0, maker_timeout_sec=5.0, maker_attempts=2, edge_half_life_sec=10.0)
    case = MakerCase(0.41, 0.40, 0.44, 0.4, 0.4, 0.0, 0.017)
    takers = AsTakers(value=0.03, repair=0.05, fill=0.9)
    rest = _rest(1, case, 0.008, takers, known)
    assert rest.fill == pytest.approx(1 - 0.6**2)
    assert rest.saved == pytest.approx(0.44 + 0.017 - 0.41)
    # Ten seconds of waiting halve an edge, five leave seven tenths of it.
    assert (rest.later, rest.later_fill) == (pytest.approx(0.015), pytest.approx(0.45))
    assert rest.miss == pytest.approx((1 - 0.5**0.5) * 0.05)
    value = maker_value(rest.fill, takers.value + rest.saved, rest.adverse, rest.later, rest.fill * rest.miss)
    assert value == pytest.approx(0.64 * (0.077 - 0.008) + 0.36 * 0.015 - 0.64 * (1 - 0.5**0.5) * 0.05)
    lost = _rest(1, case, 0.008, takers._replace(value=-0.01), known)
    assert (lost.later, lost.later_fill) == (0.0, 0.0)
