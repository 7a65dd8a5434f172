"""A book is the venue's own or it is not served, whatever happens to the messages on the way (runtime 2.4)."""

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from book_tape import COIN, MS, NOON, SECOND, TruthMarket
from millrace.core.binary_events import BookLevel
from millrace.core.book_events import BookDelta, BookNews, BookSnapshot, BookState
from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import ResyncBook
from millrace.market.books.books import Books
from millrace.market.books.order_book import BookSide

LEVEL = st.tuples(st.integers(1, 40), st.integers(0, 5))
KINDS = {
    "numbered": {"numbered": True, "summed": False},
    "summed": {"numbered": False, "summed": True, "depth": 10},
    "both": {"numbered": True, "summed": True, "depth": 25},
}


@given(st.lists(st.lists(LEVEL, max_size=6), max_size=20), st.sampled_from((1, -1)), st.integers(1, 12))
def test_a_side_is_a_dictionary_that_is_sorted_when_somebody_looks(messages, sign, depth) -> None:
    side, model = BookSide(sign), {}
    for message in messages:
        assert side.change(tuple(BookLevel(*row) for row in message))
        model.update(dict(message))
        model = {ticks: lots for ticks, lots in model.items() if lots}
        side.cut(depth)
        best = sorted(model, key=lambda ticks: -sign * ticks)
        model = {ticks: model[ticks] for ticks in best[:depth]}
        assert dict(side.levels()) == model
        assert [level.ticks for level in side.levels()] == best[:depth]
        assert side.levels(2) == side.levels()[:2]
        assert side.best() == (side.levels(1)[0] if model else None)
        assert side.best_ticks() == (best[0] if best else 0)
        assert len(side) == len(model)
        assert [side.lots_at(ticks) for ticks in range(1, 41)] == [model.get(ticks, 0) for ticks in range(1, 41)]


def served_wrongly(books: Books, market: TruthMarket, truths: list) -> str | None:
    """Return what is wrong when a book is served that the venue never had at the moment that it says."""
    book = books.live(market.at)
    if book is None:
        return None
    if (book.bids(), book.asks()) in truths:
        return None
    return f"served at {book.ts_ns} what the venue never had: {book.top()}"


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32), mischief=st.integers(0, 2**32))
def test_no_wrong_book_is_served_however_messages_are_lost_doubled_swapped_or_corrupted(kind, seed, mischief) -> None:
    """Each message meets its fate; a book that is served was the venue's at that moment or an earlier one, whole."""
    market, dice, books = TruthMarket(seed, **KINDS[kind]), Random(mischief), Books()
    books.observe(market.snapshot())
    truths = [market.sides()]
    held: BookDelta | None = None
    for _ in range(60):
        event = market.delta()
        truths.append(market.sides())
        fate = dice.random()
        if fate < 0.05:
            continue
        if fate < 0.10 and held is None:
            held = event
            continue
        told = [event]
        if fate < 0.15:
            told.append(event)
        if held is not None:
            told.append(held)
            held = None
        for one in told:
            books.observe(one)
            assert served_wrongly(books, market, truths) is None
        if books.state_of(COIN) is BookState.INVALID and dice.random() < 0.3:
            books.resync(ResyncBook(COIN, "gap", market.now_ns))
            if dice.random() < 0.7:
                books.observe(market.snapshot())
            assert served_wrongly(books, market, truths) is None


@given(seed=st.integers(0, 2**32), ages=st.lists(st.integers(0, 12), min_size=1, max_size=6))
def test_a_snapshot_that_is_older_than_the_stream_becomes_right_by_the_changes_that_waited(seed, ages) -> None:
    """Diffs that arrive before the snapshot are kept and those newer than it are replayed; any age will do."""
    market, books = TruthMarket(seed), Books()
    told = []
    for age in ages:
        told.append(market.snapshot())
        for _ in range(age):
            books.observe(market.delta())
    books.observe(msgspec.structs.replace(told[0], ts_ns=market.now_ns))
    book = books.live(COIN)
    assert book is not None
    assert (book.bids(), book.asks()) == market.sides()
    for late in told:  # what is older changes nothing any more
        books.observe(msgspec.structs.replace(late, ts_ns=market.now_ns))
        assert (book.bids(), book.asks()) == market.sides()


@given(seed=st.integers(0, 2**32), cut=st.integers(0, 40))
def test_a_restored_book_goes_on_as_the_one_that_was_saved(seed, cut) -> None:
    market, first = TruthMarket(seed, summed=True, depth=10), Books()
    events: list[BookSnapshot | BookDelta | ResyncBook] = [market.delta(), market.delta(), market.snapshot()]
    for number in range(40):
        event = market.delta()
        if number % 11 == 5:
            events.append(ResyncBook(COIN, "check", market.now_ns, only_check=True))
            events.append(market.snapshot(polled=True, requested_ns=market.now_ns))
        if number % 17 == 9:
            events.append(market.snapshot())
        if number % 13 != 12:
            events.append(event)
    for event in events[:cut]:
        _take(first, event)
    second = Books()
    second.restore(decode_state(encode_state(first.snapshot())))
    for event in events[cut:]:
        assert _take(first, event) == _take(second, event)
    assert first.snapshot() == second.snapshot()


def _take(books: Books, event: BookSnapshot | BookDelta | ResyncBook) -> BookNews | None:
    return books.resync(event) if isinstance(event, ResyncBook) else books.observe(event)


def test_ten_thousand_generated_changes_verify_with_truncation_and_not_without() -> None:
    """Runtime 2.4 A1: 100 % with truncation on, at least one failure with it off."""
    market, books = TruthMarket(7, numbered=False, summed=True, depth=10), Books()
    start = market.snapshot()
    books.observe(start)
    loose = Books()
    loose.observe(msgspec.structs.replace(start, depth=0))
    verified = 0
    for event in market.deltas(10_000):
        assert books.observe(event) is None
        verified += books.live(COIN) is not None
        loose.observe(event)
    assert verified == 10_000
    assert loose.state_of(COIN) is BookState.INVALID
    assert loose.of_venue(COIN.venue).checksum_failures >= 1


def test_the_times_of_the_tape_are_those_of_the_tests() -> None:
    market = TruthMarket()
    assert market.delta().ts_ns == NOON + 100 * MS
    assert 10 * market.step_ns == SECOND
