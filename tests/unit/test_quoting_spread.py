"""The width of a live desk: what widens at once, what narrows slowly, and what no limit goes under (quoting 4.2)."""

import msgspec
import pytest

from millrace.strategies.quoting.model import Freshness, SpreadReason
from millrace.strategies.quoting.settings import SpreadSettings
from millrace.strategies.quoting.stages.spread import SpreadState, spread_stage
from quoting_tick import COMPAT, LIVE, NOW_MS, TERMS, book, features, ticked

FRESH = Freshness(0, True, True, False, True)
STALE = Freshness(80, False, False, True, True)
WIDE = {"max_spread_bps": 10.0, "clamp_step_bps": 0.2}


def decide(state=None, freshness=FRESH, terms=TERMS, now_ms=NOW_MS, cfg=None, **changes):
    cfg = cfg or SpreadSettings(**WIDE)
    given = features(book(terms=terms), now_ms=now_ms, **changes)
    return spread_stage(given, given.book, freshness, state or SpreadState(), cfg, 100.0)


def test_a_rising_risk_widens_at_once_and_narrows_in_steps() -> None:
    wide, state = decide(vol_bps_sqrt_sec=5.0)
    assert wide.spread_bps == pytest.approx(1.0 + 1.5 * 0.6)
    soon, state = decide(state, vol_bps_sqrt_sec=0.5, now_ms=NOW_MS + 199)
    assert (soon.spread_bps, soon.reason) == (wide.spread_bps, SpreadReason.ADAPTIVE_COOLOFF)
    later, state = decide(state, vol_bps_sqrt_sec=0.5, now_ms=NOW_MS + 200)
    assert later.spread_bps == pytest.approx(wide.spread_bps - 0.2)
    again, _ = decide(state, vol_bps_sqrt_sec=5.0, now_ms=NOW_MS + 201)
    assert again.spread_bps == pytest.approx(wide.spread_bps), "widening knows no cool-off"


def test_the_reference_widens_in_steps_too() -> None:
    slow, _ = decide(cfg=SpreadSettings(fast_widen=False, **WIDE), vol_bps_sqrt_sec=5.0)
    assert slow.spread_bps == pytest.approx(1.2)


def test_an_unknown_volatility_counts_as_wild() -> None:
    assert decide(vol_bps_sqrt_sec=None)[0].vol_score == 1.0


def test_liquidity_by_value_lets_coins_of_any_price_count_alike() -> None:
    """50,000 USDT a side scores 0 and 5,000 scores 1, whether the coin costs 0.1 or 100."""
    for price_unit in (1e-6, 1e-3):
        terms = msgspec.structs.replace(TERMS, price_unit=price_unit)
        mid = 100_001 * price_unit
        for usd, score in ((50_000, 0.0), (5_000, 1.0), (27_500, 0.5)):
            found, _ = decide(terms=terms, depth_bid=usd / mid, depth_ask=usd / mid)
            assert found.liquidity_score == pytest.approx(score, abs=1e-9)


def test_the_fee_floor_wins_over_the_largest_spread_and_is_told() -> None:
    """10 bps a side need 20.2 bps; the reference quoted 2.5 and lost money on every round trip."""
    found, _ = decide(terms=msgspec.structs.replace(TERMS, maker_fee_bps=10.0))
    assert (found.spread_bps, found.floor_bps, found.floor_binding) == (pytest.approx(20.2), pytest.approx(20.2), True)
    calm, _ = decide()
    assert not calm.floor_binding


def test_a_rebate_lowers_the_floor_but_never_below_a_tick() -> None:
    found, _ = decide(terms=msgspec.structs.replace(TERMS, maker_fee_bps=-5.0))
    assert found.floor_bps == pytest.approx(1.0 / 100_001 * 1e4)
    assert COMPAT.adaptive_spread.fee_floor is False
    assert (
        decide(cfg=COMPAT.adaptive_spread, terms=msgspec.structs.replace(TERMS, maker_fee_bps=9.0))[0].floor_bps == 0.0
    )


def test_a_stale_book_is_quoted_wider_and_leaves_no_trace_in_the_state() -> None:
    fresh, after_fresh = decide()
    stale, after_stale = decide(freshness=STALE)
    assert (stale.spread_bps, stale.reason) == (fresh.spread_bps + 0.5, SpreadReason.STALE_WIDENED)
    assert after_fresh == after_stale


def test_the_state_is_handed_back_untouched_when_nothing_changed() -> None:
    _, state = decide()
    _, again = decide(state, now_ms=NOW_MS + 1_000)
    assert again is state


def test_each_score_reaches_the_quotes_through_the_public_door() -> None:
    """Quoting 11.9: every component switched on, each alone makes the pair wider."""
    off = {name: msgspec.structs.replace(getattr(LIVE, name), enabled=False) for name in ("queue_aware", "risk_guards")}
    config = msgspec.structs.replace(LIVE, adaptive_spread=SpreadSettings(max_spread_bps=10.0), **off)
    calm = ticked(features(), config=config).context
    for change in (
        {"vol_bps_sqrt_sec": 5.0},
        {"depth_bid": 100.0, "depth_ask": 100.0},
        {"latency_p95_ms": 400.0},
        {"pnl_mean": -10.0},
    ):
        risky = ticked(features(**change), config=config).context
        assert risky.spread.spread_bps > calm.spread.spread_bps, change
        assert risky.quotes[0].spread_bps() > calm.quotes[0].spread_bps(), change
