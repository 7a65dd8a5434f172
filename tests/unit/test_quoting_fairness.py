"""The eight statements on fairness, each by its number: that the allocator keeps it, and that the gate can fail (quoting 7)."""

from random import Random

import msgspec
import pytest

from millrace.strategies.quoting.allocator import fairness as fairness_module
from millrace.strategies.quoting.allocator.allocator import KEPT_STEPS, AllocatorState, Step, rebalance
from millrace.strategies.quoting.allocator.fairness import Statement, fairness
from millrace.strategies.quoting.allocator.standing import Phase, Standing
from millrace.strategies.quoting.allocator.weights import jain_index, target_weights
from millrace.strategies.quoting.scoreboard.board import Scoreboard
from millrace.strategies.quoting.scoreboard.window import ScoreInputs
from millrace.strategies.quoting.settings_growth import AllocatorSettings, ScoreboardSettings
from quoting_rounds import SETTINGS, rounds, score, scores, weights

EVEN = {f"S{number}": 0.5 for number in range(5)}


def broken(state: AllocatorState, given, now_ms: int = 0, settings: AllocatorSettings = SETTINGS) -> set[Statement]:
    return {violation.statement for violation in fairness(state, given, now_ms, settings)}


def of(**standings: Standing) -> AllocatorState:
    return AllocatorState(symbols=standings, rebalances=1)


def test_1_weights_are_spread() -> None:
    table = {"a": 0.85, "b": 0.68, "c": 0.52, "d": 0.42, "e": 0.28}
    state, now_ms = rounds(AllocatorState(), 0, 5, scores(**table))
    assert state.jain_index >= 0.6
    assert broken(state, scores(**table), now_ms) == set()
    lopsided = of(**{f"S{number}": Standing(weight=3.0 if number == 0 else 0.1) for number in range(5)})
    assert jain_index(lopsided.active_weights) < 0.6
    assert broken(lopsided, scores(**EVEN)) == {Statement.JAIN}


def test_2_nobody_starves_without_a_probe() -> None:
    given = scores(S=0.0, A=0.9, B=0.9)

    def nobody_starves(state: AllocatorState, now_ms: int) -> None:
        assert Statement.STARVED not in broken(state, given, now_ms)

    state, now_ms = rounds(AllocatorState(), 0, 2 * 60 * 8, given, each=nobody_starves)
    never = AllocatorSettings(probe_after_min=24 * 60)
    state, now_ms = rounds(AllocatorState(), 0, 2 * 60 * 6 + 2, given, never)
    assert Statement.STARVED in broken(state, given, now_ms, never)


def test_3_who_gets_better_gets_its_weight_back() -> None:
    """Bad for two hours, then like the others: 0.9 of their weight within 60 rebalances."""
    bad, good = {**scores(**EVEN), "S0": score(0.05)}, scores(**EVEN)
    state, now_ms = rounds(AllocatorState(), 0, 240, bad)
    assert state.symbols["S0"].weight < 0.3
    left = []
    state, now_ms = rounds(state, now_ms, 60, good, each=lambda at, ms: left.append(broken(at, good, ms)))
    others = [weight for symbol, weight in weights(state).items() if symbol != "S0"]
    assert state.symbols["S0"].weight >= 0.9 * sum(others) / len(others)
    assert set().union(*left) == set()
    lame = AllocatorSettings(smoothing=0.001)
    state, now_ms = rounds(AllocatorState(), 0, 1, bad, lame)
    state, now_ms = rounds(state, now_ms, 241, bad, lame)
    state, now_ms = rounds(state, now_ms, 60, good, lame)
    assert Statement.NO_RECOVERY not in broken(state, good, now_ms, lame)
    state, now_ms = rounds(state, now_ms, 1, good, lame)
    assert Statement.NO_RECOVERY in broken(state, good, now_ms, lame)


def test_3_through_the_scoreboard() -> None:
    """The same with samples of profit, few enough at the bottom that a small weight could starve the score."""
    dice = Random(7)
    board, state, now_ms = Scoreboard(ScoreboardSettings(), EVEN), AllocatorState(), 0
    recovered = None
    for number in range(240 + 60):
        for _ in range(6):  # a sample of each symbol in six of seven windows, whatever its weight
            now_ms += 5_000
            for symbol in EVEN:
                bad = symbol == "S0" and number < 240
                net = dice.gauss(-4.0 if bad else 2.0, 3.0)
                if dice.random() < 6 / 7:
                    board.observe(symbol, ScoreInputs(net, 0.5, 0.0, 0.5, 0.9 if bad else 0.2), now_ms)
        state, _ = rebalance(state, board.scores(now_ms), now_ms, SETTINGS)
        peers = sum(state.symbols[symbol].weight for symbol in EVEN if symbol != "S0") / 4
        share = state.symbols["S0"].weight / peers
        if number == 239:
            assert share < 0.8
        if number >= 240 and recovered is None and share >= 0.9:
            recovered = number - 240
    assert recovered is not None
    assert recovered < 60
    assert broken(state, board.scores(now_ms), now_ms) == set()


def test_4_equal_scores_are_equal_weights() -> None:
    first = {symbol: 0.5 + 0.03 * number for number, symbol in enumerate(EVEN)}
    state, now_ms = rounds(AllocatorState(), 0, 5, scores(**first))
    state, now_ms = rounds(state, now_ms, 2 * KEPT_STEPS, scores(**EVEN))
    assert all(abs(weight - 1.0) <= 0.01 for weight in weights(state).values())
    assert broken(state, scores(**EVEN), now_ms) == set()
    stalls = AllocatorSettings(walks_residual=False)
    state, now_ms = rounds(AllocatorState(), 0, 5, scores(**first), stalls)
    state, now_ms = rounds(state, now_ms, 2 * KEPT_STEPS, scores(**EVEN), stalls)
    assert broken(state, scores(**EVEN), now_ms, stalls) == {Statement.UNEQUAL}


def test_5_and_6_are_asked_of_the_mapping_itself(monkeypatch) -> None:
    state, now_ms = rounds(AllocatorState(), 0, 3, scores(A=0.3, B=0.5, C=0.7))
    given = scores(A=0.3, B=0.5, C=0.7)
    assert broken(state, given, now_ms) == set()

    def favours_a(earned, floors, settings):
        found = target_weights(earned, floors, settings)
        return {symbol: weight * (1.1 if symbol == "A" else 1.0) for symbol, weight in found.items()}

    def punishes(earned, floors, settings):
        return target_weights({symbol: -value for symbol, value in earned.items()}, floors, settings)

    monkeypatch.setattr(fairness_module, "target_weights", favours_a)
    assert broken(state, given, now_ms) == {Statement.NAMES_MATTER}
    monkeypatch.setattr(fairness_module, "target_weights", punishes)
    assert broken(state, given, now_ms) == {Statement.PUNISHED}


def test_7_few_are_banned() -> None:
    """Two of seven may be, three may not; whom the operator left out is not counted."""
    given = scores(**EVEN, S5=0.5, S6=0.5)
    for phase, count, expected in (
        (Phase.BANNED, 2, set()),
        (Phase.BANNED, 3, {Statement.BANNED_SHARE}),
        (Phase.BLACKLISTED, 3, set()),
    ):
        out = {f"S{number}": Standing(phase=phase) for number in range(count)}
        rest = {f"S{number}": Standing(weight=1.0) for number in range(count, 7)}
        assert broken(of(**out, **rest), given) == expected


def test_8_weights_come_to_rest() -> None:
    state, now_ms = rounds(AllocatorState(), 0, 1, scores(A=0.3, B=0.5, C=0.7))
    given = scores(A=0.7, B=0.5, C=0.3)
    state, now_ms = rounds(state, now_ms, KEPT_STEPS + 5, given)
    assert sum(step.weights for step in state.steps[-10:]) / 10 < 0.01
    assert broken(state, given, now_ms) == set()
    restless = msgspec.structs.replace(state, steps=(Step(0.02, 0.0),) * KEPT_STEPS)
    assert broken(restless, given, now_ms) == {Statement.RESTLESS}
    moving = msgspec.structs.replace(state, steps=(*(Step(0.02, 0.0),) * (KEPT_STEPS - 1), Step(0.02, 0.2)))
    assert broken(moving, given, now_ms) == set()


def test_a_symbol_that_trades_alone_is_fair() -> None:
    state, now_ms = rounds(AllocatorState(), 0, 50, scores(A=0.2))
    assert state.symbols["A"].weight == pytest.approx(1.0)
    assert broken(state, scores(A=0.2), now_ms) == set()
    assert broken(AllocatorState(), {}) == set()
