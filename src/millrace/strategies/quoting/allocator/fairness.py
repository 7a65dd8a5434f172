"""Whether capital still flows fairly: the eight statements that the ramp holds a desk to (quoting 7).

An allocator that follows scores can starve a symbol: little weight, few fills, no score, less weight. Each statement is
asked of the state that is there, so a gate can fail on it: of weights, standings and the last rebalances, and of the
mapping itself with the scores of now. The allocator does not bend to pass them; it bans whoever earns it, and too many
bans are what a person should hear of.
"""

from collections.abc import Mapping
from enum import IntEnum
from math import fsum

import msgspec

from millrace.strategies.quoting.allocator.allocator import KEPT_STEPS, RESIDUAL, AllocatorState
from millrace.strategies.quoting.allocator.standing import MINUTE_MS, Phase
from millrace.strategies.quoting.allocator.weights import target_weights
from millrace.strategies.quoting.scoreboard.board import SymbolScore
from millrace.strategies.quoting.settings_growth import AllocatorSettings

LEAST_JAIN = 0.6
STARVED_MS = 360 * MINUTE_MS
RECOVERY_REBALANCES = 60
EQUAL_WITHIN = 0.01
MOST_BANNED = 0.30
RESTLESS = 0.01
_SETTLED_STEPS = 10
_RAISE = 0.05
_ROUNDING = 1e-9


class Statement(IntEnum):
    """The eight, by their numbers in the contract."""

    JAIN = 1
    STARVED = 2
    NO_RECOVERY = 3
    UNEQUAL = 4
    NAMES_MATTER = 5
    PUNISHED = 6
    BANNED_SHARE = 7
    RESTLESS = 8


class Violation(msgspec.Struct, frozen=True):
    """A statement that does not hold, and what was found."""

    statement: Statement
    detail: str


def fairness(
    state: AllocatorState, scores: Mapping[str, SymbolScore], now_ms: int, settings: AllocatorSettings
) -> list[Violation]:
    """Return what does not hold of an allocator's state and the scores that it will read next."""
    weights = state.active_weights
    earned = {symbol: scores[symbol].effective for symbol in weights if symbol in scores}
    found = [*_spread(state, weights, now_ms), *_recovery(state)]
    if settings.weight_mode == "softmax":
        found += _equal(state, earned, weights)
    found += _mapping(earned, settings)
    found += [*_banned(state), *_rest(state)]
    return found


def _spread(state: AllocatorState, weights: Mapping[str, float], now_ms: int) -> list[Violation]:
    found = []
    if weights and state.jain_index < LEAST_JAIN:
        found.append(Violation(Statement.JAIN, f"Jain index {state.jain_index:.3f} is below {LEAST_JAIN}"))
    for symbol in weights:
        floor_ms = state.symbols[symbol].floor_ms
        if floor_ms is not None and now_ms - floor_ms > STARVED_MS:
            hours = (now_ms - floor_ms) / (60 * MINUTE_MS)
            found.append(Violation(Statement.STARVED, f"{symbol} has had the least weight for {hours:.1f} h"))
    return found


def _recovery(state: AllocatorState) -> list[Violation]:
    return [
        Violation(Statement.NO_RECOVERY, f"{symbol} scores like its peers for {each.recovering} rebalances already")
        for symbol, each in state.symbols.items()
        if each.phase is Phase.ACTIVE and each.recovering > RECOVERY_REBALANCES
    ]


def _equal(state: AllocatorState, earned: Mapping[str, float], weights: Mapping[str, float]) -> list[Violation]:
    """Equal scores, for long enough that weights came to rest, are equal weights."""
    values = set(earned.values())
    rested = len(state.steps) == KEPT_STEPS and max(step.targets for step in state.steps) < RESIDUAL
    if len(values) != 1 or not rested:
        return []
    return [
        Violation(Statement.UNEQUAL, f"{symbol} has weight {weight:.3f} although all scores are equal")
        for symbol, weight in weights.items()
        if abs(weight - 1.0) > EQUAL_WITHIN
    ]


def _mapping(earned: Mapping[str, float], settings: AllocatorSettings) -> list[Violation]:
    """Ask the mapping itself, with the scores of now: do names matter, is a better score punished."""
    if not earned:
        return []
    found = []
    targets = target_weights(earned, {}, settings)
    names = list(earned)
    renamed = dict(zip(names, names[1:] + names[:1], strict=True))
    turned = target_weights({renamed[symbol]: score for symbol, score in earned.items()}, {}, settings)
    for symbol, weight in targets.items():
        if abs(turned[renamed[symbol]] - weight) > _ROUNDING:
            found.append(Violation(Statement.NAMES_MATTER, f"{symbol}'s score earns another symbol another weight"))
    by_score = sorted(names, key=lambda symbol: earned[symbol])
    for symbol in sorted({by_score[0], by_score[len(by_score) // 2], by_score[-1]}):
        raised = target_weights({**earned, symbol: earned[symbol] + _RAISE}, {}, settings)
        if raised[symbol] < targets[symbol] - _ROUNDING:
            found.append(Violation(Statement.PUNISHED, f"{symbol} would get less for a better score"))
    return found


def _banned(state: AllocatorState) -> list[Violation]:
    """Too many of those that the operator did not leave out are banned."""
    universe = [each for each in state.symbols.values() if not each.phase.is_operators]
    banned = sum(each.phase is Phase.BANNED for each in universe)
    if not universe or banned < MOST_BANNED * len(universe):
        return []
    return [Violation(Statement.BANNED_SHARE, f"{banned} of {len(universe)} symbols are banned")]


def _rest(state: AllocatorState) -> list[Violation]:
    """While targets do not move, weights come to rest."""
    if len(state.steps) < KEPT_STEPS or max(step.targets for step in state.steps) >= RESIDUAL:
        return []
    mean = fsum(step.weights for step in state.steps[-_SETTLED_STEPS:]) / _SETTLED_STEPS
    if mean < RESTLESS:
        return []
    return [Violation(Statement.RESTLESS, f"weights move by {mean:.3f} each rebalance although targets stand still")]
