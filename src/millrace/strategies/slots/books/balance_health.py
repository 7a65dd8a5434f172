"""Whether the account can pay for what the grid wants: the status object `balance_health` (slots 18).

A leg that waits for money looks like any other that waits, and a hundred of them look like a quiet market. So what is
free, what is bound in orders, and how many legs wait for which currency stand in one place.
"""

from typing import Any

from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.reducer.model import WaitReason
from millrace.strategies.slots.telemetry.watch import holdings
from millrace.strategies.slots.turn import Turn


def balance_health(grid: Grid, turn: Turn) -> dict[str, Any]:
    """Return amounts in USD and base units, null while the venue has not reported, and who waits for money.

    `short_sides` are sides whose exits could not be paid in the last loop; no entry takes money of theirs.
    """
    facts, held = turn.instrument, holdings(turn)
    free_quote, free_base = turn.free_quote(), turn.free_base()
    known = held.usd is not None and held.base is not None
    portfolio = held.usd + held.base * turn.price if held.usd is not None and held.base is not None else None
    waiting = [leg for slot in grid.slots.values() for leg, why in slot.wait.items() if why is WaitReason.UNFUNDED]
    short = sorted(grid.short)
    return {
        "status": "NO_BALANCE" if not known else "SHORT" if waiting or short else "OK",
        "total_usd": held.usd,
        "total_base": held.base,
        "free_usd": None if free_quote is None else facts.quote_float(free_quote),
        "free_base": None if free_base is None else facts.base_float(free_base),
        "portfolio_usd": portfolio if turn.price > 0.0 else None,
        "unfunded_legs_a": waiting.count("A"),
        "unfunded_legs_b": waiting.count("B"),
        "short_sides": short,
    }
