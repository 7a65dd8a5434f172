"""By how much a venue's clock leads ours, from questions after its time: bounds that nothing can be outside of.

A venue read its clock at some moment between our asking and our hearing, so one answer says that its lead lies between
two bounds, as far apart as the round trip took; the middle of them is the usual estimate, corrected by half the round
trip. The bounds of the last minute are cut with each other, each widened by what clocks may drift since it was asked
for. So the quickest answer counts most, a slow one spoils nothing, and what is said to be skew is never delay. An
answer that contradicts the ones before it means that one of the two clocks was set: then only the new one counts.
"""

from collections import deque
from typing import Final, NamedTuple

FIGURE: Final = "clock_skew_sec"
"""The figure that tells a venue's lead in seconds, at least and with its sign; its subject is the venue."""
MOST_SEC: Final = 5.0
"""A clock that is off by more is wrong: its venue is halted (runtime 2.20), and nothing is corrected beyond it."""
WINDOW_NS: Final = 60 * 1_000_000_000
"""Answers older than this count no more."""
DRIFT_PPM: Final = 500
"""Two clocks drift apart by so much at most, or they are not kept by anybody."""
_PPM: Final = 1_000_000
_KEPT: Final = 16


class Lead(NamedTuple):
    """The bounds of a venue's time minus ours, in ns; positive where the venue's clock is ahead."""

    low_ns: int
    high_ns: int

    @property
    def least_ns(self) -> int:
        """What is certain: the lead nearest to nought that is possible."""
        return max(self.low_ns, min(self.high_ns, 0))

    @property
    def middle_ns(self) -> int:
        """The best guess."""
        return (self.low_ns + self.high_ns) // 2


class _Answer(NamedTuple):
    asked_ns: int
    heard_ns: int
    lead: Lead


class SkewWindow:
    """The answers of one venue's last minute, and what they say together. Times are those of our clock."""

    def __init__(self) -> None:
        self._answers: deque[_Answer] = deque(maxlen=_KEPT)

    def take(self, asked_ns: int, venue_ns: int, heard_ns: int) -> Lead | None:
        """Take one answer and return what is known now; None for an answer from before its question.

        The last is our own clock that was set back in between: then nothing of before counts any more.
        """
        answers = self._answers
        if heard_ns < asked_ns or (answers and heard_ns < answers[-1].heard_ns):
            answers.clear()
        if heard_ns < asked_ns:
            return None
        told = Lead(venue_ns - heard_ns, venue_ns - asked_ns)
        while answers and heard_ns - answers[0].heard_ns >= WINDOW_NS:
            answers.popleft()
        low, high = told
        for kept in answers:
            slack_ns = -(-(heard_ns - kept.asked_ns) * DRIFT_PPM // _PPM)
            low, high = max(low, kept.lead.low_ns - slack_ns), min(high, kept.lead.high_ns + slack_ns)
        if low > high:
            answers.clear()
            low, high = told
        answers.append(_Answer(asked_ns, heard_ns, told))
        return Lead(low, high)
