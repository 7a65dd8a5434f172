"""The allocator against the golden rounds, and a symbol's way out and back by example (quoting 7, golden part B)."""

import json
from math import fsum, sqrt
from pathlib import Path
from typing import Any

import pytest

from millrace.strategies.quoting.allocator.allocator import (
    AllocatorState,
    allocation_of,
    allocations,
    cleared,
    is_due,
    rebalance,
)
from millrace.strategies.quoting.allocator.standing import Phase, Standing
from millrace.strategies.quoting.allocator.weights import jain_index, target_weights
from millrace.strategies.quoting.scoreboard.board import Scoreboard
from millrace.strategies.quoting.settings import QuotingSettings
from millrace.strategies.quoting.settings_growth import AllocatorSettings, ScoreboardSettings
from quoting_rounds import HOUR_MS, MINUTE_MS, PERIOD_MS, SETTINGS, rounds, score, scores, weights

COMPAT = {"temperature": 2.0, "redistributes": False, "walks_residual": False, "bans": False}


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "golden" / "quoting.json").read_text())["allocator"]


def test_golden_weights_of_scores(golden) -> None:
    for case in golden["softmax"]:
        settings = AllocatorSettings(
            **{**COMPAT, "temperature": case["temperature"]},
            min_weight=case["min_weight"],
            max_weight=case["max_weight"],
        )
        earned = {name: case["scores"].get(name, case["missing_score_default"]) for name in case["symbols"]}
        assert target_weights(earned, {}, settings) == pytest.approx(case["weights"], rel=1e-9)


def test_golden_rounds(golden) -> None:
    """Compat: hysteresis against the unsmoothed target, then half a step, and the small rest stays."""
    for case in golden["rebalance"]:
        settings = AllocatorSettings(
            **COMPAT,
            smoothing=case["smoothing"],
            hysteresis_threshold=case["hysteresis"],
            min_weight=case["min_weight"],
            max_weight=case["max_weight"],
        )
        state, now_ms = AllocatorState(), 0
        for expected in case["rounds"]:
            state, now_ms = rounds(state, now_ms, 1, scores(**expected["scores"]), settings)
            assert weights(state) == pytest.approx(expected["weights"], rel=1e-9)


def test_golden_sizes_of_weights(golden) -> None:
    for row in golden["derived"]:
        found = allocation_of(Standing(weight=row["weight"]))
        assert (found.weight, found.size_multiplier) == (row["weight"], row["size_multiplier"])
        assert found.refresh_multiplier == row["quote_refresh_multiplier"] == sqrt(row["weight"])
        assert found.max_quotes == row["max_quotes"]


def test_the_published_table(golden) -> None:
    """Curve mode gives it exactly, under a cap that it needs; the original's softmax does not."""
    table = golden["seed_table"]
    curve = AllocatorSettings(weight_mode="curve", budget_factor=1.2)
    assert target_weights(table["scores"], {}, curve) == pytest.approx(table["published_weights"], abs=1e-12)
    softmax = AllocatorSettings(**COMPAT)
    assert target_weights(table["scores"], {}, softmax) == pytest.approx(table["original_code_weights"], rel=1e-9)
    capped = target_weights(table["scores"], {}, AllocatorSettings(weight_mode="curve"))
    assert fsum(capped.values()) == pytest.approx(5.0)
    assert jain_index(table["published_weights"]) == pytest.approx(0.71, abs=0.005)


def test_the_live_temperature() -> None:
    """Section 7: T = 0.30 gives 2.19 1.24 0.73 0.52 0.33 on the table's scores."""
    earned = {"a": 0.85, "b": 0.68, "c": 0.52, "d": 0.42, "e": 0.28}
    found = target_weights(earned, {}, SETTINGS)
    assert list(found.values()) == pytest.approx([2.19, 1.24, 0.73, 0.52, 0.33], abs=0.006)
    assert fsum(found.values()) == pytest.approx(5.0)


def test_one_auto_blacklist_verdict_of_the_original_is_not_ours(golden) -> None:
    """One bad sample at minute 31 bans nobody here; the loss has to last, with samples all along."""
    for row in golden["auto_blacklist_original"]:
        state, now_ms = rounds(AllocatorState(), 0, 2 * row["age_min"] - 1, {"S": score(0.5, 1.0, 50)})
        state, _ = rounds(state, now_ms, 1, {"S": score(0.5, row["net_bps_ema"], 51)})
        assert state.symbols["S"].phase is Phase.ACTIVE


def losing(now_ms: int, net_bps: float = -6.0, per_minute: int = 2):
    """Scores of three: S loses steadily with so many samples a minute."""
    samples = now_ms * per_minute // MINUTE_MS
    return {"S": score(0.3, net_bps, samples), "A": score(0.5, 1.0, samples), "B": score(0.5, 1.0, samples)}


def test_a_lasting_loss_bans_and_probation_brings_back() -> None:
    """Section 7: 30 min below -5 with 30 samples; 60 min out; 15 min at 0.1; back at 0.3 and up to the target."""
    state, now_ms = rounds(AllocatorState(), 0, 60, losing)
    assert state.symbols["S"].phase is Phase.ACTIVE
    state, now_ms = rounds(state, now_ms, 1, losing)
    assert state.symbols["S"].phase is Phase.BANNED
    found = allocations(state)["S"]
    assert (found.active, found.weight, found.size_multiplier) == (False, 0.0, 0.0)
    banned_ms = now_ms
    quiet = {"S": score(0.5, None, 61), "A": score(0.5, 1.0), "B": score(0.5, 1.0)}
    state, now_ms = rounds(state, now_ms, 2 * 60 - 1, quiet)
    assert state.symbols["S"].phase is Phase.BANNED
    state, now_ms = rounds(state, now_ms, 1, quiet)
    assert now_ms - banned_ms == HOUR_MS
    assert (state.symbols["S"].phase, allocations(state)["S"].weight) == (Phase.PROBATION, 0.1)
    good = {**quiet, "S": score(0.5, -1.9, 70)}
    state, now_ms = rounds(state, now_ms, 30, good)
    assert state.symbols["S"].phase is Phase.ACTIVE
    assert 0.3 < state.symbols["S"].weight < 1.0
    state, now_ms = rounds(state, now_ms, 10, good)
    assert state.symbols["S"].weight == pytest.approx(1.0, abs=0.01)


def test_a_second_ban_is_twice_as_long_and_none_is_longer_than_a_day() -> None:
    minutes = []
    state, now_ms = AllocatorState(), 0
    for _ in range(6):
        while state.symbols.get("S", Standing()).phase is not Phase.BANNED:
            state, now_ms = rounds(state, now_ms, 1, losing)
        minutes.append((state.symbols["S"].until_ms - now_ms) // MINUTE_MS)
        while state.symbols["S"].phase is Phase.BANNED:
            state, now_ms = rounds(state, now_ms, 1, losing)
    assert minutes == [60, 120, 240, 480, 960, 1_440]


def test_after_a_clean_day_a_ban_is_a_first_one() -> None:
    state, now_ms = rounds(AllocatorState(), 0, 61, losing)
    state, now_ms = rounds(state, now_ms, 2 * 75 + 2, lambda ms: losing(ms, net_bps=1.0))
    assert state.symbols["S"].phase is Phase.ACTIVE
    state, now_ms = rounds(state, now_ms, 2 * 60 * 24, lambda ms: losing(ms, net_bps=1.0))
    state, now_ms = rounds(state, now_ms, 61, losing)
    assert state.symbols["S"].until_ms - now_ms == HOUR_MS


def test_the_loss_has_to_last_without_a_break() -> None:
    """The time begins anew above -4.0, not between; without enough samples nobody is banned."""
    state, now_ms = rounds(AllocatorState(), 0, 50, losing)
    state, now_ms = rounds(state, now_ms, 1, lambda ms: losing(ms, net_bps=-3.9))
    state, now_ms = rounds(state, now_ms, 60, losing)
    assert state.symbols["S"].phase is Phase.ACTIVE
    state, now_ms = rounds(AllocatorState(), 0, 50, losing)
    state, now_ms = rounds(state, now_ms, 5, lambda ms: losing(ms, net_bps=-4.5))
    state, now_ms = rounds(state, now_ms, 6, losing)
    assert state.symbols["S"].phase is Phase.BANNED
    state, now_ms = rounds(AllocatorState(), 0, 61, lambda ms: losing(ms, per_minute=0))
    assert state.symbols["S"].phase is Phase.ACTIVE


def test_a_probation_that_brought_nothing_goes_on() -> None:
    state, now_ms = rounds(AllocatorState(), 0, 61, losing)
    quiet = {"S": score(0.5, None, 61), "A": score(0.5), "B": score(0.5)}
    state, now_ms = rounds(state, now_ms, 2 * 300, quiet)
    assert state.symbols["S"].phase is Phase.PROBATION
    state, now_ms = rounds(state, now_ms, 31, {**quiet, "S": score(0.5, 3.0, 62)})
    assert state.symbols["S"].phase is Phase.ACTIVE


def test_an_operator_ends_a_ban() -> None:
    state, now_ms = rounds(AllocatorState(), 0, 61, losing)
    state = cleared(state, "S", now_ms, SETTINGS)
    assert state.symbols["S"].phase is Phase.ACTIVE
    assert allocations(state)["S"].weight == 0.3
    with pytest.raises(KeyError):
        cleared(state, "S", now_ms, SETTINGS)


def test_the_last_symbol_stays_and_is_named() -> None:
    """Section 7: min_active_symbols; of several that would go, the best stays."""

    def both_lose(ms: int):
        samples = 2 * ms // MINUTE_MS
        return {"A": score(0.2, -9.0, samples), "B": score(0.3, -6.0, samples)}

    state, _ = rounds(AllocatorState(), 0, 61, both_lose)
    assert (state.symbols["A"].phase, state.symbols["B"].phase) == (Phase.BANNED, Phase.ACTIVE)
    assert state.last_kept == ("B",)
    assert allocations(state)["B"].active
    two = AllocatorSettings(min_active_symbols=2)
    state, _ = rounds(AllocatorState(), 0, 61, both_lose, two)
    assert state.last_kept == ("B", "A")


def test_the_operators_lists_are_their_own() -> None:
    """Whitelist, then blacklist, then our own finding; taking a name off a list restores the symbol at once."""
    given = scores(A=0.5, B=0.5, C=0.5)
    listed = AllocatorSettings(whitelist="A B", blacklist="B")
    state, now_ms = rounds(AllocatorState(), 0, 1, given, listed)
    phases = {symbol: each.phase for symbol, each in state.symbols.items()}
    assert phases == {"A": Phase.ACTIVE, "B": Phase.BLACKLISTED, "C": Phase.NOT_LISTED}
    assert weights(state) == {"A": 1.0, "B": None, "C": None}
    state, now_ms = rounds(state, now_ms, 1, given)
    assert weights(state) == pytest.approx({"A": 1.0, "B": 1.0, "C": 1.0})
    assert all(each.active for each in allocations(state).values())


def test_a_walk_that_was_begun_is_finished() -> None:
    """The original stalls 0.03 from its target; ours stops within 0.005."""
    state, now_ms = rounds(AllocatorState(), 0, 1, scores(A=0.5, B=0.5))
    given = scores(A=0.55, B=0.45)
    state, now_ms = rounds(state, now_ms, 12, given)
    target = target_weights({"A": 0.55, "B": 0.45}, {}, SETTINGS)
    assert weights(state) == pytest.approx(target, abs=0.005)
    compat = AllocatorSettings(**{**COMPAT, "temperature": 0.3})
    stalled, _ = rounds(rounds(AllocatorState(), 0, 1, scores(A=0.5, B=0.5), compat)[0], 0, 12, given, compat)
    assert abs(weights(stalled)["A"] - target["A"]) > 0.005


def test_a_small_difference_that_stays_is_walked_too() -> None:
    state, now_ms = rounds(AllocatorState(), 0, 1, scores(A=0.505, B=0.495))
    first = state.symbols["A"].weight
    assert 0.01 < first - 1.0 < 0.05
    state, now_ms = rounds(state, now_ms, 10, scores(A=0.5, B=0.5))
    assert state.symbols["A"].weight == first
    state, now_ms = rounds(state, now_ms, 20, scores(A=0.5, B=0.5))
    assert state.symbols["A"].weight == pytest.approx(1.0, abs=0.005)


def test_a_symbol_on_the_floor_is_tried_again() -> None:
    """Exploration floor: after 2 h at the least weight, 15 min at 0.3."""
    given = scores(S=0.0, A=0.9, B=0.9)
    seen = []
    rounds(AllocatorState(), 0, 2 * 150, given, each=lambda state, ms: seen.append((ms, state.symbols["S"].weight)))
    assert all(weight == pytest.approx(0.1, abs=0.005) for ms, weight in seen if ms < 2 * HOUR_MS)
    tried = [ms for ms, weight in seen if weight >= 0.3]
    assert tried[0] == 2 * HOUR_MS + PERIOD_MS
    assert tried[-1] - tried[0] == 15 * MINUTE_MS - PERIOD_MS
    assert seen[-1][1] == pytest.approx(0.1, abs=0.005)


def test_what_is_cut_off_goes_to_the_others() -> None:
    """Section 7: clamped excess is spread over the free symbols until the sum is N."""
    found = target_weights({"A": 1.0, "B": 0.5, "C": 0.5, "D": 0.5, "E": 0.1}, {}, SETTINGS)
    assert found["A"] == 3.0 or found["E"] == 0.1
    assert fsum(found.values()) == pytest.approx(5.0)
    assert found["B"] == found["C"] == found["D"]


def test_state_goes_through_json() -> None:
    state, now_ms = rounds(AllocatorState(), 0, 70, losing)
    again = AllocatorState.restored(json.loads(json.dumps(state.snapshot())))
    assert again == state
    assert rebalance(again, losing(now_ms), now_ms + 1, SETTINGS) == rebalance(
        state, losing(now_ms), now_ms + 1, SETTINGS
    )


def test_rebalances_have_their_period() -> None:
    state, _ = rebalance(AllocatorState(), scores(A=0.5), 1_000, SETTINGS)
    assert is_due(AllocatorState(), 0, SETTINGS)
    assert [is_due(state, ms, SETTINGS) for ms in (30_999, 31_000)] == [False, True]
    assert [is_due(state, ms, SETTINGS, ramping=True) for ms in (60_999, 61_000)] == [False, True]


def test_the_profiles_say_what_10_1_says() -> None:
    live, compat = QuotingSettings.live().dynamic_allocator, QuotingSettings.compat().dynamic_allocator
    assert (live.temperature, live.redistributes, live.walks_residual, live.bans) == (0.30, True, True, True)
    assert (compat.temperature, compat.redistributes, compat.walks_residual, compat.bans) == (2.0, False, False, False)


def test_board_and_allocator_together() -> None:
    """A symbol never seen has the middle score, and the weight of the others."""
    board = Scoreboard(ScoreboardSettings(), ["A", "B"])
    _, found = rebalance(AllocatorState(), board.scores(0), 0, SETTINGS)
    assert {symbol: each.weight for symbol, each in found.items()} == {"A": 1.0, "B": 1.0}
