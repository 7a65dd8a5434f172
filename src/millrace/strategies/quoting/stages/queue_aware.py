"""The fifth stage: where in the queues our prices would stand, and whether a small step nearer to the middle pays.

Prices are compared in integer ticks of the instrument and moved by whole ticks, so nothing is lost to binary fractions
(quoting 4.5). A step is never past the best price nor past the fair one, and each side waits its own time between two.
"""

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
DISABLED = QueueAwareAdjustment(0.0, 0.0, 0, 0, 0.0, 0.0, NudgeReason.DISABLED)


class QueueState(msgspec.Struct, frozen=True, gc=False):
    """When each side was last nudged; None: never."""

    bid_nudged_ms: int | None = None
    ask_nudged_ms: int | None = None


class QueuePlace(NamedTuple):
    """A place in the queues of one side: lots ahead of us, lots that are visible, and whether no price is better."""

    ahead: Lots
    visible: Lots
    is_best: bool

    @property
    def percentile(self) -> float:
        """Share of the visible lots that is ahead, in percent with one decimal."""
        return round(_FULL_PCT * self.ahead / self.visible, 1) if self.visible else 0.0


class Nudged(NamedTuple):
    """What one side's price does: ticks towards the middle, the place it had, and whether its order may advance."""

    ticks: Ticks
    place: QueuePlace
    reason: NudgeReason
    may_advance: bool


NO_PLACE = QueuePlace(0, 0, is_best=True)


def place_at(
    levels: Levels, side: Side, ticks: Ticks, depth: int, own: Lots = 0, own_ahead: Lots | None = None
) -> QueuePlace:
    """Return the place of an order that joins the back at a price, or that has `own_ahead` lots before it there.

    `own` are our lots at that price, which do not stand before us. A price worse than all that is visible has all of it
    ahead; an empty side has nothing.
    """
    buys = side is Side.BUY
    ahead = visible = 0
    best = True
    for number, level in enumerate(levels):
        if number == depth:
            break
        if level.ticks == ticks:
            there = max(level.lots - own, 0)
            visible += there
            ahead += there if own_ahead is None else min(own_ahead, there)
        else:
            visible += level.lots
            if (level.ticks > ticks) is buys:
                ahead += level.lots
                best = False
    return QueuePlace(ahead, visible, best)


def step_towards_best(
    ticks: Ticks, best: Ticks, fair: float | None, side: Side, tick: Ticks, max_reprice_bps: float
) -> Ticks:
    """Return how far a price may move towards the best, in ticks >= 0: whole ticks, not past best or fair.

    `fair` is in units of the instrument. Moves of less than 0.01 bps are none.
    """
    most = floor(ticks * max_reprice_bps / BPS / tick + _ON_TICK) * tick
    if side is Side.BUY:
        target = min(ticks + most, best)
        if fair is not None:
            target = min(target, floor(fair / tick + _ON_TICK) * tick)
        step = target - ticks
    else:
        target = max(ticks - most, best)
        if fair is not None:
            target = max(target, ceil(fair / tick - _ON_TICK) * tick)
        step = ticks - target
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
    first_bid = first_ask = None
    for order in features.live:
        if order.level == 0 and not order.cancelling:
            if order.side is Side.BUY:
                first_bid = order
            else:
                first_ask = order
    down = _nudged(features, book.bids, Side.BUY, bid, book.best_bid, first_bid, state.bid_nudged_ms, cfg, cooling)
    up = _nudged(features, book.asks, Side.SELL, ask, book.best_ask, first_ask, state.ask_nudged_ms, cfg, cooling)
    if down.ticks or up.ticks:
        reason = NudgeReason.NUDGED
        state = QueueState(now if down.ticks else state.bid_nudged_ms, now if up.ticks else state.ask_nudged_ms)
    elif cooling:
        reason = NudgeReason.COOLDOWN
    else:
        waits = NudgeReason.HEADROOM in (down.reason, up.reason)
        reason = NudgeReason.HEADROOM if waits else NudgeReason.NONE
    adjustment = QueueAwareAdjustment(
        down.ticks / bid * BPS if down.ticks else 0.0,
        -up.ticks / ask * BPS if up.ticks else 0.0,
        down.place.ahead,
        up.place.ahead,
        down.place.percentile,
        up.place.percentile,
        reason,
        down.ticks,
        -up.ticks,
        down.may_advance,
        up.may_advance,
    )
    return adjustment, state


def _nudged(
    features: Features,
    levels: Levels,
    side: Side,
    ticks: Ticks,
    best: Ticks,
    first: LiveOrder | None,
    nudged_ms: int | None,
    cfg: QueueSettings,
    cooling: bool,
) -> Nudged:
    """Judge one side: the place of its wanted price, a step nearer, and whether its order may give its own up."""
    own = 0
    ahead = None
    if first is not None and first.ticks == ticks:
        own = _own_at(features, side, ticks, cfg)
        ahead = first.queue_ahead
    place = place_at(levels, side, ticks, cfg.book_depth_levels, own, ahead)
    may_advance = True
    if first is not None and (first.ticks < ticks if side is Side.BUY else first.ticks > ticks):
        may_advance = _is_worth_moving(features, levels, side, first, ticks, place, cfg)
    if cooling:
        return Nudged(0, place, NudgeReason.COOLDOWN, may_advance)
    if place.is_best or ticks <= 0:
        return Nudged(0, place, NudgeReason.NONE, may_advance)
    fair = features.microprice / features.terms.price_unit
    step = step_towards_best(ticks, best, fair, side, features.terms.tick, cfg.max_reprice_bps)
    if not step or not _is_better_nearer(features, levels, side, ticks, step, place, cfg):
        return Nudged(0, place, NudgeReason.NONE, may_advance)
    if nudged_ms is not None and features.now_ms - nudged_ms < cfg.headroom_ms:
        return Nudged(0, place, NudgeReason.HEADROOM, may_advance)
    return Nudged(step, place, NudgeReason.NUDGED, may_advance)


def _own_at(features: Features, side: Side, ticks: Ticks, cfg: QueueSettings) -> Lots:
    """Return our resting lots at a price, as far as the book that we see counts them in."""
    if not cfg.own_in_book:
        return 0
    return sum(order.rest for order in features.live if order.ticks == ticks and order.side is side)


def _is_better_nearer(
    features: Features, levels: Levels, side: Side, ticks: Ticks, step: Ticks, place: QueuePlace, cfg: QueueSettings
) -> bool:
    """Tell whether the back of the queue at a price nearer to the middle beats the place at this one."""
    rate = _lots_per_sec(features, side, cfg)
    if rate is None:
        return place.percentile > cfg.join_threshold_pct
    nearer = ticks + step if side is Side.BUY else ticks - step
    there = place_at(levels, side, nearer, cfg.book_depth_levels, _own_at(features, side, nearer, cfg))
    return _gain_bps(features, side, (ticks, place.ahead), (nearer, there.ahead), rate, cfg) > cfg.min_gain_bps


def _is_worth_moving(
    features: Features,
    levels: Levels,
    side: Side,
    order: LiveOrder,
    ticks: Ticks,
    place: QueuePlace,
    cfg: QueueSettings,
) -> bool:
    """Tell whether a resting order should give up its place for a better price (4.5, keep or move)."""
    own = _own_at(features, side, order.ticks, cfg)
    kept = place_at(levels, side, order.ticks, cfg.book_depth_levels, own, order.queue_ahead)
    rate = _lots_per_sec(features, side, cfg)
    if rate is None:
        return kept.percentile > cfg.join_threshold_pct
    return _gain_bps(features, side, (order.ticks, kept.ahead), (ticks, place.ahead), rate, cfg) > cfg.min_gain_bps


def _lots_per_sec(features: Features, side: Side, cfg: QueueSettings) -> float | None:
    """Return how fast trades eat one side's queue; None where that is not known or another rule is asked for."""
    if cfg.rule != "value" or not cfg.moves_per_sec:
        return None
    return (features.taker_sell_lots_per_sec if side is Side.BUY else features.taker_buy_lots_per_sec) or None


def _gain_bps(
    features: Features,
    side: Side,
    old: tuple[Ticks, Lots],
    new: tuple[Ticks, Lots],
    rate: float,
    cfg: QueueSettings,
) -> float:
    """Return what a new price and place are worth more than the old ones, above what the move costs."""
    fair = features.microprice / features.terms.price_unit
    values = []
    for ticks, ahead in (old, new):
        edge = (fair - ticks if side is Side.BUY else ticks - fair) / fair * BPS - features.terms.maker_fee_bps
        values.append(place_value_bps(ahead, edge, rate, cfg))
    return values[1] - values[0] - cfg.move_fee_bps
