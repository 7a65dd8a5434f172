"""How fast the desk may act on an account: throttle, back-off and auto-policy as one state with two moves.

The desk looks at calls and feed once in a while (`watched`) and passes every tick's intents through (`let_out`). What
does not leave is decided anew by a later tick.
"""

from typing import NamedTuple

import msgspec

from millrace.strategies.quoting.model import OrderIntent
from millrace.strategies.quoting.quotes.auto_policy import PolicyState, checked
from millrace.strategies.quoting.quotes.back_off import BackOffState, observed
from millrace.strategies.quoting.quotes.throttle import ThrottleState, admitted
from millrace.strategies.quoting.settings import ThrottleSettings


class PaceState(msgspec.Struct, frozen=True, gc=False):
    """Everything that is remembered of the pace; `policy.level` belongs into `PortfolioSnapshot.stress_level`."""

    throttle: ThrottleState = ThrottleState()
    back_off: BackOffState = BackOffState()
    policy: PolicyState = PolicyState()


class LetOut(NamedTuple):
    """The state after a tick's intents, those that leave, and those that wait for a later tick to want them again."""

    state: PaceState
    leaves: tuple[OrderIntent, ...]
    waits: tuple[OrderIntent, ...]


def watched(
    state: PaceState,
    now_ms: int,
    error_rate: float | None,
    feed_lag_ms: float | None,
    session: str,
    cfg: ThrottleSettings,
) -> PaceState:
    """Return the state after a look at how calls and feed do; the same one where nothing changed."""
    back_off = observed(state.back_off, now_ms, error_rate, feed_lag_ms, session, cfg)
    policy = checked(state.policy, back_off, now_ms)
    if back_off is state.back_off and policy is state.policy:
        return state
    return PaceState(state.throttle, back_off, policy)


def let_out(
    state: PaceState, intents: tuple[OrderIntent, ...], now_ms: int, cfg: ThrottleSettings, reserved: int = 0
) -> LetOut:
    """Return which of a tick's intents leave; `reserved` actions are left to symbols that have waited longer."""
    if not intents:
        return LetOut(state, (), ())
    backs_off = state.back_off.lasts(now_ms)
    throttle, leaves, waits = admitted(state.throttle, intents, now_ms, cfg, backs_off=backs_off, reserved=reserved)
    return LetOut(PaceState(throttle, state.back_off, state.policy), leaves, waits)
