"""What a person or a dashboard sees of the grid (slots 15, 16, 18); strict JSON, read-only."""

from typing import Any

from millrace.core.events import Scalar
from millrace.sizing.throughput import ThroughputSizer
from millrace.strategies.slots.grid import LOW_HEADROOM, Grid
from millrace.strategies.slots.model import phase
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.turn import Turn


def grid_status(grid: Grid, turn: Turn) -> dict[str, Any]:
    """Return the status blocks that are built so far."""
    return {"totals": totals(grid, turn), "invariant_violations": grid.violations, "throughput_sizer": {"buckets": {}}, "capacity_fill_health": {}, "slot_vintage": {}}

def totals(grid, turn):
    s=[x.state for x in grid.slots.values()]
    return {"profit_usd": sum(x.total_profit for x in s), "round_trips": sum(x.total_round_trips for x in s)}

def capacity(grid,turn): ...
