"""What lies idle in the account now, and the rebalancer's look at it every few minutes (slots 13).

The account reports free money and totals; what live buys hold is the difference of the two, which counts orders on
their way as well and nothing twice (P14). The look stands on the loop's times, so that a backtest may skip to it.
"""

from typing import Any

from millrace.strategies.slots.entry_size.rebalancer import Idle, IdleBasis, idle_basis, idle_money
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.telemetry.capacity_health import NORMAL
from millrace.strategies.slots.telemetry.watch import band_now, holdings
from millrace.strategies.slots.turn import Turn


def rebalance(grid: Grid, turn: Turn) -> None:
    """Show the governor the account; without a price or balances it keeps its skew and looks again in an interval."""
    grid.idle.looked_ns = turn.now_ns
    idle = None if turn.stale else idle_now(grid, turn)
    if idle is not None:
        basis = basis_now(grid)
        is_normal = band_now(grid, turn) == NORMAL
        grid.idle.take(basis, idle.ratio(basis), turn.price, turn.now, band_is_normal=is_normal)


def basis_now(grid: Grid) -> IdleBasis:
    """Return the basis in force."""
    chosen = grid.settings
    in_units = chosen.order_size_mode == "DOGE"
    return idle_basis(chosen.rebalance.idle_basis, sticky=chosen.sticky_mode_enabled, in_units=in_units)


def idle_now(grid: Grid, turn: Turn) -> Idle | None:
    """Return what lies idle; None while price or balances are unknown."""
    held, free = holdings(turn), turn.free_quote()
    if held.usd is None or held.base is None or free is None or turn.price <= 0.0:
        return None
    committed = held.usd - grid.instrument.quote_float(free)
    return idle_money(held.usd, committed, _next_buys_usd(grid, turn.price), held.base, turn.price)


def _next_buys_usd(grid: Grid, mark: float) -> float:
    """Return what the buys that come next will ask for: B legs without an order, each at its plain size.

    Entries on the book hold their money already, and a leg in position gets its money back before it buys again. Plain
    means without account shares, which take all free money by definition and would leave nothing idle.
    """
    return sum(
        grid.settings.order_size_doge * mark if grid.size_mode(slot) == "DOGE" else grid.base_usd(slot)
        for slot in grid.slots.values()
        if slot.state.leg_order("B") is None
    )


def rebalancer_status(grid: Grid, turn: Turn) -> dict[str, Any]:
    """Return the `rebalancer` object (slots 13, 18): basis and ratios as of now, the governor as of its last look."""
    idle, control = idle_now(grid, turn), grid.idle
    return {
        "enabled": control.settings.enabled,
        "basis": basis_now(grid),
        "ratio_mark_to_market": None if idle is None else idle.mark_to_market,
        "ratio_usd_only": None if idle is None else idle.usd_only,
        "idle_usd": None if idle is None else idle.idle_usd,
        "runway_usd": None if idle is None else idle.runway_usd,
        **control.governor.status(turn.now),
        "last_look_sec": None if control.looked_ns is None else (turn.now_ns - control.looked_ns) / 1e9,
        "interval_sec": control.settings.interval_sec,
    }
