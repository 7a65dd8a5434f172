"""What a venue of books is told before it opens, beside what every spot venue is: who is before us in a queue.

How long messages travel are three figures and not one: a row from the venue to the program (`FeedDelay`), a request to
the venue, and its answer back (`AccountSettings`). They differ on real lines, and what a market maker loses lies there.
"""

from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.events import Print
from millrace.core.instrument import InstrumentId
from millrace.market.queue_models import QueueRule
from millrace.sim.dice import Dice
from millrace.sim.rate_counter import RateTier
from millrace.sim.venue_settings import AccountSettings

_MS = 1_000_000
_Row = TypeVar("_Row", BookSnapshot, BookDelta, Print)


class DepthVenueSettings(AccountSettings, frozen=True, kw_only=True):
    """The assumptions of a venue of books; every one belongs into a report of what it filled."""

    queue: QueueRule = QueueRule.POWER
    rate: RateTier | None = None


class FeedDelaySettings(NamedTuple):
    """How much later than the venue the program hears of a row: at least `base_ns`, and up to `jitter_ns` more."""

    seed: int
    base_ns: int = 10 * _MS
    jitter_ns: int = 5 * _MS


class FeedDelay:
    """When rows reach the program; those of one instrument keep their order. Draws depend on a row's time alone."""

    def __init__(self, settings: FeedDelaySettings) -> None:
        self._settings = settings
        self._dice = Dice(settings.seed, "feed delay")
        self._last_ns: dict[InstrumentId, int] = {}

    def seen(self, row: _Row) -> _Row:
        """Return the row at the time at which the program hears of it."""
        settings = self._settings
        late_ns = settings.base_ns
        if settings.jitter_ns:
            late_ns += self._dice.between(0, settings.jitter_ns, str(row.instrument), row.ts_ns)
        seen_ns = max(row.ts_ns + late_ns, self._last_ns.get(row.instrument, 0))
        self._last_ns[row.instrument] = seen_ns
        return replace(row, ts_ns=seen_ns)
