"""The tables of a run's report, as text cells, so that terminal and page show the same figures in the same order.

Rounding for people happens here and nowhere else; the JSON keeps the numbers.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from statistics import fmean, median
from typing import NamedTuple

from millrace.core.events import Scalar
from millrace.research.slots_report import RoundTrip, SlotsRunReport, summary

_NS = 1e9
_P95 = 0.95
_UNITS = ((120.0, 1.0, "s"), (7_200.0, 60.0, "min"), (172_800.0, 3_600.0, "h"))
_DAY_SEC = 86_400.0
_AGES = (
    ("fresh_0_1h", "up to 1 h"),
    ("aging_1_6h", "1 to 6 h"),
    ("stale_6_24h", "6 to 24 h"),
    ("old_1_7d", "1 to 7 d"),
    ("ancient_7d_plus", "over 7 d"),
)
_CAPACITY = (
    ("open_orders_current", "open orders"),
    ("open_orders_safe_cap", "safe cap"),
    ("open_order_headroom", "headroom"),
    ("status_band", "band"),
    ("blocked_risk_hint", "hints"),
    ("estimated_slots_remaining", "slots that would still fit"),
    ("partial_fill_open_events_1d", "partial fills in a day"),
    ("partial_fill_cancel_events_1d", "partly filled and cancelled in a day"),
    ("dust_base", "dust (base units)"),
)


class Table(NamedTuple):
    """A title, column names, and rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def utc(ts_ns: int) -> str:
    """Return a time as text to the second, UTC."""
    return datetime.fromtimestamp(ts_ns / _NS, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def number(value: Scalar, decimals: int = 2) -> str:
    """Return a value for reading: thousands apart, null as a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.{decimals}f}"
    return f"{value:,}" if isinstance(value, int) else value


def totals_table(report: SlotsRunReport) -> Table:
    """Return totals and summary with their units."""
    totals, found, quote = report.totals, summary(report), report.quote
    rows: list[tuple[str, Scalar, str]] = [
        ("opening equity", found["opening_equity"], quote),
        ("closing equity", found["closing_equity"], quote),
        ("holding instead", found["hold_equity"], quote),
        ("gain over holding", found["gain_over_hold"], quote),
        ("return", found["return_pct"], "%"),
        ("return of holding", found["hold_return_pct"], "%"),
        ("worst drawdown", found["max_drawdown"], quote),
        ("net profit of round trips", totals.net_profit, quote),
        ("open profit of waiting exits", totals.open_profit, quote),
        ("fees", totals.fees, quote),
        ("round trips", totals.round_trips, ""),
        ("mean net per round trip", found["mean_net_per_trip"], quote),
        ("winning round trips", found["winning_trips_pct"], "%"),
        ("fills", totals.fills, ""),
        ("most open orders", totals.max_open_orders, ""),
        ("invariant violations", totals.violations, ""),
        ("rows of data", totals.bars, ""),
        ("events", totals.events, ""),
        ("wall time", totals.wall_seconds, "s"),
    ]
    return Table(
        "Totals",
        ("figure", "value", "unit"),
        [(name, number(value, 4 if name.startswith("mean") else 2), unit) for name, value, unit in rows],
    )


def fill_times_table(trips: Sequence[RoundTrip]) -> Table:
    """Return count, median and nearest-rank 95th percentile of the fill time, and mean net, per bucket."""
    by_bucket: dict[str, list[RoundTrip]] = {}
    for trip in trips:
        by_bucket.setdefault(trip.bucket, []).append(trip)
    rows = []
    for bucket in sorted(by_bucket):
        times = sorted(trip.fill_sec for trip in by_bucket[bucket])
        p95 = times[ceil(_P95 * len(times)) - 1]
        net = fmean(trip.net for trip in by_bucket[bucket])
        rows.append((bucket, number(len(times)), duration(median(times)), duration(p95), number(net, 4)))
    return Table("Fill time per bucket", ("bucket", "round trips", "median", "p95", "mean net"), rows)


def duration(seconds: float) -> str:
    """Return seconds in the unit that a person would use."""
    for limit, size, unit in _UNITS:
        if seconds < limit:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / _DAY_SEC:.1f} d"


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_plain(part) for part in value) or "none"
    if isinstance(value, float):
        return number(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def buckets_table(report: SlotsRunReport) -> Table:
    """Return what the sizer knew of each bucket at the end: median and p95 count exits that still wait."""
    rows = [
        (
            bucket,
            f"x{row['multiplier']:.2f}",
            str(row["reason"]).replace("insufficient_samples", "too few").replace("_", " "),
            _known(row["median_fill_sec"]),
            _known(row["p95_fill_sec"]),
            number(row["n_completed"]),
            number(row["n_censored"]),
        )
        for bucket, row in report.sizer_buckets.items()
    ]
    columns = ("bucket", "size", "reason", "median", "p95", "completed", "waiting")
    return Table("Sizer at the end", columns, rows)


def _known(seconds: Scalar) -> str:
    return duration(seconds) if isinstance(seconds, int | float) and seconds > 0 else "-"


def capacity_table(report: SlotsRunReport) -> Table:
    """Return open orders, headroom and partial fills as of the end."""
    health = report.capacity_fill_health
    rows = [(label, _plain(health[name])) for name, label in _CAPACITY if name in health]
    return Table("Orders and headroom at the end", ("figure", "value"), rows)


def waiting_table(report: SlotsRunReport) -> Table:
    """Return how long the exits of the end have waited, and how much capital they hold."""
    found = report.slot_vintage
    rows = [
        (label, _plain(found[name]), f"{found.get(f'{name}_pct', 0.0):.0f} %") for name, label in _AGES if name in found
    ]
    if "stuck_capital_usd" in found:
        rows.append(("capital in them", _plain(found["stuck_capital_usd"]), f"{found['stuck_capital_pct']:.0f} %"))
    if found.get("oldest_exit_age_sec"):
        rows.append(("oldest", duration(found["oldest_exit_age_sec"]), ""))
    return Table("Exits that wait, by age", ("age", "exits", "share"), rows)


def tables(report: SlotsRunReport) -> list[Table]:
    """Return the tables of a report in reading order; empty ones are left out. The JSON holds every field."""
    found = [
        totals_table(report),
        fill_times_table(report.round_trips),
        buckets_table(report),
        waiting_table(report),
        capacity_table(report),
    ]
    return [table for table in found if table.rows]


def notes(report: SlotsRunReport) -> list[tuple[str, list[str]]]:
    """Return the lists of a report under their headings: what the simulation assumes, what the configuration said."""
    listed = [("Assumptions of the simulation", report.assumptions), ("Notices of the configuration", report.notices)]
    return [(heading, lines) for heading, lines in listed if lines]


def title(report: SlotsRunReport) -> str:
    """Return the headline of a report."""
    return (
        f"{report.instrument} on {report.data}, {utc(report.first_ns)} to {utc(report.last_ns)}, "
        f"profile {report.profile}"
    )
