"""The prices and sizes that a symbol wants to rest with now: steps A to C of Emit (quoting 4.6).

Prices are rounded away from the middle, kept from taking and kept apart. What the venue keeps of a round trip has the
last word, so no other limit can make a pair narrower than that. Sizes are made smaller only, and all of a side together
never fill more than what the position may still move that way.
"""

from math import ceil
from typing import NamedTuple

from millrace.core.commands import Side
from millrace.core.instrument import Lots, Ticks
from millrace.strategies.quoting.guards.triggers import LATENCY_UNKNOWN
from millrace.strategies.quoting.model import (
    BPS,
    BlockedSides,
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

_EXACT = 1e-6
"""Share of a tick or a lot that binary fractions may have moved a number by."""
_NO_SIDE = BlockedSides.NONE
_HALF_UNIT = 0.5
"""Of money: a cost that is exactly the least one passes whatever fractions made of it."""
_STRESS_LEVELS_LESS = 0.25
"""Levels that one step of the auto-policy takes away, as a share of those of the settings."""


class Room(NamedTuple):
    """Lots that all orders of a side together may fill, 0 where the side is not quoted."""

    bid: Lots
    ask: Lots


class Aim(NamedTuple):
    """What distances are measured from, in ticks, and the prices that spread, guards and inventory ask for.

    The queue stage was asked about the same prices (`stages.prices`); its nudges are not in them.
    """

    middle: float
    bid: Ticks
    ask: Ticks


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
    if bid >= book.best_ask:
        bid = (book.best_ask - 1) // tick * tick
    if ask <= book.best_bid:
        ask = (book.best_bid // tick + 1) * tick
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
    bid, ask = most - position, most + position
    closes = features.portfolio.reduce_only or not features.allocation.active
    blocked, reduce_only = guards.blocked_sides, guards.reduce_only_sides
    if closes or blocked is not _NO_SIDE or reduce_only is not _NO_SIDE:
        if closes or reduce_only.blocks(Side.BUY):
            bid = -position
        if closes or reduce_only.blocks(Side.SELL):
            ask = position
        if blocked.blocks(Side.BUY):
            bid = 0
        if blocked.blocks(Side.SELL):
            ask = 0
    return Room(max(0, bid), max(0, ask))


def level_count(features: Features, cfg: EmitSettings) -> int:
    """Return how many levels a side has: those of the settings, fewer under stress or with a small allocation."""
    levels = cfg.levels
    if levels == 1:
        return 1
    stress = features.portfolio.stress_level
    if stress:
        levels = int(levels * (1.0 - _STRESS_LEVELS_LESS * stress))
    return max(1, min(levels, features.allocation.max_quotes))


def wanted_quotes(
    features: Features,
    book: MarketData,
    aim: Aim,
    spread: SpreadDecision,
    guards: GuardAssessment,
    inventory: InventoryAdjustment,
    queue: QueueAwareAdjustment,
    room: Room,
    cfg: EmitSettings,
) -> tuple[Quote, ...]:
    """Return the quotes of all levels, the nearest first; a symbol that drains closes in quotes of the base size."""
    terms, position, allocation = book.terms, features.position, features.allocation
    tick, middle = terms.tick, aim.middle
    width = ceil(spread.floor_bps * middle / (BPS * tick) - _EXACT) * tick
    bid, ask, crossed = exact_pair(
        book, aim.bid + queue.bid_nudge_ticks, aim.ask + queue.ask_nudge_ticks, width if width > 0 else tick, position
    )
    room_bid, room_ask = room
    if crossed:
        room_bid, room_ask = room_bid if position < 0 else 0, room_ask if position > 0 else 0
    size = cfg.base_size_usd / (middle * terms.price_unit * terms.lot_unit) * guards.scale_factor
    if allocation.active:
        size *= allocation.size_multiplier
    bid_lots = _size(size * inventory.bid_scale, room_bid, bid, terms)
    ask_lots = _size(size * inventory.ask_scale, room_ask, ask, terms)
    if not (bid_lots or ask_lots) and guards.scale_factor < 1.0 and _is_probe(guards):
        full = size / guards.scale_factor * features.portfolio.size_scale
        bid_lots = _least(full * inventory.bid_scale, room_bid, bid, terms)
        ask_lots = _least(full * inventory.ask_scale, room_ask, ask, terms)
    first = Quote(0, bid, ask, bid_lots, ask_lots)
    levels = level_count(features, cfg)
    if levels == 1:
        return (first,)
    quotes = [first]
    step = max(ceil(cfg.level_spacing * spread.spread_bps * middle / (BPS * tick) - _EXACT), 1) * tick
    for level in range(1, levels):
        room_bid -= bid_lots
        room_ask -= ask_lots
        size *= 1.0 - cfg.level_size_step
        below, above = bid - level * step, ask + level * step
        bid_lots = _size(size * inventory.bid_scale, room_bid, below, terms)
        ask_lots = _size(size * inventory.ask_scale, room_ask, above, terms)
        quotes.append(Quote(level, below, above, bid_lots, ask_lots))
    return tuple(quotes)


def is_tradable(lots: Lots, ticks: Ticks, terms: SymbolTerms) -> bool:
    """Tell whether a venue takes an order of this size."""
    if lots <= 0 or ticks <= 0 or lots < terms.min_lots:
        return False
    cost = ticks * terms.price_unit * lots * terms.lot_unit * terms.cost_unit
    return cost + _HALF_UNIT >= terms.min_cost


def _is_probe(guards: GuardAssessment) -> bool:
    """Tell whether nobody knows how slow the venue is: then only the answer to an order can tell (4.3 addition 2)."""
    return any(reason.key == LATENCY_UNKNOWN for reason in guards.reasons)


def _least(lots: float, room: Lots, ticks: Ticks, terms: SymbolTerms) -> Lots:
    """Return the smallest order that the venue takes, where one of `lots` would be no smaller; else 0."""
    cost = ticks * terms.price_unit * terms.lot_unit * terms.cost_unit
    if cost <= 0.0:
        return 0
    least = -(-max(terms.min_lots, ceil(terms.min_cost / cost - _EXACT)) // terms.lot) * terms.lot
    return least if least <= min(room, lots + _EXACT) and is_tradable(least, ticks, terms) else 0


def _size(lots: float, room: Lots, ticks: Ticks, terms: SymbolTerms) -> Lots:
    lots += _EXACT
    whole = int(min(room, lots)) // terms.lot * terms.lot
    return whole if is_tradable(whole, ticks, terms) else 0
