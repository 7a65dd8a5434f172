"""The prices and sizes that a symbol wants to rest with now: steps A to C of Emit (quoting 4.6).

Prices are rounded away from the middle, kept from taking and kept apart. What the venue keeps of a round trip has the
last word, so no other limit can make a pair narrower than that. Sizes are made smaller only, and all of a side together
never fill more than what the position may still move that way.
"""

from math import ceil
from typing import NamedTuple

from millrace.core.commands import Side
from millrace.core.instrument import Lots, Ticks
from millrace.strategies.quoting.model import (
    BPS,
    Features,
    GuardAssessment,
    InventoryAdjustment,
    MarketData,
    QueueAwareAdjustment,
    Quote,
    SpreadDecision,
    SymbolTerms,
)
from millrace.strategies.quoting.settings import EmitSettings
from millrace.strategies.quoting.stages.prices import reference_price, wanted_ticks

_EXACT = 1e-6
"""Share of a tick or a lot that binary fractions may have moved a number by."""
_HALF_UNIT = 0.5
"""Of money: a cost that is exactly the least one passes whatever fractions made of it."""
_STRESS_LEVELS_LESS = 0.25
"""Levels that one step of the auto-policy takes away, as a share of those of the settings."""


class Room(NamedTuple):
    """Lots that all orders of a side together may fill, 0 where the side is not quoted."""

    bid: Lots
    ask: Lots


class Pair(NamedTuple):
    """Bid and ask on ticks; with `crossed` they would have met, and only a side that closes may be quoted."""

    bid: Ticks
    ask: Ticks
    crossed: bool


def exact_pair(book: MarketData, bid: Ticks, ask: Ticks, least_width: Ticks, position: Lots) -> Pair:
    """Return prices on ticks as a pair that takes nothing and is at least `least_width` wide.

    What lacks in width is given half by each side, an odd tick by the side that would grow the position.
    """
    tick = book.terms.tick
    highest, lowest = (book.best_ask - 1) // tick * tick, (book.best_bid // tick + 1) * tick
    bid = min(bid, highest)
    ask = max(ask, lowest)
    crossed = bid >= ask
    lacking = least_width - (ask - bid)
    if lacking > 0:
        smaller = lacking // (2 * tick) * tick
        larger = lacking - smaller
        bid, ask = (bid - smaller, ask + larger) if position < 0 else (bid - larger, ask + smaller)
    return Pair(bid, ask, crossed)


def room_of(features: Features, guards: GuardAssessment) -> Room:
    """Return what may fill on each side: up to the largest position, or no more than closes what is held."""
    position, most = features.position, features.max_position
    blocked, reduce_only = guards.blocked_sides, guards.reduce_only_sides
    closes = features.portfolio.reduce_only or not features.allocation.active
    bid = -position if closes or reduce_only.blocks(Side.BUY) else most - position
    ask = position if closes or reduce_only.blocks(Side.SELL) else most + position
    return Room(
        0 if bid < 0 or blocked.blocks(Side.BUY) else bid,
        0 if ask < 0 or blocked.blocks(Side.SELL) else ask,
    )


def level_count(features: Features, cfg: EmitSettings) -> int:
    """Return how many levels a side has: those of the settings, fewer under stress or with a small allocation."""
    levels = cfg.levels
    stress = features.portfolio.stress_level
    if stress:
        levels = max(1, int(levels * (1.0 - _STRESS_LEVELS_LESS * stress)))
    return max(1, min(levels, features.allocation.max_quotes))


def wanted_quotes(
    features: Features,
    book: MarketData,
    spread: SpreadDecision,
    guards: GuardAssessment,
    inventory: InventoryAdjustment,
    queue: QueueAwareAdjustment,
    room: Room,
    cfg: EmitSettings,
) -> tuple[Quote, ...]:
    """Return the quotes of all levels, the nearest first; a symbol that drains closes in quotes of the base size."""
    terms, position = book.terms, features.position
    tick = terms.tick
    middle = reference_price(features, book, cfg.reference)
    bid, ask = wanted_ticks(middle, tick, spread, guards, inventory)
    width = max(ceil(spread.floor_bps * middle / (BPS * tick) - _EXACT), 1) * tick
    bid, ask, crossed = exact_pair(book, bid + queue.bid_nudge_ticks, ask + queue.ask_nudge_ticks, width, position)
    room_bid = 0 if crossed and position >= 0 else room.bid
    room_ask = 0 if crossed and position <= 0 else room.ask
    size = cfg.base_size_usd / (middle * terms.price_unit * terms.lot_unit)
    size *= guards.scale_factor * (features.allocation.size_multiplier if features.allocation.active else 1.0)
    step = 0
    quotes: list[Quote] = []
    for level in range(level_count(features, cfg)):
        if level:
            step = step or max(ceil(cfg.level_spacing * spread.spread_bps * middle / (BPS * tick) - _EXACT), 1) * tick
            size *= 1.0 - cfg.level_size_step
        below, above = bid - level * step, ask + level * step
        bid_lots = _size(size * inventory.bid_scale, room_bid, below, terms)
        ask_lots = _size(size * inventory.ask_scale, room_ask, above, terms)
        room_bid -= bid_lots
        room_ask -= ask_lots
        quotes.append(Quote(level, below, above, bid_lots, ask_lots))
    return tuple(quotes)


def is_tradable(lots: Lots, ticks: Ticks, terms: SymbolTerms) -> bool:
    """Tell whether a venue takes an order of this size."""
    if lots <= 0 or ticks <= 0 or lots < terms.min_lots:
        return False
    cost = ticks * terms.price_unit * lots * terms.lot_unit * terms.cost_unit
    return cost + _HALF_UNIT >= terms.min_cost


def _size(lots: float, room: Lots, ticks: Ticks, terms: SymbolTerms) -> Lots:
    whole = int(min(lots + _EXACT, room)) // terms.lot * terms.lot
    return whole if is_tradable(whole, ticks, terms) else 0
