"""Puts every measurement beside a calibration kernel of the same run, so that figures of two machines can be compared.

The kernel is a fixed loop of integer arithmetic in Python, measured before the first benchmark and after the last; the
ratio is a benchmark's median over the kernel's. A benchmark may say more through `benchmark.extra_info`: `units` (how
many of `unit`, e.g. "price ticks", one round handles) prints a rate, `limit_sec` prints whether the median keeps it. What times many steps of one round says `p99_sec`, its `p99_limit_sec`,
`p99_wall_sec`, the `slowest` kind of step with its own 99th percentile, and `steps`; what times ticks of symbols says
`p50_us`, `p95_us` and `p99_us` with the limit of each.
"""

import platform
import statistics
from collections.abc import Iterator
from itertools import groupby
from time import perf_counter
from typing import Any

import pytest

KERNEL_STEPS = 20_000
KERNEL_ROUNDS = 25
CALIBRATION = pytest.StashKey[list[float]]()
ROWS = pytest.StashKey[list[dict[str, Any]]]()


def kernel() -> int:
    """The fixed work: one linear congruential generator, one branch, one sum."""
    value, total = 1, 0
    for _ in range(KERNEL_STEPS):
        value = (value * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        if value & 64:
            total += value >> 8
    return total


def kernel_seconds() -> Iterator[float]:
    for _ in range(KERNEL_ROUNDS):
        started = perf_counter()
        kernel()
        yield perf_counter() - started


@pytest.fixture(scope="session", autouse=True)
def calibration(pytestconfig: pytest.Config) -> Iterator[None]:
    measuring = bool(pytestconfig.getoption("benchmark_enable"))
    seconds = pytestconfig.stash.setdefault(CALIBRATION, [])
    if measuring:
        seconds.extend(kernel_seconds())
    yield
    if measuring:
        seconds.extend(kernel_seconds())


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    if not config.stash.get(CALIBRATION, []):
        return
    median = statistics.median(config.stash[CALIBRATION])
    output_json["calibration"] = {"median_sec": median, "steps": KERNEL_STEPS}
    for row in output_json["benchmarks"]:
        row["ratio"] = row["stats"]["median"] / median
    config.stash[ROWS] = output_json["benchmarks"]


def pytest_benchmark_group_stats(config: pytest.Config) -> list[Any] | None:
    """Leave the plugin's wide tables out where the table below is printed."""
    return [] if config.getoption("benchmark_json") else None


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = config.stash.get(ROWS, [])
    if not rows:
        return
    median = statistics.median(config.stash[CALIBRATION])
    write = terminalreporter.write_line
    write(f"\n{platform.machine()}, Python {platform.python_version()}; calibration kernel {median * 1e3:.2f} ms")
    write(f"{'':58} {'median':>10} {'ratio':>9}")
    for file, group in groupby(rows, key=lambda row: row["fullname"].split("::")[0]):
        write(file.rsplit("/", 1)[-1])
        for row in group:
            write(f"  {row['name']:56} {duration(row['stats']['median']):>10} {row['ratio']:9.3g}{remarks(row)}")


def duration(seconds: float) -> str:
    """Three figures and the unit in which they are easiest to read."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def remarks(row: dict[str, Any]) -> str:
    info, median = row["extra_info"], row["stats"]["median"]
    text = ""
    if "units" in info:
        text += f"  {info['units'] / median:,.0f} {info.get('unit', 'units')}/s"
    if "limit_sec" in info:
        text += f"  limit {duration(info['limit_sec'])}: {'kept' if median <= info['limit_sec'] else 'MISSED'}"
    if "p99_sec" in info:
        (kind, slowest), p99, limit = info["slowest"], info["p99_sec"], info["p99_limit_sec"]
        text += f"  p99 of {info['steps']} steps {duration(p99)}, limit {duration(limit)}: "
        text += f"{'kept' if p99 <= limit else 'MISSED'}; wall {duration(info['p99_wall_sec'])}; {kind} alone {duration(slowest)}"
    if "p50_us" in info:
        text += "  " + ", ".join(
            f"{name} {info[f'{name}_us']:.1f} of {info[f'{name}_limit_us']:.0f}" for name in ("p50", "p95", "p99")
        )
        text += " us"
    return text
