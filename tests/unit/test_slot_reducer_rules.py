"""Single rules of the slot reducer: part fills, late fills, release, bootstrap, repair, targets, checks, dict form."""

import json
from math import inf, nan
from typing import Any

import msgspec
import pytest

from millrace.strategies.slots.bootstrap import add_entry, bootstrap, repair_legs
from millrace.strategies.slots.reducer.actions import Action, Book, Cancel, Place
from millrace.strategies.slots.reducer.codec import from_dict, load, to_dict, transition
from millrace.strategies.slots.reducer.events import (
    Fill,
    OrderEnded,
    PartFill,
    PriceTick,
    RecoveryCancel,
    RecoveryFill,
    Release,
    TimerTick,
)
from millrace.strategies.slots.reducer.invariants import duplicate_txids, heal, normalise_flags, violations
from millrace.strategies.slots.reducer.model import (
    MAX_CYCLES,
    Cycle,
    Order,
    Recovery,
    SlotConfig,
    SlotState,
    WaitReason,
    bind,
    phase,
    set_regime,
    tracked_position,
)
from millrace.strategies.slots.reducer.pricing import backoff_multiplier, entry_price, exit_price
from millrace.strategies.slots.reducer.refresh import refresh_bounds
from millrace.strategies.slots.reducer.transition import apply
from millrace.strategies.slots.reducer.volume import UsdSizes, lots_up, tradeable, whole_lots
from millrace.strategies.slots.signals.volatility import VolatilityTarget, profit_target_pct

CFG = SlotConfig(sticky_mode_enabled=True, reentry_base_cooldown_sec=0.0, min_cost_usd=0.5)
BIG = UsdSizes(10.0, None, CFG)
T = 1000.0


def both(cfg: SlotConfig = CFG) -> SlotState:
    """A slot with buy entry 1 (50 units at 0.1996) and sell entry 2 (50 at 0.2004)."""
    state = SlotState(market_price=0.2, now=T)
    assert len(bootstrap(state, cfg, UsdSizes(10.0, None, cfg), 1e6, 1e6).actions) == 2
    return state


def in_position() -> SlotState:
    """The same slot after its buy entry filled: exit 3 of 50 units with entry fee 0.025."""
    state = both()
    apply(state, Fill(1, "", "buy", 0.2, 50.0, 0.025, T), CFG, BIG)
    return state


def ended(local_id: int, volume: float, price: float = 0.2, status: Any = "canceled") -> OrderEnded:
    return OrderEnded(local_id, "", status, volume, price, volume * price * 0.0025, T + 1.0)


def kinds(actions: list[Action]) -> list[Any]:
    return [a.reason if isinstance(a, Place | Cancel) else type(a).__name__ for a in actions]


@pytest.mark.parametrize(
    ("executed", "reasons", "recovered", "dust"),
    [
        (30.0, ["partial_cancel", "partial_remainder"], 30.0, 0.0),  # 6.2a: both parts tradeable
        (40.0, ["entry_fill_exit"], 0.0, 0.0),  # 6.2b: the rest of 10 is not
        (10.0, ["partial_remainder"], 0.0, 10.0),  # 6.2c: the executed 10 are not
        (0.0, [], 0.0, 0.0),  # gone, repair re-arms
    ],
)
def test_an_entry_that_ended(executed: float, reasons: list[str], recovered: float, dust: float) -> None:
    state = both()
    actions = apply(state, ended(1, executed), CFG, BIG)
    assert kinds(actions) == reasons
    assert sum(r.volume for r in state.recovery_orders) == recovered
    assert state.b.dust.volume == dust
    assert tracked_position(state) == executed
    if recovered:
        assert state.recovery_orders[0].cycle == 1
        entry = state.leg_order("B")
        assert entry is not None
        assert (entry.cycle, entry.volume, state.b.cycle) == (2, 20.0, 2)
    before = to_dict(state)
    assert apply(state, ended(1, executed), CFG, BIG) == []
    assert to_dict(state) == before


def test_a_blocked_remainder_leaves_the_leg_waiting() -> None:
    state = both()
    state.b.cooldown_until = T + 60.0
    assert kinds(apply(state, ended(1, 30.0), CFG, BIG)) == ["partial_cancel"]
    assert add_entry(state, "B", CFG, BIG).waits == {"B": WaitReason.COOLDOWN}


def test_dust_merges_into_the_next_exit_by_volume() -> None:
    state = both()
    apply(state, ended(1, 10.0, 0.1), CFG, BIG)
    entry = state.leg_order("B")
    assert entry is not None
    assert entry.volume == 40.0
    apply(state, Fill(entry.local_id, "", "buy", 0.2, 40.0, 0.02, T + 2.0), CFG, BIG)
    exit_order = state.leg_order("B")
    assert exit_order is not None
    assert (exit_order.role, exit_order.volume) == ("exit", 50.0)
    assert exit_order.entry_price == pytest.approx((1.0 + 8.0) / 50.0)
    assert exit_order.entry_fee == pytest.approx(0.0025 + 0.02)
    assert state.b.dust.volume == 0.0


def test_a_sub_minimum_entry_fill_is_dust_and_rearms_at_normal_size() -> None:
    state = both()
    state.orders[0].volume = 14.0
    actions = apply(state, Fill(1, "", "buy", 0.2, 12.0, 0.006, T), CFG, BIG)
    assert kinds(actions) == ["dust_rearm"]
    assert (state.b.dust.volume, state.b.dust.cost, state.total_fees) == (12.0, 12.0 * 0.2, 0.006)


@pytest.mark.parametrize("recovery", [False, True])
@pytest.mark.parametrize("news", ["canceled", "closed", "fill"])
@pytest.mark.parametrize(("executed", "left", "dust"), [(30.0, 20.0, 0.0), (40.0, 0.0, 10.0), (50.0, 0.0, 0.0)])
def test_an_exit_books_what_executed(news: str, recovery: bool, executed: float, left: float, dust: float) -> None:
    """6.3: the whole matrix of ended and closed, exit and recovery, rest tradeable, dust or nothing."""
    state = in_position()
    price = state.orders[1].price
    if recovery:
        order = state.orders.pop()
        state.recovery_orders.append(
            Recovery(1, "sell", price, 50.0, "B", 1, entry_price=0.2, entry_fee=order.entry_fee, orphaned_at=T)
        )
        state.next_recovery_id = 2
    key = -1 if recovery else 3
    event: Any = ended(key, executed, price, news)
    if news == "fill":
        kind: Any = RecoveryFill if recovery else Fill
        event = kind(abs(key), "", "sell", price, executed, 0.01, T + 1.0)
    actions = apply(state, event, CFG, BIG)
    booked = actions[0]
    assert isinstance(booked, Book)
    assert booked.gross == pytest.approx((price - 0.2) * executed)
    assert booked.from_recovery is recovery
    assert state.completed_cycles[0].entry_fee == pytest.approx(0.025 * executed / 50.0)
    assert state.total_round_trips == (0 if left else 1)
    rest: Any = state.recovery_orders[0] if recovery and left else state.leg_order("B")
    if left:
        assert (rest.volume, rest.price, rest.cycle, rest.entry_price) == (left, price, 1, 0.2)
        assert rest.entry_fee == pytest.approx(0.025 * left / 50.0)
        assert isinstance(actions[1], Place)
    elif not recovery:
        assert (rest.role, rest.cycle) == ("entry", 2)
    assert state.b.dust.volume == dust
    assert tracked_position(state) == 50.0 - executed
    assert apply(state, event, CFG, BIG) == []


def test_an_untouched_exit_or_recovery_comes_back_as_it_was() -> None:
    state = in_position()
    state.recovery_orders.append(Recovery(1, "sell", 0.3, 20.0, "B", 1, entry_price=0.2, txid="R"))
    state.next_recovery_id = 2
    old = state.orders[1]
    assert kinds(apply(state, ended(3, 0.0, 0.0), CFG, BIG)) == ["exit_replaced"]
    new = state.orders[1]
    assert (new.price, new.volume, new.cycle, new.entry_price, new.entry_fee, new.entry_filled_at) == (
        old.price, old.volume, old.cycle, old.entry_price, old.entry_fee, old.entry_filled_at,
    )  # fmt: skip
    assert (new.local_id, new.txid, state.total_round_trips) == (4, "", 0)
    assert kinds(apply(state, ended(-1, 0.0, 0.0), CFG, BIG)) == ["recovery_replaced"]
    assert (state.recovery_orders[0].recovery_id, state.recovery_orders[0].volume) == (2, 20.0)


def test_part_fills_only_move_up_and_stop_refreshes() -> None:
    state = both()
    apply(state, PartFill(1, "", 5.0, 1.0, 0.002, T), CFG, BIG)
    apply(state, PartFill(1, "", 4.0, 0.8, 0.001, T), CFG, BIG)
    assert state.orders[0].executed_volume == 5.0
    assert refresh_bounds(state.orders[0], state, CFG) == (0.0, inf)
    state.orders = state.orders[:1]
    assert apply(state, PriceTick(0.3, T + 1.0), CFG, BIG) == []
    apply(state, TimerTick(T + 1800.0), CFG, BIG)
    # An end row that is older than the part fill counts as the part fill.
    apply(state, ended(1, 3.0), CFG, BIG)
    assert state.b.dust.volume == 5.0


def test_a_fill_that_beat_the_cancel_is_carved_out() -> None:
    state = both()
    moved = apply(state, PriceTick(0.21, T + 1.0), CFG, BIG)
    assert kinds(moved) == ["stale_entry", "refresh_entry"]
    assert [o.local_id for o in state.cancelling] == [1]
    actions = apply(state, Fill(1, "", "buy", 0.1996, 50.0, 0.02, T + 2.0), CFG, BIG)
    assert kinds(actions) == ["partial_cancel"]
    entry = state.leg_order("B")
    assert entry is not None
    assert (state.cancelling, entry.cycle, state.b.cycle) == ([], 2, 2)
    assert tracked_position(state) == 50.0
    assert violations(state, CFG, {}, 50.0) == []


def test_a_confirmed_cancel_clears_the_record() -> None:
    state = both()
    apply(state, PriceTick(0.21, T + 1.0), CFG, BIG)
    assert apply(state, ended(1, 0.0, 0.0), CFG, BIG) == []
    assert state.cancelling == []
    assert state.b.cancel_times == []


def test_unasked_cancels_stop_after_three_replacements() -> None:
    """Slots 6.2: at most 3 immediate re-placements in 10 minutes."""
    state = both()
    for _ in range(3):
        order = state.leg_order("B")
        assert order is not None
        apply(state, ended(order.local_id, 0.0, 0.0), CFG, BIG)
        assert len(add_entry(state, "B", CFG, BIG).actions) == 1
    order = state.leg_order("B")
    assert order is not None
    apply(state, ended(order.local_id, 0.0, 0.0), CFG, BIG)
    assert add_entry(state, "B", CFG, BIG).waits == {"B": WaitReason.EXCHANGE_CANCELS}
    apply(state, TimerTick(T + 700.0), CFG, BIG)
    assert len(add_entry(state, "B", CFG, BIG).actions) == 1


def test_release_books_the_executed_part_as_it_was_and_the_rest_at_the_mark() -> None:
    state = in_position()
    apply(state, PartFill(3, "", 20.0, 4.04, 0.01, T), CFG, BIG)
    actions = apply(state, Release(3, 0.1, None, T + 9.0, "manual"), CFG, BIG)
    assert kinds(actions) == ["Book", "Book", "cycle_complete"]
    real, written_off = state.completed_cycles
    assert (real.volume, real.exit_price, real.released) == (20.0, pytest.approx(0.202), False)
    assert (written_off.volume, written_off.exit_price, written_off.released) == (30.0, 0.1, True)
    assert written_off.exit_fee == pytest.approx(30.0 * 0.1 * 0.0025)
    assert real.entry_fee + written_off.entry_fee == pytest.approx(0.025)
    assert (state.b.consecutive_losses, state.total_round_trips, state.b.cycle) == (1, 1, 2)
    assert apply(state, Release(3, 0.1, None, T + 9.0), CFG, BIG) == []
    assert apply(state, Release(2, 0.1, None, T + 9.0), CFG, BIG) == []  # an entry is not released


def test_news_that_cannot_be_true_changes_only_the_counter() -> None:
    state = in_position()
    state.recovery_orders.append(Recovery(1, "sell", 0.3, 20.0, "B", 1, entry_price=0.2))
    before = to_dict(state)
    bad: list[Any] = [Fill(3, "", "sell", p, 50.0, 0.0, T + 5.0) for p in (0.0, -1.0, nan, inf)]
    bad += [Fill(3, "", "sell", 0.2, v, 0.0, T + 5.0) for v in (0.0, -1.0, nan, inf)]
    bad += [Fill(3, "", "sell", 0.2, 50.0, nan, T), RecoveryFill(1, "", "sell", nan, 20.0, 0.0, T + 5.0)]
    bad += [OrderEnded(3, "", "canceled", v, p, 0.0, T + 5.0) for v, p in ((nan, 0.2), (-1.0, 0.2), (5.0, 0.0))]
    bad += [PartFill(3, "", nan, 1.0, 0.0, T + 5.0), Release(3, nan, None, T + 5.0)]
    for count, event in enumerate(bad, 1):
        assert apply(state, event, CFG, BIG) == []
        assert to_dict(state) == before | {"rejected_events": count}


@pytest.mark.parametrize("price", [0.0, -1.0, nan, inf])
def test_a_bad_price_moves_only_the_clock_and_time_never_goes_back(price: float) -> None:
    state = both()
    before = to_dict(state)
    assert apply(state, PriceTick(price, T + 5.0), CFG, BIG) == []
    assert to_dict(state) == before | {"now": T + 5.0}
    apply(state, TimerTick(T), CFG, BIG)
    apply(state, TimerTick(nan), CFG, BIG)
    apply(state, TimerTick(inf), CFG, BIG)
    assert state.now == T + 5.0


def test_a_refresh_without_a_valid_volume_keeps_the_old_entry() -> None:
    state = both()
    assert apply(state, PriceTick(0.21, T + 1.0), CFG, UsdSizes(0.1, None, CFG)) == []
    assert [o.local_id for o in state.orders] == [1, 2]
    assert state.b.consecutive_refreshes == 0


def test_prices_of_section_2_1() -> None:
    assert [backoff_multiplier(losses, CFG) for losses in (2, 3, 4, 30)] == [1.0, 1.5, 2.0, 5.0]
    assert backoff_multiplier(30, msgspec.structs.replace(CFG, entry_backoff_enabled=False)) == 1.0
    wide = msgspec.structs.replace(CFG, entry_pct=30.0)
    assert entry_price("B", 0.2, 30, wide) == 0.14  # backed off it would be negative
    unknown = SlotState()
    assert exit_price("A", 0.2, unknown, CFG) == 0.198  # without a market there is no market term
    assert exit_price("A", 0.2, SlotState(market_price=0.1), CFG) == 0.0998
    assert exit_price("B", 0.2, SlotState(market_price=0.3, profit_pct_runtime=2.0), CFG) == 0.3006


@pytest.mark.parametrize("decimals", [0, 2, 8])
def test_lots_are_cut_down_without_float_loss(decimals: int) -> None:
    cfg = SlotConfig(volume_decimals=decimals)
    for units in (13.0, 121.0, 19.53, 80_000.07, 1_234_567.89):
        exact = round(units, decimals)
        assert whole_lots(exact, cfg) == exact == lots_up(exact, cfg)
        assert whole_lots(exact + 0.4 * cfg.lot, cfg) == exact
        assert lots_up(exact + 0.4 * cfg.lot, cfg) == pytest.approx(exact + cfg.lot, abs=cfg.lot / 10)
    assert not tradeable(12.6, 1.0, SlotConfig(min_volume=13.0))


@pytest.mark.parametrize("decimals", [0, 2, 8])
@pytest.mark.parametrize(
    ("base", "quote", "reasons", "units"),
    [
        (1e3, 1e3, ["bootstrap", "bootstrap"], None),
        (100.0, 0.1, ["reseed_usd"], 26.0),
        (1.0, 100.0, ["reseed_doge"], 26.0),
        (14.0, 0.1, ["fallback_short_only"], 13.0),
        (25.9, 0.1, ["fallback_short_only"], 13.0),
        (1.0, 2.7, ["fallback_long_only"], 13.0),
        (1.0, 0.4, [], None),
    ],
)
def test_bootstrap_takes_the_first_rule_that_matches(
    decimals: int, base: float, quote: float, reasons: list[str], units: float | None
) -> None:
    """Slots 5.2 and P37: a minimum is set in units, so it holds at the order's own price."""
    cfg = msgspec.structs.replace(CFG, volume_decimals=decimals, min_cost_usd=0.0)
    state = SlotState(market_price=0.2, now=T)
    opening = bootstrap(state, cfg, UsdSizes(10.0, None, cfg), base, quote)
    assert kinds(opening.actions) == reasons
    assert [o.trade_id for o in state.orders] == {2: ["B", "A"], 1: [o.trade_id for o in state.orders], 0: []}[
        len(reasons)
    ]
    if units:
        assert state.orders[0].volume == units
        assert (state.long_only, state.short_only) == (state.orders[0].trade_id == "B", state.orders[0].trade_id == "A")
        assert state.mode_source == "balance"
    if not reasons:
        assert opening.waits == {"A": WaitReason.UNFUNDED, "B": WaitReason.UNFUNDED}
    assert violations(state, cfg, opening.waits) == []


def test_bootstrap_waits_for_balances_prices_and_sizes() -> None:
    state = SlotState(market_price=0.2, now=T)
    assert bootstrap(state, CFG, BIG, None, 10.0).waits["A"] == WaitReason.BOOTSTRAP_PENDING
    assert bootstrap(SlotState(), CFG, BIG, 10.0, 10.0).waits["B"] == WaitReason.STALE_PRICE
    dear = msgspec.structs.replace(CFG, min_cost_usd=5.0)
    assert bootstrap(state, dear, BIG, 14.0, 0.0).waits["A"] == WaitReason.MIN_SIZE_WAIT  # 13 * 0.2 < 5
    assert bootstrap(state, CFG, UsdSizes(1.0, None, CFG), 1e3, 1e3).waits == {
        "A": WaitReason.MIN_SIZE_WAIT,
        "B": WaitReason.MIN_SIZE_WAIT,
    }
    assert bootstrap(both(), CFG, BIG, 1e3, 1e3).actions == []


def test_repair_names_the_funded_legs_that_nobody_holds_back() -> None:
    state = both()
    assert repair_legs(state, CFG, (), 1e3, 1e3) == []
    del state.orders[1]
    state.long_only, state.mode_source = True, "balance"
    assert repair_legs(state, CFG, (), 1e3, 0.0) == ["A"]
    assert repair_legs(state, CFG, (), 1.0, 1e3) == []
    assert repair_legs(state, CFG, ("A",), 1e3, 1e3) == []
    assert repair_legs(state, CFG, (), None, 1e3) == []
    state.mode_source = "momentum"
    assert repair_legs(state, CFG, (), 1e3, 1e3) == []


def test_profit_target_of_section_5_4() -> None:
    auto = VolatilityTarget()
    calm = [0.2] * 20
    wild = [0.2, 0.22] * 20
    assert profit_target_pct(calm[:11], 1.5, 0.25, auto) == 1.5
    assert profit_target_pct(calm, 1.5, 0.25, auto) == 0.75
    assert profit_target_pct(calm, 0.7, 0.25, auto) == 0.6  # never below 2 * maker + 0.1
    assert profit_target_pct(wild, 1.0, 0.25, auto) == 2.0
    assert profit_target_pct(wild, 2.0, 0.25, auto) == 3.0
    assert profit_target_pct(wild, 1.0, 0.25, VolatilityTarget(enabled=False)) == 1.0
    assert profit_target_pct(calm, 0.0, 0.0, VolatilityTarget(enabled=False)) == 1.0
    assert (
        profit_target_pct([*[1.0, 1.01] * 10, 1.0], 1.5, 0.25, auto) == 1.5921
    )  # median of 1.0 and 0.9901 per cent * 1.6


def test_each_invariant_can_fail() -> None:
    state = both()
    assert violations(state, CFG, {}, 0.0) == []
    assert [v.number for v in violations(SlotState(), CFG, {})] == [2, 2]
    assert violations(SlotState(), CFG, {"A": WaitReason.PAUSED, "B": WaitReason.PAUSED}) == []
    state.orders.append(Order(1, "buy", "exit", 0.1, 0.0, "A", 0))
    state.a.cycle = 0
    state.long_only = state.short_only = True
    state.s2_entered_at = 1.0
    numbers = {v.number for v in violations(state, CFG, {}, 99.0)}
    assert numbers == {1, 3, 6, 7, 8, 9, 10, 11}
    wrong = both()
    wrong.orders[0].side = "sell"
    assert [v.number for v in violations(wrong, CFG, {})] == [2]
    twins = both(), both()
    for twin in twins:
        bind(twin, 1, "X")
    assert [v.number for v in duplicate_txids(twins)] == [12]


def test_heal_clears_the_stale_s2_time() -> None:
    state = both()
    state.s2_entered_at = 5.0
    assert heal(state, CFG)
    assert state.s2_entered_at is None
    assert not heal(state, CFG)


def test_flags_follow_the_orders() -> None:
    state = both()
    state.long_only, state.mode_source = True, "balance"
    normalise_flags(state)
    assert (state.long_only, state.short_only, state.mode_source) == (False, False, "none")
    state.orders = in_position().orders[1:]  # a sell exit alone
    normalise_flags(state)
    assert (state.long_only, state.short_only, state.mode_source) == (True, False, "balance")
    state.orders = both().orders[1:]  # a sell entry alone
    state.mode_source = "momentum"
    normalise_flags(state)
    assert (state.long_only, state.short_only, state.mode_source) == (False, True, "momentum")
    state.orders = []
    normalise_flags(state)
    assert (state.short_only, state.mode_source) == (False, "none")


def test_eviction_is_refused_unless_allowed() -> None:
    """P7: when full, the exit stays; a carve-out neither counts nor is thrown out."""
    cfg = msgspec.structs.replace(CFG, sticky_mode_enabled=False, max_recovery_slots=1)
    for allowed in (False, True):
        now = msgspec.structs.replace(cfg, recovery_evict_books=allowed)
        state = in_position()
        state.recovery_orders = [
            Recovery(1, "sell", 0.9, 20.0, "B", 1, entry_price=0.2, reason="partial_cancel"),
            Recovery(2, "sell", 0.3, 20.0, "B", 1, entry_price=0.2, reason="s1_timeout", txid="T"),
        ]
        state.next_recovery_id = 3
        state.market_price = 0.19
        actions = apply(state, TimerTick(T + 1e6), now, BIG)
        wanted = ["recovery_cap_evict_priority", "Book", "Orphan", "orphan_B"] if allowed else []
        assert kinds(actions) == wanted
        assert phase(state) == ("S0" if allowed else "S1b")
        assert state.recovery_orders[0].recovery_id == 1


def test_a_cancelled_recovery_that_had_executed_is_booked() -> None:
    state = in_position()
    state.recovery_orders = [Recovery(1, "sell", 0.3, 40.0, "B", 1, entry_price=0.2)]
    state.next_recovery_id = 2
    apply(state, PartFill(-1, "", 20.0, 6.0, 0.01, T), CFG, BIG)
    assert kinds(apply(state, RecoveryCancel(1, "", T), CFG, BIG)) == ["Book", "recovery_remainder"]
    assert apply(state, RecoveryCancel(2, "", T), CFG, BIG) == []
    assert state.recovery_orders == []


def test_cycles_in_state_are_bounded() -> None:
    state = in_position()
    state.completed_cycles = [Cycle("B", n, 1.0, 1.0, 1.0) for n in range(1, MAX_CYCLES + 1)]
    apply(state, Fill(3, "", "sell", 0.202, 50.0, 0.02, T), CFG, BIG)
    assert len(state.completed_cycles) == MAX_CYCLES == 1000
    assert (state.completed_cycles[0].cycle, state.completed_cycles[-1].volume) == (2, 50.0)


def test_regimes_are_normalised() -> None:
    state = both()
    for given, kept in ((0, 0), ("bullish", 2), (5, None), (nan, None), ("--5", None), (True, 1)):
        assert set_regime(state, 1, given)
        assert state.orders[0].regime_at_entry == kept
    assert not set_regime(state, 99, 1)


def test_the_dict_form_takes_copies() -> None:
    row = to_dict(both())
    kept = json.dumps(row, sort_keys=True)
    event = {
        "type": "Fill",
        "local_id": 1,
        "txid": "",
        "side": "buy",
        "price": 0.2,
        "volume": 50.0,
        "fee": 0.02,
        "ts": T,
    }
    after, actions = transition(row, event, msgspec.to_builtins(CFG), {"default": 10.0, "B": None})
    assert json.dumps(row, sort_keys=True) == kept
    assert [a["type"] for a in actions] == ["Place"]
    assert phase(from_dict(after)) == "S1b"
    with pytest.raises(msgspec.ValidationError):
        transition(row, {"type": "Unheard"}, {}, {"default": 1.0})


def test_any_missing_or_broken_field_takes_its_default() -> None:
    """Slots 17: a field error never discards the rest, and it is reported."""
    whole = to_dict(in_position())
    for name in whole:
        state, problems = load({key: value for key, value in whole.items() if key != name})
        assert problems == []
        assert name == "orders" or len(state.orders) == 2
    for name in whole:
        state, problems = load(whole | {name: object()})
        assert problems, name
    state, problems = load(whole | {"now": nan, "mode_source": "moon", "later_field": 1, "dust_a": {"volume": "x"}})
    assert len(problems) == 3
    assert (state.now, state.mode_source, len(state.orders)) == (0.0, "none", 2)
    broken = json.loads(json.dumps(whole))
    del broken["orders"][0]["price"]
    broken["orders"][1]["txid"] = 7
    state, problems = load(broken)
    assert (len(state.orders), len(problems)) == (1, 2)
    assert load({"total_profit": 3.0})[0].total_settled_usd == 3.0
