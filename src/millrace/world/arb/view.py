"""The arbitrage desk in the terminal, beside the grid: what it looked at, what it found, why most of it was left alone.

Expected, simulated and realised money stand apart, because none of them may fill in for another (arb 0.10). Everything
comes from the desk's own status.
"""

from typing import Any

from rich.text import Text

from millrace.world.sitting import Frame

DESK_ROWS = 3
"""Lines of the desk's panel."""
_REASONS = 4


def desk_lines(desk: dict[str, Any], frame: Frame) -> Text:
    """Return the desk in three lines."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{desk['markets']:,} markets · {_pace(frame)} · {_venues(desk)}\n", style="dim")
    text.append(f"{_found(desk)}: {_reasons(desk)}\n")
    text.append(f"{desk['open_baskets']} baskets open · naked {desk['naked_usd']:.2f} · ")
    for number, name in enumerate(("expected", "simulated", "realised")):
        amount = desk[f"{name}_usd"]
        text.append(" · " if number else "").append(f"{name} ")
        text.append(f"{amount:+,.2f}", style="green" if amount >= 0.0 else "red")
    text.append(" USD")
    return text


def desk_brief(desk: dict[str, Any]) -> str:
    """Return the desk in a few words, for a line of text or a title."""
    money = desk["simulated_usd"] + desk["realised_usd"]
    return f"desk {_found(desk)}, {desk['open_baskets']} open, booked {money:+.2f}"


def _found(desk: dict[str, Any]) -> str:
    return f"found {desk['found']:,}, opened {desk['opened']:,}, left alone {desk['rejected']:,}"


def _reasons(desk: dict[str, Any]) -> str:
    counts = sorted(desk["reasons"].items(), key=lambda pair: (-pair[1], pair[0]))
    return (
        ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts[:_REASONS]) or "nothing refused yet"
    )


def _pace(frame: Frame) -> str:
    """Return the quotes of the sitting per second of its own time and of the watcher's."""
    simulated, real = max(frame.sim_seconds, 1.0), max(frame.seconds, 1.0)
    return f"{frame.quotes / simulated:.1f} quotes a simulated second, {frame.quotes / real:,.0f} a real one"


def _venues(desk: dict[str, Any]) -> str:
    told = []
    for venue, facts in desk["venues"].items():
        stopped = ", ".join(facts["restrictions"]).replace("_", " ")
        told.append(f"{venue} {stopped or 'open'}")
    return ", ".join(told)
