"""The same backtest in two processes that order sets and dicts of text differently (issue 2, Shown by; design 8.5)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BARS = 900


def write_bars(path: Path) -> None:
    """Write minutes of a restless market, with holes."""
    rng = np.random.default_rng(7)
    close = 0.17 * np.exp(np.cumsum(rng.normal(0.0, 0.0012, BARS)))
    open_ = np.concatenate(([0.17], close[:-1]))
    high = np.maximum(open_, close) * 1.0008
    low = np.minimum(open_, close) * 0.9992
    rows = zip(open_, high, low, close, rng.uniform(50_000, 500_000, BARS), strict=True)
    lines = [
        f"{1_748_736_000_000 + minute * 60_000},{','.join(f'{value:.7f}' for value in row)}"
        for minute, row in enumerate(rows)
        if minute % 97 > 4
    ]
    path.write_text("ts_ms,open,high,low,close,volume\n" + "\n".join(lines) + "\n")


def backtest(data: Path, hash_seed: str, *more: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "millrace.cli", "backtest", "slots", "--data", str(data), "--json", *more],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize(
    "settings",
    [
        ("--set", "sizer.enabled=true", "--set", "sizer.shadow=false", "--set", "sizer.min_samples=4"),
        ("--profile", "legacy10"),
    ],
    ids=["sizer acting", "slots that time out"],
)
def test_equal_hashes_whatever_the_hash_seed_and_the_waking(tmp_path, settings):
    data = tmp_path / "bars.csv"
    write_bars(data)
    one = backtest(data, "1", *settings)
    two = backtest(data, "4242", *settings, "--eager")
    assert one["command_hash"] == two["command_hash"]
    assert one["fills"] == two["fills"] > 20
    assert one["net_profit"] == two["net_profit"]
