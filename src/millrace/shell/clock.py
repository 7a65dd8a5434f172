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
