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
from millrace.strategies.quoting.model import (
    BPS,
    Features,
    GuardAssessment,
    LiveOrder,
    MarketData,
    NudgeReason,
    QueueAwareAdjustment,
)
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
    is_best: bool


_Look = tuple[Lots, float, bool]
"""Lots ahead, their percentile, and whether no price is better: a `QueuePlace` as plain values, for speed."""
_Judged = tuple[Ticks, Lots, float, NudgeReason, bool]
"""Ticks towards the middle, lots ahead and percentile at the wanted price, why, whether the order may advance."""


def place_at(
    levels: Levels, side: Side, ticks: Ticks, depth: int, own: Sequence[LiveOrder] = (), own_ahead: Lots | None = None
) -> QueuePlace:
    """Return the place of an order that joins the back at a price, or that has `own_ahead` lots before it there.

    `own` are orders of ours that the levels count in; they do not stand before us. A price worse than all that is
    visible has all of it ahead; an empty side has nothing.
    """
    return QueuePlace(*_look(levels[:depth], ticks, own, own_ahead, side is _BUY))


def _look(levels: Levels, ticks: Ticks, own: Sequence[LiveOrder], own_ahead: Lots | None, buys: bool) -> _Look:
    ahead = visible = 0
    best = True
    for at, lots in levels:
        if own:
            lots = _without(lots, at, own)  # noqa: PLW2901 - what stands there besides us
        visible += lots
        if at == ticks:
            ahead += lots if own_ahead is None or own_ahead > lots else own_ahead
        elif (at > ticks) is buys:
            ahead += lots
            best = False
    return ahead, round(_FULL_PCT * ahead / visible, 1) if ahead else 0.0, best


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
    guards: GuardAssessment | None = None,
    advance_from: float = 0.0,
) -> tuple[QueueAwareAdjustment, QueueState]:
    """Return the nudges of both prices, given on their ticks, and when each side was last nudged.

    A side that the guards have moved away is not nudged back: that would undo what they did (quoting 11, SOFT never
    narrows). Whether an order may give up its place is asked only where its price is `advance_from` better or more,
    because Emit moves none for less.
    """
    if not cfg.enabled:
        return DISABLED, state
    now = features.now_ms
    bids: list[LiveOrder] = []
    asks: list[LiveOrder] = []
    for order in features.live:
        (bids if order.side is _BUY else asks).append(order)
    bid_stop = ask_stop = None
    if now < cooldown_until_ms:
        bid_stop = ask_stop = _COOLDOWN
    elif guards is not None:
        bid_stop = _NONE if guards.widen_bid_bps > 0.0 else None
        ask_stop = _NONE if guards.widen_ask_bps > 0.0 else None
    last = state.bid_nudged_ms
    if bid_stop is None and last is not None and now - last < cfg.headroom_ms:
        bid_stop = _HEADROOM
    last = state.ask_nudged_ms
    if ask_stop is None and last is not None and now - last < cfg.headroom_ms:
        ask_stop = _HEADROOM
    down, bid_ahead, bid_pct, bid_reason, bid_may = _judged(
        features, book, cfg, bid, bids, bid_stop, advance_from, True
    )
    up, ask_ahead, ask_pct, ask_reason, ask_may = _judged(features, book, cfg, ask, asks, ask_stop, advance_from, False)
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


def _judged(
    features: Features,
    book: MarketData,
    cfg: QueueSettings,
    ticks: Ticks,
    own: list[LiveOrder],
    stop: NudgeReason | None,
    advance_from: float,
    buys: bool,
) -> _Judged:
    """Judge one side: the place of its wanted price, a step nearer, and whether its order may give its own up.

    `stop` is why it is not nudged, whatever its place. Arguments are positional: this is half of what a tick costs.
    """
    levels = (book.bids if buys else book.asks)[: cfg.book_depth_levels]
    deepest = levels[-1].ticks if levels else ticks
    first = ahead_of_first = None
    counted: list[LiveOrder] = []
    for order in own:
        at = order.ticks
        if order.level == 0 and not order.cancelling:
            first = order
            if at == ticks:
                ahead_of_first = order.queue_ahead
        if not order.pending and cfg.own_in_book and (at >= deepest if buys else at <= deepest):
            counted.append(order)
    place = _look(levels, ticks, counted, ahead_of_first, buys)
    ahead, percentile, is_best = place
    may_advance = True
    if first is not None:
        nearer_by = ticks - first.ticks if buys else first.ticks - ticks
        if nearer_by > 0 and nearer_by >= advance_from:
            kept = _look(levels, first.ticks, counted, first.queue_ahead, buys)
            may_advance = _is_better(features, cfg, (first.ticks, kept), (ticks, place), buys)
    if is_best or (percentile <= cfg.join_threshold_pct and not cfg.moves_per_sec):
        return 0, ahead, percentile, _COOLDOWN if stop is _COOLDOWN else _NONE, may_advance
    if stop is not None:
        return 0, ahead, percentile, stop, may_advance
    step = _step(features, book, cfg, ticks, (levels, counted, place), buys)
    return step, ahead, percentile, _NUDGED if step else _NONE, may_advance


def _step(
    features: Features,
    book: MarketData,
    cfg: QueueSettings,
    ticks: Ticks,
    seen: tuple[Levels, list[LiveOrder], _Look],
    buys: bool,
) -> Ticks:
    """Return how many ticks nearer a price should stand, 0 where its place is worth more."""
    terms = features.terms
    best, side = (book.best_bid, _BUY) if buys else (book.best_ask, _SELL)
    step = step_towards_best(ticks, best, features.microprice / terms.price_unit, side, terms.tick, cfg.max_reprice_bps)
    if not step:
        return 0
    levels, counted, place = seen
    nearer = ticks + step if buys else ticks - step
    there = _look(levels, nearer, counted, None, buys) if cfg.moves_per_sec else place
    return step if _is_better(features, cfg, (ticks, place), (nearer, there), buys) else 0


def _is_better(
    features: Features, cfg: QueueSettings, old: tuple[Ticks, _Look], new: tuple[Ticks, _Look], buys: bool
) -> bool:
    """Tell whether the back of the queue at a better price is worth more than the place at the old one (4.5).

    Without measured rates a place is given up when too much of the visible queue is ahead of it.
    """
    rate = features.taker_sell_lots_per_sec if buys else features.taker_buy_lots_per_sec
    if not rate or not cfg.moves_per_sec or cfg.rule != "value":
        return old[1][1] > cfg.join_threshold_pct
    terms = features.terms
    fair = features.microprice / terms.price_unit
    values = []
    for ticks, place in (old, new):
        edge = (fair - ticks if buys else ticks - fair) / fair * BPS - terms.maker_fee_bps
        values.append(place_value_bps(place[0], edge, rate, cfg))
    return values[1] - values[0] - cfg.move_fee_bps > cfg.min_gain_bps
