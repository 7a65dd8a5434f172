"""What is wrong with all symbols together: judged once for all of them at a check, told to each by a mask of bits.

Two bad checks in a row pause the desk; a pause ends with a good check, and not before five minutes are over. The loss
of a day needs no second check, and what the board refuses is no check at all: it holds as long as the board says so. A
figure that is unknown speaks neither for nor against (quoting 4.3 addition 5).
"""

from enum import IntFlag

import msgspec

from millrace.strategies.quoting.model import PortfolioSnapshot
from millrace.strategies.quoting.settings import MarketGuardSettings

_SECOND_MS = 1_000


class MarketBit(IntFlag):
    """What was found; the numbers are those of the reference's runtime guard."""

    CANCEL = 1
    ERRORS = 2
    PNL = 4
    INVENTORY = 8
    LATENCY = 16
    FEED_LAG = 32
    REJECTS = 64
    MANUAL = 128

    @property
    def label(self) -> str:
        """The word for people and metrics."""
        return (self.name or "").lower()


class MarketState(msgspec.Struct, frozen=True, gc=False):
    """Checks so far: how many in a row were bad or good, what they found, and when the pause began (0: none)."""

    next_check_ms: int = 0
    bad_row: int = 0
    good_row: int = 0
    paused_bits: int = 0
    paused_ms: int = 0


def check(
    state: MarketState, portfolio: PortfolioSnapshot, now_ms: int, cfg: MarketGuardSettings, latency_hard_ms: float
) -> tuple[MarketState, int]:
    """Return the state after this moment and the bits for every symbol's `PortfolioSnapshot.market_bits`.

    May be called at any moment: between two checks only what the board refuses can change the bits.
    """
    if not cfg.enabled:
        return MarketState(), 0
    if now_ms >= state.next_check_ms:
        state = _after_check(state, portfolio, now_ms, cfg, latency_hard_ms)
    return state, state.paused_bits | (MarketBit.MANUAL if portfolio.refused else 0)


def _after_check(
    state: MarketState, portfolio: PortfolioSnapshot, now_ms: int, cfg: MarketGuardSettings, latency_hard_ms: float
) -> MarketState:
    found = int(found_in(portfolio, cfg, latency_hard_ms))
    bad, good = (state.bad_row + 1, 0) if found else (0, state.good_row + 1)
    bits, since = state.paused_bits, state.paused_ms
    if bits:
        is_over = good >= cfg.good_checks and now_ms - since >= cfg.resume_sec * _SECOND_MS
        bits, since = (0, 0) if is_over else (bits | found, since)
    elif bad >= cfg.bad_checks or (found and _is_lost(portfolio, cfg)):
        bits, since = found, now_ms
    return MarketState(now_ms + cfg.check_sec * _SECOND_MS, bad, good, bits, since)


def found_in(portfolio: PortfolioSnapshot, cfg: MarketGuardSettings, latency_hard_ms: float) -> MarketBit:
    """Return what the figures of a snapshot break; a threshold of 0 is off, an unknown figure breaks nothing."""
    bits = MarketBit(0)
    if _over(portfolio.cancel_rate_share, cfg.cancel_rate_share):
        bits |= MarketBit.CANCEL
    if _over(portfolio.error_rate, cfg.error_rate):
        bits |= MarketBit.ERRORS
    slope = portfolio.pnl_slope_per_min
    if (cfg.pnl_slope_per_min and slope is not None and slope < cfg.pnl_slope_per_min) or _is_lost(portfolio, cfg):
        bits |= MarketBit.PNL
    if _over(portfolio.gross_exposure_share, cfg.gross_exposure_share):
        bits |= MarketBit.INVENTORY
    if _over(portfolio.latency_p95_ms, latency_hard_ms):
        bits |= MarketBit.LATENCY
    skew = portfolio.clock_skew_ms
    if _over(portfolio.feed_gap_ms, cfg.feed_gap_ms) or _over(None if skew is None else abs(skew), cfg.clock_skew_ms):
        bits |= MarketBit.FEED_LAG
    if _over(portfolio.rejected_share, cfg.rejected_share):
        bits |= MarketBit.REJECTS
    return bits


def _over(value: float | None, threshold: float) -> bool:
    return bool(threshold) and value is not None and value > threshold


def _is_lost(portfolio: PortfolioSnapshot, cfg: MarketGuardSettings) -> bool:
    return bool(cfg.daily_loss) and portfolio.day_loss is not None and portfolio.day_loss >= cfg.daily_loss
