"""Putting a leg's entry on the book, and knowing why it may not go there (slots 2.7, 3).

An empty leg without a stated reason is a fault, so the two questions are answered side by side.
"""

from millrace.strategies.slots.reducer.actions import Action, place_order
from millrace.strategies.slots.reducer.model import (
    ENTRY_SIDE,
    Order,
    SlotConfig,
    SlotState,
    TradeId,
    WaitReason,
    phase,
)
from millrace.strategies.slots.reducer.pricing import entry_price, kept_distance_pct
from millrace.strategies.slots.reducer.volume import Sizes

CANCEL_WINDOW_SEC = 600.0
"""Span in which unasked cancels of a leg's entries are counted (slots 6.2)."""
CANCELS_ALLOWED = 3
"""Re-placements after unasked cancels within the window before the leg waits."""


def fresh_entry_price(state: SlotState, trade_id: TradeId, cfg: SlotConfig) -> float:
    """Return the limit price that an entry of the leg would get now."""
    return entry_price(trade_id, state.market_price, state.leg(trade_id).consecutive_losses, cfg)


def new_entry(
    state: SlotState,
    trade_id: TradeId,
    cfg: SlotConfig,
    sizes: Sizes,
    reason: str,
    *,
    volume: float | None = None,
) -> list[Action]:
    """Place the leg's entry at its current cycle; nothing when the leg is taken or no volume is valid.

    `volume` (base units) overrides the sizes, for a remainder whose volume is already decided.
    """
    if state.leg_order(trade_id) is not None:
        return []
    price = fresh_entry_price(state, trade_id, cfg)
    if price <= 0.0:
        return []
    units = sizes.volume(trade_id, price) if volume is None else volume
    if units is None:
        return []
    order = Order(
        state.take_order_id(),
        ENTRY_SIDE[trade_id],
        "entry",
        price,
        units,
        trade_id,
        state.leg(trade_id).cycle,
        placed_at=state.now,
        distance_pct=kept_distance_pct(trade_id, cfg),
    )
    state.orders.append(order)
    return [place_order(order, reason)]


def follow_up(
    state: SlotState,
    trade_id: TradeId,
    cfg: SlotConfig,
    sizes: Sizes,
    reason: str,
    *,
    volume: float | None = None,
) -> list[Action]:
    """Place the next entry of a leg that became free, unless its flag or cooldown forbids it (slots 2.7)."""
    blocked = state.long_only if trade_id == "A" else state.short_only
    if blocked or state.now < state.leg(trade_id).cooldown_until:
        return []
    return new_entry(state, trade_id, cfg, sizes, reason, volume=volume)


def leg_wait(state: SlotState, trade_id: TradeId, cfg: SlotConfig, sizes: Sizes) -> WaitReason | None:
    """Return why the slot itself keeps an empty leg empty, or None when an entry could go out now."""
    leg = state.leg(trade_id)
    if state.now < leg.cooldown_until:
        return WaitReason.COOLDOWN
    recent = sum(1 for at in leg.cancel_times if state.now - at < CANCEL_WINDOW_SEC)
    if recent > CANCELS_ALLOWED:
        return WaitReason.EXCHANGE_CANCELS
    price = fresh_entry_price(state, trade_id, cfg)
    if price <= 0.0:
        return WaitReason.STALE_PRICE
    return WaitReason.MIN_SIZE_WAIT if sizes.volume(trade_id, price) is None else None


def note_cancel(state: SlotState, trade_id: TradeId) -> None:
    """Remember that the venue ended an untouched entry of this leg."""
    times = state.leg(trade_id).cancel_times
    times.append(state.now)
    del times[: -(CANCELS_ALLOWED + 1)]


def clear_stale_s2(state: SlotState) -> None:
    """Forget when S2 began once the slot is not in S2 any more."""
    if state.s2_entered_at is not None and phase(state) != "S2":
        state.s2_entered_at = None
