"""Each playbook through the assembled program: inject, see the exact restrictions in 10 s, remove, see it end (2.20)."""

from pathlib import Path

import pytest

from demo_runs import MINUTE, SECOND, as_killed, assert_sound, open_run, venue_records
from faulty_disk import FULL, FaultyDisk, FaultyLedger
from millrace.core.clock import SimulatedClock
from millrace.core.commands import Alert, Book, Command, Lift, Post, Severity
from millrace.core.events import Event, MarketPhase, MarketStatus, Measured
from millrace.core.permission import Level
from millrace.core.trouble_events import BreakerMoved, BreakerState
from millrace.sim.faults import Fate, Fault
from millrace.sim.venue_clock import VenueClock
from millrace.sim.venue_log import Accepted

WITHIN_NS = 10 * SECOND
HALT_ALL = {("playbook/ledger_trouble/storage/global", "global", Level.HALT)}
SKEWED = "playbook/clock_skew/kraken/venue:kraken"
OUTAGE = "playbook/venue_outage/kraken/venue:kraken"
OUT = {(OUTAGE, "venue:kraken", Level.HALT), ("breaker/kraken", "venue:kraken", Level.REDUCE_ONLY)}
"""What stands while nothing answers: the book's halt, and what the orders breaker posts itself."""


class World:
    """The demo's program with a disk, a ledger and a venue clock that a test can spoil."""

    def __init__(self, folder: Path) -> None:
        self.disk, self.clock, self.slow_ms = SpaceDisk(), SimulatedClock(), 0.0

        def wrap(ledger):
            self.ledger = SlowLedger(ledger, self)
            return self.ledger

        self.run = open_run(folder, disk=self.disk, wrap=wrap)
        self.run.measures.clock = self.clock
        self.told: list[tuple[int, Command]] = []
        self.measured: list[Measured] = []
        self.run.simulation.sequencer.listen(self.listen)
        self.pass_time(20 * MINUTE)

    def listen(self, event: Event, commands: list[Command]) -> None:
        if isinstance(event, Measured):
            self.measured.append(event)
        ours = (command for command in commands if isinstance(command, Post | Lift | Alert))
        self.told += [(event.ts_ns, command) for command in ours]

    @property
    def now_ns(self) -> int:
        return self.run.simulation.now_ns

    def pass_time(self, ns: int) -> None:
        self.run.simulation.run_until(self.now_ns + ns)

    def tell(self, event: Event) -> None:
        self.run.simulation.feed_event(event)

    def standing(self) -> set[tuple[str, str, Level]]:
        return {(one.id, str(one.scope), one.level) for one in self.run.program.engine.restrictions()}

    def breakers(self, state: BreakerState) -> None:
        for endpoint in ("orders", "queries"):
            self.tell(BreakerMoved("kraken", endpoint, state, "t", self.now_ns))

    def pages(self) -> int:
        return sum(isinstance(one, Alert) and one.severity is Severity.PAGE for _, one in self.told)


class SpaceDisk(FaultyDisk):
    """Has as much room as the test says."""

    room = 2**40

    def free_bytes(self, folder: Path) -> int:
        return self.room


class SlowLedger(FaultyLedger):
    """Each write takes `slow_ms` on the world's clock."""

    def __init__(self, ledger, world: World) -> None:
        super().__init__(ledger)
        self.world = world

    def _take(self) -> None:
        self.world.clock.sleep_until(self.world.clock.now_ns() + round(self.world.slow_ms * 1e6))

    def commit(self, commands):
        self._take()
        return super().commit(commands)

    def probe(self, ts_ns: int) -> None:
        self._take()
        self.ledger.probe(ts_ns)


def accepted(world: World, from_ns: int, to_ns: int) -> int:
    in_flight_ns = SECOND
    records = venue_records(world.run.folder)
    return sum(isinstance(one, Accepted) and from_ns + in_flight_ns < one.ts_ns <= to_ns for one in records)


def until_open(world: World, limit_ns: int = 5 * MINUTE) -> None:
    end_ns = world.now_ns + limit_ns
    while world.standing():
        assert world.now_ns < end_ns, world.standing()
        world.pass_time(SECOND)


def test_a_healthy_run_measures_and_publishes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    world.pass_time(120 * MINUTE)
    assert world.measured == []
    assert world.standing() == set()
    world.run.close()


def test_little_space_halts_everything_until_there_is_more(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    world.disk.room = 2**30 - 1
    world.pass_time(WITHIN_NS)
    assert world.standing() == HALT_ALL
    assert world.pages() == 1
    halted_ns = world.now_ns
    world.pass_time(30 * MINUTE)
    assert world.standing() == HALT_ALL, "as long as it lasts"
    world.disk.room = 2**30
    healed_ns = world.now_ns
    until_open(world)
    assert MINUTE <= world.now_ns - healed_ns <= 90 * SECOND
    world.pass_time(60 * MINUTE)
    world.run.close()
    assert accepted(world, halted_ns, healed_ns) == 0
    assert accepted(world, healed_ns, world.now_ns) > 0
    assert_sound(world.run.folder)


def test_a_slow_ledger_halts_everything_until_it_is_fast(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    world.slow_ms = 51.0
    while not world.measured:
        world.pass_time(SECOND)
    slow_ns = world.measured[0].ts_ns
    world.pass_time(slow_ns + MINUTE - 1 - world.now_ns)
    assert world.standing() == set()
    world.pass_time(WITHIN_NS)
    assert world.standing() == HALT_ALL
    world.slow_ms = 4.0
    fast_ns = world.now_ns
    until_open(world)
    assert world.now_ns - fast_ns >= 2 * MINUTE - 2 * SECOND, "60 s until the slow commits are old, 60 s more"
    world.run.close()
    assert_sound(world.run.folder)


@pytest.mark.parametrize("part", ["journal", "ledger"])
def test_a_write_error_halts_until_writing_works_and_is_fast(tmp_path: Path, part: str) -> None:
    world = World(tmp_path / "run")
    if part == "journal":
        world.disk.fail(FULL)
    else:
        world.ledger.broken = True
    while not world.standing():
        world.pass_time(SECOND)
    assert world.standing() == {*HALT_ALL, (f"storage/{part}", "global", Level.HALT)}
    world.pass_time(10 * MINUTE)
    assert len(world.standing()) == 2
    world.disk.heal()
    world.ledger.broken = False
    healed_ns = world.now_ns
    until_open(world)
    assert world.now_ns - healed_ns >= MINUTE
    world.run.close()
    assert_sound(world.run.folder)


def test_a_venue_clock_that_is_off_is_caution_then_a_halt(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    world.run.simulation.line.clock = VenueClock(-3 * SECOND)
    world.pass_time(30 * SECOND)
    assert world.standing() == set()
    world.pass_time(WITHIN_NS)
    assert world.standing() == {(SKEWED, "venue:kraken", Level.CAUTION)}
    assert world.run.program.engine.standing("slots", world.run.program.instrument.id).multiplier == 0.5
    assert world.run.status()["guards"]["playbooks"]["clock_skew"]["millrace_playbook_active"] == 1
    world.run.simulation.line.clock = VenueClock(6 * SECOND)
    world.pass_time(WITHIN_NS)
    assert world.standing() == {(SKEWED, "venue:kraken", Level.HALT)}
    assert world.pages() == 1
    world.pass_time(60 * MINUTE)
    world.run.simulation.line.clock = VenueClock(SECOND // 4)
    good_ns = world.now_ns
    until_open(world)
    assert MINUTE <= world.now_ns - good_ns <= 90 * SECOND
    world.run.close()
    assert_sound(world.run.folder)


def test_a_venue_that_does_not_tell_its_time_is_not_taken_to_be_right(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    line = world.run.simulation.line
    line.clock = VenueClock(6 * SECOND)
    world.pass_time(WITHIN_NS)
    line.clock = VenueClock()
    ask_time, line.ask_time = line.ask_time, lambda _: None
    world.pass_time(60 * MINUTE)
    assert world.standing() == {(SKEWED, "venue:kraken", Level.HALT)}
    line.ask_time = ask_time
    until_open(world)
    world.run.close()


def test_an_outage_halts_the_venue_until_it_answers_and_was_compared(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    world.breakers(BreakerState.OPEN)
    assert world.standing() == OUT
    world.pass_time(10 * MINUTE - SECOND)
    assert world.pages() == 0
    world.pass_time(2 * SECOND)
    assert world.pages() == 1, "10 minutes with orders there"
    world.breakers(BreakerState.HALF_OPEN)
    world.breakers(BreakerState.CLOSED)
    assert world.standing() == {(OUTAGE, "venue:kraken", Level.HALT)}
    closed_ns = world.now_ns
    until_open(world)
    assert world.now_ns - closed_ns <= 70 * SECOND, "the next comparison, a minute later at most"
    world.run.close()
    assert_sound(world.run.folder)


def test_a_venue_that_stops_answering_is_an_outage_until_it_answers(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    line = world.run.simulation.line
    request, line._request = line._request, lambda *given: (Fate(Fault.REQUEST_LOST), given[-1])
    breakers = world.run.program.engine.guards[1]
    gone_ns = world.now_ns
    while OUTAGE not in {one[0] for one in world.standing()}:
        world.pass_time(SECOND)
        assert world.now_ns < gone_ns + 10 * MINUTE, breakers.status(world.run.program.engine)
    world.pass_time(5 * MINUTE)
    assert (OUTAGE, "venue:kraken", Level.HALT) in world.standing()
    line._request = request
    back_ns = world.now_ns
    while OUTAGE in {one[0] for one in world.standing()}:
        world.pass_time(SECOND)
        assert world.now_ns < back_ns + 5 * MINUTE, breakers.status(world.run.program.engine)
    assert set(breakers.status(world.run.program.engine).values()) == {"closed"}
    until_open(world)
    back_ns = world.now_ns
    world.pass_time(60 * MINUTE)
    world.run.close()
    assert accepted(world, back_ns, world.now_ns) > 0
    assert_sound(world.run.folder)


def test_a_paused_market_is_halted_until_a_person_lifts_it(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    at = world.run.program.instrument.id
    world.tell(MarketStatus(at, MarketPhase.PAUSED, "maintenance", world.now_ns))
    ids = {"playbook/market_anomaly/kraken:DOGE/USD/market:kraken:DOGE/USD"}
    ids.add("playbook/market_anomaly/kraken:DOGE/USD/family:DOGE/USD")
    assert {one[0] for one in world.standing()} == ids
    assert {one[2] for one in world.standing()} == {Level.HALT}
    assert world.pages() == 1
    world.tell(MarketStatus(at, MarketPhase.OPEN, "open", world.now_ns))
    world.pass_time(60 * MINUTE)
    assert len(world.standing()) == 2
    held = world.run.program.engine.positions()
    pending = world.run.ledger.bookings("settlement_pending")
    assert all(isinstance(book, Book) for book in pending)
    assert bool(pending) == bool(held)
    world.run.close()
    assert_sound(world.run.folder)


def test_a_restart_keeps_the_halt_until_it_has_measured_that_it_is_over(tmp_path: Path) -> None:
    world = World(tmp_path / "run")
    world.run.simulation.line.clock = VenueClock(6 * SECOND)
    world.pass_time(WITHIN_NS)
    assert world.standing()
    again = open_run(as_killed(world.run, tmp_path / "again"))
    began_ns = again.simulation.now_ns
    assert again.program.engine.standing("slots", again.program.instrument.id).level is Level.HALT
    again.simulation.run_until(began_ns + 50 * SECOND)
    assert again.program.engine.restrictions()
    again.simulation.run_until(began_ns + 2 * MINUTE)
    assert again.program.engine.restrictions() == []
    again.close()
    assert_sound(again.folder)


def two_at_once(world: World) -> None:
    world.run.simulation.line.clock = VenueClock(2 * SECOND)
    world.pass_time(45 * SECOND)
    assert world.standing() == {(SKEWED, "venue:kraken", Level.CAUTION)}
    world.disk.room = 0
    world.pass_time(WITHIN_NS)
    assert world.standing() == {*HALT_ALL, (SKEWED, "venue:kraken", Level.CAUTION)}
    assert world.run.program.engine.standing("slots", world.run.program.instrument.id).level is Level.HALT
    world.breakers(BreakerState.OPEN)
    assert len(world.standing()) == 4, "the gravest does not wait for the mildest"
    world.run.simulation.line.clock = VenueClock()
    world.pass_time(2 * MINUTE)
    assert world.standing() == HALT_ALL | OUT
    world.disk.room = 2**40
    world.breakers(BreakerState.CLOSED)
    until_open(world)


def test_books_at_once_and_the_same_seed_twice_gives_the_same_actions(tmp_path: Path) -> None:
    first, second = World(tmp_path / "1"), World(tmp_path / "2")
    for world in (first, second):
        two_at_once(world)
        world.run.close()
    assert first.told == second.told
    assert sum(isinstance(one, Post) for _, one in first.told) == 4
    assert first.run.program.engine.command_hash == second.run.program.engine.command_hash
    assert_sound(first.run.folder)
