"""The quote desk over recorded books: `millrace backtest quoting` (quoting 8, 11; issue step h).

What was recorded is not part of the repository; where nobody gave it, those tests are skipped.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from book_tape import MS, TruthMarket
from command_line import millrace
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.events import Print
from millrace.core.failure import OperatorError
from millrace.market.books.order_book import OrderBook
from millrace.research.verified_rows import Verified
from millrace.venues.kraken.facts import instrument_facts
from millrace.world.quoting.recorded import Fees, RecordedDesk
from millrace.world.quoting.recordings import open_recording
from quote_runs import quoting_settings

NAME = "binance_usdm_btcusdt_20230404.gz"


@pytest.fixture
def recorded(shared: Path) -> Path:
    path = shared / "data" / "l2_books" / NAME
    if not path.is_file():
        pytest.skip(f"no recording at {path}")
    return path


@pytest.fixture(scope="module")
def tape() -> list:
    """Changes that began before the snapshot, which is older than some of them, then a gap and a second snapshot."""
    market = TruthMarket(4)
    early = market.snapshot()
    rows = [market.delta() for _ in range(5)]
    rows += [early, Print(market.at, market.now_ns, 100_000, 3), *market.deltas(20)]
    market.delta()
    rows += [*market.deltas(3), market.snapshot(), *market.deltas(10)]
    return [rows, market.sides()]


def test_a_venue_is_shown_whole_books_and_changes_that_follow(tape) -> None:
    rows, truth = tape
    found = Verified(rows)
    shown = list(found)
    assert (found.gaps, found.dark_ns) == (1, (4 + 2) * 100 * MS)
    assert [type(row) for row in shown[:2]] == [BookSnapshot, Print]
    book = OrderBook()
    for row in shown:
        if isinstance(row, Print):
            continue
        if isinstance(row, BookDelta):
            assert row.first_seq == book.seq + 1
            assert row.seq > book.seq
            book.change(row.bids, row.asks)
        else:
            book.replace(row.bids, row.asks)
        book.seq = row.seq
        assert not book.is_crossed
    assert sum(isinstance(row, BookSnapshot) for row in shown) == 2
    assert (book.bids(), book.asks()) == truth


def test_what_the_account_gained_is_the_sum_of_the_parts(recorded: Path) -> None:
    """Spread, adverse selection, fees and inventory add up to what cash and coins changed by, at any horizon."""
    settings = quoting_settings(quoting_emit__base_size_usd=1_000.0, quoting__profile="compat")
    run = RecordedDesk(settings, open_recording(recorded), Fees(maker_bps=0.5))
    opening = run.venue.balances()
    report = run.report()
    assert report.fills > 0
    assert report.takers == 0
    held = {asset: sum(amounts) - sum(opening[asset]) for asset, amounts in run.venue.balances().items()}
    gained = run.facts.quote_float(held["USDT"]) + run.facts.base_float(held["BTC"]) * run.symbol.mid_usd
    assert report.position == pytest.approx(run.facts.base_float(held["BTC"]))
    for parts in report.parts.values():
        sums = {part.part: part.total for part in parts}
        assert sums["total"] == pytest.approx(gained, abs=1e-6)
        assert sum(sums.values()) - sums["total"] == pytest.approx(gained, abs=1e-6)
        assert sums["fees"] == pytest.approx(-report.turnover * 0.5e-4, rel=1e-3)
        assert all(part.low <= part.total <= part.high for part in parts)


def test_the_command_reports_every_file_under_every_profile(recorded: Path) -> None:
    given = ("backtest", "quoting", "--data", str(recorded), "--desk-profile", "both", "--maker-fee-bps", "0")
    done = millrace(*given, "--set", "quoting_emit.base_size_usd=1000", "--json")
    assert done.code == 0, done.err
    runs = done.object["runs"]
    assert [(run["data"], run["profile"]) for run in runs] == [(NAME, "live"), (NAME, "compat")]
    for run in runs:
        assert run["assumptions"]["maker fee"] == "0 bps"
        assert run["rows"] > 6_000
        assert run["resyncs"] == 0 or run["ticks"]
        assert sum(run["ticks"].values()) > 100


def test_a_file_from_which_no_book_can_be_built_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.gz"
    path.write_text("")
    done = millrace("backtest", "quoting", "--data", str(path))
    assert done.code == 2
    assert "empty.gz" in done.err


def _kraken_line(row, at_ns: int, doge) -> str:
    """A message as Kraken writes it, received at `at_ns`."""
    sides = {
        side: [{"price": doge.price(ticks), "qty": doge.volume(lots)} for ticks, lots in getattr(row, side)]
        for side in ("bids", "asks")
    }
    at = datetime.fromtimestamp(row.venue_ts_ns / 1e9, UTC).isoformat().replace("+00:00", "Z")
    data = [{"symbol": "DOGE/USD", **sides, "checksum": row.checksum, "timestamp": at}]
    kind = "snapshot" if isinstance(row, BookSnapshot) else "update"
    return f"{at_ns} {json.dumps({'channel': 'book', 'type': kind, 'data': data})}\n"


def test_a_recorded_connection_to_kraken_is_quoted_too(tmp_path: Path) -> None:
    """Its books prove themselves by their checksums, so a wrong line ends them until the next snapshot."""
    doge = instrument_facts("kraken:DOGE/USD")
    market = TruthMarket(2, at=doge.id, numbered=False, summed=True, depth=10)
    rows = [market.snapshot(), *market.deltas(200)]
    path = tmp_path / "kraken.txt"
    path.write_text("".join(_kraken_line(row, row.venue_ts_ns - 700_000_000, doge) for row in rows))
    recording = open_recording(path)
    assert (recording.instrument.id, recording.clock.shifts_ns) == (doge.id, (702_000_000,))
    assert sum(isinstance(row, BookDelta) for row in Verified(recording.rows())) == 200
    report = RecordedDesk(quoting_settings(), recording, Fees()).report()
    assert report.rows == 201
    assert report.resyncs == 0
    assert sum(report.ticks.values()) > 100
    garbled = path.read_text().replace('"checksum": ', '"checksum": 1', 1)
    path.write_text(garbled)
    assert list(Verified(open_recording(path).rows())) == []
    with pytest.raises(OperatorError, match="none of its books is whole"):
        RecordedDesk(quoting_settings(), open_recording(path), Fees())
    path.write_text(f"soon {garbled.partition(' ')[2]}")
    with pytest.raises(OperatorError, match=r"kraken\.txt:1: does not begin with a receive time"):
        open_recording(path)


@pytest.mark.parametrize("bps", [float("nan"), 1e9, -101.0])
def test_a_fee_that_is_none_is_refused(bps) -> None:
    with pytest.raises(OperatorError, match="--taker-fee-bps"):
        Fees(taker_bps=bps).of(instrument_facts("kraken:DOGE/USD"))
    assert Fees(maker_bps=-2.0).of(instrument_facts("kraken:DOGE/USD")).maker_fee_ppm == -200
