"""The breaker's rules over arbitrary outcomes, outages and seeds (runtime 2.18 with its acceptance)."""

from hypothesis import given
from hypothesis import strategies as st

from millrace.core.trouble_events import BreakerState
from millrace.risk.breakers import RULES, Breaker, BreakerRules, Endpoint, Outcome

SECOND = 1_000_000_000
OK, BAD, FAST = Outcome.ANSWERED, Outcome.FAILED, Outcome.TOO_FAST
CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
OTHERS = RULES[Endpoint.QUERIES]
SEEDS = st.integers(0, 2**32)


def tripped(seed: int = 1, rules: BreakerRules = OTHERS, at_ns: int = 0) -> Breaker:
    breaker = Breaker("toy/orders", seed, rules)
    for _ in range(rules.in_row):
        breaker.told(BAD, at_ns)
    assert breaker.state is OPEN
    return breaker


def test_the_figures_are_those_of_the_contract() -> None:
    """runtime 2.18: 30 s, 10 calls, half; 5 in a row, orders 3; 30 s x 2^n, cap 60 s; 10 min; 3 probes; 10 in 60 s."""
    assert BreakerRules(5, 30 * SECOND, 10, 30 * SECOND, 60 * SECOND, 600 * SECOND, 3, 10, 60 * SECOND) == OTHERS
    assert RULES[Endpoint.ORDERS] == BreakerRules(in_row=3)


@given(st.integers(0, 4), st.integers(100, 2_500))
def test_a1_four_failures_in_five_trip_within_thirty_seconds(good: int, every_ms: int) -> None:
    """A1: 80 % failures interleaved with successes; never five in a row."""
    breaker = Breaker("toy/queries", 1, OTHERS)
    for number in range(1, 100):
        now_ns = number * every_ms * SECOND // 1_000
        breaker.told(OK if number % 5 == good else BAD, now_ns)
        if breaker.state is OPEN:
            break
    assert breaker.state is OPEN
    assert now_ns <= 30 * SECOND


@given(st.lists(st.booleans(), max_size=200))
def test_half_of_ten_calls_or_so_many_in_a_row_and_nothing_less(outcomes: list[bool]) -> None:
    breaker = Breaker("toy/queries", 1, OTHERS)
    for number, failed in enumerate(outcomes):
        seen = outcomes[: number + 1][-14:]  # calls at every 2.15 s: the last 14 lie within 30 s
        breaker.told(BAD if failed else OK, number * 2_150_000_000)
        in_row = len(seen) >= 5 and all(seen[-5:])
        half = len(seen) >= 10 and 2 * sum(seen) >= len(seen)
        assert (breaker.state is OPEN) == (in_row or half)
        if breaker.state is OPEN:
            return


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_ten_refusals_for_pace_within_a_minute_are_a_storm(gaps: list[int]) -> None:
    breaker, times, now = Breaker("toy/orders", 1, OTHERS), [], 0
    for gap in gaps:
        now += gap
        times.append(now)
        breaker.told(FAST, now * SECOND)
        storm = len(times) >= 10 and times[-1] - times[-10] <= 60
        assert (breaker.state is OPEN) == storm
        if storm:
            return


@given(SEEDS)
def test_a2_a_hundred_callers_at_half_open_send_one_probe(seed: int) -> None:
    breaker = tripped(seed)
    assert not breaker.may_leave
    assert breaker.advance(breaker.until_ns)
    sent = 0
    for _ in range(100):
        if breaker.may_leave:
            sent += breaker.left()
    assert sent == 1
    assert not breaker.may_leave


def outage(seed: int, every_ns: int, length_ns: int) -> tuple[int, int, list[tuple[int, BreakerState]]]:
    """Call whenever allowed, unanswered for `length_ns`; return probes, ns from recovery to CLOSED, and the moves."""
    breaker = Breaker("toy/orders", seed, RULES[Endpoint.ORDERS])
    now_ns = probes = 0
    moves: list[tuple[int, BreakerState]] = []
    while breaker.state is not CLOSED or now_ns < length_ns:
        if breaker.advance(now_ns):
            moves.append((now_ns, breaker.state))
        if breaker.may_leave:
            probe = breaker.left()
            probes += probe
            answered = now_ns >= length_ns
            end_ns = now_ns + (100_000_000 if answered else 2 * SECOND)
            if breaker.told(OK if answered else BAD, end_ns, probe=probe):
                moves.append((end_ns, breaker.state))
            now_ns = end_ns
        now_ns += every_ns
    return probes, now_ns - length_ns, moves


@given(SEEDS, st.integers(1, 2_000))
def test_a3_an_outage_of_five_minutes(seed: int, every_ms: int) -> None:
    """A3: at most 12 probes in total, closed at most 75 s after recovery."""
    probes, closed_after_ns, moves = outage(seed, every_ms * SECOND // 1_000, 300 * SECOND)
    assert probes <= 12
    assert closed_after_ns <= 75 * SECOND
    assert moves[-1][1] is CLOSED


@given(SEEDS, SEEDS)
def test_a4_the_same_outcomes_give_the_same_moves_and_another_seed_other_times(seed: int, other: int) -> None:
    again = outage(seed, SECOND, 300 * SECOND)
    assert again == outage(seed, SECOND, 300 * SECOND)
    assert seed == other or again[2] != outage(other, SECOND, 300 * SECOND)[2]


@given(SEEDS)
def test_each_hold_is_drawn_anew_between_half_and_all_of_it_and_capped(seed: int) -> None:
    """U(0.5, 1) x 30 s x 2^(trips - 1), cap 60 s: 15..30, 30..60, then 60 s."""
    breaker, holds, now_ns = tripped(seed), [], 0
    for _ in range(8):
        holds.append(breaker.until_ns - now_ns)
        now_ns = breaker.until_ns
        breaker.advance(now_ns)
        assert breaker.left()
        assert breaker.told(BAD, now_ns, probe=True)
    assert 15 * SECOND <= holds[0] <= 30 * SECOND <= holds[1] <= 60 * SECOND
    assert holds[2:] == [60 * SECOND] * 6
    assert 2 * holds[0] != holds[1], "one draw for all trips would make this equal"


@given(SEEDS, st.integers(0, 5))
def test_trips_decay_one_per_ten_minutes_closed(seed: int, tens: int) -> None:
    breaker, now_ns = tripped(seed), 0
    for _ in range(2):
        now_ns = breaker.until_ns
        breaker.advance(now_ns)
        breaker.left()
        breaker.told(BAD, now_ns, probe=True)
    now_ns = breaker.until_ns
    breaker.advance(now_ns)
    for number in range(3):
        assert breaker.state is HALF_OPEN, number
        assert breaker.left()
        breaker.told(OK, now_ns, probe=True)
    assert breaker.state is CLOSED
    now_ns += tens * 600 * SECOND
    for _ in range(5):
        breaker.told(BAD, now_ns)
    hold_ns = breaker.until_ns - now_ns
    lowest = {1: 15, 2: 30}.get(max(0, 3 - tens) + 1, 60) * SECOND
    assert lowest <= hold_ns <= min(2 * lowest, 60 * SECOND)


@given(st.lists(st.sampled_from([OK, BAD, FAST]), max_size=50))
def test_only_the_probe_speaks_while_it_is_not_closed(outcomes: list[Outcome]) -> None:
    breaker = tripped()
    breaker.advance(breaker.until_ns)
    breaker.left()
    for outcome in outcomes:
        assert not breaker.told(outcome, breaker.until_ns)
    assert (breaker.state, breaker.probe_is_out) == (HALF_OPEN, True)
    assert not breaker.told(FAST, breaker.until_ns, probe=True)
    assert breaker.may_leave, "a probe refused for its pace is sent again and decides nothing"


def test_one_that_was_open_when_the_program_ended_begins_with_a_probe() -> None:
    breaker = Breaker("toy/orders", 1, OTHERS, resumed=True)
    assert breaker.state is HALF_OPEN
    assert breaker.left()
    assert breaker.told(BAD, 7, probe=True)
    assert breaker.until_ns - 7 >= 30 * SECOND, "the trip before the restart counts"
