"""Under lasting stress the desk becomes slower and thinner by steps, and comes back by steps (quoting 4.6).

Each step keeps orders longer in the book and shows fewer levels; Emit reads the number of steps from the portfolio's
snapshot. A step up needs two bad checks in a row and two minutes since the last one, a step down two good checks.
"""

import msgspec

from millrace.strategies.quoting.quotes.back_off import EVENTS_WINDOW_MS, BackOffState

CHECK_MS = 10_000
STRESSED_BACK_OFF_MS = 3_000
STRESSED_EVENTS = 40
MOST_STEPS = 3
_STEP_UP_MS = 120_000
_CHECKS = 2


class PolicyState(msgspec.Struct, frozen=True, gc=False):
    """How many steps up the policy is (`PortfolioSnapshot.stress_level`), checks in a row, when it last went up."""

    level: int = 0
    bad_row: int = 0
    good_row: int = 0
    raised_ms: int | None = None
    next_check_ms: int = 0


def checked(state: PolicyState, back_off: BackOffState, now_ms: int) -> PolicyState:
    """Return the state after this moment; between two checks nothing changes."""
    if now_ms < state.next_check_ms:
        return state
    events = sum(at > now_ms - EVENTS_WINDOW_MS for at in back_off.begun_ms)
    is_stressed = back_off.base_ms >= STRESSED_BACK_OFF_MS or events >= STRESSED_EVENTS
    bad, good = (state.bad_row + 1, 0) if is_stressed else (0, state.good_row + 1)
    level, raised = state.level, state.raised_ms
    if bad >= _CHECKS and level < MOST_STEPS and (raised is None or now_ms - raised >= _STEP_UP_MS):
        level, raised, bad = level + 1, now_ms, 0
    elif good >= _CHECKS and level:
        level, good = level - 1, 0
    return PolicyState(level, bad, good, raised, now_ms + CHECK_MS)
