"""A venue's clock that is off: by a constant, and by what it gains or loses while time passes.

Only what the venue says its time is comes from it, in answers and in messages of its feed; when things happen there is
the simulation's time. A step of our own clock is the same thing seen from here: every venue is off by the step at once.
"""

from typing import Final, NamedTuple

_PPM: Final = 1_000_000


class VenueClock(NamedTuple):
    """A clock that was ahead by `ahead_ns` at `since_ns` and gains `drift_ppm` of the time that passes."""

    ahead_ns: int = 0
    drift_ppm: int = 0
    since_ns: int = 0

    def shows(self, ts_ns: int) -> int:
        """Return what it shows at a time of the simulation."""
        return ts_ns + self.ahead_ns + (ts_ns - self.since_ns) * self.drift_ppm // _PPM


TRUE_CLOCK: Final = VenueClock()
"""A clock that shows our time."""
