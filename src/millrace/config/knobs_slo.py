"""The knobs of the latency SLOs: how long an order may take on its way before less is traded. No legacy names.

They are percentiles over a minute, per venue; the figures are those of the contract. A limit is a statement about the
venue and the machine, so it may be set for both.
"""

from millrace.config.knob import Knob, knob

_SPEC = "runtime 2.11"

SLO_KNOBS: tuple[Knob, ...] = (
    knob("slo.enabled", "", True, "", "trade less where orders take too long", spec=_SPEC),
    knob("slo.core_step_ms", "", 5.0, "ms", "p99 of a step of the core", above=0, spec=_SPEC),
    knob("slo.detect_plan_ms", "", 100.0, "ms", "p95 from what is seen to an order's plan", above=0, spec=_SPEC),
    knob("slo.plan_submit_ms", "", 200.0, "ms", "p95 from the plan until the order leaves", above=0, spec=_SPEC),
    knob("slo.submit_ack_ms", "", 300.0, "ms", "p95 from there to the venue's first answer", above=0, spec=_SPEC),
    knob(
        "slo.prediction_ack_ms",
        "",
        4000.0,
        "ms",
        "p95 to the first answer of prediction venues, which match with a delay of their own",
        above=0,
        spec=_SPEC,
    ),
    knob("slo.detect_ack_ms", "", 500.0, "ms", "p95 of the whole way", above=0, spec=_SPEC),
)
