"""What a slot is: its settings, its orders, its two legs and its books, as plain mutable records.

A slot owns two legs. Leg A is short-first (sell entry, buy exit), leg B long-first (buy entry, sell exit). The reducer
owns a `SlotState` and changes it in place; everything that can be derived (the phase, the tracked position) is derived
and never stored, so that it cannot disagree with the orders. Times are float seconds, money is USD, volumes are base
units (slots 1).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Literal

import msgspec

from millrace.sizing.regime import normalise_regime

Side = Literal["buy", "sell"]
Role = Literal["entry", "exit"]
TradeId = Literal["A", "B"]
Phase = Literal["S0", "S1a", "S1b", "S2"]
OrderState = Literal["pending", "live", "cancelling", "closing"]
"""`closing` is an exit whose order takes what is there, because a release closes it at the market (slots 11.3)."""
Direction = Literal["up", "down"]
ModeSource = Literal["none", "balance", "regime", "momentum", "capacity"]
Cause = Literal["exit", "recovery", "soft_close", "eviction", "release", "market_release"]

ENTRY_SIDE: dict[TradeId, Side] = {"A": "sell", "B": "buy"}
EXIT_SIDE: dict[TradeId, Side] = {"A": "buy", "B": "sell"}
PARTIAL_CANCEL = "partial_cancel"
"""Reason of a recovery that was carved out of a cancelled, partly filled entry (slots 6.2a)."""
SOFT_CLOSE: Literal["soft_close"] = "soft_close"
"""Reason of a recovery that an operator has brought to the market, and cause of its booking (slots 18, P7)."""
MAX_CYCLES = 1000
"""Booked cycles kept in state per slot; the ledger has all of them (slots 7.6)."""


class WaitReason(StrEnum):
    """Why a leg is legally empty (slots 3)."""

    MIN_SIZE_WAIT = "min_size_wait"
    BOOTSTRAP_PENDING = "bootstrap_pending"
    COOLDOWN = "cooldown"
    MOMENTUM_DEFER = "momentum_defer"
    CAPACITY_BLOCK = "capacity_block"
    SCHEDULER_DEFER = "scheduler_defer"
    UNFUNDED = "unfunded"
    STALE_PRICE = "stale_price"
    PAUSED = "paused"
    EXCHANGE_CANCELS = "exchange_cancels"


class SlotConfig(msgspec.Struct, frozen=True, gc=False):
    """Settings of the reducer; percentages are per cent, names are the contract's (slots 21).

    With `entry_pct_adapts` the entry distance moves with the market, and entries keep the one they were placed with.
    """

    entry_pct: float = 0.2
    entry_pct_a: float | None = None
    entry_pct_b: float | None = None
    profit_pct: float = 1.0
    refresh_pct: float = 1.0
    price_decimals: int = 6
    volume_decimals: int = 0
    min_volume: float = 13.0
    min_cost_usd: float = 0.0
    maker_fee_pct: float = 0.25
    s1_orphan_after_sec: float = 1350.0
    s2_orphan_after_sec: float = 1800.0
    loss_backoff_start: int = 3
    loss_cooldown_start: int = 5
    loss_cooldown_sec: float = 900.0
    reentry_base_cooldown_sec: float = 60.0
    backoff_factor: float = 0.5
    backoff_max_multiplier: float = 5.0
    max_consecutive_refreshes: int = 3
    refresh_cooldown_sec: float = 300.0
    max_recovery_slots: int = 2
    sticky_mode_enabled: bool = False
    refresh_drift_basis: Literal["target", "market"] = "target"
    recovery_orders_enabled: bool = True
    recovery_evict_books: bool = False
    exits_wait_from: float = 0.0
    entry_backoff_enabled: bool = True
    entry_pct_adapts: bool = False

    @property
    def lot(self) -> float:
        """Smallest step of a volume, in base units."""
        return float(10.0**-self.volume_decimals)


@dataclass(slots=True)
class Order:
    """An active entry or exit. `executed_*` is the cumulative part fill seen while it is open, not yet booked.

    `distance_pct` is the distance that an entry was placed with, where that may change meanwhile (slots 12.6), and
    `would_defer` what the momentum gate said of it then, on or not; exit, recovery and cycle inherit it (slots 12.4).
    """

    local_id: int
    side: Side
    role: Role
    price: float
    volume: float
    trade_id: TradeId
    cycle: int
    txid: str = ""
    placed_at: float = 0.0
    entry_price: float = 0.0
    entry_fee: float = 0.0
    entry_filled_at: float = 0.0
    regime_at_entry: int | None = None
    executed_volume: float = 0.0
    executed_cost: float = 0.0
    executed_fee: float = 0.0
    executed_at: float = 0.0
    state: OrderState = "pending"
    distance_pct: float | None = None
    would_defer: bool = False


@dataclass(slots=True)
class Recovery:
    """A detached exit: live on the book, but its leg may trade on."""

    recovery_id: int
    side: Side
    price: float
    volume: float
    trade_id: TradeId
    cycle: int
    entry_price: float = 0.0
    orphaned_at: float = 0.0
    entry_fee: float = 0.0
    entry_filled_at: float = 0.0
    txid: str = ""
    reason: str = ""
    regime_at_entry: int | None = None
    executed_volume: float = 0.0
    executed_cost: float = 0.0
    executed_fee: float = 0.0
    executed_at: float = 0.0
    state: OrderState = "pending"
    would_defer: bool = False


@dataclass(slots=True)
class Cycle:
    """One booked round trip, or the executed part of one; `cause` names what booked it (slots 7.1, P7).

    It `completes` a round trip unless the rest of the position goes on.
    """

    trade_id: TradeId
    cycle: int
    entry_price: float
    exit_price: float
    volume: float
    gross_profit: float = 0.0
    fees: float = 0.0
    net_profit: float = 0.0
    entry_fee: float = 0.0
    exit_fee: float = 0.0
    quote_fee: float = 0.0
    settled_usd: float = 0.0
    entry_time: float = 0.0
    exit_time: float = 0.0
    from_recovery: bool = False
    regime_at_entry: int | None = None
    released: bool = False
    cause: Cause = "exit"
    would_defer: bool = False
    completes: bool = True


@dataclass(slots=True)
class Dust:
    """A leg's executed volume that is too small for an exit order: base units, their cost and entry fee in USD."""

    volume: float = 0.0
    cost: float = 0.0
    fee: float = 0.0

    def add(self, volume: float, price: float, fee: float) -> None:
        """Take in more volume bought or sold at `price`."""
        self.volume += volume
        self.cost += volume * price
        self.fee += fee


@dataclass(slots=True)
class Leg:
    """Counters of one leg. In the dict form each name carries the suffix `_a` or `_b`."""

    cycle: int = 1
    consecutive_losses: int = 0
    cooldown_until: float = 0.0
    consecutive_refreshes: int = 0
    last_refresh_direction: Direction | None = None
    refresh_cooldown_until: float = 0.0
    dust: Dust = field(default_factory=Dust)
    cancel_times: list[float] = field(default_factory=list)


@dataclass(slots=True)
class SlotState:
    """Everything the reducer knows about one slot (slots 1.1).

    `cancelling` holds entries that a refresh took off the leg and whose end the venue has not confirmed yet: a fill
    that won the race against the cancel must still find its record (slots 4.3).
    """

    market_price: float = 0.0
    now: float = 0.0
    profit_pct_runtime: float = 0.0
    orders: list[Order] = field(default_factory=list)
    cancelling: list[Order] = field(default_factory=list)
    recovery_orders: list[Recovery] = field(default_factory=list)
    completed_cycles: list[Cycle] = field(default_factory=list)
    a: Leg = field(default_factory=Leg)
    b: Leg = field(default_factory=Leg)
    next_order_id: int = 1
    next_recovery_id: int = 1
    total_profit: float = 0.0
    total_settled_usd: float = 0.0
    total_fees: float = 0.0
    today_realized_loss: float = 0.0
    total_round_trips: int = 0
    s2_entered_at: float | None = None
    last_price_update_at: float | None = None
    long_only: bool = False
    short_only: bool = False
    mode_source: ModeSource = "none"
    rejected_events: int = 0

    def advance(self, ts: float) -> None:
        """Move the clock; a timestamp that goes backwards, or is not finite, counts as now."""
        if self.now < ts < inf:
            self.now = ts

    def leg(self, trade_id: TradeId) -> Leg:
        """Return the counters of leg A or B."""
        return self.a if trade_id == "A" else self.b

    def order(self, local_id: int) -> Order | None:
        """Return the active order with this id."""
        for order in self.orders:
            if order.local_id == local_id:
                return order
        return None

    def recovery(self, recovery_id: int) -> Recovery | None:
        """Return the recovery with this (positive) id."""
        for recovery in self.recovery_orders:
            if recovery.recovery_id == recovery_id:
                return recovery
        return None

    def leg_order(self, trade_id: TradeId) -> Order | None:
        """Return the leg's entry or exit, None when the leg is empty."""
        for order in self.orders:
            if order.trade_id == trade_id:
                return order
        return None

    def waiting_exits(self) -> list[Order | Recovery]:
        """Return the positions that wait for their exit: exits and live recoveries whose entry has filled."""
        records: list[Order | Recovery] = [*self.orders, *self.recovery_orders]
        return [record for record in records if record.entry_filled_at > 0.0]

    def take_order_id(self) -> int:
        """Return the next local id; ids are never reused."""
        local_id = self.next_order_id
        self.next_order_id = local_id + 1
        return local_id

    def take_recovery_id(self) -> int:
        """Return the next recovery id; ids are never reused."""
        recovery_id = self.next_recovery_id
        self.next_recovery_id = recovery_id + 1
        return recovery_id


def phase(state: SlotState) -> Phase:
    """Return the phase, derived from which exits are open (slots 1)."""
    buy = sell = False
    for order in state.orders:
        if order.role == "exit":
            if order.side == "buy":
                buy = True
            else:
                sell = True
    if buy:
        return "S2" if sell else "S1a"
    return "S1b" if sell else "S0"


def tracked_position(state: SlotState) -> float:
    """Return the net base units that the slot's records stand for: long B minus short A (slots 3, invariant 11)."""
    net = state.b.dust.volume - state.a.dust.volume
    for order in (*state.orders, *state.cancelling):
        held = order.executed_volume if order.role == "entry" else order.volume - order.executed_volume
        net += held if order.trade_id == "B" else -held
    for recovery in state.recovery_orders:
        held = recovery.volume - recovery.executed_volume
        net += held if recovery.trade_id == "B" else -held
    return net


def bind(state: SlotState, local_id: int, txid: str) -> bool:
    """Record the venue's id of an order (negative: a recovery); it is live from now on. False: no such record."""
    record = state.recovery(-local_id) if local_id < 0 else state.order(local_id)
    if record is None:
        return False
    record.txid = txid
    if record.state == "pending":
        record.state = "live"
    return True


def set_regime(state: SlotState, local_id: int, regime: object) -> bool:
    """Stamp the regime that held when the order's entry filled, in any spelling. False: no such order."""
    order = state.order(local_id)
    if order is None:
        return False
    order.regime_at_entry = normalise_regime(regime)
    return True
