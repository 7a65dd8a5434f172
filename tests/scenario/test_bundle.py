"""Incident bundles: they replay elsewhere, hold no secret, and come by themselves when a bug was caught (runtime 2.21)."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from command_line import QUICK_DEMO, files, millrace
from demo_runs import MINUTE, as_killed, open_run
from millrace.core.clock import SimulatedClock
from millrace.core.commands import Alert, Severity
from millrace.core.events import Operator, Timer
from millrace.core.failure import OperatorError, WorldError
from millrace.shell.bundle_file import read_members, unpacked
from millrace.shell.code_version import code_version
from millrace.shell.journal import Journal, read_journal
from millrace.world.afterwards.bundle import make_bundle
from millrace.world.afterwards.incidents import APART_NS, INCIDENTS, MOST, Incidents
from millrace.world.afterwards.replay import replay, step_again
from source_tree import REPOSITORY

IN_CONFIG, IN_ENVIRONMENT, IN_TEXT = "cfg-S3cret/with+odd=chars", "env-S3cret-0123456789", "txt-S3cret-hunter2"


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files(folder)}


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Path:
    """Return a run of 80 minutes with a snapshot every ten, in which somebody wrote secrets."""
    run = open_run(tmp_path_factory.mktemp("bundle") / "run")
    for number in range(8):
        run.simulation.run_until(run.simulation.now_ns + 10 * MINUTE)
        if number in {0, 6}:
            said = f"token={IN_TEXT} {IN_CONFIG} then {IN_ENVIRONMENT}"
            run.simulation.feed_event(Operator("pause", {"reason": said}, run.simulation.now_ns))
            run.simulation.feed_event(Operator("unheard", {"note": said}, run.simulation.now_ns))
            run.simulation.feed_event(Operator("resume", {}, run.simulation.now_ns))
        run.snapshot()
    run.close()
    return run.folder


@pytest.fixture
def secrets(monkeypatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("KRAKEN_API_KEY", IN_ENVIRONMENT)
    config = tmp_path / "secrets.toml"
    config.write_text(f'[venue]\napi_secret = "{IN_CONFIG}"\n', encoding="utf-8")
    return config


def test_a_bundle_begins_at_the_snapshot_before_its_minutes_and_replays_to_the_same_hash(played, tmp_path) -> None:
    before = contents(played)
    said = millrace("bundle", played, "--out", tmp_path / "b.zip", "--json")
    assert (said.code, said.object["replays"]) == (0, True)
    assert contents(played) == before, "a bundle only reads"
    info, whole = said.object, list(read_journal(played))
    first = next(step for step in whole if step.event.ts_ns >= whole[-1].event.ts_ns - 15 * MINUTE)
    assert info["window_seq"] == first.seq
    assert 0 < info["after_seq"] < first.seq
    assert info["last_seq"] == whole[-1].seq
    with unpacked(tmp_path / "b.zip") as folder:
        assert Journal(folder).last_seq == whole[-1].seq, "a valid journal by itself"
        assert [step.seq for step in read_journal(folder)] == list(range(info["after_seq"] + 1, whole[-1].seq + 1))
    result = replay(tmp_path / "b.zip")
    assert result.divergence is None
    assert 0 < result.events < len(whole)
    told = millrace("replay", tmp_path / "b.zip")
    assert told.code == 0
    assert "all the same" in told.out
    members = read_members(tmp_path / "b.zip")
    ledger, board = json.loads(members["ledger.json"]), json.loads(members["board.json"])
    assert ledger["positions"]
    assert all(row["live"] or row["updated_ns"] >= info["window_ns"] for row in ledger["orders"])
    assert all(row["ts_ns"] >= info["window_ns"] for row in ledger["fills"])
    assert board["now"] == [] == [move for move in board["moves"] if move["ts_ns"] < info["window_ns"] - 6 * MINUTE]
    assert any("post" in move["command"].values() for move in board["moves"])
    assert json.loads(members["status.json"])["slots"]["mode"]
    assert info["versions"]["millrace"] == code_version()
    assert "millrace replay b.zip" in members["README.txt"].decode()


def test_the_same_run_gives_the_same_bytes(played, tmp_path) -> None:
    for name in ("1/b.zip", "2/b.zip"):
        make_bundle(played, tmp_path / name, [])
    assert (tmp_path / "1/b.zip").read_bytes() == (tmp_path / "2/b.zip").read_bytes()


def test_without_snapshots_the_whole_journal_is_packed(played, tmp_path) -> None:
    run = Path(shutil.copytree(played, tmp_path / "run"))
    for path in run.glob("snapshot-*"):
        path.unlink()
    info = make_bundle(run, tmp_path / "b.zip", [], minutes=60)
    assert (info.after_seq, info.replays) == (0, True)
    result = replay(tmp_path / "b.zip")
    assert (result.divergence, result.events) == (None, replay(played).events)
    with unpacked(tmp_path / "b.zip") as folder:
        assert json.loads(read_members(tmp_path / "b.zip")["ledger.json"])["fills"]
        assert [step.seq for step in read_journal(folder)] == [step.seq for step in read_journal(played)]


@pytest.mark.parametrize("minutes", [1, 15, 10_000])
def test_no_known_secret_is_in_any_byte(played, secrets, tmp_path, minutes) -> None:
    """Runtime 2.21 rule 7, 2.24 A3."""
    seeded = b"".join(contents(played).values())
    for secret in (IN_CONFIG, IN_ENVIRONMENT, IN_TEXT):
        assert secret.encode() in seeded, "the run must hold what the bundle must not"
    out = tmp_path / "b.zip"
    said = millrace("bundle", played, "--out", out, "--config", secrets, "--minutes", minutes, "--json")
    assert (said.code, said.object["replays"]) == (0, True)
    assert (said.object["redacted"] >= 1) == (minutes > 1)
    with zipfile.ZipFile(out) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for data in (out.read_bytes(), *members.values(), *(name.encode() for name in members)):
        for secret in (IN_CONFIG, IN_ENVIRONMENT, IN_TEXT):
            assert secret.encode() not in data
    assert replay(out).divergence is None


def test_a_secret_that_cannot_be_taken_out_stops_the_bundle(played, tmp_path) -> None:
    with pytest.raises(WorldError, match="a known secret stands in"):
        make_bundle(played, tmp_path / "b.zip", ["README.txt"])
    assert not (tmp_path / "b.zip").exists()


def test_a_bundle_of_a_running_and_of_a_killed_program(tmp_path) -> None:
    run = open_run(tmp_path / "run")
    run.simulation.run_until(run.simulation.now_ns + 20 * MINUTE)
    live = make_bundle(run.folder, tmp_path / "live.zip", [])
    killed = make_bundle(as_killed(run, tmp_path / "killed"), tmp_path / "killed.zip", [])
    assert live.replays
    assert killed.replays
    assert live.last_seq == killed.last_seq > 100
    torn = tmp_path / "killed" / "journal-000001.mrj"
    os.truncate(torn, torn.stat().st_size - 3)
    assert make_bundle(tmp_path / "killed", tmp_path / "torn.zip", []).replays
    run.simulation.run_until(run.simulation.now_ns + 20 * MINUTE)
    run.close()
    assert replay(run.folder).divergence is None


def test_a_backtests_folder_has_no_ledger_and_says_so(played, tmp_path) -> None:
    run = Path(shutil.copytree(played, tmp_path / "run"))
    (run / "ledger.db").unlink()
    make_bundle(run, tmp_path / "b.zip", [])
    assert json.loads(read_members(tmp_path / "b.zip")["ledger.json"]) == {"error": "there is no ledger"}
    (run / "ledger.db").write_bytes(b"no ledger at all" * 300)
    make_bundle(run, tmp_path / "c.zip", [])
    assert "cannot be read" in json.loads(read_members(tmp_path / "c.zip")["ledger.json"])["error"]


def test_what_is_no_run_and_no_bundle_is_refused(played, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no run" in millrace("bundle", tmp_path / "empty").err
    out = tmp_path / "b.zip"
    assert millrace("bundle", played, "--minutes", "-1").code == 2
    assert millrace("bundle", played, "--out", out).code == 0
    again = millrace("bundle", played, "--out", out)
    assert (again.code, "exists" in again.err) == (2, True)
    text = tmp_path / "text"
    text.write_text("no zip")
    assert "is no bundle" in millrace("replay", text).err
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(OperatorError, match=r"no bundle: there is no bundle\.json"):
        replay(tmp_path / "other.zip")


def test_a_damaged_bundle_is_refused_and_nothing_is_unpacked_outside(played, tmp_path) -> None:
    out = tmp_path / "b.zip"
    make_bundle(played, out, [])
    data = bytearray(out.read_bytes())
    with zipfile.ZipFile(out) as archive:
        largest = max(archive.infolist(), key=lambda info: info.compress_size)
    # Within a member's data: a bit of a header may be one that nothing rests on, a time or a version.
    data[largest.header_offset + len(largest.filename) + largest.compress_size // 2] ^= 1
    (tmp_path / "bad.zip").write_bytes(data)
    with pytest.raises(WorldError, match=r"bad\.zip is damaged"):
        replay(tmp_path / "bad.zip")
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("run/../../escaped.mrj", "x")
        archive.writestr("/run/escaped.mrj", "x")
    with unpacked(out) as folder:
        assert not list(folder.parent.glob("escaped*"))
    assert replay(out).divergence is None


def test_a_bundle_that_lost_its_snapshot_or_an_event_is_refused(played, tmp_path) -> None:
    make_bundle(played, tmp_path / "b.zip", [])
    with unpacked(tmp_path / "b.zip") as folder:
        for path in folder.glob("snapshot-*"):
            path.unlink()
        with pytest.raises(WorldError, match="the journal begins with event"):
            step_again(folder)


# By itself


class Wall(SimulatedClock):
    def __init__(self) -> None:
        super().__init__()
        self.wall_ns = 10**18

    def now_ns(self) -> int:
        return self.wall_ns


def test_a_caught_bug_makes_one_bundle_in_ten_minutes_and_not_too_many(tmp_path) -> None:
    run, clock = open_run(tmp_path / "run"), Wall()
    run.simulation.run_until(run.simulation.now_ns + 5 * MINUTE)
    incidents = Incidents(run.folder, clock, run.simulation.sequencer)
    assert incidents.keep() == ""
    bug = [Alert(Severity.PAGE, "core_exception", "Print: ValueError in X", 1)]
    incidents.step(Timer(1), bug)
    assert "core_exception: Print: ValueError in X: replay it with `millrace replay " in incidents.keep()
    assert incidents.keep() == "", "one alert, one bundle"
    clock.wall_ns += APART_NS - 1
    again = Incidents(run.folder, clock, run.simulation.sequencer)  # a program that was started anew
    again.step(Timer(1), bug)
    assert "no second bundle within ten minutes" in again.keep()
    clock.wall_ns += 1
    again.step(Timer(1), bug)
    assert "replay it with" in again.keep()
    made = sorted((run.folder / INCIDENTS).iterdir())
    assert len(made) == 2
    assert replay(made[0]).divergence is None
    for number in range(MOST - 2):
        shutil.copy(made[0], made[0].with_name(f"incident-{number:020}.zip"))
    clock.wall_ns += APART_NS
    again.step(Timer(1), bug)
    assert f"holds {MOST}; move them away" in again.keep()
    run.close()


def checkout(folder: Path) -> dict[str, str]:
    """Return the environment of a copy of the source in which fills of the grid meet a bug."""
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "src" / "millrace" / "strategies" / "slots" / "reducer" / "fills.py"
    text = path.read_text(encoding="utf-8")
    planted = re.sub(
        r"(def \w+\([^)]*\)[^:]*:\n    \"\"\"(?:.|\n)*?\"\"\"\n)",
        r"\1    raise LookupError('planted')\n",
        text,
        count=1,
    )
    assert planted != text
    path.write_text(planted, encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE")}
    return environ | {"PYTHONPATH": str(folder / "src")}


def test_the_bundle_of_a_crash_crashes_again_in_a_clean_checkout(tmp_path) -> None:
    """Runtime 2.21 A4."""
    environ = checkout(tmp_path / "there")
    command = [sys.executable, "-m", "millrace.cli"]
    words = [*command, "demo", "--dir", str(tmp_path / "run"), *QUICK_DEMO, "--seconds", "4"]
    done = subprocess.run(words, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    bundles = list((tmp_path / "run" / INCIDENTS).iterdir())
    assert len(bundles) == 1, done.stdout
    shutil.copy(bundles[0], tmp_path / "b.zip")
    shutil.rmtree(tmp_path / "run")
    environ = checkout(tmp_path / "here") | {"PYTHONHASHSEED": "77"}
    done = subprocess.run(
        [*command, "replay", str(tmp_path / "b.zip"), "--json"],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["divergence"] is None
    assert result["notices"] == [], "the same code"
    assert any("LookupError: planted (fills.py:" in fault for fault in result["faults"])
    assert "LookupError: planted" in read_members(tmp_path / "b.zip")["README.txt"].decode()
