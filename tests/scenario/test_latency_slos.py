"""A venue that answers late is traded less, alone, and no longer than it is late (runtime 2.11, A1 to A3)."""

from pathlib import Path

import pytest

import toy_desk
from demo_runs import MINUTE, SECOND, as_killed, open_run
from millrace.core.commands import Command, Lift, Post, Refuse, Submit
from millrace.core.events import Event, Measured
from millrace.core.ids import SubPosition
from millrace.core.instrument import whole_account
from millrace.core.permission import Level
from millrace.risk.latency_guard import slow_id
from millrace.sim.prediction.settings import Luck
from millrace.world.afterwards.replay import replay
from millrace.world.folder.run_folder import Run

BOTH = {
    "slo.prediction_ack_ms": 300,
    "arb.enabled": True,
    "prediction.calls_per_sec": 20,
    "prediction.kalshi_usd": 1e5,
    "prediction.polymarket_usd": 1e5,
    **{f"arb_exposure.{scope}_usd": 1e6 for scope in ("total", "venue", "category", "market")},
    **{f"arb_exposure.{scope}_share": 1.0 for scope in ("venue", "category")},
    **{f"arb_exposure.{many}": 10_000 for many in ("positions", "lane_positions", "family_positions")},
    "arb_exposure.cluster_positions": 10_000,
}
SLOW, QUICK = "kalshi", "polymarket"


@pytest.fixture(autouse=True)
def _toy(monkeypatch) -> None:
    toy_desk.install(monkeypatch)
    monkeypatch.setattr(toy_desk, "EVERY", 1)
    monkeypatch.setattr(Luck, "travel_ns", lambda *_: 50_000_000)


class Late:
    """The run with a way to let one venue's answers come late, and what was posted and lifted when."""

    def __init__(self, folder: Path) -> None:
        self.run = open_run(folder, BOTH)
        self.late_ns = 0
        self.board: list[tuple[int, Command]] = []
        self.measured: list[Measured] = []
        self.sent: list[tuple[int, str]] = []
        line = self.run.prediction[SLOW].line
        push = line.push

        def pushed(ts_ns: int, kind: str, payload: object) -> None:
            push(ts_ns + (self.late_ns if kind in {"event", "refusal", "answer"} else 0), kind, payload)

        line.push = pushed
        self.run.simulation.sequencer.listen(self.listen)

    def listen(self, event: Event, commands: list[Command]) -> None:
        if isinstance(event, Measured):
            self.measured.append(event)
        for command in commands:
            if isinstance(command, Post | Lift):
                self.board.append((event.ts_ns, command))
            elif isinstance(command, Submit):
                self.sent.append((event.ts_ns, command.order.order.instrument.venue))

    @property
    def now_ns(self) -> int:
        return self.run.simulation.now_ns

    def live(self, seconds: float) -> None:
        self.run.simulation.run_until(self.now_ns + round(seconds * SECOND))

    def until(self, venue: str, level: Level, most_sec: int) -> float:
        """Let time pass until the venue stands at this level; returns the seconds that took, failing after `most_sec`."""
        began_ns = self.now_ns
        while standing(self.run, venue).level is not level:
            assert self.now_ns - began_ns < most_sec * SECOND, self.run.program.latency.status(self.run.program.engine)
            self.live(0.5)
        return (self.now_ns - began_ns) / SECOND


def standing(run: Run, venue: str):
    return run.program.engine.board.standing_of(SubPosition("arb", whole_account(venue), "", ""))


def test_a1_a_venue_600_ms_late_is_throttled_alone_within_20_s_and_released_within_45_s(tmp_path: Path) -> None:
    late = Late(tmp_path / "run")
    late.live(120)
    assert not late.board, "a healthy run posts nothing"
    assert not [one for one in late.measured if one.name.startswith("slo")], "and publishes nothing"
    late.late_ns = 600_000_000
    assert late.until(SLOW, Level.CAUTION, 20) <= 20
    assert standing(late.run, SLOW).multiplier == 0.5
    assert standing(late.run, QUICK).level is Level.OPEN, "the other venue is untouched"
    late.live(5)
    late.late_ns = 0
    assert late.until(SLOW, Level.OPEN, 45) <= 45
    late.live(120)
    assert standing(late.run, SLOW).level is Level.OPEN, "old samples do not throttle anew"
    posted = {command.restriction.id for _, command in late.board if isinstance(command, Post)}
    lifted = {command.restriction_id for _, command in late.board if isinstance(command, Lift)}
    assert posted == lifted == {slow_id(SLOW)}
    late.run.close()
    assert replay(tmp_path / "run").divergence is None


def test_six_breaches_let_no_taker_leave_there_and_a_restart_remembers(tmp_path: Path) -> None:
    late = Late(tmp_path / "run")
    late.live(60)
    late.late_ns = 600_000_000
    late.until(SLOW, Level.CAUTION, 20)
    refused: list[Refuse] = []
    late.run.simulation.sequencer.listen(
        lambda _, commands: refused.extend(one for one in commands if isinstance(one, Refuse))
    )
    late.live(30)
    late.sent.clear()
    late.live(10)
    venues = {venue for _, venue in late.sent}
    assert QUICK in venues
    assert SLOW not in venues, "takers leave for the quick venue alone"
    assert any("latency_slo" in one.reasons for one in refused)
    late.run.snapshot()
    again = open_run(as_killed(late.run, tmp_path / "copy"), BOTH)
    assert standing(again, SLOW).level is Level.CAUTION
    again.simulation.run_until(again.simulation.now_ns + MINUTE)
    assert standing(again, SLOW).level is Level.OPEN, "the venue is quick again and nothing else says so"
    again.close()


def test_a3_a_breach_and_then_silence_releases(tmp_path: Path, monkeypatch) -> None:
    """The desk sends nothing any more; one question a second shows that the venue answers in time again."""
    late = Late(tmp_path / "run")
    late.live(60)
    late.late_ns = 600_000_000
    late.until(SLOW, Level.CAUTION, 20)
    monkeypatch.setattr(toy_desk, "EVERY", 10**9)
    late.late_ns = 0
    late.sent.clear()
    assert late.until(SLOW, Level.OPEN, 45) <= 45
    assert SLOW not in {venue for _, venue in late.sent}, "what was asked released it, not what was traded"
    late.run.close()


def test_one_late_answer_never_throttles(tmp_path: Path) -> None:
    """A2 through the program: one sample of a minute is 10 s late."""
    late = Late(tmp_path / "run")
    late.live(60)
    late.late_ns = 1_900_000_000
    late.live(1)
    late.late_ns = 0
    late.live(90)
    assert not late.board
    late.run.close()
