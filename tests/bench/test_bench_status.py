"""Slots 18: what building the status of 100 slots costs, all of them with exits and the sizer in the shadow."""

import json

from pytest_benchmark.fixture import BenchmarkFixture

from millrace.sizing.throughput import ThroughputConfig
from slots_desk import Desk


def test_status_of_100_slots(benchmark: BenchmarkFixture) -> None:
    benchmark.extra_info["limit_sec"] = 50e-3
    desk = Desk(
        100,
        open_order_safety_ratio=0.9,
        reentry_base_cooldown_sec=0.0,
        throughput=ThroughputConfig(shadow=True),
    ).open()
    for slot in range(1, 101):
        desk.fill(desk.one("A", slot))
        desk.accept()
    for slot in range(1, 101, 2):
        desk.fill(desk.one("A", slot))
        desk.accept()
    status = benchmark(desk.status)
    assert len(status["slots"]) == 100
    assert status["slot_vintage"]["waiting_count"] == 50
    json.dumps(status, allow_nan=False)
