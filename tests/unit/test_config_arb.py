"""The desk's settings from their layers: every figure of a record has a knob, and a profile for the first money."""

import pytest

from millrace.config.knobs import KNOBS
from millrace.config.load import load_settings
from millrace.strategies.arb.settings import ArbSettings

PARTS = ("economics", "stake", "gates", "exposure", "mapping", "discovery")
FROM_ELSEWHERE = {
    "economics": {"aggressiveness_ticks", "maker_timeout_sec", "maker_attempts"},
    "mapping": {"strict_confidence", "fallback_confidence", "fallback_enabled", "sanity_edge"},
}


@pytest.mark.parametrize("part", PARTS)
def test_every_figure_of_a_part_is_a_knob(part) -> None:
    fields = getattr(ArbSettings(), part).__struct_fields__
    assert {key.partition(".")[2] for key in KNOBS if key.startswith(f"arb_{part}.")} == set(
        fields
    ) - FROM_ELSEWHERE.get(part, set())


def test_what_is_set_arrives() -> None:
    given = {"arb_stake.trade_usd": "25", "arb_gates.overrides": "bucket enabled no", "arb_exposure.positions": "7"}
    arb = load_settings(overrides=given).arb
    assert (arb.stake.trade_usd, arb.gates.overrides, arb.exposure.positions) == (25.0, "bucket enabled no", 7)
    assert load_settings().arb == ArbSettings()


def test_the_start_profile_is_what_money_begins_with() -> None:
    """Arb 10: 20 dollars and 50 contracts, 0.06 of venue cash, 0.4 of depth, 10 dollars a day, long cooldowns."""
    settings = load_settings(profile="arb_start")
    arb = settings.arb
    assert (arb.enabled, settings.stops.daily_loss_cap_usd) == (True, 10.0)
    assert (arb.stake.trade_usd, arb.stake.trade_contracts, arb.stake.venue_cash_share) == (20, 50, 0.06)
    assert (arb.economics.depth_share, arb.gates.bucket_legs, settings.stops.venue_failures) == (0.4, 4, 5)
    assert (arb.desk.market_cooldown_sec, arb.desk.opportunity_cooldown_sec) == (1_800, 3_600)


def test_makers_are_judged_by_the_figures_they_are_traded_with() -> None:
    settings = ArbSettings()
    judged = settings.judged().economics
    assert judged.maker_timeout_sec == settings.execution.maker_timeout_sec
    assert judged.aggressiveness_ticks == settings.lanes.aggressiveness_ticks


def test_mappings_hold_the_figures_that_the_gates_ask_for() -> None:
    given = {"arb_gates.fallback": "true", "arb_gates.strict_confidence": "0.95", "arb_mapping.stale_sec": "600"}
    settings = load_settings(overrides=given).arb
    believed = settings.believed()
    assert (believed.fallback_enabled, believed.strict_confidence, believed.stale_sec) == (True, 0.95, 600)
    assert ArbSettings().believed() == ArbSettings().mapping, "the defaults of both are the contract's"
