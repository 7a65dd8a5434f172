"""Features of one made-up symbol for tests of the quote desk: everything known, nothing the matter, flat."""

from typing import Any

import msgspec

from millrace.core.commands import Side
from millrace.strategies.quoting.model import (
    EVEN_ALLOCATION,
    NO_PORTFOLIO,
    Features,
    LiveOrder,
    MarketData,
    SymbolTerms,
)
from millrace.strategies.quoting.pipeline import tick
from millrace.strategies.quoting.settings import QuotingSettings
from millrace.strategies.quoting.tick_result import SymbolState, TickResult

NOW_MS = 1_700_000_000_000
TERMS = SymbolTerms(
    symbol="DOGE/USDT",
    tick=1,
    lot=1,
    min_lots=10,
    min_cost=1_00000000,
    price_unit=1e-6,
    lot_unit=1.0,
    cost_unit=1e8,
    maker_fee_bps=0.0,
    taker_fee_bps=10.0,
)
"""A coin at 0.1 USDT with a tick of 0.1 bps; fees of a maker are nothing, so the additive spread is what it says."""


def book(
    bids: tuple[tuple[int, int], ...] = ((100_000, 50_000), (99_999, 80_000), (99_998, 90_000)),
    asks: tuple[tuple[int, int], ...] = ((100_002, 50_000), (100_003, 80_000), (100_004, 90_000)),
    *,
    now_ms: int = NOW_MS,
    age_ms: int = 10,
    terms: SymbolTerms = TERMS,
) -> MarketData:
    """Return a book whose best prices are the first ones."""
    from millrace.core.binary_events import BookLevel

    best_bid, best_ask = bids[0][0], asks[0][0]
    return MarketData(
        terms=terms,
        best_bid=best_bid,
        best_ask=best_ask,
        bid_size=bids[0][1],
        ask_size=asks[0][1],
        mid_price=(best_bid + best_ask) / 2 * terms.price_unit,
        timestamp_ms=now_ms - age_ms,
        recv_ns=(now_ms - age_ms) * 1_000_000,
        seq=7,
        bids=tuple(BookLevel(*level) for level in bids),
        asks=tuple(BookLevel(*level) for level in asks),
    )


def features(market: MarketData | None = None, **changes: Any) -> Features:
    """Return features around a book; `changes` are fields."""
    market = market or book()
    terms = market.terms
    mid2 = market.best_bid + market.best_ask
    made = Features(
        terms=terms,
        tick=1,
        now_ms=NOW_MS,
        book=market,
        book_fault="",
        md_gap=False,
        microprice=mid2 / 2 * terms.price_unit,
        depth_bid=1_000_000.0,
        depth_ask=1_000_000.0,
        imbalance=0.0,
        ofi_1s=0.0,
        ofi_10s_z=0.0,
        vol_bps_sqrt_sec=0.5,
        vol_abs_ema_bps=0.5,
        vol_stdev_bps=0.5,
        latency_p95_ms=20.0,
        latency_n=100,
        pnl_mean=0.0,
        pnl_z=0.0,
        day_pnl=0.0,
        position=0,
        max_position=100_000,
        inventory_pct=0.0,
        taker_fills=0,
        trade_rate_per_sec=1.0,
        live=(),
        portfolio=NO_PORTFOLIO,
        allocation=EVEN_ALLOCATION,
        taker_buy_lots_per_sec=1_000.0,
        taker_sell_lots_per_sec=1_000.0,
    )
    return msgspec.structs.replace(made, **changes)


def order(side: Side, ticks: int, lots: int = 1_000, level: int = 0, **changes: Any) -> LiveOrder:
    """Return an order of ours that has rested for a while."""
    made = LiveOrder(side, level, 1, ticks, lots, 0, NOW_MS - 10_000, pending=False, reference_ticks2=200_002)
    return made._replace(**changes)


LIVE = QuotingSettings.live().for_symbol(TERMS.symbol)
COMPAT = QuotingSettings.compat().for_symbol(TERMS.symbol)


def ticked(given: Features | None = None, state: SymbolState | None = None, config: Any = LIVE) -> TickResult:
    """Return what one tick makes of these."""
    return tick(given or features(), state or SymbolState(), config)
