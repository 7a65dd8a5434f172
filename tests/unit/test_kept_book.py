"""One market's book, event by event: what a comparison with the venue concludes (runtime 2.4 rules 5 and 6)."""

from book_tape import COIN
from millrace.core.binary_events import BookLevel
from millrace.core.book_events import BookDelta, BookSnapshot, BookState
from millrace.market.books.upkeep import KeptBook, VenueBooks

BID, ASK = BookLevel(1_000, 50), BookLevel(1_002, 40)


def whole(ts_ns, bid=BID, ask=ASK, seq=0, **more) -> BookSnapshot:
    return BookSnapshot(COIN, ts_ns, ts_ns, seq, (bid,), (ask,), **more)


def change(ts_ns, bids=(), asks=(), seq=0) -> BookDelta:
    return BookDelta(COIN, ts_ns, ts_ns, seq, seq, tuple(bids), tuple(asks))


def live(seq=0) -> KeptBook:
    kept = KeptBook(COIN, VenueBooks())
    news = kept.came(whole(1, seq=seq))
    assert (news.state, kept.state) == (BookState.LIVE, BookState.LIVE)
    return kept


def test_a_book_that_is_told_anew_while_it_is_compared_is_compared_as_it_is_now() -> None:
    """The answer may be of either book: of the one before the venue told it anew, or of the one after."""
    moved = BookLevel(1_001, 9)
    for answered in (BID, moved):
        kept = live(seq=5)
        kept.check(2, tick=1)
        assert kept.came(whole(4, bid=moved, seq=9)) is None
        assert kept.changed(change(5, bids=[BookLevel(1_001, 0), BookLevel(900, 3)], seq=10)) is None
        news = kept.came(whole(6, bid=answered, seq=9, polled=True, requested_ns=3))
        assert news.agreed is True


def test_an_answer_that_waits_for_the_book_is_met_by_one_told_anew() -> None:
    kept = live(seq=5)
    kept.check(2, tick=1)
    ahead = BookLevel(990, 7)
    assert kept.came(whole(3, bid=ahead, seq=9, polled=True, requested_ns=2)) is None
    news = kept.came(whole(4, bid=ahead, seq=9))
    assert news.agreed is True
