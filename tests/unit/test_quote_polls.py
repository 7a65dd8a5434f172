"""Markets that only a snapshot settles are asked for, while their venue's stream lives (runtime 2.2, 2.4)."""

from feeds import RAIN, book, firewall, seconds
from millrace.core.binary_events import QuoteSource, StreamBeat
from millrace.core.instrument import InstrumentId
from millrace.sim.prediction.rows import Row
from millrace.world.arb.quote_feed import Place, QuoteFeed

FAR = InstrumentId("polymarket", "RAIN")


class Nobody:
    def on_book(self, quote):
        return []

    def answer(self, deliveries):
        pass


def feed_of(*rows, wanted=(RAIN,)):
    place = Place(Nobody(), Nobody())
    feed = QuoteFeed(iter(rows), {"kalshi": place, "polymarket": place})
    feed.poll_for(lambda: wanted)
    return feed


def beat(at, venue="kalshi", told=True):
    return Row(StreamBeat(venue, seconds(at)), True, told)


def drained(feed, count):
    return [event for _ in range(count) if (event := feed.take()) is not None]


def test_a_doubtful_market_is_asked_for_with_the_beat_and_answers_with_the_venues_own_book():
    shown, hidden = book(at=0, version=1), book(yes=50, no=52, yes_bid=48, no_bid=50, at=1, version=2)
    feed = feed_of(Row(shown, True, True), Row(hidden, True, False), beat(2))
    *_, answer = drained(feed, 4)
    assert (answer.source, answer.ts_ns, answer.version) == (QuoteSource.POLL, seconds(2), 2)
    assert answer.yes_asks == hidden.yes_asks
    assert feed.polls == 1


def test_it_is_asked_for_every_five_seconds_at_most_and_not_of_a_silent_or_another_venue():
    beats = [beat(at) for at in (1, 2, 5.9)] + [beat(6, told=False), beat(6.5, "polymarket"), beat(7)]
    feed = feed_of(Row(book(at=0), True, True), *beats)
    found = drained(feed, 9)
    assert [event.ts_ns for event in found if getattr(event, "source", None) is QuoteSource.POLL] == [
        seconds(1),
        seconds(7),
    ]


def test_a_market_whose_book_nobody_saw_is_not_asked_for():
    feed = feed_of(beat(1), beat(2), wanted=(FAR, RAIN))
    assert len(drained(feed, 2)) == 2
    assert feed.polls == 0


def test_a_suspect_market_is_settled_by_what_is_asked_for():
    wall = firewall()
    wall.judge(book(yes=31, no=71, yes_bid=29, no_bid=69, at=0, version=1))
    leap = book(yes=61, no=41, yes_bid=59, no_bid=39, at=1, version=2)
    wall.judge(leap)
    now = seconds(32)
    feed = feed_of(Row(leap, True, True), beat(32), wanted=wall.unsettled(now))
    *_, answer = drained(feed, 3)
    assert wall.judge(answer).is_accepted
    assert wall.unsettled(now) == ()
