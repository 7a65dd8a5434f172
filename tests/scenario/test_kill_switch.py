"""Kills reach the running program from a file, the environment and a request, and outlive a kill -9 (2.1 A3, 2.17)."""

from pathlib import Path

from command_line import QUICK_DEMO, millrace
from demo_runs import MINUTE, as_killed, open_run
from millrace.core.commands import Command, Submit
from millrace.core.events import Event, Operator
from millrace.core.permission import Level
from millrace.shell.kill_file import kills_of_environment
from millrace.world.afterwards.replay import replay
from millrace.world.folder.run_folder import Run


class Sends:
    """Counts the orders that leave."""

    def __init__(self, run: Run) -> None:
        self.count = 0
        run.simulation.sequencer.listen(self.step)

    def step(self, event: Event, commands: list[Command]) -> None:
        self.count += sum(isinstance(command, Submit) for command in commands)


def level(run: Run) -> Level:
    return run.program.engine.standing("slots", run.program.instrument.id).level


def clear(run: Run, restriction_id: str) -> None:
    args = {"id": restriction_id, "operator": "ann", "reason": "understood"}
    run.simulation.feed_event(Operator("clear", args, run.simulation.now_ns))


def pass_time(run: Run, minutes: int) -> int:
    """Return how many orders left meanwhile; the kill file is looked at each minute, as in a demo."""
    sends = Sends(run)
    for _ in range(minutes):
        run.heed_kills()
        run.simulation.run_until(run.simulation.now_ns + MINUTE)
    return sends.count


def test_a_kill_file_stops_new_orders_until_a_person_clears_it_and_survives_a_kill_9(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run")
    assert pass_time(run, 10) > 0
    (tmp_path / "run" / "KILL").write_text("strategy:slots")
    open_orders = run.program.engine.live_orders(run.program.instrument.id)
    run.heed_kills()
    assert (level(run), pass_time(run, 30)) == (Level.HALT, 0)
    assert run.program.engine.live_orders(run.program.instrument.id) > 0 < open_orders, "grid orders stay on the book"
    (tmp_path / "run" / "KILL").unlink()
    assert (level(run), pass_time(run, 5)) == (Level.HALT, 0)
    run = open_run(as_killed(run, tmp_path / "again"))
    assert (level(run), pass_time(run, 30)) == (Level.HALT, 0)
    clear(run, "kill/file/strategy:slots")
    assert level(run) is Level.OPEN
    assert pass_time(run, 120) > 0
    run.close()
    assert replay(tmp_path / "again").divergence is None


def test_flatten_takes_the_orders_off_the_book(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run")
    pass_time(run, 10)
    assert run.program.engine.live_orders(run.program.instrument.id) > 0
    assert millrace("kill", "--flatten", "--dir", tmp_path / "run").code == 0
    pass_time(run, 10)
    assert run.program.engine.live_orders(run.program.instrument.id) == 0
    run.close()
    assert replay(tmp_path / "run").divergence is None


def test_a_kill_that_stands_at_the_start_comes_before_the_first_order(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", kills=kills_of_environment({"MILLRACE_KILL": "market:kraken:DOGE/USD"}))
    assert (level(run), pass_time(run, 30)) == (Level.HALT, 0)
    run.close()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "KILL").touch()
    run = open_run(tmp_path / "other")
    assert level(run) is Level.HALT
    clear(run, "kill/file/global")
    run.heed_kills()
    assert level(run) is Level.HALT, "while the file stands the kill comes back"
    run.close()


def test_the_command_writes_the_file_and_names_the_way_back(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "run"
    assert millrace("kill", "--dir", folder).code == 2
    folder.mkdir()
    assert "krakn is no scope" in millrace("kill", "krakn", "--dir", folder).err
    said = millrace("kill", "venue:kraken", "--dir", folder)
    assert (folder / "KILL").read_text() == "venue:kraken\n"
    assert "ask clear id=kill/file/venue:kraken" in said.out
    monkeypatch.setenv("MILLRACE_KILL", "lane:slots")
    shown = millrace("demo", "--json", "--dir", tmp_path / "demo", *QUICK_DEMO).object
    assert shown["status"]["mode"] == "HALT"
    assert shown["status"]["pause_reason"] == ["kill_switch"]
