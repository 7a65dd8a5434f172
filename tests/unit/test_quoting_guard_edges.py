"""Where guards begin and end, to the last unit: latches, all symbols together, flow, halts in a row (quoting 4.3)."""

from math import inf, nextafter

import pytest
from msgspec.structs import replace

from millrace.strategies.quoting.guards.market_wide import MarketBit, MarketState, check, found_in
from millrace.strategies.quoting.guards.state import GuardState
from millrace.strategies.quoting.guards.triggers import pnl_score
from millrace.strategies.quoting.model import GuardLevel, PortfolioSnapshot
from millrace.strategies.quoting.settings import AdverseFlowSettings, MarketGuardSettings, QuotingSettings
from millrace.strategies.quoting.stages.guards import guards_stage
from quote_inputs import features, width

LIVE, COMPAT = QuotingSettings.live().risk_guards, QuotingSettings.compat().risk_guards
NO_FLOW, FLOW = AdverseFlowSettings(enabled=False), AdverseFlowSettings()
MARKET = MarketGuardSettings()
NONE, SOFT, HARD = GuardLevel
UNBROKEN = PortfolioSnapshot()


def judge(state: GuardState = GuardState(), cfg=LIVE, flow=NO_FLOW, **changed):  # noqa: B008  it is frozen
    return guards_stage(features(**changed), width(10.0), state, cfg, flow)


@pytest.mark.parametrize(
    ("key", "name", "triggers", "holds", "leaves"),
    [
        ("vol", "vol_bps_sqrt_sec", 15.0, 12.0, nextafter(12.0, 0)),
        ("p95", "latency_p95_ms", 300.1, nextafter(240.0, inf), 240.0),
        ("pnl_z", "pnl_z", -1.6, nextafter(-1.5 * 0.8, -inf), -1.5 * 0.8),
        ("inv", "inventory_pct", -6.1, -nextafter(6.0 * 0.8, inf), -6.0 * 0.8),
        ("takers", "taker_fills", 12, 10, 9),
        ("vpin", "vpin", 0.5, 0.4, nextafter(0.4, 0)),
    ],
)
def test_each_level_is_left_beyond_08_of_its_soft_threshold(key, name, triggers, holds, leaves) -> None:
    """Addition 3, with the comparison of each trigger's own entry."""
    cfg = replace(LIVE, vpin_soft=0.5)
    found, state = judge(cfg=cfg, now_ms=0, **{name: triggers})
    assert [reason.key for reason in found.reasons] == [key]
    for now_ms in (1_000, 6_000, 60_000):
        found, state = judge(state, cfg, now_ms=now_ms, **{name: holds})
        assert found.level is SOFT
        (reason,) = found.reasons
        assert (reason.key, reason.value) == (key, abs(holds) if key == "inv" else holds)
        assert reason.threshold == pytest.approx(abs(leaves) if key == "inv" else leaves, rel=0.1)
    for now_ms, level in ((61_000, SOFT), (65_999, SOFT), (66_000, NONE)):
        found, state = judge(state, cfg, now_ms=now_ms, **{name: leaves})
        assert found.level is level, now_ms


def test_halts_follow_each_other_within_ten_minutes_and_not_a_millisecond_more() -> None:
    _, state = judge(taker_fills=20, now_ms=0)
    assert judge(state, taker_fills=20, now_ms=600_000)[0].halt_until_ms == 604_000
    assert judge(state, taker_fills=20, now_ms=600_001)[0].halt_until_ms == 602_001


def test_toxicity_trips_at_its_threshold() -> None:
    cfg = replace(LIVE, vpin_soft=0.5)
    assert [judge(cfg=cfg, vpin=value)[0].level for value in (nextafter(0.5, 0), 0.5)] == [NONE, SOFT]


def test_a_mean_near_nothing_is_no_score_in_the_reference() -> None:
    """4.3: 0 when abs(mean) <= 0.1, else the mean by 8."""
    means = (-0.1, 0.1, -0.105, 0.105, None)
    assert [pnl_score(features(pnl_mean=mean), COMPAT) for mean in means] == [0.0, 0.0, -0.105 / 8, 0.105 / 8, 0.0]


@pytest.mark.parametrize(
    ("name", "value", "key", "threshold"),
    [
        ("ofi_10s_z", nextafter(3.0, inf), "flow_ofi", 3.0),
        ("ofi_10s_z", nextafter(-3.0, -inf), "flow_ofi", -3.0),
        ("microprice", 100.0 * 1.000301, "flow_drift", 3.0),
        ("microprice", 100.0 * 0.999699, "flow_drift", -3.0),
    ],
)
def test_flow_is_told_with_the_threshold_that_it_passed(name, value, key, threshold) -> None:
    (reason,) = judge(flow=FLOW, **{name: value})[0].reasons
    assert (reason.key, reason.threshold, reason.value * threshold > 0) == (key, threshold, True)


def test_the_bits_are_those_of_the_reference() -> None:
    names = ("CANCEL", "ERRORS", "PNL", "INVENTORY", "LATENCY", "FEED_LAG", "REJECTS", "MANUAL")
    assert {bit.name: bit.value for bit in MarketBit} == {name: 1 << place for place, name in enumerate(names)}


@pytest.mark.parametrize(
    ("name", "limit", "bit"),
    [
        ("cancel_rate_share", 0.9, MarketBit.CANCEL),
        ("error_rate", 0.01, MarketBit.ERRORS),
        ("pnl_slope_per_min", -0.1, MarketBit.PNL),
        ("gross_exposure_share", 1.0, MarketBit.INVENTORY),
        ("latency_p95_ms", 450.0, MarketBit.LATENCY),
        ("feed_gap_ms", 2_000, MarketBit.FEED_LAG),
        ("clock_skew_ms", 1_000, MarketBit.FEED_LAG),
        ("clock_skew_ms", -1_000, MarketBit.FEED_LAG),
        ("rejected_share", 0.1, MarketBit.REJECTS),
    ],
)
def test_each_figure_of_all_symbols_breaks_beyond_its_limit(name, limit, bit) -> None:
    """Addition 5."""
    beyond = (
        limit + (1 if limit > 0 else -1) if isinstance(limit, int) else nextafter(limit, inf if limit > 0 else -inf)
    )
    assert found_in(replace(UNBROKEN, **{name: limit}), MARKET, 450.0) == 0
    assert found_in(replace(UNBROKEN, **{name: beyond}), MARKET, 450.0) == bit
    assert found_in(replace(UNBROKEN, **{name: None}), MARKET, 450.0) == 0


def test_the_loss_of_a_day_breaks_at_its_limit_and_pauses_at_once() -> None:
    cfg = replace(MARKET, daily_loss=100.0)
    assert found_in(replace(UNBROKEN, day_loss=nextafter(100.0, 0)), cfg, 450.0) == 0
    assert check(MarketState(), replace(UNBROKEN, day_loss=100.0), 5, cfg, 450.0)[1] == MarketBit.PNL
    assert check(MarketState(), replace(UNBROKEN, day_loss=1e9), 5, MARKET, 450.0)[1] == 0, "off while it is 0"


def test_a_pause_needs_bad_checks_in_a_row_and_ends_with_good_ones_after_its_time() -> None:
    cfg = replace(MARKET, good_checks=3, resume_sec=25)
    bad, state, seen = replace(UNBROKEN, error_rate=0.5), MarketState(), []
    told = [bad, UNBROKEN, bad, bad, UNBROKEN, UNBROKEN, bad, UNBROKEN, UNBROKEN, UNBROKEN]
    for number, portfolio in enumerate(told):
        now_ms = number * 10_000
        state, bits = check(state, portfolio, now_ms, cfg, 450.0)
        seen.append(bits)
        assert state.next_check_ms == now_ms + 10_000
        assert check(state, bad, now_ms + 9_999, cfg, 450.0) == (state, bits), "not before the next check"
    assert [bool(bits) for bits in seen] == [False] * 3 + [True] * 6 + [False]
    assert check(state, bad, 100_000, cfg, 450.0)[0].bad_row == 1


def test_a_refusal_is_manual_as_long_as_it_lasts_and_switched_off_is_nothing() -> None:
    refused = PortfolioSnapshot(refused="operator_halt", error_rate=1.0)
    state, bits = check(MarketState(), refused, 0, MARKET, 450.0)
    assert (state.paused_bits, bits) == (0, MarketBit.MANUAL)
    off = replace(MARKET, enabled=False)
    assert check(MarketState(paused_bits=2), refused, 0, off, 450.0) == (MarketState(), 0)
