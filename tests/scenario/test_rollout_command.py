"""`millrace rollout` on recorded and on real metrics: up to 100 %, back on each gate, and never by itself again."""

import json
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from millrace.capacity.stage_budgets import STAGES
from millrace.cli import main
from millrace.cli.exposing import published
from millrace.cli.rollout import _told
from millrace.core.commands import Reply
from millrace.core.events import Operator
from millrace.research.perf_profile import profile_of
from millrace.research.rollout_log import DecisionLog
from millrace.research.rollout_metrics import Replays, ramp_metrics
from millrace.shell.tick_times import TickTimes
from millrace.strategies.quoting.rollout.desk_ramp import Path as QuotePath
from millrace.strategies.quoting.rollout.gates import GateState, GateVerdict
from millrace.strategies.quoting.rollout.ramp import RampAction, RampDecision, RampState
from millrace.strategies.quoting.settings_growth import RolloutSettings
from millrace.web.exposition import text
from millrace.world.quoting.metrics import QuoteMetrics
from millrace.world.quoting.rollout_figures import RampFigures
from millrace.world.quoting.rollout_run import Answer, Poll, steer
from quote_runs import SECOND, quote_run

MINUTE = 60 * SECOND
START = 1_767_225_600 * SECOND
GOOD: dict[str, float] = {
    **{f'stage_p95_ms{{stage="{name}"}}': 0.02 for name in STAGES},
    "tick_deadline_miss_total": 0,
    **{f'partial_fail_rate{{exchange="bybit",op="{op}"}}': 0.01 for op in ("place", "amend", "cancel")},
    **{f'allocator_fairness_broken{{statement="{number}"}}': 0 for number in range(1, 9)},
    **{f'path_orders{{path="{path}"}}': 900 for path in ("pipeline", "legacy")},
    **{f'path_fills{{path="{path}"}}': 400 for path in ("pipeline", "legacy")},
    **{f'path_rejected_pct{{path="{path}"}}': 1.0 for path in ("pipeline", "legacy")},
    **{
        f'path_markout_bps{{horizon_ms="{ms}",path="{path}"}}': -0.2
        for ms in (200, 500)
        for path in ("pipeline", "legacy")
    },
    'path_slippage_bps{path="pipeline"}': 0.1,
    "taker_share_pct": 1.0,
    "shadow_match_ratio": 0.97,
    "shadow_compared": 5_000,
    "shadow_seconds": 4_000,
    "shadow_unexplained": 0,
}


def exposition(poll: int, **changed: float) -> str:
    values = {**GOOD, "tick_duration_ms_count": 1_000 * (poll + 1), "tick_duration_ms_sum": 1.0, **changed}
    lines = ["# TYPE millrace_quoting_tick_duration_ms histogram"]
    lines += [f"millrace_quoting_{name} {value}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def recording(path: Path, texts: list[str | None]) -> Path:
    rows = [{"ts_ns": START + number * MINUTE, "text": one} for number, one in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps({"budgets": {name: {"p95": 0.02} for name in STAGES}}))
    return path


@pytest.fixture(scope="module")
def shadow_run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shadow") / "run"
    assert main(["demo", "--seconds", "0.3", "--dir", str(folder), "--set", "arb.enabled=false", "--json"]) == 0
    return folder


def rollout(tmp_path: Path, metrics: Path, baseline: Path, *more: str) -> int:
    log = str(tmp_path / "decisions.jsonl")
    return main(
        ["rollout", "--metrics", str(metrics), "--log", log, "--baseline", str(baseline), "--pace", "test", *more]
    )


def decisions(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "decisions.jsonl").read_text().splitlines()]


def test_a_recording_in_which_all_holds_reaches_the_end(tmp_path, baseline, shadow_run) -> None:
    metrics = recording(tmp_path / "good.jsonl", [exposition(poll) for poll in range(80)])
    assert rollout(tmp_path, metrics, baseline, "--replay", str(shadow_run)) == 0
    changes = [row for row in decisions(tmp_path) if row["action"] in {"advance", "finish"}]
    assert [row["pct"] for row in changes] == [10, 25, 50, 75, 100, 100]


WORSE: dict[str, dict[str, float]] = {
    "stage_p95": {'stage_p95_ms{stage="stage_emit"}': 0.0215},
    "tick_p95": {'stage_p95_ms{stage="tick_total"}': 251.0},
    "deadline_miss": {"tick_deadline_miss_total": 100},
    "partial_failures": {'partial_fail_rate{exchange="bybit",op="amend"}': 0.06},
    "fairness": {'allocator_fairness_broken{statement="7"}': 1},
    "rejects": {'path_rejected_pct{path="pipeline"}': 3.5},
    "taker_share": {"taker_share_pct": 11.0},
}


def test_the_worst_kind_of_batch_is_what_the_gate_sees() -> None:
    """Quoting 8 and 9: a share for each op; one that is no number passes nothing."""
    keys = [("partial_fail_rate", (("exchange", "bybit"), ("op", op))) for op in ("amend", "cancel", "place")]
    for shares, seen in (((0.0, 0.02, 0.01), 2.0), ((0.01, float("nan"), 0.02), float("nan")), ((), None)):
        metrics = ramp_metrics(dict(zip(keys, shares, strict=False)), None, None, Replays(1, 0))
        assert metrics.partial_failures_pct == pytest.approx(seen, nan_ok=True)


@pytest.mark.parametrize("gate", WORSE)
def test_each_gate_takes_it_back_and_only_a_person_lets_it_begin_again(tmp_path, baseline, gate, capsys) -> None:
    log = DecisionLog(tmp_path / "decisions.jsonl")
    log.approved(RampState(step=3, polled_ns=START - MINUTE, held_since_ns=START - MINUTE), START - MINUTE)
    texts = [exposition(poll) for poll in range(3)] + [exposition(3, **WORSE[gate]), exposition(4)]
    replays = Replays(3, 0)
    settings = RolloutSettings(dwell_min=10)
    profile = profile_of(json.loads(baseline.read_text()), "baseline")
    asked: list[tuple[int, str]] = []
    polls = iter([Poll(START + number * MINUTE, one) for number, one in enumerate(texts)])
    state = log.begin().state

    def follow(pct: int, why: str) -> Answer:
        asked.append((pct, why))
        return Answer(followed=True, text="")

    found = list(steer(polls, state, log, settings, baseline=profile, replays=replays, follow=follow))
    assert [one[1].action for one in found] == [RampAction.HOLD] * 3 + [RampAction.ROLL_BACK]
    assert f"{gate} is " in found[-1][1].reason
    assert [pct for pct, _ in asked] == [50, 0]
    again = recording(tmp_path / "later.jsonl", [exposition(9)])
    assert rollout(tmp_path, again, baseline) == 1
    assert [row["action"] for row in decisions(tmp_path)][-2:] == ["wait_for_approval", "followed"]
    assert main(["rollout", "--metrics", "x", "--log", str(tmp_path / "decisions.jsonl"), "--approve"]) == 0
    assert "begins again at 0 %" in capsys.readouterr().out
    assert log.begin().state.phase.value == "ramping"


def test_metrics_that_are_not_there_are_failed_polls(tmp_path, baseline, shadow_run) -> None:
    metrics = recording(tmp_path / "gone.jsonl", [exposition(0), None, None])
    assert rollout(tmp_path, metrics, baseline, "--replay", str(shadow_run)) == 1
    rows = [row for row in decisions(tmp_path) if row["action"] == "roll_back"]
    assert "failed in a row" in rows[-1]["reason"]


def test_a_text_that_cannot_be_read_is_a_failed_poll_and_not_the_end(tmp_path, baseline, shadow_run) -> None:
    metrics = recording(
        tmp_path / "torn.jsonl", [exposition(0), "millrace_quoting_x{ torn", "millrace_quoting_x{ torn"]
    )
    assert rollout(tmp_path, metrics, baseline, "--replay", str(shadow_run)) == 1
    assert "roll_back" in [row["action"] for row in decisions(tmp_path)]


def test_a_program_that_does_not_follow_is_told_of_and_asked_again(tmp_path, baseline, capsys) -> None:
    metrics = recording(tmp_path / "good.jsonl", [exposition(0), None, None, None])
    folder = tmp_path / "nobody"
    folder.mkdir()
    assert rollout(tmp_path, metrics, baseline, "--dir", str(folder), "--patience", "0.1") == 1
    assert capsys.readouterr().out.count("did NOT follow to 0 %") == 4
    actions = [row["action"] for row in decisions(tmp_path)]
    assert actions.count("not_followed") == 4, "asked again after the roll-back"
    assert actions[-2] == "wait_for_approval"


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ("http://example.org/metrics", "this machine only"),
        ("nothing.jsonl", "No such file"),
    ],
)
def test_what_cannot_be_read_is_2(tmp_path, baseline, metrics, told, capsys) -> None:
    assert rollout(tmp_path, metrics, baseline) == 2
    assert told in capsys.readouterr().err


def test_a_line_that_is_no_look_and_a_log_that_is_none_are_2(tmp_path, baseline, capsys) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"ts_ns": 1}\n')
    assert rollout(tmp_path, bad, baseline) == 2
    assert "line 1" in capsys.readouterr().err
    (tmp_path / "decisions.jsonl").write_text('{"state": {"step": "x"}}\n')
    assert rollout(tmp_path, bad, baseline) == 2
    assert "no decision of the ramp" in capsys.readouterr().err


def test_a_torn_last_line_of_the_log_does_not_count_and_nothing_is_overwritten(tmp_path) -> None:
    log = DecisionLog(tmp_path / "log.jsonl")
    log.approved(RampState(rollbacks=4), START)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b'{"ts_ns": 5, "st')
    state, notices = log.begin()
    assert state.rollbacks == 4
    assert notices
    log.approved(RampState(rollbacks=5), START)
    assert log.begin().state.rollbacks == 5


class CountingClock:
    """Every look at it takes `step_ns`."""

    def __init__(self) -> None:
        self.now_ns, self.step_ns = 0, 10_000

    def __call__(self) -> int:
        self.now_ns += self.step_ns
        return self.now_ns


def test_the_running_desk_climbs_by_its_own_figures_and_falls_when_its_stages_become_slow(tmp_path) -> None:
    """The controller reads what the desk counts, and the desk follows by its operator's word; all on fake clocks."""
    waived = "price size spread spread_floor guard_level blocked_side order_count side_order one_halted one_faulted"
    run = quote_run(quoting__symbols=4, quoting_rollout__start_pct=0, quoting_rollout__waived_mismatches=waived)
    clock = CountingClock()
    times = {path.value: TickTimes(clock, keep_samples=200) for path in QuotePath}
    run.desk.probe, run.desk.legacy_probe = times["pipeline"], times["legacy"]
    metrics = QuoteMetrics(
        run.desk.telemetry, times, {}, run.desk.venues, lambda _: {}, lambda _: run.simulation.executor.calls.batches
    )
    settings = RolloutSettings(
        dwell_min=10,
        poll_sec=600,
        shadow_agreement_pct=0.0,
        min_fills=0,
        markout_min_fills=1,
        slippage_bps=100.0,
        rejects_delta_points=100.0,
        markout_worse_bps=100.0,
        taker_share_pass_pct=100.0,
        partial_failures_pct=100.0,
    )
    exact = {name: {"p95": 0.01} for name in STAGES} | {"tick_total": {"p95": 0.07}}
    profile = profile_of({"budgets": exact}, "baseline")

    def follow(pct: int, reason: str) -> Answer:
        run.simulation.feed_event(Operator("quoting_ramp", {"pct": pct, "reason": reason}, run.simulation.now_ns))
        return Answer(followed=run.commands(Reply)[-1].ok, text="")

    def polls():
        for number in range(30):
            if run.desk.ramp.pct >= 50:
                clock.step_ns = 12_000
            run.run(30)
            samples = text(metrics.families()).decode()
            hours = "millrace_quoting_shadow_seconds 4000.0"
            seen = re.sub(r"(?m)^millrace_quoting_shadow_seconds \S+$", hours, samples)
            yield Poll(START + number * 600 * SECOND, seen)

    log = DecisionLog(tmp_path / "log.jsonl")
    found = list(steer(polls(), RampState(), log, settings, baseline=profile, replays=Replays(3, 0), follow=follow))
    climbed = [decision.pct for _, decision, _ in found if decision.action is RampAction.ADVANCE]
    assert climbed == [10, 25, 50], [one[1].reason for one in found]
    assert found[-1][1].action is RampAction.ROLL_BACK
    assert "stage_p95 is 20" in found[-1][1].reason
    assert run.desk.ramp.pct == 0
    assert all(one.paths.path is QuotePath.LEGACY for one in run.desk.symbols.values())


def test_the_controller_shows_its_gates_and_roll_backs(tmp_path, baseline, shadow_run) -> None:
    """quoting 9: rollout_gate_ok by gate, rollout_rollbacks_total; these are the controller's own to show."""
    shown = tmp_path / "controller.prom"
    bad = exposition(0, taker_share_pct=9.5)
    polls = recording(tmp_path / "polls.jsonl", [exposition(number) for number in range(12)] + [bad])
    rollout(tmp_path, polls, baseline, "--replay", str(shadow_run), "--metrics-file", str(shown))
    found = shown.read_text()
    assert 'millrace_quoting_rollout_gate_ok{gate="tick_p95"} 1.0' in found
    assert 'millrace_quoting_rollout_gate_ok{gate="taker_share"} 0.0' in found
    assert "millrace_quoting_rollout_rollbacks_total 0.0" in found
    polls = recording(tmp_path / "more.jsonl", [None, None])
    rollout(tmp_path, polls, baseline, "--metrics-file", str(shown))
    assert "millrace_quoting_rollout_rollbacks_total 1.0" in shown.read_text()


def test_the_first_poll_is_shown_before_the_second_is_waited_for(tmp_path) -> None:
    shown = tmp_path / "controller.prom"
    figures, state = RampFigures(RampState()), RampState()
    verdict = GateVerdict("tick_p95", GateState.PASS, 1.0, "<= 200")
    seen = []

    def polls():
        for number in range(2):
            yield state, RampDecision(START + number, RampAction.HOLD, 0, "", (verdict,)), ""
            seen.append(shown.read_text())

    given = Namespace(metrics_port=None, metrics_file=str(shown))
    with published(given, figures.families) as publish:
        _told(polls(), figures.decided, publish, as_json=True)
    assert [text.count('gate_ok{gate="tick_p95"} 1.0') for text in seen] == [1, 1]
