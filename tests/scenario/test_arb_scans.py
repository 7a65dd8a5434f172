"""Scans in a running program: asked for by the desk, answered as events, in a simulation and by real processes."""

from time import monotonic, sleep

from millrace.config.load import load_settings
from millrace.core.binary_events import LaneScanned, LaneStatus
from millrace.core.commands import Book, Scan
from millrace.shell.clock import WallClock
from millrace.shell.metrics import Metrics
from millrace.world.arb import run as arb_run
from millrace.world.arb.desk import BEGINS_NS, desk_markets
from millrace.world.arb.run import assemble_desk, start_desk
from millrace.world.arb.scans import join_scans

MINUTE = 60 * 10**9


def settings_of(**changed):
    overrides = {"arb.enabled": True, "slots.enabled": False, "prediction.markets": 40, "arb_combo.components": 8}
    return load_settings(profile="demo", overrides={**overrides, **changed})


class Heard:
    """What a run asked for, heard and booked."""

    def __init__(self, run):
        self.asked, self.answers, self.rows = [], [], []
        run.simulation.sequencer.listen(self.step)

    def step(self, event, commands):
        if isinstance(event, LaneScanned):
            self.answers.append(event)
        self.asked += [command for command in commands if isinstance(command, Scan)]
        self.rows += [command for command in commands if isinstance(command, Book) and command.kind == "arb_combo"]


def run_of(settings, minutes):
    run = assemble_desk(settings, desk_markets(settings), BEGINS_NS)
    heard = Heard(run)
    start_desk(settings, run, BEGINS_NS - 1)
    run.simulation.run_until(BEGINS_NS + minutes * MINUTE)
    assert run.program.engine.fault is None
    return run, heard


def test_a_simulated_run_hears_of_each_scan_that_it_asked_for_and_comes_to_the_same_end_again() -> None:
    run, heard = run_of(settings_of(), 6)
    assert len(heard.asked) >= 6
    assert [event.scan for event in heard.answers] == [scan.scan for scan in heard.asked][: len(heard.answers)]
    assert len(heard.answers) >= len(heard.asked) - 1
    assert {event.status for event in heard.answers} <= {LaneStatus.DONE, LaneStatus.LATE}
    assert all(
        20_000_000 <= event.ts_ns - scan.ts_ns <= 400_000_000
        for scan, event in zip(heard.asked, heard.answers, strict=False)
    )
    assert run.program.desk.scans.status(0)["proved"] == len(heard.rows)
    again, _ = run_of(settings_of(), 6)
    assert again.program.engine.command_hash == run.program.engine.command_hash


def test_nothing_is_scanned_where_the_lane_is_off() -> None:
    _, heard = run_of(settings_of(**{"arb_combo.reporting": False}), 3)
    assert (heard.asked, heard.answers) == ([], [])


def test_a_real_process_answers_as_an_event(monkeypatch) -> None:
    monkeypatch.setattr(arb_run, "join_here", lambda *_: None)
    settings = settings_of(**{"arb_combo.processes": True})
    run = assemble_desk(settings, desk_markets(settings), BEGINS_NS)
    heard = Heard(run)
    scans = join_scans(settings, run.program, run.simulation, WallClock(), Metrics())
    try:
        start_desk(settings, run, BEGINS_NS - 1)
        run.simulation.run_until(BEGINS_NS + MINUTE // 2)
        (asked,) = heard.asked
        until = monotonic() + 30.0
        while not heard.answers and monotonic() < until:
            sleep(0.02)
            for event in scans.come():
                run.simulation.feed_event(event)
    finally:
        scans.close()
    (answer,) = heard.answers
    assert (answer.scan, answer.status, answer.text) == (asked.scan, LaneStatus.DONE, "")
    assert answer.ts_ns == run.simulation.now_ns
