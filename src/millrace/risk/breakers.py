"""When to stop calling a failing endpoint, and how to come back to it carefully (runtime 2.18).

A breaker is told what became of each call and says whether the next may leave. It trips on failures in a row or on a
failing half of the last 30 s, stays open for a drawn time that grows with each trip, and then lets one probe at a time
through: three good ones close it, a bad one opens it again. Time is what it is told, and the draw is a hash of seed,
name and trip, so the same outcomes give the same moves.

Calls that left before it tripped, and cancels that pass it by, say nothing about whether the endpoint is back; only the
probe's own outcome counts then.
"""

from collections import deque
from enum import StrEnum
from hashlib import blake2b

import msgspec

from millrace.core.trouble_events import BreakerState

_SECOND_NS = 1_000_000_000
_WORD = 8
_RING = 4_096


class Endpoint(StrEnum):
    """The classes of calls that fail together."""

    ORDERS = "orders"
    QUERIES = "queries"


class Outcome(StrEnum):
    """What became of a call: answered, no usable answer (time-out, 5xx, reset, malformed), or refused for its pace."""

    ANSWERED = "answered"
    FAILED = "failed"
    TOO_FAST = "too_fast"


class BreakerRules(msgspec.Struct, frozen=True, gc=False):
    """The figures of runtime 2.18; `in_row` is 3 for orders and 5 for the rest."""

    in_row: int = 5
    window_ns: int = 30 * _SECOND_NS
    least_calls: int = 10
    hold_ns: int = 30 * _SECOND_NS
    longest_hold_ns: int = 60 * _SECOND_NS
    decay_ns: int = 600 * _SECOND_NS
    good_probes: int = 3
    storm_calls: int = 10
    storm_ns: int = 60 * _SECOND_NS


RULES = {Endpoint.ORDERS: BreakerRules(in_row=3), Endpoint.QUERIES: BreakerRules()}


class Breaker:
    """The breaker of one endpoint class; `name` and `seed` fix its draws. `resumed`: it was open when we ended."""

    def __init__(self, name: str, seed: int, rules: BreakerRules, *, resumed: bool = False) -> None:
        self.state = BreakerState.HALF_OPEN if resumed else BreakerState.CLOSED
        self.until_ns = 0
        self.total_trips = int(resumed)
        self.probe_is_out = False
        self._key = f"{seed}/{name}"
        self._rules = rules
        self._trips = int(resumed)
        self._closed_ns = 0
        self._good_probes = 0
        self._forget()

    def _forget(self) -> None:
        self._in_row = 0
        self._failed = 0
        self._ring: deque[tuple[int, bool]] = deque()
        self._too_fast: deque[int] = deque(maxlen=self._rules.storm_calls)

    @property
    def may_leave(self) -> bool:
        """Tell whether a call of this class may leave now."""
        return self.state is BreakerState.CLOSED or (self.wants_probe and not self.probe_is_out)

    @property
    def wants_probe(self) -> bool:
        """Tell whether only a probe can close it."""
        return self.state is BreakerState.HALF_OPEN

    def left(self) -> bool:
        """Note that a call leaves; True when it is the probe, whose outcome must then be told as one."""
        if not self.wants_probe or self.probe_is_out:
            return False
        self.probe_is_out = True
        return True

    def advance(self, now_ns: int) -> str:
        """Let time pass; returns why the state changed, "" when it did not."""
        if self.state is not BreakerState.OPEN or now_ns < self.until_ns:
            return ""
        self.state = BreakerState.HALF_OPEN
        self._good_probes = 0
        self.probe_is_out = False
        return "held long enough; one probe at a time"

    def told(self, outcome: Outcome, now_ns: int, *, probe: bool = False) -> str:
        """Take what became of a call; returns why the state changed, "" when it did not."""
        if self.state is BreakerState.CLOSED:
            return self._counted(outcome, now_ns)
        if not (probe and self.probe_is_out):
            return ""
        self.probe_is_out = False
        if outcome is Outcome.FAILED:
            return self._trip("a probe failed", now_ns)
        if outcome is Outcome.TOO_FAST:
            return ""
        self._good_probes += 1
        if self._good_probes < self._rules.good_probes:
            return ""
        self.state = BreakerState.CLOSED
        self._closed_ns = now_ns
        self._forget()
        return f"{self._good_probes} probes answered"

    def _counted(self, outcome: Outcome, now_ns: int) -> str:
        rules = self._rules
        if outcome is Outcome.TOO_FAST:
            self._too_fast.append(now_ns)
            if len(self._too_fast) == rules.storm_calls and now_ns - self._too_fast[0] <= rules.storm_ns:
                return self._trip(f"{rules.storm_calls} calls refused for their pace", now_ns)
            return ""
        failed = outcome is Outcome.FAILED
        self._in_row = self._in_row + 1 if failed else 0
        self._ring.append((now_ns, failed))
        self._failed += failed
        while self._ring[0][0] <= now_ns - rules.window_ns or len(self._ring) > _RING:
            self._failed -= self._ring.popleft()[1]
        if self._in_row >= rules.in_row:
            return self._trip(f"{self._in_row} calls in a row failed", now_ns)
        if len(self._ring) >= rules.least_calls and 2 * self._failed >= len(self._ring):
            return self._trip(f"{self._failed} of the last {len(self._ring)} calls failed", now_ns)
        return ""

    def _trip(self, why: str, now_ns: int) -> str:
        rules = self._rules
        if self.state is BreakerState.CLOSED:
            self._trips = max(0, self._trips - (now_ns - self._closed_ns) // rules.decay_ns)
        self._trips += 1
        self.total_trips += 1
        # U(0.5, 1) x hold x 2^(trips - 1), anew each trip; beyond the sixth doubling the cap holds whatever is drawn.
        digest = blake2b(f"{self._key}/{self.total_trips}".encode(), digest_size=_WORD).digest()
        full_ns = rules.hold_ns << min(self._trips - 1, 6)
        half_ns = full_ns // 2
        drawn_ns = half_ns + int.from_bytes(digest, "little") % (full_ns - half_ns + 1)
        self.until_ns = now_ns + min(drawn_ns, rules.longest_hold_ns)
        self.state = BreakerState.OPEN
        self.probe_is_out = False
        self._forget()
        return why
