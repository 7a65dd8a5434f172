"""The quote desk in the terminal, beside grid and arbitrage desk: what each symbol quotes, holds and earns, or why not.

Everything comes from the desk's own status. Symbols that are not quoted come first, because they are what a person
looks for; then those that hold most.
"""

from typing import Any

from rich.text import Text

QUOTE_ROWS = 2
"""Lines of the desk's panel without any symbol."""
_PER_LINE_CELLS = 78
_WHY_CELLS = 20


def quote_lines(desk: dict[str, Any], symbols: int, width: int) -> Text:
    """Return the desk in so many lines of symbols below a head; wide terminals show two of them in a line."""
    text = Text(no_wrap=True, overflow="ellipsis")
    rows = desk["symbols"]
    text.append(f"{quote_brief(desk)} · exposure {desk['exposure_usd']:,.0f} · ")
    text.append(f"{desk['open_orders']} orders · {_refused(desk)}\n", style="dim")
    per_line = 2 if width >= 2 * _PER_LINE_CELLS else 1
    text.append("  ".join([_HEAD] * per_line), style="dim")
    shown = sorted(rows, key=_interest)[: symbols * per_line]
    for first in range(0, len(shown), per_line):
        text.append("\n")
        for number, row in enumerate(shown[first : first + per_line]):
            text.append("  " if number else "").append(_symbol(row), style="yellow" if row["why"] else "")
    return text


_HEAD = "symbol      spread     position score weight fills       P&L " + " " * _WHY_CELLS


def _symbol(row: dict[str, Any]) -> str:
    score = "-" if row["score"] is None else f"{row['score']:.2f}"
    return (
        f"{row['symbol']:<10} {row['spread_bps']:>7.2f} {row['position_usd']:>+12,.2f} {score:>5} {row['weight']:>6.2f}"
        f" {row['fills']:>5} {row['pnl_usd']:>+9,.2f} {_why(row):<{_WHY_CELLS}}"
    )


def _why(row: dict[str, Any]) -> str:
    told = row["why"] or ("" if row["active"] else "not active")
    return str(told).replace("_", " ")[:_WHY_CELLS]


def _interest(row: dict[str, Any]) -> tuple[bool, float, str]:
    return not row["why"], -abs(row["position_usd"]), row["symbol"]


def quote_brief(desk: dict[str, Any]) -> str:
    """Return the desk in a few words, for a line of text or a title."""
    return f"quotes {desk['quoting']} of {len(desk['symbols'])}, {desk['fills']:,} fills, P&L {desk['pnl_usd']:+,.2f}"


def _refused(desk: dict[str, Any]) -> str:
    told = []
    for venue, facts in desk["venues"].items():
        stopped = ", ".join(facts["restrictions"]).replace("_", " ")
        told.append(f"{venue} {stopped or 'open'}")
    return ", ".join(told)
