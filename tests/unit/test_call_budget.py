"""Each limit of slots 4.4 alone, and what the telemetry object says."""

import pytest

from millrace.capacity.call_budget import CallBudget, CallBudgetSettings

SECOND = 1_000_000_000
LOOP = 30 * SECOND
FREE_LOOP = 10**9


def budget(**changes: object) -> CallBudget:
    return CallBudget(CallBudgetSettings(**changes))


def send(found: CallBudget, now_ns: int, count: int, *, urgent: bool = False) -> list[int]:
    """Return the times at which so many calls leave when each goes as early as it may."""
    times = []
    for _ in range(count):
        now_ns = found.earliest_ns(now_ns, urgent=urgent)
        found.take(now_ns)
        times.append(now_ns)
    return times


def test_ten_calls_fit_a_loop_and_loops_are_aligned() -> None:
    found = budget(metronome=False)
    assert send(found, 12 * SECOND, 11) == [12 * SECOND] * 10 + [LOOP]
    assert send(found, LOOP, 10)[-1] == 2 * LOOP, "the eleventh of the second loop waits for the third"


def test_waves_hold_two_calls_per_second_and_a_half() -> None:
    times = send(budget(), 0, 6)
    assert times == [0, 0, 1_500_000_000, 1_500_000_000, 3 * SECOND, 3 * SECOND]
    assert budget().earliest_ns(7, urgent=True) == 7
    late = budget()
    late.take(0)
    assert send(late, 1_400_000_000, 2) == [1_400_000_000, 1_500_000_000], "a wave begins with its first call"


def test_the_bucket_holds_fifteen_and_refills_one_a_second() -> None:
    found = budget(metronome=False, calls_per_loop=FREE_LOOP)
    assert send(found, 0, 17) == [0] * 15 + [SECOND, 2 * SECOND]
    idle = budget(metronome=False, calls_per_loop=FREE_LOOP)
    idle.take(0)
    assert send(idle, 1_000 * SECOND, 16)[-1] == 1_001 * SECOND, "an idle bucket holds no more than fifteen"


def test_cancels_and_exits_may_overdraw_the_bucket_by_two() -> None:
    found = budget(metronome=False, calls_per_loop=FREE_LOOP)
    send(found, 0, 15)
    assert found.earliest_ns(0, urgent=False) == SECOND
    assert send(found, 0, 3, urgent=True) == [0, 0, SECOND]
    assert found.earliest_ns(SECOND, urgent=False) == 4 * SECOND, "entries pay the overdraft back first"


def test_a_rate_limit_opens_the_circuit_for_five_seconds_doubling_to_sixty() -> None:
    found, now, held = budget(), 0, []
    for _ in range(6):
        found.rate_limited(now)
        opens = found.earliest_ns(now, urgent=True)
        held.append((opens - now) // SECOND)
        now = opens
    assert held == [5, 10, 20, 40, 60, 60]
    assert found.status(now)["consecutive_rate_errors"] == 6
    found.succeeded()
    assert found.status(now)["consecutive_rate_errors"] == 0
    found.rate_limited(now)
    assert found.earliest_ns(now, urgent=True) == now + 5 * SECOND


def test_refusals_of_one_burst_open_the_circuit_once() -> None:
    found = budget()
    for late_ns in (0, 20, 40):
        found.rate_limited(late_ns)
    assert found.earliest_ns(50, urgent=False) == 5 * SECOND
    found.rate_limited(5 * SECOND)
    assert found.earliest_ns(5 * SECOND, urgent=False) == 15 * SECOND


def test_a_venue_that_says_for_how_long_is_left_alone_for_so_long() -> None:
    """Retry-After holds from the very next call on, and a shorter one does not shorten what holds (runtime 2.5 rule 4)."""
    found = budget()
    found.rate_limited(0, 30 * SECOND)
    assert found.earliest_ns(1, urgent=True) == 30 * SECOND
    found.rate_limited(SECOND, 2 * SECOND)
    assert found.earliest_ns(2 * SECOND, urgent=True) == 30 * SECOND
    found.succeeded()
    found.rate_limited(30 * SECOND, SECOND)
    assert found.earliest_ns(31 * SECOND, urgent=True) == 35 * SECOND, "our own circuit is longer here"


def test_success_does_not_close_an_open_circuit() -> None:
    found = budget()
    found.rate_limited(0)
    found.succeeded()
    assert found.earliest_ns(1, urgent=True) == 5 * SECOND


def test_the_metronome_can_be_switched_off() -> None:
    assert send(budget(metronome=False), 0, 10) == [0] * 10


def test_status_is_the_private_api_metronome_object() -> None:
    found = budget()
    assert found.status(0) == {
        "enabled": True,
        "wave_calls": 2,
        "wave_seconds": 1.5,
        "wave_calls_used": 0,
        "wave_window_remaining_sec": 0.0,
        "wait_events": 0,
        "wait_total_sec": 0.0,
        "last_wait_sec": 0.0,
        "calls_last_60s": 0,
        "effective_calls_per_sec": 0.0,
        "budget_available": True,
        "consecutive_rate_errors": 0,
    }
    found.take(10 * SECOND)
    found.take(10 * SECOND, waited_ns=2 * SECOND)
    status = found.status(11 * SECOND)
    assert (status["wave_calls_used"], status["wave_window_remaining_sec"]) == (2, 0.5)
    assert (status["wait_events"], status["wait_total_sec"], status["last_wait_sec"]) == (1, 2.0, 2.0)
    assert (status["calls_last_60s"], status["budget_available"]) == (2, False)
    assert status["effective_calls_per_sec"] == pytest.approx(2 / 60)
    later = found.status(70 * SECOND)
    assert (later["calls_last_60s"], later["wave_calls_used"], later["budget_available"]) == (0, 0, True)
