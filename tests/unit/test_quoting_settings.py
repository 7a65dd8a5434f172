"""The desk's settings: the contract's defaults, both profiles, every bound, every problem at once (quoting 10)."""

import msgspec
import pytest

from millrace.core.failure import OperatorError
from millrace.strategies.quoting.bounds import ROWS, checked, problems
from millrace.strategies.quoting.settings import Override, QuotingSettings, SpreadSettings

LIVE, COMPAT = QuotingSettings.live(), QuotingSettings.compat()


def changed(settings: QuotingSettings, **values: float | str | bool) -> QuotingSettings:
    """Return the settings with other values; a key is `section__name`."""
    for key, value in values.items():
        section, _, name = key.partition("__")
        record = msgspec.structs.replace(getattr(settings, section), **{name: value})
        settings = msgspec.structs.replace(settings, **{section: record})
    return settings


def test_every_value_has_its_row_and_both_profiles_are_sound() -> None:
    have = {
        f"{section}.{name}"
        for section in QuotingSettings.__struct_fields__
        if section != "overrides"
        for name in getattr(LIVE, section).__struct_fields__
    }
    assert {row.key for row in ROWS} == have
    assert [problems(one) for one in (QuotingSettings(), LIVE, COMPAT)] == [[], [], []]


def test_the_defaults_of_section_4() -> None:
    spread, skew, queue = LIVE.adaptive_spread, LIVE.inventory_skew, LIVE.queue_aware
    assert (spread.base_spread_bps, spread.min_spread_bps, spread.max_spread_bps) == (1.0, 0.6, 2.5)
    assert (spread.vol_sensitivity, spread.liquidity_sensitivity) == (0.6, 0.4)
    assert (spread.latency_sensitivity, spread.pnl_dev_sensitivity) == (0.3, 0.3)
    assert (spread.clamp_step_bps, spread.cooloff_ms, spread.vol_window_sec, spread.depth_levels) == (0.2, 200, 60, 5)
    assert (skew.max_skew_bps, skew.clamp_pct, COMPAT.inventory_skew.slope_bps_per_1pct) == (0.6, 5.0, 0.1)
    assert (queue.max_reprice_bps, queue.headroom_ms, queue.join_threshold_pct, queue.book_depth_levels) == (
        0.5, 150, 30.0, 3,
    )  # fmt: skip
    assert (LIVE.md_cache.ttl_ms, LIVE.md_cache.fresh_ms_for_pricing, LIVE.md_cache.max_depth) == (100, 60, 50)
    assert not QuotingSettings().pipeline.enabled


def test_the_profiles_differ_as_table_10_1_says() -> None:
    assert (LIVE.adaptive_spread.model, LIVE.adaptive_spread.fast_widen) == ("additive", True)
    assert (COMPAT.adaptive_spread.model, COMPAT.adaptive_spread.fast_widen) == ("additive", False)
    assert (LIVE.adaptive_spread.liquidity_unit, COMPAT.adaptive_spread.liquidity_unit) == ("notional", "base")
    assert (LIVE.adaptive_spread.fee_floor, COMPAT.adaptive_spread.fee_floor) == (True, False)
    assert (LIVE.risk_guards.soft_widen_bps, COMPAT.risk_guards.soft_widen_bps) == (0.3, 0.0)
    for name in ("latency_expires", "exit_hysteresis", "escalating_halts", "one_sided_inventory", "live_volatility"):
        assert (getattr(LIVE.risk_guards, name), getattr(COMPAT.risk_guards, name)) == (True, False), name
    assert (LIVE.risk_guards.pnl_mode, COMPAT.risk_guards.pnl_mode) == ("zscore", "mean")
    assert (LIVE.inventory_skew.mode, COMPAT.inventory_skew.mode) == ("shifted", "jump")
    assert (LIVE.inventory_skew.size_skew, COMPAT.inventory_skew.size_skew) == (True, False)
    assert (LIVE.queue_aware.rule, COMPAT.queue_aware.rule) == ("value", "percentile")
    assert (LIVE.fast_cancel.from_placement, COMPAT.fast_cancel.from_placement) == (True, False)
    assert (LIVE.symbol_scoreboard.alpha_mode, COMPAT.symbol_scoreboard.alpha_mode) == ("time", "per_tick")
    assert (LIVE.dynamic_allocator.temperature, COMPAT.dynamic_allocator.temperature) == (0.30, 2.0)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if not isinstance(row.default, str | bool)], ids=lambda row: row.key
)
def test_every_bound_refuses_what_lies_beyond_it(row) -> None:
    key = row.key.replace(".", "__")
    step = 1 if isinstance(row.default, int) else 1e-3
    for bound, value in ((row.low, (row.low or 0) - step), (row.high, (row.high or 0) + step)):
        if bound is not None:
            found = problems(changed(LIVE, **{key: type(row.default)(value)}))
            assert any(line.startswith(f"{row.key} = ") for line in found), found
    if isinstance(row.default, float):
        assert problems(changed(LIVE, **{key: float("nan")})) == [f"{row.key} is nan, which is no number"]


def test_all_problems_are_told_at_once_with_their_keys() -> None:
    settings = changed(
        LIVE,
        adaptive_spread__base_spread_bps=99.0,
        risk_guards__vol_soft_bps=25.0,
        symbol_scoreboard__weight_net=0.5,
        adaptive_spread__model="astrology",
    )
    settings = msgspec.structs.replace(
        settings,
        overrides=(
            Override("A/USD", "adaptive_spread.base_spred_bps", 1.0),
            Override("A/USD", "rollout.salt", "x"),
            Override("B/USD", "adaptive_spread.min_spread_bps", 3.0),
        ),
    )
    with pytest.raises(OperatorError) as caught:
        checked(settings)
    for part in (
        "adaptive_spread.base_spread_bps = 99.0 must be <= 10",
        "adaptive_spread.model must be one of additive, glft, not 'astrology'",
        "symbol A/USD: adaptive_spread.base_spred_bps is not a setting; the nearest is adaptive_spread.base_spread_bps",
        "symbol A/USD: rollout.salt holds for all symbols",
        "symbol B/USD: adaptive_spread.min_spread_bps = 3.0 must be <= adaptive_spread.max_spread_bps = 2.5",
        "risk_guards.vol_soft_bps = 25.0 must be < risk_guards.vol_hard_bps = 25.0",
        "weight_adverse sum to 1.1, not to 1",
    ):
        assert part in str(caught.value)


def test_glft_is_refused_until_it_is_calibrated() -> None:
    assert any("glft needs" in line for line in problems(changed(LIVE, adaptive_spread__model="glft")))


def test_a_symbol_has_its_own_values_and_every_config_names_the_whole() -> None:
    settings = msgspec.structs.replace(LIVE, overrides=(Override("DOGE/USD", "adaptive_spread.base_spread_bps", 2.0),))
    assert settings.for_symbol("DOGE/USD").adaptive_spread == SpreadSettings(base_spread_bps=2.0)
    assert settings.for_symbol("DOGE/USDT").adaptive_spread == SpreadSettings()
    assert settings.for_symbol("DOGE/USD").config_hash == settings.digest != LIVE.digest
    assert LIVE.digest == QuotingSettings.live().digest
