"""Whatever is asked for, no window ever holds more calls than the limits of slots 4.4 allow."""

from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.capacity.call_budget import CallBudget, CallBudgetSettings

SECOND = 1_000_000_000
WISHES = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 7, SECOND // 3, SECOND, 3 * SECOND // 2, 4 * SECOND, 31 * SECOND]),
        st.booleans(),
        st.sampled_from(["call", "call", "call", "call", "limited", "fine"]),
    ),
    max_size=120,
)
RULES = st.builds(
    CallBudgetSettings,
    calls_per_loop=st.sampled_from([3, 10, 1000]),
    metronome=st.booleans(),
    wave_calls=st.sampled_from([1, 2, 50]),
    bucket_calls=st.sampled_from([1, 15]),
)


@given(RULES, WISHES, st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_window_holds_more_calls_than_allowed(rules, wishes, patient) -> None:
    budget, sent, closed = CallBudget(rules), [], []
    now_ns = 0
    for step_ns, urgent, what in wishes:
        now_ns += step_ns
        if what == "limited":
            budget.rate_limited(now_ns)
            if not closed or now_ns >= closed[-1] + 5 * SECOND:
                closed.append(now_ns)
            continue
        if what == "fine":
            budget.succeeded()
            continue
        earliest_ns = budget.earliest_ns(now_ns, urgent=urgent)
        assert earliest_ns >= now_ns
        if patient:
            assert budget.earliest_ns(earliest_ns, urgent=urgent) == earliest_ns, "what was promised holds"
            now_ns = earliest_ns
        if earliest_ns <= now_ns:
            budget.take(now_ns)
            sent.append((now_ns, urgent))
    _check_loops(rules, sent)
    _check_waves(rules, sent)
    _check_bucket(rules, sent)
    for began_ns in closed:
        assert not any(began_ns < ts_ns < began_ns + 5 * SECOND for ts_ns, _ in sent), "an open circuit lasts 5 s"


def _check_loops(rules, sent) -> None:
    loops = [ts_ns // rules.loop_ns for ts_ns, _ in sent]
    assert all(loops.count(loop) <= rules.calls_per_loop for loop in set(loops))


def _check_waves(rules, sent) -> None:
    """A wave opens with a call and lasts its time; it holds so many calls, so any window touches two waves at most."""
    if not rules.metronome:
        return
    opened_ns, used = None, 0
    for ts_ns, _ in sent:
        if opened_ns is None or ts_ns - opened_ns >= rules.wave_ns:
            opened_ns, used = ts_ns, 0
        used += 1
        assert used <= rules.wave_calls
    times = [ts_ns for ts_ns, _ in sent]
    assert all(sum(at <= ts < at + rules.wave_ns for ts in times) <= 2 * rules.wave_calls for at in times)


def _check_bucket(rules, sent) -> None:
    """Over any stretch: what the bucket held, what ran in, and two of overdraft."""
    counts = list(accumulate(1 for _ in sent))
    for first, (from_ns, _) in enumerate(sent):
        for last in range(first, len(sent)):
            calls, ran_in = counts[last] - first, (sent[last][0] - from_ns) // rules.refill_ns
            assert calls <= rules.bucket_calls + ran_in + 2
            if not any(urgent for _, urgent in sent[: last + 1]):
                assert calls <= rules.bucket_calls + ran_in
