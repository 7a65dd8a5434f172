"""The stages of an order add up to its life, and the percentiles are those of the values (runtime 2.14 A2, 2.24)."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.probe import Stage
from millrace.shell.metrics import BOUNDS_NS, QUANTILES, LogHistogram, Metrics
from millrace.shell.probe import StageProbe

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
MARKS = st.lists(st.tuples(st.sampled_from(list(Stage)), st.integers(0, 10**12)), max_size=20)


class Clock:
    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


@given(MARKS)
def test_a2_the_stages_of_every_order_sum_to_its_total(marks: list[tuple[Stage, int]]) -> None:
    """A2 asks for 1 us; it is exact, whatever comes late, twice or out of order."""
    probe = StageProbe("toy", Clock(), Metrics())
    probe.mark("a", Stage.DETECT, 5)
    for stage, at_ns in marks:
        probe.mark("a", stage, at_ns)
    probe.mark("a", Stage.DONE, 10**12)
    assert probe.recent
    for done in probe.recent:
        assert sum(took_ns for _, took_ns in done.stages) == done.total_ns
        assert all(took_ns >= 0 for _, took_ns in done.stages)
        assert len({stage for stage, _ in done.stages}) == len(done.stages)
        assert done.stages[-1][0] is Stage.DONE


def test_an_order_that_was_refused_or_not_seen_from_its_beginning_is_not_measured() -> None:
    probe = StageProbe("toy", Clock(), Metrics())
    probe.mark("refused", Stage.DETECT, 1)
    probe.drop("refused")
    probe.mark("refused", Stage.DONE, 2)
    probe.mark("older", Stage.ACK, 3)
    probe.mark("older", Stage.DONE, 4)
    assert not probe.recent
    assert probe._orders == {}


@given(st.lists(st.integers(1, 10**15), min_size=1, max_size=200))
def test_a_percentile_is_the_value_of_its_rank_to_the_width_of_a_bucket(values: list[int]) -> None:
    histogram = LogHistogram()
    for value in values:
        histogram.add(value)
    for share in QUANTILES.values():
        exact = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
        found = histogram.quantile_ns(share)
        assert found is not None
        assert min(exact, BOUNDS_NS[-1]) <= found <= max(1.2590 * exact, BOUNDS_NS[0])
    assert LogHistogram().quantile_ns(0.5) is None


def test_the_last_minute_forgets_and_the_day_begins_anew_at_midnight() -> None:
    clock = Clock()
    probe = StageProbe("toy", clock, Metrics())
    for number in range(10):
        clock.now_ns = DAY - 100 * SECOND + number * 10 * SECOND
        probe.mark(str(number), Stage.DETECT)
        clock.now_ns += SECOND
        probe.mark(str(number), Stage.SEND)
    status = probe.status(clock.now_ns)
    assert status["60s"]["send"]["count"] == 6
    assert status["day"]["send"]["count"] == 10
    assert status["day"]["send"]["p99_ms"] == pytest.approx(1_000, rel=0.26)
    later = probe.status(DAY + 61 * SECOND)
    assert later["60s"]["send"] == {"count": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None}
    assert later["day"]["send"]["count"] == 0


def test_two_venues_figures_of_one_name_stay_apart_and_no_name_is_made_up() -> None:
    """2.24 A1."""
    metrics = Metrics()
    metrics.add("millrace_commands_expired_total", venue="a")
    metrics.add("millrace_commands_expired_total", venue="b")
    metrics.add("millrace_commands_expired_total", venue="b")
    rows = metrics.snapshot()["millrace_commands_expired_total"]
    assert [(row["labels"]["venue"], row["value"]) for row in rows] == [("a", 1), ("b", 2)]
    with pytest.raises(KeyError, match="declared"):
        metrics.add("millrace_expired")
