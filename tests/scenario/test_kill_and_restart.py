"""`kill -9` in the middle of a demo, start again, many times (issue 2, Shown by; runtime 2.16).

MILLRACE_KILLS says how many times (4 where it is not set), MILLRACE_KILL_SEED draws other moments.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from millrace.world.afterwards.audit import audit

KILLS = int(os.environ.get("MILLRACE_KILLS", "4"))
SEED = int(os.environ.get("MILLRACE_KILL_SEED", "1"))
SETTINGS = {
    "slots.refresh_pct": "0.1",
    "slots.entry_pct": "0.05",
    "slots.max_entry_adds_per_loop": "4",
    "venue.participation": "0.02",
    "sizer.enabled": "true",
    "sizer.shadow": "false",
    "prediction.markets": "120",
    "prediction.plants_per_hour": "300",
}


def demo(folder: Path, speed: float, seconds: float) -> subprocess.Popen[str]:
    chosen = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    return subprocess.Popen(
        [
            sys.executable, "-m", "millrace.cli", "demo", "--json",
            "--dir", str(folder), "--speed", str(speed), "--seconds", str(seconds), *chosen,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def finished(process: subprocess.Popen[str]) -> dict[str, object]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, f"{out}\n{err}"
    result: dict[str, object] = json.loads(out)
    return result


def kill_after(folder: Path, seconds: float, *, trading: bool) -> None:
    """Start, kill so long after that, or after it began to trade. One that ends by itself before that has failed."""
    segments = len(list(folder.glob("journal-*.mrj")))
    process = demo(folder, speed=6_000, seconds=60)
    given_up = time.monotonic() + 60
    while trading and len(list(folder.glob("journal-*.mrj"))) == segments and time.monotonic() < given_up:
        time.sleep(0.05)
    time.sleep(seconds)
    code = process.poll()
    process.kill()
    out, err = process.communicate(timeout=60)
    assert code is None, f"ended with {code}: {out}\n{err}"


def test_the_program_and_the_venue_agree_after_kills(tmp_path):
    folder = tmp_path / "demo"
    moments = random.Random(SEED)
    for number in range(KILLS):
        kill_after(folder, moments.uniform(0.1, 2.5), trading=number % 2 == 1)
        if number % 4 == 3:
            agree(folder)
    result = agree(folder)
    assert result["startup"]["restart"]
    assert audit(folder).fills, "nothing traded, so nothing was shown"
    assert len(result["status"]["slots"]) == 80


def agree(folder: Path) -> dict[str, object]:
    """Start once more for so short that nothing is sent and answered, and compare what everybody says."""
    result = finished(demo(folder, speed=0.001, seconds=0.01))
    assert audit(folder).disagreements == ()
    replayed = subprocess.run(
        [sys.executable, "-m", "millrace.cli", "replay", str(folder)], capture_output=True, text=True, check=False
    )
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    return result
