"""How many private calls may leave, and when (slots 4.4).

Three limits hold at once: a number of calls per trading loop, waves of few calls, and a token bucket. A rate-limit
answer from the venue opens a circuit for 5 s, doubling to 60 s. Urgent calls (cancels and exits) may overdraw the
bucket by two, so that the way out is not blocked by the way in. "Not now" is answered with the time at which it will be
possible, never with an empty result. The clock is an argument.
"""

from collections import deque
from typing import Any

import msgspec

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
_FIRST_CIRCUIT_NS = 5 * _SECOND
_LONGEST_CIRCUIT_NS = 60 * _SECOND
_OVERDRAFT_CALLS = 2


class CallBudgetSettings(msgspec.Struct, frozen=True, gc=False):
    """Limits; a loop is `loop_ns` long and aligned to multiples of it."""

    calls_per_loop: int = 10
    loop_ns: int = 30 * _SECOND
    metronome: bool = True
    wave_calls: int = 2
    wave_ns: int = 1_500_000_000
    bucket_calls: int = 15
    refill_ns: int = _SECOND


class CallBudget:
    """The budget of one venue account."""

    def __init__(self, settings: CallBudgetSettings) -> None:
        self._settings = settings
        self._loop = -1
        self._loop_used = 0
        self._wave_start_ns = -settings.wave_ns
        self._wave_used = 0
        self._level_ns = settings.bucket_calls * settings.refill_ns
        self._level_at_ns = 0
        self._circuit_until_ns = 0
        self._circuit_ns = 0
        self._errors = 0
        self._recent: deque[int] = deque()
        self._waits = 0
        self._wait_total_ns = 0
        self._wait_last_ns = 0

    def earliest_ns(self, now_ns: int, *, urgent: bool) -> int:
        """Return the first time, `now_ns` or later, at which one more call fits every limit."""
        rules = self._settings
        earliest = max(now_ns, self._circuit_until_ns)
        if rules.metronome and self._wave_used >= rules.wave_calls:
            earliest = max(earliest, self._wave_start_ns + rules.wave_ns)
        need = rules.refill_ns * (1 - (_OVERDRAFT_CALLS if urgent else 0))
        missing = need - self._level(now_ns)
        if missing > 0:
            earliest = max(earliest, now_ns + missing)
        loop = earliest // rules.loop_ns
        if loop == self._loop and self._loop_used >= rules.calls_per_loop:
            earliest = (loop + 1) * rules.loop_ns
        return earliest

    def take(self, now_ns: int, *, waited_ns: int = 0) -> None:
        """Count a call that leaves now; `waited_ns` is how long it was held back."""
        rules = self._settings
        now_ns = max(now_ns, self._level_at_ns)
        self._level_ns = self._level(now_ns) - rules.refill_ns
        self._level_at_ns = now_ns
        loop = now_ns // rules.loop_ns
        if loop != self._loop:
            self._loop, self._loop_used = loop, 0
        self._loop_used += 1
        if now_ns - self._wave_start_ns >= rules.wave_ns:
            self._wave_start_ns, self._wave_used = now_ns, 0
        self._wave_used += 1
        self._recent.append(now_ns)
        while self._recent[0] <= now_ns - _MINUTE:
            self._recent.popleft()
        if waited_ns > 0:
            self._waits += 1
            self._wait_total_ns += waited_ns
            self._wait_last_ns = waited_ns

    def rate_limited(self, now_ns: int, retry_after_ns: int = 0) -> None:
        """Open the circuit: the venue said that we are too fast, and perhaps for how long (runtime 2.5 rule 4).

        While it is open nothing leaves, so what is refused then left before it opened and says nothing new.
        """
        self._errors += 1
        if now_ns >= self._circuit_until_ns:
            self._circuit_ns = min(_LONGEST_CIRCUIT_NS, 2 * self._circuit_ns or _FIRST_CIRCUIT_NS)
            self._circuit_until_ns = now_ns + self._circuit_ns
        self._circuit_until_ns = max(self._circuit_until_ns, now_ns + retry_after_ns)

    def succeeded(self) -> None:
        """Forget earlier rate-limit errors: the venue took a call."""
        self._errors = 0
        self._circuit_ns = 0

    def status(self, now_ns: int) -> dict[str, Any]:
        """Return the `private_api_metronome` object of slots 4.4."""
        rules = self._settings
        left_ns = max(0, self._wave_start_ns + rules.wave_ns - now_ns)
        calls = sum(1 for ts_ns in self._recent if ts_ns > now_ns - _MINUTE)
        return {
            "enabled": rules.metronome,
            "wave_calls": rules.wave_calls,
            "wave_seconds": rules.wave_ns / _SECOND,
            "wave_calls_used": self._wave_used if left_ns else 0,
            "wave_window_remaining_sec": left_ns / _SECOND,
            "wait_events": self._waits,
            "wait_total_sec": self._wait_total_ns / _SECOND,
            "last_wait_sec": self._wait_last_ns / _SECOND,
            "calls_last_60s": calls,
            "effective_calls_per_sec": calls / 60,
            "budget_available": self.earliest_ns(now_ns, urgent=False) <= now_ns,
            "consecutive_rate_errors": self._errors,
        }

    def _level(self, now_ns: int) -> int:
        """Bucket level in nanoseconds of refill, so that the arithmetic stays exact."""
        full = self._settings.bucket_calls * self._settings.refill_ns
        return min(full, self._level_ns + max(0, now_ns - self._level_at_ns))
