"""The sixth stage: exact quotes, and the orders that lead to them (quoting 4.6).

This first version keeps one order a side and places it where none is. Levels, the diff and the throttle follow.
"""

from typing import NamedTuple

from millrace.core.commands import Side
from millrace.strategies.quoting.model import (
    Features,
    Freshness,
    GuardAssessment,
    IntentKind,
    InventoryAdjustment,
    MarketData,
    OrderIntent,
    QueueAwareAdjustment,
    Quote,
    SpreadDecision,
)
from millrace.strategies.quoting.quotes.fast_cancel import FastCancels
from millrace.strategies.quoting.quotes.state import EmitState, SlotMemory
from millrace.strategies.quoting.settings import EmitSettings
from millrace.strategies.quoting.stages.prices import reference_price, wanted_ticks


class Emitted(NamedTuple):
    """What a tick wants and what is done for it; `kept` counts orders that stay where they are."""

    quotes: tuple[Quote, ...]
    intents: tuple[OrderIntent, ...]
    kept: int
    state: EmitState


def pull_all(features: Features, reason: str) -> tuple[OrderIntent, ...]:
    """Return cancels of every order of the symbol that has none on its way."""
    return tuple(
        OrderIntent(IntentKind.CANCEL, order.side, order.level, order.generation, order.ticks, order.rest, reason, True)
        for order in features.live
        if not order.cancelling
    )


def emit_stage(
    features: Features,
    book: MarketData,
    freshness: Freshness,
    spread: SpreadDecision,
    guards: GuardAssessment,
    inventory: InventoryAdjustment,
    queue: QueueAwareAdjustment,
    taken_back: FastCancels,
    state: EmitState,
    cfg: EmitSettings,
) -> Emitted:
    """Return the wanted quotes, the intents that lead to them, and the state for the next tick."""
    if guards.should_halt:
        return Emitted((), pull_all(features, guards.reasons[0].key), 0, state)
    terms = features.terms
    bid, ask = wanted_ticks(reference_price(features, book, cfg.reference), terms.tick, spread, guards, inventory)
    bid = min(bid + queue.bid_nudge_ticks, book.best_ask - terms.tick)
    ask = max(ask + queue.ask_nudge_ticks, book.best_bid + terms.tick)
    lots = int(cfg.base_size_usd * guards.scale_factor / (book.mid_price * terms.lot_unit)) // terms.lot * terms.lot
    quote = Quote(0, bid, ask, lots, lots)
    sides = {order.side for order in features.live}
    if taken_back.orders or not freshness.may_place or lots < terms.min_lots:
        return Emitted((quote,), (), len(sides), state)
    slots = [state.bids, state.asks]
    intents = []
    for place, side, ticks in ((0, Side.BUY, bid), (1, Side.SELL, ask)):
        if side not in sides:
            generation = slots[place][0].generation + 1 if slots[place] else 1
            intents.append(OrderIntent(IntentKind.PLACE, side, 0, generation, ticks, lots, "new", False))
            slots[place] = (SlotMemory(generation, features.now_ms),)
    return Emitted((quote,), tuple(intents), len(sides), EmitState(slots[0], slots[1], taken_back.cooldown_until_ms))
