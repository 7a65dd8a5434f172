"""Slots 25: what an update of the sizer and one question for a size cost. Run with --benchmark-enable."""

from random import Random
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from millrace.sizing.throughput import ThroughputConfig, ThroughputSizer

NOW = 1_760_000_000.0


def rows(cycles: int, exits: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    random = Random(7)
    done = []
    for _ in range(cycles):
        leave = NOW - random.uniform(0.0, 600_000.0)
        done.append(
            {
                "entry_time": leave - random.lognormvariate(6.0, 1.5),
                "exit_time": leave,
                "regime_at_entry": random.randrange(3),
                "trade_id": random.choice("AB"),
                "net_profit": random.gauss(0.01, 0.02),
                "volume": random.uniform(10.0, 60.0),
            }
        )
    waiting = [
        {
            "regime_at_entry": random.randrange(3),
            "trade_id": random.choice("AB"),
            "age_sec": random.lognormvariate(8.0, 2.0),
            "volume": random.uniform(10.0, 60.0),
        }
        for _ in range(exits)
    ]
    return done, waiting


@pytest.fixture
def sizer() -> ThroughputSizer:
    return ThroughputSizer(ThroughputConfig(enabled=True))


def test_update_500_cycles_160_exits(benchmark: BenchmarkFixture, sizer: ThroughputSizer) -> None:
    benchmark.extra_info["limit_sec"] = 2e-3
    done, waiting = rows(500, 160)
    stats = benchmark(sizer.update, done, waiting, "bullish", 5_000.0, now=NOW)
    assert len(stats) == 7


def test_update_by_kaplan_meier(benchmark: BenchmarkFixture) -> None:
    benchmark.extra_info["limit_sec"] = 1e-2
    subject = ThroughputSizer(ThroughputConfig(enabled=True, estimator="kaplan_meier"))
    done, waiting = rows(500, 160)
    stats = benchmark(subject.update, done, waiting, "bullish", 5_000.0, now=NOW)
    assert len(stats) == 7


def test_size_for_slot(benchmark: BenchmarkFixture, sizer: ThroughputSizer) -> None:
    benchmark.extra_info["limit_sec"] = 5e-6
    sizer.update(*rows(500, 160), "bullish", 5_000.0, now=NOW)
    size, reason = benchmark(sizer.size_for_slot, 2.0, 1, "A")
    assert (reason, size > 0.0) == ("ok", True)
