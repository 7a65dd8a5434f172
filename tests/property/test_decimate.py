"""Thinning keeps order, ends and extremes, and never more points than asked for."""

from hypothesis import given
from hypothesis import strategies as st

from millrace.research.decimate import decimate


@given(st.lists(st.floats(-1e6, 1e6), max_size=400), st.integers(4, 60))
def test_thinning_keeps_ends_and_extremes(values, most):
    points = list(enumerate(values))
    kept = decimate(points, lambda point: point[1], most)
    assert len(kept) <= most
    assert kept == sorted(set(kept))
    if points:
        assert (kept[0], kept[-1]) == (points[0], points[-1])
        assert min(v for _, v in kept) == min(values)
        assert max(v for _, v in kept) == max(values)
    if len(points) <= most:
        assert kept == points
