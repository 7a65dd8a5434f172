"""What the reducers give the stages, against the golden events of spread and guards (golden part B)."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from millrace.core.binary_events import BookLevel
from millrace.market.books.order_book import OrderBook
from millrace.strategies.quoting.features.reducer import SymbolReducer
from millrace.strategies.quoting.settings import QuotingSettings
from quoting_books import NS, TERMS, ask_features

PRICE_DECIMALS = 6


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "golden" / "quoting.json").read_text())


def show(reducer: SymbolReducer, event: dict[str, Any]) -> None:
    """Hand one golden event to a reducer: mid, latency, profit, in this order."""
    ts_ns = event["ts_ms"] * NS
    if event.get("mid") is not None:
        mid = round(event["mid"] * 10**PRICE_DECIMALS)
        book = OrderBook()
        book.replace((BookLevel(mid - 1, 1),), (BookLevel(mid + 1, 1),))
        reducer.on_book(book, ts_ns)
    if event.get("latency_ms") is not None:
        reducer.on_latency(ts_ns, event["latency_ms"])
    if event.get("pnl_delta") is not None:
        reducer.on_pnl(ts_ns, round(event["pnl_delta"] * TERMS.cost_unit))


def test_volatility_and_latency_of_the_spread(golden) -> None:
    checked = 0
    for case in golden["adaptive_spread"]:
        settings = QuotingSettings.compat()
        spread = replace(settings.adaptive_spread, vol_window_sec=case["cfg"].get("vol_window_sec", 60))
        reducer = SymbolReducer(TERMS, replace(settings, adaptive_spread=spread))
        for event in case["events"]:
            show(reducer, event)
            found = ask_features(reducer, event["ts_ms"])
            assert found.vol_abs_ema_bps == pytest.approx(event["vol_ema_bps"], rel=1e-9, abs=1e-9)
            checked += 1
    assert checked > 50


def test_volatility_latency_and_profit_of_the_guards(golden) -> None:
    """Quoting 4.3, compat: the profit score is the mean over 8, 0 when it is small or of fewer than ten changes."""
    checked = 0
    for case in golden["risk_guards"]:
        reducer = SymbolReducer(TERMS, QuotingSettings.compat())
        for event in case["events"]:
            show(reducer, event)
            if "vol_bps" not in event or event["reason_keys"] == ["halt_cooldown"]:
                continue
            found = ask_features(reducer, event["ts_ms"])
            assert found.vol_stdev_bps == pytest.approx(event["vol_bps"], rel=1e-9, abs=1e-9)
            assert (found.latency_p95_ms or 0.0) == pytest.approx(event["latency_p95_ms"], rel=1e-9)
            mean = found.pnl_mean if found.pnl_mean is not None and abs(found.pnl_mean) > 0.1 else 0.0
            assert mean / 8.0 == pytest.approx(event["pnl_score"], rel=1e-9, abs=1e-9)
            checked += 1
    assert checked > 50
