"""Properties of the slot reducer over random histories at 0, 2 and 8 lot decimals (slots 24, P8, P9, P37)."""

import json
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.strategies.slots.bootstrap import add_entry, bootstrap, repair_legs
from millrace.strategies.slots.reducer.actions import Action, Book, Cancel, Orphan, Place
from millrace.strategies.slots.reducer.codec import from_dict, to_dict
from millrace.strategies.slots.reducer.events import (
    Event,
    Fill,
    OrderEnded,
    PartFill,
    PriceTick,
    RecoveryCancel,
    RecoveryFill,
    Release,
    TimerTick,
)
from millrace.strategies.slots.reducer.invariants import normalise_flags, violations
from millrace.strategies.slots.reducer.model import Order, SlotConfig, SlotState, WaitReason, bind
from millrace.strategies.slots.reducer.refresh import refresh_bounds
from millrace.strategies.slots.reducer.transition import apply
from millrace.strategies.slots.reducer.volume import UsdSizes, whole_lots

START = 1_700_000_000.0
MONTH_SEC = 30 * 86_400.0


@st.composite
def configs(draw: st.DrawFn, **fixed: Any) -> SlotConfig:
    values: dict[str, Any] = {
        "entry_pct": draw(st.sampled_from([0.05, 0.2, 0.8])),
        "entry_pct_a": draw(st.sampled_from([None, 0.0, 0.4])),
        "refresh_pct": draw(st.sampled_from([0.05, 0.5, 1.0])),
        "price_decimals": draw(st.sampled_from([4, 6, 7])),
        "volume_decimals": draw(st.sampled_from([0, 2, 8])),
        "min_cost_usd": draw(st.sampled_from([0.0, 0.5, 2.6])),
        "loss_backoff_start": draw(st.sampled_from([1, 3])),
        "loss_cooldown_start": draw(st.sampled_from([1, 5])),
        "reentry_base_cooldown_sec": draw(st.sampled_from([0.0, 60.0])),
        "max_consecutive_refreshes": draw(st.sampled_from([1, 3])),
        "max_recovery_slots": draw(st.integers(0, 3)),
        "s1_orphan_after_sec": 120.0,
        "s2_orphan_after_sec": 200.0,
        "sticky_mode_enabled": draw(st.booleans()),
        "refresh_drift_basis": draw(st.sampled_from(["target", "market"])),
    }
    return SlotConfig(**(values | fixed))


moves = st.tuples(
    st.sampled_from(["price", "timer", "fill", "part", "ended", "bind", "release", "rcancel", "late", "bad", "again"]),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
)


@dataclass
class Desk:
    """Drives a slot as a venue and an operator would, and keeps the ledger that invariant 11 is held against."""

    cfg: SlotConfig
    state: SlotState = field(default_factory=lambda: SlotState(market_price=0.2, now=START))
    base: float = 0.0
    events: list[Event] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    known: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sizes = UsdSizes(3.0, {"A": 3.4}, self.cfg)
        self.arm()

    def arm(self) -> None:
        if self.state.orders:
            for leg in repair_legs(self.state, self.cfg, (), 1e9, 1e9):
                self.actions += add_entry(self.state, leg, self.cfg, self.sizes).actions
        else:
            self.actions += bootstrap(self.state, self.cfg, self.sizes, 1e9, 1e9).actions

    def send(self, event: Event) -> list[Action]:
        self.events.append(event)
        actions = apply(self.state, event, self.cfg, self.sizes)
        self.actions += actions
        for action in actions:
            if isinstance(action, Book) and action.cause == "release":
                self.base -= self.signed(action.trade_id, self.state.completed_cycles[-1].volume)
        return actions

    @staticmethod
    def signed(trade: str, volume: float) -> float:
        return volume if trade == "B" else -volume

    def executed(self, local_id: int, side: str, volume: float) -> None:
        """Take the venue's cumulative executed volume of one order to the ledger once."""
        more = volume - self.known.get(local_id, 0.0)
        if more > 0.0:
            self.base += more if side == "buy" else -more
            self.known[local_id] = volume

    def records(self) -> list[tuple[int, Any]]:
        rows: list[tuple[int, Any]] = [(o.local_id, o) for o in self.state.orders]
        return rows + [(-r.recovery_id, r) for r in self.state.recovery_orders]

    def move(self, kind: str, x: float, y: float) -> None:
        state, ts = self.state, self.state.now + 1.0 + 300.0 * y
        rows = self.records()
        if kind == "price":
            self.send(PriceTick(state.market_price * (0.97 + 0.06 * x), ts))
        elif kind == "timer":
            self.send(TimerTick(ts))
        elif kind == "bad":
            self.send(
                Fill(
                    rows[0][0] if rows else 1, "", "buy", [0.0, float("nan"), float("inf")][int(x * 2.99)], 1.0, 0.0, ts
                )
            )
        elif kind == "again":
            before = to_dict(state) | {"now": 0}
            if self.events and isinstance(self.events[-1], Fill | RecoveryFill | PartFill | OrderEnded | Release):
                self.send(self.events[-1])
                after = to_dict(state) | {"now": 0}
                assert {**before, "rejected_events": 0} == {**after, "rejected_events": 0}
        elif kind == "late" and state.cancelling:
            self.end(state.cancelling[0].local_id, state.cancelling[0], x, ts)
        elif rows and kind != "late":
            key, record = rows[int(x * 0.999 * len(rows))]
            self.act(kind, key, record, y, ts)
        self.arm()

    def act(self, kind: str, key: int, record: Any, y: float, ts: float) -> None:
        price, volume = record.price, record.volume
        if kind == "bind" and not record.txid:
            bind(self.state, key, f"T{key}")
        elif kind == "fill":
            self.executed(key, record.side, volume)
            fee = volume * price * 0.0025
            fill = Fill(key, "", record.side, price, volume, fee, ts)
            self.send(fill if key > 0 else RecoveryFill(-key, "", record.side, price, volume, fee, ts))
        elif kind == "part":
            part = whole_lots(volume * y, self.cfg)
            if 0.0 < part < volume:
                self.executed(key, record.side, part)
                self.send(PartFill(key, "", part, part * price, part * price * 0.0025, ts))
        elif kind == "ended":
            self.end(key, record, y, ts)
        elif kind == "release":
            self.send(Release(key, self.state.market_price, None, ts))
        elif kind == "rcancel" and key < 0 and record.executed_volume > 0.0:
            self.send(RecoveryCancel(-key, "", ts))

    def end(self, key: int, record: Any, y: float, ts: float) -> None:
        done = max(self.known.get(key, 0.0), whole_lots(record.volume * max(0.0, 1.2 * y - 0.2), self.cfg))
        self.executed(key, record.side, done)
        self.send(OrderEnded(key, "", "canceled", done, record.price, done * record.price * 0.0025, ts))


@settings(max_examples=120, deadline=None)
@given(configs(), st.lists(moves, max_size=40))
def test_a_history_keeps_every_promise(cfg: SlotConfig, history: list[tuple[str, float, float]]) -> None:
    desk = Desk(cfg)
    highest = (0, 0)
    for kind, x, y in history:
        desk.move(kind, x, y)
        state = desk.state
        waits = {leg: WaitReason.COOLDOWN for leg in ("A", "B") if state.leg_order(leg) is None}
        assert violations(state, cfg, waits, desk.base) == []
        assert all(o.price > 0.0 and o.volume > 0.0 for o in state.orders)
        ids = (state.next_order_id, state.next_recovery_id)
        assert ids >= highest
        assert all(o.local_id < ids[0] for o in state.orders)
        highest = ids
        assert from_dict(json.loads(json.dumps(to_dict(state), allow_nan=False))) == state
        flagged = deepcopy(state)
        normalise_flags(flagged)
        assert not (flagged.long_only and flagged.short_only)
    placed = [a.local_id for a in desk.actions if isinstance(a, Place) and a.local_id > 0]
    assert placed == sorted(set(placed))
    if cfg.sticky_mode_enabled:
        assert not any(isinstance(a, Orphan) for a in desk.actions)
    assert not any(isinstance(a, Book) and a.cause == "eviction" for a in desk.actions)
    held = sum(r.entry_fee for r in [*desk.state.orders, *desk.state.recovery_orders])
    held += desk.state.a.dust.fee + desk.state.b.dust.fee
    booked = sum(c.entry_fee + c.exit_fee for c in desk.state.completed_cycles)
    assert abs(booked + held - desk.state.total_fees) < 1e-9
    assert abs(sum(c.net_profit for c in desk.state.completed_cycles) - desk.state.total_profit) < 1e-8


@settings(max_examples=40, deadline=None)
@given(configs(recovery_evict_books=True), st.lists(moves, max_size=40))
def test_the_same_events_give_the_same_state_and_actions(
    cfg: SlotConfig, history: list[tuple[str, float, float]]
) -> None:
    def run() -> tuple[dict[str, Any], list[Action]]:
        desk = Desk(cfg)
        for kind, x, y in history:
            desk.move(kind, x, y)
        return to_dict(desk.state), desk.actions

    assert run() == run()


@settings(max_examples=300, deadline=None)
@given(
    configs(),
    st.sampled_from(["A", "B"]),
    st.floats(0.5, 1.5),
    st.integers(0, 12),
    st.integers(0, 4),
    st.sampled_from([0.0, START + 50.0]),
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6),
    st.sampled_from([1e-6, 1e-3, 0.1, 30.0, 65_000.0]),
)
def test_inside_its_bounds_an_entry_never_moves(
    cfg: SlotConfig, trade: Any, off: float, losses: int, refreshes: int, until: float, where: list[float], scale: float
) -> None:
    price = max(round(scale * off, cfg.price_decimals), 10.0**-cfg.price_decimals)
    state = SlotState(market_price=scale, now=START)
    leg = state.leg(trade)
    leg.consecutive_losses, leg.consecutive_refreshes = losses, refreshes
    leg.last_refresh_direction, leg.refresh_cooldown_until = "down", until
    order = Order(1, "sell" if trade == "A" else "buy", "entry", price, 20.0, trade, 1)
    state.orders.append(order)
    state.next_order_id = 2
    low, high = refresh_bounds(order, state, cfg)
    if not low < high:
        return
    high = min(high, 1e9)
    inside = [low + (high - low) * share for share in where] + [low * (1 + 1e-15), high * (1 - 1e-15)]
    sizes = UsdSizes(10.0 * scale + 100.0, None, cfg)
    expected = to_dict(state)
    for market in inside:
        if low < market < high:
            assert apply(state, PriceTick(market, START + 100.0), cfg, sizes) == []
            row = to_dict(state)
            changed = {"market_price": market, "now": START + 100.0, "last_price_update_at": START + 100.0}
            assert row == expected | changed


@settings(max_examples=100, deadline=None)
@given(configs(max_consecutive_refreshes=3))
def test_bounds_are_not_uselessly_narrow(cfg: SlotConfig) -> None:
    """At the price that a target-basis entry was made for, the bounds leave room on both sides."""
    if cfg.refresh_drift_basis == "market":
        return
    desk = Desk(SlotConfig(**{**{f: getattr(cfg, f) for f in cfg.__struct_fields__}, "price_decimals": 7}))
    for order in desk.state.orders:
        low, high = refresh_bounds(order, desk.state, desk.cfg)
        assert low < 0.2 * (1.0 - 0.0004) < 0.2 * (1.0 + 0.0004) < high


@settings(max_examples=40, deadline=None)
@given(configs(refresh_drift_basis="target"), st.integers(0, 12))
def test_a_flat_market_cancels_nothing(cfg: SlotConfig, losses: int) -> None:
    """P9: 100 flat ticks, whatever the back-off."""
    desk = Desk(cfg)
    desk.state.a.consecutive_losses = desk.state.b.consecutive_losses = losses
    desk.state.orders.clear()
    desk.arm()
    for tick in range(100):
        assert desk.send(PriceTick(0.2, START + tick)) == []


@settings(max_examples=30, deadline=None)
@given(configs(refresh_drift_basis="target", max_consecutive_refreshes=3, refresh_cooldown_sec=300.0))
def test_the_anti_chase_cooldown_ends(cfg: SlotConfig) -> None:
    """P8: after the cooldown the entry follows the market again, for ever."""
    desk = Desk(cfg)
    desk.state.orders = [order for order in desk.state.orders if order.trade_id == "B"]
    price, rounds = 0.2, 0
    for tick in range(40):
        price *= 1.02
        actions = apply(desk.state, PriceTick(price, START + 400.0 * tick), cfg, UsdSizes(30.0, None, cfg))
        rounds += any(isinstance(action, Cancel) for action in actions)
    assert rounds >= 40 * 2 // 3


@settings(max_examples=30, deadline=None)
@given(configs(sticky_mode_enabled=True), st.lists(st.floats(0.5, 1.5), min_size=1, max_size=30))
def test_sticky_exits_wait_for_ever(cfg: SlotConfig, walk: list[float]) -> None:
    """Slots 24: aged exits untouched over 30 simulated days."""
    desk = Desk(cfg)
    for order in list(desk.state.orders):
        desk.send(Fill(order.local_id, "", order.side, order.price, order.volume, 0.0, START + 1.0))
    exits = deepcopy(desk.state.orders)
    desk.actions.clear()
    for step, factor in enumerate(walk, 1):
        ts = START + MONTH_SEC * step / len(walk)
        desk.send(PriceTick(0.2 * factor, ts))
        desk.send(TimerTick(ts))
    assert desk.state.orders == exits
    assert desk.actions == []
