"""The tables of a run's report, as text cells, so that terminal and page show the same figures in the same order.

Rounding for people happens here and nowhere else; the JSON keeps the numbers.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from statistics import fmean, median
from typing import Any, NamedTuple

from millrace.core.events import Scalar
from millrace.research.slots_report import RoundTrip, SlotsRunReport, summary

_NS = 1e9
_P95 = 0.95
_UNITS = ((120.0, 1.0, "s"), (7_200.0, 60.0, "min"), (172_800.0, 3_600.0, "h"))
_DAY_SEC = 86_400.0
_BUCKET_COLUMNS = ("multiplier", "reason", "median_fill_sec", "p95_fill_sec", "n_completed", "n_censored")


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
        ("net profit of round trips", totals.net_profit, quote),
        ("fees", totals.fees, quote),
        ("opening equity", found["opening_equity"], quote),
        ("closing equity", found["closing_equity"], quote),
        ("holding instead", found["hold_equity"], quote),
        ("gain over holding", found["gain_over_hold"], quote),
        ("return", found["return_pct"], "%"),
        ("return of holding", found["hold_return_pct"], "%"),
        ("worst drawdown", found["max_drawdown"], quote),
        ("round trips", totals.round_trips, ""),
        ("mean net per round trip", found["mean_net_per_trip"], quote),
        ("winning round trips", found["winning_trips_pct"], "%"),
        ("fills", totals.fills, ""),
        ("most open orders", totals.max_open_orders, ""),
        ("invariant violations", totals.violations, ""),
        ("bars", totals.bars, ""),
        ("events", totals.events, ""),
        ("wall time", totals.wall_seconds, "s"),
    ]
    return Table(
        "Totals",
        ("figure", "value", "unit"),
        [(name, number(value, 4 if "net" in name or name == "fees" else 2), unit) for name, value, unit in rows],
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


def fields_table(title: str, values: dict[str, Any]) -> Table:
    """Return a flat object as a table; lists and objects are written out."""
    return Table(title, ("field", "value"), [(name, _plain(value)) for name, value in values.items()])


def _plain(value: object) -> str:
    if value is None or isinstance(value, str | int | float):
        return number(value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items()) or "none"
    return ", ".join(_plain(part) for part in value) or "none" if isinstance(value, list | tuple) else str(value)


def buckets_table(report: SlotsRunReport) -> Table:
    """Return the sizer's buckets, one row each."""
    rows = [
        (bucket, *(number(row.get(name)) for name in _BUCKET_COLUMNS)) for bucket, row in report.sizer_buckets.items()
    ]
    return Table("Sizer buckets", ("bucket", *(name.replace("_", " ") for name in _BUCKET_COLUMNS)), rows)


def tables(report: SlotsRunReport) -> list[Table]:
    """Return the tables of a report in reading order; empty ones are left out."""
    found = [
        totals_table(report),
        fill_times_table(report.round_trips),
        buckets_table(report),
        fields_table("Capacity and fill health", report.capacity_fill_health),
        fields_table("Vintage", report.slot_vintage),
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
