"""Recorded lines of Binance become events of a book: exact numbers, a clock put right, and what cannot be used refused."""

import gzip
import json

import pytest

from millrace.core.binary_events import BookLevel
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.events import Print
from millrace.core.failure import OperatorError, WorldError
from millrace.research.binance_facts import Venue, listing
from millrace.research.binance_lines import open_recording, read_lines
from millrace.research.recorder_clock import LEAST_LATENCY_NS, LONGEST_REST_NS, PIECE_NS

MS = 1_000_000
SENT_MS = 1_723_161_253_000


def delta(first, last, bids=(), asks=(), sent_ms=SENT_MS, symbol="BTCUSDT", **more):
    data = {"e": "depthUpdate", "E": sent_ms, "s": symbol, "U": first, "u": last, "b": bids, "a": asks, **more}
    return {"stream": f"{symbol.lower()}@depth@100ms", "data": data}


def trade(price, size, buyer_rests, sent_ms=SENT_MS, symbol="BTCUSDT"):
    data = {"e": "trade", "E": sent_ms, "s": symbol, "t": 1, "p": price, "q": size, "b": 7, "a": 8, "m": buyer_rests}
    return {"stream": f"{symbol.lower()}@trade", "data": data}


SNAPSHOT = {"lastUpdateId": 10, "bids": [["61837.63000000", "3.78826000"]], "asks": [["61837.64000000", "1.00000001"]]}


@pytest.fixture
def written(tmp_path):
    def write(*lines, name="spot.gz"):
        path = tmp_path / name
        text = "".join(f"{at} {json.dumps(said, separators=(',', ':'))}\n" for at, said in lines)
        path.write_bytes(gzip.compress(text.encode()))
        return path

    return write


def test_changes_snapshot_and_trades_become_events_with_exact_numbers(written) -> None:
    at = SENT_MS * MS
    path = written(
        (at + 5 * MS, delta(9, 11, [["61837.63000000", "0.00000000"]], [["61840.10000000", "0.30000000"]])),
        (at + 6 * MS, SNAPSHOT),
        (at + 7 * MS, trade("61837.64000000", "0.02000000", True)),
        (at + 8 * MS, {"stream": "btcusdt@bookTicker", "data": {"u": 12, "s": "BTCUSDT", "b": "1", "B": "2", "a": "3", "A": "4"}}),
    )  # fmt: skip
    first, start, last = read_lines(path)
    assert isinstance(first, BookDelta)
    assert (first.first_seq, first.seq, first.venue_ts_ns) == (9, 11, at)
    assert first.bids == (BookLevel(6_183_763, 0),)
    assert first.asks == (BookLevel(6_184_010, 30_000_000),)
    assert isinstance(start, BookSnapshot)
    assert (start.seq, start.venue_ts_ns) == (10, 0)
    assert start.asks == (BookLevel(6_183_764, 100_000_001),)
    assert isinstance(last, Print)
    assert (last.ticks, last.lots, last.taker_sells) == (6_183_764, 2_000_000, True)


def test_a_futures_message_names_the_one_before_it(written) -> None:
    at = SENT_MS * MS
    path = written((at, delta(90, 99, pu=55)), (at, SNAPSHOT), name="usdm.gz")
    recording = open_recording(path)
    assert recording.instrument.id.venue == Venue.USDM
    first = next(recording.rows())
    assert isinstance(first, BookDelta)
    assert (first.first_seq, first.seq) == (56, 99)


def test_contracts_are_shown_as_the_coins_that_they_are_worth(written) -> None:
    """One contract of 100 USD at 50,000 is 0.002 BTC; a level that is there is never nothing."""
    at = SENT_MS * MS
    facts = listing(Venue.COINM, "BTCUSD_PERP")
    assert facts.lots(1, 500_000) == 200_000
    assert facts.lots(7, 500_000) == 1_400_000
    said = delta(1, 2, [["50000.0", "3"]], [["50000.1", "0"]], symbol="BTCUSD_PERP", ps="BTCUSD", pu=0)
    (row, _) = read_lines(written((at, said), (at, {**SNAPSHOT, "bids": [], "asks": []})))
    assert row.bids == (BookLevel(500_000, 600_000),)
    assert row.asks == (BookLevel(500_001, 0),)


@pytest.mark.parametrize("behind_ms", [-1_270, -9, 0, 40])
@pytest.mark.parametrize("unit", [1, 1_000])
def test_the_fastest_message_of_a_piece_took_the_least_latency(written, behind_ms, unit) -> None:
    """A recorder's clock that is behind makes messages arrive before they were sent; only differences are kept."""
    delays = (7, 3, 11)
    lines = [
        ((SENT_MS + 1_000 * number + delay + behind_ms) * MS // unit, delta(number, number, sent_ms=SENT_MS + 1_000 * number))
        for number, delay in enumerate(delays, start=1)
    ]  # fmt: skip
    path = written(*lines, (lines[-1][0], SNAPSHOT))
    rows = list(read_lines(path))[:3]
    assert [row.ts_ns - row.venue_ts_ns - LEAST_LATENCY_NS for row in rows] == [4 * MS, 0, 8 * MS]
    assert open_recording(path).clock.worst_ns == LEAST_LATENCY_NS + 8 * MS


def test_a_clock_that_steps_is_put_right_piece_by_piece_and_time_never_goes_back(written) -> None:
    step_ms = PIECE_NS // MS
    sent = [SENT_MS + number * step_ms // 2 for number in range(8)]
    lines = [
        ((at + (0, 0, -300, -300, 500, 500, -900, -900)[n]) * MS, delta(n, n, sent_ms=at)) for n, at in enumerate(sent)
    ]
    path = written(*sorted(lines, key=lambda line: line[0]), (lines[-1][0], SNAPSHOT))
    rows = list(read_lines(path))
    assert [row.ts_ns for row in rows] == sorted(row.ts_ns for row in rows)
    deltas = [row for row in rows if isinstance(row, BookDelta)]
    assert max(row.ts_ns - row.venue_ts_ns for row in deltas) < 1_500 * MS
    assert min(row.ts_ns - row.venue_ts_ns for row in deltas) >= LEAST_LATENCY_NS


def test_a_start_book_beside_the_file_comes_first(written) -> None:
    at = SENT_MS * MS
    path = written((at, delta(11, 12, [["61837.00000000", "1.00000000"]])), name="second.gz")
    path.with_name("second.start_book.json").write_text(json.dumps({"note": "derived", **SNAPSHOT}))
    start, _ = read_lines(path)
    assert isinstance(start, BookSnapshot)
    assert start.seq == 10
    assert start.bids == (BookLevel(6_183_763, 378_826_000),)


def test_what_no_book_can_be_built_from_is_refused_with_what_is_missing(written, tmp_path) -> None:
    at = SENT_MS * MS
    with pytest.raises(OperatorError, match=r"alone\.gz: no snapshot.*alone\.start_book\.json"):
        open_recording(written((at, delta(1, 2)), name="alone.gz"))
    with pytest.raises(OperatorError, match=r"binance_spot:ABCUSDT are not known.*binance_spot:BTCUSDT"):
        open_recording(written((at, delta(1, 2, symbol="ABCUSDT")), (at, SNAPSHOT)))
    with pytest.raises(OperatorError, match="no change of a book"):
        open_recording(written((at, SNAPSHOT)))
    with pytest.raises(OperatorError, match="receive time"):
        open_recording(written(("soon", SNAPSHOT)))
    with pytest.raises(OperatorError, match="cannot be read"):
        open_recording(tmp_path / "nothing.gz")


def test_a_line_that_does_not_fit_the_instrument_is_named(written) -> None:
    at = SENT_MS * MS
    path = written((at, SNAPSHOT), (at, delta(11, 12, [["61837.635", "1"]])))
    with pytest.raises(WorldError, match=r"spot\.gz:2: 61837\.635 has more than 2 decimals"):
        list(read_lines(path))
    negative = written((at, SNAPSHOT), (at, delta(11, 12, [["-61837.63", "1"]])))
    with pytest.raises(WorldError, match=r"spot\.gz:2: -61837\.63 is negative"):
        list(read_lines(negative))
    broken = written((at, SNAPSHOT), (at, delta(11, 12)), name="broken.gz")
    broken.write_bytes(gzip.compress(gzip.decompress(broken.read_bytes())[:-4]))
    with pytest.raises(WorldError, match=r"broken\.gz:2: not a message"):
        list(read_lines(broken))


def test_receive_times_of_any_unit_are_one_clock_and_one_of_another_day_is_refused(written) -> None:
    """A wrong time would pull all that follows with it, and the backtest would wait for it."""
    at = SENT_MS * MS
    first, second, third = read_lines(
        written((at, SNAPSHOT), (at // 1_000 + 3, delta(11, 12)), (at // MS + 1, delta(13, 13)))
    )
    assert [row.ts_ns - first.ts_ns for row in (second, third)] == [3_000, MS]
    for wrong in (at + LONGEST_REST_NS, int("9" * 16), int("9" * 19)):
        with pytest.raises(OperatorError, match=r"spot\.gz:2: its receive time is a day"):
            open_recording(written((at, SNAPSHOT), (wrong, delta(11, 12))))
    assert len(list(read_lines(written((at, SNAPSHOT), (at + LONGEST_REST_NS - 1, delta(11, 12)))))) == 2
