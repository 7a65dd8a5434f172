"""`millrace backtest arb`: books with depth are traded, prices without sizes are looked at and never booked."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.cli import main
from recorded_books import MARKET, write_session

SECOND = 10**9


def run(capsys, *words) -> dict:
    assert main(["backtest", "arb", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def crossed_session(folder) -> None:
    """A book of 40 + 52 cents that stands for ten seconds, with a change each half second."""
    rows = [(0, "S", None, None, None), (0, "L", "yes", 4_000, 50_000), (0, "L", "no", 5_900, 50_000)]
    rows += [(5 * SECOND + place * SECOND // 2, "D", "no", 100 + 10 * (place % 2), 5) for place in range(20)]
    rows += [(16 * SECOND, "D", "yes", 4_800, 50_000)]  # 1 - 0.48 and 1 - 0.59: 93 cents for both
    rows += [(16 * SECOND + place * SECOND // 2, "D", "no", 100 + 10 * (place % 2), 5) for place in range(1, 20)]
    rows += [(26 * SECOND, "D", "yes", 4_800, -50_000), (27 * SECOND, "D", "no", 100, 5)]
    write_session(folder, "one", rows)


def test_a_recorded_book_is_screened_and_traded(tmp_path, capsys) -> None:
    crossed_session(tmp_path)
    (tmp_path / "market_results.json").write_text(json.dumps({MARKET: {"result": "yes"}}))
    found = run(capsys, "--data", tmp_path)
    steps = found["survey"]["forms"]["yes and no of one market"]
    naive = steps["asks sum below the payout that is assumed"]
    assert naive["stretches"] == 1
    assert naive["best_ticks"] == 700
    assert naive["dollars"] == 35.0  # seven cents on five hundred contracts
    assert steps["and it lasts until an order can arrive"]["stretches"] == 1
    trading = found["trading"]
    assert trading["opened"] + sum(trading["rejected"].values()) > 0
    (opening, last) = trading["cash"]["kalshi:USD"]
    assert trading["open_contracts"] == 0
    assert abs(last - opening - trading["simulated_usd"] * 1e9) < 1_000


def test_ladders_are_looked_at_and_claim_nothing(tmp_path, capsys) -> None:
    table = {
        "ts_us": [1_000_000, 1_100_000, 5_000_000],
        "market": ["KXHIGHNY-1-A", "KXHIGHNY-1-B", "KXHIGHNY-1-A"],
        "implied_yes_ask": [45, 50, 60],
        "implied_no_ask": [56, 51, 41],
    }
    pq.write_table(pa.table(table), tmp_path / "KXHIGHNY-1.parquet")
    found = run(capsys, "--data", tmp_path)
    assert found["trading"] is None
    naive = found["survey"]["forms"]["all yes"]["asks sum below the payout that is assumed"]
    assert (naive["stretches"], naive["best_ticks"], naive["dollars"]) == (1, 500, None)
    assert main(["backtest", "arb", "--data", str(tmp_path)]) == 0
    assert "depth unknown, so no profit or loss is claimed" in capsys.readouterr().out


def test_what_is_no_recording_is_refused(tmp_path, capsys) -> None:
    assert main(["backtest", "arb", "--data", str(tmp_path)]) == 2
    assert "no recording here" in capsys.readouterr().err
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    assert main(["backtest", "arb", "--data", str(tmp_path)]) == 2
    assert "holds neither" in capsys.readouterr().err
