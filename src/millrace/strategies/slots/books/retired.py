"""What slots have realised, and the bucket that keeps the totals of those that were removed (slots 7.3, P31).

A predecessor deleted a slot's realised profit together with the slot. Here an account total is always the sum over the
slots and the bucket, so removing a slot moves figures and never changes a total.
"""

from collections.abc import Iterable
from math import fsum
from typing import Any

import msgspec

from millrace.strategies.slots.reducer.model import SlotState


class Totals(msgspec.Struct, frozen=True):
    """Running sums in USD (slots 7.2); `loss_usd` is the sum of losing bookings as a positive number."""

    profit_usd: float = 0.0
    settled_usd: float = 0.0
    fees_usd: float = 0.0
    loss_usd: float = 0.0
    round_trips: int = 0


def totals_of(state: SlotState) -> Totals:
    """Return what one slot has realised."""
    return Totals(
        profit_usd=state.total_profit,
        settled_usd=state.total_settled_usd,
        fees_usd=state.total_fees,
        loss_usd=state.today_realized_loss,
        round_trips=state.total_round_trips,
    )


def summed(parts: Iterable[Totals]) -> Totals:
    """Return the sum of parts."""
    rows = list(parts)
    return Totals(
        fsum(row.profit_usd for row in rows),
        fsum(row.settled_usd for row in rows),
        fsum(row.fees_usd for row in rows),
        fsum(row.loss_usd for row in rows),
        sum(row.round_trips for row in rows),
    )


class RetiredSlots:
    """Totals of all removed slots together, and their ids, which are never given again."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.slot_ids: list[int] = []

    def take(self, slot_id: int, totals: Totals) -> None:
        """Take in what a slot that goes has realised."""
        self.slot_ids.append(slot_id)
        self.totals = summed((self.totals, totals))

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {"totals": msgspec.to_builtins(self.totals), "slot_ids": list(self.slot_ids)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.totals = msgspec.convert(state["totals"], Totals)
        self.slot_ids = list(state["slot_ids"])
