"""The grid's whole state as builtins and back, for the engine's snapshots.

What can be derived (bounds of the outlook, configs, safe cap) is not stored. The 24-hour windows of fill health are:
they start anew with the program (slots 15.1), and a restart says so by an event; but the journal's tail is stepped
before that event comes, and the answer to `add_slot` reads them.
"""

from typing import Any

from millrace.core.permission import Level
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.slot import Slot

_PLAIN = (
    "entry_pct", "profit_pct", "next_slot_id", "sizer_window", "loop_wanted", "last_loop_ns", "stale_wait", "errors",
    "bookings", "violations", "partial_cancels_handled", "partial_cancels_unhandled", "dust_moves",
    "low_headroom_since_ns", "low_headroom_told", "vintage_day",
)  # fmt: skip


def snapshot_grid(grid: Grid) -> dict[str, Any]:
    """Return the state."""
    return {
        "plain": {name: getattr(grid, name) for name in _PLAIN},
        "slots": [slot.snapshot() for slot in grid.slots.values()],
        "dirty": sorted(grid.dirty),
        "unfunded": sorted(grid.unfunded),
        "capped": sorted(grid.capped),
        "short": sorted(grid.short),
        "level": int(grid.level),
        "free_seen": list(grid.free_seen),
        "cycles": list(grid.cycles),
        "floors": [grid.floors.this_loop, dict(grid.floors.by_leg), grid.floors.total],
        "scheduler": grid.scheduler.snapshot(),
        "signals": grid.bars.signals.snapshot(),
        "momentum": grid.momentum.snapshot(),
        "lock": grid.lock.snapshot(),
        "windows": grid.windows.snapshot(),
        "sides": grid.sides.snapshot(),
        "records": grid.records.snapshot(),
        "band": grid.band_clock.snapshot(),
        "balances": grid.balances.snapshot(),
        "residue": grid.residue.snapshot(),
        "retired": grid.retired.snapshot(),
        "audit": grid.audit.snapshot(),
        "removal": grid.removal.snapshot(),
        "releases": grid.releases.snapshot(),
        "open_drift": grid.open_drift.snapshot(),
        "idle": grid.idle.snapshot(),
        "handover": grid.handover.snapshot(),
        "layers": grid.layers.snapshot(),
        "sizer": grid.sizer.snapshot_state(),
    }


def restore_grid(grid: Grid, state: dict[str, Any]) -> None:
    """Take a state that `snapshot_grid` gave."""
    for name in _PLAIN:
        setattr(grid, name, state["plain"][name])
    grid.set_tunables()
    grid.slots = {saved["slot_id"]: Slot.restored(saved) for saved in state["slots"]}
    grid.keys = {key: (slot.slot_id, local_id) for slot in grid.slots.values() for local_id, key in slot.sent.items()}
    grid.dirty = set(state["dirty"])
    grid.unfunded = set(state["unfunded"])
    grid.capped = set(state["capped"])
    grid.short = set(state["short"])
    grid.level = Level(state["level"])
    grid.free_seen = (state["free_seen"][0], state["free_seen"][1])
    grid.cycles.clear()
    grid.cycles.extend(state["cycles"])
    grid.floors.this_loop, grid.floors.by_leg, grid.floors.total = state["floors"]
    grid.scheduler.restore(state["scheduler"])
    grid.bars.signals.restore(state["signals"])
    grid.momentum.restore(state["momentum"])
    grid.lock.restore(state["lock"])
    grid.lock.set_limit(grid.settings.daily_loss_limit_usd)
    grid.windows.restore(state["windows"])
    grid.sides.restore(state["sides"])
    grid.records.restore(state["records"])
    grid.band_clock.restore(state["band"])
    grid.balances.restore(state["balances"])
    grid.residue.restore(state["residue"])
    grid.retired.restore(state["retired"])
    grid.audit.restore(state["audit"])
    grid.removal.restore(state["removal"])
    grid.releases.restore(state["releases"])
    grid.open_drift.restore(state["open_drift"])
    grid.idle.restore(state["idle"])
    grid.handover.restore(state["handover"])
    grid.layers.restore(state["layers"])
    grid.sizer.restore_state(state["sizer"])
    grid.rescheduled()
