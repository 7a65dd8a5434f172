"""What the momentum gate would have been worth, from the ledger's own records (slots 12.4; input of Gate B, 20.3).

While the gate is off it still says of every new entry whether it would have kept it back, and that word stays with what
comes of the entry: its exit, its cycle, the day's picture of what waits. Evidence is then a comparison of two sets that
lived through the same market: all entries, and those that the gate would have let go. It says nothing of the entries
that a gate would have made later in their place, so it is evidence about the kind of entry, not a simulated account.
"""

from collections.abc import Iterable, Sequence
from math import fsum

import msgspec

from millrace.core.commands import Book
from millrace.core.events import Scalar
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.telemetry.capacity_health import nearest_rank
from millrace.strategies.slots.turn import Turn

_P95 = 95


class MomentumEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Two sets of entries side by side; `gated` are those that the gate would have let go. None without data.

    `expectancy` is USD of booked net result per entry, entries whose exit still waits included; `p95_stuck_age_sec` the
    mean over the days of the day's 95th percentile of exit waits; `p95_stuck_capital_pct` the 95th percentile over the
    days of the share of the portfolio that waits, that of the gated set taken for as many entries as were made.
    """

    entries_actual: int
    entries_gated: int
    expectancy_actual: float | None
    expectancy_gated: float | None
    p95_stuck_age_sec_actual: float | None
    p95_stuck_age_sec_gated: float | None
    p95_stuck_capital_pct_actual: float | None
    p95_stuck_capital_pct_gated: float | None
    first_ns: int | None
    last_ns: int | None


def day_values(grid: Grid, turn: Turn, stuck_pct_per_usd: float) -> dict[str, Scalar]:
    """Return what the day's record says of the exits whose entries the gate would have let go (kind `vintage_day`)."""
    let_go = [record for slot in grid.slots.values() for record in slot.state.waiting_exits() if not record.would_defer]
    stuck_usd = fsum(abs(record.volume) * turn.price for record in let_go)
    return {
        "momentum_enabled": grid.settings.momentum.enabled,
        "gated_waiting_exits": len(let_go),
        "gated_wait_p95_sec": nearest_rank(sorted(turn.now - record.entry_filled_at for record in let_go), _P95),
        "gated_stuck_capital_usd": stuck_usd,
        "gated_stuck_capital_pct": stuck_usd * stuck_pct_per_usd,
    }


def momentum_evidence(records: Sequence[Book]) -> MomentumEvidence:
    """Return the evidence in bookings of the kinds `cycle` and `vintage_day`, in the order in which they were booked.

    Only days on which the gate was off count, and a cycle belongs to the day whose record follows it: what came after
    the last day's record would be counted twice, as waiting then and as closed since.
    """
    cycles, days = _watched(records)
    closed = _Closed(cycles)
    gated = _Closed(book for book in cycles if not book.values.get("would_defer"))
    waiting = _number(days[-1], "waiting_exits") if days else 0.0
    entries = closed.entries + round(waiting)
    entries_gated = gated.entries + round(_number(days[-1], "gated_waiting_exits") if days else 0.0)
    capital_gated = _p95(days, "gated_stuck_capital_pct")
    used = [book.ts_ns for book in (*cycles, *days)]
    return MomentumEvidence(
        entries_actual=entries,
        entries_gated=entries_gated,
        expectancy_actual=closed.net_usd / entries if entries else None,
        expectancy_gated=gated.net_usd / entries_gated if entries_gated else None,
        p95_stuck_age_sec_actual=_mean(days, "wait_p95_sec"),
        p95_stuck_age_sec_gated=_mean(days, "gated_wait_p95_sec"),
        p95_stuck_capital_pct_actual=_p95(days, "stuck_capital_pct"),
        p95_stuck_capital_pct_gated=(
            None if capital_gated is None or not entries_gated else capital_gated * entries / entries_gated
        ),
        first_ns=min(used, default=None),
        last_ns=max(used, default=None),
    )


class _Closed:
    """Sums over cycles; a position that was booked in parts is one entry."""

    def __init__(self, cycles: Iterable[Book]) -> None:
        rows = list(cycles)
        self.entries = len(
            {tuple(book.values.get(name) for name in ("slot", "trade_id", "cycle", "entry_time")) for book in rows}
        )
        self.net_usd = fsum(_number(book, "net") for book in rows)


def _watched(records: Sequence[Book]) -> tuple[list[Book], list[Book]]:
    """Return the cycles and day records of the days on which the gate was off."""
    cycles: list[Book] = []
    days: list[Book] = []
    open_day: list[Book] = []
    for book in records:
        if book.kind == "cycle":
            open_day.append(book)
        elif book.kind == "vintage_day":
            if book.values.get("momentum_enabled") is False:
                cycles += open_day
                days.append(book)
            open_day = []
    return cycles, days


def _number(book: Book, name: str) -> float:
    """Return a number of the record, 0 where there is none: nothing waits."""
    value = book.values.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _mean(days: Sequence[Book], name: str) -> float | None:
    return fsum(_number(day, name) for day in days) / len(days) if days else None


def _p95(days: Sequence[Book], name: str) -> float | None:
    return nearest_rank(sorted(_number(day, name) for day in days), _P95)
