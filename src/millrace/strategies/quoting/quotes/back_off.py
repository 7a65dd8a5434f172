"""When calls fail or the feed lags, the desk sends nothing new for a while, and for longer each time it goes on.

Cancels that defend always leave. What trips on failing calls themselves and probes them back to life is the executor's
breaker (runtime 2.18); this comes before it, and is about pace. The jitter is a hash of who we are and of the how
many-eth back-off it is, so a replay waits as long.
"""

from hashlib import sha256

import msgspec

from millrace.strategies.quoting.settings import ThrottleSettings

EVENTS_WINDOW_MS = 120_000
_MOST_DOUBLINGS = 20
_WORD = 8


class BackOffState(msgspec.Struct, frozen=True, gc=False):
    """Until when nothing new leaves, how long that is without jitter, how many in a row and in all, when each began."""

    until_ms: int = 0
    base_ms: int = 0
    row: int = 0
    total: int = 0
    begun_ms: tuple[int, ...] = ()

    def lasts(self, now_ms: int) -> bool:
        """Whether only what defends may leave."""
        return now_ms < self.until_ms


def observed(
    state: BackOffState,
    now_ms: int,
    error_rate: float | None,
    feed_lag_ms: float | None,
    session: str,
    cfg: ThrottleSettings,
) -> BackOffState:
    """Return the state after a look at how calls and feed do; None: not known, and no reason to back off."""
    if state.lasts(now_ms):
        return state
    fails = error_rate is not None and error_rate >= cfg.backoff_error_rate
    lags = feed_lag_ms is not None and feed_lag_ms >= cfg.backoff_feed_lag_ms
    if not (fails or lags):
        return state if not state.row else BackOffState(state.until_ms, 0, 0, state.total, state.begun_ms)
    base = min(cfg.backoff_first_ms << min(state.row, _MOST_DOUBLINGS), cfg.backoff_top_ms)
    drawn = int.from_bytes(sha256(f"{session}|{state.total}".encode()).digest()[:_WORD]) / 256.0**_WORD
    delay = min(base * (1.0 + cfg.jitter * (2.0 * drawn - 1.0)), cfg.backoff_cap_ms)
    begun = (*(at for at in state.begun_ms if at > now_ms - EVENTS_WINDOW_MS), now_ms)
    return BackOffState(now_ms + round(delay), base, state.row + 1, state.total + 1, begun)
