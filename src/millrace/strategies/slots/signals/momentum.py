"""When a new entry may leave: the momentum gate keeps back the leg that the market is running against (slots 12.3).

In a rising market a sell entry fills and its buy exit waits below for ever; in a falling one the same happens to buys.
The gate therefore keeps new entries of one leg off the book while the averages point against it. What is on the book
stays there, exits are never touched, and how much is bought is another part's business.
"""

from typing import Any

import msgspec

from millrace.strategies.slots.reducer.model import TradeId
from millrace.strategies.slots.signals.regime_bands import GateMode
from millrace.strategies.slots.slot import NEVER_NS


class MomentumSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the gate and its averages (slots 21): bars, seconds, `neutral_pct` in per cent of price."""

    enabled: bool = False
    max_defer_sec: float = 3600.0
    ema_fast_bars: int = 5
    ema_slow_bars: int = 20
    neutral_pct: float = 0.0


def kept_back(mode: GateMode, signal: int, di_signal: int) -> TradeId | None:
    """Return the leg whose new entries wait: A while the signal is bullish, B while it is bearish, None for neither.

    A strict gate takes the sign of +DI less -DI where the averages say nothing (slots 12.3).
    """
    if mode == "off":
        return None
    if signal == 0 and mode == "strict":
        signal = di_signal
    return "A" if signal > 0 else "B" if signal < 0 else None


class MomentumGate:
    """The gate's own state: when the waiting legs are next looked at, and how often a slot went past it."""

    def __init__(self) -> None:
        self.look_ns = NEVER_NS
        self.overrides_total = 0

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {"look_ns": self.look_ns, "overrides_total": self.overrides_total}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.look_ns, self.overrides_total = state["look_ns"], state["overrides_total"]
