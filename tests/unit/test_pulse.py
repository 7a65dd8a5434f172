"""A venue that holds a throttle is asked a question a second, and only one of them waits (runtime 2.11)."""

from collections import deque

import faulty_line as toy
from millrace.capacity.call_budget import CallBudgetSettings
from millrace.shell.latency_watch import Pulse
from millrace.shell.unanswered import StatusAnswer
from millrace.shell.venue_calls import probe_id

PROBE = probe_id("toy")
SLOW = CallBudgetSettings(calls_per_loop=1, metronome=False, bucket_calls=10**9, refill_ns=1)


class Watch:
    """Holds a throttle all the time, and keeps how long questions took."""

    def __init__(self) -> None:
        self.took: deque[tuple[int, int]] = deque()

    def throttled(self, venue: str) -> bool:
        return True

    def question(self, venue: str, waited_ns: int, took_ns: int, now_ns: int) -> None:
        self.took.append((waited_ns, took_ns))


def test_a_question_that_waits_is_not_asked_a_second_time():
    watch = Watch()
    world = toy.make_world(0, None, pace=SLOW, pulse=Pulse(watch, toy.DOGE.id))  # type: ignore[arg-type]
    world.run(29)
    assert world.executor.waiting == 1, "one call in 30 s left, and one question waits for the next"
    world.run(2)
    assert [round(waited_ns / toy.SECOND) for waited_ns, _ in watch.took] == [0, 29], "its wait counts from when due"


def test_one_that_left_and_was_lost_is_asked_again_after_two_seconds():
    watch = Watch()
    pulse = Pulse(watch, toy.DOGE.id)  # type: ignore[arg-type]
    asked = []
    for second in range(6):
        now_ns = second * toy.SECOND
        if pulse.due(now_ns):
            pulse.left(now_ns)
            asked.append(second)
    assert asked == [0, 2, 4]
    pulse.answered(StatusAnswer(PROBE, None, 4 * toy.SECOND), 4 * toy.SECOND + 7)
    assert list(watch.took) == [(0, 7)]
