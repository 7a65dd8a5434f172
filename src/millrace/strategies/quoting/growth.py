"""How much each symbol may do: its score from what its quotes brought, and the allocator's weight from the scores.

The desk tells it what happened; a rebalance at its own times makes one immutable allocation per symbol, which the next
tick reads. Without the allocator every symbol weighs the same (quoting 6, 7).
"""

from typing import Any

from millrace.core.commands import OrderUpdate, Side
from millrace.strategies.quoting.allocator.allocator import AllocatorState, allocations, cleared, is_due, rebalance
from millrace.strategies.quoting.allocator.standing import Phase
from millrace.strategies.quoting.features.markouts import Markout
from millrace.strategies.quoting.model import EVEN_ALLOCATION, Allocation
from millrace.strategies.quoting.quoted import NEVER_NS, QuotedSymbol
from millrace.strategies.quoting.scoreboard.board import Scoreboard, SymbolScore
from millrace.strategies.quoting.settings import QuotingSettings
from millrace.strategies.quoting.tick_result import TickResult
from millrace.strategies.quoting.working import Heard

_MS = 1_000_000
_SECOND_NS = 1_000_000_000


class Growth:
    """Scores and allocations of a desk's symbols; times are ms, `next_ns` is when a rebalance is due."""

    def __init__(self, settings: QuotingSettings, symbols: tuple[str, ...]) -> None:
        self._settings = settings.dynamic_allocator
        self._scores_on = settings.symbol_scoreboard.enabled
        self._on = settings.dynamic_allocator.enabled and self._scores_on
        self._min_time_ms = settings.emit.min_time_in_book_ms
        self.board = Scoreboard(settings.symbol_scoreboard, symbols)
        self.allocator = AllocatorState()
        self.ramping = False
        self._even: dict[str, Allocation] = dict.fromkeys(symbols, EVEN_ALLOCATION)
        self._allocations = self._even
        self._looked_ms: dict[str, int] = {}
        self.next_ns = 0 if self._on else NEVER_NS

    def allocation(self, symbol: str) -> Allocation:
        """Return what a symbol may do."""
        return self._allocations.get(symbol, EVEN_ALLOCATION)

    # What happened

    def measured(self, symbol: str, markouts: tuple[Markout, ...]) -> None:
        """Take where the market went after fills."""
        window = self.board.window(symbol)
        for markout in markouts:
            window.on_markout(markout)

    def heard(self, symbol: QuotedSymbol, heard: Heard, update: OrderUpdate) -> None:
        """Take what became of an order: what its fill cost beyond its price, and a quote that is gone."""
        window, order = self.board.window(symbol.symbol), heard.order
        mid2 = symbol.reducer.mid2
        if update.d_lots and mid2:
            paid = update.d_cost / (update.d_lots * symbol.cost_of_tick_lot)
            window.on_fill(update.d_lots, order.side.sign * (paid - order.ticks), mid2)
        if heard.rested_ms is not None:
            filled = update.cum_lots > 0
            window.on_quote_end(rested_ms=heard.rested_ms, filled=filled, min_time_in_book_ms=self._min_time_ms)

    def ticked(self, symbol: QuotedSymbol, result: TickResult, now_ms: int) -> None:
        """Take a tick: where our quotes stand in their queues, and a window whose time is over."""
        if not self._scores_on:
            return
        name, account = symbol.symbol, symbol.reducer.account
        queue = result.context.queue
        since_ms = now_ms - self._looked_ms.get(name, now_ms)
        self._looked_ms[name] = now_ms
        if queue is not None and since_ms > 0:
            window, sides = self.board.window(name), {order.side for order in result.context.features.live}
            if Side.BUY in sides:
                window.on_queue(since_ms, queue.bid_percentile)
            if Side.SELL in sides:
                window.on_queue(since_ms, queue.ask_percentile)
        self.board.roll(name, now_ms, account.total(symbol.reducer.mid2), account.traded)

    def rebalance(self, now_ms: int) -> None:
        """Make the allocations anew from the scores, where that is due."""
        if is_due(self.allocator, now_ms, self._settings, ramping=self.ramping):
            scores = self.board.scores(now_ms)
            self.allocator, self._allocations = rebalance(self.allocator, scores, now_ms, self._settings)
        period_sec = self._settings.ramp_rebalance_period_sec if self.ramping else self._settings.rebalance_period_sec
        self.next_ns = (now_ms + 1) * _MS + period_sec * _SECOND_NS

    def clear(self, symbol: str, now_ms: int) -> bool:
        """End a symbol's ban; False for one that is not banned."""
        try:
            self.allocator = cleared(self.allocator, symbol, now_ms, self._settings)
        except KeyError:
            return False
        self._allocations = allocations(self.allocator)
        return True

    # Looking at it

    def score(self, symbol: str, now_ms: int) -> float | None:
        """Return a symbol's score, None while unknown."""
        return self.board.score(symbol, now_ms).score

    def shown(self, now_ms: int) -> dict[str, Any]:
        """Return scores and weights for people and metrics; strict JSON."""
        scores: dict[str, SymbolScore] = self.board.scores(now_ms)
        state = self.allocator
        return {
            "enabled": self._on,
            "rebalances": state.rebalances,
            "jain_index": state.jain_index if state.symbols else 1.0,
            "blacklist": {phase.value: len(state.in_phase(phase)) for phase in Phase if phase is not Phase.ACTIVE},
            "symbols": {
                symbol: {
                    "score": one.score,
                    "samples": one.samples,
                    "ticks": one.ticks,
                    "net_bps": one.net_bps,
                    "fill_rate": one.fill_rate,
                    "slippage_bps": one.slippage_bps,
                    "queue_edge": one.queue_edge,
                    "adverse_penalty": one.adverse_penalty,
                    "weight": self.allocation(symbol).weight,
                    "size_multiplier": self.allocation(symbol).size_multiplier,
                    "refresh_multiplier": self.allocation(symbol).refresh_multiplier,
                    "max_quotes": self.allocation(symbol).max_quotes,
                    "active": self.allocation(symbol).active,
                }
                for symbol, one in scores.items()
            },
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "next_ns": self.next_ns,
            "board": self.board.snapshot(),
            "allocator": self.allocator.snapshot(),
            "looked_ms": dict(self._looked_ms),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.next_ns = state["next_ns"] if self._on else NEVER_NS
        self.board.restore(state["board"])
        self.allocator = AllocatorState.restored(state["allocator"])
        self._looked_ms = dict(state["looked_ms"])
        self._allocations = allocations(self.allocator) if self._on and self.allocator.symbols else self._even
