"""From distances in bps to exact ticks: arithmetic that the queue stage and Emit share (quoting 4.6, steps A and B).

Were it written twice, the queue stage would judge another price than the one that leaves. Floats end here: a bid is
floored and an ask ceiled to the instrument's tick, and a float that lies on a tick but for rounding stays on it.
"""

from math import ceil, floor

from millrace.core.instrument import Ticks
from millrace.strategies.quoting.model import (
    BPS,
    Features,
    GuardAssessment,
    InventoryAdjustment,
    MarketData,
    SpreadDecision,
)

_ON_TICK = 1e-6
"""Share of a tick that rounding may have moved a price by: far more than doubles do, far less than anybody means."""


def raw_prices(reference: float, spread_bps: float, bid_bps: float, ask_bps: float) -> tuple[float, float]:
    """Return bid and ask around a reference, each side's distance half the width and its own increment (step A)."""
    half = spread_bps / 2.0
    return reference * (1.0 - (half + bid_bps) / BPS), reference * (1.0 + (half + ask_bps) / BPS)


def bid_on_tick(price: float, tick: Ticks) -> Ticks:
    """Floor a price, given in units of the instrument, to its tick."""
    return floor(price / tick + _ON_TICK) * tick


def ask_on_tick(price: float, tick: Ticks) -> Ticks:
    """Ceil a price to the tick."""
    return ceil(price / tick - _ON_TICK) * tick


def reference_price(features: Features, book: MarketData, reference: str) -> float:
    """Return what distances are measured from, in units of the instrument: the middle or the microprice."""
    if reference == "microprice":
        return features.microprice / features.terms.price_unit
    return (book.best_bid + book.best_ask) / 2.0


def wanted_ticks(
    reference: float, tick: Ticks, spread: SpreadDecision, guards: GuardAssessment, inventory: InventoryAdjustment
) -> tuple[Ticks, Ticks]:
    """Return the prices that spread, guards and inventory ask for, before any nudge."""
    bid, ask = raw_prices(
        reference,
        spread.spread_bps,
        guards.widen_bid_bps - inventory.bid_adjustment_bps,
        guards.widen_ask_bps + inventory.ask_adjustment_bps,
    )
    return bid_on_tick(bid, tick), ask_on_tick(ask, tick)
