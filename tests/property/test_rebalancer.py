"""What holds for the rebalancer, its target and the shares of the account whatever happens (slots 8.3, 13, 24)."""

from math import isfinite

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.strategies.slots.entry_size.rebalancer import (
    Rebalancer,
    RebalanceSettings,
    favoured_multiplier,
    idle_money,
)
from millrace.strategies.slots.entry_size.trend import Trend, TrendSettings, alpha

RATIOS = st.floats(0.0, 1.0)
STEPS = st.floats(0.0, 100_000.0)
MONEY = st.floats(0.0, 1e7)
NOW = 1.8e9


@st.composite
def governors(draw):
    return RebalanceSettings(
        enabled=True,
        kp=draw(st.floats(0.0, 1e6)),
        kd=draw(st.floats(0.0, 1e6)),
        max_skew=draw(st.floats(0.0, 2.0)),
        max_skew_step=draw(st.floats(0.0, 2.0)),
        neutral_band=draw(st.floats(0.0, 1.0)),
        ema_halflife_sec=draw(st.floats(1.0, 1e6)),
        size_sensitivity=draw(st.floats(0.0, 100.0)),
        max_size_mult=draw(st.floats(1.0, 10.0)),
    )


@st.composite
def trends(draw):
    fast = draw(st.floats(1.0, 1e5))
    low, high = sorted(draw(st.tuples(RATIOS, RATIOS)))
    return TrendSettings(
        fast_halflife_sec=fast,
        slow_halflife_sec=fast * draw(st.floats(1.0, 100.0)),
        sensitivity=draw(st.floats(-100.0, 100.0)),
        floor=low,
        ceiling=high,
        min_samples=draw(st.integers(1, 10)),
        hysteresis_sec=draw(st.floats(0.0, 5_000.0)),
        smooth_halflife_sec=draw(st.floats(1.0, 1e5)),
        dead_zone=draw(st.floats(0.0, 0.1)),
    )


@settings(max_examples=300, deadline=None)
@given(chosen=governors(), shown=st.lists(st.tuples(STEPS, RATIOS, RATIOS, st.booleans()), max_size=60))
def test_the_governor_is_finite_and_bounded_and_steps_no_further_than_it_may(chosen, shown):
    governor, now = Rebalancer(chosen), NOW
    for dt, ratio, target, normal in shown:
        now += dt
        before = governor.skew
        skew = governor.update(ratio, target, now, band_is_normal=normal)
        assert isfinite(skew)
        assert isfinite(governor.velocity)
        assert abs(skew) <= chosen.max_skew + 1e-12
        if normal:
            assert abs(skew - before) <= chosen.max_skew_step + 1e-12
        else:
            assert skew == 0.0
        assert 1.0 <= governor.size_multiplier <= chosen.max_size_mult
        assert governor.favoured == (None if skew == 0.0 else "B" if skew > 0.0 else "A")


@settings(max_examples=200, deadline=None)
@given(
    chosen=governors(),
    shown=st.lists(st.tuples(STEPS, RATIOS, RATIOS, st.booleans()), min_size=1, max_size=30),
    cut=st.integers(0, 30),
)
def test_a_governor_taken_up_from_its_snapshot_goes_on_bit_for_bit(chosen, shown, cut):
    governor, now = Rebalancer(chosen), NOW
    for place, (dt, ratio, target, normal) in enumerate(shown):
        if place == cut:
            again = Rebalancer(chosen)
            again.restore(governor.snapshot())
            governor = again
        now += dt
        governor.update(ratio, target, now, band_is_normal=normal)
    whole, now = Rebalancer(chosen), NOW
    for dt, ratio, target, normal in shown:
        now += dt
        whole.update(ratio, target, now, band_is_normal=normal)
    assert whole.snapshot() == governor.snapshot()


@given(chosen=governors(), target=RATIOS, steps=st.lists(STEPS, max_size=30))
def test_at_its_target_the_governor_is_neutral(chosen, target, steps):
    governor, now = Rebalancer(chosen), NOW
    for dt in steps:
        now += dt
        assert governor.update(target, target, now, band_is_normal=True) == 0.0
        assert governor.size_multiplier == 1.0


@given(ratio=RATIOS, target=RATIOS, steps=st.lists(st.floats(1.0, 1e5), min_size=60, max_size=60))
def test_a_lasting_error_favours_the_side_that_mends_it(ratio, target, steps):
    chosen = RebalanceSettings(enabled=True)
    governor, now = Rebalancer(chosen), NOW
    for dt in steps:
        now += dt
        governor.update(ratio, target, now, band_is_normal=True)
    error = ratio - target
    if abs(error) < chosen.neutral_band:
        assert governor.skew == 0.0
    else:
        assert governor.skew * error > 0.0


@settings(max_examples=300, deadline=None)
@given(chosen=trends(), base=RATIOS, shown=st.lists(st.tuples(STEPS, st.floats(1e-6, 1e6)), max_size=60))
def test_the_target_stays_between_base_floor_and_ceiling(chosen, base, shown):
    trend, now = Trend(chosen), NOW
    for dt, price in shown:
        now += dt
        target = trend.push(price, base, now)
        assert min(base, chosen.floor) - 1e-12 <= target <= max(base, chosen.ceiling) + 1e-12
        assert isfinite(trend.score)
        again = Trend(chosen)
        again.restore(trend.snapshot())
        assert again.snapshot() == trend.snapshot()


@given(usd=MONEY, held=MONEY, coming=MONEY, base=MONEY, mark=st.floats(0.0, 1e6))
def test_idle_ratios_are_shares(usd, held, coming, base, mark):
    idle = idle_money(usd, held, coming, base, mark)
    assert 0.0 <= idle.mark_to_market <= 1.0
    assert 0.0 <= idle.usd_only <= 1.0
    assert 0.0 <= idle.idle_usd <= usd


@given(wanted=st.floats(1.0, 10.0), need=st.floats(1e-9, 1e9), free=MONEY)
def test_a_favoured_entry_leaves_the_money_of_one_more_at_its_own_size(wanted, need, free):
    multiplier = favoured_multiplier(wanted, need, free)
    assert 1.0 <= multiplier <= wanted
    if multiplier > 1.0:
        assert free - multiplier * need >= need * (1.0 - 1e-9) - free * 1e-9


@given(dt=STEPS, halflife=st.floats(0.0, 1e7))
def test_a_smoothing_weight_is_a_weight(dt, halflife):
    assert 0.0 <= alpha(dt, halflife) <= 1.0
