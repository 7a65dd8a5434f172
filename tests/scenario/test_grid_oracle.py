"""Golden D: the oracle grid on our engine, whole and skipping, with accounting and order records."""

import subprocess
import sys
from pathlib import Path

import pytest

import grid_oracle
from millrace.core.commands import OrderState, Side

STATUS = Path("/proc/self/status")


def test_a_million_quotes_end_with_the_oracles_fills_and_orders():
    strategy, venue, engine, ledger = grid_oracle.run(grid_oracle.quotes())
    resting = venue.open_orders(grid_oracle.DOGE.id)
    assert strategy.fills == 1_498
    assert len(resting) == 160
    assert sum(order.side is Side.BUY for order in resting) == 76
    orders = ledger.orders()
    assert len(orders) == 160 + 1_498
    assert sum(order.state is OrderState.FILLED for order in orders) == 1_498 == ledger.fills()
    assert engine.live_orders(grid_oracle.DOGE.id) == 160


def test_skipping_quotes_changes_no_command():
    columns = grid_oracle.quotes(20_000)
    _, _, skipped, _ = grid_oracle.run(columns)
    _, _, shown, _ = grid_oracle.run(columns, lazy=False)
    assert skipped.command_hash == shown.command_hash


@pytest.mark.skipif(not STATUS.exists(), reason="the peak of one process image is read from /proc")
def test_a_million_quotes_fit_in_300_megabytes():
    # Not ru_maxrss: a child inherits in it the peak of the test runner that started it.
    script = (
        "import grid_oracle\n"
        "assert grid_oracle.run(grid_oracle.quotes())[0].fills == 1_498\n"
        f"print(open({str(STATUS)!r}).read())\n"
    )
    tests = Path(grid_oracle.__file__).parent
    done = subprocess.run([sys.executable, "-c", script], cwd=tests, capture_output=True, text=True, check=True)
    peak_kb = next(int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("VmHWM:"))
    assert peak_kb <= 300 * 1024
