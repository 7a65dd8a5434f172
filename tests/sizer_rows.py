"""Rows and a small sizer for tests of what it learns."""

from typing import Any

from millrace.sizing.throughput import ThroughputConfig, ThroughputSizer

NOW = 1_000_000.0


def cycle(
    duration: float, regime: object = 1, leg: object = "A", *, exit_time: float = NOW, net: float = 0.0
) -> dict[str, Any]:
    return {
        "entry_time": exit_time - duration, "exit_time": exit_time, "regime_at_entry": regime, "trade_id": leg,
        "net_profit": net, "volume": 10.0,
    }  # fmt: skip


def waiting(age: float, volume: float = 10.0, regime: object = 1, leg: object = "A") -> dict[str, Any]:
    return {"regime_at_entry": regime, "trade_id": leg, "age_sec": age, "volume": volume}


def sizer(**knobs: Any) -> ThroughputSizer:
    small = {
        "enabled": True,
        "min_samples": 1,
        "min_samples_per_bucket": 1,
        "full_confidence_samples": 1,
        "recency_halflife": 0,
    }
    return ThroughputSizer(ThroughputConfig(**(small | knobs)))


def multiplier(subject: ThroughputSizer, bucket: str) -> float:
    return subject.snapshot_state()["_multipliers"][bucket]
