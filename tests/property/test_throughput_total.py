"""Slots 24: the sizer is total. Whatever the rows, settings and states are, nothing raises and every bound holds."""

import json
import math
import os
from collections import Counter
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.sizing.throughput import ThroughputConfig, ThroughputSizer
from millrace.sizing.throughput_stats import LARGEST, weighted_percentile

RANDOM_INPUTS = int(os.environ.get("MILLRACE_FUZZ_INPUTS", "3000"))
"""The contract asks for 100,000; a plain run does fewer."""

JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.binary(max_size=2),
    st.sampled_from(["nan", "inf", "--5", "²", 10**400, -(10**400), 5e-324, 1e308, -0.0, "1e999", "BULLISH", " b "]),
)  # fmt: skip
TIMES = st.one_of(st.floats(0.0, 1e6), JUNK)
REGIMES = st.one_of(st.integers(-1, 3), JUNK)
LEGS = st.one_of(st.sampled_from(["A", "B", "a", " b"]), JUNK)
CYCLES = st.fixed_dictionaries(
    {}, optional={"entry_time": TIMES, "exit_time": TIMES, "regime_at_entry": REGIMES, "trade_id": LEGS, "net_profit": JUNK, "volume": JUNK}
)  # fmt: skip
EXITS = st.fixed_dictionaries(
    {}, optional={"regime_at_entry": REGIMES, "trade_id": LEGS, "age_sec": TIMES, "age": TIMES, "entry_filled_at": TIMES, "volume": TIMES}
)  # fmt: skip
NUMBERS = st.one_of(st.floats(), st.integers(-3, 50), st.sampled_from([10**400, 5e-324, 1e-300, 1e99, -1e99]))
CONFIGS = st.builds(
    ThroughputConfig,
    enabled=st.sampled_from([True, True, True, False]),
    shadow=st.sampled_from([False, False, True]),
    age_pressure_reference=st.sampled_from(["p90", "max", "x"]),
    estimator=st.sampled_from(["weighted", "kaplan_meier"]),
    **{
        name: st.one_of(st.just(getattr(ThroughputConfig(), name)), NUMBERS)
        for name in (
            "lookback_cycles", "min_samples", "min_samples_per_bucket", "full_confidence_samples", "floor_mult", "ceiling_mult",
            "censored_weight", "age_pressure_trigger", "age_pressure_sensitivity", "age_pressure_floor", "util_threshold",
            "util_sensitivity", "util_floor", "recency_halflife",
        )
    },
)  # fmt: skip


def check_bounds(sizer: ThroughputSizer, base: object, regime: object, leg: object, aggression: object) -> None:
    state = sizer.snapshot_state()
    json.dumps(state, allow_nan=False)
    json.dumps(sizer.status_payload(), allow_nan=False)
    assert state["util_ratio"] == min(max(state["util_ratio"], 0.0), 1.0)
    low, high = sorted((float(sizer._tame.floor_mult), float(sizer._tame.ceiling_mult)))
    for bucket, multiplier in state["_multipliers"].items():
        assert multiplier == 1.0 or low <= multiplier <= high, bucket
    size, reason = sizer.size_for_slot(base, regime, leg, aggression=aggression)
    assert math.isfinite(size)
    assert size >= 0.0
    assert reason in {"ok", "no_bucket", "tp_disabled", "tp_insufficient_data", "tp_shadow"}
    answer = sizer.explain(regime, leg)
    if reason in {"ok", "no_bucket"}:
        assert max(0.0, low) <= answer.final_mult <= max(0.0, high)
        assert size <= 3.0 * LARGEST * max(0.0, high)
    else:
        assert size == sizer.size_for_slot(base, aggression=aggression)[0]


@settings(max_examples=150, deadline=None)
@given(
    CONFIGS,
    st.lists(st.one_of(CYCLES, JUNK), max_size=30),
    st.lists(st.one_of(EXITS, JUNK), max_size=12),
    JUNK,
    JUNK,
    JUNK,
    JUNK,
    REGIMES,
    LEGS,
)
def test_no_input_raises(
    config: Any, cycles: Any, exits: Any, label: Any, free: Any, now: Any, base: Any, regime: Any, leg: Any
) -> None:
    sizer = ThroughputSizer(config)
    sizer.update(cycles, exits, label, free, now=now)
    check_bounds(sizer, base, regime, leg, free)
    again = ThroughputSizer(config)
    again.restore_state(json.loads(json.dumps(sizer.snapshot_state())))
    assert again.size_for_slot(base, regime, leg) == sizer.size_for_slot(base, regime, leg)
    assert again.size_for_slot(3.0) == sizer.size_for_slot(3.0)


STATES = st.recursive(JUNK, lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(
    CONFIGS,
    st.dictionaries(
        st.sampled_from([
            "age_pressure", "util_penalty", "util_ratio", "active_regime", "last_update_n", "base_errors", "bucket_stats",
            "_multipliers", "_sufficient", "_reasons", "_n_completed", "oldest_open_exit_age_sec",
        ]),
        st.one_of(STATES, st.dictionaries(st.sampled_from(["aggregate", "ranging_A", "x"]), st.one_of(STATES, st.just(value=True)))),
    ),
)  # fmt: skip
def test_no_state_raises(config: ThroughputConfig, state: dict[str, Any]) -> None:
    sizer = ThroughputSizer(config)
    sizer.restore_state(state)
    check_bounds(sizer, 2.0, "ranging", "A", 1.0)


def fuzz(inputs: int, seed: int) -> Counter[str]:
    """Plain random rows, many times faster than hypothesis: whole sizers of up to 120 cycles. Counts the reasons."""
    random = Random(seed)
    reasons: Counter[str] = Counter()
    junk = [None, "", "x", "nan", math.nan, math.inf, -math.inf, -1.0, 0.0, 1e308, 10**400, True, [], {}, 5e-324]

    def pick(value: object) -> object:
        return random.choice(junk) if random.random() < 0.15 else value

    for _ in range(inputs):
        cycles = [
            pick({
                "entry_time": pick(random.uniform(1e5, 2e5)), "exit_time": pick(random.uniform(1e5, 3e5)), "regime_at_entry": pick(random.randrange(3)),
                "trade_id": pick(random.choice("AB")), "net_profit": pick(random.gauss(0.0, 1.0)), "volume": pick(1.0),
            })
            for _ in range(random.randrange(random.choice([4, 120])))
        ]  # fmt: skip
        exits = [
            pick({"regime_at_entry": pick(random.randrange(3)), "trade_id": pick("A"), "age_sec": pick(random.expovariate(1e-5)), "volume": pick(random.uniform(0, 90))})
            for _ in range(random.randrange(20))
        ]  # fmt: skip
        sizer = ThroughputSizer(ThroughputConfig(enabled=True, shadow=random.random() < 0.1))
        sizer.update(cycles, exits, pick(random.randrange(3)), pick(random.uniform(0, 900)), now=pick(4e5))
        check_bounds(sizer, pick(random.uniform(0, 50)), pick(random.randrange(3)), pick("B"), pick(1.0))
        reasons[sizer.size_for_slot(1.0, 1, "A")[1]] += 1
    return reasons


def test_random_inputs() -> None:
    answers = fuzz(RANDOM_INPUTS, seed=1)
    assert set(answers) == {"ok", "no_bucket", "tp_insufficient_data", "tp_shadow"}
    assert min(answers.values()) >= RANDOM_INPUTS // 100


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(-10, 100), st.floats(-1, 3)), max_size=15), st.floats(-0.5, 1.5))
def test_14_5_percentile_is_a_value_that_covers_its_share(pairs: list[tuple[float, float]], q: float) -> None:
    got = weighted_percentile(pairs, q)
    usable = [(value, weight) for value, weight in pairs if value > 0.0 and weight > 0.0]
    if not usable:
        assert got == 0.0
        return
    total, share = sum(weight for _, weight in usable), min(max(q, 0.0), 1.0)
    assert got in [value for value, _ in usable]
    assert sum(weight for value, weight in usable if value <= got) >= share * total * (1 - 1e-12)
    assert sum(weight for value, weight in usable if value < got) <= share * total * (1 + 1e-12)
