"""The search in bulk finds what a plain loop finds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.sim.candles import PrintColumns, QuoteColumns
from millrace.sim.column_search import first_outside

ROWS = 40_000
rng = np.random.default_rng(5)
WALK = 1_000 + np.cumsum(rng.integers(-1, 2, ROWS))
ZERO = np.zeros(ROWS, np.int64)
PRINTS = PrintColumns(ZERO, WALK, ZERO, ZERO, ZERO)
QUOTES = QuoteColumns(ZERO, WALK, WALK + rng.integers(1, 5, ROWS), ZERO, ZERO)
bound = st.none() | st.integers(int(WALK.min()) - 2, int(WALK.max()) + 2)


def naive(columns, start, end, low, high):
    for row in range(start, end):
        ask, bid = int(columns.low_side[row]), int(columns.high_side[row])
        if (low is not None and ask <= low) or (high is not None and bid >= high):
            return row
    return end


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([PRINTS, QUOTES]), st.integers(0, ROWS), st.integers(0, ROWS), bound, bound)
def test_first_outside_is_the_naive_loop(columns, start, end, low, high):
    assert first_outside(columns, start, end, low, high) == (
        naive(columns, start, end, low, high) if start < end else end
    )


def test_a_single_hit_is_found_wherever_it_lies():
    ticks = np.full(ROWS, 500, np.int64)
    edges = [256 * block + offset for block in range(1, ROWS // 256) for offset in (-1, 0, 1)]
    for hit in edges:
        columns = PrintColumns(ZERO, np.where(np.arange(ROWS) == hit, 400, ticks), ZERO, ZERO, ZERO)
        for start in (0, 255, max(0, hit - 1_025), hit, hit + 1):
            for end in (hit - 1, hit, hit + 1, ROWS):
                want = hit if start <= hit < end else end
                assert first_outside(columns, start, end, 400, 600) == want
        assert first_outside(columns, 0, ROWS, 399, None) == ROWS


def test_quotes_look_at_the_ask_below_and_at_the_bid_above():
    one = np.ones(1, np.int64)
    columns = QuoteColumns(one, 100 * one, 103 * one, one, one)
    assert first_outside(columns, 0, 1, 102, 101) == 1
    assert first_outside(columns, 0, 1, 103, None) == 0
    assert first_outside(columns, 0, 1, None, 100) == 0


def test_empty_columns_have_no_hit():
    none = np.empty(0, np.int64)
    assert first_outside(PrintColumns(none, none, none, none, none), 0, 0, 5, 4) == 0
