"""How many fills of an account may take liquidity within an hour, by count and by share (quoting 4.3).

What a check says of the next taker fill and what the statistics show are one calculation, with the fill that is asked
about counted in both; the reference's two differ by that one.
"""

from typing import NamedTuple

from millrace.strategies.quoting.settings import TakerCapSettings

COUNT_EXCEEDED = "taker_count_exceeded"
SHARE_EXCEEDED = "taker_share_exceeded"
_SECOND_MS = 1_000
_PCT = 100.0


class AccountFill(NamedTuple):
    """One fill of the account."""

    ts_ms: int
    is_taker: bool


class TakerVerdict(NamedTuple):
    """What holds now: fills and takers in the window, the share that one more would make, and "" or what is against it.

    A share counts from the sample on that is asked for.
    """

    fills: int
    takers: int
    next_share_pct: float
    reason: str

    @property
    def allows(self) -> bool:
        """Whether an order that takes may leave."""
        return not self.reason


Fills = tuple[AccountFill, ...]


def recorded(fills: Fills, fill: AccountFill, cfg: TakerCapSettings) -> Fills:
    """Return the fills with one more, without those that the window has left behind."""
    return (*_within(fills, fill.ts_ms, cfg), fill)


def verdict(fills: Fills, now_ms: int, cfg: TakerCapSettings) -> TakerVerdict:
    """Return what the ceiling says now: to a taker order that wants to leave, and to the statistics."""
    kept = _within(fills, now_ms, cfg)
    takers = sum(fill.is_taker for fill in kept)
    share = (takers + 1) / (len(kept) + 1) * _PCT
    reason = ""
    if takers >= cfg.max_fills:
        reason = COUNT_EXCEEDED
    elif len(kept) >= cfg.min_sample and share > cfg.max_share_pct:
        reason = SHARE_EXCEEDED
    return TakerVerdict(len(kept), takers, share, reason)


def _within(fills: Fills, now_ms: int, cfg: TakerCapSettings) -> Fills:
    """Fills come in the order of time, so those that are too old stand first."""
    since = now_ms - cfg.window_sec * _SECOND_MS
    first = 0
    while first < len(fills) and fills[first].ts_ms < since:
        first += 1
    return fills[first:]
