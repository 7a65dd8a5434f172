"""What a run measures of itself while it trades: the stages of its orders, and the figures of its executor.

A figure that is a count of what is there now is asked for when somebody looks; the rest is told by the sequencer. None
of it reaches the core, so a run with and one without it give the same commands.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from millrace.core.events import BreakerState
from millrace.shell.executor import Executor
from millrace.shell.metrics import Metrics
from millrace.shell.probe import StageProbe
from millrace.shell.sequencer import Sequencer
from millrace.shell.venue_calls import VenueCalls

_BREAKER_LEVEL = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class Telemetry:
    """The measurements of one run; `now` is its time in ns. Orders' stages of several venues are counted together."""

    def __init__(self, venues: Sequence[str], now: Callable[[], int]) -> None:
        self.metrics = Metrics()
        self.probe = StageProbe(venues[0] if len(venues) == 1 else "all", now, self.metrics)
        self._now = now

    def watch(self, sequencer: Sequencer, executors: Mapping[str, Executor]) -> None:
        """Begin to look."""
        sequencer.engine.probe = self.probe
        sequencer.listen(self.probe.step)
        for venue, executor in executors.items():
            self._watch(venue, executor)

    def _watch(self, venue: str, executor: Executor) -> None:
        self.metrics.gauge("millrace_outbox_depth", lambda: executor.waiting, venue=venue)
        calls = executor.calls
        if calls is None:
            return
        self.metrics.gauge("millrace_inflight", lambda: len(calls), venue=venue)
        for endpoint in calls.states():
            labels = {"venue": venue, "class": endpoint}
            self.metrics.gauge("millrace_breaker_state", partial(_level, calls, endpoint), **labels)
            self.metrics.gauge("millrace_breaker_trips_total", partial(_trips, calls, endpoint), **labels)

    def status(self) -> dict[str, Any]:
        """Return the metrics and the percentiles of the orders' stages; strict JSON."""
        return {"metrics": self.metrics.snapshot(), "order_stages": self.probe.status(self._now())}


def _level(calls: VenueCalls, endpoint: str) -> int:
    return _BREAKER_LEVEL[calls.states()[endpoint]]


def _trips(calls: VenueCalls, endpoint: str) -> int:
    return calls.trips()[endpoint]
