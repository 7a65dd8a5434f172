"""How the demo looks in a terminal: one screen that a trader can read at a glance, or one line at a time.

Everything shown comes from the frame, that is from the grid's own status; nothing is computed here but layout. The
screen is cut to the terminal's size, and what matters most stays longest: is it trading and if not why, money, slots,
headroom, what the sizer knows, fills.
"""

from collections import Counter
from datetime import UTC, datetime
from math import ceil
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from millrace.world.arb.desk import DESK
from millrace.world.arb.view import DESK_ROWS, desk_brief, desk_lines
from millrace.world.quoting.desk import QUOTES
from millrace.world.quoting.view import QUOTE_ROWS, quote_brief, quote_lines
from millrace.world.sitting import Frame, SittingResult

_LEAST_WIDTH, _LEAST_HEIGHT = 80, 24
_THREE_COLUMNS = 100
_ROOMY = 160
"""Widths from which sizer and capacity stand apart, and from which twenty slots fit in a row."""
_HEAD_ROWS, _MIDDLE_ROWS, _FRAME_ROWS = 6, 13, 2
_ALERT_ROWS = (2, 6)
_SLOT_CELLS, _ROW_NAME_CELLS = 3, 8
_BAR_CELLS = 26
_ROOM_FOR_DESK = DESK_ROWS + _FRAME_ROWS + 3 + _FRAME_ROWS
"""Rows under the grid from which the desk has a panel and three fills can still be seen."""
_ROOM_BESIDE_QUOTES = 12
"""Rows that fills and alerts keep when the quote desk shows its symbols."""
_MOST_SYMBOL_LINES = 10
_MARKS = {"entry": "·", "buy": "▲", "sell": "▼"}
_LATE = 0.9
_MINUTE, _HOUR = 60.0, 3_600.0
_WAITS = {
    "min_size_wait": "below the least order",
    "bootstrap_pending": "to be opened in turn",
    "cooldown": "cooling down",
    "momentum_defer": "against momentum",
    "capacity_block": "no headroom",
    "scheduler_defer": "paced",
    "unfunded": "no free funds",
    "stale_price": "price too old",
    "paused": "paused",
    "exchange_cancels": "cancel under way",
}
_PHASES = {"S0": "flat", "S1a": "short", "S1b": "long", "S2": "both"}
_BANDS = {"normal": "green", "caution": "yellow", "stop": "red"}
_SIGNALS = {1: "up", 0: "flat", -1: "down"}


class LiveView:
    """The live screen; a context manager, because a terminal must be given back."""

    def __init__(self) -> None:
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, screen=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, frame: Frame) -> None:
        """Draw one frame."""
        width, height = self._console.size
        self._live.update(screen(frame, width, height), refresh=True)


def screen(frame: Frame, width: int, height: int) -> RenderableType:
    """Return the whole screen for a terminal of this size, in cells."""
    if width < _LEAST_WIDTH or height < _LEAST_HEIGHT:
        return Group(Text(line(frame)), Text(f"a window of {_LEAST_WIDTH} x {_LEAST_HEIGHT} shows more; Ctrl-C stops"))
    per_row = 20 if width >= _ROOMY else 10
    middle_rows = max(_MIDDLE_ROWS, ceil(len(frame.status["slots"]) / per_row) + 2 + _FRAME_ROWS)
    desk = frame.status.get(DESK)
    desk_rows = DESK_ROWS + _FRAME_ROWS if desk and height - _HEAD_ROWS - middle_rows >= _ROOM_FOR_DESK else 0
    spare = height - _HEAD_ROWS - middle_rows - desk_rows - _FRAME_ROWS
    quotes = frame.status.get(QUOTES)
    symbols = min(spare - _ROOM_BESIDE_QUOTES, _MOST_SYMBOL_LINES) if quotes and desk_rows else 0
    quote_rows = QUOTE_ROWS + symbols + _FRAME_ROWS if symbols > 0 else 0
    spare -= quote_rows
    alerts = min(_ALERT_ROWS[1], spare // 3) if spare // 3 >= _ALERT_ROWS[0] else 0
    fills = spare - (alerts + _FRAME_ROWS if alerts else 0)
    layout = Layout()
    parts = [
        Layout(_panel(_head(frame), "millrace demo · paper money, simulated venue · Ctrl-C stops"), size=_HEAD_ROWS),
        Layout(_middle(frame.status, width, per_row), size=middle_rows),
    ]
    title = "newest fills (UTC)"
    if desk and desk_rows:
        parts.append(Layout(_panel(desk_lines(desk, frame), "arbitrage desk"), size=desk_rows))
    elif desk:
        title = f"{title} · {desk_brief(desk)}"
    if quotes and quote_rows:
        parts.append(Layout(_panel(quote_lines(quotes, symbols, width), "quote desk"), size=quote_rows))
    elif quotes:
        title = f"{title} · {quote_brief(quotes)}"
    parts.append(Layout(_panel(_newest(frame.fills, fills, "none in this sitting yet"), title)))
    if alerts:
        news = _newest(frame.alerts, alerts, "nothing to tell")
        parts.append(Layout(_panel(news, "alerts"), size=alerts + _FRAME_ROWS))
    layout.split_column(*parts)
    return layout


def line(frame: Frame) -> str:
    """Return one frame as one line of text."""
    status, totals = frame.status, frame.status["totals"]
    capacity = status["capacity_fill_health"]
    desk, quotes = status.get(DESK), status.get(QUOTES)
    phases = " ".join(f"{name}:{count}" for name, count in sorted(_phases(status).items()))
    return (
        f"{_when(frame)}  price {frame.price:.5f}  equity {frame.equity:,.2f} ({frame.equity - frame.held:+.2f} against"
        f" holding)  realised {totals['profit_usd']:+.2f}  trips {totals['round_trips']}"
        f"  orders {capacity['open_orders_current']}/{capacity['open_orders_safe_cap']}  {phases}"
        f"  {_standing(frame)[0]}{f'  {desk_brief(desk)}' if desk else ''}"
        f"{f'  {quote_brief(quotes)}' if quotes else ''}"
    )


def farewell(result: SittingResult) -> str:
    """Return what a person reads when the demo has stopped."""
    status, totals = result.status, result.status["totals"]
    began = "Continued" if result.startup["restart"] else "Began"
    notices = "".join(f"{notice}\n" for notice in result.startup["notices"])
    return (
        f"{notices}{began} in {result.directory}: {result.sim_hours:.1f} simulated hours in {result.seconds:.0f} s,"
        f" {result.events:,} events.\n"
        f"{totals['round_trips']} round trips, realised {totals['profit_usd']:+.4f} USD, open"
        f" {totals['unrealised_usd']:+.4f} USD, fees {totals['fees_usd']:.4f} USD;"
        f" {status['capacity_fill_health']['open_orders_current']} orders stay on the book.\n"
        f"{_desk_farewell(status.get(DESK))}"
        f"{_quotes_farewell(status.get(QUOTES))}"
        f"Command hash {result.command_hash}.\n"
        f"The same command continues this run, --fresh begins anew; `millrace replay {result.directory}` checks it."
    )


def _desk_farewell(desk: dict[str, Any] | None) -> str:
    if desk is None:
        return ""
    return (
        f"{desk_brief(desk).capitalize()}; expected {desk['expected_usd']:+.2f}, simulated"
        f" {desk['simulated_usd']:+.2f}, realised {desk['realised_usd']:+.2f} USD.\n"
    )


def _quotes_farewell(quotes: dict[str, Any] | None) -> str:
    if quotes is None:
        return ""
    return f"The quote desk {quote_brief(quotes)} USDT; exposure {quotes['exposure_usd']:,.0f} USDT.\n"


def _panel(content: RenderableType, title: str) -> Panel:
    return Panel(content, title=title, title_align="left")


def _head(frame: Frame) -> Text:
    status, totals = frame.status, frame.status["totals"]
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{_when(frame)}  {status['pair']} ", style="bold")
    text.append(f"{frame.price:.5f}", style="bold cyan")
    text.append(f"  at {_pace(frame)}\n", style="dim")
    text.append(f"equity {frame.equity:,.2f} USD, ")
    _money(text, frame.equity - frame.held, 2)
    text.append(" vs holding · realised ")
    _money(text, totals["profit_usd"], 2)
    text.append(" · open ")
    _money(text, totals["unrealised_usd"], 2)
    text.append(f" · fees {totals['fees_usd']:.2f} · trips {totals['round_trips']}\n")
    text.append(*_standing(frame))
    text.append(f"\n{_rules(status)}", style="dim")
    return text


def _rules(status: dict[str, Any]) -> str:
    """Return in one line what the slower rules do: release of stuck exits, momentum gate, ADX band, idle money."""
    release, momentum, regime = status["release_health"], status["momentum"], status["regime_adx"]
    tier = f"tier {release['tier_active']}" if release["tier_active"] else "waiting"
    eligible = f"{status['slot_vintage']['vintage_release_eligible']} eligible"
    blocked = ", BLOCKED" if release["recon_hard_gate_blocked"] else ""
    parts = [
        f"release {tier if release['auto_enabled'] else 'by hand'} ({eligible}{blocked})",
        f"momentum {_SIGNALS[momentum['signal']]}{'' if momentum['enabled'] else ' (watching)'}",
        f"band {regime['band'] or 'not known yet'}{'' if regime['enabled'] else ' (watching)'}",
        f"rebalancer {status['rebalancer']['skew']:+.2f}" if status["rebalancer"]["enabled"] else "rebalancer off",
    ]
    return " · ".join(parts)


def _money(text: Text, amount: float, decimals: int) -> None:
    text.append(f"{amount:+,.{decimals}f}", style="green" if amount >= 0.0 else "red")


def _pace(frame: Frame) -> str:
    """Return the simulated speed, with what is reached where the machine cannot keep up."""
    reached = frame.sim_seconds / frame.seconds if frame.seconds > 1.0 else frame.speed
    behind = f" ({reached:,.0f}x reached)" if reached < _LATE * frame.speed else ""
    return f"{frame.speed:,g}x{behind}: 1 s shows {_seconds(frame.speed)}"


def _standing(frame: Frame) -> tuple[str, str]:
    """Return in words whether it trades, and if not why, with a style."""
    status = frame.status
    mode, reasons = status["mode"], ", ".join(status["pause_reason"]).replace("_", " ")
    health = status["capacity_fill_health"]
    if mode == "HALT":
        return f"HALT ({reasons}): cancels only", "bold red"
    if mode == "REDUCE_ONLY":
        return f"PAUSED ({reasons}): exits may leave, entries may not", "bold red"
    age_sec = status["price_age_sec"]
    if age_sec is None:
        return "WAITING: no price seen yet", "bold yellow"
    if age_sec > frame.price_limit_sec:
        return (
            f"WAITING: last price {_seconds(age_sec)} old, limit {_seconds(frame.price_limit_sec)}; orders stay",
            "bold yellow",
        )
    if status["bootstrap_backlog"]:
        opened = status["slot_count"] - status["bootstrap_backlog"]
        return f"TRADING: opening slots, {opened} of {status['slot_count']} so far", "bold green"
    entries = [order["at_venue"] for slot in status["slots"] for order in slot["orders"] if order["role"] == "entry"]
    resting, queued = sum(entries), len(entries) - sum(entries)
    told = [f"{resting} entries wait for their price" if resting else "every leg waits for its exit"]
    told += [f"{queued} entries queued"] if queued else []
    told += [] if health["status_band"] == "normal" else [f"headroom {health['open_order_headroom']} slows new entries"]
    return f"TRADING: {'; '.join(told)} ({mode})", "bold green"


def _when(frame: Frame) -> str:
    return datetime.fromtimestamp(frame.sim_ns // 1_000_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def _phases(status: dict[str, Any]) -> Counter[str]:
    return Counter(slot["phase"] for slot in status["slots"])


def _middle(status: dict[str, Any], width: int, per_row: int) -> Layout:
    slots = Layout(_panel(_slots(status, per_row), "slots"), size=_SLOT_CELLS * per_row + _ROW_NAME_CELLS)
    middle = Layout()
    if width >= _THREE_COLUMNS:
        capacity = Layout(_panel(_capacity(status), "orders and headroom"))
        middle.split_row(slots, capacity, Layout(_panel(_sizer(status), _sizer_title(status))))
    else:
        middle.split_row(
            slots, Layout(_panel(Group(_brief(status), _sizer(status)), f"orders; {_sizer_title(status)}"))
        )
    return middle


def _slots(status: dict[str, Any], per_row: int) -> Group:
    phases = _phases(status)
    found = status["slots"]
    counts = " ".join(f"{phases[name]} {word}" for name, word in _PHASES.items())
    rows = [Text(counts, style="bold")]
    for first in range(0, len(found), per_row):
        row = Text(f"{found[first]['slot_id']:>3} ", style="dim")
        for slot in found[first : first + per_row]:
            legs = {order["trade_id"]: order for order in slot["orders"]}
            for leg in ("A", "B"):
                row.append(*_leg(legs.get(leg)))
            row.append(" ")
        rows.append(row)
    waits = Counter(reason for slot in found for reason in slot["wait_reason"].values())
    told = ", ".join(f"{count} {_WAITS.get(name, name)}" for name, count in sorted(waits.items()))
    rows.append(Text(f"empty: {told}" if told else "· entry ▲ buy ▼ sell exit - none", style="dim"))
    return Group(*(Text.assemble(row, no_wrap=True, overflow="ellipsis") for row in rows))


def _leg(order: dict[str, Any] | None) -> tuple[str, str]:
    if order is None:
        return "-", "dim"
    if order["role"] == "entry":
        return _MARKS["entry"], "blue" if order["at_venue"] else "yellow"
    return _MARKS[order["side"]], "green" if order["side"] == "buy" else "magenta"


def _bar(status: dict[str, Any]) -> Text:
    health = status["capacity_fill_health"]
    used = min(_BAR_CELLS, round(_BAR_CELLS * health["open_order_utilization_pct"] / 100.0))
    return Text("█" * used + "░" * (_BAR_CELLS - used), style=_BANDS[health["status_band"]])


def _capacity(status: dict[str, Any]) -> Group:
    health, vintage = status["capacity_fill_health"], status["slot_vintage"]
    orders = f"{health['open_orders_current']} of {health['open_orders_safe_cap']}"
    rows = [
        ("open orders", orders),
        ("headroom", f"{health['open_order_headroom']}, {health['status_band']}"),
        ("median fill", _seconds(health["median_fill_seconds_1d"])),
        ("95 % fill", _seconds(health["p95_fill_seconds_1d"])),
        ("exits wait", f"{vintage['waiting_count']} slots"),
        ("oldest exit", _seconds(vintage["oldest_exit_age_sec"])),
        ("in positions", f"{vintage['stuck_capital_pct']:.1f} %"),
        ("queued", str(status["entry_scheduler"]["pending_entries"])),
        ("to open", f"{status['bootstrap_backlog']} slots"),
        ("loss today", f"{status['today_realized_loss']:.2f} of {status['daily_loss_limit']:.2f}"),
    ]
    table = _grid()
    for name, value in rows:
        table.add_row(Text(name, style="dim"), value)
    return Group(_bar(status), table)


def _brief(status: dict[str, Any]) -> Text:
    """Return the capacity in one line, for a terminal that has no room for a panel of it."""
    health = status["capacity_fill_health"]
    text = _bar(status)
    text.append(f" {health['open_orders_current']}/{health['open_orders_safe_cap']}")
    return text


def _sizer_title(status: dict[str, Any]) -> str:
    sizer = status["throughput_sizer"]
    return f"sizer, {'watching only' if sizer.get('shadow') else 'active' if sizer['enabled'] else 'off'}"


def _sizer(status: dict[str, Any]) -> Table:
    sizer = status["throughput_sizer"]
    table = _grid()
    table.add_row("bucket", "size", "median", "n", style="dim")
    for name, bucket in sizer["buckets"].items():
        known = f"x{bucket['multiplier']:.2f}" if bucket["sufficient_data"] else "-"
        table.add_row(
            Text(name, style="bold" if name.startswith(f"{sizer['active_regime']}_") else "dim"),
            known,
            _seconds(bucket["median_fill_sec"]),
            str(bucket["n_completed"]),
        )
    table.add_row(Text("age", style="dim"), f"x{sizer['age_pressure']:.2f}")
    table.add_row(Text("in use", style="dim"), f"x{sizer['util_penalty']:.2f}", f"{sizer['util_ratio']:.0%}")
    return table


def _grid() -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    for _ in range(3):
        table.add_column(no_wrap=True, overflow="ellipsis")
    return table


def _newest(rows: tuple[str, ...], count: int, empty: str) -> Text:
    newest = list(reversed(rows))[: max(0, count)]
    return Text("\n".join(newest) if newest else empty, no_wrap=True, overflow="ellipsis")


def _seconds(value: float | None) -> str:
    if not value:
        return "-"
    if value < 2 * _MINUTE:
        return f"{value:.0f} s"
    return f"{value / _MINUTE:.0f} min" if value < 2 * _HOUR else f"{value / _HOUR:.1f} h"
