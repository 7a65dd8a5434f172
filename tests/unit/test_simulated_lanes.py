"""Runtime 2.10 in a simulation: a scan's fate comes from the seed and its number, never from the machine."""

from millrace.core.binary_events import LaneStatus
from millrace.core.commands import Scan
from millrace.sim.lanes import SimulatedLanes, SimulatedLanesSettings

DONE, LATE, FAILED = LaneStatus.DONE, LaneStatus.LATE, LaneStatus.FAILED
NOW = 10**18


def lanes(seed=1, **rates):
    prepared = []

    def prepare(setup):
        prepared.append(setup)
        if setup == b"bad":
            raise ValueError("a setup that cannot be read")
        return lambda books: ({"books": books.decode(), "setup": setup.decode()},)

    made = SimulatedLanes({"combo": prepare}, seed, SimulatedLanesSettings(**rates))
    made.prepared = prepared
    return made


def fates(subject, count=2_000):
    return [subject.answer(Scan("arb", "combo", number, NOW), b"rules", b"books") for number in range(count)]


def test_answers_come_within_their_time_and_bring_what_was_found() -> None:
    subject = lanes(late_ppm=0)
    for ts_ns, event in fates(subject, 200):
        assert (event.status, event.ts_ns) == (DONE, ts_ns)
        assert 20_000_000 <= ts_ns - NOW <= 120_000_000
        assert event.found == ({"books": "books", "setup": "rules"},)
    assert subject.prepared == [b"rules"]


def test_late_and_failed_scans_are_drawn_from_the_seed_and_bring_nothing() -> None:
    answers = fates(lanes(late_ppm=100_000, failed_ppm=50_000))
    count = {status: sum(event.status is status for _, event in answers) for status in LaneStatus}
    assert 150 <= count[LATE] <= 250
    assert 60 <= count[FAILED] <= 130
    assert not [event for _, event in answers if event.status is not DONE and event.found]
    assert {ts_ns - NOW for ts_ns, event in answers if event.status is LATE} == {400_000_000}
    assert fates(lanes(late_ppm=100_000, failed_ppm=50_000)) == answers
    assert fates(lanes(seed=2, late_ppm=100_000, failed_ppm=50_000)) != answers


def test_a_job_that_raises_is_an_answer() -> None:
    subject = lanes(late_ppm=0)
    _, event = subject.answer(Scan("arb", "combo", 1, NOW), b"bad", b"")
    assert (event.status, event.text) == (FAILED, "ValueError: a setup that cannot be read")
    _, event = subject.answer(Scan("arb", "ghost", 2, NOW), b"rules", b"")
    assert event.status is FAILED
    _, event = subject.answer(Scan("arb", "combo", 3, NOW), b"rules", b"books")
    assert event.status is DONE
