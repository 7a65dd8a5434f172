"""What a person or a dashboard sees of the grid (slots 14.11, 15.5, 16, 18); strict JSON, read-only.

Building it never changes what the grid will do: while the sizer does not act, its figures are computed on a throw-away
copy, and bars that nobody has asked for yet are read aside.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from msgspec import structs

from millrace.sizing.throughput import ThroughputSizer
from millrace.strategies.slots import legacy_path
from millrace.strategies.slots.books.balance_health import balance_health
from millrace.strategies.slots.books.balance_recon import unrealised_usd
from millrace.strategies.slots.entry_size.idle_money import rebalancer_status
from millrace.strategies.slots.grid import LOW_HEADROOM, Grid
from millrace.strategies.slots.reducer.model import PARTIAL_CANCEL, phase
from millrace.strategies.slots.release.recon import recon_gate
from millrace.strategies.slots.release.status import release_health
from millrace.strategies.slots.schedule import bootstrap_backlog
from millrace.strategies.slots.signals.regime_status import momentum_block, regime_block
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.stages.advice import Seen, advise
from millrace.strategies.slots.telemetry.capacity_health import CapacityFillHealth, CapacityInputs, capacity_fill_health
from millrace.strategies.slots.telemetry.status_rows import slot_row
from millrace.strategies.slots.telemetry.under_water import under_water
from millrace.strategies.slots.telemetry.vintage import Holdings, SlotVintage, WaitingExit, slot_vintage
from millrace.strategies.slots.telemetry.watch import holdings, recon
from millrace.strategies.slots.turn import Turn

_SECOND_NS = 1_000_000_000
_SECURE_HEADROOM = 20


def grid_status(grid: Grid, turn: Turn) -> dict[str, Any]:
    """Return the whole status of one grid: what stands at its top, and one object per block."""
    top = _top(grid, turn)
    return top | {name: block(grid, turn) for name, block in BLOCKS.items()}


def _top(grid: Grid, turn: Turn) -> dict[str, Any]:
    chosen = grid.settings
    return {
        "mode": turn.standing.level.name,
        "pause_reason": list(turn.standing.reasons),
        "pair": str(grid.instrument.id),
        "entry_pct": grid.entry_pct,
        "profit_pct": grid.profit_pct,
        "price": turn.price,
        "price_age_sec": (turn.now_ns - turn.market.last_ts_ns) / _SECOND_NS if turn.ticks else None,
        "top_phase": _top_phase(grid),
        "slot_count": len(grid.slots),
        "today_realized_loss": grid.lock.loss_usd(turn.now_ns),
        "daily_loss_limit": chosen.daily_loss_limit_usd,
        "daily_loss_locked": grid.lock.locked,
        "daily_loss_opens_at": None if grid.lock.opens_ns is None else grid.lock.opens_ns / _SECOND_NS,
        "invariant_violations": grid.violations,
        "quarantined_slots": sorted(slot.slot_id for slot in grid.slots.values() if slot.quarantined),
        "one_sided_for_sec": grid.sides.for_sec(turn.now_ns),
        "safe_cap_guard": grid.safe_cap - turn.open_orders <= LOW_HEADROOM,
        "bootstrap_backlog": bootstrap_backlog(grid),
    }


def _top_phase(grid: Grid) -> str:
    """Return the phase that most slots are in, the first by name of equals; S0 without slots."""
    counts = Counter(phase(slot.state) for slot in grid.slots.values())
    return min(counts, key=lambda name: (-counts[name], name), default="S0")


def _sticky_mode(grid: Grid, turn: Turn) -> dict[str, Any]:
    chosen = grid.settings
    return {
        "enabled": chosen.sticky_mode_enabled,
        "target_slots": chosen.sticky_target_slots,
        "max_target_slots": chosen.sticky_max_target_slots,
        "compounding_mode": chosen.sticky_compounding_mode,
        "auto_release_enabled": chosen.release.auto_enabled,
        "legacy_recovery": legacy_path.is_there() and chosen.legacy_recovery,
        "slots_remaining_projected": grid.safe_cap // 2 - len(grid.slots),
        "headroom_safe": grid.safe_cap - turn.open_orders >= _SECURE_HEADROOM,
    }


def _sizing(grid: Grid, _: Turn) -> dict[str, Any]:
    chosen = grid.settings
    return {
        "order_size_mode": chosen.order_size_mode,
        "order_size_usd": chosen.order_size_usd,
        "order_size_doge": chosen.order_size_doge,
        "compounding_mode": chosen.sticky_compounding_mode,
        "compounding_effective": _compounding(grid),
        "entry_floor_mode": chosen.entry_floor_mode,
    }


def _entry_floor(grid: Grid, _: Turn) -> dict[str, Any]:
    floors = grid.floors
    return {
        "applied_this_loop": floors.this_loop,
        "by_leg": dict(floors.by_leg),
        "applied_total": floors.total,
    }


def _b_side_sizing(grid: Grid, turn: Turn) -> dict[str, Any]:
    enabled = grid.settings.b_side_account_sizing
    acts = enabled and any(grid.size_mode(slot) == "USD" for slot in grid.slots.values())
    return grid.buys.status(grid.slots.values(), turn, enabled=enabled, acts=acts)


def capacity(grid: Grid, turn: Turn) -> CapacityFillHealth:
    """Return the `capacity_fill_health` object (slots 15)."""
    market, chosen = turn.market, grid.settings
    age_ns = turn.now_ns - market.venue_open_orders_ts_ns
    dusts = [leg.dust for slot in grid.slots.values() for leg in (slot.state.a, slot.state.b)]
    inputs = CapacityInputs(
        slot_count=len(grid.slots),
        internal_orders=turn.open_orders,
        exchange_orders=market.venue_open_orders,
        exchange_age_sec=None if market.venue_open_orders is None else age_ns / _SECOND_NS,
        poll_interval_sec=chosen.poll_interval_sec,
        limit=chosen.open_orders_per_pair_limit,
        safety_ratio=chosen.open_order_safety_ratio,
        drift_persistent=grid.open_drift.persistent,
        partial_cancel_handled_total=grid.partial_cancels_handled,
        partial_cancel_unhandled_total=grid.partial_cancels_unhandled,
        dust_base=sum(dust.volume for dust in dusts),
        dust_cost_usd=sum(dust.cost for dust in dusts),
    )
    return capacity_fill_health(inputs, grid.windows.read(turn.now), grid.band_clock, turn.now)


def vintage(grid: Grid, turn: Turn) -> SlotVintage:
    """Return the `slot_vintage` object over all exits and carve-outs (slots 16)."""
    exits = [
        WaitingExit(slot.slot_id, turn.now - record.entry_filled_at, record.volume, record.price)
        for slot in grid.slots.values()
        for record in slot.state.waiting_exits()
    ]
    held = holdings(turn)
    layers_usd = grid.layers.units(turn, len(grid.slots)) * turn.price
    sizes = [_order_size_usd(grid, slot, turn.price) + layers_usd for slot in grid.slots.values()]
    return slot_vintage(
        exits,
        sizes,
        Holdings(quote_usd=held.usd, base=held.base, mark=turn.price),
        grid.settings.release,
        grid.peek_bars(turn).adx,
        recon_gate(grid, turn).reason,
    )


def sizer_payload(grid: Grid, turn: Turn) -> dict[str, Any]:
    """Return the `throughput_sizer` object; a sizer that does not act is computed aside (slots 14.11)."""
    config = grid.settings.throughput
    if config.enabled and not config.shadow:
        return grid.sizer.status_payload()
    if not config.shadow:
        return ThroughputSizer(config).status_payload()
    aside = ThroughputSizer(structs.replace(config, enabled=True))
    grid.feed_sizer(aside, turn, grid.peek_bars(turn).label)
    return aside.status_payload() | {"enabled": False, "shadow": True}


def _totals(grid: Grid, turn: Turn) -> dict[str, Any]:
    states = [slot.state for slot in grid.slots.values()]
    realised = grid.totals()
    return {
        "profit_usd": realised.profit_usd,
        "settled_usd": realised.settled_usd,
        "fees_usd": realised.fees_usd,
        "profit_base": realised.profit_usd / turn.price if turn.price > 0.0 else 0.0,
        "unrealised_usd": sum(unrealised_usd(state, turn.price) for state in states),
        "round_trips": realised.round_trips,
        "recoveries": sum(len(state.recovery_orders) for state in states),
        "orphans": sum(row.reason != PARTIAL_CANCEL for state in states for row in state.recovery_orders),
    }


def _playbook(grid: Grid, turn: Turn) -> dict[str, Any]:
    price, bars, picture = turn.price, grid.peek_bars(turn), vintage(grid, turn)
    exits = [record.price for slot in grid.slots.values() for record in slot.state.waiting_exits()]
    strong_ns = bars.band_since_ns if bars.band == "trending" else None
    seen = Seen(
        stopped_at=grid.band_clock.stopped_at,
        low_headroom_lasts=grid.low_headroom_told,
        stuck_pct=picture.stuck_capital_pct,
        strong_for_sec=0.0 if strong_ns is None else (turn.now_ns - strong_ns) / _SECOND_NS,
        farthest_exit_pct=max((abs(exit_ - price) / price * 100.0 for exit_ in exits if price > 0.0), default=0.0),
    )
    return structs.asdict(advise(capacity(grid, turn), seen))


def _order_size_usd(grid: Grid, slot: Slot, mark: float) -> float:
    if grid.size_mode(slot) == "DOGE":
        return grid.settings.order_size_doge * mark
    return grid.base_usd(slot)


def _compounding(grid: Grid) -> str:
    chosen = grid.settings
    if chosen.order_size_mode == "DOGE" and chosen.sticky_mode_enabled:
        return "units" if chosen.order_size_doge_compound else "none"
    return chosen.sticky_compounding_mode


def _pending_entries(grid: Grid) -> int:
    return sum(
        order.role == "entry" and order.local_id not in slot.sent
        for slot in grid.slots.values()
        for order in slot.state.orders
    )


def _under_water(grid: Grid, turn: Turn) -> dict[str, float]:
    rows = [under_water(slot.state, turn.price) for slot in grid.slots.values()]
    return {leg: sum(row[leg] for row in rows) for leg in ("A", "B")}


BLOCKS: Final[dict[str, Callable[[Grid, Turn], Any]]] = {
    "totals": _totals,
    "removal": lambda grid, _: {"removing": grid.removal.slot_id, "retired_slots": len(grid.retired.slot_ids)},
    "pnl_audit": lambda grid, _: grid.audit.status(),
    "capacity_fill_health": lambda grid, turn: structs.asdict(capacity(grid, turn)),
    "entry_scheduler": lambda grid, _: grid.scheduler.status(_pending_entries(grid)),
    "balance_health": balance_health,
    "balance_recon": lambda grid, turn: structs.asdict(recon(grid, turn)),
    "sticky_mode": _sticky_mode,
    "sizing": _sizing,
    "entry_floor": _entry_floor,
    "under_water": _under_water,
    "slot_vintage": lambda grid, turn: structs.asdict(vintage(grid, turn)),
    "playbook": _playbook,
    "throughput_sizer": sizer_payload,
    "momentum": momentum_block,
    "regime_adx": regime_block,
    "b_side_sizing": _b_side_sizing,
    "capital_layers": lambda grid, turn: grid.layers.status(turn, len(grid.slots)),
    "rebalancer": rebalancer_status,
    "trend": lambda grid, turn: grid.idle.trend.status(turn.now),
    "release_health": release_health,
    "handover": lambda grid, _: grid.handover.status(),
    "slots": lambda grid, turn: [slot_row(grid, turn, slot) for slot in grid.slots.values()],
}
"""Each block of the payload by its key (slots 18): a new block is one line here and a function of its own module."""
