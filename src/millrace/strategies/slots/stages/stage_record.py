"""Which stage of a roll-out the grid is in, as one record that is booked whenever it changes (slots 20.2).

A stage is not a setting of its own: it is what the settings and the number of slots amount to. Booking that on each
start and after each word of an operator shows afterwards when 80 slots were reached, under which cap, with the sizer
off, in the shadow or acting - without asking anybody's memory.
"""

from millrace.core.events import Scalar
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.turn import Turn


def note_stage(grid: Grid, turn: Turn) -> None:
    """Book the stage if it is another than that booked last."""
    book = grid.records.stage(stage_values(grid), turn.now_ns)
    if book is not None:
        turn.out.append(book)


def stage_values(grid: Grid) -> dict[str, Scalar]:
    """Return what makes the stage: numbers of slots and orders, and what is switched on."""
    chosen = grid.settings
    sizer = chosen.throughput
    return {
        "slots": len(grid.slots),
        "sticky": chosen.sticky_mode_enabled,
        "open_order_limit": chosen.open_orders_per_pair_limit,
        "safety_ratio": chosen.open_order_safety_ratio,
        "safe_cap": grid.safe_cap,
        "entry_cap_policy": chosen.entry_cap_policy,
        "order_size_mode": chosen.order_size_mode,
        "compounding_mode": chosen.sticky_compounding_mode,
        "sizer": "shadow" if sizer.shadow else "on" if sizer.enabled else "off",
        "momentum": "on" if chosen.momentum.enabled else "shadow",
        "regime_adx": chosen.regime.adx_enabled,
        "rebalancer": chosen.rebalance.enabled,
        "auto_release": chosen.release.auto_enabled,
    }
