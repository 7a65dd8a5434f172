"""The rebalance: from scores and standings to what each symbol may do until the next one.

It is a pure function of its state, the scores and the time, and what it returns is immutable: the desk puts the new
allocations in place between two ticks. A change smaller than the hysteresis is not begun, or every breath of a score
would move orders; one that was begun is walked to its end, and a small difference that stays on one side for long is
walked too, so that no error is permanent (quoting 7).
"""

from collections.abc import Mapping
from math import ceil, fsum, sqrt
from typing import Any

import msgspec
from msgspec.structs import replace

from millrace.strategies.quoting.allocator.standing import MINUTE_MS, Phase, Standing, freed, judged
from millrace.strategies.quoting.allocator.weights import jain_index, target_weights
from millrace.strategies.quoting.model import Allocation
from millrace.strategies.quoting.scoreboard.board import SymbolScore
from millrace.strategies.quoting.settings_growth import AllocatorSettings

RESIDUAL = 0.005
"""A weight this near to its target has arrived."""
KEPT_STEPS = 40
"""Rebalances whose changes are kept, to tell whether weights come to rest."""
_PATIENCE = 20
"""Rebalances after which a difference on one side is walked although it is small."""
_MOST_QUOTES = 10
_QUOTES_PER_WEIGHT = 3.0
_ROUNDING = 1e-9
_BEHIND = 0.1
_LEVEL = 0.02
"""Score below the peers' middle from which a symbol is behind them, and up to which it is level with them."""
_LONG_BEHIND_MS = 120 * MINUTE_MS
_ALIKE = 0.05
_CAUGHT_UP = 0.9

DRAINED = Allocation(weight=0.0, size_multiplier=0.0, refresh_multiplier=1.0, max_quotes=1, active=False)
"""No new quotes; what reduces the position may stay until nothing is left."""


class Step(msgspec.Struct, frozen=True):
    """How far one rebalance moved: the mean of all weights' changes, and the largest change of a target."""

    weights: float
    targets: float


class AllocatorState(msgspec.Struct, frozen=True):
    """All that the next rebalance needs of the last; `last_kept` would be banned, were they not the last symbols."""

    symbols: Mapping[str, Standing] = {}
    rebalanced_ms: int = 0
    rebalances: int = 0
    steps: tuple[Step, ...] = ()
    last_kept: tuple[str, ...] = ()

    @property
    def active_weights(self) -> dict[str, float]:
        """The weights of active symbols, those on probation not among them."""
        return {symbol: each.weight or 0.0 for symbol, each in self.symbols.items() if each.phase is Phase.ACTIVE}

    @property
    def jain_index(self) -> float:
        """How evenly the weights of the active symbols are spread."""
        return jain_index(self.active_weights)

    def in_phase(self, phase: Phase) -> list[str]:
        """Return the symbols of a phase."""
        return [symbol for symbol, each in self.symbols.items() if each.phase is phase]

    def snapshot(self) -> Any:
        """Return the state as builtins."""
        return msgspec.to_builtins(self)

    @classmethod
    def restored(cls, state: Any) -> "AllocatorState":
        """Return what `snapshot` gave as a state."""
        return msgspec.convert(state, cls)


def is_due(state: AllocatorState, now_ms: int, settings: AllocatorSettings, *, ramping: bool = False) -> bool:
    """Tell whether it is time for the next rebalance."""
    period_sec = settings.ramp_rebalance_period_sec if ramping else settings.rebalance_period_sec
    return not state.rebalances or now_ms - state.rebalanced_ms >= period_sec * 1_000


def rebalance(
    state: AllocatorState, scores: Mapping[str, SymbolScore], now_ms: int, settings: AllocatorSettings
) -> tuple[AllocatorState, dict[str, Allocation]]:
    """Return the next state and what each symbol that has a score, known or not, may do."""
    standings = {
        symbol: judged(state.symbols.get(symbol, Standing()), symbol, scores[symbol], now_ms, settings)
        for symbol in sorted(scores)
    }
    standings, last_kept = _with_enough_active(standings, state.symbols, scores, now_ms, settings)
    standings = {symbol: _tried(standing, now_ms, settings) for symbol, standing in standings.items()}
    earned = {symbol: scores[symbol].effective for symbol, each in standings.items() if each.phase is Phase.ACTIVE}
    floors = {symbol: settings.probe_weight for symbol in earned if standings[symbol].probe_until_ms > now_ms}
    targets = target_weights(earned, floors, settings)
    for symbol, target in targets.items():
        moved = _moved(standings[symbol], target, settings, at_once=symbol in floors)
        standings[symbol] = _on_floor(moved, now_ms, settings)
    standings.update(_compared(standings, earned, now_ms))
    step = _step(state.symbols, standings, targets)
    following = AllocatorState(
        symbols=standings,
        rebalanced_ms=now_ms,
        rebalances=state.rebalances + 1,
        steps=(*state.steps, step)[-KEPT_STEPS:],
        last_kept=last_kept,
    )
    return following, allocations(following)


def allocations(state: AllocatorState) -> dict[str, Allocation]:
    """Return what each symbol may do until the next rebalance."""
    return {symbol: allocation_of(standing) for symbol, standing in state.symbols.items()}


def allocation_of(standing: Standing) -> Allocation:
    """Return what follows from a symbol's weight (quoting 7): sizes, how often quotes are renewed, how many."""
    weight = standing.weight
    if weight is None or not standing.phase.quotes:
        return DRAINED
    quotes = max(1, min(_MOST_QUOTES, ceil(_QUOTES_PER_WEIGHT * weight - _ROUNDING)))
    return Allocation(weight, weight, sqrt(weight), quotes, active=True)


def cleared(state: AllocatorState, symbol: str, now_ms: int, settings: AllocatorSettings) -> AllocatorState:
    """Return the state after an operator ended a symbol's ban or probation; KeyError where it is in neither."""
    standing = state.symbols[symbol]
    if standing.phase not in {Phase.BANNED, Phase.PROBATION}:
        raise KeyError(symbol)
    return replace(state, symbols={**state.symbols, symbol: replace(freed(standing, now_ms, settings), bans=0)})


def _with_enough_active(
    standings: dict[str, Standing],
    before: Mapping[str, Standing],
    scores: Mapping[str, SymbolScore],
    now_ms: int,
    settings: AllocatorSettings,
) -> tuple[dict[str, Standing], tuple[str, ...]]:
    """Let the best of the banned go on where too few would be left."""
    missing = settings.min_active_symbols - sum(each.phase.quotes for each in standings.values())
    candidates = [symbol for symbol, each in standings.items() if each.phase is Phase.BANNED]
    if missing <= 0 or not candidates:
        return standings, ()
    candidates.sort(key=lambda symbol: (-scores[symbol].effective, symbol))
    kept = tuple(candidates[:missing])
    for symbol in kept:
        old = before.get(symbol, standings[symbol])
        trades = old.phase is Phase.ACTIVE
        standings[symbol] = replace(old, breach_ms=None) if trades else freed(old, now_ms, settings)
    return standings, kept


def _tried(standing: Standing, now_ms: int, settings: AllocatorSettings) -> Standing:
    """Begin a probe of a symbol that has had the least weight for long (exploration floor)."""
    waited_ms = settings.probe_after_min * MINUTE_MS
    if standing.phase is not Phase.ACTIVE or standing.floor_ms is None or now_ms - standing.floor_ms < waited_ms:
        return standing
    return replace(standing, probe_until_ms=now_ms + settings.probe_min * MINUTE_MS, floor_ms=None)


def _moved(standing: Standing, target: float, settings: AllocatorSettings, *, at_once: bool) -> Standing:
    """Return a symbol one step nearer to its target; the first one, and one into a probe, goes all the way."""
    current = standing.weight
    if current is None or (at_once and current < target):
        return replace(standing, weight=target, target=target, moving=False, apart=0)
    away = target - current
    apart = 0
    if abs(away) >= RESIDUAL:
        apart = max(standing.apart, 0) + 1 if away > 0.0 else min(standing.apart, 0) - 1
    walks = settings.walks_residual and (standing.moving or abs(apart) >= _PATIENCE)
    if abs(away) < settings.hysteresis_threshold and not walks:
        return replace(standing, target=target, moving=False, apart=apart)
    weight = settings.smoothing * target + (1.0 - settings.smoothing) * current
    moving = settings.walks_residual and abs(target - weight) >= RESIDUAL
    return replace(standing, weight=weight, target=target, moving=moving, apart=0)


def _on_floor(standing: Standing, now_ms: int, settings: AllocatorSettings) -> Standing:
    """Follow since when a symbol has the least weight."""
    on_floor = standing.weight is not None and standing.weight <= settings.min_weight + RESIDUAL
    if on_floor == (standing.floor_ms is not None):
        return standing
    return replace(standing, floor_ms=now_ms if on_floor else None)


def _compared(standings: Mapping[str, Standing], earned: Mapping[str, float], now_ms: int) -> dict[str, Standing]:
    """Follow which scores were behind their peers' for long, and whether the weight comes back after the score did."""
    ordered = sorted(earned.values())
    found = {}
    for symbol, score in earned.items():
        standing = standings[symbol]
        above = score - (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) / 2.0
        if above <= -_BEHIND:
            if standing.behind_ms is None or standing.recovering:
                found[symbol] = replace(standing, behind_ms=now_ms, recovering=0)
        elif standing.behind_ms is not None and (standing.recovering or above >= -_LEVEL):
            long = standing.recovering or now_ms - standing.behind_ms >= _LONG_BEHIND_MS
            if not long or _caught_up(symbol, standings, earned):
                found[symbol] = replace(standing, behind_ms=None, recovering=0)
            else:
                found[symbol] = replace(standing, recovering=standing.recovering + 1)
    return found


def _caught_up(symbol: str, standings: Mapping[str, Standing], earned: Mapping[str, float]) -> bool:
    """Tell whether a weight is at least 0.9 of the mean of those whose scores are like this one's."""
    score = earned[symbol]
    like = [other for other, its in earned.items() if other != symbol and abs(its - score) <= _ALIKE]
    mean = fsum(standings[other].weight or 0.0 for other in like) / max(len(like), 1)
    return (standings[symbol].weight or 0.0) >= _CAUGHT_UP * mean


def _step(before: Mapping[str, Standing], after: Mapping[str, Standing], targets: Mapping[str, float]) -> Step:
    """Measure a rebalance over the symbols that were active before and are now."""
    moves, aims = [], [0.0]
    for symbol, target in targets.items():
        old, new = before.get(symbol), after[symbol]
        if old is None or old.weight is None or new.weight is None or old.phase is not Phase.ACTIVE:
            aims.append(target)
        else:
            moves.append(abs(new.weight - old.weight))
            aims.append(abs(target - old.target))
    return Step(fsum(moves) / max(len(moves), 1), max(aims))
