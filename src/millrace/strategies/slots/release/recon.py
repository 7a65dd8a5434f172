"""The hard gate between reconciliation and releases (slots 11.4): nothing is booked over a drift that nobody explains.

The gate has no state of its own but one: that a release was followed by a drift, which a person must acknowledge before
the tiers go on. Everything else is worked out from the balances when somebody asks, so it is never out of date and does
not depend on how often it was looked at.
"""

import msgspec

from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.telemetry.watch import recon
from millrace.strategies.slots.turn import Turn


class ReconGate(msgspec.Struct, frozen=True, gc=False):
    """What reconciliation says about releases: `status` as in `balance_recon`, percentages of the account."""

    enabled: bool
    status: str | None
    drift_pct: float | None
    threshold_pct: float
    tripped: bool

    @property
    def available(self) -> bool:
        """Whether the balances could be compared at all."""
        return self.status in ("OK", "DRIFT")

    @property
    def blocks_all(self) -> bool:
        """Whether nothing may be released, by a person neither."""
        return self.enabled and self.status == "DRIFT"

    @property
    def blocks_tiers(self) -> bool:
        """Whether the tiers stay off: drift, a trip that nobody acknowledged, or balances that cannot be compared."""
        return self.enabled and (self.blocks_all or self.tripped or not self.available)

    @property
    def reason(self) -> str:
        """Why it blocks, in words; empty when it is clear."""
        if not self.enabled:
            return ""
        waits = "release_ack" if self.tripped else ""
        if self.blocks_all:
            text = f"balances drift {self.drift_pct:.3f} % from what was earned, more than {self.threshold_pct:g} %"
            return f"{text}; the tiers wait for {waits}" if waits else text
        return f"a release was followed by a drift; the tiers wait for {waits}" if waits else ""

    def as_data(self) -> dict[str, bool | float | str | None]:
        """Return the gate as builtins, for replies."""
        return {
            "ok": not self.blocks_all,
            "enabled": self.enabled,
            "status": self.status,
            "value": self.drift_pct,
            "threshold": self.threshold_pct,
            "needs_ack": self.tripped,
            "reason": self.reason,
        }


def recon_gate(grid: Grid, turn: Turn) -> ReconGate:
    """Return the gate as the balances stand now."""
    found = recon(grid, turn)
    enabled = grid.settings.release.recon_hard_gate_enabled
    return ReconGate(enabled, found.status, found.unexplained_pct, found.threshold_pct, grid.releases.tripped)
