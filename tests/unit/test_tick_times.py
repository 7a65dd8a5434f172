"""Stage times are counted in fixed buckets, traced by number, and percentiles are of nearest rank (quoting 5)."""

import sys
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.capacity.stage_budgets import BUCKETS_MS, COMPUTE, SLO, STAGES, TABLES, nearest_rank
from millrace.core.probe import QuoteStage
from millrace.shell.tick_times import INSUFFICIENT, TickTimes, trace_interval

SIX = tuple(QuoteStage)[:6]


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.ns = 1_000

    def __call__(self) -> int:
        return self.ns


def play(times: TickTimes, clock: HandClock, number: int, spans_us: list[int], symbol: str = "A") -> None:
    times.begin(symbol, number)
    for stage, span_us in zip(SIX, spans_us, strict=False):
        clock.ns += span_us * 1_000
        times.lap(stage)
    times.end()


def test_the_buckets_are_those_of_the_contract() -> None:
    """Quoting 5, bucket list."""
    text = ".005 .01 .02 .05 .1 .2 .5 1 2 5 10 15 25 35 50 80 100 150 200 300 500 1000"
    assert [float(word) for word in text.split()] == list(BUCKETS_MS)


def test_the_two_budget_tables_are_apart_and_the_gate_guards_compute() -> None:
    """Quoting 5: the six p95 add up to 149 ms; compute 40/80/200 us, per stage 8, 12, 12, 8, 15, 25."""
    assert sum(budget.p95 for name, budget in SLO.stages.items() if name != "tick_total") == 149.0
    assert SLO.stages["tick_total"] == (80.0, 150.0, 200.0)
    assert [COMPUTE.stages[name].p95 for name in STAGES] == [8.0, 12.0, 12.0, 8.0, 15.0, 25.0, 80.0]
    assert COMPUTE.stages["tick_total"] == (40.0, 80.0, 200.0)
    assert [table.name for table in TABLES if table.guarded_by_gate] == ["compute"]
    assert (SLO.unit, SLO.clock, COMPUTE.unit, COMPUTE.clock) == ("ms", "wall", "us", "cpu")


def test_a_stage_is_counted_in_its_bucket_and_the_total_is_the_sum() -> None:
    clock = HandClock()
    times = TickTimes(clock, trace_rate=1.0, keep_samples=1_000)
    play(times, clock, 1, [5, 6, 100, 101, 2_000_000, 1])
    cell = times.histograms
    assert cell["stage_fetch_md"].counts[0] == 1, "5 us is in the bucket up to .005 ms"
    assert cell["stage_spread"].counts[1] == 1
    assert cell["stage_guards"].counts[BUCKETS_MS.index(0.1)] == 1
    assert cell["stage_inventory"].counts[BUCKETS_MS.index(0.2)] == 1
    assert cell["stage_queue_aware"].counts[-1] == 1, "longer than the last bound"
    (trace,) = times.traces
    assert trace.trace_id == "A:1"
    assert sum(trace.spans_ns) == trace.total_ns == cell["tick_total"].sum_ns


def test_a_tick_that_ended_early_counts_what_ran_and_one_that_never_ended_counts_nothing() -> None:
    clock = HandClock()
    times = TickTimes(clock)
    times.begin("A", 1)
    times.lap(QuoteStage.FETCH_MD)
    play(times, clock, 2, [10])
    assert times.ticks == 1
    counts = {name: cell.count for name, cell in times.histograms.items()}
    assert counts == {name: int(name in {"stage_fetch_md", "tick_total"}) for name in STAGES}


def test_a_tick_longer_than_the_deadline_is_one_miss() -> None:
    """Quoting 5: tick_total > deadline_ms counts one miss; exactly the deadline is none."""
    clock = HandClock()
    times = TickTimes(clock, deadline_ms=200.0)
    play(times, clock, 1, [200_000])
    assert times.deadline_misses == 0
    play(times, clock, 2, [200_001])
    assert times.deadline_misses == 1


@pytest.mark.parametrize(("rate", "every"), [(0.0, 0), (0.2, 5), (0.1, 10), (0.3, 3), (1.0, 1), (0.7, 1)])
def test_traces_are_sampled_by_the_ticks_number(rate: float, every: int) -> None:
    """Quoting 5: every k-th tick with k = round(1/rate), rate 0 is off (the original divides by zero)."""
    assert trace_interval(rate) == every
    clock = HandClock()
    times = TickTimes(clock, trace_rate=rate, golden_every=100)
    for number in range(1, 201):
        play(times, clock, number, [1] * 6)
    wanted = [number for number in range(1, 201) if every and number % every == 0]
    assert [trace.number for trace in times.traces] == wanted[-256:]
    assert [trace.number for trace in times.golden] == [100, 200], "a golden trace every 100 ticks"


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="trace rate"):
        trace_interval(rate)


def test_fewer_than_200_samples_are_insufficient_and_never_0() -> None:
    clock = HandClock()
    times = TickTimes(clock, keep_samples=1_000)
    for number in range(199):
        play(times, clock, number, [7] * 6)
    assert {row["p95"] for row in times.percentiles().values()} == {INSUFFICIENT}
    assert times.status()["stages"]["tick_total"]["p95_ms"] == INSUFFICIENT
    play(times, clock, 199, [7] * 6)
    found = times.percentiles()
    assert found["stage_emit"] == {"count": 200, "p50": 0.007, "p95": 0.007, "p99": 0.007}
    assert found["tick_total"]["p99"] == 0.042
    assert times.status()["stages"]["tick_total"]["p95_ms"] == 0.05


def test_the_newest_samples_are_kept_and_memory_is_bounded() -> None:
    clock = HandClock()
    times = TickTimes(clock, keep_samples=300)
    for number in range(1_000):
        play(times, clock, number, [number])
    assert times.samples_ns(QuoteStage.FETCH_MD) == [number * 1_000 for number in range(700, 1_000)]


def test_memory_does_not_grow_with_ticks() -> None:
    """Quoting 5: constant memory."""
    clock = HandClock()
    times = TickTimes(clock, trace_rate=1.0, keep_samples=100)
    sizes = []
    for upto in (1_000, 3_000):
        for number in range(upto):
            play(times, clock, number, [3] * 6)
        held = [times.traces, times.golden, times._laps, *[cell.counts for cell in times.histograms.values()]]
        sizes.append([(len(part), sys.getsizeof(part)) for part in held])
    assert sizes[0][0][0] == sizes[1][0][0] == 256
    assert [size[0] for size in sizes[0][2:]] == [size[0] for size in sizes[1][2:]]


def test_no_percentiles_without_samples() -> None:
    with pytest.raises(ValueError, match="keep_samples"):
        TickTimes().percentiles()


@given(st.lists(st.integers(0, 50), min_size=1, max_size=300), st.integers(1, 1000))
def test_nearest_rank_is_the_value_at_ceil_p_n(values: list[int], per_mille: int) -> None:
    ordered = sorted(values)
    place = ceil(Fraction(per_mille, 1000) * len(ordered)) - 1
    found = nearest_rank(ordered, per_mille)
    assert found == ordered[place]
    assert sum(value <= found for value in values) * 1000 >= per_mille * len(values)
    assert sum(value < found for value in values) * 1000 < per_mille * len(values)


@pytest.mark.parametrize(("ordered", "rank"), [([], 500), ([1], 0), ([1], 1001)])
def test_no_rank_of_nothing(ordered: list[int], rank: int) -> None:
    with pytest.raises(ValueError, match="no rank"):
        nearest_rank(ordered, rank)
