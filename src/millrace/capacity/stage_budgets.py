"""What a quoting tick may take, in two tables that must not be confused, and how percentiles of it are counted.

The SLO table is wall time with the market data's way and the network's in it; it says when a desk trades on time that
it no longer has. The compute table is process CPU time without a network and is about a thousand times smaller. Only
the second can show that code became slower, so it is what the performance gate guards (quoting 5).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from millrace.core.probe import QuoteStage

STAGES: Final = tuple(stage.label for stage in QuoteStage)
"""The seven names of every profile: six stages and `tick_total`."""
TICK_TOTAL: Final = QuoteStage.TICK_TOTAL.label
BUCKETS_MS: Final = (
    *(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
    *(15.0, 25.0, 35.0, 50.0, 80.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0),
)
"""Upper bounds of the stage histograms, in ms (quoting 5)."""
LEAST_SAMPLES: Final = 200
"""Fewer samples say nothing about a percentile, and are reported as insufficient, never as 0."""
DEFINITION: Final = "nearest rank: the value at place ceil(p*n) of the n sorted samples"
_WHOLE: Final = 1000
PER_MILLE: Final = {"p50": 500, "p95": 950, "p99": 990}


class Budget(NamedTuple):
    """Percentiles that a stage may take, in the table's unit; None where the contract names none."""

    p50: float | None
    p95: float
    p99: float | None


class BudgetTable(NamedTuple):
    """Budgets by stage, their unit ("ms", "us") and clock ("wall", "cpu"), and whether the gate guards them."""

    name: str
    unit: str
    clock: str
    guarded_by_gate: bool
    stages: dict[str, Budget]


SLO: Final = BudgetTable(
    name="slo",
    unit="ms",
    clock="wall",
    guarded_by_gate=False,
    stages={
        "stage_fetch_md": Budget(30.0, 60.0, 80.0),
        "stage_spread": Budget(5.0, 15.0, 25.0),
        "stage_guards": Budget(4.0, 12.0, 20.0),
        "stage_inventory": Budget(4.0, 12.0, 20.0),
        "stage_queue_aware": Budget(5.0, 15.0, 25.0),
        "stage_emit": Budget(12.0, 35.0, 50.0),
        TICK_TOTAL: Budget(80.0, 150.0, 200.0),
    },
)
COMPUTE: Final = BudgetTable(
    name="compute",
    unit="us",
    clock="cpu",
    guarded_by_gate=True,
    stages={
        "stage_fetch_md": Budget(None, 8.0, None),
        "stage_spread": Budget(None, 12.0, None),
        "stage_guards": Budget(None, 12.0, None),
        "stage_inventory": Budget(None, 8.0, None),
        "stage_queue_aware": Budget(None, 15.0, None),
        "stage_emit": Budget(None, 25.0, None),
        TICK_TOTAL: Budget(40.0, 80.0, 200.0),
    },
)
TABLES: Final = (SLO, COMPUTE)


def nearest_rank(ordered: Sequence[int], per_mille: int) -> int:
    """Return the percentile of sorted values by nearest rank; raises ValueError for none or a rank outside 1..1000."""
    if not ordered or not 1 <= per_mille <= _WHOLE:
        raise ValueError(f"no rank {per_mille} per mille of {len(ordered)} samples")
    return ordered[-(-len(ordered) * per_mille // _WHOLE) - 1]
