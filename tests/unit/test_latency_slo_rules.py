"""Percentiles of latency are exact, and what is not enough says nothing (runtime 2.11 A2, A4)."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.capacity.slo import (
    CORE,
    CORE_STEP,
    DETECT_ACK,
    DETECT_PLAN,
    KEPT,
    PLAN_SUBMIT,
    SUBMIT_ACK,
    LatencyRing,
    SloTable,
)
from millrace.config.load import load_settings
from millrace.core.commands import Alert, Lift, Place, Post, Severity, Side, Style
from millrace.core.events import Measured
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId
from millrace.core.permission import Level, ScopeKind
from millrace.core.probe import Stage
from millrace.risk.latency_guard import EVALUATED, LatencyGuard
from millrace.shell.latency_watch import LatencyWatch
from millrace.shell.metrics import Metrics

SECOND = 1_000_000_000
MS = 1_000_000
SLOS = SloTable(load_settings().slo, frozenset({"far"}))


def test_the_limits_are_those_of_the_contract() -> None:
    """Runtime 2.11: core step p99 5 ms; p95 0.1, 0.2, 0.3, 0.5 s."""
    found = {name: SLOS.of("near", name) for name in (CORE_STEP, DETECT_PLAN, PLAN_SUBMIT, SUBMIT_ACK, DETECT_ACK)}
    assert [(slo.limit_ns // MS, slo.per_mille) for slo in found.values() if slo] == [
        (5, 990),
        (100, 950),
        (200, 950),
        (300, 950),
        (500, 950),
    ]
    far = SLOS.of("far", DETECT_ACK)
    assert far is not None
    assert far.limit_ns == 4_200 * MS
    assert (
        SloTable(load_settings(overrides={"slo.enabled": False}).slo, frozenset({"far"})).of("far", DETECT_ACK) is None
    )


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=300), st.sampled_from([950, 990]))
def test_a4_a_percentile_is_the_sample_of_that_rank(values: list[int], per_mille: int) -> None:
    ring = LatencyRing()
    for number, value in enumerate(values):
        ring.add(number, value)
    now_ns, window_ns = len(values), len(values) // 2 + 1
    within = sorted(value for number, value in enumerate(values) if number > now_ns - window_ns)
    found = ring.percentile_s(per_mille, now_ns, window_ns, 1)
    if not within:
        assert found is None
    else:
        assert found == within[ceil(Fraction(per_mille, 1000) * len(within)) - 1] / SECOND
    assert ring.percentile_s(per_mille, now_ns, window_ns, len(within) + 1) is None, "insufficient"


def test_a_ring_is_bounded() -> None:
    ring = LatencyRing()
    for number in range(2 * KEPT):
        ring.add(number, 1)
    assert len(ring) == KEPT == 4_096


class Bench:
    """A guard and a watch joined as in the program."""

    def __init__(self) -> None:
        self.guard = LatencyGuard(SLOS)
        self.metrics = Metrics()
        self.watch = LatencyWatch(SLOS, self.guard.held, self.metrics)
        self.now_ns = 0
        self.published: list[Measured] = []
        self.said: list = []

    def order(self, ack_ms: int, venue: str = "near") -> None:
        self.watch.order(venue, {Stage.PLAN: 0, Stage.SEND: 0, Stage.ACK: ack_ms * MS}, self.now_ns)

    def evaluate(self) -> list:
        """Let the next evaluation come; returns what the guard said."""
        self.now_ns = self.watch.next_ns
        published = self.watch.due(self.now_ns)
        self.published += published
        said = [one for event in published for one in self.guard.observe(event, None)]
        self.said += said
        return said


def test_a2_one_bad_sample_in_three_evaluations_never_throttles() -> None:
    bench = Bench()
    bench.order(10_000)
    for _ in range(11):
        bench.evaluate()
    assert not bench.published, "one sample is insufficient, however often it is looked at"
    for _ in range(60):
        bench.order(10)
    bench.order(10_000)
    for _ in range(11):
        bench.evaluate()
    assert not bench.said


def test_fifty_samples_are_enough_and_49_are_not() -> None:
    bench = Bench()
    for _ in range(49):
        bench.order(301)
    bench.evaluate()
    assert not bench.published
    bench.order(301)
    bench.evaluate()
    assert [(one.name, one.value) for one in bench.published] == [("slo/submit_ack", 0.301)]


def test_three_breaches_are_caution_six_halt_takers_and_five_passes_release() -> None:
    bench = Bench()
    posts: list[int] = []
    for number in range(1, 8):
        for _ in range(60):
            bench.order(400)
        if any(isinstance(one, Post) for one in bench.evaluate()):
            posts.append(number)
    assert posts == [3, 6]
    restriction = next(one.restriction for one in bench.said if isinstance(one, Post))
    assert (restriction.level, restriction.multiplier, restriction.scope.name) == (Level.CAUTION, 0.5, "near")
    assert [one.severity for one in bench.said if isinstance(one, Alert)] == [Severity.WARN, Severity.PAGE]
    assert bench.guard.objections((place(Style.IOC),), None) == ("latency_slo",)
    assert bench.guard.objections((place(Style.POST_ONLY),), None) == ()
    assert bench.guard.objections((place(Style.IOC, "far"),), None) == ()
    twin = LatencyGuard(SLOS)
    twin.restore(bench.guard.snapshot())
    assert twin.objections((place(Style.LIMIT),), None) == ("latency_slo",)
    lifts: list[int] = []
    for number in range(1, 12):
        bench.now_ns += 1
        for _ in range(10):
            bench.order(10)
        if any(isinstance(one, Lift) for one in bench.evaluate()):
            lifts.append(number)
    assert lifts == [6], "the quarter minute has to be free of late answers, then five evaluations in a row"
    assert bench.guard.objections((place(Style.IOC),), None) == ()
    assert bench.guard.snapshot() == {"breaches": [], "kept": []}


def place(style: Style, venue: str = "near") -> Place:
    name = InstrumentId(venue, "A/B")
    return Place(name, Side.BUY, 1, 1, style, SubPosition("q", name, "", ""), False, "k", "p")


def test_a_pass_between_breaches_begins_the_count_anew() -> None:
    bench = Bench()
    for value in (0.4, 0.4, 0.2, 0.4, 0.4, 0.3):
        bench.guard.observe(Measured(f"{EVALUATED}{SUBMIT_ACK}", "near", value, 1), None)
    assert bench.guard.held() == frozenset()
    assert bench.guard.snapshot()["breaches"] == [], "exactly the limit keeps it"


def test_takers_halt_after_six_breaches_in_a_row_and_not_after_six_with_passes_between() -> None:
    """Runtime 2.11: consecutive; a venue at its limit stays under caution as long as it does not pass five times."""
    guard = LatencyGuard(SLOS)

    def evaluate(*values: float) -> list:
        return [one for value in values for one in guard.observe(Measured("slo/submit_ack", "near", value, 1), None)]

    evaluate(0.4, 0.4, 0.4, *(0.2, 0.4) * 9)
    assert guard.held() == {("near", SUBMIT_ACK)}
    assert guard.objections((place(Style.IOC),), None) == ()
    evaluate(0.2, 0.4, 0.4)
    assert guard.objections((place(Style.IOC),), None) == ()
    evaluate(0.4)
    assert guard.objections((place(Style.IOC),), None) == ("latency_slo",)
    evaluate(0.2)
    assert guard.objections((place(Style.IOC),), None) == ("latency_slo",), "one pass releases nothing"
    assert [type(one) for one in evaluate(0.2, 0.2, 0.2, 0.2)] == [Lift, Alert]


def test_a_throttle_of_a_restored_core_counts_from_the_first_look_on() -> None:
    bench = Bench()
    bench.guard.restore({"breaches": [["near", SUBMIT_ACK, 3]], "kept": []})
    bench.now_ns = 20_000 * 86_400 * SECOND
    bench.order(400)
    bench.evaluate()
    bench.evaluate()
    found = bench.metrics.snapshot()["millrace_slo_throttle_seconds_total"]
    assert found == [{"labels": {"venue": "near"}, "value": 5.0}]


def test_the_cores_own_slowness_restricts_everything() -> None:
    bench = Bench()
    for _ in range(3):
        for _ in range(60):
            bench.watch.core_step(6 * MS, bench.now_ns)
        bench.evaluate()
    (post,) = (one.restriction for one in bench.said if isinstance(one, Post))
    assert (post.scope.kind, post.id) == (ScopeKind.GLOBAL, f"slow/{CORE}")


def test_an_order_with_a_missing_time_is_discarded_and_counted() -> None:
    bench = Bench()
    bench.watch.order("near", {Stage.PLAN: 0, Stage.ACK: 5}, 1)
    bench.watch.order("", {Stage.PLAN: 0, Stage.SEND: 1, Stage.ACK: 5}, 1)
    assert bench.metrics.snapshot()["millrace_latency_discarded_total"][0]["value"] == 2
    assert bench.watch.next_ns > 10**18, "nothing to judge"


def test_a_monitor_that_fails_is_caution_on_that_venue(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    bench.order(1)
    bench.order(1, "far")
    real = LatencyWatch._judge

    def judge(self: LatencyWatch, key: tuple[str, str], now_ns: int, *, is_held: bool) -> list[Measured]:
        if key[0] == "far":
            raise ZeroDivisionError
        return real(self, key, now_ns, is_held=is_held)

    monkeypatch.setattr(LatencyWatch, "_judge", judge)
    said = [*bench.evaluate(), *bench.evaluate()]
    (post,) = (one.restriction for one in said if isinstance(one, Post))
    assert (post.level, post.scope.name, post.multiplier) == (Level.CAUTION, "far", 0.5)


def test_the_series_of_the_contract_are_there() -> None:
    bench = Bench()
    for _ in range(3):
        for _ in range(60):
            bench.order(400)
        bench.evaluate()
    bench.evaluate()
    found = bench.metrics.snapshot()
    assert {"slo": SUBMIT_ACK, "venue": "near"} in [
        row["labels"] for row in found["millrace_slo_breach"] if row["value"]
    ]
    assert found["millrace_slo_throttle_seconds_total"] == [{"labels": {"venue": "near"}, "value": 5.0}]
    assert found["millrace_latency_seconds"][0]["count"] == 180
