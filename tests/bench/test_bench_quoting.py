"""What a symbol's tick costs: all six stages at work with histograms, at 1, 10 and 100 symbols, and a round of 100.

Every tick is timed in the processor's time of this thread, from the call to its return, so the counting of durations is
part of it; what the reducers need to know the market is not. Limits are those of quoting 14: 40, 80 and 200 us at the
50th, 95th and 99th percentile, 8 ms for a round of 100 symbols. The probe is the running program's, which laps by the
clock that passes: one look at the processor's time takes half a microsecond. The stages' own percentiles are of
another run, in the processor's time and with its samples kept; they go to `extra_info`.
"""

from time import thread_time_ns

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from millrace.capacity.stage_budgets import STAGES, nearest_rank
from millrace.core.probe import QuoteStage
from millrace.shell.tick_times import CPU_CLOCK, TickTimes
from millrace.strategies.quoting.pipeline import tick, tick_many
from quoting_load import Symbol, rounds, symbols

WARM_UP, TICKS = 200, 6_000
LIMITS_US = {"p50": (500, 40.0), "p95": (950, 80.0), "p99": (990, 200.0)}
ROUND_LIMIT_SEC = 8e-3


def one_after_the_other(many: list[Symbol], ticks: int, probe: TickTimes) -> list[int]:
    """Return how long each tick took in ns of processor time, counting included; the market moves between them."""
    took = []
    for _ in range(max(1, ticks // len(many))):
        for one in many:
            given, state, config = one.features(), one.state, one.config
            before = thread_time_ns()
            result = tick(given, state, config, probe)
            took.append(thread_time_ns() - before)
            one.take(result)
    return took


@pytest.mark.parametrize("count", [1, 10, 100])
def test_a_symbol_tick(benchmark: BenchmarkFixture, count: int) -> None:
    many = symbols(count)
    one_after_the_other(many, WARM_UP, TickTimes())
    took = sorted(one_after_the_other(many, TICKS, TickTimes()))
    probe = TickTimes(CPU_CLOCK, keep_samples=TICKS)
    one_after_the_other(many, TICKS, probe)
    for name, (per_mille, limit_us) in LIMITS_US.items():
        benchmark.extra_info[f"{name}_us"] = nearest_rank(took, per_mille) / 1e3
        benchmark.extra_info[f"{name}_limit_us"] = limit_us
    for stage in QuoteStage:
        samples = probe.samples_ns(stage)
        benchmark.extra_info[STAGES[stage]] = [nearest_rank(samples, rank) / 1e3 for rank in (500, 950, 990)]
    inputs = [(one.features(), one.state, one.config) for one in many]
    found = benchmark(tick_many, inputs, TickTimes())
    benchmark.extra_info.update(units=count, unit="ticks")
    assert len(found) == count
    assert probe.ticks == len(took)


def test_a_round_of_a_hundred_symbols(benchmark: BenchmarkFixture) -> None:
    many = symbols(100)
    list(rounds(many, 20))
    inputs = [(one.features(), one.state, one.config) for one in many]
    benchmark.extra_info["limit_sec"] = ROUND_LIMIT_SEC
    assert len(benchmark(tick_many, inputs, TickTimes())) == len(many)
