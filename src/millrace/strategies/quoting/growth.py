"""How much each symbol may do: its score from what its quotes brought, and the allocator's weight from the scores.

The desk tells it what happened; a rebalance at its own times makes one immutable allocation per symbol, which the next
tick reads. Without the allocator every symbol weighs the same, but the operator's lists hold; scores are kept for the
step of the ramp that switches it on (quoting 6, 7, 8).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from millrace.core.commands import Alert, OrderState, OrderUpdate, Severity, Side
from millrace.strategies.quoting.allocator.allocator import DRAINED, AllocatorState, allocations, cleared, rebalance
from millrace.strategies.quoting.allocator.fairness import Violation, fairness
from millrace.strategies.quoting.allocator.standing import MINUTE_MS, Phase, listed_phase
from millrace.strategies.quoting.features.markouts import Markout
from millrace.strategies.quoting.model import EVEN_ALLOCATION, Allocation
from millrace.strategies.quoting.quoted import NEVER_NS, QuotedSymbol
from millrace.strategies.quoting.scoreboard.board import Scoreboard, SymbolScore
from millrace.strategies.quoting.settings import QuotingSettings
from millrace.strategies.quoting.tick_result import TickResult
from millrace.strategies.quoting.working import Heard

_MS = 1_000_000
_MS_IN_SECOND = 1_000


class _Saved(msgspec.Struct):
    board: dict[str, Any]
    state: AllocatorState
    violations: list[Violation]
    ticked_ms: dict[str, int]
    filled_before: dict[str, int]
    next_ns: int
    allocates: bool
    ramping: bool


class Growth:
    """Scores and allocations of a desk's symbols; times are ms, `next_ns` is when a rebalance is due.

    `allocates` and `ramping` are the ramp's switches: whether scores decide sizes, and whether that is new.
    """

    def __init__(self, settings: QuotingSettings, symbols: tuple[str, ...]) -> None:
        self._settings = settings.dynamic_allocator
        self._scored = settings.symbol_scoreboard.enabled
        self._listed = {symbol: listed_phase(symbol, self._settings) for symbol in symbols}
        self._even = {symbol: DRAINED if phase else EVEN_ALLOCATION for symbol, phase in self._listed.items()}
        self._allocations: dict[str, Allocation] = self._even
        self._board = Scoreboard(settings.symbol_scoreboard, symbols)
        self._state = AllocatorState()
        self._violations: list[Violation] = []
        self._ticked_ms: dict[str, int] = {}
        self._filled_before: dict[str, int] = {}  # lots of an order that filled at an earlier place of it
        self.next_ns = NEVER_NS
        self.allocates = True
        self.ramping = False

    def allocation(self, symbol: str) -> Allocation:
        """Return what a symbol may do."""
        return self._allocations[symbol]

    def score(self, symbol: str, now_ms: int) -> float | None:
        """Return a symbol's score, None while unknown."""
        return self._board.score(symbol, now_ms).score

    def why(self, symbol: str, now_ms: int) -> str:
        """Return why the allocator keeps a symbol from trading freely, "" where it does not."""
        listed, standing = self._listed[symbol], self._state.symbols.get(symbol)
        if listed is not None:
            return listed.value
        if standing is None or standing.phase is Phase.ACTIVE or self._allocations is self._even:
            return ""
        return f"{standing.phase.value} for {max(standing.until_ms - now_ms, 0) // MINUTE_MS} min"

    @property
    def violations(self) -> list[Violation]:
        """What of the statements on fairness did not hold after the last rebalance."""
        return self._violations

    # News

    def measured(self, symbol: str, markouts: tuple[Markout, ...]) -> None:
        """Take where the market went after fills."""
        window = self._board.window(symbol)
        for markout in markouts:
            window.on_markout(markout)

    def heard(self, symbol: QuotedSymbol, heard: Heard, update: OrderUpdate) -> None:
        """Take what became of an order: what its fill cost beyond what was intended, and a quote that is gone.

        An order that moved to another queue is another quote from then on.
        """
        window, order = self._board.window(symbol.symbol), heard.order
        if update.d_lots:
            window.on_fill(update.d_lots, symbol.worse_ticks(update, order), symbol.reducer.mid2)
        if heard.rested_ms is not None and update.state is not OrderState.REJECTED:
            window.on_quote_end(
                rested_ms=heard.rested_ms,
                filled=update.cum_lots > self._filled_before.get(order.key, 0),
                min_time_in_book_ms=symbol.config.emit.min_time_in_book_ms,
            )
            self._filled_before[order.key] = update.cum_lots
        if update.state.is_terminal:
            self._filled_before.pop(order.key, None)

    def ticked(self, symbol: QuotedSymbol, result: TickResult, now_ms: int) -> None:
        """Take where resting quotes stand in their queues, and close the symbol's window when its time is over."""
        if not self._scored:
            return
        name, queue = symbol.symbol, result.context.queue
        last_ms = self._ticked_ms.get(name, now_ms)
        self._ticked_ms[name] = now_ms
        if queue is not None and now_ms > last_ms:
            window = self._board.window(name)
            for order in result.context.features.live:
                if order.level == 0 and not order.pending:
                    rested_ms = now_ms - max(last_ms, order.placed_ms)
                    percentile = queue.bid_percentile if order.side is Side.BUY else queue.ask_percentile
                    window.on_queue(max(rested_ms, 0), percentile)
        account = symbol.reducer.account
        self._board.roll(name, now_ms, account.total(symbol.reducer.mid2), account.traded)
        if self.next_ns == NEVER_NS and self._weighs:
            self.next_ns = self._following_ns(now_ms)

    # Rebalances

    @property
    def _weighs(self) -> bool:
        """Whether scores decide sizes."""
        return self._settings.enabled and self._scored and self.allocates

    def _following_ns(self, now_ms: int) -> int:
        period_sec = self._settings.ramp_rebalance_period_sec if self.ramping else self._settings.rebalance_period_sec
        period_ms = period_sec * _MS_IN_SECOND
        return (now_ms // period_ms + 1) * period_ms * _MS

    def rebalance(self, now_ms: int) -> list[Alert]:
        """Make the allocations anew from the scores, and say what a person should hear of.

        With the allocator off all symbols weigh the same again.
        """
        if not self._weighs:
            self._allocations, self._violations, self.next_ns = self._even, [], NEVER_NS
            return []
        scores = self._board.scores(now_ms)
        before, broken = self._state, {violation.statement for violation in self._violations}
        self._state, self._allocations = rebalance(before, scores, now_ms, self._settings)
        self._violations = fairness(self._state, scores, now_ms, self._settings)
        self.next_ns = self._following_ns(now_ms)
        said = _moves(before, self._state, scores)
        said += [
            (
                Severity.WARN,
                "allocator_unfair",
                f"statement {one.statement.value} on fairness does not hold: {one.detail}",
            )
            for one in self._violations
            if one.statement not in broken
        ]
        return [Alert(severity, code, text, now_ms * _MS) for severity, code, text in said]

    def switch(self, *, allocates: bool, ramping: bool, now_ms: int) -> None:
        """Take what a step of the ramp says of the allocator; it holds from the next tick."""
        self.allocates, self.ramping = allocates, ramping
        if self._weighs:
            self.next_ns = min(self.next_ns, self._following_ns(now_ms))
        else:
            self._allocations, self._violations, self.next_ns = self._even, [], NEVER_NS

    def clear(self, symbol: str, now_ms: int) -> bool:
        """End a symbol's ban or probation on an operator's word; False where it is in neither."""
        standing = self._state.symbols.get(symbol)
        if standing is None or standing.phase not in {Phase.BANNED, Phase.PROBATION}:
            return False
        self._state = cleared(self._state, symbol, now_ms, self._settings)
        if self._allocations is not self._even:
            self._allocations = allocations(self._state)
        return True

    # Looking at it

    def shown(self, now_ms: int) -> dict[str, Any]:
        """Return scores and weights for people and metrics; strict JSON. Weights are those in force."""
        state, scores = self._state, self._board.scores(now_ms)
        rows = {symbol: self._row(symbol, scores[symbol], now_ms) for symbol in self._even}
        return {
            "enabled": self._settings.enabled and self._scored and self.allocates,
            "symbols": rows,
            "rebalances": state.rebalances,
            "active_symbols": sum(row["active"] for row in rows.values()),
            "blacklist_size": {
                "static": len(state.in_phase(Phase.BLACKLISTED)),
                "auto": len(state.in_phase(Phase.BANNED)),
                "probation": len(state.in_phase(Phase.PROBATION)),
            },
            "jain_index": state.jain_index,
            "violations": [[violation.statement.value, violation.detail] for violation in self._violations],
            "last_kept": list(state.last_kept),
        }

    def _row(self, symbol: str, score: SymbolScore, now_ms: int) -> dict[str, Any]:
        standing = self._state.symbols.get(symbol)
        floor_ms = standing.floor_ms if standing is not None else None
        allocation: dict[str, Any] = msgspec.to_builtins(self._allocations[symbol])
        scored: dict[str, Any] = msgspec.to_builtins(score)
        return {
            **scored,
            **allocation,
            "phase": Phase.ACTIVE.value if standing is None else standing.phase.value,
            "why": self.why(symbol, now_ms),
            "bans": 0 if standing is None else standing.bans,
            "at_floor_sec": 0.0 if floor_ms is None else (now_ms - floor_ms) / _MS_IN_SECOND,
        }

    # State

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        saved = _Saved(
            self._board.snapshot(),
            self._state,
            self._violations,
            self._ticked_ms,
            self._filled_before,
            self.next_ns,
            self.allocates,
            self.ramping,
        )
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins | {"weighs": self._allocations is not self._even}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self._board.restore(saved.board)
        self._state, self._violations = saved.state, saved.violations
        self._ticked_ms, self._filled_before, self.next_ns = saved.ticked_ms, saved.filled_before, saved.next_ns
        self.allocates, self.ramping = saved.allocates, saved.ramping
        if state["weighs"] and self._weighs:
            drained = {symbol: DRAINED for symbol, phase in self._listed.items() if phase is not None}
            self._allocations = {**self._even, **allocations(saved.state), **drained}


def _moves(
    before: AllocatorState, after: AllocatorState, scores: Mapping[str, SymbolScore]
) -> list[tuple[Severity, str, str]]:
    """Tell who was banned, who came back, and who stays only because nobody else is left."""
    said = []
    for symbol, standing in after.symbols.items():
        old = before.symbols.get(symbol, standing).phase
        if standing.phase is Phase.BANNED and old is not Phase.BANNED:
            minutes = (standing.until_ms - after.rebalanced_ms) // MINUTE_MS
            net_bps = scores[symbol].net_bps or 0.0
            text = f"{symbol} brings {net_bps:.1f} bps of what it trades and is drained for {minutes} min"
            said.append((Severity.WARN, "symbol_banned", text))
        elif standing.phase is Phase.ACTIVE and old in {Phase.BANNED, Phase.PROBATION}:
            said.append((Severity.INFO, "symbol_reinstated", f"{symbol} trades again after its ban"))
    said += [
        (Severity.WARN, "last_symbol", f"{symbol} loses for long and would be banned, but too few would be left")
        for symbol in after.last_kept
        if symbol not in before.last_kept
    ]
    return said
