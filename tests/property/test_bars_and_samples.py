"""Slots 12.1 and design 9: columns of prints leave exactly the state that single prints leave, whatever the cuts."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.market import candles, samples
from millrace.market.candles import Bar, BarBuilder
from millrace.market.samples import SampleGrid

PRINTS = st.lists(
    st.tuples(
        st.one_of(st.integers(-3, 25), st.integers(0, 25), st.integers(200, 4_000)),
        st.integers(1, 9),
        st.integers(0, 5),
    ),
    max_size=120,
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["print", "print", "many", "many", "advance", "drain", "snapshot"]), st.integers(0, 60)),
    min_size=1,
    max_size=12,
)


@pytest.fixture(autouse=True, scope="module")
def columns_even_for_few_prints() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (candles, samples):
            patch.setattr(module, "_FEW_PRINTS", 0)
        yield


def columns(prints: list[tuple[int, int, int]]) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    return [np.array([row[i] for row in prints], dtype=np.int64) for i in range(3)]


def with_times(prints: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Steps between prints as times; a negative step goes back in time."""
    now, out = 0, []
    for step, ticks, lots in prints:
        now = max(0, now + step)
        out.append((now, ticks, lots))
    return out


@settings(max_examples=200, deadline=None)
@given(PRINTS, STEPS, st.integers(1, 30), st.integers(1, 6))
def test_12_1_bars_of_columns_equal_bars_of_single_prints(prints: Any, steps: Any, bar_ns: int, keep: int) -> None:
    single, bulk, rest = BarBuilder(bar_ns, keep), BarBuilder(bar_ns, keep), with_times(prints)
    for kind, many in steps:
        size = many if kind == "many" else 1
        taken, rest = rest[:size], rest[size:]
        if kind in ("print", "many"):
            for row in taken:
                single.observe(*row)
            bulk.observe_many(*columns(taken))
        elif kind == "advance" and taken:
            single.advance(taken[0][0])
            bulk.advance(taken[0][0])
        elif kind == "drain":
            assert single.drain_closed() == bulk.drain_closed()
        elif kind == "snapshot":
            bulk = BarBuilder(bar_ns, keep)
            bulk.restore(json.loads(json.dumps(single.snapshot())))
        assert single.snapshot() == bulk.snapshot()
        assert all(type(bar.open_ticks) is type(bar.lots) is int for bar in bulk.closed())


@settings(max_examples=200, deadline=None)
@given(PRINTS, STEPS, st.integers(1, 30), st.integers(1, 6), st.integers(0, 90))
def test_samples_of_columns_equal_samples_of_single_prints(
    prints: Any, steps: Any, step_ns: int, keep: int, age: int
) -> None:
    single, bulk, rest = SampleGrid(step_ns, keep, age), SampleGrid(step_ns, keep, age), with_times(prints)
    seen: list[tuple[int, int]] = []
    now = 0
    for kind, many in steps:
        size = many if kind == "many" else 1
        taken, rest = rest[:size], rest[size:]
        if kind in ("print", "many"):
            for row in taken:
                single.observe(*row[:2])
                now = max(now, row[0])
                seen.append((now, row[1]))
            bulk.observe_many(*columns(taken)[:2])
        elif kind == "advance" and taken:
            now = max(now, taken[0][0])
            single.advance(now)
            bulk.advance(now)
        elif kind == "snapshot":
            bulk = SampleGrid(step_ns, keep, age)
            bulk.restore(json.loads(json.dumps(single.snapshot())))
        assert single.snapshot() == bulk.snapshot()
        until = now + size
        want = [price for g in range(0, until + 1, step_ns) if (price := last_price(seen, g, age)) is not None]
        assert single.samples_until(until) == bulk.samples_until(until) == want[-keep:]


def last_price(seen: list[tuple[int, int]], g: int, age: int) -> int | None:
    """The definition, word for word."""
    at = [(ts, price) for ts, price in seen if ts <= g]
    return at[-1][1] if at and g - at[-1][0] <= age else None


@settings(max_examples=150, deadline=None)
@given(PRINTS.filter(bool), st.integers(1, 30), st.integers(0, 400))
def test_12_1_bars_say_what_their_prints_say(prints: Any, bar_ns: int, wait: int) -> None:
    rows, now = [], 0
    for ts, ticks, lots in with_times(prints):
        now = max(now, ts)
        rows.append((now, ticks, lots))
    builder = BarBuilder(bar_ns, 100_000)
    builder.observe_many(*columns(rows))
    builder.advance(now + wait)
    bars = builder.drain_closed()
    first, last = rows[0][0] // bar_ns, (now + wait) // bar_ns
    assert [bar.start_ns for bar in bars] == [index * bar_ns for index in range(first, last)]
    close = rows[0][1]
    for bar in bars:
        inside = [row for row in rows if bar.start_ns <= row[0] < bar.start_ns + bar_ns]
        prices = [row[1] for row in inside] or [close]
        close = prices[-1]
        want = Bar(bar.start_ns, prices[0], max(prices), min(prices), close, sum(row[2] for row in inside), not inside)
        assert bar == want
    assert builder.drain_closed() == []
    assert builder.closed() == bars


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0), (-5, 3)])
def test_a_bar_builder_and_a_grid_need_sizes(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        BarBuilder(*sizes)
    with pytest.raises(ValueError, match="not a grid"):
        SampleGrid(*sizes, 1)


def test_a_century_without_prints_costs_no_more_than_what_is_kept() -> None:
    builder, grid = BarBuilder(1_000, 3), SampleGrid(1_000, 3, 10**30)
    builder.observe(500, 7, 1)
    grid.observe(500, 7)
    builder.advance(3 * 10**18)
    grid.advance(3 * 10**18)
    assert [(bar.close_ticks, bar.missing) for bar in builder.drain_closed()] == [(7, True)] * 3
    assert grid.samples_until(3 * 10**18) == [7, 7, 7]
