"""Recorded books and prices as quotes: snapshots, changes, one-sided books, results, and what cannot be read."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.core.binary_events import BinaryQuote, MarketResolved, StreamBeat, StreamReset
from millrace.core.failure import OperatorError
from millrace.core.fee_terms import FeeSchedule, FeeTerms
from millrace.core.instrument import InstrumentId
from millrace.research.arb_data.kalshi_books import RecordedBooks
from millrace.research.arb_data.top_quotes import is_ladder, is_snapshot, ladder, snapshots
from recorded_books import BEGAN, MARKET, write_session


def FEES(series: str) -> FeeSchedule:  # noqa: N802  it stands where a table would
    assert series == "KXBTC15M"
    return FeeSchedule(FeeTerms(quadratic_ppm=70_000))


SNAPSHOT = [
    (0, "S", None, None, None),
    (0, "L", "yes", 4_000, 500),
    (0, "L", "yes", 3_900, 100),
    (0, "L", "no", 5_900, 700),
]


def test_a_book_follows_snapshots_and_changes(tmp_path) -> None:
    write_session(
        tmp_path,
        "one",
        [
            *SNAPSHOT,
            (10, "D", "yes", 4_000, -500),
            (20, "D", "no", 5_950, 250),
            (30, "D", "no", 100, 5),
            (30, "D", "no", 100, -5),
            (40, "S", None, None, None),
            (40, "L", "no", 6_000, 1),
        ],
    )
    books = RecordedBooks(tmp_path, FEES, levels=1)
    rows = list(books.rows())
    assert isinstance(rows[0].event, StreamReset)
    told = [row.event for row in rows if isinstance(row.event, BinaryQuote)]
    first, second, third, last = told
    assert first.yes_bids == ((4_000, 5_000_000),)
    assert first.no_asks == ((6_000, 5_000_000),)
    assert first.yes_asks == ((4_100, 7_000_000),)
    assert second.yes_bids == ((3_900, 1_000_000),)
    assert third.yes_asks == ((4_050, 2_500_000),)
    assert (last.yes_bids, last.no_bids) == ((), ((6_000, 10_000),))  # a snapshot may leave a side out
    assert [quote.ts_ns - BEGAN for quote in told] == [0, 10, 20, 40]
    assert [quote.version for quote in told] == sorted({quote.version for quote in told})
    beats = [row.event.ts_ns - BEGAN for row in rows if isinstance(row.event, StreamBeat)]
    assert beats == [30]  # what came and went left nothing to see
    (facts,) = books.facts
    assert (facts.strike_low, facts.mirrored, facts.tick, facts.lot) == (81087.33, True, 10, 10_000)
    assert facts.close_ns == 1_778_502_600 * 10**9


def test_results_are_told_after_the_close_and_only_where_they_are_known(tmp_path) -> None:
    write_session(tmp_path, "one", SNAPSHOT)
    assert not [row for row in RecordedBooks(tmp_path, FEES).rows() if isinstance(row.event, MarketResolved)]
    (tmp_path / "market_results.json").write_text(json.dumps({MARKET: {"result": "no"}, "OTHER": None}))
    books = RecordedBooks(tmp_path, FEES)
    ended = [row for row in books.rows() if isinstance(row.event, MarketResolved)]
    assert [(row.event.yes_ticks, row.to_venue, row.to_program) for row in ended] == [(0, True, False)]
    assert ended[0].event.ts_ns == books.facts[0].close_ns + 300 * 10**9 == books.last_ns


def test_a_stream_of_sessions_goes_on_from_any_time(tmp_path) -> None:
    write_session(tmp_path, "b", [*SNAPSHOT, (10, "D", "yes", 4_000, -500)], began=BEGAN + 1_000)
    write_session(tmp_path, "a", [*SNAPSHOT, (10, "D", "yes", 4_000, -500)])
    books = RecordedBooks(tmp_path, FEES)
    whole = list(books.rows())
    assert [session.name for session in books.sessions] == ["a", "b"]
    assert [type(row.event) for row in whole] == 2 * [StreamReset, BinaryQuote, BinaryQuote]
    assert list(books.rows(BEGAN + 5)) == [row for row in whole if row.event.ts_ns >= BEGAN + 5]


def test_a_folder_without_books_or_control_is_refused(tmp_path) -> None:
    with pytest.raises(OperatorError, match="no recorded books"):
        RecordedBooks(tmp_path, FEES)
    write_session(tmp_path, "one", SNAPSHOT)
    (tmp_path / "one.control.jsonl").unlink()
    with pytest.raises(OperatorError, match="no control file"):
        RecordedBooks(tmp_path, FEES)


def test_ladders_and_snapshots_have_prices_and_no_sizes(tmp_path) -> None:
    path = tmp_path / "KXHIGH-1.parquet"
    table = {
        "ts_us": [1, 2],
        "market": ["X", "Y"],
        "best_yes_bid": [20, 0],
        "best_no_bid": [60, 99],
        "implied_no_ask": [80, 100],
        "implied_yes_ask": [40, 1],
    }
    pq.write_table(pa.table(table), path)
    assert is_ladder(path)
    assert not is_snapshot(path)
    group, rows = ladder(path)
    assert (group.exhaustive, group.sizes, group.quotes) == (True, False, True)
    seen = list(rows)
    assert [(one.ts_ns, one.yes_ask, one.no_ask) for one in seen] == [(1_000, 4_000, 8_000), (2_000, 100, None)]
    path = tmp_path / "gamma.parquet"
    times = pa.array([5, 5, 3], pa.timestamp("us", tz="UTC"))
    pq.write_table(
        pa.table(
            {
                "snapshot_utc": times,
                "condition_id": ["0x1", "0x2", "0x1"],
                "title": ["Will A win the Cup?", "Other", "Will A win the Cup?"],
                "yes_price": [0.0215, 0.5, 0.02],
                "no_price": [0.9785, 0.5, 0.98],
            }
        ),
        path,
    )
    assert is_snapshot(path)
    group, rows = snapshots(path, "win the Cup")
    assert group.members == (InstrumentId("polymarket", "0x1"),)
    assert (group.exhaustive, group.quotes) == (False, False)
    assert [(one.ts_ns, one.yes_ask) for one in rows] == [(3_000, 200), (5_000, 215)]
    with pytest.raises(OperatorError, match="no title"):
        snapshots(path, "nothing")


def test_the_recording_is_read_whole_with_rising_times_and_versions(shared) -> None:
    folder = shared / "data" / "prediction" / "kalshi_btc15m_l2"
    books = RecordedBooks(folder, FEES, levels=3)
    assert (len(books.sessions), len(books.facts), len(books.results)) == (38, 56, 29)
    last_ns, version, quoted = 0, 0, 0
    for row in books.rows():
        assert row.event.ts_ns >= last_ns
        last_ns = row.event.ts_ns
        if isinstance(row.event, BinaryQuote):
            assert row.event.version > version
            version = row.event.version
            quoted += 1
            if quoted == 20_000:
                break
