"""The machine's clock: the only place of the program that reads real time.

Everything else is handed one, so that simulation and replay can hand it another.
"""

import time


class WallClock:
    """Implements the kernel's clock protocol on the machine's time."""

    def now_ns(self) -> int:
        """Return the time in nanoseconds UTC."""
        return time.time_ns()

    def sleep_until(self, ts_ns: int) -> None:
        """Return when the clock shows `ts_ns` or later."""
        wait_ns = ts_ns - time.time_ns()
        if wait_ns > 0:
            time.sleep(wait_ns / 1e9)

    def monotonic_ns(self) -> int:
        """Return a count that never goes back, for measuring durations only."""
        return time.monotonic_ns()


class ScaledClock:
    """Simulated time that runs `speed` times as fast as the machine's, from an agreed moment of its monotonic clock.

    All processes of one machine that are given the same numbers see the same time, and it never goes back.
    """

    def __init__(self, monotonic_ns: int, sim_ns: int, speed: float) -> None:
        self._from_ns = monotonic_ns
        self._sim_ns = sim_ns
        self._speed = speed

    def now_ns(self) -> int:
        """Return the simulated time."""
        return self._sim_ns + round((time.monotonic_ns() - self._from_ns) * self._speed)

    def real_ns(self, sim_ns: int) -> int:
        """Return how many real nanoseconds pass until the clock shows `sim_ns`; not below 0."""
        return max(0, round((sim_ns - self.now_ns()) / self._speed))

    def sleep_until(self, ts_ns: int) -> None:
        """Return when the clock shows `ts_ns` or later."""
        time.sleep(self.real_ns(ts_ns) / 1e9)

    def monotonic_ns(self) -> int:
        """Return the machine's count, for measuring real durations only."""
        return time.monotonic_ns()
