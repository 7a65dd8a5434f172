"""What watches over single orders and over all symbols: fast cancels, the ceiling of taker fills, market-wide figures."""

import json

import pytest
from msgspec.structs import replace

from millrace.core.commands import Side
from millrace.strategies.quoting.guards.market_wide import MarketBit, MarketState, check
from millrace.strategies.quoting.model import PortfolioSnapshot
from millrace.strategies.quoting.quotes.fast_cancel import drift_bps, fast_cancels, judged
from millrace.strategies.quoting.quotes.taker_ceiling import AccountFill, recorded, verdict
from millrace.strategies.quoting.settings import (
    FastCancelSettings,
    MarketGuardSettings,
    QuotingSettings,
    TakerCapSettings,
)
from quote_inputs import book, features, resting

LIVE, COMPAT = QuotingSettings.live().fast_cancel, QuotingSettings.compat().fast_cancel
GUARD = MarketGuardSettings()
GOOD = PortfolioSnapshot()
BAD = PortfolioSnapshot(error_rate=0.02)


def test_golden_fast_cancel(shared) -> None:
    case = json.loads((shared / "golden" / "quoting.json").read_bytes())["fast_cancel"]
    cfg = replace(
        COMPAT,
        cancel_threshold_bps=case["cancel_threshold_bps"],
        spike_threshold_bps=case["spike_threshold_bps"],
        cooldown_ms=case["cooldown_ms"],
    )
    until, protected = 0, 0
    for event in case["events"]:
        drift = abs(event["mid"] - event["order_price"]) / event["order_price"] * 1e4
        found = judged(drift, event["ts_ms"], until, cfg)
        until = found.cooldown_until_ms
        if event["reason"] == "in_cooldown" and drift > cfg.cancel_threshold_bps:
            protected += 1  # defect 10: the reference lets its cool-down protect the order
            assert found.cancels
        else:
            assert (found.cancels, found.reason) == (event["cancel"], event["reason"]), event
    assert protected


def test_a_spike_takes_back_every_order_that_it_passed() -> None:
    """Defect 10: in the reference a spike of 20 bps cancels one of four."""
    data = book(9_979, 9_981)
    live = tuple(resting(Side.BUY, 9_990 - level, level=level) for level in range(4))
    found = fast_cancels(features(data, live=live), 0, LIVE)
    assert len(found.orders) == 4
    assert found.cooldown_until_ms == 1_000_500
    assert fast_cancels(features(data, live=live), 1_000_500, LIVE).orders == found.orders


def test_drift_counts_from_placement_and_only_where_it_hurts() -> None:
    """Quoting 4.3: an order placed far away on purpose has not drifted at birth."""
    far = resting(Side.BUY, 9_950)
    assert drift_bps(far, 20_000, LIVE) == 0.0
    assert drift_bps(far, 20_000, COMPAT) == pytest.approx(50.25, abs=0.01)
    assert drift_bps(far._replace(reference_ticks2=0), 20_000, LIVE) == pytest.approx(50.25, abs=0.01)
    assert drift_bps(far, 19_990, LIVE) == pytest.approx(5.0)
    assert drift_bps(far, 20_010, LIVE) == pytest.approx(-5.0)
    assert drift_bps(resting(Side.SELL, 10_050), 20_010, LIVE) == pytest.approx(5.0)


@pytest.mark.parametrize(("middle", "words"), [(9_997, []), (9_996.5, ["adverse_move"]), (9_990, ["adverse_move"])])
def test_thresholds_of_fast_cancel(middle, words) -> None:
    data = book(int(middle - 1.5), int(2 * middle) - int(middle - 1.5))
    found = fast_cancels(features(data, live=(resting(Side.BUY, 9_990),)), 7, LIVE)
    assert [word for _, word in found.orders] == words
    assert found.cooldown_until_ms == 7


def test_fast_cancel_leaves_alone_what_is_being_cancelled_or_switched_off() -> None:
    data = book(9_979, 9_981)
    live = (resting(Side.BUY, 9_990, cancelling=True),)
    assert fast_cancels(features(data, live=live), 7, LIVE) == ((), 7)
    assert (
        fast_cancels(features(data, live=(resting(Side.BUY, 9_990),)), 0, FastCancelSettings(enabled=False)).orders
        == ()
    )
    assert fast_cancels(features(live=live, book=None), 0, LIVE).orders == ()


def test_golden_taker_ceiling(shared) -> None:
    cases = json.loads((shared / "golden" / "quoting.json").read_bytes())["taker_ceiling"]
    assert cases
    for case in cases:
        cfg = TakerCapSettings(**{name: value for name, value in case.items() if name != "events"})
        fills = ()
        for event in case["events"]:
            fills = recorded(fills, AccountFill(event["ts_ms"], event["is_taker"]), cfg)
            found = verdict(fills, event["ts_ms"], cfg)
            assert (found.allows, found.reason) == (event["allowed"], event["reason"]), event


def test_the_ceiling_forgets_after_its_window_and_counts_from_ten() -> None:
    cfg = TakerCapSettings(max_share_pct=10.0)
    fills = ()
    for number in range(9):
        fills = recorded(fills, AccountFill(number, number < 3), cfg)
    assert verdict(fills, 9, cfg).allows
    fills = recorded(fills, AccountFill(9, is_taker=False), cfg)
    found = verdict(fills, 9, cfg)
    assert (found.fills, found.takers, found.reason) == (10, 3, "taker_share_exceeded")
    assert found.next_share_pct == pytest.approx(4 / 11 * 100)
    assert verdict(fills, 3_600_009, cfg).fills == 1
    assert (
        verdict((AccountFill(0, is_taker=True),) * 50, 0, replace(cfg, max_share_pct=100.0)).reason
        == "taker_count_exceeded"
    )


def at(state: MarketState, second: float, portfolio=GOOD, cfg=GUARD) -> tuple[MarketState, int]:
    return check(state, portfolio, int(second * 1_000), cfg, 450.0)


def test_two_bad_checks_in_a_row_pause_everything() -> None:
    """Quoting 4.3 addition 5: the smaller of the reference's two figures."""
    state, bits = at(MarketState(), 0, BAD)
    assert bits == 0
    state, bits = at(state, 5, BAD)
    assert bits == 0
    state, bits = at(state, 10)
    assert bits == 0
    state, bits = at(state, 20, BAD)
    assert bits == 0
    state, bits = at(state, 30, BAD)
    assert bits == MarketBit.ERRORS


def test_a_pause_lasts_five_minutes_and_ends_with_a_good_check() -> None:
    state = MarketState(0, 1, 0, 0, 0)
    state, bits = at(state, 0, BAD)
    assert bits
    state, bits = at(state, 290)
    assert bits
    state, bits = at(state, 300, PortfolioSnapshot(rejected_share=0.5))
    assert bits == MarketBit.ERRORS | MarketBit.REJECTS
    state, bits = at(state, 310)
    assert bits == 0


@pytest.mark.parametrize(
    ("name", "at_threshold", "beyond", "bit"),
    [
        ("cancel_rate_share", 0.9, 0.91, 1),
        ("error_rate", 0.01, 0.011, 2),
        ("pnl_slope_per_min", -0.1, -0.11, 4),
        ("gross_exposure_share", 1.0, 1.01, 8),
        ("latency_p95_ms", 450.0, 450.1, 16),
        ("feed_gap_ms", 2_000, 2_001, 32),
        ("clock_skew_ms", -1_000, -1_001, 32),
        ("rejected_share", 0.1, 0.11, 64),
    ],
)
def test_each_figure_has_its_bit_and_its_threshold(name, at_threshold, beyond, bit) -> None:
    """Quoting 4.3 addition 5: cancel rate above 90 % of its limit, errors above 1 %, a slope below -0.1 a minute."""
    ready = MarketState(0, 1, 0, 0, 0)
    assert at(ready, 0, PortfolioSnapshot(**{name: at_threshold}))[1] == 0
    assert at(ready, 0, PortfolioSnapshot(**{name: beyond}))[1] == bit
    assert at(ready, 0, PortfolioSnapshot(**{name: beyond}), replace(GUARD, enabled=False))[1] == 0


def test_the_loss_of_a_day_needs_no_second_check() -> None:
    lost = PortfolioSnapshot(day_loss=100.0)
    assert at(MarketState(), 0, lost)[1] == 0
    assert at(MarketState(), 0, lost, replace(GUARD, daily_loss=100.0))[1] == MarketBit.PNL


def test_what_the_board_refuses_is_said_at_once_and_ends_with_it() -> None:
    state, bits = at(MarketState(next_check_ms=9_999), 1, PortfolioSnapshot(refused="kill switch"))
    assert bits == MarketBit.MANUAL
    assert at(state, 1.1)[1] == 0
