"""A run's report as one HTML file that needs nothing else: the drawing library stands inside it, no network is asked.

Pictures answer questions: did it beat holding, where did it trade, how long does capital wait per bucket, and how close
did it come to the cap of open orders. Long series are thinned with their extremes kept, and the caption says
so. Colours are told apart by people who do not see red from green.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from statistics import median
from typing import Any

import plotly.graph_objects as go
from msgspec import structs
from plotly.offline import get_plotlyjs

from millrace.research.decimate import MOST_POINTS, decimate
from millrace.research.slots_report import FillPoint, RoundTrip, SlotsRunReport, hold_equity
from millrace.research.slots_tables import duration, notes, tables, title

_NS = 1e9
_BLUE, _ORANGE, _GREEN, _PURPLE, _GREY, _SKY, _BLACK, _YELLOW = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#8a8f98",
    "#56b4e9",
    "#222222",
    "#e69f00",
)
_FILLS = (
    ("buy", "entry", "triangle-up", _BLUE),
    ("sell", "entry", "triangle-down", _ORANGE),
    ("sell", "exit", "triangle-down-open", _GREEN),
    ("buy", "exit", "triangle-up-open", _PURPLE),
    ("buy", "recovery", "x-thin-open", _BLACK),
    ("sell", "recovery", "cross-thin-open", _BLACK),
)
_BUCKET_COLORS = (_BLUE, _ORANGE, _GREEN, _PURPLE, _SKY, _YELLOW, _BLACK, _GREY)
_TICKS_SEC = (1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800, 2_592_000)
_TICK_TEXTS = ("1 s", "10 s", "1 min", "10 min", "1 h", "6 h", "1 d", "7 d", "30 d")
_CAUTION, _STOP = 20, 10
_LOW_CHART = 240
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1180px;padding:20px;color:#1d2126;background:#fff}
h1{font-size:21px;margin:0 0 4px}h2{font-size:16px;margin:28px 0 6px}.sub{color:#59616b;margin:0 0 10px}
table{border-collapse:collapse;font-size:14px}td,th{padding:3px 12px 3px 0;border-bottom:1px solid #e4e7eb;
text-align:right;vertical-align:top}td:first-child,th:first-child{text-align:left}
th{color:#59616b;font-weight:600}
.tables{display:flex;flex-wrap:wrap;gap:0 44px}
.caption{color:#59616b;font-size:13px;margin:0}code{font-size:13px}
"""


def report_page(report: SlotsRunReport) -> str:
    """Return the whole page."""
    charts = [
        ("Equity against holding the opening balances", equity_chart(report), _equity_caption(report)),
        ("Grid minus holding", gain_chart(report), "Below zero, doing nothing would have been better."),
        ("Fills on price", fills_chart(report), _thinned(len(report.fills), "fills")),
        (
            "Fill time per bucket",
            fill_time_chart(report.round_trips),
            "Share of completed round trips whose exit filled within the time; exits that still wait are not in it.",
        ),
        ("Open orders and headroom", headroom_chart(report), _thinned(len(report.headroom), "samples")),
    ]
    totals, *rest = tables(report)
    half = (len(totals.rows) + 1) // 2
    parts = [
        f"<h1>Slot grid on {escape(report.instrument)}</h1><p class=sub>{escape(title(report))}</p>",
        f"<h2>{escape(totals.title)}</h2>",
        _side_by_side(_rows(totals.columns, totals.rows[:half]), _rows(totals.columns, totals.rows[half:])),
        *(f"<h2>{escape(name)}</h2>{_chart(chart)}<p class=caption>{escape(text)}</p>" for name, chart, text in charts),
        _side_by_side(*(f"<h2>{escape(table.title)}</h2>{_rows(table.columns, table.rows)}" for table in rest)),
        *(f"<h2>{escape(name)}</h2><ul>{_items(lines)}</ul>" for name, lines in notes(report)),
        f"<p class=sub>command hash <code>{escape(report.totals.command_hash)}</code></p>",
        f"<p class=sub>configuration <code>{escape(report.config_digest)}</code></p>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title(report))}</title><style>{_STYLE}</style><script>{get_plotlyjs()}</script></head><body>"
        + "".join(parts)
        + "</body></html>"
    )


def equity_chart(report: SlotsRunReport) -> Any:
    """Return equity of the run and of holding, over time."""
    points = decimate(report.equity, lambda point: point.equity)
    times = [_time(point.ts_ns) for point in points]
    held = [hold_equity(report, point.price) for point in points]
    lines = [
        _line("grid", times, [point.equity for point in points], _BLUE),
        _line("holding", times, held, _GREY),
    ]
    return _over_time(report, lines, f"equity ({report.quote})")


def gain_chart(report: SlotsRunReport) -> Any:
    """Return equity of the run minus that of holding, over time."""
    points = decimate(report.equity, lambda point: point.equity - hold_equity(report, point.price))
    gains = [point.equity - hold_equity(report, point.price) for point in points]
    line = _line("grid minus holding", [_time(point.ts_ns) for point in points], gains, _BLUE)
    figure = _over_time(report, [line], f"gain ({report.quote})")
    return figure.update_layout(height=_LOW_CHART, showlegend=False)


def fills_chart(report: SlotsRunReport) -> Any:
    """Return the price with a mark for each fill, one kind of mark for each side and role."""
    points = decimate(report.equity, lambda point: point.price)
    traces = [_line("price", [_time(p.ts_ns) for p in points], [p.price for p in points], _GREY, width=1)]
    all_fit = len(report.fills) <= MOST_POINTS
    most = MOST_POINTS if all_fit else MOST_POINTS // len(_FILLS)
    for side, role, symbol, color in _FILLS:
        fills = [fill for fill in report.fills if fill.side == side and fill.role == role]
        if fills:
            traces.append(_marks(f"{side} {role} ({len(fills):,})", decimate(fills, _fill_price, most), symbol, color))
    return _over_time(report, traces, f"price ({report.quote} per {report.base})")


def fill_time_chart(trips: Sequence[RoundTrip]) -> Any:
    """Return the empirical distribution of fill times per bucket, on a logarithmic axis of time."""
    by_bucket: dict[str, list[float]] = {}
    for trip in trips:
        by_bucket.setdefault(trip.bucket, []).append(max(trip.fill_sec, 1.0))
    traces = []
    most = MOST_POINTS // max(1, len(by_bucket))
    for place, bucket in enumerate(sorted(by_bucket)):
        times = sorted(by_bucket[bucket])
        steps = decimate(
            [(sec, 100.0 * (n + 1) / len(times)) for n, sec in enumerate(times)], lambda step: step[0], most
        )
        name = f"{bucket} (n {len(times):,}, median {duration(median(times))})"
        trace = _line(
            name, [sec for sec, _ in steps], [share for _, share in steps], _BUCKET_COLORS[place % 8], width=2
        )
        traces.append(trace.update(line_shape="hv"))
    figure = _figure(traces, "completed round trips (%)", "time from entry fill to exit fill (logarithmic)")
    figure.update_yaxes(range=[0, 102])
    figure.update_layout(legend={"font": {"size": 12}})
    return figure.update_xaxes(type="log", tickvals=_TICKS_SEC, ticktext=_TICK_TEXTS)


def headroom_chart(report: SlotsRunReport) -> Any:
    """Return open orders and headroom over time, with the edges of the caution and stop bands."""
    lines = []
    if report.headroom:
        last = structs.replace(report.headroom[-1], ts_ns=max(report.last_ns, report.headroom[-1].ts_ns))
        points = [*report.headroom, last]
        orders = decimate(points, lambda point: point.open_orders)
        rooms = decimate(points, lambda point: point.headroom)
        lines = [
            _line("open orders", [_time(p.ts_ns) for p in orders], [p.open_orders for p in orders], _BLUE),
            _line("headroom to the safe cap", [_time(p.ts_ns) for p in rooms], [p.headroom for p in rooms], _ORANGE),
        ]
    figure = _over_time(report, [line.update(line_shape="hv") for line in lines], "orders")
    for level, name, place in ((_CAUTION, "caution below 20", "top left"), (_STOP, "stop below 10", "bottom left")):
        figure.add_hline(
            y=level,
            line_dash="dot",
            line_color=_BLACK,
            line_width=1,
            annotation_text=name,
            annotation_position=place,
            annotation_bgcolor="rgba(255,255,255,0.85)",
        )
    return figure.update_yaxes(rangemode="tozero")


def _fill_price(fill: FillPoint) -> float:
    return fill.price


def _time(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns / _NS, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _line(name: str, x: Sequence[Any], y: Sequence[float], color: str, width: float = 1.6) -> Any:
    return go.Scatter(name=name, x=x, y=y, mode="lines", line={"color": color, "width": width})


def _marks(name: str, fills: Sequence[FillPoint], symbol: str, color: str) -> Any:
    return go.Scatter(
        name=name,
        x=[_time(fill.ts_ns) for fill in fills],
        y=[fill.price for fill in fills],
        mode="markers",
        marker={"symbol": symbol, "color": color, "size": 6, "opacity": 0.75, "line": {"width": 1, "color": color}},
        text=[f"slot {fill.slot} {fill.leg}, {fill.volume:g}" for fill in fills],
        hovertemplate="%{x}<br>%{y}<br>%{text}",
    )


def _over_time(report: SlotsRunReport, traces: list[Any], y_title: str) -> Any:
    """Return a chart over the whole run, so that the same place on every chart is the same time."""
    return _figure(traces, y_title).update_xaxes(range=[_time(report.first_ns), _time(report.last_ns)])


def _figure(traces: list[Any], y_title: str, x_title: str = "time (UTC)") -> Any:
    figure = go.Figure(traces)
    figure.update_layout(
        template="plotly_white",
        height=400,
        margin={"l": 70, "r": 20, "t": 36, "b": 50},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis_title=x_title,
        yaxis_title=y_title,
        font={"size": 13},
        showlegend=True,
    )
    if not any(len(trace.x) for trace in traces):
        figure.add_annotation(text="nothing to show", showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
    return figure


def _chart(figure: Any) -> str:
    html: str = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
    )
    return html


def _side_by_side(*parts: str) -> str:
    return "<div class=tables>" + "".join(f"<div>{part}</div>" for part in parts) + "</div>"


def _rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _items(lines: list[str]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def _equity_caption(report: SlotsRunReport) -> str:
    return (
        f"Holding: {report.opening_base:,g} {report.base} and {report.opening_quote:,g} {report.quote}, never traded. "
        + _thinned(len(report.equity), "points")
    )


def _thinned(count: int, what: str) -> str:
    if count <= MOST_POINTS:
        return f"All {count:,} {what} are drawn."
    return f"{count:,} {what}, thinned to {MOST_POINTS:,} or fewer with every extreme kept."
