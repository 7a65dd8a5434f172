"""What a person sees of one slot: a row of the status payload's `slots` (slots 18), ordered by number.

A slot that does nothing always says why: each empty leg has its wait reason, and one below the minimum shows what it
wants, what the venue asks for and the price at which both were judged (slots 8.5).
"""

from typing import Any

from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.reducer.legs import fresh_entry_price
from millrace.strategies.slots.reducer.model import TradeId, WaitReason, phase
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.telemetry.under_water import under_water
from millrace.strategies.slots.turn import Turn


def slot_row(grid: Grid, turn: Turn, slot: Slot) -> dict[str, Any]:
    """Return the row of one slot; prices in quote, volumes in base units."""
    state = slot.state
    return {
        "slot_id": slot.slot_id,
        "phase": phase(state),
        "sticky": grid.is_sticky(slot),
        "independent_exits": grid.is_sticky(slot),
        "quarantined": slot.quarantined,
        "wait_reason": {leg: reason.value for leg, reason in sorted(slot.wait.items())},
        "too_small": {
            leg: _too_small(grid, turn, slot, leg)
            for leg, reason in sorted(slot.wait.items())
            if reason is WaitReason.MIN_SIZE_WAIT
        },
        "deferred_since": {leg: at_ns / 1e9 for leg, at_ns in sorted(slot.deferred_ns.items())},
        "gate_bypassed": slot.gate_bypassed,
        "order_size_mode": grid.size_mode(slot),
        "cycle_a": state.a.cycle,
        "cycle_b": state.b.cycle,
        "under_water": under_water(state, state.market_price),
        "total_profit": state.total_profit,
        "round_trips": state.total_round_trips,
        "orders": [
            {
                "local_id": order.local_id,
                "side": order.side,
                "role": order.role,
                "trade_id": order.trade_id,
                "price": order.price,
                "volume": order.volume,
                "executed_volume": order.executed_volume,
                "at_venue": order.local_id in slot.sent,
                "state": order.state,
                "entry_price": order.entry_price,
                "entry_filled_at": order.entry_filled_at,
            }
            for order in state.orders
        ],
        "recoveries": [
            {
                "recovery_id": row.recovery_id,
                "side": row.side,
                "trade_id": row.trade_id,
                "price": row.price,
                "volume": row.volume,
                "executed_volume": row.executed_volume,
                "entry_price": row.entry_price,
                "entry_filled_at": row.entry_filled_at,
                "reason": row.reason,
            }
            for row in state.recovery_orders
        ],
    }


def _base_usd(grid: Grid, slot: Slot, leg: TradeId) -> float:
    """Return the leg's base size; a share of the account shows only where its cap, not the money, holds it down."""
    shares = leg == "B" and grid.settings.b_side_account_sizing and grid.settings.b_side_max_mult > 0.0
    return grid.settings.b_side_cap_usd() if shares else grid.base_usd(slot)


def _too_small(grid: Grid, turn: Turn, slot: Slot, leg: TradeId) -> dict[str, float]:
    """Return what a leg below the minimum wants, what the venue asks for (base units), and the price (slots 8.5)."""
    cfg, price = grid.cfg(slot), fresh_entry_price(slot.state, leg, grid.cfg(slot))
    in_units = grid.size_mode(slot) == "DOGE"
    layer_units = grid.layers.units(turn, len(grid.slots))
    if in_units:
        target = grid.settings.order_size_doge + layer_units
    else:
        target = (_base_usd(grid, slot, leg) + layer_units * turn.price) / price if price > 0.0 else 0.0
    required = max(cfg.min_volume, cfg.min_cost_usd / price) if price > 0.0 else cfg.min_volume
    return {"target": target, "required": required, "price": price}
