"""How long a start takes: steps of the journal again, the comparison with the venue, the first openings (slots 16).

Two clocks count, and the slower one holds. The monotonic clock says what this machine needed. The run's time says what
the venue needed: where it is simulated in this process its answers cost no real time, but its rate limits and delays
are those of a real one, and a start that waits for them is not over.
"""

from millrace.core.clock import Clock
from millrace.strategies.slots.telemetry.vintage import StartupTimings, started


class StartWatch:
    """Measures one start from its making on; a start that waits for the venue is over when that has answered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mark_ns = clock.monotonic_ns()
        self._run_ns: int | None = None
        self._parts_ms: list[float] = []
        self.began_ns = 0

    def part(self, run_ns: int) -> None:
        """Note that a part is over, at this time of the run: replay, then reconciliation, then bootstrap."""
        mark_ns, mark_run_ns = self._clock.monotonic_ns(), self._run_ns
        waited_ns = 0 if mark_run_ns is None else run_ns - mark_run_ns
        self._parts_ms.append(max(mark_ns - self._mark_ns, waited_ns) / 1e6)
        if mark_run_ns is None:
            self.began_ns = run_ns
        self._mark_ns, self._run_ns = mark_ns, run_ns

    def timings(self, counts: StartupTimings) -> StartupTimings:
        """Return `counts` with the times of the three parts."""
        replay_ms, reconcile_ms, bootstrap_ms = self._parts_ms
        return started(reconcile_ms, replay_ms, bootstrap_ms, sum(self._parts_ms), counts)
