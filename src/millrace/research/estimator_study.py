"""Which estimate of fill time can be trusted: the sizer's own code on simulated fills whose true median is known.

Recordings never tell the truth about exits that still wait, so no backtest can say how wrong an estimate is. Here the
distribution of fill times is chosen, exits are watched as an operator would see them, and each estimate of the median
is compared with the truth over many draws. All times are in medians of the truth, so the figures have no unit.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from millrace.sizing.throughput import Estimator, ThroughputConfig, ThroughputSizer
from millrace.sizing.throughput_stats import AGGREGATE

Times = NDArray[np.float64]
Draw = Callable[[Generator, int], Times]
Watch = Callable[[Draw, Generator], tuple[Times, Times, float]]
"""A truth and chance to the start and the length of each wait, and the moment of the look."""

_LN2 = float(np.log(2.0))
_SECONDS = 1_000.0
"""Seconds that one true median is given, so that the sizer sees times as it does in a run."""
_SLOTS = 80
_FAST_SHARE, _SLOWER = 0.8, 50.0
_HALVINGS = 64
METHODS: dict[str, tuple[Estimator, bool]] = {
    "completed only": ("weighted", False),
    "weighted": ("weighted", True),
    "Kaplan-Meier": ("kaplan_meier", True),
}
"""Name to the sizer's estimator and whether it is told of the exits that wait."""


class EstimatorRow(msgspec.Struct, frozen=True):
    """One truth under one way of watching: for each method bias and spread of estimate / truth, in per cent.

    `waiting_pct` is the mean share of exits that had not filled; `beyond_pct` the share of draws in which
    Kaplan-Meier saw fewer than half fill and gave a lower bound.
    """

    truth: str
    watched: str
    waiting_pct: float
    bias_pct: dict[str, float]
    spread_pct: dict[str, float]
    beyond_pct: float


def _mixture(rng: Generator, n: int) -> Times:
    means = np.where(rng.random(n) < _FAST_SHARE, 1.0, _SLOWER)
    return rng.exponential(1.0, n) * means / _mixture_median()


def _mixture_median() -> float:
    """Return where the mixture's survival is a half, by halving."""
    low, high = 0.0, _SLOWER
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        alive = _FAST_SHARE * np.exp(-middle) + (1.0 - _FAST_SHARE) * np.exp(-middle / _SLOWER)
        low, high = (middle, high) if alive > 0.5 else (low, middle)  # noqa: PLR2004  half
    return low


TRUTHS: dict[str, Draw] = {
    "exponential": lambda rng, n: rng.exponential(1.0 / _LN2, n),
    "lognormal, sigma 1": lambda rng, n: rng.lognormal(0.0, 1.0, n),
    "lognormal, sigma 2": lambda rng, n: rng.lognormal(0.0, 2.0, n),
    "four fast, one 50 x slower": _mixture,
}
"""Distributions of fill time, each with median 1."""


def _window(draw: Draw, rng: Generator, medians: float = 2.0, entries: int = 120) -> tuple[Times, Times, float]:
    """Entries begin anywhere in the window, and one looks at its end."""
    return rng.uniform(0.0, medians, entries), draw(rng, entries), medians


def _refilling(draw: Draw, rng: Generator, medians: float) -> tuple[Times, Times, float]:
    """Every slot enters anew the moment its exit fills, as the grid does; only waits that began by the look count."""
    waits = draw(rng, _SLOTS).reshape(_SLOTS, 1)
    while waits.sum(axis=1).min() < medians:
        waits = np.concatenate([waits, draw(rng, waits.size).reshape(_SLOTS, -1)], axis=1)
    starts = np.cumsum(waits, axis=1) - waits
    begun = starts < medians
    return starts[begun], waits[begun], medians


def _trend(draw: Draw, rng: Generator) -> tuple[Times, Times, float]:
    """As the window, over six medians; from some moment of the last third on, the price runs away: nothing fills."""
    starts, waits, end = _window(draw, rng, 6.0)
    away = end * rng.uniform(2.0 / 3.0, 1.0)
    return starts, np.where(starts + waits > away, np.inf, waits), end


WATCHED: dict[str, Watch] = {
    "120 entries over 2 medians": _window,
    "80 slots refilling, after 3 medians": lambda draw, rng: _refilling(draw, rng, 3.0),
    "80 slots refilling, after 40 medians": lambda draw, rng: _refilling(draw, rng, 40.0),
    "120 entries over 6 medians, a trend at the end": _trend,
}
"""Ways of watching. After 40 medians the look-back drops most finished trips and no waiting exit; under a trend,
waiting is not independent of filling, which no estimate allows for."""


def compare_estimators(
    seed: int, repeats: int, progress: Callable[[float], None] = lambda _: None
) -> list[EstimatorRow]:
    """Return a row for each truth and way of watching; equal seeds give equal rows."""
    cases = [(truth, watched) for watched in WATCHED for truth in TRUTHS]
    rows = []
    for place, (truth, watched) in enumerate(cases):
        rows.append(_row(truth, watched, default_rng([seed, place]), repeats))
        progress((place + 1) / len(cases))
    return rows


def _row(truth: str, watched: str, rng: Generator, repeats: int) -> EstimatorRow:
    ratios = np.empty((repeats, len(METHODS)))
    waiting, beyond = 0.0, 0
    for repeat in range(repeats):
        starts, waits, end = WATCHED[watched](TRUTHS[truth], rng)
        done = starts + waits <= end
        waiting += 1.0 - float(done.mean())
        cycles = list(_cycles(starts[done], waits[done]))
        exits = [{"age_sec": age} for age in ((end - starts[~done]) * _SECONDS).tolist()]
        for place, (estimator, told) in enumerate(METHODS.values()):
            config = ThroughputConfig(enabled=True, estimator=estimator, min_samples=1)
            sizer = ThroughputSizer(config)
            stats = sizer.update(cycles, exits if told else [])
            ratios[repeat, place] = stats[AGGREGATE].median_fill_sec / _SECONDS
        beyond += sizer.status_payload()["buckets"][AGGREGATE]["reason"] != "ok"
    return EstimatorRow(
        truth=truth,
        watched=watched,
        waiting_pct=100.0 * waiting / repeats,
        bias_pct=dict(zip(METHODS, (100.0 * (ratios.mean(axis=0) - 1.0)).tolist(), strict=True)),
        spread_pct=dict(zip(METHODS, (100.0 * ratios.std(axis=0)).tolist(), strict=True)),
        beyond_pct=100.0 * beyond / repeats,
    )


def _cycles(starts: Times, waits: Times) -> Iterator[dict[str, Any]]:
    for start, wait in zip((starts * _SECONDS).tolist(), (waits * _SECONDS).tolist(), strict=True):
        yield {"entry_time": start + 1.0, "exit_time": start + wait + 1.0}


def estimator_table(rows: list[EstimatorRow]) -> str:
    """Return the rows as a Markdown table: bias and, in brackets, spread of each method's median."""
    lines = [
        "| watched | truth | still waiting | " + " | ".join(METHODS) + " | median never seen |",
        "|---|---|---|" + "---|" * len(METHODS) + "---|",
    ]
    for row in rows:
        figures = " | ".join(f"{row.bias_pct[name]:+.0f} % ({row.spread_pct[name]:.0f})" for name in METHODS)
        lines.append(f"| {row.watched} | {row.truth} | {row.waiting_pct:.0f} % | {figures} | {row.beyond_pct:.0f} % |")
    return "\n".join(lines)
