"""The rebalancer's state in a grid: governor, dynamic target, and when they look next (slots 13).

Kept apart from what they look at, so that the grid can own it: `idle_money` shows it the account, sizes ask it what a
fresh entry may grow by. Switched off it has no time at which it would act and answers nothing.
"""

from typing import Any

from millrace.strategies.slots.entry_size.order_size import Favour
from millrace.strategies.slots.entry_size.rebalancer import IdleBasis, Rebalancer, RebalanceSettings
from millrace.strategies.slots.entry_size.trend import Trend, TrendSettings
from millrace.strategies.slots.slot import NEVER_NS
from millrace.strategies.slots.turn import Turn

_SECOND_NS = 1_000_000_000
_PPM = 1e6


class IdleControl:
    """Governor and trend of one grid; `looked_ns` is when the account was last looked at, whatever came of it."""

    def __init__(self, settings: RebalanceSettings, trend: TrendSettings) -> None:
        self.settings = settings
        self.trend_settings = trend
        self.governor = Rebalancer(settings)
        self.trend = Trend(trend)
        self.basis: IdleBasis | None = None
        self.looked_ns: int | None = None
        self._interval_ns = round(settings.interval_sec * _SECOND_NS)

    @property
    def due_ns(self) -> int:
        """When to look next: at once, then at the interval, never while it is switched off."""
        if not self.settings.enabled:
            return NEVER_NS
        return 0 if self.looked_ns is None else self.looked_ns + self._interval_ns

    def take(self, basis: IdleBasis, ratio: float, price: float, now: float, *, band_is_normal: bool) -> None:
        """Show the governor the idle ratio of now; on another basis than before it starts anew."""
        if basis != self.basis:
            opening, self.governor = self.governor.opening_target, Rebalancer(self.settings)
            self.governor.opening_target, self.basis = opening, basis
        trend = self.trend_settings
        target = self.governor.base_target(basis, ratio, trend.floor, trend.ceiling)
        if trend.enabled:
            target = self.trend.push(price, target, now)
        self.governor.update(ratio, target, now, band_is_normal=band_is_normal)

    def favour(self, turn: Turn) -> Favour | None:
        """Return which leg's fresh entries may be larger now and what they may spend; None while neither's may."""
        leg = self.governor.favoured
        if leg is None or not self.settings.enabled:
            return None
        facts = turn.instrument
        money = turn.free_quote() if leg == "B" else turn.free_base()
        if money is None:
            return None
        free = facts.base_float(money)
        if leg == "B":
            free = facts.quote_float(money) / (1.0 + facts.maker_fee_ppm / _PPM)
        return Favour(leg, self.governor.size_multiplier, free)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "governor": self.governor.snapshot(),
            "trend": self.trend.snapshot(),
            "basis": self.basis,
            "looked_ns": self.looked_ns,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave, perhaps under other settings: they decide whether it acts (slots 17)."""
        self.governor.restore(state["governor"])
        self.trend.restore(state["trend"])
        self.basis, self.looked_ns = state["basis"], state["looked_ns"]
