"""Orders that the market has run away from are taken back before anything is calculated (quoting 4.3).

A drift past the first threshold cancels the order; past the second it also begins a cool-down, in which nothing is
placed or nudged. The cool-down never keeps an order from being cancelled: in the reference the first cancel protected
all others.
"""

from typing import NamedTuple

from millrace.core.commands import Side
from millrace.strategies.quoting.model import BPS, Features, LiveOrder
from millrace.strategies.quoting.settings import FastCancelSettings

SPIKE = "volatile_spike"
ADVERSE = "adverse_move"
IN_COOLDOWN = "in_cooldown"


class DriftVerdict(NamedTuple):
    """What the drift of one order means; `reason` is "" while nothing is the matter."""

    cancels: bool
    reason: str
    cooldown_until_ms: int


class FastCancels(NamedTuple):
    """Orders to take back now, each with the reason, and until when nothing is placed or nudged."""

    orders: tuple[tuple[LiveOrder, str], ...]
    cooldown_until_ms: int


def judged(drift_bps: float, now_ms: int, cooldown_until_ms: int, cfg: FastCancelSettings) -> DriftVerdict:
    """Judge one order's drift."""
    if drift_bps > cfg.spike_threshold_bps:
        return DriftVerdict(cancels=True, reason=SPIKE, cooldown_until_ms=now_ms + cfg.cooldown_ms)
    if drift_bps > cfg.cancel_threshold_bps:
        return DriftVerdict(cancels=True, reason=ADVERSE, cooldown_until_ms=cooldown_until_ms)
    reason = IN_COOLDOWN if now_ms < cooldown_until_ms else ""
    return DriftVerdict(cancels=False, reason=reason, cooldown_until_ms=cooldown_until_ms)


def drift_bps(order: LiveOrder, middle_ticks2: int, cfg: FastCancelSettings) -> float:
    """Return how far the market has run from an order; `middle_ticks2` is twice the middle.

    From the middle at placement it counts in the direction that hurts, otherwise in both from the order's price, as it
    does where nobody knows what the middle was.
    """
    if cfg.from_placement and order.reference_ticks2 > 0:
        moved = middle_ticks2 - order.reference_ticks2
        return (-moved if order.side is Side.BUY else moved) / order.reference_ticks2 * BPS
    return abs(middle_ticks2 - 2 * order.ticks) / (2 * order.ticks) * BPS


def fast_cancels(features: Features, cooldown_until_ms: int, cfg: FastCancelSettings) -> FastCancels:
    """Return the orders of a symbol that are taken back at once, and the cool-down after it.

    It runs before the stages; `cooldown_until_ms` is that of `EmitState`. An order whose cancel is on its way is not
    looked at again.
    """
    book = features.book
    if not cfg.enabled or book is None:
        return FastCancels((), cooldown_until_ms)
    middle_ticks2 = book.best_bid + book.best_ask
    found: list[tuple[LiveOrder, str]] = []
    until = cooldown_until_ms
    for order in features.live:
        drift = drift_bps(order, middle_ticks2, cfg)
        if drift > cfg.cancel_threshold_bps and not order.cancelling:
            verdict = judged(drift, features.now_ms, until, cfg)
            until = verdict.cooldown_until_ms
            found.append((order, verdict.reason))
    return FastCancels(tuple(found), until)
