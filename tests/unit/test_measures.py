"""Which figures become events, and when: nothing from a healthy program, all that playbooks need from another."""

import pytest

from millrace.core.clock import SimulatedClock
from millrace.core.commands import Lift
from millrace.core.failure import WorldError
from millrace.risk.playbooks_facts import STORAGE
from millrace.risk.playbooks_rows import CLOCK_SKEW, COMMIT_P99, FREE_DISK
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.measures import BEAT_NS, Measures, VenueTime

SECOND = 1_000_000_000
MS = 1_000_000
SKEW, P99, FREE = CLOCK_SKEW.name, COMMIT_P99.name, FREE_DISK.name


FACT = Lift("nothing", "t", 0)


class SlowLedger(MemoryLedger):
    """Each write takes `ms` on the clock; while `broken` a probe fails."""

    def __init__(self, clock: SimulatedClock) -> None:
        super().__init__()
        self.clock, self.ms, self.probes, self.broken = clock, 0.3, 0, False

    def _take(self) -> None:
        self.clock.sleep_until(self.clock.now_ns() + round(self.ms * MS))

    def commit(self, commands):
        self._take()
        return super().commit(commands)

    def probe(self, ts_ns):
        if self.broken:
            raise WorldError("full")
        self.probes += 1
        self._take()


class Bench:
    def __init__(self) -> None:
        self.now_ns, self.free, self.wanted = 1000 * SECOND, 2**40, frozenset()
        clock = SimulatedClock()
        self.store = SlowLedger(clock)
        self.measures = Measures(self.store, lambda: self.wanted, lambda: self.now_ns, lambda: self.free)
        self.measures.clock = clock
        self.said = []

    def run(self, seconds: float) -> list[tuple[str, float]]:
        """Let time pass, calling `due` when it says so; returns what was published."""
        until_ns, before = self.now_ns + round(seconds * SECOND), len(self.said)
        while self.measures.next_ns <= until_ns:
            self.now_ns = max(self.now_ns, self.measures.next_ns)
            self.said += self.measures.due(self.now_ns)
            assert self.measures.next_ns > self.now_ns or self.measures.next_ns == 0
        self.now_ns = until_ns
        assert all(figure.ts_ns <= self.now_ns for figure in self.said)
        return [(figure.name, figure.value) for figure in self.said[before:]]

    def commit(self, ms: float, count: int = 1) -> None:
        self.store.ms = ms
        for _ in range(count):
            self.measures.ledger.commit([FACT])


def test_a_healthy_program_publishes_nothing_and_is_looked_at_on_the_beat_only() -> None:
    bench = Bench()
    for _ in range(100):
        bench.commit(0.3)
        bench.measures.venue_time(VenueTime("kraken", bench.now_ns, bench.now_ns), bench.now_ns + SECOND)
        assert bench.run(10) == []
    assert bench.store.probes == 0
    assert bench.measures.next_ns > bench.now_ns - BEAT_NS
    idle = Measures(MemoryLedger(), frozenset, lambda: 0)
    assert idle.next_ns == 2**63 - 1


@pytest.mark.parametrize(
    ("asked", "shown", "heard", "skew"),
    [(0, 0, 1, 0), (0, 1, 1, 0), (0, 30, 31, 0), (0, 40, 31, 9), (10, 4, 11, -6), (5, 5, 5, 0)],
)
def test_skew_is_what_no_delay_explains(asked: int, shown: int, heard: int, skew: int) -> None:
    bench = Bench()
    bench.measures.venue_time(VenueTime("kraken", asked * SECOND, shown * SECOND), heard * SECOND)
    assert bench.run(0.5) == ([(SKEW, float(skew))] if skew else [])


def test_a_bad_figure_is_published_at_once_then_every_10_s_then_when_it_is_good_again() -> None:
    bench = Bench()

    def hear(skew_sec: float) -> list[tuple[str, float]]:
        now_ns = bench.now_ns
        bench.measures.venue_time(VenueTime("kraken", now_ns, now_ns + round(skew_sec * SECOND)), now_ns)
        return bench.run(1)

    assert hear(2.0) == [(SKEW, 2.0)]
    assert [said for _ in range(30) for said in hear(2.0)] == [(SKEW, 2.0)] * 3
    assert hear(6.0) == [(SKEW, 6.0)], "worse"
    assert hear(2.0) == [(SKEW, 2.0)], "better"
    assert hear(0.1) == [(SKEW, 0.1)]
    assert [said for _ in range(30) for said in hear(0.1)] == [], "good, and nobody waits for it"
    bench.wanted = frozenset({(SKEW, "kraken")})
    assert len([said for _ in range(30) for said in hear(0.1)]) == 4
    assert bench.run(60) == [], "a venue that says nothing has no figure"


def test_a_skew_that_is_not_bad_is_told_when_it_changed_by_a_step() -> None:
    bench = Bench()

    def hear(skew_ms: int) -> list[tuple[str, float]]:
        now_ns = bench.now_ns
        bench.measures.venue_time(VenueTime("kraken", now_ns, now_ns + skew_ms * MS), now_ns)
        return bench.run(5)

    assert hear(-49) == []
    assert hear(-50) == [(SKEW, -0.05)]
    assert hear(-99) == []
    assert hear(-101) == [(SKEW, -0.101)]
    assert [said for _ in range(20) for said in hear(-101)] == [], "told once"
    assert hear(0) == [(SKEW, 0.0)], "whoever calculates with it must hear that it is over"
    assert [said for _ in range(20) for said in hear(0)] == []


def test_what_each_venue_is_off_by_is_shown_with_its_sign() -> None:
    bench = Bench()
    assert bench.measures.skew_rows() == []
    for venue, ahead_sec in (("kraken", -2), ("bybit", 3)):
        told = VenueTime(venue, bench.now_ns, bench.now_ns + ahead_sec * SECOND)
        bench.measures.venue_time(told, bench.now_ns + SECOND)
    assert bench.measures.skew_rows() == [({"venue": "bybit"}, 2.0), ({"venue": "kraken"}, -2.0)]


def test_free_space_is_published_when_it_is_short() -> None:
    bench = Bench()
    bench.run(10)
    bench.free = 2**30 - 1
    assert bench.run(5) == [(FREE, 2.0**30 - 1)]
    assert bench.run(20) == [(FREE, 2.0**30 - 1)] * 2
    bench.free = 2**30
    assert bench.run(10) == [(FREE, 2.0**30)]
    assert bench.run(60) == []
    bench.measures._free_bytes = lambda: (_ for _ in ()).throw(OSError("gone"))
    assert bench.run(5) == [(FREE, 0.0)], "a disk that does not answer has no room"


def test_one_slow_commit_is_bad_for_its_60_s_and_no_longer() -> None:
    bench = Bench()
    bench.run(0.5)
    slow_ns = bench.now_ns
    bench.commit(80)
    assert bench.run(0) == [(P99, 80.0)]
    assert bench.said[-1].ts_ns == slow_ns
    bench.store.ms = 0.3
    assert bench.run(60 - 1e-9) == [(P99, 80.0)] * 5
    assert bench.run(1e-9) == [(P99, 0.3)], "at the 60th second, before a deadline of that moment"
    assert bench.said[-1].ts_ns == slow_ns + 60 * SECOND
    assert bench.run(600) == []


def test_the_99th_percentile_is_by_nearest_rank() -> None:
    bench = Bench()
    bench.commit(0.3, 99)
    bench.commit(80)
    assert bench.run(0.5) == [], "1 of 100"
    bench.store.ms = 70.0
    bench.measures.ledger.commit([])
    assert bench.run(0.5) == [], "nothing was written"
    bench.commit(70)
    assert bench.run(0.5) == [(P99, 70.0)], "2 of 101"


def test_a_ledger_that_is_waited_for_is_probed_each_second_unless_it_is_written_to() -> None:
    bench = Bench()
    bench.wanted = frozenset({(P99, STORAGE)})
    bench.store.ms = 7.0
    assert bench.run(60) == [(P99, 7.0)] * 7
    assert 59 <= bench.store.probes <= 61
    probes = bench.store.probes
    for _ in range(40):
        bench.commit(0.3)
        bench.run(0.25)
    assert bench.store.probes - probes <= 1
    bench.store.broken = True
    bench.now_ns += 120 * SECOND
    assert bench.run(60) == [], "no figure says that it can be written"
