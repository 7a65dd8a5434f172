"""Flow that is about to run a side over: the side steps back, whatever the position is (quoting 4.3 addition 6).

Buying pressure endangers the ask, selling pressure the bid. When it begins the side is pulled for a moment, and while
it lasts the side stands further away. A side that only closes the position is never pulled: it just stands further
away.
"""

from typing import NamedTuple

from millrace.strategies.quoting.guards.state import GuardState
from millrace.strategies.quoting.model import BPS, Features, GuardLevel, GuardReason
from millrace.strategies.quoting.settings import AdverseFlowSettings


class Pressure(NamedTuple):
    """Which sides flow is about to run over now, and until when each is pulled."""

    bid: bool
    ask: bool
    bid_paused_until_ms: int
    ask_paused_until_ms: int


CALM = Pressure(bid=False, ask=False, bid_paused_until_ms=0, ask_paused_until_ms=0)


def pressure(features: Features, state: GuardState, cfg: AdverseFlowSettings) -> tuple[Pressure, GuardReason | None]:
    """Return the sides under pressure and what says so; the order flow counts before the microprice."""
    book = features.book
    if book is None or not cfg.enabled:
        return CALM, None
    z = features.ofi_10s_z
    drift = (features.microprice / book.mid_price - 1.0) * BPS
    reason = None
    if z is not None and abs(z) > cfg.ofi_z:
        reason = GuardReason("flow_ofi", z, cfg.ofi_z if z > 0 else -cfg.ofi_z, GuardLevel.NONE)
    elif abs(drift) > cfg.microprice_drift_bps:
        limit = cfg.microprice_drift_bps
        reason = GuardReason("flow_drift", drift, limit if drift > 0 else -limit, GuardLevel.NONE)
    buys = reason is not None and reason.value > 0
    sells = reason is not None and reason.value < 0
    bid_until, ask_until = state.bid_paused_until_ms, state.ask_paused_until_ms
    if buys and not state.ask_pressed:
        ask_until = features.now_ms + cfg.pause_ms
    if sells and not state.bid_pressed:
        bid_until = features.now_ms + cfg.pause_ms
    if reason is None and not (bid_until > features.now_ms or ask_until > features.now_ms):
        return CALM, None
    return Pressure(sells, buys, bid_until, ask_until), reason
