"""A recording is read whole or refused with file, row and reason (design section 3)."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.core.failure import OperatorError
from millrace.research import market_source
from millrace.research.market_files import cut, read_market_file
from millrace.venues.kraken.facts import instrument_facts

DOGE = instrument_facts("kraken:DOGE/USD")
T0 = 1_750_000_020_000  # on a minute
HEADER = ["ts_ms", "open", "high", "low", "close", "volume"]


def bars(count=5, step_ms=60_000):
    return [[T0 + i * step_ms, 0.2, 0.21, 0.19, 0.205, 1000.5] for i in range(count)]


def write_csv(path: Path, rows, header=HEADER) -> Path:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def write_parquet(path: Path, rows, header=HEADER) -> Path:
    columns = list(zip(*rows, strict=True)) or [[] for _ in header]
    pq.write_table(pa.table(dict(zip(header, columns, strict=True))), path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(OperatorError) as caught:
        read_market_file(path, DOGE)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("writer", "suffix"), [(write_csv, ".csv"), (write_parquet, ".parquet")])
def test_bars_become_four_prints_each(tmp_path, writer, suffix):
    columns, facts = read_market_file(writer(tmp_path / f"a{suffix}", bars()), DOGE)
    assert len(columns.ts_ns) == 20
    assert columns.ticks[:4].tolist() == [2_000_000, 1_900_000, 2_100_000, 2_050_000]
    assert columns.ts_ns[:4].tolist() == [T0 * 10**6 + o for o in (0, 15 * 10**9, 30 * 10**9, 60 * 10**9 - 1)]
    assert columns.bar_lots[0] == 100_050_000_000
    assert (facts.kind, facts.rows, facts.bar_ns, facts.missing_bars) == ("bars", 5, 60 * 10**9, 0)
    assert all(column.dtype == np.int64 for column in (columns.ts_ns, columns.ticks, columns.lots))


def test_missing_bars_are_time_without_prints(tmp_path):
    rows = bars(6)
    del rows[2:4]
    columns, facts = read_market_file(write_csv(tmp_path / "a.csv", rows), DOGE)
    assert len(columns.ts_ns) == 16
    assert (facts.missing_bars, facts.longest_gap_ns) == (2, 180 * 10**9)


def test_a_cut_holds_whole_bars_and_facts_of_its_own(tmp_path):
    rows = bars(8)
    del rows[4]
    market = read_market_file(write_csv(tmp_path / "a.csv", rows), DOGE)
    minute, first = 60 * 10**9, market.facts.first_ns
    part = cut(market, first + 2 * minute, first + 6 * minute)
    assert part.columns.ts_ns[::4].tolist() == [first + place * minute for place in (2, 3, 5)]
    assert len(part.columns) == 12
    assert (part.facts.rows, part.facts.missing_bars, part.facts.bar_ns) == (3, 1, minute)
    assert (part.facts.first_ns, part.facts.last_ns) == (first + 2 * minute, first + 5 * minute)
    assert part.facts.digest == market.facts.digest
    assert cut(market, first, market.facts.last_ns + minute).facts == market.facts
    with pytest.raises(OperatorError, match=r"a\.csv: no bars from"):
        cut(market, first + 100 * minute, first + 200 * minute)


def test_trades_are_read_from_price_and_size_and_may_share_a_time(tmp_path):
    rows = [[T0 / 1000, 0.2, 5], [T0 / 1000, 0.21, 6.5], [T0 / 1000 + 0.25, 0.2, 1]]
    columns, facts = read_market_file(write_csv(tmp_path / "t.csv", rows, ["time", "price", "qty"]), DOGE)
    assert columns.ticks.tolist() == [2_000_000, 2_100_000, 2_000_000]
    assert columns.ts_ns.tolist() == [T0 * 10**6, T0 * 10**6, T0 * 10**6 + 250_000_000]
    assert (facts.kind, facts.bar_ns, facts.missing_bars) == ("trades", 0, 0)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_may_be_typed_or_in_any_unit(tmp_path, unit):
    scale = {"s": 1e-3, "ms": 1, "us": 10**3, "ns": 10**6}[unit]
    plain = [[int(row[0] * scale), *row[1:]] for row in bars()]
    header = ["timestamp", *HEADER[1:]]
    expected = read_market_file(write_csv(tmp_path / "e.csv", bars()), DOGE).columns.ts_ns
    for path in (write_csv(tmp_path / "a.csv", plain, header), write_parquet(tmp_path / "a.parquet", plain, header)):
        assert (read_market_file(path, DOGE).columns.ts_ns == expected).all()
    typed = pa.table(
        {"time": pa.array([row[0] for row in bars()], pa.timestamp("ms", tz="UTC"))}
        | {name: [row[i + 1] for row in bars()] for i, name in enumerate(HEADER[1:])}
    )
    pq.write_table(typed, tmp_path / "typed.parquet")
    assert (read_market_file(tmp_path / "typed.parquet", DOGE).columns.ts_ns == expected).all()


def test_iso_times_are_utc(tmp_path):
    rows = [["2025-06-15 15:07:00", 0.2, 3], ["2025-06-15 15:08:00", 0.2, 3]]
    columns, _ = read_market_file(write_csv(tmp_path / "t.csv", rows, ["date", "price", "amount"]), DOGE)
    assert columns.ts_ns[0] == 1_750_000_020 * 10**9


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        (1, float("nan"), "open is"),
        (2, float("inf"), "high is not a finite number"),
        (3, 0.0, "low is zero or negative"),
        (4, -0.2, "close is zero or negative"),
        (1, 1e-9, "below one tick"),
        (1, 1e30, "too large"),
        (5, -1.0, "volume is negative"),
        (5, float("nan"), "volume is"),
        (2, 0.18, "high is below low"),
        (1, 0.22, "open is outside low and high"),
        (4, 0.18, "close is outside low and high"),
        (0, T0 + 60_000, "duplicate"),
        (0, T0 + 30_000, "not sorted"),
        (0, -5, "before 1970"),
    ],
)
@pytest.mark.parametrize(("writer", "suffix"), [(write_csv, ".csv"), (write_parquet, ".parquet")])
def test_a_bad_row_is_named_with_its_reason(tmp_path, column, value, reason, writer, suffix):
    rows = bars()
    rows[2][column] = value
    text = refused(writer(tmp_path / f"bad{suffix}", rows))
    assert "row 3" in text
    assert reason in text


def test_the_row_is_right_in_a_later_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(market_source, "_BATCH_ROWS", 4)
    rows = bars(20)
    rows[9][1] = -1.0
    assert "row 10 " in refused(write_parquet(tmp_path / "bad.parquet", rows))
    rows = bars(20)
    rows[8][0] = rows[7][0]  # the first row of the third batch repeats the last of the second
    assert "row 9 " in refused(write_parquet(tmp_path / "twice.parquet", rows))


def test_a_time_off_the_grid_is_named(tmp_path):
    rows = bars(4, step_ms=60_000)
    rows[3][0] += 7_000
    text = refused(write_csv(tmp_path / "a.csv", rows))
    assert "row 4" in text
    assert "60 s" in text


def test_files_that_are_no_recording_are_refused(tmp_path):
    assert "no such file" in refused(tmp_path / "absent.csv")
    assert "neither .parquet nor .csv" in refused(write_csv(tmp_path / "a.txt", bars()))
    (tmp_path / "empty.csv").touch()
    assert "the file is empty" in refused(tmp_path / "empty.csv")
    assert "no rows" in refused(write_csv(tmp_path / "header.csv", []))
    assert "no rows" in refused(write_parquet(tmp_path / "header.parquet", []))
    (tmp_path / "rubbish.parquet").write_bytes(b"PAR1 this is not parquet at all")
    assert "not readable as parquet" in refused(tmp_path / "rubbish.parquet")
    assert "one bar alone" in refused(write_csv(tmp_path / "one.csv", bars(1)))
    assert "must name the columns" in refused(write_csv(tmp_path / "bare.csv", bars()[1:], bars()[0]))


def test_a_wrong_column_names_the_nearest(tmp_path):
    text = refused(write_csv(tmp_path / "a.csv", bars(), ["ts_ms", "opne", "high", "low", "close", "volume"]))
    assert "missing: open (is opne meant to be it?)" in text
    assert "missing: volume" in refused(write_csv(tmp_path / "b.csv", [r[:5] for r in bars()], HEADER[:5]))


def test_a_row_that_does_not_divide_into_the_columns_is_named(tmp_path):
    rows = bars()
    rows[3] = rows[3][:4]
    assert "row 4: has 4 values" in refused(write_csv(tmp_path / "a.csv", rows))
    rows = bars()
    rows[1][1] = "abc"
    assert "row 2: open is 'abc', not a number" in refused(write_csv(tmp_path / "b.csv", rows))
    rows = bars()
    rows[1][0] = "yesterday"
    assert "row 2: time 'yesterday'" in refused(write_csv(tmp_path / "c.csv", rows))


def test_the_recordings_have_the_gaps_that_their_list_says(shared):
    doge = read_market_file(shared / "data/doge_candles/bybit_DOGEUSDT_1m_2025-06.parquet", DOGE).facts
    assert (doge.rows, doge.missing_bars, doge.bar_ns) == (29_238, 0, 60 * 10**9)
    btc = instrument_facts("kraken:BTC/USDC")
    kraken = read_market_file(shared / "data/doge_candles/kraken_XBTUSDC_1m_2023Q1.parquet", btc).facts
    assert kraken.rows == 39_103
    assert round(kraken.missing_bars / (kraken.missing_bars + kraken.rows), 2) == 0.59
    assert kraken.longest_gap_ns == 88 * 60 * 10**9
