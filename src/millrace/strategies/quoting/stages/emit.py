"""From all that the stages decided to the orders of a symbol: the last stage of a tick (quoting 4.6, 4.7).

It looks at the orders that rest, and in the usual case finds that each is near enough to what is wanted and says
nothing. A halt is a normal result: everything of the symbol is taken off the book.
"""

from operator import attrgetter
from typing import NamedTuple

from millrace.core.commands import Side
from millrace.strategies.quoting.guards.triggers import ONLY_GROWTH
from millrace.strategies.quoting.model import (
    BPS,
    Features,
    Freshness,
    GuardAssessment,
    GuardLevel,
    IntentKind,
    InventoryAdjustment,
    LiveOrder,
    MarketData,
    OrderIntent,
    QueueAwareAdjustment,
    Quote,
    SpreadDecision,
)
from millrace.strategies.quoting.quotes.diff import Rules, SideRules, diffed
from millrace.strategies.quoting.quotes.fast_cancel import FastCancels
from millrace.strategies.quoting.quotes.reasons import Reason
from millrace.strategies.quoting.quotes.state import EmitState
from millrace.strategies.quoting.quotes.wanted import Aim, Room, room_of, wanted_quotes
from millrace.strategies.quoting.settings import EmitSettings

_ORDER_OF_KINDS = {IntentKind.CANCEL: 0, IntentKind.AMEND: 1, IntentKind.PLACE: 2}
_STRESS_SLOWER = 0.15
_STRESS_MIN_TIME_MS = 60_000
_STRESS_REPLACE_BPS = 100.0
"""What one step of the auto-policy adds to time in the book and to the way that is replaced, and how far at most."""


class Emitted(NamedTuple):
    """What a tick wants and what is done for it; `kept` counts orders that stay where they are."""

    quotes: tuple[Quote, ...]
    intents: tuple[OrderIntent, ...]
    kept: int
    state: EmitState


def emit_stage(
    features: Features,
    book: MarketData,
    freshness: Freshness,
    aim: Aim,
    spread: SpreadDecision,
    guards: GuardAssessment,
    inventory: InventoryAdjustment,
    queue: QueueAwareAdjustment,
    taken_back: FastCancels,
    state: EmitState,
    cfg: EmitSettings,
) -> Emitted:
    """Return the wanted quotes, the intents that lead to them, and the state for the next tick.

    `aim` are the prices before nudges; `taken_back` is what `fast_cancels` said at the beginning of the tick.
    """
    if guards.should_halt:
        return Emitted((), pull_all(features, guards.reasons[0].key), 0, cooled(state, taken_back))
    room = room_of(features, guards)
    quotes = wanted_quotes(features, book, aim, spread, guards, inventory, queue, room, cfg)
    middle = (book.best_bid + book.best_ask) / 2.0
    band = max(float(book.terms.tick), cfg.amend_price_threshold_bps * middle / BPS)
    if not taken_back.orders and _all_stay(features, quotes, room, guards, band, cfg.amend_size_threshold):
        return Emitted(quotes, (), len(features.live), cooled(state, taken_back))
    return _diffed(features, book, freshness, guards, queue, taken_back, state, cfg, quotes, room, band)


def pull_all(features: Features, reason: str) -> tuple[OrderIntent, ...]:
    """Return cancels of all that rests or is on its way: a halt, a fault, or what the board refuses (quoting 4.7)."""
    orders = sorted((order for order in features.live if not order.cancelling), key=_side_and_level)
    return tuple(
        OrderIntent(IntentKind.CANCEL, order.side, order.level, order.generation, order.ticks, order.rest, reason, True)
        for order in orders
    )


_side_and_level = attrgetter("side", "level", "generation")


def cooled(state: EmitState, taken_back: FastCancels) -> EmitState:
    """Return the state with the cool-down that the fast cancels began."""
    if taken_back.cooldown_until_ms == state.cooldown_until_ms:
        return state
    return EmitState(state.bids, state.asks, taken_back.cooldown_until_ms)


def _all_stay(
    features: Features, quotes: tuple[Quote, ...], room: Room, guards: GuardAssessment, band: float, size_share: float
) -> bool:
    """Tell whether every wanted order rests near enough and nothing else does: the usual tick, decided without more.

    On a side in danger an order that is a tick too near does not stay (`quotes.diff`).
    """
    wanted = 0
    for quote in quotes:
        wanted += (quote.bid_lots > 0) + (quote.ask_lots > 0)
    if wanted != len(features.live):
        return False
    bid_danger, ask_danger = _in_danger(features, guards)
    bid_band, ask_band = 1 if bid_danger else band, 1 if ask_danger else band
    bids = asks = seen = 0
    for order in features.live:
        level = order.level
        if level >= len(quotes) or order.pending:
            return False
        quote = quotes[level]
        rest = order.lots - order.filled
        if order.side is Side.BUY:
            away, lots, bit = order.ticks - quote.bid_ticks, quote.bid_lots, 1 << level
            bids += rest
            if away >= bid_band:
                return False
        else:
            away, lots, bit = quote.ask_ticks - order.ticks, quote.ask_lots, 1 << level + len(quotes)
            asks += rest
            if away >= ask_band:
                return False
        if seen & bit or not lots or -away >= band or abs(lots - rest) > rest * size_share:
            return False
        seen |= bit
    return bids <= room.bid and asks <= room.ask


def _diffed(
    features: Features,
    book: MarketData,
    freshness: Freshness,
    guards: GuardAssessment,
    queue: QueueAwareAdjustment,
    taken_back: FastCancels,
    state: EmitState,
    cfg: EmitSettings,
    quotes: tuple[Quote, ...],
    room: Room,
    band: float,
) -> Emitted:
    live, allocation = features.live, features.allocation
    rules = Rules(
        features.now_ms,
        book.terms,
        band,
        cfg.replace_threshold_bps * (book.best_bid + book.best_ask) / (2.0 * BPS),
        cfg.amend_size_threshold,
        cfg.min_time_in_book_ms,
        cfg.refresh_floor_ms / (allocation.refresh_multiplier or 1.0),
        cfg.cancel_stale_ms,
        cfg.max_active_orders,
        freshness.may_place,
        features.now_ms < taken_back.cooldown_until_ms,
    )
    if features.portfolio.stress_level:
        rules = _slowed(rules, features.portfolio.stress_level, book, cfg)
    bids: list[LiveOrder] = []
    asks: list[LiveOrder] = []
    highest = lowest = 0
    for order in live:
        if order.side is Side.BUY:
            bids.append(order)
            highest = max(highest, order.ticks)
        else:
            asks.append(order)
            lowest = order.ticks if order.ticks < lowest or not lowest else lowest
    bid_danger, ask_danger = _in_danger(features, guards)
    words = taken_back.orders
    why = why_off(features, guards, Side.BUY, room.bid) if bids else Reason.NEW
    below_rules = SideRules(Side.BUY, room.bid, bid_danger, queue.bid_may_advance, why, lowest, words)
    why = why_off(features, guards, Side.SELL, room.ask) if asks else Reason.NEW
    above_rules = SideRules(Side.SELL, room.ask, ask_danger, queue.ask_may_advance, why, highest, words)
    below = diffed(rules, below_rules, [(q.bid_ticks, q.bid_lots) for q in quotes], bids, state.bids, len(live))
    wanted = [(q.ask_ticks, q.ask_lots) for q in quotes]
    above = diffed(rules, above_rules, wanted, asks, state.asks, below.orders)
    intents = below.intents + above.intents
    if len(intents) > 1:
        intents.sort(key=_order_of)
    after = EmitState(below.slots, above.slots, taken_back.cooldown_until_ms)
    return Emitted(quotes, tuple(intents), below.kept + above.kept, state if after == state else after)


def _in_danger(features: Features, guards: GuardAssessment) -> tuple[bool, bool]:
    """Tell of bid and ask whether a tick too near is too near: where a guard has a reason against that side (4.6).

    Too much inventory is a reason against the side that would hold more of it. The other one would only leave its place
    in the queue at each tick by which the market comes to it, and the position would stay for longer.
    """
    bid, ask = guards.widen_bid_bps, guards.widen_ask_bps
    if guards.level is GuardLevel.NONE:
        return bid > 0.0, ask > 0.0
    if any(reason.level is not GuardLevel.NONE and reason.key not in ONLY_GROWTH for reason in guards.reasons):
        return True, True
    return features.position >= 0 or bid > ask, features.position <= 0 or ask > bid


def _slowed(rules: Rules, level: int, book: MarketData, cfg: EmitSettings) -> Rules:
    """Return the rules under stress: each step of the auto-policy adds its share, up to the caps."""
    slower = 1.0 + _STRESS_SLOWER * level
    in_book = min(cfg.min_time_in_book_ms * slower, max(_STRESS_MIN_TIME_MS, cfg.min_time_in_book_ms))
    far = min(cfg.replace_threshold_bps * slower, max(_STRESS_REPLACE_BPS, cfg.replace_threshold_bps))
    return rules._replace(min_time_ms=in_book, replace_band=far * (book.best_bid + book.best_ask) / (2.0 * BPS))


def _order_of(intent: OrderIntent) -> tuple[int, bool, Side, int]:
    """Cancels, amends, places; inside each the defensive ones first, then by side and level."""
    return _ORDER_OF_KINDS[intent.kind], not intent.defensive, intent.side, intent.level


def why_off(features: Features, guards: GuardAssessment, side: Side, room: int) -> Reason:
    """Return why no order of a side is wanted, should none be."""
    if guards.blocked_sides.blocks(side):
        return Reason.BLOCKED
    if room:
        return Reason.TOO_SMALL
    closes = features.portfolio.reduce_only or not features.allocation.active or guards.reduce_only_sides.blocks(side)
    return Reason.CLOSING_ONLY if closes else Reason.NO_ROOM
