"""Features, decisions and orders of one symbol for tests of guards and Emit, and a venue that does what it is told."""

from typing import Any

from millrace.core.binary_events import BookLevel
from millrace.core.commands import Side
from millrace.strategies.quoting.model import (
    EVEN_ALLOCATION,
    NO_PORTFOLIO,
    BlockedSides,
    Features,
    Freshness,
    GuardAssessment,
    GuardLevel,
    IntentKind,
    InventoryAdjustment,
    LiveOrder,
    MarketData,
    NudgeReason,
    OrderIntent,
    QueueAwareAdjustment,
    SkewReason,
    SpreadDecision,
    SpreadReason,
    SymbolTerms,
)
from millrace.strategies.quoting.quotes.wanted import Aim
from millrace.strategies.quoting.stages.prices import wanted_ticks

TERMS = SymbolTerms("AAA/USDT", 1, 1, 1, 0, 0.01, 0.001, 1e8, 1.0, 5.0)
"""Prices in cents, sizes in thousandths; a quote of 100 in quote currency at a middle of 100.00 is 1,000 lots."""
FRESH = Freshness(5, True, True, False, True)
FLAT = InventoryAdjustment(0.0, 0.0, 0.0, 0.0, SkewReason.DEADBAND)
IN_PLACE = QueueAwareAdjustment(0.0, 0.0, 0, 0, 0.0, 0.0, NudgeReason.NONE)
OPEN = GuardAssessment(GuardLevel.NONE, 1.0, (), False, 0.0, 0.0, BlockedSides.NONE, 0)


def book(bid: int = 9_999, ask: int = 10_001, terms: SymbolTerms = TERMS) -> MarketData:
    """Return a book of one level with 5,000 lots on each side."""
    mid = (bid + ask) / 2.0 * terms.price_unit
    bids, asks = (BookLevel(bid, 5_000),), (BookLevel(ask, 5_000),)
    return MarketData(terms, bid, ask, 5_000, 5_000, mid, 0, 0, 1, bids, asks)


def features(data: MarketData | None = None, **changed: Any) -> Features:
    """Return the features of a quiet symbol, with what is `changed`."""
    data = data or book()
    values: dict[str, Any] = {
        "terms": data.terms,
        "tick": 1,
        "now_ms": 1_000_000,
        "book": data,
        "book_fault": "",
        "md_gap": False,
        "microprice": data.mid_price,
        "depth_bid": 5.0,
        "depth_ask": 5.0,
        "imbalance": 0.0,
        "ofi_1s": 0.0,
        "ofi_10s_z": 0.0,
        "vol_bps_sqrt_sec": 0.0,
        "vol_abs_ema_bps": 0.0,
        "vol_stdev_bps": 0.0,
        "latency_p95_ms": 20.0,
        "latency_n": 50,
        "pnl_mean": None,
        "pnl_z": None,
        "day_pnl": 0.0,
        "position": 0,
        "max_position": 100_000,
        "inventory_pct": 0.0,
        "taker_fills": 0,
        "trade_rate_per_sec": None,
        "live": (),
        "portfolio": NO_PORTFOLIO,
        "allocation": EVEN_ALLOCATION,
    }
    return Features(**values | changed)


def width(spread_bps: float, floor_bps: float = 0.0) -> SpreadDecision:
    """Return a decision for this width."""
    return SpreadDecision(
        spread_bps, SpreadReason.ADAPTIVE, 1.0, spread_bps, 0.0, 0.0, 0.0, 0.0, 0.0, floor_bps=floor_bps
    )


def aimed(data: MarketData, spread: SpreadDecision, guards: GuardAssessment, inventory: InventoryAdjustment) -> Aim:
    """Return the prices around the middle, as the pipeline hands them to the queue stage and to Emit."""
    middle = (data.best_bid + data.best_ask) / 2.0
    return Aim(middle, *wanted_ticks(middle, data.terms.tick, spread, guards, inventory))


def resting(
    side: Side, ticks: int, lots: int = 1_000, *, level: int = 0, generation: int = 1, at_ms: int = 900_000, **more: Any
) -> LiveOrder:
    """Return an order of ours that was placed at a middle of 10,000."""
    values = {"filled": 0, "pending": False, "reference_ticks2": 20_000} | more
    return LiveOrder(side, level, generation, ticks, lots, placed_ms=at_ms, **values)


def done(live: tuple[LiveOrder, ...], intents: tuple[OrderIntent, ...], data: MarketData, now_ms: int):
    """Return the live orders after a venue did all that it was told."""
    reference = data.best_bid + data.best_ask
    orders = {(order.side, order.level, order.generation): order for order in live}
    for intent in intents:
        name = intent.side, intent.level, intent.generation
        if intent.kind is IntentKind.CANCEL:
            del orders[name]
        elif intent.kind is IntentKind.AMEND:
            orders[name] = orders[name]._replace(
                ticks=intent.ticks, lots=intent.lots, placed_ms=now_ms, reference_ticks2=reference
            )
        else:
            assert name not in orders
            orders[name] = LiveOrder(*name, intent.ticks, intent.lots, 0, now_ms, False, reference)
    return tuple(orders.values())
