"""Opening an empty slot, reseeding a one-sided account, and re-arming legs (slots 5.2, 5.3).

A slot that cannot open waits with a stated reason and is asked again later; that is never a reason to pause anything.
"""

from collections.abc import Collection
from typing import Literal, NamedTuple

from millrace.strategies.slots.reducer.actions import Action
from millrace.strategies.slots.reducer.legs import fresh_entry_price, leg_wait, new_entry
from millrace.strategies.slots.reducer.model import SlotConfig, SlotState, TradeId, WaitReason
from millrace.strategies.slots.reducer.volume import Sizes, lots_up, tradeable

OWNED_SOURCES = ("regime", "momentum", "capacity")
"""Sources of one-sidedness that repair leaves to their owner (slots 5.3)."""


class Opening(NamedTuple):
    """What to place, and per leg why not."""

    actions: list[Action]
    waits: dict[TradeId, WaitReason]


def add_entry(state: SlotState, trade_id: TradeId, cfg: SlotConfig, sizes: Sizes, reason: str = "repair") -> Opening:
    """Place a leg's entry unless the leg is taken or its cooldown, cancels or size say wait."""
    if state.leg_order(trade_id) is not None:
        return Opening([], {})
    wait = leg_wait(state, trade_id, cfg, sizes)
    if wait is not None:
        return Opening([], {trade_id: wait})
    return Opening(new_entry(state, trade_id, cfg, sizes, reason), {})


def cost_need_usd(market: float, cfg: SlotConfig) -> float:
    """Return the quote balance that counts as "enough for one order" (slots 5.1)."""
    return cfg.min_cost_usd if cfg.min_cost_usd > 0.0 else cfg.min_volume * market


def bootstrap(
    state: SlotState,
    cfg: SlotConfig,
    sizes: Sizes,
    free_base: float | None,
    free_quote: float | None,
    held: TradeId | None = None,
) -> Opening:
    """Open a slot that has no active order: both sides, else one side by what the account holds; B before A.

    Balances are in base units and USD; None means unknown and defers. The market price is the state's. The leg that the
    momentum gate keeps back (`held`) goes before every rule about money.
    """
    if state.orders:
        return Opening([], {})
    market = state.market_price
    if market <= 0.0:
        return _wait_both(WaitReason.STALE_PRICE)
    if free_base is None or free_quote is None:
        return _wait_both(WaitReason.BOOTSTRAP_PENDING)
    need_base, need_quote = cfg.min_volume, cost_need_usd(market, cfg)
    if held is not None:
        return _beside(
            held, state, cfg, sizes, funded=free_quote >= need_quote if held == "A" else free_base >= need_base
        )
    if free_base >= need_base and free_quote >= need_quote:
        _set_sides(state, None)
        buy = add_entry(state, "B", cfg, sizes, "bootstrap")
        sell = add_entry(state, "A", cfg, sizes, "bootstrap")
        return Opening(buy.actions + sell.actions, buy.waits | sell.waits)
    if free_quote < need_quote and free_base >= 2.0 * need_base:
        return _one_side(state, cfg, "A", 2.0, free_base, "reseed_usd")
    if free_base < need_base and free_quote >= 2.0 * need_quote:
        return _one_side(state, cfg, "B", 2.0, free_quote, "reseed_doge")
    if free_base >= need_base:
        return _one_side(state, cfg, "A", 1.0, free_base, "fallback_short_only")
    if free_quote >= need_quote:
        return _one_side(state, cfg, "B", 1.0, free_quote, "fallback_long_only")
    return _wait_both(WaitReason.UNFUNDED)


def repair_legs(
    state: SlotState,
    cfg: SlotConfig,
    waits: Collection[TradeId],
    free_base: float | None,
    free_quote: float | None,
) -> list[TradeId]:
    """Return the funded legs that need an entry: neither entering nor in position, no live wait reason.

    `waits` names the legs that somebody else (momentum, capacity, scheduler) holds back. An empty slot needs
    `bootstrap` instead. Cooldowns are left to `add_entry`.
    """
    if not state.orders or free_base is None or free_quote is None:
        return []
    if (state.long_only or state.short_only) and state.mode_source in OWNED_SOURCES:
        return []
    funded: dict[TradeId, bool] = {
        "B": free_quote >= cost_need_usd(state.market_price, cfg),
        "A": free_base >= cfg.min_volume,
    }
    return [leg for leg, enough in funded.items() if enough and leg not in waits and state.leg_order(leg) is None]


def _beside(held: TradeId, state: SlotState, cfg: SlotConfig, sizes: Sizes, *, funded: bool) -> Opening:
    """Place the entry of the leg that the momentum gate does not keep back, at its usual size."""
    other: TradeId = "B" if held == "A" else "A"
    waits: dict[TradeId, WaitReason] = {held: WaitReason.MOMENTUM_DEFER}
    if not funded:
        return Opening([], waits | {other: WaitReason.UNFUNDED})
    opening = add_entry(state, other, cfg, sizes, "bootstrap")
    if opening.actions:
        _set_sides(state, other)
    return Opening(opening.actions, waits | opening.waits)


def _one_side(
    state: SlotState, cfg: SlotConfig, trade_id: TradeId, minimums: float, free: float, reason: str
) -> Opening:
    """Place one entry of so many minimum volumes, checked at its own limit price and against the balance.

    Two minimums that cannot be paid become one: the quote balance is tested against the venue's minimum cost (slots
    5.1), which may be far below what the minimum volume costs.
    """
    other: TradeId = "B" if trade_id == "A" else "A"
    volume = lots_up(minimums * cfg.min_volume, cfg)
    price = fresh_entry_price(state, trade_id, cfg)
    needed = volume if trade_id == "A" else volume * price
    waits: dict[TradeId, WaitReason] = {other: WaitReason.UNFUNDED}
    if needed > free and minimums > 1.0:
        return _one_side(state, cfg, trade_id, 1.0, free, reason)
    if needed > free:
        return Opening([], waits | {trade_id: WaitReason.UNFUNDED})
    if not tradeable(volume, price, cfg):
        return Opening([], waits | {trade_id: WaitReason.MIN_SIZE_WAIT})
    wait = leg_wait(state, trade_id, cfg, _Units(volume))
    if wait is not None:
        return Opening([], waits | {trade_id: wait})
    _set_sides(state, trade_id)
    return Opening(new_entry(state, trade_id, cfg, _Units(volume), reason), waits)


class _Units:
    """Sizes that give one volume, already checked."""

    def __init__(self, units: float) -> None:
        self._units = units

    def volume(self, trade_id: TradeId, price: float) -> float | None:
        """Return the volume whatever the leg and price."""
        del trade_id, price
        return self._units


def _set_sides(state: SlotState, only: Literal["A", "B"] | None) -> None:
    state.short_only = only == "A"
    state.long_only = only == "B"
    state.mode_source = "none" if only is None else "balance"


def _wait_both(reason: WaitReason) -> Opening:
    return Opening([], {"A": reason, "B": reason})
