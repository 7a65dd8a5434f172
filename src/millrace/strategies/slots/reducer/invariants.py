"""What must hold for a slot after every event, and what may be mended without asking (slots 3).

An empty leg is legal when somebody says why: the checker takes the wait reasons of the legs as input. Numbers are the
contract's, so that the policy (heal, quarantine, halt) can be written against them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from millrace.strategies.slots.reducer.model import (
    ENTRY_SIDE,
    EXIT_SIDE,
    Order,
    Phase,
    SlotConfig,
    SlotState,
    TradeId,
    WaitReason,
    phase,
    tracked_position,
)
from millrace.strategies.slots.reducer.volume import LOT_SLACK

HALT_NUMBERS = frozenset({1, 8, 11, 12})
"""Violations that stop everything, not only their slot."""
_OWNERS = ("regime", "momentum", "capacity")
_PHASE_NUMBER: dict[Phase, int] = {"S0": 2, "S1a": 3, "S1b": 4, "S2": 5}
_NUMBER_S2_TIME, _NUMBER_FIELDS, _NUMBER_CYCLES, _NUMBER_FLAGS = 6, 7, 8, 9
_NUMBER_LEGS, POSITION_NUMBER, _NUMBER_TXIDS = 10, 11, 12


class Violation(NamedTuple):
    """One broken invariant: its number in the contract and what is wrong."""

    number: int
    text: str


def violations(
    state: SlotState,
    cfg: SlotConfig,
    waits: Mapping[TradeId, WaitReason],
    ledger_base: float | None = None,
) -> list[Violation]:
    """Return what is broken in one slot; `ledger_base` is its net executed base from the ledger, None to skip 11."""
    found = _ids(state)
    found += _phase_shape(state, waits)
    if state.s2_entered_at is not None and (cfg.sticky_mode_enabled or phase(state) != "S2"):
        found.append(Violation(_NUMBER_S2_TIME, "the S2 timestamp is set outside S2 or in sticky mode"))
    found += [
        Violation(_NUMBER_FIELDS, f"order {order.local_id} has an impossible cycle, volume or entry price")
        for order in state.orders
        if order.cycle < 1 or not order.volume > 0.0 or (order.role == "exit" and not order.entry_price > 0.0)
    ]
    if state.a.cycle < 1 or state.b.cycle < 1:
        found.append(Violation(_NUMBER_CYCLES, "a leg's cycle number is below 1"))
    if state.long_only and state.short_only:
        found.append(Violation(_NUMBER_FLAGS, "long_only and short_only are both set"))
    if ledger_base is not None:
        tolerance = max(cfg.lot / 2.0, abs(ledger_base) * LOT_SLACK)
        tracked = tracked_position(state)
        if not abs(tracked - ledger_base) <= tolerance:
            text = f"tracked position {tracked} differs from the ledger's {ledger_base}"
            found.append(Violation(POSITION_NUMBER, text))
    return found


def duplicate_txids(states: Iterable[SlotState]) -> list[Violation]:
    """Return the venue ids that more than one record of any slot claims (invariant 12)."""
    counts: Counter[str] = Counter()
    for state in states:
        txids = [order.txid for order in (*state.orders, *state.cancelling)]
        txids += [recovery.txid for recovery in state.recovery_orders]
        counts.update(txid for txid in txids if txid)
    return [
        Violation(_NUMBER_TXIDS, f"txid {txid} belongs to {count} orders")
        for txid, count in counts.items()
        if count > 1
    ]


def heal(state: SlotState, cfg: SlotConfig) -> bool:
    """Clear a stale S2 timestamp, the one violation that is safe to mend; True when it was."""
    if state.s2_entered_at is None or (phase(state) == "S2" and not cfg.sticky_mode_enabled):
        return False
    state.s2_entered_at = None
    return True


def normalise_flags(state: SlotState) -> None:
    """Make the one-sided flags say what the orders say; run after every batch of actions.

    An owner (regime, momentum, capacity) that set the flags stays their source; otherwise it is the balance.
    """
    entries = [order for order in state.orders if order.role == "entry"]
    exits = [order for order in state.orders if order.role == "exit"]
    if len(exits) == 1 and len(entries) == 1 and exits[0].side != entries[0].side:
        return
    side = None
    if len(state.orders) == 1:
        side = state.orders[0].side
    state.long_only = _lone_side_is_long(state.orders[0]) if side else False
    state.short_only = bool(side) and not state.long_only
    if side is None:
        state.mode_source = "none"
    elif state.mode_source not in _OWNERS:
        state.mode_source = "balance"


def _lone_side_is_long(order: Order) -> bool:
    """A lone buy entry or sell exit belongs to leg B, the long one."""
    return order.side == ("buy" if order.role == "entry" else "sell")


def _ids(state: SlotState) -> list[Violation]:
    ids = [order.local_id for order in (*state.orders, *state.cancelling)]
    ids += [-recovery.recovery_id for recovery in state.recovery_orders]
    return [] if len(ids) == len(set(ids)) else [Violation(1, "a local id is used twice")]


def _phase_shape(state: SlotState, waits: Mapping[TradeId, WaitReason]) -> list[Violation]:
    """Check the legs one by one, which is the same as the contract's list of phases."""
    label = phase(state)
    found: list[Violation] = []
    legs: tuple[TradeId, ...] = ("A", "B")
    for leg in legs:
        orders = [order for order in state.orders if order.trade_id == leg]
        off = state.long_only if leg == "A" else state.short_only
        text = ""
        if len(orders) > 1:
            found.append(Violation(_NUMBER_LEGS, f"leg {leg} has {len(orders)} orders"))
        elif not orders:
            text = "" if off or leg in waits else "is empty without a reason"
        elif orders[0].side != (ENTRY_SIDE if orders[0].role == "entry" else EXIT_SIDE)[leg]:
            text = "has an order on the wrong side"
        elif off and orders[0].role == "entry":
            text = "has an entry although the slot is one-sided"
        if text:
            found.append(Violation(_PHASE_NUMBER[label], f"{label}: leg {leg} {text}"))
    return found
