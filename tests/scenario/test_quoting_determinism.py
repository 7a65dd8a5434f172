"""Same log, same bytes: over runs, hash seeds, orders of symbols, batches and versions of Python (quoting 1, 11)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from millrace.strategies.quoting.settings import QuotingSettings
from quoting_load import Symbol, hashes, symbols
from quoting_memory import blocks_left

TESTS = Path(__file__).resolve().parent.parent
SYMBOLS, TICKS = 12, 25
OTHERS = [f"python3.{minor}" for minor in (11, 12, 13) if minor != sys.version_info.minor]


def printed(python: str, hash_seed: str) -> list[dict[str, str]]:
    """Return what another process says that the results' hashes are."""
    path = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    run = subprocess.run(
        [python, str(TESTS / "quoting_replay.py"), str(SYMBOLS), str(TICKS)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    return hashes(symbols(SYMBOLS), TICKS)


@pytest.mark.parametrize("hash_seed", ["0", "1", "random"])
def test_three_runs_agree_whatever_the_hash_seed_order_and_batch(expected, hash_seed) -> None:
    runs = printed(sys.executable, hash_seed)
    assert len(runs) == 6
    assert all(run == expected for run in runs)


@pytest.mark.parametrize("python", OTHERS)
def test_other_versions_of_python_agree(expected, python) -> None:
    if shutil.which(python) is None:
        pytest.skip(f"{python} is not on this machine: whether it gives the same bytes was NOT checked")
    has = subprocess.run([python, "-c", "import msgspec, numpy, scipy"], capture_output=True, check=False, timeout=60)
    if has.returncode:
        pytest.skip(
            f"{python} is here without msgspec, numpy and scipy: whether it gives the same bytes was NOT checked"
        )
    assert printed(python, "random")[0] == expected


def test_a_wild_symbol_changes_no_byte_of_the_others(expected) -> None:
    wild = Symbol(7, "WILD/USDT", QuotingSettings.live(), wild=True)
    many = symbols(SYMBOLS)
    found = hashes([*many[:5], wild, *many[5:]], TICKS)
    assert found.pop("WILD/USDT")
    assert found == expected


def test_a_hundred_thousand_ticks_leave_no_memory_behind() -> None:
    """Quoting 14: `python tests/quoting_memory.py 1000000` is the same for a million."""
    assert blocks_left(100_000) < 200
