"""The quote desk's knobs: both profiles, single symbols' values, and every problem refused at once (quoting 10)."""

import pytest

from millrace.config.knobs import KNOBS
from millrace.config.load import load_settings
from millrace.core.failure import OperatorError
from millrace.strategies.quoting.bounds import ROWS
from millrace.strategies.quoting.settings import Override, QuotingSettings
from millrace.world.folder.journaled_program import settings_of


def _loaded(**given):
    return load_settings(None, {key.replace("__", "."): value for key, value in given.items()}, {})


def test_every_setting_of_the_desk_has_a_knob_with_its_unit_and_bounds() -> None:
    for row in ROWS:
        knob = KNOBS[f"quoting_{row.key}"]
        assert (knob.unit, knob.meaning, knob.low, knob.high, knob.choices) == (
            row.unit, row.meaning, row.low, row.high, row.choices,
        )  # fmt: skip


def test_the_desk_is_off_and_its_sections_are_live() -> None:
    settings = _loaded()
    assert not settings.quote_desk.enabled
    assert settings.quoting == QuotingSettings.live()


def test_the_compat_profile_holds_where_nobody_said_otherwise() -> None:
    settings = _loaded(quoting__profile="compat", quoting_dynamic_allocator__temperature="1.5")
    compat = QuotingSettings.compat()
    assert settings.quoting.adaptive_spread == compat.adaptive_spread
    assert settings.quoting.risk_guards == compat.risk_guards
    assert settings.quoting.dynamic_allocator.temperature == 1.5
    assert settings.values["quoting_adaptive_spread.fast_widen"].where == "quoting.profile = compat"


@pytest.mark.parametrize("profile", ["live", "compat"])
def test_a_recorded_configuration_gives_the_same_desk(profile: str) -> None:
    settings = _loaded(quoting__profile=profile, quoting__overrides="BTC/USDT:emit.levels=3")
    assert settings_of(settings.flat()).quoting == settings.quoting


def test_a_symbol_has_values_of_its_own() -> None:
    text = "BTC/USDT:emit.levels=3 BTC/USDT:queue_aware.enabled=false ZRX/USDT:adaptive_spread.base_spread_bps=4"
    settings = _loaded(quoting__overrides=text)
    assert settings.quoting.overrides == (
        Override("BTC/USDT", "emit.levels", 3),
        Override("BTC/USDT", "queue_aware.enabled", value=False),
        Override("ZRX/USDT", "adaptive_spread.base_spread_bps", 4.0),
    )
    assert settings.quoting.for_symbol("BTC/USDT").emit.levels == 3
    assert settings.quoting.for_symbol("ZRX/USDT").emit.levels == settings.quoting.emit.levels


def test_nothing_is_clamped_and_every_problem_is_named() -> None:
    with pytest.raises(OperatorError) as refused:
        _loaded(quoting_emit__levels="99", quoting_md_cache__ttl_ms="9")
    assert "emit.levels = 99 must be <= 10" in str(refused.value)
    assert "md_cache.ttl_ms = 9 must be >= 10" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("BTC/USDT", "is not of the form"),
        ("BTC/USDT:emit.levels=many", "must be a int"),
        ("BTC/USDT:queue_aware.enabled=yes", "must be bool"),
        ("BTC/USDT:emit.level=3", "nearest is emit.levels"),
        ("BTC/USDT:emit.levels=30", "must be <= 10"),
    ],
)
def test_a_symbols_value_that_cannot_be_meant_is_refused(text: str, told: str) -> None:
    with pytest.raises(OperatorError, match=told):
        _loaded(quoting__overrides=text)
