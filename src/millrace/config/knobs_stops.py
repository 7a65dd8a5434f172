"""The knobs of the stops: kill file, loss caps, failure caps, drawdown. They have no legacy names.

Caps on money are off by default, because nobody but the owner knows what may be lost, and may not come from the
environment (design section 5.8); what can do no harm is on.
"""

from millrace.config.knob import Knob, knob

_SPEC = "runtime 2.17"

STOPS_KNOBS: tuple[Knob, ...] = (
    knob("stops.kill_file", "", "", "", "a kill file besides KILL in the run's folder", spec=_SPEC, env=False),
    knob(
        "stops.daily_loss_cap_usd",
        "",
        None,
        "USD",
        "what a UTC day may lose, open positions included, before everything halts; none: off",
        above=0,
        spec=_SPEC,
        env=False,
    ),
    knob(
        "stops.strategy_loss_cap_usd",
        "",
        None,
        "USD",
        "the same for each strategy, which halts alone",
        above=0,
        spec=_SPEC,
        env=False,
    ),
    knob(
        "stops.lane_loss_cap_usd",
        "",
        None,
        "USD",
        "the same for each lane of a strategy",
        above=0,
        spec=_SPEC,
        env=False,
    ),
    knob(
        "stops.worst_case_share",
        "",
        0.1,
        "ratio",
        "share of its notional that an order is thought to lose at worst, and that a price too old is moved by",
        above=0,
        high=1,
        spec=_SPEC,
    ),
    knob("stops.stale_mark_sec", "", 300.0, "s", "age at which a price is too old to mark with", low=60, spec=_SPEC),
    knob("stops.venue_failures", "", 5, "orders", "failed in a row until a venue halts; 0: never", low=0, spec=_SPEC),
    knob(
        "stops.family_failures",
        "",
        3,
        "orders",
        "failed in a row until a family of several markets halts",
        low=0,
        spec=_SPEC,
    ),
    knob("stops.total_failures", "", 8, "orders", "failed in a row until everything halts", low=0, spec=_SPEC),
    knob("stops.probation_after_sec", "", 900.0, "s", "from such a halt to its probation", low=1, spec=_SPEC),
    knob("stops.probation_orders", "", 3, "orders", "of least size that must succeed then", low=1, spec=_SPEC),
    knob(
        "stops.allocated_capital_usd",
        "",
        None,
        "USD",
        "capital of each strategy that drawdown tiers are shares of; none: off",
        above=0,
        spec=_SPEC,
        env=False,
    ),
)
