"""What a person waits for before anything happens: `millrace --help` as its own process (design section 9)."""

import subprocess
import sys

LIMIT_SEC = 0.12


def test_help(benchmark) -> None:
    benchmark.extra_info["limit_sec"] = LIMIT_SEC
    command = [sys.executable, "-m", "millrace.cli", "--help"]
    done = benchmark.pedantic(subprocess.run, (command,), {"capture_output": True}, rounds=20, warmup_rounds=2)
    assert done.returncode == 0
