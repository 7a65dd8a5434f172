"""The slot grid's pure reducer: one event in, the state changed in place, a list of actions out (slots 2).

Time enters only through events and a timestamp that goes backwards counts as now. News that cannot be true (a price or
volume that is not finite and positive) changes nothing but the error counter. An event that names an order the slot
does not know only advances the clock.
"""

from collections.abc import Callable
from math import inf, isfinite
from typing import Any

from millrace.strategies.slots.legacy_path import time_out_exits
from millrace.strategies.slots.reducer.actions import Action
from millrace.strategies.slots.reducer.ended import find_cancelling, order_ended, part_filled, recovery_cancelled
from millrace.strategies.slots.reducer.events import (
    Event,
    Fill,
    OrderEnded,
    PartFill,
    PriceTick,
    RecoveryCancel,
    RecoveryFill,
    Release,
    TimerTick,
)
from millrace.strategies.slots.reducer.fills import (
    Executed,
    entry_filled,
    exit_executed,
    late_entry_fill,
    latest,
    recovery_executed,
)
from millrace.strategies.slots.reducer.model import SlotConfig, SlotState
from millrace.strategies.slots.reducer.refresh import refresh_one
from millrace.strategies.slots.reducer.volume import Sizes
from millrace.strategies.slots.reducer.writeoff import release


def apply(state: SlotState, event: Event, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    """Apply one event to the slot and return what it asks for, in causal order; changes `state` in place."""
    return _RULES[type(event)](state, event, cfg, sizes)


def _price_tick(state: SlotState, event: PriceTick, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    state.advance(event.ts)
    price = event.price
    if not 0.0 < price < inf:
        return []
    state.market_price = price
    state.last_price_update_at = state.now
    return refresh_one(state, cfg, sizes)


def _timer_tick(state: SlotState, event: TimerTick, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    state.advance(event.ts)
    if cfg.sticky_mode_enabled:
        state.s2_entered_at = None
        return []
    return time_out_exits(state, cfg, sizes)


def _executed(state: SlotState, event: Fill | RecoveryFill) -> Executed | None:
    """Return what a fill says, None (and counted) when it cannot be true; such a fill does not move the clock."""
    if not (0.0 < event.price < inf and 0.0 < event.volume < inf and isfinite(event.fee)):
        state.rejected_events += 1
        return None
    state.advance(event.ts)
    return Executed(event.volume, event.price, event.fee)


def _fill(state: SlotState, event: Fill, cfg: SlotConfig, sizes: Sizes) -> list[Action]:
    told = _executed(state, event)
    if told is None:
        return []
    order = state.order(event.local_id)
    if order is None:
        late = find_cancelling(state, event.local_id)
        return [] if late is None else late_entry_fill(state, late, latest(late, told), cfg)
    done = latest(order, told)
    if order.role == "entry":
        return entry_filled(state, order, done, cfg, sizes)
    return exit_executed(state, order, done, cfg, sizes)


def _recovery_fill(state: SlotState, event: RecoveryFill, cfg: SlotConfig, _sizes: Sizes) -> list[Action]:
    told = _executed(state, event)
    if told is None:
        return []
    recovery = state.recovery(event.recovery_id)
    return [] if recovery is None else recovery_executed(state, recovery, latest(recovery, told), cfg)


def _recovery_cancel(state: SlotState, event: RecoveryCancel, cfg: SlotConfig, _sizes: Sizes) -> list[Action]:
    state.advance(event.ts)
    return recovery_cancelled(state, event, cfg)


def _part_fill(state: SlotState, event: PartFill, _cfg: SlotConfig, _sizes: Sizes) -> list[Action]:
    return part_filled(state, event)


_RULES: dict[type, Callable[[SlotState, Any, SlotConfig, Sizes], list[Action]]] = {
    PriceTick: _price_tick,
    TimerTick: _timer_tick,
    Fill: _fill,
    RecoveryFill: _recovery_fill,
    RecoveryCancel: _recovery_cancel,
    PartFill: _part_fill,
    OrderEnded: order_ended,
    Release: release,
}
