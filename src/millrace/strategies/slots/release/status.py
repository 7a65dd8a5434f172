"""The status block `release_health`, and what the vintage says of releases (slots 11.6, 16); strict JSON, read-only.

The figures are worked out when somebody looks, from the same gate and the same share that the tiers use.
"""

from typing import Any

from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.release.recon import recon_gate
from millrace.strategies.slots.release.tiers import tier_active
from millrace.strategies.slots.turn import Turn


def release_health(grid: Grid, turn: Turn) -> dict[str, Any]:
    """Return the object `release_health`; `residue_usd` is the residue's worth at the last price."""
    releases, residue, gate = grid.releases, grid.residue, recon_gate(grid, turn)
    return {
        "sticky_release_total": releases.released_total,
        "sticky_release_last_at": releases.last_at,
        "tier1_total": releases.totals["tier1"],
        "tier2_total": releases.totals["tier2"],
        "manual_total": releases.totals["manual"],
        "filled_total": releases.totals["filled"],
        "failed_total": releases.totals["failed"],
        "under_way": len(releases),
        "released_loss_usd_total": releases.loss_usd,
        "recon_hard_gate_enabled": gate.enabled,
        "recon_hard_gate_blocked": bool(gate.reason),
        "recon_hard_gate_reason": gate.reason,
        "auto_enabled": grid.settings.release.auto_enabled,
        "tier_active": tier_active(grid, turn),
        "residue_base": residue.base,
        "residue_usd": residue.base * turn.price,
        "residue_unrealised_usd": residue.unrealised_usd(turn.price),
    }
