"""Recorded books go through the program's own, and none that is served is crossed, gapped or not the venue's.

The files are Binance's streams of five minutes to a day (runtime 2.4, issue step a). Where nobody gave them, the tests
are skipped.
"""

from bisect import bisect_right
from pathlib import Path

import pytest

from millrace.core.book_events import BookDelta, BookState
from millrace.core.events import Print
from millrace.core.failure import OperatorError
from millrace.market.books.books import Books
from millrace.market.books.order_book import OrderBook
from millrace.research.binance_lines import open_recording
from millrace.research.recorder_clock import LEAST_LATENCY_NS

FILES = (
    "binance_usdm_btcusdt_20240808", "binance_spot_btcusdt_20240808", "binance_cm_btcusd_perp_20240808",
    "binance_cm_btcusd_perp_20240809", "binance_usdm_btcusdt_20230404", "binance_spot_nexousdt_20240723",
    "binance_spot_nexousdt_20240724",
)  # fmt: skip


@pytest.fixture
def folder(shared: Path) -> Path:
    found = shared / "data" / "l2_books"
    if not found.is_dir():
        pytest.skip(f"no recorded books in {found}")
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_recording_chains_and_no_crossed_book_is_served(folder: Path, name: str) -> None:
    recording = open_recording(folder / f"{name}.gz")
    at, books = recording.instrument.id, Books()
    served, news, last_ns, latencies = 0, [], 0, 0
    tops: dict[int, tuple] = {}
    for row in recording.rows():
        assert row.ts_ns >= last_ns
        last_ns = row.ts_ns
        if isinstance(row, Print):
            continue
        told = books.observe(row)
        if told is not None:
            news.append(told.state)
        latencies += isinstance(row, BookDelta) and row.ts_ns - row.venue_ts_ns < LEAST_LATENCY_NS
        book = books.live(at)
        if book is not None:
            served += 1
            assert 0 < book.top()[0] < book.top()[2]
            tops[book.seq] = book.top()
    assert news[-1] is BookState.LIVE
    assert BookState.INVALID not in news
    assert books.of_venue(at.venue).late == 0
    assert served > 0.9 * len(tops)
    assert latencies == 0
    assert _agreement(recording, tops) == 1.0


def _agreement(recording, tops: dict[int, tuple]) -> float:
    """Return the share of books whose top is the venue's newest best quote up to their number."""
    told = sorted(
        (number, (quote.bid_ticks, quote.bid_lots, quote.ask_ticks, quote.ask_lots))
        for number, quote in recording.best_quotes()
    )
    numbers = [row[0] for row in told]
    compared = [(top, bisect_right(numbers, number)) for number, top in tops.items() if numbers[0] <= number]
    agreed = [top == told[place - 1][1] for top, place in compared]
    return sum(agreed) / len(agreed)


def test_overwriting_the_book_with_the_snapshot_goes_wrong_where_ours_does_not(folder: Path) -> None:
    """The naive way ends with a crossed book on this file, and stays crossed."""
    naive, crossed, rows = OrderBook(), 0, 0
    for row in open_recording(folder / "binance_spot_btcusdt_20240808.gz").rows():
        if isinstance(row, Print):
            continue
        (naive.change if isinstance(row, BookDelta) else naive.replace)(row.bids, row.asks)
        crossed, rows = crossed + naive.is_crossed, rows + 1
    assert naive.is_crossed
    assert crossed > rows / 2


def test_a_recording_without_a_snapshot_is_refused(folder: Path) -> None:
    with pytest.raises(OperatorError, match="no snapshot of the book"):
        open_recording(folder / "binance_spot_btcusdt_20230405.gz")
