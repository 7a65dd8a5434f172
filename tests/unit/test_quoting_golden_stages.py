"""The stages against the reference's vectors: spread, skew, queue places and nudges, raw prices (golden part B)."""

import json

import msgspec
import pytest

from millrace.core.binary_events import BookLevel
from millrace.core.commands import Side
from millrace.strategies.quoting.features.samples import LatencyWindow, ProfitWindow
from millrace.strategies.quoting.features.volatility import SampledVolatility
from millrace.strategies.quoting.model import Freshness
from millrace.strategies.quoting.settings import QueueSettings, QuotingSettings
from millrace.strategies.quoting.stages.inventory import inventory_pct, shifts_bps, skewed
from millrace.strategies.quoting.stages.prices import raw_prices
from millrace.strategies.quoting.stages.queue_aware import place_at, step_towards_best
from millrace.strategies.quoting.stages.spread import SpreadState, spread_stage
from quoting_tick import book, features

FRESH = Freshness(0, True, True, False, True)


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden" / "quoting.json").read_text())


def test_the_adaptive_spread_to_1e_9(golden) -> None:
    """Quoting 4.2, compat: volatility from each middle, then latency, then profit, then the width."""
    seen = 0
    for case in golden["adaptive_spread"]:
        cfg = msgspec.structs.replace(QuotingSettings.compat().adaptive_spread, **case["cfg"])
        volatility, latency, profit = (
            SampledVolatility(cfg.vol_window_sec, 20),
            LatencyWindow(100, 0),
            ProfitWindow(60, 60),
        )
        state = SpreadState()
        for event in case["events"]:
            ts_ms = event["ts_ms"]
            volatility.observe(event["mid"])
            if "latency_ms" in event:
                latency.observe(ts_ms, event["latency_ms"])
            if "pnl_delta" in event:
                profit.observe(ts_ms, event["pnl_delta"])
            p95_ms, count = latency.p95_ms(ts_ms)
            given = features(
                now_ms=ts_ms,
                vol_abs_ema_bps=volatility.abs_ema_bps,
                latency_p95_ms=p95_ms,
                latency_n=count,
                pnl_mean=profit.mean(),
                depth_bid=event["liq_bid"],
                depth_ask=event["liq_ask"],
            )
            made, state = spread_stage(given, book(), FRESH, state, cfg, 100.0)
            assert made.spread_bps == pytest.approx(event["spread_bps"], rel=1e-9, abs=1e-9)
            assert made.vol_score == pytest.approx(event["vol_score"], rel=1e-9, abs=1e-9)
            assert made.liquidity_score == pytest.approx(event["liq_score"], rel=1e-9, abs=1e-9)
            assert made.latency_score == pytest.approx(event["lat_score"], rel=1e-9, abs=1e-9)
            assert made.pnl_score == pytest.approx(event["pnl_score"], rel=1e-9, abs=1e-9)
            assert made.total_score == pytest.approx(event["total_score"], rel=1e-9, abs=1e-9)
            seen += 1
    assert seen == 240


def test_the_inventory_skew(golden) -> None:
    for case in golden["inventory_skew"]["cases"]:
        cfg = msgspec.structs.replace(QuotingSettings.compat().inventory_skew, **case["cfg"])
        skew, bid_shift, ask_shift, _ = skewed(case["bid"], case["ask"], case["inventory_pct"], cfg)
        applied = case["applied"]
        assert skew == pytest.approx(applied["skew_bps"], abs=1e-9)
        assert (bid_shift, ask_shift) == pytest.approx((applied["bid_adj_bps"], applied["ask_adj_bps"]), abs=1e-9)
        assert case["bid"] * (1 + bid_shift / 1e4) == pytest.approx(applied["bid_price"], rel=1e-12)
        assert case["ask"] * (1 + ask_shift / 1e4) == pytest.approx(applied["ask_price"], rel=1e-12)
        center = case["center_shift"]
        assert shifts_bps(case["skew_bps"], center=True) == pytest.approx(
            (center["bid_shift_bps"], center["ask_shift_bps"]), abs=1e-9
        )
    for row in golden["inventory_skew"]["inventory_pct"]:
        assert inventory_pct(row["position"], row["max_position"]) == row["pct"]


def levels(rows, tick: float) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(round(price / tick), round(size * 100)) for price, size in rows)


def test_places_in_queues_exactly(golden) -> None:
    """Quoting 4.5: joins the back; better than the best has nothing ahead; worse than the visible has all of it."""
    for case in golden["queue"]["position"]:
        side = Side.BUY if case["side"] == "bid" else Side.SELL
        rows = levels(case["book"]["bids" if side is Side.BUY else "asks"], tick=0.001)
        place = place_at(rows, side, round(case["price"] * 1000), case["depth_levels"])
        want = case["expect"]
        assert place.ahead == round(want["ahead_qty"] * 100)
        assert place.percentile == want["percentile"]
        assert place.is_best == want["at_best"]


def test_nudges_lose_no_tick(golden) -> None:
    """Quoting 4.5, 15 row 11: the price that the contract wants, also where binary fractions lost the reference a tick."""
    for case in golden["queue"]["nudge"]:
        side = Side.BUY if case["side"] == "bid" else Side.SELL
        rows = levels(case["book"]["bids" if side is Side.BUY else "asks"], case["tick"])
        ticks = round(case["price"] / case["tick"])
        fair = None if case["fair_value"] is None else case["fair_value"] / case["tick"]
        place = place_at(rows, side, ticks, case["depth_levels"])
        step = 0
        if not place.is_best and place.percentile > case["join_threshold_pct"]:
            step = step_towards_best(ticks, rows[0].ticks, fair, side, 1, case["max_reprice_bps"])
        if case.get("contract_price") is None:
            assert case["expect_price"] is None
            assert step == 0
        else:
            moved = ticks + step if side is Side.BUY else ticks - step
            assert moved == round(case["contract_price"] / case["tick"])


def test_a_low_price_moves_by_its_own_tick(golden) -> None:
    """Quoting 15 row 11: the reference moved 0.08123 to 0.08."""
    case = golden["queue"]["quirk_low_price"]
    tick = 0.00001
    ticks, best = round(case["price"] / tick), round(case["book"]["bids"][0][0] / tick)
    step = step_towards_best(ticks, best, None, Side.BUY, 1, QueueSettings().max_reprice_bps)
    assert 0 <= step * 1e4 / ticks <= QueueSettings().max_reprice_bps


def test_raw_prices(golden) -> None:
    """Quoting 4.6 step A; rows of the reference's that multiply the spread by the guard's factor are its defect 3."""
    rows = [row for row in golden["emit_raw_prices"] if not row["quirk"]]
    for row in rows:
        found = raw_prices(
            row["mid"],
            row["spread_bps"],
            row["bid_adj_bps"] + row["bid_nudge_bps"],
            row["ask_adj_bps"] + row["ask_nudge_bps"],
        )
        assert found == pytest.approx((row["bid"], row["ask"]), rel=1e-9)
    assert rows
