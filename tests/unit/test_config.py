"""Configuration: layers, legacy names, parsing and clamps of slots 21, and what the environment may not do."""

from pathlib import Path

import pytest

from millrace.config.explain import explain, explain_all, explain_text
from millrace.config.knobs import KNOBS, LEGACY
from millrace.config.load import fit_to_instrument, load_settings
from millrace.config.profiles import PROFILES
from millrace.config.settings import Settings
from millrace.core.failure import OperatorError
from millrace.strategies.arb.settings import ArbSettings
from millrace.strategies.quoting.bounds import ROWS as QUOTING_ROWS
from millrace.strategies.slots.settings import SlotsSettings
from millrace.venues.kraken.facts import instrument_facts

# Every name of the table in slots 21, abbreviations written out.
CONTRACT = """
ORDER_SIZE_USD ORDER_SIZE_MODE ORDER_SIZE_DOGE ORDER_SIZE_DOGE_COMPOUND STICKY_COMPOUNDING_MODE B_SIDE_ACCOUNT_SIZING
B_SIDE_MAX_MULT ALLOCATION_SAFETY_BUFFER_USD PAIR_ENTRY_PCT PAIR_PROFIT_PCT PAIR_REFRESH_PCT REFRESH_DRIFT_BASIS
MAX_CONSECUTIVE_REFRESHES REFRESH_COOLDOWN_SEC MAKER_FEE_PCT S1_ORPHAN_AFTER_SEC S2_ORPHAN_AFTER_SEC MAX_RECOVERY_SLOTS
RECOVERY_ORDERS_ENABLED RECOVERY_EVICT_BOOKS LOSS_BACKOFF_START LOSS_COOLDOWN_START LOSS_COOLDOWN_SEC
ENTRY_BACKOFF_ENABLED ENTRY_BACKOFF_FACTOR ENTRY_BACKOFF_MAX_MULTIPLIER REENTRY_BASE_COOLDOWN_SEC ENTRY_FLOOR_MODE
STICKY_MODE_ENABLED STICKY_TARGET_SLOTS STICKY_MAX_TARGET_SLOTS RELEASE_MIN_AGE_SEC RELEASE_MIN_DISTANCE_PCT
RELEASE_ADX_THRESHOLD RELEASE_MAX_STUCK_PCT RELEASE_PANIC_STUCK_PCT RELEASE_RECOVERY_TARGET_PCT
RELEASE_PANIC_MIN_AGE_SEC RELEASE_AUTO_ENABLED RELEASE_RECON_HARD_GATE_ENABLED RELEASE_CLOSE_MODE RELEASE_BATCH_MAX
BALANCE_RECON_DRIFT_PCT MOMENTUM_ENABLED MOMENTUM_MAX_DEFER_SEC MOMENTUM_EMA_FAST_BARS MOMENTUM_EMA_SLOW_BARS
MOMENTUM_NEUTRAL_PCT REGIME_ADX_ENABLED REGIME_ADX_PERIOD REGIME_ADX_CHOPPY_MAX REGIME_ADX_TRENDING_MIN
REGIME_ADX_SMOOTH_BARS REGIME_BAND_HYSTERESIS REGIME_ENTRY_PCT_CHOPPY REGIME_ENTRY_PCT_NORMAL
REGIME_ENTRY_PCT_TRENDING REGIME_ENTRIES_PER_LOOP_CHOPPY REGIME_ENTRIES_PER_LOOP_NORMAL
REGIME_ENTRIES_PER_LOOP_TRENDING KRAKEN_OPEN_ORDERS_PER_PAIR_LIMIT OPEN_ORDER_SAFETY_RATIO ENTRY_CAP_POLICY
MAX_ENTRY_ADDS_PER_LOOP MAX_API_CALLS_PER_LOOP MAX_CONSECUTIVE_ERRORS PRIVATE_API_METRONOME_ENABLED
PRIVATE_API_METRONOME_WAVE_CALLS PRIVATE_API_METRONOME_WAVE_SECONDS POLL_INTERVAL_SECONDS STALE_PRICE_MAX_AGE_SEC
OPEN_ORDER_DRIFT_ALERT_THRESHOLD OPEN_ORDER_DRIFT_PERSIST_SEC OPEN_ORDER_DRIFT_COOLDOWN_SEC DAILY_LOSS_LIMIT
REBALANCE_ENABLED REBALANCE_IDLE_BASIS REBALANCE_TARGET_IDLE_PCT REBALANCE_TARGET_IDLE_PCT_MTM REBALANCE_KP
REBALANCE_KD REBALANCE_MAX_SKEW REBALANCE_MAX_SKEW_STEP REBALANCE_NEUTRAL_BAND REBALANCE_EMA_HALFLIFE
REBALANCE_INTERVAL_SEC REBALANCE_SIZE_SENSITIVITY REBALANCE_MAX_SIZE_MULT TREND_FAST_HALFLIFE TREND_SLOW_HALFLIFE
TREND_SENSITIVITY TREND_FLOOR TREND_CEILING TREND_MIN_SAMPLES TREND_HYSTERESIS_SEC TREND_SMOOTH_HALFLIFE
TREND_DEAD_ZONE VOLATILITY_AUTO_PROFIT VOLATILITY_FACTOR VOLATILITY_CEILING VOLATILITY_MULT_FLOOR
VOLATILITY_MULT_CEILING TP_ENABLED TP_SHADOW TP_LOOKBACK_CYCLES TP_MIN_SAMPLES TP_MIN_SAMPLES_PER_BUCKET
TP_FULL_CONFIDENCE_SAMPLES TP_FLOOR_MULT TP_CEILING_MULT TP_CENSORED_WEIGHT TP_AGE_PRESSURE_TRIGGER
TP_AGE_PRESSURE_SENSITIVITY TP_AGE_PRESSURE_FLOOR TP_AGE_PRESSURE_REFERENCE TP_UTIL_THRESHOLD TP_UTIL_SENSITIVITY
TP_UTIL_FLOOR TP_RECENCY_HALFLIFE TP_LOG_UPDATES PARTIAL_OPEN_MAX_AGE_SEC QUARANTINE_HALT_FRACTION
""".split()  # noqa: SIM905  a list would stand one name a line


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "millrace.toml"
    path.write_text(text)
    return path


def refused(**kwargs) -> str:
    with pytest.raises(OperatorError) as caught:
        load_settings(**kwargs)
    return str(caught.value)


def codes(settings: Settings) -> set[str]:
    return {notice.code for notice in settings.notices}


def test_every_knob_of_the_contract_is_known():
    assert [name for name in CONTRACT if name not in LEGACY] == []


def test_the_contract_table_in_the_spec_has_no_knob_that_we_do_not_know(shared):
    """slots 21: the first name of every row that is written out in full."""
    text = (shared / "spec/slots.md").read_text().split("## 21. Knobs")[1].split("## 22.")[0]
    rows = [
        line.split("|")[1].split("/")[0].split(",")[0].strip() for line in text.splitlines() if line.startswith("| ")
    ]
    full = [name for name in rows if name.isupper() and not name.endswith("*")]
    assert len(full) > 60
    assert [name for name in full if name not in LEGACY] == []


def test_defaults_are_those_of_the_settings_record():
    assert load_settings().slots == SlotsSettings()
    assert load_settings().notices == ()


def test_every_available_knob_reaches_a_field_of_its_record():
    settings = load_settings()
    records = {
        "slots": settings.slots,
        "sizer": settings.slots.throughput,
        "release": settings.slots.release,
        "momentum": settings.slots.momentum,
        "regime": settings.slots.regime,
        "rebalance": settings.slots.rebalance,
        "trend": settings.slots.trend,
        "run": settings.run,
        "venue": settings.venue,
        "stops": settings.stops,
        "slo": settings.slo,
        "firewall": settings.firewall,
        "arb": settings.arb,
        **{
            f"arb_{part}": getattr(settings.arb, part)
            for part in (
                *("lanes", "combo", "economics", "stake", "gates", "exposure"),
                *("mapping", "discovery", "desk", "execution", "holding"),
            )
        },
        "prediction": settings.prediction,
        "quoting": settings.quote_desk,
        **{f"quoting_{row.section}": getattr(settings.quoting, row.section) for row in QUOTING_ROWS},
    }
    for knob in KNOBS.values():
        if knob.available:
            assert getattr(records[knob.section], knob.name) == knob.default
    fields = {f"{section}.{field}" for section, record in records.items() for field in record.__struct_fields__}
    nested = {f"slots.{name}" for name in ("throughput", "momentum", "regime", "release", "rebalance", "trend")}
    nested |= {f"arb.{name}" for name in ArbSettings.__struct_fields__ if name != "enabled"}
    nested |= {
        *(f"arb_economics.{name}" for name in ("aggressiveness_ticks", "maker_timeout_sec", "maker_attempts")),
        *(f"arb_mapping.{name}" for name in ("strict_confidence", "fallback_confidence", "fallback_enabled")),
        "arb_mapping.sanity_edge",
        *(f"arb_execution.{name}" for name in ("naked_risk_charge", "aggressiveness_ticks")),
        "arb_holding.lock_rate_per_year",
    }  # other parts' figures
    assert fields - nested == {knob.key for knob in KNOBS.values() if knob.available}


def test_the_demo_profile_is_that_of_design_section_7():
    settings = load_settings(profile="demo")
    slots = settings.slots
    assert (slots.count, slots.sticky_mode_enabled, slots.order_size_mode, slots.order_size_doge) == (
        80,
        True,
        "DOGE",
        60,
    )
    assert (settings.venue.base_balance, settings.venue.quote_balance) == (10_000.0, 2_000.0)
    assert codes(settings) == {"sticky_summary"}


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile_fits_its_instrument(profile):
    settings = load_settings(profile=profile)
    facts = instrument_facts(settings.run.instrument)
    assert fit_to_instrument(settings, facts) is settings
    assert not any(notice.severity == "warning" for notice in settings.notices)


def test_later_layers_win(tmp_path):
    path = written(tmp_path, 'profile = "demo"\n[slots]\ncount = 70\nentry_pct = 0.3\nrefresh_pct = 2\n')
    environ = {"MILLRACE__SLOTS__ENTRY_PCT": " 0.4\n", "MILLRACE__SLOTS__REFRESH_PCT": "3", "HOME": "/root"}
    settings = load_settings(path, {"slots.refresh_pct": "4"}, environ)
    assert settings.profile == "demo"
    assert (settings.slots.count, settings.slots.entry_pct, settings.slots.refresh_pct) == (70, 0.4, 4.0)
    assert settings.values["slots.refresh_pct"].layer == "command line"
    assert settings.values["slots.entry_pct"].where == "environment MILLRACE__SLOTS__ENTRY_PCT"
    assert settings.values["slots.count"].where == f"{path} line 3"
    assert settings.values["slots.order_size_doge"].layer == "profile"
    assert settings.values["slots.profit_pct"].layer == "default"
    assert settings.flat()["slots.refresh_pct"] == 4.0
    assert list(settings.flat()) == sorted(settings.flat())


def test_the_profile_may_come_from_the_environment_or_the_command_line():
    assert load_settings(environ={"MILLRACE__PROFILE": "legacy10"}).slots.count == 10
    assert load_settings(overrides={"profile": "demo"}, environ={"MILLRACE__PROFILE": "legacy10"}).slots.count == 80
    assert "known are default, demo" in refused(profile="dmeo")


def test_the_digest_follows_the_values_and_not_their_origin(tmp_path):
    by_file = load_settings(written(tmp_path, "[slots]\nentry_pct = 1\n"))
    by_hand = load_settings(overrides={"PAIR_ENTRY_PCT": "1.0"})
    assert by_file.digest == by_hand.digest != load_settings().digest


def test_the_demo_says_how_slow_its_quoted_market_is_and_a_busy_one_says_nothing():
    settings = load_settings(profile="demo_all")
    assert codes(settings) == {"sticky_summary", "slow_market"}
    told = next(notice.text for notice in settings.notices if notice.code == "slow_market")
    assert "0.05 of a busy venue" in told
    assert "60 min" in told
    assert "slow_market" not in codes(load_settings(profile="demo_all", overrides={"quoting.tempo": 1.0}))
    assert settings.quote_desk.mood_min == 60


@pytest.mark.parametrize("text", ["[legacy]\nPAIR_ENTRY_PCT = 0.5\n", "PAIR_ENTRY_PCT = 0.5\n"])
def test_legacy_names_are_taken_from_the_file_and_reported(tmp_path, text):
    settings = load_settings(written(tmp_path, text))
    assert settings.slots.entry_pct == 0.5
    assert codes(settings) == {"legacy_name"}


def test_legacy_names_are_taken_from_the_environment_and_others_left_alone():
    settings = load_settings(
        environ={"STICKY_MODE_ENABLED": "On", "TP_ENABLED": "yes", "TP_UNHEARD_OF": "1", "PATH": "/"}
    )
    assert settings.slots.sticky_mode_enabled
    assert settings.slots.throughput.enabled
    assert codes(settings) == {"legacy_name", "sticky_summary"}


@pytest.mark.parametrize(("value", "mode"), [("true", "always"), ("0", "off")])
def test_the_legacy_floor_switch_maps_to_a_mode(tmp_path, value, mode):
    """slots 21: ENTRY_FLOOR_ENABLED true -> always, false -> off."""
    assert load_settings(environ={"ENTRY_FLOOR_ENABLED": value}).slots.entry_floor_mode == mode
    boolean = "true" if mode == "always" else "false"
    assert load_settings(written(tmp_path, f"ENTRY_FLOOR_ENABLED = {boolean}")).slots.entry_floor_mode == mode


def test_kelly_knobs_are_ignored_with_one_notice():
    settings = load_settings(environ={"KELLY_FRACTION": "0.5", "KELLY_ENABLED": "true"})
    assert [notice.code for notice in settings.notices] == ["ignored"]


@pytest.mark.parametrize("text", ["abc", "nan", "inf", "-inf", "1e999"])
def test_an_environment_value_that_is_no_number_leaves_the_default_with_a_warning(text):
    settings = load_settings(environ={"PAIR_ENTRY_PCT": text})
    assert settings.slots.entry_pct == 0.2
    assert codes(settings) == {"legacy_name", "unusable"}


def test_an_empty_environment_value_is_no_value():
    settings = load_settings(environ={"PAIR_ENTRY_PCT": "  ", "MILLRACE__SLOTS__PROFIT_PCT": ""})
    assert settings.slots == SlotsSettings()
    assert settings.notices == ()


def test_an_unknown_choice_falls_back_with_a_warning(tmp_path):
    """slots 8.2: invalid enum text -> USD, with a warning."""
    for settings in (
        load_settings(environ={"ORDER_SIZE_MODE": "EUR"}),
        load_settings(written(tmp_path, 'ORDER_SIZE_MODE = "EUR"')),
    ):
        assert settings.slots.order_size_mode == "USD"
        assert "unusable" in codes(settings)
    assert load_settings(environ={"ORDER_SIZE_MODE": "doge"}).slots.order_size_mode == "DOGE"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ('entry_pct = "0.5"', "a finite number"),
        ("entry_pct = true", "a finite number"),
        ("entry_pct = nan", "a finite number"),
        ("count = 2.5", "a whole number"),
        ("sticky_mode_enabled = 1", "true or false"),
        ("order_size_mode = 3", "one of USD, DOGE"),
        ("entry_pct = [1, 2]", "a finite number"),
    ],
)
def test_a_wrong_type_in_the_file_is_an_error_naming_the_line(tmp_path, line, wanted):
    text = refused(path=written(tmp_path, f"# mine\n\n[slots]\n{line}\n"))
    assert "millrace.toml line 4" in text
    assert wanted in text


def test_a_wrong_value_on_the_command_line_is_an_error():
    assert "command line slots.count: slots.count must be a whole number, not '8o'" in refused(
        overrides={"slots.count": "8o"}
    )


@pytest.mark.parametrize(
    ("text", "line", "nearest"),
    [
        ("[slots]\nentry_pc = 1\n", 2, "slots.entry_pct"),
        ("[slot]\nentry_pct = 1\n", 2, "slots.entry_pct"),
        ("[sizer]\ncount = 3\nfloor_mul = 1\n", 2, "slots.count"),
        ("entry_pct = 1\n", 1, "slots.entry_pct"),
        ("PAIR_ENTRI_PCT = 1\n", 1, "PAIR_ENTRY_PCT"),
        ("slots.'profit_pc' = 1\n", 1, "slots.profit_pct"),
    ],
)
def test_a_typo_names_file_line_and_nearest_key(tmp_path, text, line, nearest):
    message = refused(path=written(tmp_path, text))
    assert f"millrace.toml line {line}: unknown configuration key" in message
    assert f"did you mean {nearest}?" in message


def test_a_typo_in_our_environment_names_is_an_error():
    assert "environment MILLRACE__SLOTS__ENTRYPCT" in refused(environ={"MILLRACE__SLOTS__ENTRYPCT": "1"})
    assert load_settings(environ={"MILLRACE_SHARED": "x"}).notices == ()


def test_a_key_given_twice_in_one_layer_is_an_error(tmp_path):
    assert "given twice" in refused(path=written(tmp_path, "PAIR_ENTRY_PCT = 1\n[slots]\nentry_pct = 1\n"))


def test_a_file_that_is_absent_or_no_toml_is_an_error(tmp_path):
    assert "cannot be read" in refused(path=tmp_path / "absent.toml")
    assert "is not TOML" in refused(path=written(tmp_path, "[slots\n"))


@pytest.mark.parametrize("knob", [knob for knob in KNOBS.values() if not knob.available], ids=lambda knob: knob.key)
def test_a_part_that_is_not_built_refuses_anything_but_its_default(knob):
    other = {"bool": not knob.default, "int": 77, "float": 0.77, "text": "hunter2"}.get(knob.kind)
    other = knob.choices[-1] if knob.choices else other
    message = refused(overrides={knob.key: other})
    assert f"{knob.key}" in message
    assert "not available yet" in message
    assert knob.secret != ("77" in message or "hunter2" in message or str(other) in message)
    if knob.default is not None:
        load_settings(overrides={knob.key: knob.default})


@pytest.mark.parametrize("name", ["MILLRACE__RUN__LIVE", "DAILY_LOSS_LIMIT", "MILLRACE__VENUE__ENDPOINT"])
def test_live_flag_caps_and_endpoints_may_not_come_from_the_environment(name):
    """design 5.8."""
    assert "may not come from the environment" in refused(environ={name: "1"})


@pytest.mark.parametrize(
    ("given", "key", "value", "code"),
    [
        ({"PAIR_ENTRY_PCT": 0.01}, "slots.entry_pct", 0.05, "clamped"),
        ({"PAIR_PROFIT_PCT": 0.3}, "slots.profit_pct", 0.6, "adjusted"),
        ({"PAIR_PROFIT_PCT": 0.6}, "slots.profit_pct", 0.6, None),
        ({"ORDER_SIZE_USD": 0}, "slots.order_size_usd", 2.0, "out_of_range"),
        ({"S1_ORPHAN_AFTER_SEC": 5}, "slots.s1_orphan_after_sec", 60.0, "clamped"),
        ({"MAX_RECOVERY_SLOTS": 0}, "slots.max_recovery_slots", 1, "clamped"),
        ({"STICKY_TARGET_SLOTS": 120}, "slots.sticky_target_slots", 100, "adjusted"),
        ({"MOMENTUM_EMA_FAST_BARS": 30}, "momentum.ema_slow_bars", 31, "adjusted"),
        ({"REGIME_ADX_CHOPPY_MAX": 40}, "regime.adx_choppy_max", 20.0, "adjusted"),
        (
            {"REGIME_ADX_TRENDING_MIN": 150, "REGIME_ADX_CHOPPY_MAX": 90},
            "regime.adx_trending_min",
            100,
            "clamped",
        ),
        ({"OPEN_ORDER_SAFETY_RATIO": 1.5}, "slots.open_order_safety_ratio", 1.0, "clamped"),
        ({"POLL_INTERVAL_SECONDS": 90}, "slots.stale_price_max_age_sec", 90.0, "adjusted"),
        ({"TP_FLOOR_MULT": 1.2}, "sizer.floor_mult", 1.0, "clamped"),
        ({"TP_CEILING_MULT": 0.9}, "sizer.ceiling_mult", 1.0, "clamped"),
        ({"TP_UTIL_FLOOR": -1}, "sizer.util_floor", 0.0, "clamped"),
        ({"TP_RECENCY_HALFLIFE": -3}, "sizer.recency_halflife", -3, None),
        ({"QUARANTINE_HALT_FRACTION": 2}, "slots.quarantine_halt_fraction", 1.0, "clamped"),
        ({"DAILY_LOSS_LIMIT": -1}, "slots.daily_loss_limit_usd", -1.0, None),
        ({"VOLATILITY_MULT_FLOOR": 3}, "slots.volatility_mult_ceiling", 3.0, "adjusted"),
    ],
)
def test_limits_of_slots_21_clamp_and_say_so(given, key, value, code):
    settings = load_settings(overrides=given)
    assert settings.flat()[key] == value
    assert type(settings.flat()[key]) is type(KNOBS[key].default)
    assert codes(settings) - {"legacy_name"} == ({code} if code else set())


def test_a_grid_larger_than_its_caps_is_cut_or_warned_about():
    sticky = {"slots.sticky_mode_enabled": True}
    assert load_settings(overrides={**sticky, "slots.count": 120}).slots.count == 100
    assert "slots_exceed_safe_cap" not in codes(load_settings(overrides={**sticky, "slots.count": 84}))
    assert "slots_exceed_safe_cap" in codes(load_settings(overrides={**sticky, "slots.count": 85}))


def test_what_is_allowed_but_surprising_is_said():
    assert "size_mode_ignored" in codes(load_settings(overrides={"ORDER_SIZE_MODE": "DOGE"}))
    fixed = load_settings(overrides={"STICKY_COMPOUNDING_MODE": "fixed"}, profile="demo")
    assert "compounding_deviates" in codes(fixed)


def test_the_doge_order_size_is_lifted_to_the_instruments_minimum():
    """slots 21: ORDER_SIZE_DOGE >= live min_volume, warn."""
    settings = load_settings(overrides={"slots.order_size_doge": 18}, profile="demo")
    fitted = fit_to_instrument(settings, instrument_facts("kraken:DOGE/USD"))
    assert fitted.slots.order_size_doge == 50.0
    assert codes(fitted) == {"sticky_summary", "adjusted"}


def test_explain_says_value_layer_unit_bounds_and_names(tmp_path):
    settings = load_settings(written(tmp_path, "[slots]\nentry_pct = 0.5\n"))
    for name in ("slots.entry_pct", "PAIR_ENTRY_PCT"):
        found = explain(settings, name)
        assert (found.value, found.layer, found.unit, found.bounds) == (0.5, "file", "%", ">= 0.05")
        assert found.legacy == ("PAIR_ENTRY_PCT",)
    assert "0.5 %" in explain_text(found)
    assert "millrace.toml line 2" in explain_text(found)
    assert explain(settings, "ENTRY_FLOOR_ENABLED").key == "slots.entry_floor_mode"
    assert "not available yet" in explain_text(explain(settings, "run.live"))
    assert len(explain_all(settings)) == len(KNOBS)
    with pytest.raises(OperatorError, match=r"did you mean slots\.entry_pct"):
        explain(settings, "slots.entry_pot")


def test_secrets_are_explained_as_set_or_unset_and_kept_out_of_reports():
    settings = load_settings()
    assert explain(settings, "venue.api_secret").value == "unset"
    assert not {"venue.api_key", "venue.api_secret"} & set(settings.flat())


def test_the_reducer_gets_our_values_and_the_instruments_minimums():
    settings = load_settings(overrides={"MAKER_FEE_PCT": 0.2, "ENTRY_BACKOFF_FACTOR": 0.7}, profile="demo")
    config = settings.slots.reducer(instrument_facts("kraken:DOGE/USD"))
    assert (config.maker_fee_pct, config.backoff_factor, config.sticky_mode_enabled) == (0.2, 0.7, True)
    assert (config.price_decimals, config.volume_decimals, config.min_volume, config.min_cost_usd) == (7, 8, 50.0, 0.5)
    assert settings.slots.volatility().ceiling_pct == 3.0
