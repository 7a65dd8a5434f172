"""What a venue of books is told before it opens, beside what every spot venue is: who is before us in a queue.

How long messages travel are three figures and not one: a row from the venue to the program (`FeedDelay`), a request to
the venue, and its answer back (`AccountSettings`). They differ on real lines, and what a market maker loses lies there.
"""

from millrace.market.queue_models import QueueRule
from millrace.sim.dice import Dice
from millrace.sim.rate_counter import RateTier
from millrace.sim.venue_settings import AccountSettings

_STRETCH_NS = 100_000_000


class DepthVenueSettings(AccountSettings, frozen=True, kw_only=True):
    """The assumptions of a venue of books; every one belongs into a report of what it filled."""

    queue: QueueRule = QueueRule.POWER
    rate: RateTier | None = None


class FeedDelay:
    """How much later than the venue the program hears of what happens there: `base_ns`, and up to `jitter_ns` more.

    What is added is drawn for each tenth of a second of the venue's time, as a line is slow for a while. One connection
    carries everything, so nothing overtakes what was sent before it. A time's delay depends on nothing but the time.
    """

    __slots__ = ("_dice", "_jitter_ns", "_known", "base_ns")

    def __init__(self, seed: int, base_ns: int, jitter_ns: int = 0) -> None:
        self.base_ns = base_ns
        self._dice = Dice(seed, "feed delay")
        self._jitter_ns = jitter_ns
        self._known = (-1, 0, 0)  # a stretch of time, what it adds, and before when nothing of it is heard

    def heard_ns(self, ts_ns: int) -> int:
        """Return when the program hears of what happens at `ts_ns`."""
        if not self._jitter_ns:
            return ts_ns + self.base_ns
        stretch = ts_ns // _STRETCH_NS
        if stretch != self._known[0]:
            before = range(max(stretch - 1 - self._jitter_ns // _STRETCH_NS, 0), stretch)
            last = [(one + 1) * _STRETCH_NS - 1 + self._added_ns(one) for one in before]
            self._known = stretch, self._added_ns(stretch), max(last, default=0)
        _, added_ns, earliest_ns = self._known
        return self.base_ns + max(ts_ns + added_ns, earliest_ns)

    def _added_ns(self, stretch: int) -> int:
        return self._dice.between(0, self._jitter_ns, stretch)
