"""How long only one side of the grid has been able to trade (slots 23, P4: the alert `one_sided_for_sec`).

A predecessor's buys starved while its sells ran, and idle money grew without bound; every single leg had its reason, so
nobody saw the whole. One side is starved when none of its legs has an entry although some of them are empty, while the
other side's entries stand. Legs whose exits wait are no sign of it.
"""

from typing import Any

from millrace.strategies.slots.reducer.model import ENTRY_SIDE, Side, SlotState, TradeId
from millrace.strategies.slots.slot import NEVER_NS

ALERT_AFTER_NS = 3_600 * 1_000_000_000
"""An hour, over which the scheduler's fairness also looks (slots 9)."""
_LEGS: tuple[TradeId, TradeId] = ("A", "B")
Row = tuple[int, int, int, int]
"""Entries of leg A and B, empty legs A and B."""


class SideWatch:
    """Sums over all slots, kept by differences; `since_ns` is when the grid became one-sided, None while it is not."""

    def __init__(self) -> None:
        self.since_ns: int | None = None
        self.told = False
        self._rows: dict[int, Row] = {}
        self._sums = [0, 0, 0, 0]

    def note(self, slot_id: int, state: SlotState) -> None:
        """Take a slot's legs as they are now."""
        entries = dict.fromkeys(_LEGS, 0)
        empty = dict.fromkeys(_LEGS, 1)
        for order in state.orders:
            empty[order.trade_id] = 0
            entries[order.trade_id] += order.role == "entry"
        row = (entries["A"], entries["B"], empty["A"], empty["B"])
        old = self._rows.get(slot_id, (0, 0, 0, 0))
        if row != old:
            self._rows[slot_id] = row
            self._sums = [total + new - was for total, new, was in zip(self._sums, row, old, strict=True)]

    def drop(self, slot_id: int) -> None:
        """Forget a slot that is gone."""
        row = self._rows.pop(slot_id, (0, 0, 0, 0))
        self._sums = [total - was for total, was in zip(self._sums, row, strict=True)]

    @property
    def starved(self) -> Side | None:
        """The side that has no entry although it should, None when both have or none has."""
        entries_a, entries_b, empty_a, empty_b = self._sums
        if entries_a and not entries_b and empty_b:
            return ENTRY_SIDE["B"]
        if entries_b and not entries_a and empty_a:
            return ENTRY_SIDE["A"]
        return None

    def look(self, now_ns: int, *, trading: bool) -> None:
        """Note when the grid became one-sided, or that it is not any more; while it may not trade that is no news."""
        if self.starved is None or not trading:
            self.since_ns, self.told = None, False
        elif self.since_ns is None:
            self.since_ns = now_ns

    @property
    def due_ns(self) -> int:
        """When the operator must be told."""
        return NEVER_NS if self.since_ns is None or self.told else self.since_ns + ALERT_AFTER_NS

    def for_sec(self, now_ns: int) -> float:
        """Return for how long the grid has been one-sided, in seconds."""
        return 0.0 if self.since_ns is None else (now_ns - self.since_ns) / 1e9

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        rows = [[slot_id, list(row)] for slot_id, row in self._rows.items()]
        return {"since_ns": self.since_ns, "told": self.told, "rows": rows}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.since_ns, self.told = state["since_ns"], state["told"]
        self._rows = {slot_id: (row[0], row[1], row[2], row[3]) for slot_id, row in state["rows"]}
        self._sums = [sum(row[place] for row in self._rows.values()) for place in range(4)]
