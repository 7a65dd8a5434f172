"""`millrace reload` and a demo in a process of its own: the change holds through kill -9 and a start (runtime 1.4)."""

import json
import os
import signal
import time
from pathlib import Path

from command_line import millrace, process

PATIENCE_SEC = 60.0
SMALL = ("--set", "arb.enabled=false", "--set", "quoting.enabled=false", "--set", "slots.count=4")


def wait_for(folder: Path) -> None:
    until = time.monotonic() + PATIENCE_SEC
    while time.monotonic() < until:
        if millrace("ask", "restrictions", "--dir", folder, "--json").code == 0:
            return
    raise AssertionError("the demo does not answer")


def test_a_file_is_applied_shown_read_back_and_kept(tmp_path: Path) -> None:
    folder, file = tmp_path / "run", tmp_path / "new.toml"
    file.write_text("[slots]\nentry_pct = 0.35\n")
    demo = process("demo", "--dir", folder, "--speed", "60", "--seconds", "300", *SMALL, folder=tmp_path)
    try:
        wait_for(folder)
        shown = millrace("reload", "--dir", folder, "--config", file, "--dry-run")
        assert shown.code == 0
        assert "this would change" in shown.out
        assert millrace("reload", "--dir", folder, "--set", "slots.entry_pct=near").code == 2
        assert millrace("reload", "--dir", folder, "--set", "run.seed=2").code == 1
        done = millrace("reload", "--dir", folder, "--config", file, "--json")
        assert done.code == 0
        assert done.object["data"]["in_use"] == {"slots.entry_pct": 0.35}
        again = millrace("reload", "--dir", folder, "--config", file)
        assert "nothing to change" in again.out
    finally:
        os.kill(demo.pid, signal.SIGKILL)
        demo.communicate()
    said = millrace("demo", "--dir", folder, "--speed", "60", "--seconds", "0.5", "--json", *SMALL)
    assert said.code == 0
    notices = said.object["startup"]["notices"]
    assert any(text.startswith("slots.entry_pct = 0.35 was set while the program ran and stays") for text in notices)
    replayed = json.loads(millrace("replay", folder, "--json").out)
    assert replayed["command_hash"] == said.object["command_hash"]


def test_nobody_to_ask_and_nothing_to_ask_for(tmp_path: Path) -> None:
    assert millrace("reload", "--dir", tmp_path / "none", "--set", "slots.entry_pct=0.3").code == 2
    assert millrace("reload", "--dir", tmp_path).code == 2
