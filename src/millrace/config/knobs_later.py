"""Knobs of parts that are not built yet: known by name, so that a non-default value is refused and never ignored.

A configuration that asks for a part and silently does not get it would trade another strategy than its
owner believes. When a part lands, its rows move to the table of what is read.
"""

import msgspec

from millrace.config.knob import Knob, knob

_LIVE: tuple[Knob, ...] = (
    knob("run.live", "", False, "", "trade with real money", spec="design 5.8", env=False),
    knob("venue.endpoint", "", "", "", "address of the venue's interface", spec="design 5.8", env=False),
)

_SECRETS: tuple[Knob, ...] = tuple(
    msgspec.structs.replace(knob(f"venue.{name}", "", "", "", meaning, spec="design 5.8"), secret=True)
    for name, meaning in (("api_key", "key of the account"), ("api_secret", "secret of the account"))
)

_STAGE_MS = {
    "fetch_md": 60.0,
    "spread": 15.0,
    "guards": 12.0,
    "inventory": 12.0,
    "queue_aware": 15.0,
    "emit": 35.0,
    "tick_total": 150.0,
}
_QUOTING: tuple[Knob, ...] = (
    knob("quoting_pipeline.sample_stage_tracing", "", 0.2, "", "share of ticks traced", spec="quoting 10"),
    knob("quoting_stage_budgets.enabled", "", True, "", "stages are held to budgets", spec="quoting 10"),
    knob("quoting_stage_budgets.regress_pct_threshold", "", 3.0, "%", "allowed growth", spec="quoting 10"),
    knob("quoting_stage_budgets.baseline_path", "", "", "", "file of the baseline", spec="quoting 10"),
    *(
        knob(f"quoting_stage_budgets.{stage}_p95_ms", "", value, "ms", "budget by the wall clock", spec="quoting 5")
        for stage, value in _STAGE_MS.items()
    ),
)
"""`quoting_trace.sample_rate` says which ticks are traced; budgets stand beside the gate (`capacity/stage_budgets.py`),
and `millrace perf-gate` is told its baseline and threshold."""

LATER_KNOBS: tuple[Knob, ...] = tuple(
    msgspec.structs.replace(row, available=False) for row in (*_LIVE, *_SECRETS, *_QUOTING)
)
