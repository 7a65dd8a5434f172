"""`millrace backtest slots`: what it prints and writes, and that bad input is named and leaves nothing behind."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from command_line import BARS, FEW, bars, files, millrace, write_csv

AGREED = {
    "bars": int,
    "fills": int,
    "round_trips": int,
    "net_profit": float,
    "fees": float,
    "max_open_orders": int,
    "violations": int,
    "events": int,
    "wall_seconds": float,
    "command_hash": str,
}
Rows = list[list[object]]


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "good.csv", bars())


@pytest.fixture(scope="module")
def reported(good, tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("out") / "run"
    said = millrace("backtest", "slots", "--data", good, "--out", out, "--json", *FEW)
    assert said.code == 0
    return out, said.object


def test_the_json_is_one_object_with_the_agreed_figures(reported) -> None:
    _, found = reported
    assert {name: type(found[name]) for name in AGREED} == AGREED
    assert found["bars"] == 240
    assert found["fills"] > 0
    assert found["round_trips"] > 0
    assert found["fees"] > 0
    assert found["violations"] == 0
    assert 0 < found["max_open_orders"] <= 2 * 4 + 2
    assert found["events"] >= 4 * 240


def test_the_folder_holds_journal_and_reports_and_replays_to_the_same_hash(reported) -> None:
    out, found = reported
    assert list(files(out)) == [
        "journal-000001.mrj", "manifest.json", "report.html", "report.json", "report.txt", "run.json", "segments.json",
    ]  # fmt: skip
    again = millrace("replay", out, "--json")
    assert again.code == 0
    assert again.object["command_hash"] == found["command_hash"]
    assert again.object["divergence"] is None
    for name in ("Equity against holding", "Fills on price", "Fill time per bucket", "Open orders and headroom"):
        assert name in (out / "report.html").read_text(encoding="utf-8")


def test_text_names_the_result_and_every_assumption(good) -> None:
    said = millrace("backtest", "slots", "--data", good, *FEW)
    assert said.code == 0
    for words in ("gain over holding", "open profit of waiting exits", "at most 10% of a bar's volume", "command hash"):
        assert words in said.out


def test_a_second_run_into_the_same_folder_is_refused_and_nothing_is_lost(reported, good) -> None:
    out, _ = reported
    before = {name: (out / name).read_bytes() for name in files(out)}
    said = millrace("backtest", "slots", "--data", good, "--out", out)
    assert said.code == 2
    assert "holds the journal of another run" in said.err
    assert {name: (out / name).read_bytes() for name in files(out)} == before


def test_parquet_and_csv_give_the_same_commands(reported, tmp_path) -> None:
    columns = dict(zip(BARS, zip(*bars(), strict=True), strict=True))
    table = {
        name: pa.array(list(map(int if name in ("ts_ms", "volume") else float, values)))
        for name, values in columns.items()
    }
    pa.parquet.write_table(pa.table(table), tmp_path / "good.parquet")
    said = millrace("backtest", "slots", "--data", tmp_path / "good.parquet", "--json", *FEW)
    assert said.object["command_hash"] == reported[1]["command_hash"]


def test_trades_are_read_too(tmp_path) -> None:
    trades = [[row[0] + 100 * part, row[1 + 3 * part], 1_000] for row in bars(60) for part in (0, 1)]
    data = write_csv(tmp_path / "trades.csv", trades, ("ts_ms", "price", "size"))
    said = millrace("backtest", "slots", "--data", data, "--json", *FEW)
    assert said.code == 0
    assert said.object["bars"] == 120
    assert "Each recorded trade is one print." in said.object["assumptions"]


def test_the_profile_follows_the_instrument(tmp_path) -> None:
    rows = [[row[0], *(f"{float(value) * 100_000:.2f}" for value in row[1:5]), 3] for row in bars(60)]
    data = write_csv(tmp_path / "btc.csv", rows)
    said = millrace("backtest", "slots", "--data", data, "--instrument", "kraken:BTC/USDC", "--json")
    assert said.code == 0
    assert (said.object["instrument"], said.object["profile"]) == ("kraken:BTC/USDC", "demo_btc")


def _swapped(rows: Rows) -> Rows:
    rows[10], rows[11] = rows[11], rows[10]
    return rows


def _doubled(rows: Rows) -> Rows:
    return [*rows[:20], rows[19], *rows[20:]]


def _close(value: str) -> Callable[[Rows], Rows]:
    def change(rows: Rows) -> Rows:
        rows[30][4] = value
        return rows

    return change


BAD = {
    "unsorted": (_swapped, "row 12", "earlier than in the row before"),
    "duplicate": (_doubled, "row 21", "a duplicate"),
    "nan": (_close("nan"), "row 31", "close is missing or not a number"),
    "blank": (_close(""), "row 31", "close is missing or not a number"),
    "negative": (_close("-0.2"), "row 31", "close is zero or negative"),
    "text": (_close("dear"), "row 31", "not a number"),
    "no_rows": (lambda _: [], "", "column names and no rows"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_rows_are_named_with_file_row_and_reason(name, tmp_path) -> None:
    change, row, reason = BAD[name]
    data = write_csv(tmp_path / f"{name}.csv", change(bars(60)))
    said = millrace("backtest", "slots", "--data", data, "--out", tmp_path / "out")
    assert said.code == 2
    assert said.out == ""
    assert f"{name}.csv: {row}" in said.err
    assert reason in said.err
    assert list(files(tmp_path)) == [f"{name}.csv"]


def test_missing_and_empty_files_are_named(tmp_path) -> None:
    (tmp_path / "empty.csv").touch()
    for name, reason in (
        ("none.csv", "no such file"),
        ("empty.csv", "the file is empty"),
        ("a.txt", "neither .parquet"),
    ):
        said = millrace("backtest", "slots", "--data", tmp_path / name, "--json")
        assert said.code == 2
        assert said.object["exit_code"] == 2
        assert f"{name}: {reason}" in said.object["error"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("enrty_pct = 0.3", "line 2: unknown configuration key slots.enrty_pct (did you mean slots.entry_pct?)"),
        ('entry_pct = "much"', "line 2: slots.entry_pct must be a finite number, not 'much'"),
        ('count = 10\n[venue]\nendpoint = "here"', "line 4: venue.endpoint = here is not available yet"),
    ],
)
def test_a_bad_setting_is_named_with_its_line_and_nothing_runs(line, words, good, tmp_path) -> None:
    config = tmp_path / "millrace.toml"
    config.write_text(f"[slots]\n{line}\n", encoding="utf-8")
    said = millrace("backtest", "slots", "--data", good, "--config", config, "--out", tmp_path / "out")
    assert said.code == 2
    assert f"{config} {words}" in said.err
    assert not (tmp_path / "out").exists()


def test_an_unknown_instrument_is_answered_with_the_known_ones(good) -> None:
    said = millrace("backtest", "slots", "--data", good, "--instrument", "kraken:DOGE/EUR")
    assert said.code == 2
    assert "known are: kraken:DOGE/USD, kraken:BTC/USDC" in said.err
