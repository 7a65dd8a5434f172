"""The report of a run: one JSON object with the agreed names, the same tables everywhere, and a page without network."""

import random
import re
from math import sin

import msgspec
import pytest

from millrace.research import slots_text
from millrace.research.slots_page import report_page
from millrace.research.slots_report import (
    EquityPoint,
    FillPoint,
    HeadroomPoint,
    RoundTrip,
    RunTotals,
    SlotsRunReport,
    report_object,
    summary,
    worst_drawdown,
    write_report,
)
from millrace.research.slots_tables import duration, fill_times_table, number, tables
from millrace.research.slots_text import report_text

T0 = 1_748_623_320 * 10**9
AGREED = (
    "bars fills round_trips net_profit fees max_open_orders violations events wall_seconds command_hash".split()  # noqa: SIM905
)


def totals(**changes) -> RunTotals:
    values = dict.fromkeys(("bars", "events", "fills", "round_trips", "max_open_orders", "violations"), 0)
    values |= {"net_profit": 0.0, "fees": 0.0, "wall_seconds": 0.0, "command_hash": "00"}
    return RunTotals(**(values | changes))


def empty(**changes) -> SlotsRunReport:
    values = {
        "instrument": "kraken:DOGE/USD",
        "base": "DOGE",
        "quote": "USD",
        "data": "a.parquet",
        "profile": "demo",
        "config_digest": "ab" * 16,
        "first_ns": T0,
        "last_ns": T0 + 20 * 86_400 * 10**9,
        "opening_base": 10_000.0,
        "opening_quote": 2_000.0,
        "totals": totals(),
    }
    return SlotsRunReport(**(values | changes))


def made_up(points: int = 20_000, fills: int = 7_000) -> SlotsRunReport:
    """A run of twenty days that never was, large enough to be thinned."""
    draw = random.Random(7)
    step = 20 * 86_400 * 10**9 // points
    price, equity, headroom = 0.2, [], []
    for place in range(points):
        price *= 1 + draw.gauss(0, 0.0004)
        ts = T0 + place * step
        equity.append(EquityPoint(ts, 2_000 + 9_400 * price + 60 * place / points + sin(place / 900), price))
        orders = min(168, place // 6 + int(8 * sin(place / 300)) + 8)
        headroom.append(HeadroomPoint(ts, orders, 168 - orders))
    kinds = [("buy", "entry", "B"), ("sell", "exit", "B"), ("sell", "entry", "A"), ("buy", "exit", "A")]
    marks = []
    for place in range(fills):
        at = equity[place * points // fills]
        side, role, leg = kinds[place % 4]
        marks.append(
            FillPoint(at.ts_ns, side, role, at.price * (0.998 if side == "buy" else 1.002), 60.0, place % 80, leg)
        )
    buckets = [f"{regime}_{leg}" for regime in ("bearish", "ranging", "bullish") for leg in "AB"]
    trips = [
        RoundTrip(T0 + n * step, draw.gauss(0.05, 0.03), draw.lognormvariate(8 + n % 6 / 4, 1.6), buckets[n % 6])
        for n in range(3_000)
    ]
    row = {
        "multiplier": 1.0,
        "reason": "ok",
        "median_fill_sec": 3_000.0,
        "p95_fill_sec": 9e4,
        "n_completed": 500,
        "n_censored": 9,
    }
    return empty(
        totals=totals(bars=28_800, events=115_200, fills=fills, round_trips=3_000, net_profit=151.2, fees=88.4),
        equity=equity,
        fills=marks,
        headroom=headroom,
        round_trips=trips,
        sizer_buckets=dict.fromkeys(("aggregate", *buckets), row),
        capacity_fill_health={
            "status_band": "stop",
            "open_order_headroom": 8,
            "blocked_risk_hint": ["near_open_order_cap"],
        },
        slot_vintage={"fresh_0_1h": 3, "oldest_exit_age_sec": 777_777.7},
        assumptions=["A resting order takes at most 10 % of a bar's volume per side.", "A <bar> is four prints."],
        notices=["sticky: 80 slots"],
    )


def test_the_json_object_has_the_agreed_names():
    found = report_object(made_up(100, 40))
    assert set(AGREED) <= set(found)
    assert found["fills"] == 40
    assert msgspec.json.decode(msgspec.json.encode(found)) == found


def test_the_summary_compares_with_holding_the_opening_balances():
    equity = [EquityPoint(T0, 4_000.0, 0.2), EquityPoint(T0 + 1, 4_200.0, 0.3), EquityPoint(T0 + 2, 3_900.0, 0.25)]
    trips = [RoundTrip(T0, 1.0, 5.0, "ranging_A"), RoundTrip(T0, -0.5, 5.0, "ranging_A")]
    found = summary(empty(equity=equity, round_trips=trips))
    assert found["opening_equity"] == 4_000.0
    assert found["hold_equity"] == 4_500.0
    assert found["gain_over_hold"] == -600.0
    assert found["return_pct"] == pytest.approx(-2.5)
    assert found["hold_return_pct"] == pytest.approx(12.5)
    assert found["max_drawdown"] == 300.0
    assert (found["mean_net_per_trip"], found["winning_trips_pct"]) == (0.25, 50.0)
    assert worst_drawdown(equity[:2]) == 0.0


def test_a_run_in_which_nothing_happened_is_reported_too():
    report = empty()
    assert summary(report)["gain_over_hold"] is None
    assert "net profit of round trips" in report_text(report)
    assert "nothing to show" in report_page(report)


def test_fill_times_give_median_and_nearest_rank_p95_per_bucket():
    trips = [RoundTrip(T0, 0.1, float(sec), "ranging_A") for sec in range(1, 21)] + [
        RoundTrip(T0, 0.2, 50.0, "bullish_B")
    ]
    assert fill_times_table(trips).rows == [
        ("bullish_B", "1", "50.0 s", "50.0 s", "0.2000"),
        ("ranging_A", "20", "10.5 s", "19.0 s", "0.1000"),
    ]


def test_numbers_are_written_for_people():
    assert [number(v) for v in (None, True, 1234567, 1234.5, "x")] == ["-", "yes", "1,234,567", "1,234.50", "x"]
    assert [duration(s) for s in (5, 300, 9_000, 400_000)] == ["5.0 s", "5.0 min", "2.5 h", "4.6 d"]


@pytest.mark.parametrize("with_rich", [True, False])
def test_text_has_every_table_with_and_without_rich(monkeypatch, with_rich):
    if not with_rich:
        monkeypatch.setattr(slots_text, "find_spec", lambda _: None)
    report = made_up(100, 40)
    text = report_text(report)
    for table in tables(report):
        assert table.title in text
    for words in ("151.20", "near_open_order_cap", "A resting order takes", "sticky: 80 slots", "command hash 00"):
        assert words in text
    assert max(len(line) for line in text.splitlines()) <= 130


def test_the_page_stands_alone_and_is_thinned():
    page = report_page(made_up())
    assert not re.search(r"""<(script|link|img)[^>]+(src|href)\s*=""", page)
    assert "A &lt;bar&gt; is four prints." in page
    for words in (
        "time (UTC)",
        "equity (USD)",
        "price (USD per DOGE)",
        "orders",
        "logarithmic",
        "thinned to 5,000 or fewer",
    ):
        assert words in page
    assert len(page) < 8_000_000


def test_files_are_written_and_the_record_reads_back(tmp_path):
    report = made_up(100, 40)
    paths = write_report(report, tmp_path / "new" / "folder", "<html>", "text")
    assert sorted(path.name for path in paths.values()) == ["report.html", "report.json", "report.txt", "run.json"]
    assert msgspec.json.decode(paths["run.json"].read_bytes(), type=SlotsRunReport) == report
    assert msgspec.json.decode(paths["report.json"].read_bytes()) == report_object(report)
