"""Rows that wait to be counted come back as they went in, whether they came as blocks or alone (runtime 2.2)."""

from array import array
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from millrace.market.waiting_rows import WaitingRows, first_of, last_of, packed

SIZES = st.lists(st.integers(0, 5), min_size=1, max_size=12)
PRICES = st.integers(1, 2**40)


def column(values: list[int]) -> bytes:
    return array("q", values).tobytes()


@given(SIZES, st.data())
def test_every_row_since_then_comes_back_in_order_with_one_before_them(sizes: list[int], data: st.DataObject) -> None:
    waiting, rows, now_ns = WaitingRows(), [], 10
    waiting.begin(now_ns, 2 * data.draw(PRICES))
    first = now_ns
    for size in sizes:
        gaps = data.draw(st.lists(st.integers(0, 3), min_size=max(size, 1), max_size=max(size, 1)))
        times = list(accumulate(gaps, initial=now_ns))[1:]
        one, other = ([data.draw(PRICES) for _ in times] for _ in range(2))
        if size:
            waiting.add_block(column(times), column(one), column(other))
        else:
            waiting.add(times[0], one[0] + other[0])
        rows += list(zip(times, map(sum, zip(one, other, strict=True)), strict=True))
        now_ns = times[-1]
    assert waiting.count == len(rows)
    since_ns = data.draw(st.integers(first, now_ns + 1))
    taken = waiting.take(since_ns)
    got = list(zip(taken.ts_ns.tolist(), taken.middle.tolist(), strict=True))
    wanted = [row for row in rows if row[0] >= since_ns]
    assert got[len(got) - len(wanted) :] == wanted
    assert got[0][0] < since_ns or got[0][0] == first or len(got) > len(wanted)
    assert waiting.count == 0


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_a_number_survives_its_column(one: int, other: int) -> None:
    assert (first_of(packed(one) + packed(other)), last_of(packed(one) + packed(other))) == (one, other)
