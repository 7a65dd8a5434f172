"""One slot as the strategy runs it: the reducer's state, and what the engine must know about it.

The reducer decides; this record remembers which of its orders are at the venue under which intent key, why an empty leg
is empty, and when the slot must be looked at again: by price (a refresh may be due outside the bounds) or by time.
"""

from dataclasses import dataclass, field
from typing import Any

from millrace.strategies.slots.reducer.codec import from_dict, to_dict
from millrace.strategies.slots.reducer.model import Order, Recovery, SlotState, TradeId, WaitReason

NEVER_NS = 2**63 - 1
"""A time that does not come."""
NO_LOW, NO_HIGH = 0, 2**62


@dataclass(slots=True)
class Slot:
    """The reducer's state of one slot and the strategy's bookkeeping around it.

    `sent` maps a local id (negative: a recovery) to the intent key that is live or in flight for it; `attempts` counts
    the placements of an unfinished local id, because each needs a key of its own. `wait` says why an empty leg is empty
    and `retry_ns` when it is tried again without news. `cancel_again` holds local ids whose cancel the venue put off,
    `partial_seen` those whose first part fill was counted, `plain` those of entries that bootstrap, reseed or repair
    opened, which the rebalancer leaves their size, `residue_base` the base units that were written off without
    a trade (long +, short -). `deferred_ns` is since when the momentum gate has kept a leg back,
    `dark_since_ns` since when it has left the slot without any order, `gate_bypassed` that the slot is past the gate.
    Bounds are ticks: a price at or below `low_ticks` or at or above `high_ticks` may move an entry.
    """

    slot_id: int
    state: SlotState
    sticky: bool | None = None
    exits_wait_from: float = 0.0
    sent: dict[int, str] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    wait: dict[TradeId, WaitReason] = field(default_factory=dict)
    cancel_again: set[int] = field(default_factory=set)
    partial_seen: set[int] = field(default_factory=set)
    plain: set[int] = field(default_factory=set)
    retry_ns: dict[TradeId, int] = field(default_factory=dict)
    residue_base: float = 0.0
    compound_units: float = 0.0
    quarantined: bool = False
    deferred_ns: dict[TradeId, int] = field(default_factory=dict)
    dark_since_ns: int | None = None
    gate_bypassed: bool = False
    low_ticks: int = NO_LOW
    high_ticks: int = NO_HIGH
    due_ns: int = 0

    def record(self, local_id: int) -> Order | Recovery | None:
        """Return the order (or recovery, by negative id) that the reducer still knows."""
        if local_id < 0:
            return self.state.recovery(-local_id)
        order = self.state.order(local_id)
        if order is None:
            return next((old for old in self.state.cancelling if old.local_id == local_id), None)
        return order

    def unsent(self) -> list[int]:
        """Return local ids that the reducer wants at the venue and that are not there; recoveries last."""
        ids = [order.local_id for order in self.state.orders]
        ids += [-recovery.recovery_id for recovery in self.state.recovery_orders]
        return [local_id for local_id in ids if local_id not in self.sent]

    def is_cancelling(self, trade_id: TradeId) -> bool:
        """Tell whether an entry of the leg is still on its way off the book."""
        return any(order.trade_id == trade_id for order in self.state.cancelling)

    def is_empty(self) -> bool:
        """Tell whether the slot has no order of any kind and must be bootstrapped."""
        return not (self.state.orders or self.state.cancelling)

    def forget(self, local_id: int) -> None:
        """Drop what is remembered of an order that is gone."""
        self.sent.pop(local_id, None)
        self.attempts.pop(local_id, None)
        self.cancel_again.discard(local_id)
        self.partial_seen.discard(local_id)
        self.plain.discard(local_id)

    def snapshot(self) -> dict[str, Any]:
        """Return the record as builtins."""
        return {
            "slot_id": self.slot_id,
            "state": to_dict(self.state),
            "sticky": self.sticky,
            "exits_wait_from": self.exits_wait_from,
            "sent": [[local_id, key] for local_id, key in self.sent.items()],
            "attempts": [[local_id, count] for local_id, count in self.attempts.items()],
            "wait": [[leg, reason.value] for leg, reason in self.wait.items()],
            "cancel_again": sorted(self.cancel_again),
            "partial_seen": sorted(self.partial_seen),
            "plain": sorted(self.plain),
            "retry_ns": [[leg, at_ns] for leg, at_ns in self.retry_ns.items()],
            "residue_base": self.residue_base,
            "compound_units": self.compound_units,
            "quarantined": self.quarantined,
            "deferred_ns": [[leg, at_ns] for leg, at_ns in self.deferred_ns.items()],
            "dark_since_ns": self.dark_since_ns,
            "gate_bypassed": self.gate_bypassed,
            "bounds": [self.low_ticks, self.high_ticks, self.due_ns],
        }

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> "Slot":
        """Return the record that `snapshot` gave."""
        low_ticks, high_ticks, due_ns = saved["bounds"]
        return cls(
            saved["slot_id"],
            from_dict(saved["state"]),
            sticky=saved["sticky"],
            exits_wait_from=saved["exits_wait_from"],
            sent=dict(saved["sent"]),
            attempts=dict(saved["attempts"]),
            wait={leg: WaitReason(reason) for leg, reason in saved["wait"]},
            cancel_again=set(saved["cancel_again"]),
            partial_seen=set(saved["partial_seen"]),
            plain=set(saved["plain"]),
            retry_ns=dict(saved["retry_ns"]),
            residue_base=saved["residue_base"],
            compound_units=saved["compound_units"],
            quarantined=saved["quarantined"],
            deferred_ns=dict(saved["deferred_ns"]),
            dark_since_ns=saved["dark_since_ns"],
            gate_bypassed=saved["gate_bypassed"],
            low_ticks=low_ticks,
            high_ticks=high_ticks,
            due_ns=due_ns,
        )
