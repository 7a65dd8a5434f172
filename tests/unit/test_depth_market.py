"""Generated order books: the same whoever asks, numbered without gaps, never crossed, and different by mood."""

from collections import Counter
from itertools import islice, takewhile
from math import log

import pytest

from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.events import Print
from millrace.core.failure import OperatorError
from millrace.market.books.checksum import checksum
from millrace.market.books.order_book import OrderBook
from millrace.sim.depth.fair import FairPath
from millrace.sim.depth.generator import SYMBOLS, DepthMarket
from millrace.sim.depth.market_settings import DepthMarketSettings, Mood

BEGINS_NS = 1_700_000_000 * 10**9
SECOND_NS = 10**9
PAIRS = ("BTC/USDT", "DOGE/USDT", "ZRX/USDT")


def market(symbols=PAIRS, seed=3, **more) -> DepthMarket:
    return DepthMarket(seed, symbols, DepthMarketSettings(begins_ns=BEGINS_NS, **more))


def until(rows, ts_ns) -> list:
    return list(takewhile(lambda row: row.ts_ns < ts_ns, rows))


def only(mood: Mood) -> tuple[int, ...]:
    return tuple(1_000_000 if one is mood else 0 for one in Mood)


def test_rows_are_the_same_whoever_asks_and_from_when_on() -> None:
    ends_ns = BEGINS_NS + 700 * SECOND_NS  # an epoch of every pair ends within
    whole = until(market().rows(BEGINS_NS), ends_ns)
    begins_ns = whole[len(whole) // 3].ts_ns
    late = until(market().rows(begins_ns), ends_ns)
    assert [row for row in late if not isinstance(row, BookSnapshot)] == [
        row for row in whole if row.ts_ns >= begins_ns and not isinstance(row, BookSnapshot)
    ]
    alone = until(market(("DOGE/USDT",)).rows(BEGINS_NS), ends_ns)
    assert alone == [row for row in whole if row.instrument.symbol == "DOGE/USDT"]


def test_a_snapshot_in_the_middle_is_the_book_of_that_moment() -> None:
    ends_ns = BEGINS_NS + 610 * SECOND_NS
    books: dict = {}
    for row in until(market().rows(BEGINS_NS), ends_ns):
        if isinstance(row, BookSnapshot):
            books[row.instrument] = OrderBook()
            books[row.instrument].replace(row.bids, row.asks)
        elif isinstance(row, BookDelta):
            books[row.instrument].change(row.bids, row.asks)
            books[row.instrument].seq = row.seq
    for row in islice(market().rows(ends_ns), len(PAIRS)):
        book = books[row.instrument]
        assert (row.bids, row.asks, row.seq) == (book.bids(), book.asks(), book.seq)


@pytest.mark.parametrize("mood", Mood)
def test_changes_are_numbered_without_a_gap_and_no_book_is_crossed_or_empty(mood) -> None:
    pair = market(mood_ppm=only(mood), depth=8)
    book, traded, last_ns = OrderBook(), Counter(), 0
    for row in until(pair.rows(BEGINS_NS), BEGINS_NS + 1_300 * SECOND_NS):
        assert row.ts_ns >= last_ns
        last_ns = row.ts_ns
        if row.instrument.symbol != "DOGE/USDT":
            continue
        if isinstance(row, Print):
            # A trade is at the touch it takes; the book says so after it.
            side = book.bid_side if row.taker_sells else book.ask_side
            assert side.lots_at(row.ticks) >= row.lots > 0
            traded[row.taker_sells] += 1
            continue
        if isinstance(row, BookSnapshot):
            book.replace(row.bids, row.asks)
        else:
            assert row.first_seq == book.seq + 1
            assert row.seq >= row.first_seq
            assert row.bids or row.asks
            book.change(row.bids, row.asks)
        book.seq = row.seq
        assert book.best_bid().ticks < book.best_ask().ticks
        assert 4 <= len(book.bid_side) <= 8
        assert 4 <= len(book.ask_side) <= 8
    assert min(traded[True], traded[False]) > 10


def test_a_venue_that_sends_checksums_sends_those_of_its_books() -> None:
    book, checked = OrderBook(), 0
    for row in until(market(("BTC/USDT",), checksummed=1).rows(BEGINS_NS), BEGINS_NS + 20 * SECOND_NS):
        if not isinstance(row, Print):
            (book.replace if isinstance(row, BookSnapshot) else book.change)(row.bids, row.asks)
            assert row.checksum == checksum(book)
            checked += 1
    assert checked > 50
    assert next(market().rows(BEGINS_NS)).checksum is None


def test_moods_differ_in_width_and_in_what_takers_know() -> None:
    """In a toxic market trades go before the price: who bought a second ago is richer five seconds later."""
    width, known = {}, {}
    for mood in (Mood.CALM, Mood.TOXIC, Mood.THIN):
        book, spreads, mids, buys = OrderBook(), [], {}, []
        pair = market(("SOL/USDT",), mood_ppm=only(mood))
        for row in until(pair.rows(BEGINS_NS), BEGINS_NS + 1_200 * SECOND_NS):
            second = (row.ts_ns - BEGINS_NS) // SECOND_NS
            if isinstance(row, Print):
                buys.append((second, -1 if row.taker_sells else 1))
                continue
            (book.replace if isinstance(row, BookSnapshot) else book.change)(row.bids, row.asks)
            spreads.append(book.best_ask().ticks - book.best_bid().ticks)
            mids[second] = (book.best_ask().ticks + book.best_bid().ticks) / 2
        moves = [sign * (mids[at + 5] - mids[at]) for at, sign in buys if at in mids and at + 5 in mids]
        width[mood], known[mood] = sum(spreads) / len(spreads), sum(moves) / len(moves)
    assert width[Mood.THIN] > 1.5 * width[Mood.CALM]
    assert known[Mood.TOXIC] > 2 * known[Mood.CALM]
    assert known[Mood.TOXIC] > 1


def test_the_walk_goes_on_as_it_would_have_however_far_it_was_drawn() -> None:
    pair = market(("ETH/USDT",))._pairs[0]
    near, far = (FairPath(3, 1, pair._coin, pair._settings) for _ in range(2))
    early = near.within(5)
    far.within(500)
    assert far.within(5) == early
    assert abs(near.within(6)[0] - early[-1]) < 1e-6 * early[-1]


def test_a_quiet_tempo_is_a_quiet_price_too() -> None:
    """A quarter of the tempo is a quarter of the variance, and takers know four times as far ahead."""
    usual, quiet = (market(("DOGE/USDT",), tempo_ppm=ppm)._pairs[0] for ppm in (1_000_000, 250_000))
    moved, crept = (log(one._fair.within(3)[-1] / one._fair.within(0)[0]) for one in (usual, quiet))
    assert crept == pytest.approx(moved / 2)
    assert (usual._known_steps, quiet._known_steps) == (5, 20)


@pytest.mark.parametrize("symbols", [(), ("PEPE/USDT",), ("BTC/USDT", "BTC/USDT")])
def test_what_cannot_be_generated_is_named(symbols) -> None:
    with pytest.raises(OperatorError, match="BTC/USDT"):
        market(symbols)
    assert len(SYMBOLS) == 20
