"""`millrace demo` and `millrace replay` from outside: a folder continued, tampered with, foreign, or not there."""

import io
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from msgspec import structs
from rich.console import Console

from command_line import QUICK_DEMO, files, millrace, process
from millrace.config.load import load_settings
from millrace.core.codec import decode_commands, encode_commands
from millrace.core.commands import Submit
from millrace.core.journal_format import HEADER_BYTES, Record, RecordKind, encode_record, read_segment
from millrace.shell.clock import WallClock
from millrace.shell.seals import SEALS
from millrace.world.demo import Demo
from millrace.world.demo_view import line, screen
from millrace.world.sitting import Frame

SEGMENT = "journal-000001.mrj"
PATIENCE_SEC = 30


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "run"
    said = millrace("demo", "--dir", folder, *QUICK_DEMO)
    assert said.code == 0
    return folder


@pytest.fixture
def run(played, tmp_path) -> Path:
    return Path(shutil.copytree(played, tmp_path / "run"))


def test_a_second_start_continues_the_first(run) -> None:
    said = millrace("demo", "--dir", run, "--json", *QUICK_DEMO)
    assert said.code == 0
    assert said.object["startup"]["restart"] is True
    replayed = millrace("replay", run, "--json")
    assert replayed.code == 0
    assert replayed.object["command_hash"] == said.object["command_hash"]


def test_the_farewell_says_how_to_go_on(run) -> None:
    said = millrace("demo", "--dir", run, *QUICK_DEMO)
    assert said.code == 0
    assert f"Continued in {run}" in said.out
    assert "orders stay on the book" in said.out
    assert f"millrace replay {run}" in said.out


def test_fresh_keeps_the_earlier_run_aside(run) -> None:
    before = {name: (run / name).read_bytes() for name in files(run)}
    said = millrace("demo", "--dir", run, "--fresh", "--json", *QUICK_DEMO)
    assert said.object["startup"]["restart"] is False
    aside = run.with_name("run.1")
    assert f"kept in {aside.resolve()}" in said.err
    assert {name: (aside / name).read_bytes() for name in files(aside)} == before


def test_other_settings_are_refused_and_named(run) -> None:
    said = millrace("demo", "--dir", run, *QUICK_DEMO, "--set", "slots.count=5")
    assert said.code == 2
    assert "slots.count differ" in said.err


@pytest.mark.parametrize("more", [(), ("--fresh",)])
def test_a_folder_with_other_files_is_left_alone(more, tmp_path) -> None:
    (tmp_path / "letters.txt").write_text("dear", encoding="utf-8")
    said = millrace("demo", "--dir", tmp_path, *QUICK_DEMO, *more)
    assert said.code == 2
    assert "holds other files and no run" in said.err
    assert list(files(tmp_path)) == ["letters.txt"]


def test_a_file_in_the_folders_place_is_a_usage_error(tmp_path) -> None:
    (tmp_path / "run").write_text("dear", encoding="utf-8")
    assert millrace("demo", "--dir", tmp_path / "run", *QUICK_DEMO).code == 2


def test_a_folder_that_cannot_be_made_is_a_failed_start() -> None:
    said = millrace("demo", "--dir", "/dev/null/run", "--json", *QUICK_DEMO)
    assert said.code == 3
    assert "/dev/null" in said.object["error"]


def test_a_missing_ledger_is_not_a_first_start(run) -> None:
    for path in run.glob("ledger.db*"):
        path.unlink()
    said = millrace("demo", "--dir", run, *QUICK_DEMO)
    assert said.code == 3
    assert "a missing ledger is not a first start" in said.err


@pytest.mark.parametrize("value", ["0", "-1", "nan", "1e9"])
def test_an_impossible_speed_is_refused(value, tmp_path) -> None:
    said = millrace("demo", "--dir", tmp_path / "run", f"--speed={value}")
    assert said.code == 2
    assert "--speed" in said.err
    assert not (tmp_path / "run").exists()


def test_a_flipped_byte_in_the_journal_is_refused_by_demo_and_replay(run) -> None:
    path = run / SEGMENT
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    for command in (("replay", run), ("demo", "--dir", run, *QUICK_DEMO)):
        said = millrace(*command)
        assert said.code == 3
        assert f"{SEGMENT}: a record is damaged" in said.err
    assert path.read_bytes() == data


def test_a_torn_tail_is_cut_with_a_notice(run) -> None:
    path = run / SEGMENT
    os.truncate(path, path.stat().st_size - 5)
    said = millrace("replay", run)
    assert said.code == 0
    assert "record torn at byte" in said.err


def test_a_changed_command_is_found_and_shown(run) -> None:
    path = run / SEGMENT
    data = path.read_bytes()
    parts, changed = [data[:HEADER_BYTES]], None
    for record in read_segment(data, SEGMENT, last=True):
        assert isinstance(record, Record)
        payload = record.payload
        commands = decode_commands(payload) if record.kind is RecordKind.COMMANDS and changed is None else []
        for place, command in enumerate(commands):
            if isinstance(command, Submit):
                order = structs.replace(command.order.order, lots=command.order.order.lots + 1)
                commands[place] = Submit(structs.replace(command.order, order=order))
                payload, changed = encode_commands(commands), (record.seq, place + 1)
                break
        parts.append(encode_record(record.kind, record.seq, record.ts_ns, payload))
    path.write_bytes(b"".join(parts))
    assert changed is not None
    said = millrace("replay", run)
    assert said.code == 3
    assert f"{SEGMENT} was exchanged or edited" in said.err
    (run / SEALS).unlink()
    said = millrace("replay", run)
    assert said.code == 1
    assert f"diverged at event {changed[0]}, command {changed[1]}\n" in said.out
    assert "\n  recorded  Submit(" in said.out
    assert "\n  replayed  Submit(" in said.out
    found = millrace("replay", run, "--json")
    assert found.code == 1
    assert found.object["divergence"]["seq"] == changed[0]


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda _: None])
def test_replay_of_what_is_no_run_is_a_usage_error(make, tmp_path) -> None:
    make(tmp_path / "thing")
    said = millrace("replay", tmp_path / "thing", "--json")
    assert said.code == 2
    assert "holds no run" in said.object["error"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_wish_to_stop_ends_a_demo_cleanly(number, tmp_path) -> None:
    asked = process("demo", "--dir", "run", "--set", "slots.count=4", "--speed", "4000", folder=tmp_path)
    while not (tmp_path / "run" / SEGMENT).exists():
        assert asked.poll() is None
    asked.stdout.readline()
    asked.send_signal(number)
    out, err = asked.communicate(timeout=PATIENCE_SEC)
    assert asked.returncode == 0, err
    assert "Command hash" in out
    assert "Traceback" not in err
    assert millrace("replay", tmp_path / "run").code == 0


def test_a_reader_who_leaves_is_no_failure(tmp_path) -> None:
    gone = process("config", "explain", folder=tmp_path)
    gone.stdout.close()
    assert gone.stderr.read() == ""
    gone.stderr.close()
    assert gone.wait(PATIENCE_SEC) == 0


def test_json_of_a_demo_is_one_object_and_notices_go_elsewhere(tmp_path) -> None:
    said = process("demo", "--dir", "run", "--json", *QUICK_DEMO, folder=tmp_path)
    out, err = said.communicate(timeout=PATIENCE_SEC)
    assert said.returncode == 0
    assert json.loads(out)["directory"] == "run"
    assert "millrace: info: sticky" in err


def test_a_demo_without_a_terminal_prints_lines(tmp_path) -> None:
    said = process("demo", "--dir", "run", *QUICK_DEMO, folder=tmp_path)
    out, _ = said.communicate(timeout=PATIENCE_SEC)
    first = out.splitlines()[0]
    assert first.startswith("2026-01-01 ")
    assert all(word in first for word in ("price", "against holding", "orders", "TRADING"))
    assert "\x1b" not in out


@pytest.fixture(scope="module")
def last_frame(tmp_path_factory) -> Frame:
    frames: list[Frame] = []
    settings = load_settings(profile="demo")
    Demo(settings, tmp_path_factory.mktemp("screen") / "run", WallClock()).play(20_000.0, 0.6, frames.append)
    return frames[-1]


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 40), (200, 50)])
def test_the_screen_fits_its_terminal(size, last_frame) -> None:
    width, height = size
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, record=True)
    console.print(screen(last_frame, width, height), height=height)
    lines = console.export_text().splitlines()
    assert (len(lines), max(map(len, lines))) == (height, width)
    shown = "\n".join(lines)
    for words in ("TRADING", "slots", "aggregate", "bullish_B", "newest fills", "vs holding", "Ctrl-C stops"):
        assert words in shown
    assert ("│  61 " in shown, "│  71 " in shown) == (True, width < 160)


def test_a_restricted_grid_says_so_first(last_frame) -> None:
    status = last_frame.status | {"mode": "REDUCE_ONLY", "pause_reason": ["daily_loss_lock"]}
    assert "PAUSED (daily loss lock): exits may leave" in line(structs.replace(last_frame, status=status))
    status = last_frame.status | {"mode": "HALT", "pause_reason": ["operator_halt"]}
    assert "HALT (operator halt): cancels only" in line(structs.replace(last_frame, status=status))
    status = last_frame.status | {"price_age_sec": 75.0}
    assert "WAITING: last price 75 s old, limit 60 s" in line(structs.replace(last_frame, status=status))


def test_usage_errors_keep_to_json(tmp_path) -> None:
    for words in (("demo", "--speed", "fast"), ("backtest", "slots"), ("replay",), ("nonsense",)):
        said = millrace(*words, "--json")
        assert (said.code, said.object["exit_code"]) == (2, 2)
        said = millrace(*words)
        assert said.code == 2
        assert said.out == ""
        assert "usage: millrace" in said.err


def test_no_command_prints_help_and_is_a_usage_error() -> None:
    said = millrace()
    assert said.code == 2
    assert "backtest" in said.out


def test_a_doctor_with_a_bad_recording_is_a_domain_failure(tmp_path) -> None:
    said = millrace("doctor", "--dir", tmp_path, "--data", tmp_path / "none.csv", "--json")
    assert said.code == 1
    assert said.object["verdict"] == "fail"


def test_the_module_runs_as_a_program(tmp_path) -> None:
    done = process("--version", folder=tmp_path, stderr=subprocess.STDOUT)
    assert done.communicate(timeout=PATIENCE_SEC)[0].strip() == "0.1.0"
