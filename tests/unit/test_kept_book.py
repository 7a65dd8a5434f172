"""One market's book, event by event: what makes it live, what ends it, and what a comparison concludes (runtime 2.4)."""

import msgspec
import pytest

from book_tape import COIN
from millrace.core.binary_events import BookLevel
from millrace.core.book_events import BookCause, BookDelta, BookSnapshot, BookState
from millrace.market.books.upkeep import MOST_WAITING, RECHECK_NS, KeptBook, VenueBooks

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


def empty() -> KeptBook:
    return KeptBook(COIN, VenueBooks())


def told(kept, event) -> tuple:
    """Return the news of an event as (state, cause), None of no news."""
    news = kept.came(event) if isinstance(event, BookSnapshot) else kept.changed(event)
    assert news is None or (news.state, news.ts_ns) == (kept.state, event.ts_ns)
    return None if news is None else (news.state, news.cause)


def counts(kept) -> dict[str, int]:
    return {name: value for name, value in kept._venue.snapshot().items() if value}


# From nothing to live


def test_changes_wait_for_the_snapshot_and_only_those_that_are_newer_than_it_count() -> None:
    kept = empty()
    assert (kept.state, kept.served, kept.since_ns, kept.verified_ns) == (BookState.EMPTY, None, 0, 0)
    assert told(kept, change(1, bids=[BookLevel(1_000, 99)], seq=4)) == (BookState.SYNCING, BookCause.NO_SNAPSHOT)
    assert told(kept, change(3, bids=[BookLevel(1_001, 7)], seq=6)) is None
    assert told(kept, change(2, bids=[BookLevel(1_000, 60)], seq=5)) is None  # overtaken on its way
    assert counts(kept) == {"waiting": 3}
    assert told(kept, whole(4, seq=4)) == (BookState.LIVE, BookCause.NO_SNAPSHOT)
    assert kept.served.bids() == (BookLevel(1_001, 7), BookLevel(1_000, 60))
    assert (kept.book.seq, kept.cause, counts(kept)) == (6, None, {})
    assert told(kept, change(5, bids=[BookLevel(1_001, 0)], seq=7)) is None


def test_without_numbers_those_count_that_the_venue_sent_later_than_the_snapshot() -> None:
    kept = empty()
    for ts_ns, lots in ((1, 99), (2, 60), (3, 70)):
        told(kept, change(ts_ns, bids=[BookLevel(1_000, lots)]))
    assert told(kept, msgspec.structs.replace(whole(2), ts_ns=5)) == (BookState.LIVE, BookCause.NO_SNAPSHOT)
    assert kept.served.bids() == (BookLevel(1_000, 70),)
    assert counts(kept) == {}


def test_a_gap_among_what_waited_is_found_before_anybody_reads_the_book() -> None:
    kept = empty()
    told(kept, change(1, seq=5))
    told(kept, change(2, seq=7))
    assert told(kept, whole(3, seq=4)) == (BookState.INVALID, BookCause.GAP)
    assert kept.served is None
    assert told(kept, whole(4, seq=6)) == (BookState.LIVE, BookCause.GAP)
    assert kept.book.seq == 7


def test_the_change_that_shows_a_gap_is_kept_for_the_snapshot() -> None:
    kept = live(seq=5)
    assert told(kept, change(2, bids=[BookLevel(999, 3)], seq=7)) == (BookState.INVALID, BookCause.GAP)
    assert counts(kept) == {"waiting": 1}
    assert told(kept, whole(3, seq=6)) == (BookState.LIVE, BookCause.GAP)
    assert kept.served.bids() == (BID, BookLevel(999, 3))
    assert counts(kept) == {}


def test_what_waits_is_bounded_and_beyond_the_bound_a_snapshot_must_be_newer() -> None:
    kept = empty()
    for number in range(MOST_WAITING):
        told(kept, change(number, seq=number + 1))
    assert told(kept, change(9_000, seq=MOST_WAITING + 1)) == (BookState.INVALID, BookCause.OVERFLOW)
    assert counts(kept) == {}
    assert told(kept, whole(9_001, seq=MOST_WAITING)) is None
    assert counts(kept) == {"late": 1}
    assert told(kept, whole(9_002, seq=MOST_WAITING + 1)) == (BookState.LIVE, BookCause.OVERFLOW)


# What ends it


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        (change(2, seq=7), BookCause.GAP),
        (change(2, bids=[BookLevel(1_002, 1)], seq=6), BookCause.CROSSED),
        (change(2, asks=[BookLevel(1_000, 1)], seq=6), BookCause.CROSSED),
        (change(2, bids=[BookLevel(990, -1)], seq=6), BookCause.MALFORMED),
        (change(2, asks=[BookLevel(0, 5)], seq=6), BookCause.MALFORMED),
        (msgspec.structs.replace(change(2, seq=6), checksum=1), BookCause.CHECKSUM),
        (whole(2, bid=BookLevel(1_002, 1), seq=6), BookCause.CROSSED),
        (whole(2, bid=BookLevel(1_000, -1), seq=6), BookCause.MALFORMED),
    ],
    ids=str,
)
def test_what_makes_a_book_invalid(event, cause) -> None:
    kept = live(seq=5)
    kept.check(1, tick=1)
    assert told(kept, event) == (BookState.INVALID, cause)
    assert kept.served is None
    assert kept.verified_ns == 1
    assert kept.came(whole(3, seq=6, polled=True, requested_ns=1)) is None, "the comparison ended with the book"


def test_a_change_that_the_venue_sent_before_the_last_one_is_out_of_order_where_nobody_counts() -> None:
    kept = live()
    assert told(kept, change(3)) is None
    assert told(kept, change(3)) is None
    assert told(kept, change(2)) == (BookState.INVALID, BookCause.OUT_OF_ORDER)


def test_a_change_that_came_before_is_counted_and_changes_nothing() -> None:
    kept = live(seq=5)
    assert told(kept, change(2, bids=[BookLevel(999, 3)], seq=6)) is None
    assert told(kept, change(3, bids=[BookLevel(999, 9)], seq=6)) is None
    assert kept.served.bids() == (BID, BookLevel(999, 3))
    assert counts(kept) == {"duplicates": 1}
    assert told(kept, change(4, seq=7)) is None


def test_changes_that_the_snapshot_holds_are_no_duplicates() -> None:
    kept = live(seq=5)
    assert told(kept, change(2, seq=4)) is None
    spanning = msgspec.structs.replace(change(3, bids=[BookLevel(999, 3)], seq=8), first_seq=4)
    assert told(kept, spanning) is None
    assert (kept.book.seq, counts(kept)) == (8, {})
    again = msgspec.structs.replace(change(4, seq=10), first_seq=8)
    assert told(kept, again) == (BookState.INVALID, BookCause.GAP), "only what follows a snapshot may begin before it"


def test_asking_anew_and_a_new_connection_forget_what_came_before() -> None:
    kept = live(seq=5)
    kept.resync(2)
    assert (kept.state, kept.cause, kept.since_ns, kept.served) == (BookState.SYNCING, BookCause.RECONNECT, 2, None)
    told(kept, change(3, seq=9))
    assert counts(kept) == {"waiting": 1}
    assert kept.cut_off(BookCause.RESET, 4).cause is BookCause.RESET
    assert counts(kept) == {}
    assert told(kept, whole(5, seq=2)) == (BookState.LIVE, BookCause.RESET), "the venue may count anew"
    assert empty().cut_off(BookCause.RESET, 1) is None
    bare = empty()
    bare.resync(7)
    assert (bare.state, bare.cause, bare.since_ns) == (BookState.SYNCING, None, 7)


def test_an_older_snapshot_never_overwrites_a_newer_book() -> None:
    """Rule 6: by number, else by the venue's time; a lower number at a later time is a venue that counts anew."""
    kept = live(seq=5)
    assert told(kept, msgspec.structs.replace(whole(9, bid=BookLevel(900, 1), seq=5), venue_ts_ns=1)) is None
    assert counts(kept) == {"late": 1}
    assert told(kept, whole(9, bid=BookLevel(900, 1), seq=3)) is None
    assert kept.served.bids() == (BookLevel(900, 1),)
    plain = live()
    assert told(plain, msgspec.structs.replace(whole(9, bid=BookLevel(900, 1)), venue_ts_ns=1)) is None
    assert plain.served.bids() == (BID,)


# Comparisons


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


def compared(kept, asked_ns, bid, ask=ASK, seq=0, tick=1) -> bool | None:
    """Ask at a time, and return whether the answer of a nanosecond later agreed."""
    kept.check(asked_ns, tick)
    news = kept.came(whole(asked_ns + 1, bid=bid, ask=ask, seq=seq, polled=True, requested_ns=asked_ns))
    return None if news is None else news.agreed


@pytest.mark.parametrize(
    ("bid", "tick", "agreed"),
    [
        (BookLevel(1_000, 50), 1, True),
        (BookLevel(999, 50), 1, True),
        (BookLevel(998, 50), 1, False),
        (BookLevel(998, 50), 2, True),
        (BookLevel(1_000, 45), 1, True),
        (BookLevel(1_000, 44), 1, False),
        (BookLevel(1_000, 55), 1, True),
        (BookLevel(1_000, 56), 1, False),
    ],
    ids=str,
)
def test_tops_agree_within_a_tick_of_price_and_a_tenth_of_size(bid, tick, agreed) -> None:
    """Runtime 2.4 rule 5; sizes by a tenth of the larger one."""
    assert compared(live(seq=5), 10, bid, seq=5, tick=tick) is agreed
    mirrored = empty()
    mirrored.came(whole(1, ask=BookLevel(1_002, 50), seq=5))
    assert compared(mirrored, 10, BID, BookLevel(2_002 - bid.ticks, bid.lots), seq=5, tick=tick) is agreed


def test_an_answer_must_match_a_top_since_it_was_asked_for() -> None:
    moved = BookLevel(1_000, 99)
    for requested_ns, agreed in ((10, True), (20, True), (21, False)):
        kept = live(seq=5)
        kept.check(10, tick=1)
        kept.changed(change(15, bids=[BookLevel(1_000, 70)], seq=6))
        kept.changed(change(21, bids=[moved], seq=7))
        answer = whole(30, bid=BookLevel(1_000, 70), seq=6, polled=True, requested_ns=requested_ns)
        assert kept.came(answer).agreed is agreed


def test_an_answer_ahead_of_the_book_waits_until_the_book_has_come_as_far() -> None:
    for lots, agreed in ((70, True), (90, False)):
        kept = live(seq=5)
        kept.check(10, tick=1)
        assert kept.came(whole(11, bid=BookLevel(1_000, lots), seq=7, polled=True, requested_ns=10)) is None
        assert kept.changed(change(12, seq=6)) is None
        assert kept.changed(change(13, bids=[BookLevel(1_000, 70)], seq=7)).agreed is agreed
        assert kept.changed(change(14, seq=8)) is None


def test_two_that_disagree_end_a_book_when_two_seconds_lie_between_and_none_that_agrees() -> None:
    wrong = BookLevel(1_000, 99)
    kept = live(seq=5)
    assert compared(kept, 10, wrong, seq=5) is False
    assert compared(kept, 10 + RECHECK_NS - 1, wrong, seq=5) is False
    assert kept.state is BookState.LIVE
    assert compared(kept, 10 + RECHECK_NS, BID, seq=5) is True
    assert kept.verified_ns == 11 + RECHECK_NS
    assert compared(kept, 10 + 2 * RECHECK_NS, wrong, seq=5) is False
    assert kept.state is BookState.LIVE, "the one that agreed began the count anew"
    compared(kept, 10 + 3 * RECHECK_NS, wrong, seq=5)
    assert (kept.state, kept.cause, counts(kept)) == (BookState.INVALID, BookCause.DIVERGED, {"divergences": 4})
    assert told(kept, whole(9 * RECHECK_NS, seq=4)) is None, "a snapshot from before it is no remedy"
    assert told(kept, whole(9 * RECHECK_NS, seq=5)) == (BookState.LIVE, BookCause.DIVERGED)


def test_a_comparison_that_remembers_too_much_is_given_up() -> None:
    kept = live(seq=5)
    kept.check(10, tick=1)
    for number in range(10_001):
        assert kept.changed(change(11 + number, bids=[BookLevel(1_000, 100 + number)], seq=6 + number)) is None
    assert kept.came(whole(99_999, seq=5, polled=True, requested_ns=10)) is None
