"""The ramp on a fake clock: 0 to 100 %, and back on each gate in turn (quoting 8, 16)."""

import json
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from millrace.strategies.quoting.rollout.gates import GateState, GroupFigures, RampMetrics, Step, judge
from millrace.strategies.quoting.rollout.membership import members, ramp_order
from millrace.strategies.quoting.rollout.ramp import (
    RampAction,
    RampDecision,
    RampPhase,
    RampState,
    approve,
    pct_of,
    poll,
    steps,
)
from millrace.strategies.quoting.settings_growth import RolloutSettings

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
SETTINGS = RolloutSettings(dwell_min=10)
GROUP = GroupFigures(fills=400, rejected_pct=1.0, markout_200ms_bps=-0.2, markout_500ms_bps=-0.4)
GOOD = RampMetrics(
    p95_change_pct={"stage_spread": 1.0, "tick_total": 2.9},
    tick_p95_ms=120.0,
    deadline_miss_pct=0.5,
    partial_failures_pct=1.0,
    replays=3,
    replay_differences=0,
    fairness=(),
    pipeline=GROUP,
    legacy=GROUP,
    taker_share_pct=5.0,
    slippage_bps=0.7,
    shadow_agreement_pct=97.0,
    shadow_comparisons=3_000,
    shadow_ns=61 * MINUTE,
    mismatches_waived=True,
)
START = 1_767_225_600 * SECOND


class Clock:
    """A fake clock, the controller, and everything that it decided."""

    def __init__(self, state: RampState | None = None) -> None:
        self.now_ns = START
        self.state = state or RampState()
        self.log: list[RampDecision] = []

    def poll(self, metrics: RampMetrics = GOOD, after_ns: int = MINUTE) -> RampDecision:
        self.now_ns += after_ns
        self.state, decision = poll(self.state, metrics, self.now_ns, SETTINGS)
        self.log.append(decision)
        return decision

    def until(self, pct: int) -> None:
        for _ in range(200):
            if pct_of(self.state, SETTINGS) == pct:
                return
            self.poll()
        raise AssertionError(f"never at {pct} %: {self.log[-1]}")


def test_it_climbs_every_step_and_each_lasts_its_dwell() -> None:
    clock = Clock()
    while clock.state.phase is not RampPhase.FINISHED:
        clock.poll()
    changes = [one for one in clock.log if one.action is not RampAction.HOLD]
    assert [one.pct for one in changes] == [10, 25, 50, 75, 100, 100]
    assert changes[-1].action is RampAction.FINISH
    assert len(changes) == len(steps(SETTINGS))
    times = [START + MINUTE, *(one.ts_ns for one in changes)]
    assert all(after - before == 10 * MINUTE for before, after in pairwise(times))
    assert json.loads(json.dumps([one.row() for one in clock.log], allow_nan=False))


BACK_AT_ONCE: dict[str, dict[str, Any]] = {
    "stage_p95": {"p95_change_pct": {"stage_emit": 5.01}},
    "tick_p95": {"tick_p95_ms": 250.1},
    "deadline_miss": {"deadline_miss_pct": 5.01},
    "partial_failures": {"partial_failures_pct": 5.0},
    "determinism": {"replay_differences": 1},
    "fairness": {"fairness": (7,)},
    "rejects": {"pipeline": replace(GROUP, rejected_pct=3.0)},
    "taker_share": {"taker_share_pct": 10.01},
}


@pytest.mark.parametrize("gate", BACK_AT_ONCE)
@pytest.mark.parametrize("pct", [50, 75])
def test_it_goes_back_at_once_on_each_gate(gate: str, pct: int) -> None:
    clock = Clock()
    clock.until(pct)
    decision = clock.poll(replace(GOOD, **BACK_AT_ONCE[gate]))
    assert decision.action is RampAction.ROLL_BACK
    assert decision.reason.startswith(gate)
    assert pct_of(clock.state, SETTINGS) == 0
    assert [one.gate for one in decision.verdicts if one.state is GateState.ROLLBACK] == [gate]


FAILS: dict[str, dict[str, Any]] = {
    "stage_p95": {"p95_change_pct": {"stage_emit": 3.01}},
    "tick_p95": {"tick_p95_ms": 200.1},
    "deadline_miss": {"deadline_miss_pct": 2.0},
    "fairness": {"fairness": (3,)},
    "markout": {"pipeline": replace(GROUP, markout_500ms_bps=-0.91)},
    "taker_share": {"taker_share_pct": 9.01},
    "slippage": {"slippage_bps": 1.81},
}


@pytest.mark.parametrize("gate", FAILS)
def test_one_failed_poll_begins_the_dwell_anew_and_two_in_a_row_go_back(gate: str) -> None:
    clock = Clock()
    clock.until(50)
    bad = replace(GOOD, **FAILS[gate])
    assert clock.poll(bad).action is RampAction.HOLD
    failed_ns = clock.now_ns
    while pct_of(clock.state, SETTINGS) == 50:
        clock.poll()
    assert clock.now_ns - failed_ns >= 10 * MINUTE
    clock.poll(bad)
    assert clock.poll(bad).action is RampAction.ROLL_BACK


@pytest.mark.parametrize(
    "name", [name for name in RampMetrics.__struct_fields__ if not name.startswith(("shadow", "mismatches"))]
)
def test_a_missing_metric_is_a_failed_poll(name: str) -> None:
    clock = Clock()
    clock.until(50)
    missing = replace(GOOD, **{name: GroupFigures() if name in ("pipeline", "legacy") else None})
    assert clock.poll(missing).action is RampAction.HOLD
    assert clock.state.failed_in_row == 1
    assert clock.poll(missing).action is RampAction.ROLL_BACK


@pytest.mark.parametrize(
    "name", ["shadow_agreement_pct", "shadow_comparisons", "shadow_ns", "mismatches_waived", "replays"]
)
def test_the_shadow_may_not_be_left_without_its_figures(name: str) -> None:
    clock = Clock()
    assert clock.poll(replace(GOOD, **{name: None})).action is RampAction.HOLD
    assert clock.poll(replace(GOOD, **{name: None})).action is RampAction.ROLL_BACK


@pytest.mark.parametrize(
    "waiting",
    [
        {"shadow_comparisons": 49},
        {"shadow_ns": 59 * MINUTE},
        {"replays": 2},
    ],
)
def test_the_shadow_waits_for_enough_of_everything(waiting: dict[str, Any]) -> None:
    clock = Clock()
    for _ in range(40):
        assert clock.poll(replace(GOOD, **waiting)).action is RampAction.HOLD
    assert clock.poll().pct == 10


def test_too_few_fills_hold_the_step_without_blame() -> None:
    clock = Clock()
    clock.until(10)
    few = replace(GOOD, pipeline=replace(GROUP, fills=199))
    for _ in range(60):
        assert clock.poll(few).action is RampAction.HOLD
    assert clock.state.failed_in_row == 0
    assert clock.poll().action is RampAction.ADVANCE


def test_a_poll_that_did_not_come_is_one_that_failed() -> None:
    clock = Clock()
    clock.until(25)
    clock.poll()
    assert clock.poll(after_ns=30 * MINUTE).action is RampAction.HOLD
    assert clock.state.failed_in_row == 1
    assert clock.poll(after_ns=30 * MINUTE).action is RampAction.ROLL_BACK


def test_a_person_lets_it_begin_again_after_the_cool_down_and_not_before() -> None:
    clock = Clock()
    assert approve(clock.state, clock.now_ns) == "the ramp was not rolled back"
    clock.until(25)
    clock.poll(replace(GOOD, tick_p95_ms=300.0))
    assert clock.poll().action is RampAction.WAIT_FOR_APPROVAL
    assert "cools down" in str(approve(clock.state, clock.now_ns))
    clock.now_ns += 15 * MINUTE
    assert clock.poll().action is RampAction.WAIT_FOR_APPROVAL
    again = approve(clock.state, clock.now_ns)
    assert isinstance(again, RampState)
    assert (again.step, again.rollbacks, again.phase) == (0, 1, RampPhase.RAMPING)


def test_a_finished_ramp_is_still_watched() -> None:
    clock = Clock()
    while clock.state.phase is not RampPhase.FINISHED:
        clock.poll()
    assert clock.poll().action is RampAction.HOLD
    assert clock.poll(replace(GOOD, replay_differences=2)).action is RampAction.ROLL_BACK


def test_with_nobody_on_the_frozen_quoter_its_gates_say_that_they_do_not_apply() -> None:
    alone = judge(replace(GOOD, legacy=GroupFigures()), Step(100, has_legacy=False, allocates=True), SETTINGS)
    by_gate = {one.gate: one.state for one in alone}
    assert by_gate["rejects"] is by_gate["markout"] is GateState.NOT_APPLICABLE
    assert by_gate["fills"] is GateState.PASS


def test_members_are_the_same_everywhere_and_a_larger_step_holds_the_smaller() -> None:
    symbols = [f"S{number}/USDT" for number in range(23)]
    before: frozenset[str] = frozenset()
    for pct, count in ((0, 0), (10, 3), (25, 6), (50, 12), (75, 18), (100, 23)):
        found = members(symbols, pct, "millrace")
        assert found == members(reversed(symbols), pct, "millrace")
        assert len(found) == count
        assert before <= found
        before = found
    assert len(members(["A"], 10, "millrace")) == 1
    assert ramp_order(symbols, "a") != ramp_order(symbols, "b")
    assert ramp_order(["CCC/USDT", "BBB/USDT", "AAA/USDT"], "millrace") == ["AAA/USDT", "BBB/USDT", "CCC/USDT"]


def test_pins_override_the_hash_and_out_beats_in() -> None:
    symbols = [f"S{number}" for number in range(10)]
    last = ramp_order(symbols, "millrace")[-1]
    first = ramp_order(symbols, "millrace")[0]
    assert members(symbols, 10, "millrace", pinned_in=(last, "nobody")) == {first, last}
    assert members(symbols, 10, "millrace", pinned_out=(first,)) == frozenset()
    assert members(symbols, 100, "millrace", pinned_in=(last,), pinned_out=(last,)) == set(symbols) - {last}
    assert members(symbols, 0, "millrace", pinned_in=(last,)) == frozenset()
