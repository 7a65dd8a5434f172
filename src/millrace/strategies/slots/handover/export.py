"""A running grid as a snapshot for whoever comes next: the contract's names, and the exact states of our own parts.

Orders are named by the venue's ids, because only those mean anything to another program; one that is on its way and
has no such id yet goes by ours, under which the venue can be asked for it. What is derived or does not outlive a
program is left out: the 24 hours of fill health and what a loop has reserved (slots 17).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from millrace.core.permission import Level, Restriction
from millrace.strategies.slots.grid import PAUSE_ID, Grid
from millrace.strategies.slots.grid_state import snapshot_grid
from millrace.strategies.slots.handover.grid_snapshot import GridSnapshot, LossDay, SlotRecord
from millrace.strategies.slots.handover.take_over import OWN
from millrace.strategies.slots.reducer.codec import from_dict, to_dict
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.telemetry.contract_blocks import blocks_of

_SECOND: Final = 1e9
_PPM_PER_PCT: Final = 1e4
_SEEN_SEC: Final = 14 * 86_400.0
"""Fills older than this are forgotten (slots 4.5)."""


def snapshot_of(
    grid: Grid,
    *,
    now_ns: int,
    last_price: tuple[int, int],
    restrictions: Sequence[Restriction],
    name_of: Callable[[str], str],
    filled: Iterable[tuple[str, int]],
) -> GridSnapshot:
    """Return the grid's snapshot at `now_ns`.

    `last_price` is in ticks, with its time in ns; `name_of` tells by an intent key what the venue calls the order;
    `filled` are orders whose executions are booked, each with when it was made.
    """
    state = snapshot_grid(grid)
    mode, reason = _mode(grid, restrictions)
    now = now_ns / _SECOND
    seen = dict(grid.handover.seen_fills) | {name: made_ns / _SECOND for name, made_ns in filled}
    baseline = grid.balances.baseline
    return GridSnapshot(
        saved_at=now,
        mode=mode,
        pause_reason=reason,
        pair=grid.instrument.id.symbol,
        entry_pct=grid.entry_pct,
        profit_pct=grid.profit_pct,
        next_slot_id=grid.next_slot_id,
        next_event_id=grid.bookings + 1,
        last_price=grid.instrument.price(last_price[0]),
        last_price_ts=last_price[1] / _SECOND,
        seen_fills=sorted(
            ((name, at) for name, at in seen.items() if at == 0.0 or at >= now - _SEEN_SEC), key=lambda row: row[::-1]
        ),
        slots=[_record(slot, name_of) for slot in grid.slots.values()],
        aliases=dict(grid.handover.aliases),
        baseline=None if baseline is None else (baseline.usd, baseline.base, baseline.price, baseline.ts_ns / _SECOND),
        loss=_loss(grid, now_ns),
        sizer=grid.sizer.snapshot_state(),
        parts={name: part for name, part in state.items() if name not in OWN},
        echo=grid.handover.echo | blocks_of(grid) | _echo(grid),
    )


def _record(slot: Slot, name_of: Callable[[str], str]) -> SlotRecord:
    state = from_dict(to_dict(slot.state))
    for order in (*state.orders, *state.cancelling):
        order.txid = name_of(slot.sent[order.local_id]) if order.local_id in slot.sent else ""
    for recovery in state.recovery_orders:
        local_id = -recovery.recovery_id
        recovery.txid = name_of(slot.sent[local_id]) if local_id in slot.sent else ""
    return SlotRecord(
        slot.slot_id,
        state,
        sticky=slot.sticky,
        quarantined=slot.quarantined,
        residue_base=slot.residue_base,
        compound_units=slot.compound_units,
        exits_wait_from=slot.exits_wait_from,
        gate_bypassed=slot.gate_bypassed,
        plain=set(slot.plain),
        attempts=dict(slot.attempts),
    )


def _mode(grid: Grid, restrictions: Sequence[Restriction]) -> tuple[str, str]:
    """Return what keeps the grid from trading by its own word: a halt, else a pause."""
    own = [each for each in restrictions if each.id.startswith(f"{grid.name}/")]
    for each in own:
        if each.level >= Level.HALT:
            return "HALTED", each.text
    for each in sorted(own, key=lambda each: each.id != f"{grid.name}/{PAUSE_ID}"):
        if each.level >= Level.REDUCE_ONLY:
            return "PAUSED", each.text
    return "RUNNING", ""


def _loss(grid: Grid, now_ns: int) -> LossDay:
    day = now_ns // (86_400 * 10**9)
    return LossDay(grid.lock.locked, day, grid.lock.loss_usd(now_ns))


def _echo(grid: Grid) -> dict[str, Any]:
    """Return what the next program reads and does not obey: constraints, fees and how sizes were chosen."""
    facts, chosen = grid.instrument, grid.settings
    cfg = chosen.reducer(facts)
    return {
        "constraints": {
            "min_volume": cfg.min_volume,
            "min_cost": cfg.min_cost_usd,
            "price_decimals": facts.price_decimals,
            "volume_decimals": facts.lot_decimals,
        },
        "fee_rates": {
            "maker_pct": facts.maker_fee_ppm / _PPM_PER_PCT,
            "taker_pct": facts.taker_fee_ppm / _PPM_PER_PCT,
        },
        "sizing": {
            "order_size_mode": chosen.order_size_mode,
            "order_size_usd": chosen.order_size_usd,
            "order_size_doge": chosen.order_size_doge,
            "compounding_mode": chosen.sticky_compounding_mode,
        },
    }
