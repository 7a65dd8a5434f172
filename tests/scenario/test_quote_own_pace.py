"""A desk that wants more at once than its calls carry: its own queue is not the venue's slowness (quoting 12)."""

from millrace.core.trouble_events import CallWaited
from millrace.shell.executor import TOLD_WAIT_NS
from quote_runs import quote_run

SLOW_VENUE_MS = 300.0
"""From here on latency makes a symbol SOFT (quoting 4.3); this venue answers within 50 ms."""


def test_what_waits_for_our_own_pace_is_not_held_for_a_slow_venue() -> None:
    run = quote_run(quoting_emit__levels=10)
    run.run(20)
    waits = [event for event, _ in run.steps if isinstance(event, CallWaited)]
    assert max(event.waited_ns for event in waits) / 1e6 > SLOW_VENUE_MS, "sixty orders and fifty calls a second"
    assert all(event.waited_ns >= TOLD_WAIT_NS for event in waits)
    assert all(0 < one.latency_p95_ms < 60 for one in run.desk.symbols.values())


def test_a_call_that_leaves_at_once_is_no_news() -> None:
    run = quote_run(quoting_emit__levels=1)
    run.run(20)
    assert not [event for event, _ in run.steps if isinstance(event, CallWaited)]
    assert all(0 < one.latency_p95_ms < 60 for one in run.desk.symbols.values())
