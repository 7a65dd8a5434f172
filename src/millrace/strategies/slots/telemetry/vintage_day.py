"""One record a day of how long exits wait and how much capital waits with them (slots 16; input of Gate B, 20.3).

The first loop of a UTC day books it, as it books a cycle: append-only and unique by the day, so it outlives restarts
and a replay books the same. A day in which the program did not run has no record. The day in which a grid begins has
none either, because nothing has waited yet.
"""

from typing import Final

from millrace.core.commands import Book
from millrace.risk.loss_lock import DAY_NS
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.stages.momentum_shadow import day_values
from millrace.strategies.slots.telemetry.capacity_health import nearest_rank
from millrace.strategies.slots.telemetry.status import vintage
from millrace.strategies.slots.turn import Turn

KIND: Final = "vintage_day"


def day_due_ns(grid: Grid) -> int:
    """Return the loop time at which the next record is due; 0 before the first loop."""
    return 0 if grid.vintage_day is None else grid.loop_at_ns((grid.vintage_day + 1) * DAY_NS)


def book_day(grid: Grid, turn: Turn) -> None:
    """Book the day's record in the first loop of a UTC day, numbered from 1970; waits are seconds since the entry."""
    day, before = turn.now_ns // DAY_NS, grid.vintage_day
    if day == before:
        return
    grid.vintage_day = day
    grid.read_bars(turn)  # at least once a day, so that no bar is forgotten before it is read
    if before is None:
        return
    waits = sorted(
        turn.now - record.entry_filled_at for slot in grid.slots.values() for record in slot.state.waiting_exits()
    )
    picture = vintage(grid, turn)
    pct_per_usd = picture.stuck_capital_pct / picture.stuck_capital_usd if picture.stuck_capital_usd > 0.0 else 0.0
    turn.out.append(
        Book(
            strategy=grid.name,
            kind=KIND,
            key=f"{grid.instrument.id}/{day}",
            values={
                "day": day,
                "waiting_exits": len(waits),
                "wait_p50_sec": nearest_rank(waits, 50),
                "wait_p95_sec": nearest_rank(waits, 95),
                "wait_p99_sec": nearest_rank(waits, 99),
                "stuck_capital_usd": picture.stuck_capital_usd,
                "stuck_capital_pct": picture.stuck_capital_pct,
                "stuck_capital_24h_usd": picture.stuck_capital_24h_usd,
                "slots": len(grid.slots),
                "sticky": grid.settings.sticky_mode_enabled,
                **day_values(grid, turn, pct_per_usd),
                **grid.records.entries(),
            },
            ts_ns=turn.now_ns,
        )
    )
