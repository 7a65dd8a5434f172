"""The scoreboard against the golden cases, and what is ours of it by example (quoting 6, golden part B)."""

import json
from math import exp2
from pathlib import Path
from typing import Any

import pytest

from millrace.strategies.quoting.features.markouts import Markout
from millrace.strategies.quoting.scoreboard.board import UNKNOWN, WINDOW_MS, Scoreboard
from millrace.strategies.quoting.scoreboard.window import ScoreInputs, ScoreWindow
from millrace.strategies.quoting.settings_growth import ScoreboardSettings

COMPAT = {"alpha_mode": "per_tick", "evicts": False, "shrinks": False}
NAMES = {
    "weight_net_bps": "weight_net",
    "weight_fill_rate": "weight_fill",
    "weight_queue_edge": "weight_queue",
    "weight_slippage": "weight_slippage",
    "weight_adverse_penalty": "weight_adverse",
    "ema_alpha": "ema_alpha",
    "min_samples": "min_samples",
}
BAD, GOOD = ScoreInputs(-20.0, 0.0, 5.0, 0.0, 1.0), ScoreInputs(20.0, 1.0, 0.0, 1.0, 0.0)


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "golden" / "quoting.json").read_text())["scoreboard"]


def test_golden_cases(golden) -> None:
    assert len(golden["cases"]) == 8
    for case in golden["cases"]:
        params = {NAMES[name]: value for name, value in case["params"].items()}
        board = Scoreboard(ScoreboardSettings(**COMPAT, **params))
        for number, (tick, expected) in enumerate(zip(case["ticks"], case["expect_after_each"], strict=True)):
            board.observe("S", ScoreInputs(**tick), number)
            found = board.score("S", number)
            averages = (found.net_bps, found.fill_rate, found.slippage_bps, found.queue_edge, found.adverse_penalty)
            for name, value in zip(ScoreInputs._fields, averages, strict=True):
                assert (value or 0.0) == pytest.approx(expected[name], rel=1e-9, abs=1e-9)  # there 0 is unset
            assert found.score == (None if expected["score"] is None else pytest.approx(expected["score"], abs=1e-9))
            assert found.effective == (UNKNOWN if found.score is None else found.score)


def test_an_average_that_is_zero_goes_on(golden) -> None:
    """Quoting 15, 16: the original takes an average of exactly 0 for an empty one."""
    for row in golden["quirk_zero_ema_restart"]:
        board = Scoreboard(ScoreboardSettings(**COMPAT, ema_alpha=row["alpha"]))
        found = []
        for number, net in enumerate(row["net_bps"]):
            board.observe("S", ScoreInputs(net_bps=net), number)
            found.append(board.score("S", number).net_bps)
        assert found == pytest.approx(row["contract_ema"], abs=1e-12)
        assert found != pytest.approx(row["original_ema"], abs=1e-12) or row["original_ema"] == row["contract_ema"]


def feed(board: Scoreboard, inputs: ScoreInputs, count: int, from_ms: int = 0, step_ms: int = 5_000) -> int:
    ms = from_ms
    for _ in range(count):
        ms += step_ms
        board.observe("S", inputs, ms)
    return ms


def test_a_score_needs_enough_profits_within_the_window() -> None:
    """Section 6, validity: ten samples with a profit in 300 s; samples without one do not count."""
    board = Scoreboard(ScoreboardSettings())
    feed(board, ScoreInputs(fill_rate=0.5), 40)
    ms = feed(board, GOOD, 9, from_ms=200_000)
    assert board.score("S", ms).score is None
    ms = feed(board, GOOD, 1, from_ms=ms)
    found = board.score("S", ms)
    assert (found.samples, found.net_samples, found.ticks) == (10, 10, 50)
    assert found.score is not None
    assert board.score("S", ms + 260_000).score is None


def test_what_left_the_window_has_no_weight() -> None:
    """Section 6: evicted, unused in the original."""
    board, fresh = Scoreboard(ScoreboardSettings()), Scoreboard(ScoreboardSettings())
    ms = feed(board, BAD, 60)
    board_ms = feed(board, GOOD, 60, from_ms=ms)
    feed(fresh, GOOD, 60, from_ms=ms)
    assert board.score("S", board_ms).score == fresh.score("S", board_ms).score == pytest.approx(1.0)


def test_an_old_sample_weighs_half_per_half_life() -> None:
    """Section 6, live: 120 s, whatever the number of samples since."""
    board = Scoreboard(ScoreboardSettings(min_samples=1))
    board.observe("S", ScoreInputs(net_bps=-10.0), 0)
    board.observe("S", ScoreInputs(net_bps=10.0), 120_000)
    assert board.score("S", 120_000).net_bps == pytest.approx((10.0 - 5.0) / 1.5)
    busy = Scoreboard(ScoreboardSettings(min_samples=1))
    for ms in range(0, 120_001, 1_000):
        busy.observe("S", ScoreInputs(net_bps=ms / 1_000), ms)
    weights = [exp2((second - 120) / 120) for second in range(121)]
    expected = sum(second * weight for second, weight in enumerate(weights)) / sum(weights)
    assert busy.score("S", 120_000).net_bps == pytest.approx(expected)


def test_after_two_windows_without_data_a_symbol_is_unknown() -> None:
    board = Scoreboard(ScoreboardSettings())
    ms = feed(board, BAD, 30)
    assert board.score("S", ms + 599_999).net_bps == pytest.approx(-20.0)
    found = board.score("S", ms + 600_000)
    assert (found.net_bps, found.score, found.effective) == (None, None, UNKNOWN)
    assert board.score("never seen", ms).effective == UNKNOWN


def test_few_samples_are_drawn_to_the_middle() -> None:
    """Section 6, shrinkage: 0.5 + (score - 0.5) n / (n + 20)."""
    board = Scoreboard(ScoreboardSettings())
    found = board.score("S", feed(board, GOOD, 20))
    assert found.score == pytest.approx(1.0)
    assert found.effective == pytest.approx(0.75)


def test_what_is_not_known_has_no_weight() -> None:
    board = Scoreboard(ScoreboardSettings(min_samples=1))
    board.observe("S", ScoreInputs(net_bps=0.0, fill_rate=1.0), 1)
    assert board.score("S", 1).score == pytest.approx((0.4 * 0.5 + 0.2 * 1.0) / 0.6)


def test_a_windows_sample_by_hand() -> None:
    """Section 6, definitions: profit over turnover, counts of quotes, lots for weights, the 1 s markout over 5 bps."""
    window = ScoreWindow()
    window.on_quote_end(rested_ms=500, filled=False, min_time_in_book_ms=500)
    window.on_quote_end(rested_ms=499, filled=False, min_time_in_book_ms=500)
    window.on_quote_end(rested_ms=20, filled=True, min_time_in_book_ms=500)
    window.on_fill(3, worse_ticks=1.0, mid2=20_000)
    window.on_fill(1, worse_ticks=-1.0, mid2=20_000)
    window.on_markout(Markout(1_000, 1, 2, 0, 20_000, 19_996, late=False))
    window.on_markout(Markout(1_000, -1, 2, 0, 20_000, 20_000, late=False))
    window.on_markout(Markout(1_000, -1, 2, 0, 20_000, 20_900, late=True))
    window.on_markout(Markout(5_000, -1, 2, 0, 20_000, 20_900, late=False))
    window.on_queue(3_000, 100.0)
    window.on_queue(1_000, 20.0)
    found = window.close(total=12, traded=40_000, winsor_bps=50.0)
    assert found == pytest.approx((3.0, 0.5, (3 - 1) / 4, 0.2, (2 * 2.0 + 0.0) / 4 / 5), rel=1e-12)
    assert window.close(total=-900, traded=40_000, winsor_bps=50.0) == (None,) * 5


def test_profit_of_windows_without_trades_is_told_with_the_next_that_trades() -> None:
    window = ScoreWindow()
    window.close(total=0, traded=10_000, winsor_bps=50.0)
    assert window.close(total=-30, traded=10_000, winsor_bps=50.0).net_bps is None
    assert window.close(total=-20, traded=20_000, winsor_bps=50.0).net_bps == pytest.approx(-20.0)
    assert window.close(total=-500, traded=20_001, winsor_bps=50.0).net_bps == -50.0


def test_windows_close_on_a_grid_of_time() -> None:
    board = Scoreboard(ScoreboardSettings(min_samples=1), ["S"])
    board.roll("S", 1_000, 0, 0)
    board.window("S").on_queue(100, 50.0)
    board.roll("S", WINDOW_MS - 1, 5, 10_000)
    assert board.score("S", WINDOW_MS).ticks == 0
    board.roll("S", WINDOW_MS, 5, 10_000)
    found = board.score("S", WINDOW_MS)
    assert (found.ticks, found.net_bps, found.queue_edge) == (1, pytest.approx(5.0), 0.5)
