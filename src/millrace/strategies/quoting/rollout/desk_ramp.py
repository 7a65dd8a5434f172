"""The ramp as the desk knows it: which path each symbol is on, and what both paths did since the step began.

Only an operator's word moves it, the ramp's controller's included, and that is an event; so a replay takes the same
steps. A symbol that changes its path has its orders taken back first: two quoters never work on one book. While a
symbol is on the frozen quoter, the pipeline looks at the same features in its shadow and what it wants is compared.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from millrace.core.commands import OrderState, OrderUpdate
from millrace.core.events import NOT_SENT
from millrace.strategies.quoting.features.markouts import Markout
from millrace.strategies.quoting.rollout.membership import members
from millrace.strategies.quoting.rollout.ramp import allocates
from millrace.strategies.quoting.rollout.shadow import Comparison, ShadowReport
from millrace.strategies.quoting.settings_growth import RolloutSettings

_FULL_PCT = 100
_MS = 1_000_000
MARKOUTS_MS = (200, 500)
"""Horizons at which the two groups are compared (quoting 8)."""


class Path(StrEnum):
    """Who quotes a symbol."""

    PIPELINE = "pipeline"
    LEGACY = "legacy"


class PathFigures(msgspec.Struct):
    """What the symbols of one path did since the step began; `markouts` are sums in bps and counts by horizon."""

    orders: int = 0
    rejected: int = 0
    fills: int = 0
    takers: int = 0
    slip_ticks_bps: float = 0.0
    markouts: dict[int, list[float]] = msgspec.field(default_factory=lambda: {ms: [0.0, 0.0] for ms in MARKOUTS_MS})

    def shown(self) -> dict[str, Any]:
        """Return counts and means as strict JSON; None: nothing to take a mean of."""
        found: dict[str, Any] = {
            "orders": self.orders,
            "fills": self.fills,
            "rejected_pct": _share(self.rejected, self.orders),
            "taker_share_pct": _share(self.takers, self.fills),
            "slippage_bps": self.slip_ticks_bps / self.fills if self.fills else None,
        }
        for ms, (total, count) in self.markouts.items():
            found[f"markout_{ms}ms_bps"] = total / count if count else None
        return found


class _Saved(msgspec.Struct):
    enabled: bool
    pct: int
    since_ms: int
    steps: int
    paths: dict[str, PathFigures]
    shadow: ShadowReport


class DeskRamp:
    """Membership, the figures of both paths, and the shadow; `pct` is the step."""

    def __init__(self, settings: RolloutSettings, symbols: Sequence[str], *, enabled: bool) -> None:
        self._settings = settings
        self._symbols = tuple(symbols)
        self.enabled = enabled
        self.steps = 0
        self._begin(settings.start_pct if enabled else 0, 0)

    def _begin(self, pct: int, now_ms: int) -> None:
        cfg = self._settings
        self.pct = pct
        self.since_ms = now_ms
        self._members = members(self._symbols, pct, cfg.salt, cfg.pinned_in.split(), cfg.pinned_out.split())
        self.paths = {path: PathFigures() for path in Path}
        self.shadow = ShadowReport()

    @property
    def allocates(self) -> bool:
        """Whether scores decide sizes at this step."""
        return self.enabled and allocates(self.pct, self._settings)

    @property
    def is_climbing(self) -> bool:
        """Whether the ramp is somewhere between its ends."""
        return 0 < self.pct < _FULL_PCT

    def path_of(self, symbol: str) -> Path:
        """Return who quotes a symbol at this step."""
        return Path.PIPELINE if symbol in self._members else Path.LEGACY

    def go(self, pct: int, now_ms: int) -> None:
        """Move to a step; figures and shadow begin anew."""
        self.steps += 1
        self._begin(pct, now_ms)

    # What happened

    def heard(self, symbol: str, update: OrderUpdate, *, taker: bool, slip_bps: float) -> None:
        """Count the news of an order under the path that its symbol is on."""
        figures = self.paths[self.path_of(symbol)]
        if update.state.is_terminal and not update.previous.is_terminal and update.reject not in NOT_SENT:
            figures.orders += 1
            figures.rejected += update.state is OrderState.REJECTED
        if update.d_lots:
            figures.fills += 1
            figures.takers += taker
            figures.slip_ticks_bps += slip_bps

    def measured(self, symbol: str, markouts: Sequence[Markout]) -> None:
        """Count where the market went after fills."""
        for markout in markouts:
            row = self.paths[self.path_of(symbol)].markouts.get(markout.horizon_ms)
            if row is not None and not markout.late:
                row[0] += markout.bps
                row[1] += 1

    def compared(self, comparison: Comparison, now_ms: int) -> None:
        """Take one tick of both paths."""
        self.shadow.take(comparison, now_ms * _MS)

    # Looking at it

    def shown(self) -> dict[str, Any]:
        """Return it for people, metrics and the ramp's controller; strict JSON."""
        return {
            "enabled": self.enabled,
            "pct": self.pct,
            "since_ms": self.since_ms,
            "steps": self.steps,
            "members": sorted(self._members),
            "paths": {path.value: figures.shown() for path, figures in self.paths.items()},
            "shadow": self.shadow.shown(self._settings.waived_mismatches.split()),
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        paths = {path.value: figures for path, figures in self.paths.items()}
        saved = _Saved(self.enabled, self.pct, self.since_ms, self.steps, paths, self.shadow)
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; it is none of this ramp's where the pipeline was switched on or off since.

        A step that an operator took outlives a restart, but never the word that all symbols go back to the old quoter.
        """
        saved = msgspec.convert(state, _Saved, strict=False)
        if saved.enabled is not self.enabled:
            return
        self._begin(saved.pct, saved.since_ms)
        self.steps = saved.steps
        self.paths = {Path(name): figures for name, figures in saved.paths.items()}
        self.shadow = saved.shadow


def _share(part: int, whole: int) -> float | None:
    return 100.0 * part / whole if whole else None
