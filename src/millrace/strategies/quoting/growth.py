"""How much each symbol may do: its score from what its quotes brought, and the allocator's weight from the scores.

The desk tells it what happened; a rebalance at its own times makes one immutable allocation per symbol, which the next
tick reads. Without the allocator every symbol weighs the same (quoting 6, 7).
"""

from typing import Any

from millrace.core.commands import OrderUpdate
from millrace.strategies.quoting.features.markouts import Markout
from millrace.strategies.quoting.model import EVEN_ALLOCATION, Allocation
from millrace.strategies.quoting.quoted import NEVER_NS, QuotedSymbol
from millrace.strategies.quoting.settings import QuotingSettings
from millrace.strategies.quoting.tick_result import TickResult
from millrace.strategies.quoting.working import Order

_MS = 1_000_000


class Growth:
    """Scores and allocations of a desk's symbols; times are ms, `next_ns` is when a rebalance is due."""

    def __init__(self, settings: QuotingSettings, symbols: tuple[str, ...]) -> None:
        self._settings = settings
        self._allocations: dict[str, Allocation] = dict.fromkeys(symbols, EVEN_ALLOCATION)
        self.next_ns = NEVER_NS

    def allocation(self, symbol: str) -> Allocation:
        """Return what a symbol may do."""
        return self._allocations[symbol]

    def score(self, symbol: str, now_ms: int) -> float | None:
        """Return a symbol's score, None while unknown."""
        del symbol, now_ms
        return None

    def measured(self, symbol: str, markouts: tuple[Markout, ...]) -> None:
        """Take where the market went after fills."""

    def heard(self, symbol: QuotedSymbol, order: Order, update: OrderUpdate, now_ms: int) -> None:
        """Take what became of an order."""

    def ticked(self, symbol: QuotedSymbol, result: TickResult, now_ms: int) -> None:
        """Take a tick, and close the symbol's window when its time is over."""

    def rebalance(self, symbols: tuple[QuotedSymbol, ...], now_ms: int) -> None:
        """Make the allocations anew from the scores."""

    def shown(self, now_ms: int) -> dict[str, Any]:
        """Return scores and weights for people and metrics; strict JSON."""
        del now_ms
        return {}

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {"next_ns": self.next_ns}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.next_ns = state["next_ns"]
