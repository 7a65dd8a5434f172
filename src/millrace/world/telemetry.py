"""What a run measures of itself while it trades: the stages of its orders, and the figures of its executor.

A figure that is a count of what is there now is asked for when somebody looks; the rest is told by the sequencer. None
of it reaches the core, so a run with and one without it give the same commands.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from millrace.core.series import Family, Series
from millrace.core.trouble_events import BreakerState
from millrace.market.firewall import Firewall
from millrace.risk.latency_guard import LatencyGuard
from millrace.shell.code_version import code_version
from millrace.shell.executor import Executor
from millrace.shell.latency_watch import LatencyWatch
from millrace.shell.metrics import LabelledValue, Metrics
from millrace.shell.probe import StageProbe
from millrace.shell.sequencer import Sequencer
from millrace.shell.venue_calls import VenueCalls

Now = Callable[[], int]
_BREAKER_LEVEL = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class Telemetry:
    """The measurements of one run; `now` is its time in ns. Orders' stages of several venues are counted together.

    With `guard` how long orders take is judged, per venue, and the guard told.
    """

    def __init__(self, venues: Sequence[str], now: Callable[[], int], guard: LatencyGuard | None = None) -> None:
        self.metrics = Metrics()
        self.latency = None if guard is None else LatencyWatch(guard.slos, guard.held, self.metrics)
        told = None if self.latency is None else self.latency.order
        self.probe = StageProbe(venues[0] if len(venues) == 1 else "all", now, self.metrics, told)
        self._now = now
        self._more: list[Callable[[], list[Family]]] = []

    def expose(self, families: Callable[[], list[Family]]) -> None:
        """Show what another part counts, too."""
        self._more.append(families)

    def watch(self, sequencer: Sequencer, executors: Mapping[str, Executor], firewall: Firewall) -> None:
        """Begin to look."""
        sequencer.engine.probe = self.probe
        sequencer.listen(self.probe.step)
        for venue, executor in executors.items():
            self._watch(venue, executor)
        for name, rows in _OF_FEEDS.items():
            self.metrics.family(name, partial(rows, firewall, self._now))

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

    def families(self) -> list[Family]:
        """Return every series for whoever looks from outside."""
        version = Series({"version": code_version()}, 1.0)
        built = Family("millrace_build_info", "gauge", "the version of the program that runs", ("version",), [version])
        return [built, *self.metrics.families(), *(family for more in self._more for family in more())]

    def status(self) -> dict[str, Any]:
        """Return the metrics and the percentiles of the orders' stages; strict JSON."""
        return {"metrics": self.metrics.snapshot(), "order_stages": self.probe.status(self._now())}


def _quotes(firewall: Firewall, _: Now) -> list[LabelledValue]:
    return [
        ({"venue": venue, "verdict": verdict.value}, count)
        for venue, counts in firewall.counts().items()
        for verdict, count in counts.verdicts.items()
    ]


def _reasons(firewall: Firewall, _: Now) -> list[LabelledValue]:
    return [
        ({"venue": venue, "reason": reason.value}, count)
        for venue, counts in firewall.counts().items()
        for reason, count in counts.reasons.items()
    ]


def _quarantined(firewall: Firewall, _: Now) -> list[LabelledValue]:
    return [({"venue": venue}, counts.quarantined) for venue, counts in firewall.counts().items()]


def _shifts(firewall: Firewall, _: Now) -> list[LabelledValue]:
    return [({"venue": venue}, counts.shifts) for venue, counts in firewall.counts().items()]


def _reject_ratio(firewall: Firewall, now: Now) -> list[LabelledValue]:
    return [({"venue": venue}, firewall.health(venue, now()).ratio) for venue in firewall.counts()]


_OF_FEEDS: dict[str, Callable[[Firewall, Now], list[LabelledValue]]] = {
    "millrace_firewall_quotes_total": _quotes,
    "millrace_firewall_reasons_total": _reasons,
    "millrace_firewall_quarantined_markets": _quarantined,
    "millrace_firewall_level_shifts_total": _shifts,
    "millrace_firewall_reject_ratio": _reject_ratio,
}
"""What is asked of the firewall under each name of the contract (runtime 2.2)."""


def _level(calls: VenueCalls, endpoint: str) -> int:
    return _BREAKER_LEVEL[calls.states()[endpoint]]


def _trips(calls: VenueCalls, endpoint: str) -> int:
    return calls.trips()[endpoint]
