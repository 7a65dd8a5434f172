"""What is said of a venue's clock holds whatever the delays were, and a clock that was set is noticed at once."""

from hypothesis import given
from hypothesis import strategies as st

from millrace.core.clock_skew import DRIFT_PPM, WINDOW_NS, Lead, SkewWindow

MS = 1_000_000
SECOND = 1_000 * MS
DELAYS = st.integers(0, 40 * SECOND)
ASKED = st.tuples(st.integers(1, 20 * SECOND), DELAYS, DELAYS)


@given(st.integers(-30 * SECOND, 30 * SECOND), st.integers(-DRIFT_PPM, DRIFT_PPM), st.lists(ASKED, min_size=1))
def test_the_true_lead_lies_within_the_bounds_whatever_the_way_took(ahead_ns: int, ppm: int, asked) -> None:
    window, now_ns = SkewWindow(), 10**18
    start_ns = now_ns

    def lead_at(ts_ns: int) -> int:
        return ahead_ns + (ts_ns - start_ns) * ppm // 10**6

    narrowest = []
    for after_ns, there_ns, back_ns in asked:
        asked_ns = now_ns + after_ns
        read_ns, now_ns = asked_ns + there_ns, asked_ns + there_ns + back_ns
        lead = window.take(asked_ns, read_ns + lead_at(read_ns), now_ns)
        narrowest.append((now_ns, asked_ns))
        assert lead is not None
        rounding = (now_ns - read_ns) * DRIFT_PPM // 10**6 + 2  # the clock went on while the answer was on its way
        assert lead.low_ns - rounding <= lead_at(now_ns) <= lead.high_ns + rounding
        within = [one for one in narrowest[-15:] if now_ns - one[0] < WINDOW_NS]
        best_ns = min(heard - asked + 2 * ((now_ns - asked) * DRIFT_PPM // 10**6 + 2) for heard, asked in within)
        assert lead.high_ns - lead.low_ns <= best_ns, "no wider than the quickest answer of the window"


@given(st.integers(-30 * SECOND, 30 * SECOND), st.integers(0, SECOND), st.integers(1, 11))
def test_a_clock_that_was_set_is_believed_with_the_first_answer(step_ns: int, took_ns: int, before: int) -> None:
    window, asked_ns = SkewWindow(), 10**18
    for _ in range(before):
        window.take(asked_ns, asked_ns + took_ns // 2, asked_ns + took_ns)
        asked_ns += 5 * SECOND
    lead = window.take(asked_ns, asked_ns + took_ns // 2 + step_ns, asked_ns + took_ns)
    assert lead is not None
    if abs(step_ns) > took_ns + 3 * MS:  # the drift of the five seconds since the last answer
        assert lead == Lead(step_ns + took_ns // 2 - took_ns, step_ns + took_ns // 2)
    else:
        assert abs(lead.middle_ns) <= 2 * took_ns + 3 * MS


def test_answers_of_a_minute_ago_count_no_more() -> None:
    window = SkewWindow()
    assert window.take(0, 0, 0) == Lead(0, 0)
    assert window.take(0, WINDOW_NS - 1, WINDOW_NS - 1) == Lead(0, WINDOW_NS * DRIFT_PPM // 10**6)
    assert window.take(WINDOW_NS, 2 * WINDOW_NS, 2 * WINDOW_NS) == Lead(0, WINDOW_NS)


def test_a_clock_of_ours_that_was_set_back_ends_what_was_known_by_it() -> None:
    window = SkewWindow()
    window.take(100 * SECOND, 100 * SECOND, 100 * SECOND)
    assert window.take(101 * SECOND, 101 * SECOND, 61 * SECOND) is None, "set back while the question was on its way"
    assert window.take(65 * SECOND, 105 * SECOND, 65 * SECOND) == Lead(40 * SECOND, 40 * SECOND)
    assert window.take(25 * SECOND, 106 * SECOND, 26 * SECOND) == Lead(80 * SECOND, 81 * SECOND), "set back in between"


def test_what_is_certain_is_the_bound_nearest_to_nought() -> None:
    assert [Lead(*told).least_ns for told in ((-5, 5), (2, 5), (-5, -2), (0, 9))] == [0, 2, -2, 0]
