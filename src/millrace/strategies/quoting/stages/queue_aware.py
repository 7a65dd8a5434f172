"""The fifth stage: where in the queues our prices would stand, and whether a small step nearer to the middle pays.

Prices are compared in integer ticks of the instrument and moved by whole ticks, so nothing is lost to binary fractions
(quoting 4.5). A step is never past the best price nor past the fair one, and each side waits its own time between two.
"""

from collections.abc import Sequence
from math import ceil, floor
from typing import NamedTuple

import msgspec

from millrace.core.binary_events import Levels
from millrace.core.commands import Side
from millrace.core.instrument import Lots, Ticks
from millrace.strategies.quoting.model import BPS, Features, LiveOrder, MarketData, NudgeReason, QueueAwareAdjustment
from millrace.strategies.quoting.queue_value import place_value_bps
from millrace.strategies.quoting.settings import QueueSettings

_LEAST_NUDGE_BPS = 0.01
_ON_TICK = 1e-9
"""Share of a tick by which rounding may have moved a fair price that lies on one."""
_FULL_PCT = 100.0
_BUY, _SELL = Side.BUY, Side.SELL
_NONE, _NUDGED, _HEADROOM, _COOLDOWN = NudgeReason.NONE, NudgeReason.NUDGED, NudgeReason.HEADROOM, NudgeReason.COOLDOWN
DISABLED = QueueAwareAdjustment(0.0, 0.0, 0, 0, 0.0, 0.0, NudgeReason.DISABLED)


class QueueState(msgspec.Struct, frozen=True, gc=False):
    """When each side was last nudged; None: never."""

    bid_nudged_ms: int | None = None
    ask_nudged_ms: int | None = None


class QueuePlace(NamedTuple):
    """A place in the queues of one side: lots ahead of us, their share in percent of those that are visible.

    The share has one decimal; `is_best` says that no price of others is better.
    """

    ahead: Lots
    percentile: float
    visible: Lots
    is_best: bool


class _Side(NamedTuple):
    """What is the same for every question about one side: fair price in units of the instrument, trades against it.

    `own` are our orders of the side, `counted` those of them that the levels count in.
    """

    levels: Levels
    side: Side
    best: Ticks
    fair: float
    tick: Ticks
    fee_bps: float
    own: Sequence[LiveOrder]
    counted: Sequence[LiveOrder]
    lots_per_sec: float | None


_Judged = tuple[Ticks, Lots, float, NudgeReason, bool]
"""Ticks towards the middle, lots ahead and percentile at the wanted price, why, whether the order may advance."""


def place_at(
    levels: Levels, side: Side, ticks: Ticks, depth: int, own: Sequence[LiveOrder] = (), own_ahead: Lots | None = None
) -> QueuePlace:
    """Return the place of an order that joins the back at a price, or that has `own_ahead` lots before it there.

    `own` are orders of ours that the levels count in; they do not stand before us. A price worse than all that is
    visible has all of it ahead; an empty side has nothing.
    """
    buys = side is _BUY
    ahead = visible = 0
    best = True
    for at, lots in levels[:depth]:
        if own:
            lots = _without(lots, at, own)  # noqa: PLW2901 - what stands there besides us
        visible += lots
        if at == ticks:
            ahead += lots if own_ahead is None or own_ahead > lots else own_ahead
        elif (at > ticks) is buys:
            ahead += lots
            best = False
    return QueuePlace(ahead, round(_FULL_PCT * ahead / visible, 1) if visible else 0.0, visible, best)


def _without(lots: Lots, at: Ticks, own: Sequence[LiveOrder]) -> Lots:
    for order in own:
        if order.ticks == at:
            lots -= order.lots - order.filled
    return max(lots, 0)


def step_towards_best(
    ticks: Ticks, best: Ticks, fair: float | None, side: Side, tick: Ticks, max_reprice_bps: float
) -> Ticks:
    """Return how far a price may move towards the best, in ticks >= 0: whole ticks, not past best or fair.

    `fair` is in units of the instrument. Moves of less than 0.01 bps are none.
    """
    most = floor(ticks * max_reprice_bps / BPS / tick + _ON_TICK) * tick
    if side is _BUY:
        step = min(most, best - ticks)
        if fair is not None:
            step = min(step, floor(fair / tick + _ON_TICK) * tick - ticks)
    else:
        step = min(most, ticks - best)
        if fair is not None:
            step = min(step, ticks - ceil(fair / tick - _ON_TICK) * tick)
    return step if step > 0 and step / ticks * BPS >= _LEAST_NUDGE_BPS else 0


def queue_stage(
    features: Features,
    book: MarketData,
    bid: Ticks,
    ask: Ticks,
    state: QueueState,
    cfg: QueueSettings,
    cooldown_until_ms: int = 0,
) -> tuple[QueueAwareAdjustment, QueueState]:
    """Return the nudges of both prices, given on their ticks, and when each side was last nudged."""
    if not cfg.enabled:
        return DISABLED, state
    now = features.now_ms
    cooling = now < cooldown_until_ms
    below, above = _sides(features, book, cfg)
    down, bid_ahead, bid_pct, bid_reason, bid_may = _judged(below, bid, now, state.bid_nudged_ms, cfg, cooling)
    up, ask_ahead, ask_pct, ask_reason, ask_may = _judged(above, ask, now, state.ask_nudged_ms, cfg, cooling)
    bid_bps = ask_bps = 0.0
    if down or up:
        reason = _NUDGED
        state = QueueState(now if down else state.bid_nudged_ms, now if up else state.ask_nudged_ms)
        bid_bps, ask_bps = down / bid * BPS, -up / ask * BPS
    else:
        reason = bid_reason if bid_reason is not _NONE else ask_reason
    adjustment = QueueAwareAdjustment(
        bid_bps, ask_bps, bid_ahead, ask_ahead, bid_pct, ask_pct, reason, down, -up, bid_may, ask_may
    )
    return adjustment, state


def _sides(features: Features, book: MarketData, cfg: QueueSettings) -> tuple[_Side, _Side]:
    """Put together what both sides are judged by; the rates are None where percentiles are to decide."""
    terms = features.terms
    fair = features.microprice / terms.price_unit
    bids: list[LiveOrder] = []
    asks: list[LiveOrder] = []
    for order in features.live:
        (bids if order.side is _BUY else asks).append(order)
    sold = bought = None
    if cfg.moves_per_sec and cfg.rule == "value":
        sold, bought = features.taker_sell_lots_per_sec or None, features.taker_buy_lots_per_sec or None
    tick, fee = terms.tick, terms.maker_fee_bps
    bids_in = _resting(bids) if cfg.own_in_book else ()
    asks_in = _resting(asks) if cfg.own_in_book else ()
    return (
        _Side(book.bids, _BUY, book.best_bid, fair, tick, fee, bids, bids_in, sold),
        _Side(book.asks, _SELL, book.best_ask, fair, tick, fee, asks, asks_in, bought),
    )


def _resting(orders: list[LiveOrder]) -> Sequence[LiveOrder]:
    for order in orders:
        if order.pending:
            return [one for one in orders if not one.pending]
    return orders


def _judged(
    side: _Side, ticks: Ticks, now_ms: int, nudged_ms: int | None, cfg: QueueSettings, cooling: bool
) -> _Judged:
    """Judge one side: the place of its wanted price, a step nearer, and whether its order may give its own up."""
    levels, word, best, fair, tick, _, own, counted, _ = side
    depth = cfg.book_depth_levels
    first = ahead_of_first = None
    for order in own:
        if order.level == 0 and not order.cancelling:
            first = order
            if order.ticks == ticks:
                ahead_of_first = order.queue_ahead
    place = place_at(levels, word, ticks, depth, counted, ahead_of_first)
    may_advance = True
    if first is not None and (first.ticks < ticks if word is _BUY else first.ticks > ticks):
        kept = place_at(levels, word, first.ticks, depth, counted, first.queue_ahead)
        may_advance = _is_better(side, (first.ticks, kept), (ticks, place), cfg)
    ahead, percentile, _, is_best = place
    if cooling:
        return 0, ahead, percentile, _COOLDOWN, may_advance
    if is_best or (side.lots_per_sec is None and percentile <= cfg.join_threshold_pct):
        return 0, ahead, percentile, _NONE, may_advance
    step = step_towards_best(ticks, best, fair, word, tick, cfg.max_reprice_bps)
    if not step:
        return 0, ahead, percentile, _NONE, may_advance
    nearer = ticks + step if word is _BUY else ticks - step
    if not _is_better(side, (ticks, place), (nearer, None), cfg):
        return 0, ahead, percentile, _NONE, may_advance
    if nudged_ms is not None and now_ms - nudged_ms < cfg.headroom_ms:
        return 0, ahead, percentile, _HEADROOM, may_advance
    return step, ahead, percentile, _NUDGED, may_advance


def _is_better(
    side: _Side, old: tuple[Ticks, QueuePlace], new: tuple[Ticks, QueuePlace | None], cfg: QueueSettings
) -> bool:
    """Tell whether the back of the queue at a better price is worth more than the place at the old one (4.5).

    Without measured rates a place is given up when too much of the visible queue is ahead of it.
    """
    rate = side.lots_per_sec
    if rate is None:
        return old[1].percentile > cfg.join_threshold_pct
    there = new[1] or place_at(side.levels, side.side, new[0], cfg.book_depth_levels, side.counted)
    kept = place_value_bps(old[1].ahead, _edge_bps(side, old[0]), rate, cfg)
    moved = place_value_bps(there.ahead, _edge_bps(side, new[0]), rate, cfg)
    return moved - kept - cfg.move_fee_bps > cfg.min_gain_bps


def _edge_bps(side: _Side, ticks: Ticks) -> float:
    """Return what a fill at a price earns against the fair one, after the maker's fee."""
    away = side.fair - ticks if side.side is _BUY else ticks - side.fair
    return away / side.fair * BPS - side.fee_bps
