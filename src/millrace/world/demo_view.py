"""How the demo looks in a terminal: one screen that a trader can read at a glance, or one line at a time.

Everything shown comes from the frame, that is from the grid's own status; nothing is computed here but layout.
"""

from collections import Counter
from types import TracebackType
from typing import Any, Self

from rich.console import Group
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from millrace.world.demo import DemoResult, Frame, clock_text

_BAR_CELLS = 40
_MARKS = {"entry": "·", "buy": "▲", "sell": "▼"}


class LiveView:
    """The live screen; a context manager, because a terminal must be given back."""

    def __init__(self) -> None:
        self._live = Live(refresh_per_second=4, screen=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, frame: Frame) -> None:
        """Draw one frame."""
        self._live.update(screen(frame))


def screen(frame: Frame) -> Layout:
    """Return the whole screen."""
    status = frame.status
    layout = Layout()
    layout.split_column(
        Layout(Panel(_head(frame), title="millrace demo · paper money, simulated venue", title_align="left"), size=5),
        Layout(name="middle"),
        Layout(Panel(_lines(frame.fills, "no fills yet"), title="newest fills", title_align="left"), size=14),
        Layout(Panel(_lines(frame.alerts[-4:], "nothing to tell"), title="alerts", title_align="left"), size=6),
    )
    layout["middle"].split_row(
        Layout(Panel(_slots(status), title="slots", title_align="left"), ratio=3),
        Layout(Panel(_capacity(status), title="orders and headroom", title_align="left"), ratio=2),
        Layout(Panel(_sizer(status), title="throughput sizer", title_align="left"), ratio=2),
    )
    return layout


def line(frame: Frame) -> str:
    """Return one frame as one line of text."""
    status, totals = frame.status, frame.status["totals"]
    capacity = status["capacity_fill_health"]
    phases = " ".join(f"{name}:{count}" for name, count in sorted(_phases(status).items()))
    return (
        f"{_when(frame)}  price {frame.price:.5f}  equity {frame.equity:,.2f}  profit {totals['profit_usd']:+.4f}"
        f"  trips {totals['round_trips']}  orders {capacity['open_orders_current']}"
        f"/{capacity['open_orders_safe_cap']}  {phases}"
    )


def farewell(result: DemoResult) -> str:
    """Return what a person reads when the demo has stopped."""
    totals = result.status["totals"]
    began = "continued" if result.startup["restart"] else "began"
    return (
        f"{began} in {result.directory}; {result.sim_hours:.1f} simulated hours in {result.seconds:.0f} s,"
        f" {result.events} events\n"
        f"{totals['round_trips']} round trips, realised {totals['profit_usd']:+.4f} USD,"
        f" open {totals['unrealised_usd']:+.4f} USD, fees {totals['fees_usd']:.4f} USD\n"
        f"command hash {result.command_hash}\n"
        f"The same command continues this run; `millrace replay {result.directory}` checks it."
    )


def _head(frame: Frame) -> Text:
    status, totals = frame.status, frame.status["totals"]
    text = Text()
    text.append(f"{_when(frame)}   {status['pair']}  ", style="bold")
    text.append(f"{frame.price:.5f}", style="bold cyan")
    text.append(f"   mode {status['mode']}   {frame.events:,} events   {frame.orders_waiting} calls waiting\n")
    text.append(f"equity {frame.equity:,.2f} USD   realised ")
    text.append(f"{totals['profit_usd']:+.4f}", style="green" if totals["profit_usd"] >= 0 else "red")
    text.append("   open ")
    text.append(f"{totals['unrealised_usd']:+.4f}", style="green" if totals["unrealised_usd"] >= 0 else "red")
    text.append(f"   fees {totals['fees_usd']:.4f}   round trips {totals['round_trips']}\n")
    text.append("Ctrl-C stops; starting again continues. Orders stay on the book.", style="dim")
    return text


def _when(frame: Frame) -> str:
    day = int(frame.sim_seconds // 86_400)
    return f"day {day} {clock_text(frame.sim_ns)}"


def _phases(status: dict[str, Any]) -> Counter[str]:
    return Counter(slot["phase"] for slot in status["slots"])


def _slots(status: dict[str, Any]) -> Group:
    waits = Counter(reason for slot in status["slots"] for reason in slot["wait_reason"].values())
    phases = _phases(status)
    counts = Text(
        f"S0 quoting {phases['S0']}   S1a short {phases['S1a']}   S1b long {phases['S1b']}   S2 both {phases['S2']}\n"
    )
    told = "   ".join(f"{name} {count}" for name, count in sorted(waits.items()))
    counts.append(f"waiting legs: {told or 'none'}\n\n", style="dim")
    grid = Text()
    for slot in status["slots"]:
        legs = {order["trade_id"]: order for order in slot["orders"]}
        grid.append(f"{slot['slot_id']:>3}", style="dim")
        for leg in ("A", "B"):
            grid.append(*_leg(legs.get(leg)))
        grid.append(" ")
    return Group(counts, grid, Text("\n· entry   ▲ buy exit   ▼ sell exit   - empty", style="dim"))


def _leg(order: dict[str, Any] | None) -> tuple[str, str]:
    if order is None:
        return "-", "dim"
    if order["role"] == "entry":
        return _MARKS["entry"], "blue" if order["at_venue"] else "yellow"
    return _MARKS[order["side"]], "green" if order["side"] == "buy" else "magenta"


def _capacity(status: dict[str, Any]) -> Group:
    health, vintage = status["capacity_fill_health"], status["slot_vintage"]
    used = min(_BAR_CELLS, round(_BAR_CELLS * health["open_order_utilization_pct"] / 100.0))
    style = {"normal": "green", "caution": "yellow", "stop": "red"}[health["status_band"]]
    table = Table.grid(padding=(0, 1))
    rows = [
        ("open orders", f"{health['open_orders_current']} of {health['open_orders_safe_cap']}"),
        ("headroom", str(health["open_order_headroom"])),
        ("band", health["status_band"]),
        ("median fill", _seconds(health["median_fill_seconds_1d"])),
        ("95 % fill", _seconds(health["p95_fill_seconds_1d"])),
        ("waiting exits", f"{vintage['waiting_count']} slots, oldest {_seconds(vintage['oldest_exit_age_sec'])}"),
        ("in positions", f"{vintage['stuck_capital_pct']:.1f} % of capital"),
        ("deferred", f"{status['entry_scheduler']['pending_entries']} entries"),
        ("not opened yet", f"{status['bootstrap_backlog']} slots"),
    ]
    for name, value in rows:
        table.add_row(Text(name, style="dim"), value)
    return Group(Text("█" * used + "░" * (_BAR_CELLS - used), style=style), table)


def _sizer(status: dict[str, Any]) -> Table:
    sizer = status["throughput_sizer"]
    state = "shadow" if sizer.get("shadow") else "active" if sizer["enabled"] else "off"
    table = Table.grid(padding=(0, 1))
    table.add_row(Text(state, style="bold"), str(sizer["active_regime"]), f"{sizer['last_update_n']} trips")
    for name, bucket in sizer["buckets"].items():
        known = f"x{bucket['multiplier']:.2f}" if bucket["sufficient_data"] else "-"
        table.add_row(
            Text(name, style="dim"), known, f"{_seconds(bucket['median_fill_sec'])} n={bucket['n_completed']}"
        )
    table.add_row(Text("age pressure", style="dim"), f"{sizer['age_pressure']:.2f}", "")
    table.add_row(Text("utilisation", style="dim"), f"{sizer['util_ratio']:.2f}", f"x{sizer['util_penalty']:.2f}")
    return table


def _lines(rows: tuple[str, ...], empty: str) -> Text:
    return Text("\n".join(reversed(rows)) if rows else empty, no_wrap=True)


def _seconds(value: float | None) -> str:
    if not value:
        return "-"
    if value < 120.0:  # noqa: PLR2004  up to two minutes in seconds
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200.0 else f"{value / 3600:.1f} h"  # noqa: PLR2004  up to two hours
