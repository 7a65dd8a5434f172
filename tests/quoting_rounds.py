"""Rounds of the allocator for tests: scores in, a rebalance each period, nothing else."""

from collections.abc import Callable, Mapping

from millrace.strategies.quoting.allocator.allocator import AllocatorState, rebalance
from millrace.strategies.quoting.scoreboard.board import SymbolScore
from millrace.strategies.quoting.settings_growth import AllocatorSettings

PERIOD_MS = 30_000
SETTINGS = AllocatorSettings(enabled=True)
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def score(effective: float, net_bps: float | None = None, net_samples: int = 0) -> SymbolScore:
    return SymbolScore(effective, effective, 10, net_samples, 10, net_bps, None, None, None, None)


def scores(**effective: float) -> dict[str, SymbolScore]:
    return {symbol: score(value) for symbol, value in effective.items()}


def rounds(
    state: AllocatorState,
    now_ms: int,
    count: int,
    given: Mapping[str, SymbolScore] | Callable[[int], Mapping[str, SymbolScore]],
    settings: AllocatorSettings = SETTINGS,
    each: Callable[[AllocatorState, int], None] | None = None,
) -> tuple[AllocatorState, int]:
    """Rebalance `count` times and return the state and the time of the last one."""
    for _ in range(count):
        now_ms += PERIOD_MS
        state, _ = rebalance(state, given(now_ms) if callable(given) else given, now_ms, settings)
        if each is not None:
            each(state, now_ms)
    return state, now_ms


def weights(state: AllocatorState) -> dict[str, float | None]:
    return {symbol: each.weight for symbol, each in state.symbols.items()}
