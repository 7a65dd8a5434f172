"""How fast the desk may act: tokens with a part for what defends, back-off, steps under stress (quoting 4.6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from millrace.core.commands import Side
from millrace.strategies.quoting.model import IntentKind, OrderIntent
from millrace.strategies.quoting.quotes.auto_policy import PolicyState, checked
from millrace.strategies.quoting.quotes.back_off import BackOffState, observed
from millrace.strategies.quoting.quotes.pace import PaceState, let_out, watched
from millrace.strategies.quoting.quotes.throttle import ThrottleState, admitted
from millrace.strategies.quoting.settings import ThrottleSettings

CFG = ThrottleSettings()
CANCEL, AMEND, PLACE = IntentKind


def intent(kind: IntentKind, *, defensive: bool = False) -> OrderIntent:
    return OrderIntent(kind, Side.BUY, 0, 1, 100, 1, "new", defensive)


def burst(kind: IntentKind, count: int, *, defensive: bool = False, state=None, now_ms: int = 0):
    return admitted(state or ThrottleState(), (intent(kind, defensive=defensive),) * count, now_ms, CFG)


@pytest.mark.parametrize(("kind", "most"), [(PLACE, 50), (AMEND, 75), (CANCEL, 150)])
def test_what_may_leave_in_ten_seconds(kind, most) -> None:
    """Quoting 4.6: 5 places, 10 amends, 20 cancels a second; a quarter is kept for what defends."""
    found = burst(kind, most + 7)
    assert (len(found.leaves), len(found.waits)) == (most, 7)
    assert len(burst(kind, 1, state=found.state, now_ms=10_000).leaves) == 0
    assert len(burst(kind, most + 1, state=found.state, now_ms=10_001).leaves) == most


def test_what_defends_is_never_dropped() -> None:
    full = burst(CANCEL, 150).state
    found = burst(CANCEL, 1_000, defensive=True, state=full)
    assert (len(found.leaves), found.waits) == (1_000, ())
    assert burst(CANCEL, 1, state=found.state, now_ms=10_000).leaves == ()


def test_a_retreat_without_room_leaves_as_a_cancel() -> None:
    found = burst(AMEND, 101, defensive=True)
    assert [i.kind for i in found.leaves].count(AMEND) == 100
    assert found.leaves[-1].kind is CANCEL
    assert found.state.cancels[-1].number == 1


@given(
    st.lists(st.tuples(st.integers(0, 4_000), st.sampled_from(list(IntentKind)), st.integers(1, 80), st.booleans())),
)
def test_no_window_ever_holds_more_than_it_may(bursts) -> None:
    state, now, sent = ThrottleState(), 0, []
    for gap, kind, count, defensive in bursts:
        now += gap
        before = state
        state, leaves, waits = admitted(
            state, (intent(kind, defensive=defensive and kind is not PLACE),) * count, now, CFG
        )
        assert len(leaves) + len(waits) == count
        assert state is not before
        sent += [(now, i.kind, i.defensive) for i in leaves]
        for one, most in ((PLACE, 50), (AMEND, 100)):
            assert sum(k is one for ts, k, _ in sent if ts >= now - 10_000) <= most
        if any(k is CANCEL and not d for _, k, d in sent[-len(leaves) :] if leaves):
            assert sum(k is CANCEL for ts, k, _ in sent if ts >= now - 10_000) <= 150


def test_back_off_doubles_to_three_seconds_and_ends_when_things_are_well() -> None:
    """Quoting 4.6: from 200 ms, jitter of 10 %, at an error rate of 2 % or a lag of half a second."""
    state, now, bases = BackOffState(), 0, []
    for _ in range(6):
        state = observed(state, now, 0.02, None, "s", CFG)
        bases.append(state.base_ms)
        assert 0.9 * state.base_ms - 1 <= state.until_ms - now <= 1.1 * state.base_ms + 1
        assert observed(state, state.until_ms - 1, 0.5, None, "s", CFG) is state
        now = state.until_ms
    assert bases == [200, 400, 800, 1_600, 3_000, 3_000]
    well = observed(state, now, 0.019, 499.0, "s", CFG)
    assert (well.row, well.base_ms) == (0, 0)
    assert observed(well, now, None, None, "s", CFG) is well
    assert observed(well, now, None, 500.0, "s", CFG).base_ms == 200


def test_jitter_is_a_hash_of_who_we_are() -> None:
    first = observed(BackOffState(), 0, 1.0, None, "one", CFG).until_ms
    assert observed(BackOffState(), 0, 1.0, None, "one", CFG).until_ms == first
    others = {observed(BackOffState(total=n), 0, 1.0, None, "one", CFG).until_ms for n in range(50)}
    assert len(others) > 10
    assert all(180 <= until <= 220 for until in others)


def test_while_backing_off_only_what_defends_leaves() -> None:
    state = watched(PaceState(), 0, 1.0, None, "s", CFG)
    both = (intent(CANCEL, defensive=True), intent(CANCEL), intent(PLACE))
    found = let_out(state, both, 100, CFG)
    assert (found.leaves, found.waits) == (both[:1], both[1:])
    assert let_out(state, both, 300, CFG).waits == ()
    assert let_out(state, (), 100, CFG).state is state


def test_the_policy_steps_up_after_two_bad_checks_every_two_minutes_and_down_after_two_good_ones() -> None:
    """Quoting 4.6: a back-off of 3000 ms or 40 of them, twice in a row; at most three steps."""
    bad, good, state, levels = BackOffState(base_ms=3_000), BackOffState(), PolicyState(), []
    for second in range(0, 500, 10):
        state = checked(state, bad, second * 1_000)
        assert checked(state, bad, second * 1_000 + 9_999) is state
        levels.append(state.level)
    assert [levels.index(level) * 10 for level in (1, 2, 3)] == [10, 130, 250]
    assert max(levels) == 3
    for second, level in ((500, 3), (510, 2), (520, 2), (530, 1)):
        state = checked(state, good, second * 1_000)
        assert state.level == level
    many = BackOffState(base_ms=200, begun_ms=tuple(range(40)))
    assert checked(PolicyState(bad_row=1), many, 0).level == 1
    assert checked(PolicyState(bad_row=1), BackOffState(base_ms=200, begun_ms=tuple(range(39))), 0).level == 0


def test_the_state_survives_as_builtins() -> None:
    state = watched(PaceState(), 0, 1.0, None, "s", CFG)
    state = let_out(state, (intent(CANCEL, defensive=True),), 5, CFG).state
    assert json.decode(json.encode(state), type=PaceState) == state
