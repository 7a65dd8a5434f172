"""What a snapshot says of the grid beside its slots, by the contract's names: layers, releases, residue, scheduler.

The exact states of these parts travel too, but only between programs of ours. From any other hand these few figures are
read, each by itself: what an operator asked for goes on, a gate that waits for a person goes on waiting, and totals do
not begin at zero (slots 17).
"""

from typing import Any, Final

from millrace.strategies.slots.entry_size.layer_actions import MOST_LAYERS
from millrace.strategies.slots.entry_size.layers import SOURCES
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.handover.plain_values import Fields

_TOTALS: Final = {"manual": "manual_total", "tier1": "tier1_total", "tier2": "tier2_total", "failed": "failed_total"}


def blocks_of(grid: Grid) -> dict[str, Any]:
    """Return the blocks as builtins."""
    releases, residue, scheduler = grid.releases, grid.residue, grid.scheduler
    return {
        "layers": list(grid.layers.sources),
        "release": {name: releases.totals[kind] for kind, name in _TOTALS.items()}
        | {
            "sticky_release_total": releases.released_total,
            "sticky_release_last_at": releases.last_at,
            "released_loss_usd_total": releases.loss_usd,
        },
        "recon_gate": {"tripped": releases.tripped},
        "inventory_residue": {
            "base": residue.base,
            "cost_usd": residue.cost_usd,
            "fees_unpaid_usd": residue.fees_unpaid_usd,
        },
        "entry_scheduler": {
            "deferred_total": scheduler.deferred_total,
            "drained_total": scheduler.drained_total,
            "last_deferred_at": scheduler.last_deferred_at,
            "last_drained_at": scheduler.last_drained_at,
        },
    }


def take_blocks(grid: Grid, blocks: dict[str, Any]) -> list[str]:
    """Take what can be read of the blocks; returns what could not."""
    told: list[str] = []
    given = Fields(blocks, told)
    if blocks.get("layers") is not None:
        _take_layers(grid, blocks["layers"], told)
    release = Fields(given.object("release"), told, "release.")
    releases = grid.releases
    for kind, name in _TOTALS.items():
        releases.totals[kind] = release.count(name) or releases.totals[kind]
    releases.loss_usd = max(releases.loss_usd, release.number("released_loss_usd_total") or 0.0)
    releases.last_at = release.number("sticky_release_last_at") or releases.last_at
    if Fields(given.object("recon_gate"), told, "recon_gate.").flag("tripped", "blocked"):
        releases.tripped = True
    residue = Fields(given.object("inventory_residue"), told, "inventory_residue.")
    grid.residue.base = residue.number("base") or 0.0
    grid.residue.cost_usd = residue.number("cost_usd") or 0.0
    grid.residue.fees_unpaid_usd = residue.number("fees_unpaid_usd") or 0.0
    entries = Fields(given.object("entry_scheduler"), told, "entry_scheduler.")
    grid.scheduler.deferred_total = entries.count("deferred_total") or 0
    grid.scheduler.drained_total = entries.count("drained_total") or 0
    grid.scheduler.last_deferred_at = entries.number("last_deferred_at")
    grid.scheduler.last_drained_at = entries.number("last_drained_at")
    return told


def _take_layers(grid: Grid, layers: object, told: list[str]) -> None:
    """Take the operator's layers: their sources, or how many there are."""
    if isinstance(layers, list) and len(layers) <= MOST_LAYERS and all(source in SOURCES for source in layers):
        grid.layers.sources = list(layers)
        return
    row = layers if isinstance(layers, dict) else {"target": layers}
    count = Fields(row, told, "layers.").count("target", "target_layers", "count")
    if count is not None and count <= MOST_LAYERS:
        grid.layers.sources = ["AUTO"] * count
    elif count is not None:
        told.append(f"layers: {count} are more than {MOST_LAYERS}; none is taken")
