"""A market whose data go wrong again and again is left alone for a while (runtime 2.2).

One bad message says little; five in a minute say that whoever writes or carries them is not to be trusted now. The
market comes back when its time is over and a verified snapshot and three good observations in a row were seen, and a
relapse soon after is answered with twice the time.
"""

from collections import deque
from typing import Any

from millrace.market.firewall_settings import FirewallSettings, ns

_GOOD_IN_ROW = 3


class Quarantine:
    """The quarantine of one market; `until_ns` is the earliest end of the present one, 0 while there is none."""

    __slots__ = ("_good", "_left_ns", "_level", "_rules", "_strikes", "_verified", "until_ns")

    def __init__(self, settings: FirewallSettings) -> None:
        self._rules = settings
        self._strikes: deque[int] = deque(maxlen=settings.quarantine_strikes)
        self.until_ns = 0
        self._level = 0
        self._left_ns = 0
        self._good = 0
        self._verified = False

    def strike(self, ts_ns: int) -> None:
        """Take a bad observation."""
        self._good = 0
        if self.until_ns:
            return
        rules, strikes = self._rules, self._strikes
        strikes.append(ts_ns)
        full = len(strikes) == rules.quarantine_strikes
        if full and ts_ns - strikes[0] <= ns(rules.quarantine_window_sec):
            relapse = self._left_ns and ts_ns - self._left_ns <= ns(rules.quarantine_relapse_sec)
            self._level = self._level + 1 if relapse else 0
            hold_ns = min(ns(rules.quarantine_sec) << min(self._level, 8), ns(rules.quarantine_longest_sec))
            self.until_ns = ts_ns + hold_ns
            self._verified = False
            strikes.clear()

    def admits(self, ts_ns: int, *, verified: bool) -> bool:
        """Take a good observation; tells whether it may be used. `verified`: it is a snapshot of the whole market."""
        if not self.until_ns:
            return True
        if ts_ns < self.until_ns:
            return False
        self._good += 1
        self._verified = self._verified or verified
        if self._good < _GOOD_IN_ROW or not self._verified:
            return False
        self.until_ns = 0
        self._left_ns = ts_ns
        self._good = 0
        return True

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "strikes": list(self._strikes),
            "until_ns": self.until_ns,
            "relapse": [self._level, self._left_ns],
            "good": [self._good, self._verified],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._strikes.clear()
        self._strikes.extend(state["strikes"])
        self.until_ns = state["until_ns"]
        self._level, self._left_ns = state["relapse"]
        self._good, self._verified = state["good"]
