"""What goes wrong is a function of seed, purpose, order and attempt, and as frequent as the menu says."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.sim.faults import CALL_FAULTS, LATEST_REQUEST_NS, Fault, FaultMenu, Faults

PURPOSES = st.sampled_from(["place", "cancel", "query"])
CALLS = 20_000


@given(st.integers(), PURPOSES, st.text(max_size=32), st.integers(1, 100), st.integers(0, 2**62))
def test_one_call_has_one_fate(seed, purpose, client_id, attempt, now_ns):
    menu = FaultMenu(seed, 900_000)
    fate = Faults(menu).of_call(purpose, client_id, attempt, now_ns)
    assert fate == Faults(menu).of_call(purpose, client_id, attempt, now_ns + 1)
    assert 0 <= fate.late_ns <= menu.longest_delay_ns
    if fate.fault is not Fault.ANSWER_DELAYED:
        assert fate.late_ns <= LATEST_REQUEST_NS


@given(st.integers(), st.text(max_size=32), st.integers(1, 100))
def test_news_is_never_lost_and_after_the_end_nothing_fails(seed, client_id, number):
    faults = Faults(FaultMenu(seed, 1_000_000, 1_000_000, until_ns=10))
    assert faults.of_news(client_id, number, 9).fault in {
        Fault.ANSWER_DELAYED,
        Fault.ANSWER_TWICE,
        Fault.ANSWER_OVERTAKEN,
    }
    assert faults.of_news(client_id, number, 10).fault is Fault.NONE
    assert faults.of_call("place", client_id, number, 10).fault is Fault.NONE


def test_shares_are_those_of_the_menu():
    faults = Faults(FaultMenu(1, 300_000))
    seen = Counter(faults.of_call("place", str(order), 1, 0).fault for order in range(CALLS))
    assert seen[Fault.NONE] == pytest.approx(0.7 * CALLS, rel=0.02)
    for fault in CALL_FAULTS:
        assert seen[fault] == pytest.approx(0.3 * CALLS / len(CALL_FAULTS), rel=0.15)


def test_requests_that_would_arrive_after_the_settle_time_are_no_fault_but_a_mistake():
    with pytest.raises(ValueError, match="late"):
        Faults(FaultMenu(1, overtaking_ns=LATEST_REQUEST_NS + 1))
