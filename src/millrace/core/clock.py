"""The three questions that a program may ask a clock, and the clock of a simulation.

No module outside the shell reads time; the shell asks one of these, so live, simulation and replay differ by the
clock they were given (runtime 1.4).
"""

from typing import Protocol


class Clock(Protocol):
    """Time as integer nanoseconds UTC."""

    def now_ns(self) -> int:
        """Return the time now."""
        ...

    def sleep_until(self, ts_ns: int) -> None:
        """Return when the clock shows `ts_ns` or later."""
        ...

    def monotonic_ns(self) -> int:
        """Return a count that never goes back, for measuring durations only."""
        ...


class SimulatedClock:
    """A clock that stands still until somebody moves it; sleeping moves it at once."""

    def __init__(self, ts_ns: int = 0) -> None:
        self._ts_ns = ts_ns

    def now_ns(self) -> int:
        """Return the simulated time."""
        return self._ts_ns

    def sleep_until(self, ts_ns: int) -> None:
        """Move to `ts_ns`; a time already past changes nothing."""
        self._ts_ns = max(self._ts_ns, ts_ns)

    def monotonic_ns(self) -> int:
        """Return the simulated time, which never goes back."""
        return self._ts_ns
