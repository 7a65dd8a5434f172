"""Arb 18: the screen, a full pass, one quote and the build, on universes with the rules of the contract's table.

A pass and a screen are timed by the clock. What one quote costs is the processor's time of this thread from the quote to
its exactly priced baskets; the 99th percentile by the clock, which is shown beside it, has the machine's other work in it.
"""

import gc
from functools import lru_cache
from time import perf_counter, thread_time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from arb_quotes import SECOND
from arb_universe import LinkedUniverse
from millrace.strategies.arb.lanes.detector import Detector
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.lanes.universe import Universe

NOW = 2 * SECOND
BOTH = LaneSettings(makers=True)
QUOTES = 20_000
PASSES = 5


TAKER = LaneSettings()
SMALL = 1_000
AT_THE_LIMIT = 0.077
"""The share of quotes that are off by six cents at which nearly 2 % of 65,000 forms are worth an exact look."""


def sized(benchmark: BenchmarkFixture, markets: int) -> int:
    """All sizes are one where nothing is measured."""
    return markets if benchmark.enabled else SMALL


@lru_cache(maxsize=1)
def filled(markets: int, settings: LaneSettings = TAKER, off_share: float = 0.002) -> tuple[LinkedUniverse, Detector]:
    """A universe in which every market was quoted once."""
    made = LinkedUniverse(markets, off_share=off_share)
    detector = Detector(Universe(made.facts, made.rules, settings))
    for index in range(markets):
        detector.observe(made.quote(index))
    detector.candidates(NOW)
    return made, detector


@pytest.mark.parametrize(("markets", "limit"), [(1_000, 0.5e-3), (10_000, 1.5e-3), (50_000, 6e-3)])
def test_screen_in_both_styles(benchmark: BenchmarkFixture, markets: int, limit: float) -> None:
    _, detector = filled(sized(benchmark, markets), BOTH)
    screens = list(detector._screens.values())

    def screen() -> list[int]:
        found = []
        for each in screens:
            each.rebuild()
            found += each.survivors()
        return found

    benchmark.extra_info |= {"limit_sec": limit, "units": markets, "unit": "markets"}
    assert benchmark(screen)


@pytest.mark.parametrize(
    ("markets", "limit", "off_share", "least"),
    [
        (1_000, 5e-3, 0.002, 0),
        (10_000, 20e-3, 0.002, 0),
        (50_000, 80e-3, 0.002, 0),
        (50_000, 80e-3, AT_THE_LIMIT, 0.0195),
    ],
)
def test_full_pass(benchmark: BenchmarkFixture, markets: int, limit: float, off_share: float, least: float) -> None:
    """The contract's table lets 2 % of the forms survive the screen; the last case has as many."""
    _, detector = filled(sized(benchmark, markets), off_share=off_share)
    (screen,) = detector._screens.values()
    share = len(screen.survivors()) / detector.universe.forms
    assert least <= share <= 0.02 or not benchmark.enabled
    benchmark.extra_info |= {"limit_sec": limit, "units": markets, "unit": "markets", "survivors": share}
    assert benchmark(detector.scan, NOW)
    began = thread_time()
    for _ in range(PASSES):
        detector.scan(NOW)
    benchmark.extra_info["busy_sec"] = (thread_time() - began) / PASSES


def test_first_pass(benchmark: BenchmarkFixture) -> None:
    """The pass after new rules, with 2 % survivors: what the outcomes offer is not made yet, and the start is frozen."""
    markets = sized(benchmark, 50_000)
    _, detector = filled(markets, off_share=AT_THE_LIMIT)
    busy_sec = []

    def begun() -> tuple[tuple[()], dict[str, object]]:
        for offers in detector._offers.values():
            offers.clear()
        return (), {}

    def run() -> None:
        began = thread_time()
        assert detector.scan(NOW)
        busy_sec.append(thread_time() - began)

    gc.collect()
    gc.freeze()
    try:
        benchmark.pedantic(run, setup=begun, rounds=PASSES)
    finally:
        gc.unfreeze()
    benchmark.extra_info |= {"limit_sec": 80e-3, "units": markets, "unit": "markets"}
    benchmark.extra_info["busy_sec"] = sorted(busy_sec)[len(busy_sec) // 2]


@pytest.mark.parametrize("markets", [1_000, 10_000, 100_000])
def test_one_quote(benchmark: BenchmarkFixture, markets: int) -> None:
    made, detector = filled(sized(benchmark, markets))
    every = range(len(made.ids))
    quotes = [made.quote(made.random.choice(every)) for _ in range(QUOTES if benchmark.enabled else SMALL)]
    busy_sec, seconds, found_sec = [], [], []

    def run() -> None:
        for quote in quotes:
            began, began_busy = perf_counter(), thread_time()
            detector.observe(quote)
            found = detector.candidates(NOW)
            busy_sec.append(thread_time() - began_busy)
            seconds.append(perf_counter() - began)
            if found:
                found_sec.append(busy_sec[-1])

    benchmark.pedantic(run, rounds=1)
    assert found_sec
    benchmark.extra_info |= {
        "units": len(quotes),
        "unit": "quotes",
        "p50_sec": quantile(busy_sec, 50),
        "p99_sec": quantile(busy_sec, 99),
        "p99_wall_sec": quantile(seconds, 99),
        "p99_limit_sec": 500e-6,
        "slowest": ["a quote with baskets", quantile(found_sec, 99)],
        "steps": len(quotes),
    }


def test_one_quote_of_the_largest_group(benchmark: BenchmarkFixture) -> None:
    """Sixty exclusive members: the sums move by one of them, whatever their number."""
    made, detector = filled(sized(benchmark, 10_000))
    quotes = [made.quote(index % 60) for index in range(1_000)]

    def run() -> None:
        for quote in quotes:
            detector.observe(quote)

    benchmark.extra_info |= {"limit_sec": 100e-6 * len(quotes), "units": len(quotes), "unit": "quotes"}
    benchmark(run)


@pytest.mark.parametrize(("markets", "limit"), [(1_000, 0.1), (10_000, 0.6), (50_000, 3.0)])
def test_build(benchmark: BenchmarkFixture, markets: int, limit: float) -> None:
    made = LinkedUniverse(sized(benchmark, markets))
    benchmark.extra_info |= {"limit_sec": limit, "units": markets, "unit": "markets"}

    def build() -> Detector:
        detector = Detector(Universe(made.facts, made.rules, TAKER))
        detector.universe.keys(0)
        return detector

    detector = benchmark.pedantic(build, rounds=5)
    assert len(detector.universe.facts) == len(made.ids)


def quantile(rows: list[float], percent: int) -> float:
    return sorted(rows)[-(-percent * len(rows) // 100) - 1]
