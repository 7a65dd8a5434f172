"""What one run of the slot grid showed, as one plain record, and the JSON object of `millrace backtest --json`.

The run fills the record; text, JSON and the page are made from it and from nothing else, so that a report can be read
again from its own JSON. Equity is compared with holding the opening balances, which is what the grid must beat. Times
are nanoseconds UTC, money is in the quote currency, volumes are in the base coin.
"""

from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from millrace.core.events import Scalar
from millrace.strategies.slots.stages.momentum_shadow import MomentumEvidence

_NS = 1e9
_PCT = 100.0


class EquityPoint(msgspec.Struct, frozen=True, gc=False):
    """Quote balance plus base balance at the price, and that price."""

    ts_ns: int
    equity: float
    price: float


class FillPoint(msgspec.Struct, frozen=True, gc=False):
    """One fill: `side` buy or sell, `role` entry, exit or recovery, `leg` A or B."""

    ts_ns: int
    side: str
    role: str
    price: float
    volume: float
    slot: int
    leg: str


class RoundTrip(msgspec.Struct, frozen=True, gc=False):
    """A booked cycle: `fill_sec` is from the entry's fill to the exit's, `bucket` the sizer's (e.g. ranging_A)."""

    ts_ns: int
    net: float
    fill_sec: float
    bucket: str


class HeadroomPoint(msgspec.Struct, frozen=True, gc=False):
    """Open orders and how many more the safe cap allows."""

    ts_ns: int
    open_orders: int
    headroom: int


class RunTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Counts and sums of the whole run; the record's lists may be shorter samples of it.

    `open_profit` is what the waiting exits would bring at the last price, before fees.
    """

    bars: int
    events: int
    fills: int
    round_trips: int
    net_profit: float
    fees: float
    max_open_orders: int
    violations: int
    wall_seconds: float
    command_hash: str
    open_profit: float = 0.0


class SlotsRunReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report of one run needs."""

    instrument: str
    base: str
    quote: str
    data: str
    profile: str
    config_digest: str
    first_ns: int
    last_ns: int
    opening_base: float
    opening_quote: float
    totals: RunTotals
    equity: list[EquityPoint] = []
    fills: list[FillPoint] = []
    round_trips: list[RoundTrip] = []
    headroom: list[HeadroomPoint] = []
    sizer_buckets: dict[str, dict[str, Scalar]] = {}
    capacity_fill_health: dict[str, Any] = {}
    slot_vintage: dict[str, Any] = {}
    momentum_shadow: MomentumEvidence | None = None
    assumptions: list[str] = []
    notices: list[str] = []
    config: dict[str, Scalar] = {}


def hold_equity(report: SlotsRunReport, price: float) -> float:
    """Return what the opening balances would be worth at this price had nothing been traded."""
    return report.opening_quote + report.opening_base * price


def worst_drawdown(equity: list[EquityPoint]) -> float:
    """Return the greatest fall from an earlier peak, in quote money (>= 0)."""
    peak, worst = 0.0, 0.0
    for point in equity:
        peak = max(peak, point.equity)
        worst = max(worst, peak - point.equity)
    return worst


def summary(report: SlotsRunReport) -> dict[str, Scalar]:
    """Return the figures that a person compares first, from the curves and round trips; empty curves give null."""
    first = report.equity[0] if report.equity else None
    last = report.equity[-1] if report.equity else None
    opening = hold_equity(report, first.price) if first else None
    held = hold_equity(report, last.price) if last else None
    nets = [trip.net for trip in report.round_trips]
    return {
        "days": (report.last_ns - report.first_ns) / _NS / 86_400,
        "opening_equity": opening,
        "closing_equity": last.equity if last else None,
        "hold_equity": held,
        "gain_over_hold": last.equity - held if last and held is not None else None,
        "return_pct": (last.equity / opening - 1.0) * _PCT if last and opening else None,
        "hold_return_pct": (held / opening - 1.0) * _PCT if held is not None and opening else None,
        "max_drawdown": worst_drawdown(report.equity) if report.equity else None,
        "mean_net_per_trip": fmean(nets) if nets else None,
        "winning_trips_pct": _PCT * sum(net > 0 for net in nets) / len(nets) if nets else None,
    }


def report_object(report: SlotsRunReport) -> dict[str, Any]:
    """Return the one JSON object of a run: totals at the top, then what explains them; curves stay out of it."""
    return {
        **msgspec.to_builtins(report.totals),
        "summary": summary(report),
        "instrument": report.instrument,
        "data": report.data,
        "profile": report.profile,
        "config_digest": report.config_digest,
        "config": report.config,
        "first_ns": report.first_ns,
        "last_ns": report.last_ns,
        "opening_base": report.opening_base,
        "opening_quote": report.opening_quote,
        "sizer_buckets": report.sizer_buckets,
        "capacity_fill_health": report.capacity_fill_health,
        "slot_vintage": report.slot_vintage,
        "momentum_shadow": report.momentum_shadow,
        "assumptions": report.assumptions,
        "notices": report.notices,
    }


def write_report(report: SlotsRunReport, folder: Path, page: str, text: str) -> dict[str, Path]:
    """Write report.json (the object), run.json (the whole record), report.html and report.txt; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "report.json": msgspec.json.format(msgspec.json.encode(report_object(report)), indent=2),
        "run.json": msgspec.json.encode(report),
        "report.html": page.encode(),
        "report.txt": text.encode(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}
