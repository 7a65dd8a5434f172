"""The way of books and trades: the venue first, the program after the delay, and answers to questions about a book."""

from millrace.core.binary_events import BookLevel
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.commands import ResyncBook
from millrace.core.events import Print, Timer
from millrace.core.instrument import InstrumentId
from millrace.sim.depth.settings import FeedDelay
from millrace.sim.venue import Delivery
from millrace.sim.venue_clock import TRUE_CLOCK, VenueClock
from millrace.world.line import NEVER_NS
from millrace.world.quoting.book_feed import BookFeed, Row

COIN = InstrumentId("bybit", "COIN/USDT")
BIDS, ASKS = (BookLevel(99, 10),), (BookLevel(101, 10),)


class _Venue:
    def __init__(self) -> None:
        self.saw: list[Row] = []
        self.answered: list[Delivery] = []
        self.clock = TRUE_CLOCK

    def on_book(self, event: BookSnapshot | BookDelta) -> list[Delivery]:
        self.saw.append(event)
        return []

    def on_trade(self, event: Print) -> list[Delivery]:
        self.saw.append(event)
        return []

    def book_now(self, instrument: InstrumentId, ts_ns: int, *, polled: bool = False) -> BookSnapshot:
        return BookSnapshot(instrument, ts_ns, ts_ns, len(self.saw), BIDS, ASKS, polled=polled)

    def answer(self, deliveries: list[Delivery]) -> None:
        self.answered += deliveries


def _shown(feed: BookFeed) -> list[Row]:
    found = []
    while feed.next_ns < NEVER_NS:
        row = feed.take()
        if row is not None:
            found.append(row)
    return found


def test_the_venue_sees_a_row_first_and_the_program_later() -> None:
    venue = _Venue()
    rows = [BookSnapshot(COIN, 1_000, 1_000, 1, BIDS, ASKS), Print(COIN, 1_005, 99, 1, taker_sells=True)]
    feed = BookFeed(iter(rows), venue, venue, FeedDelay(1, 10))
    assert feed.next_ns == 1_000
    assert feed.take() is None
    assert [row.ts_ns for row in venue.saw] == [1_000]
    assert [row.ts_ns for row in _shown(feed)] == [1_010, 1_015]
    assert venue.saw == rows
    assert feed.rows == 2


def test_a_question_about_a_book_travels_there_and_back() -> None:
    venue = _Venue()
    rows = [BookDelta(COIN, ts_ns, ts_ns, 0, 0, BIDS, ()) for ts_ns in (100, 200)]
    feed = BookFeed(iter(rows), venue, venue, FeedDelay(1, 30))
    feed.hear(Timer(150), [ResyncBook(COIN, "gap", 150, only_check=True)])
    shown = _shown(feed)
    assert [row.ts_ns for row in shown] == [130, 210, 230]
    answer = shown[1]
    assert isinstance(answer, BookSnapshot)
    assert (answer.requested_ns, answer.venue_ts_ns, answer.polled, answer.seq) == (150, 180, True, 1)


def test_a_fate_decides_what_reaches_the_program_and_never_what_the_venue_sees() -> None:
    venue = _Venue()
    rows = [BookDelta(COIN, ts_ns, ts_ns, 0, 0, BIDS, ()) for ts_ns in (100, 200)]
    feed = BookFeed(iter(rows), venue, venue, FeedDelay(1, 30), lambda row: () if row.ts_ns == 100 else (row, row))
    assert [row.ts_ns for row in _shown(feed)] == [230, 230]
    assert venue.saw == rows


def test_what_the_venue_says_its_time_is_comes_from_its_clock_and_when_it_is_heard_does_not() -> None:
    venue = _Venue()
    venue.clock = VenueClock(ahead_ns=-40, drift_ppm=100_000, since_ns=100)
    rows = [BookDelta(COIN, ts_ns, ts_ns, 0, 0, BIDS, ()) for ts_ns in (100, 200)]
    shown = _shown(BookFeed(iter(rows), venue, venue, FeedDelay(1, 30)))
    assert [(row.ts_ns, row.venue_ts_ns) for row in shown] == [(130, 60), (230, 170)]
