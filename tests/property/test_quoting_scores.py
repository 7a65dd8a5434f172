"""Laws of the scoreboard: it does not know how large we quote, and a restart does not change it (quoting 6)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.commands import Side
from millrace.strategies.quoting.features.reducer import SymbolReducer
from millrace.strategies.quoting.scoreboard.board import Scoreboard
from millrace.strategies.quoting.scoreboard.window import ScoreInputs
from millrace.strategies.quoting.settings_growth import ScoreboardSettings
from quoting_books import LIVE, NS, TERMS, book, fill

ROWS = st.lists(
    st.tuples(
        st.integers(0, 8_000),
        st.sampled_from(["book", "book", "buy", "sell", "end", "queue"]),
        st.integers(9_990, 10_010),
        st.integers(1, 9),
    ),
    min_size=1,
    max_size=60,
)


def live_through(rows: list[tuple], size: int, board: Scoreboard, reducer: SymbolReducer, ms: int = 0) -> int:
    """Play a symbol's life in which all our sizes are multiplied by `size`, fees with them."""
    for gap, kind, ticks, lots in rows:
        ms += gap
        window = board.window("S")
        if kind == "book":
            for markout in reducer.on_book(book(ticks, 20, ticks + 2, 30), ms * NS):
                window.on_markout(markout)
        elif kind in {"buy", "sell"}:
            side = Side.BUY if kind == "buy" else Side.SELL
            fill(reducer, ms, side, lots * size, ticks, fee=lots * size * 50)
            window.on_fill(lots * size, ticks % 3 - 1, reducer.mid2)
        elif kind == "end":
            window.on_quote_end(rested_ms=lots * 200, filled=ticks % 2 == 0, min_time_in_book_ms=500)
        else:
            window.on_queue(lots * 100, float(ticks - 9_990))
        board.roll("S", ms, reducer.account.total(reducer.mid2), reducer.account.traded)
    return ms


@given(ROWS, st.integers(2, 1_000))
def test_scaling_our_sizes_changes_no_score(rows, factor) -> None:
    """Section 6, size neutrality: small weight must not beget a bad score."""
    found = []
    for size in (1, factor):
        board = Scoreboard(ScoreboardSettings(min_samples=1), ["S"])
        ms = live_through(rows, size, board, SymbolReducer(TERMS, LIVE))
        found.append(board.score("S", ms))
    one, many = found
    for name in one.__struct_fields__:
        value = getattr(many, name)
        assert getattr(one, name) == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9))


@given(ROWS, st.integers(0, 60), st.integers(0, 700_000))
def test_a_restart_changes_no_score(rows, cut, later) -> None:
    settings = ScoreboardSettings(min_samples=1)
    through, reducer = Scoreboard(settings, ["S"]), SymbolReducer(TERMS, LIVE)
    ms = live_through(rows[:cut], 1, through, reducer)
    restarted = Scoreboard(settings, ["S"])
    restarted.restore(json.loads(json.dumps(through.snapshot())))
    again = SymbolReducer(TERMS, LIVE)
    again.restore(json.loads(json.dumps(reducer.snapshot())))
    end = live_through(rows[cut:], 1, through, reducer, ms)
    assert live_through(rows[cut:], 1, restarted, again, ms) == end
    assert restarted.scores(end + later) == through.scores(end + later)


@given(
    st.lists(st.tuples(st.integers(0, 100_000), st.floats(-50, 50)), max_size=80),
    st.integers(0, 400_000),
    st.booleans(),
)
def test_averages_against_all_samples(samples, later, evicts) -> None:
    """The mean of the samples within 300 s, weighted by 2^(-age / 120 s); how often it is asked does not matter."""
    board = Scoreboard(ScoreboardSettings(min_samples=1, evicts=evicts))
    asked = Scoreboard(ScoreboardSettings(min_samples=1, evicts=evicts))
    ms = 0
    kept = []
    for gap, net in samples:
        ms += gap
        board.observe("S", ScoreInputs(net_bps=net), ms)
        asked.observe("S", ScoreInputs(net_bps=net), ms)
        asked.score("S", ms + gap // 2)
        kept.append((ms, net))
    now = ms + later
    within = [(at, net) for at, net in kept if at > now - 300_000 or not evicts]
    found = board.score("S", now)
    if within:
        weights = [0.5 ** ((now - at) / 120_000) for at, _ in within]
        mean = sum(weight * net for weight, (_, net) in zip(weights, within, strict=True)) / sum(weights)
        assert found.net_bps == pytest.approx(mean, abs=1e-9)
        assert found.samples == (len(within) if evicts else len(samples))
