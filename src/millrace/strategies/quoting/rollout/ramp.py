"""The controller of the ramp: up a step when all gates held for the whole dwell, back to 0 % when one says so.

It knows no clock and no metrics endpoint: whoever polls hands it figures and the time, so a fake clock drives it as
well as a real one. A poll that did not come counts as one that failed, because nobody can say that the gates held
meanwhile (quoting 8).
"""

from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from millrace.strategies.quoting.rollout.gates import GateState, GateVerdict, RampMetrics, Step, judge
from millrace.strategies.quoting.settings_growth import RolloutSettings

_SECOND_NS = 1_000_000_000
_MINUTE_NS = 60 * _SECOND_NS
_POLLS_LATE = 2
"""After so many periods without a poll one was missed."""
_MARKOUT_TWICE = 2
_FULL_PCT = 100
_HELD = frozenset({GateState.PASS, GateState.NOT_APPLICABLE})


class RampPhase(StrEnum):
    """Where the ramp stands: on its way, at its end, or back at 0 % until a person lets it begin again."""

    RAMPING = "ramping"
    FINISHED = "finished"
    ROLLED_BACK = "rolled_back"


class RampAction(StrEnum):
    """What a poll led to."""

    HOLD = "hold"
    ADVANCE = "advance"
    FINISH = "finish"
    ROLL_BACK = "roll_back"
    WAIT_FOR_APPROVAL = "wait_for_approval"


class RampState(msgspec.Struct, frozen=True):
    """What the controller remembers; times in ns, 0: not begun. `blame` says what rolled it back."""

    step: int = 0
    phase: RampPhase = RampPhase.RAMPING
    held_since_ns: int = 0
    polled_ns: int = 0
    failed_in_row: int = 0
    markouts_worse_in_row: int = 0
    cooldown_until_ns: int = 0
    rollbacks: int = 0
    blame: str = ""


class RampDecision(NamedTuple):
    """What one poll decided, and why; a line of the decision log."""

    ts_ns: int
    action: RampAction
    pct: int
    reason: str
    verdicts: tuple[GateVerdict, ...]

    def row(self) -> dict[str, Any]:
        """Return it as strict JSON."""
        gates = [
            {"gate": one.gate, "state": one.state.value, "value": one.value, "bounds": one.bounds}
            for one in self.verdicts
        ]
        return {
            "ts_ns": self.ts_ns,
            "action": self.action.value,
            "pct": self.pct,
            "reason": self.reason,
            "gates": gates,
        }


def steps(settings: RolloutSettings) -> tuple[int, ...]:
    """Return the steps in percent of the symbols."""
    return tuple(int(step) for step in settings.steps_pct.split())


def pct_of(state: RampState, settings: RolloutSettings) -> int:
    """Return the share of symbols that is on the pipeline now; none after a roll-back."""
    return 0 if state.phase is RampPhase.ROLLED_BACK else steps(settings)[state.step]


def allocates(pct: int, settings: RolloutSettings) -> bool:
    """Tell whether scores decide sizes at a step."""
    return pct >= settings.allocator_from_pct


def poll(
    state: RampState, metrics: RampMetrics, now_ns: int, settings: RolloutSettings
) -> tuple[RampState, RampDecision]:
    """Look at the gates once; return the state after it and what it decided."""
    pct = pct_of(state, settings)
    if state.phase is RampPhase.ROLLED_BACK:
        return state, RampDecision(now_ns, RampAction.WAIT_FOR_APPROVAL, 0, f"rolled back: {state.blame}", ())
    has_legacy = pct < _FULL_PCT or bool(settings.pinned_out.split())
    verdicts = judge(metrics, Step(pct, has_legacy, allocates(pct, settings)), settings)
    missed = bool(state.polled_ns) and now_ns - state.polled_ns > _POLLS_LATE * settings.poll_sec * _SECOND_NS
    bad = [one for one in verdicts if one.state in (GateState.FAIL, GateState.MISSING)]
    failed_in_row = state.failed_in_row + 1 if bad or missed else 0
    worse = any(one.gate == "markout" for one in bad if one.state is GateState.FAIL)
    markouts = state.markouts_worse_in_row + 1 if worse else 0
    blame = _blame(verdicts, bad, failed_in_row, markouts, missed, settings)
    if blame:
        back = RampState(
            phase=RampPhase.ROLLED_BACK,
            polled_ns=now_ns,
            cooldown_until_ns=now_ns + settings.cooldown_min * _MINUTE_NS,
            rollbacks=state.rollbacks + 1,
            blame=blame,
        )
        return back, RampDecision(now_ns, RampAction.ROLL_BACK, 0, blame, verdicts)
    held_since_ns = now_ns if failed_in_row or not state.held_since_ns else state.held_since_ns
    after = msgspec.structs.replace(
        state,
        held_since_ns=held_since_ns,
        polled_ns=now_ns,
        failed_in_row=failed_in_row,
        markouts_worse_in_row=markouts,
    )
    if state.phase is RampPhase.FINISHED:
        return after, RampDecision(now_ns, RampAction.HOLD, pct, "finished; the gates are still watched", verdicts)
    return _advanced(after, pct, verdicts, now_ns, settings)


def _advanced(
    state: RampState, pct: int, verdicts: tuple[GateVerdict, ...], now_ns: int, settings: RolloutSettings
) -> tuple[RampState, RampDecision]:
    """Go up a step if every gate passes now and held for the whole dwell."""
    open_gates = [f"{one.gate} {one.state.value}" for one in verdicts if one.state not in _HELD]
    left_ns = state.held_since_ns + settings.dwell_min * _MINUTE_NS - now_ns
    if open_gates or left_ns > 0:
        reason = ", ".join(open_gates) or f"all gates hold; {-(-left_ns // _SECOND_NS)} s of the dwell are left"
        return state, RampDecision(now_ns, RampAction.HOLD, pct, reason, verdicts)
    if state.step == len(steps(settings)) - 1:
        done = msgspec.structs.replace(state, phase=RampPhase.FINISHED)
        return done, RampDecision(now_ns, RampAction.FINISH, pct, "all gates held to the last step's end", verdicts)
    up = msgspec.structs.replace(state, step=state.step + 1, held_since_ns=now_ns)
    return up, RampDecision(now_ns, RampAction.ADVANCE, pct_of(up, settings), "all gates held", verdicts)


def _blame(
    verdicts: tuple[GateVerdict, ...],
    bad: list[GateVerdict],
    failed_in_row: int,
    markouts: int,
    missed: bool,
    settings: RolloutSettings,
) -> str:
    """Return why the ramp goes back at this poll, "" when it does not."""
    at_once = [f"{one.gate} is {one.value:g}: {one.bounds}" for one in verdicts if one.state is GateState.ROLLBACK]
    if at_once:
        return "; ".join(at_once)
    if markouts >= _MARKOUT_TWICE:
        return f"markout is worse than the frozen quoter's {markouts} times in a row"
    if failed_in_row >= settings.failed_polls:
        told = ", ".join(f"{one.gate} {one.state.value}" for one in bad)
        return f"{failed_in_row} polls failed in a row: " + (told or "a poll did not come" if missed else told)
    return ""


def approve(state: RampState, now_ns: int) -> RampState | str:
    """Let a ramp that was rolled back begin again at 0 %; returns why not while it cools down, or never fell."""
    if state.phase is not RampPhase.ROLLED_BACK:
        return "the ramp was not rolled back"
    left_ns = state.cooldown_until_ns - now_ns
    if left_ns > 0:
        return f"it cools down for another {-(-left_ns // _SECOND_NS)} s"
    return RampState(rollbacks=state.rollbacks)
