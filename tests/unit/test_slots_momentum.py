"""Slots 12.3: the momentum gate keeps back new entries of one leg, and nothing else."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.events import RejectReason
from millrace.strategies.slots.bootstrap import bootstrap, repair_legs
from millrace.strategies.slots.reducer.model import SlotConfig, SlotState, WaitReason
from millrace.strategies.slots.reducer.volume import UsdSizes
from millrace.strategies.slots.signals.momentum import MomentumSettings, kept_back
from millrace.strategies.slots.signals.regime_bands import RegimeSettings
from millrace.strategies.slots.slot import NEVER_NS
from slots_desk import FIVE_MINUTES, LOOP_NS, RICH, SECOND_NS, Desk, books, cancels, changed, submits, trend

ON = MomentumSettings(enabled=True)
RISING, FALLING = 0.0005, -0.0005
WARM = 41
HOUR = 120
"""Loops in an hour."""


def gated(count: int = 1, **changes) -> Desk:
    usual = {"momentum": ON, "volatility_auto_profit": False, "refresh_pct": 50.0, "reentry_base_cooldown_sec": 0.0}
    return Desk(count, **(usual | changes))


def entry_legs(desk: Desk, slot: int = 1) -> set[str]:
    return {desk.sent[client_id].position.leg for client_id in desk.find(slot=slot, reduces=False)}


# ---- the rule ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "signal", "di", "want"),
    [
        ("on", 1, -1, "A"), ("on", -1, 1, "B"), ("on", 0, 1, None), ("on", 0, -1, None),
        ("off", 1, 1, None), ("off", -1, -1, None),
        ("strict", 1, -1, "A"), ("strict", -1, 1, "B"), ("strict", 0, 1, "A"), ("strict", 0, -1, "B"), ("strict", 0, 0, None),
    ],
)  # fmt: skip
def test_12_3_bullish_keeps_a_back_bearish_b_and_a_strict_gate_asks_the_directional_index(mode, signal, di, want):
    assert kept_back(mode, signal, di) == want


def fallen(per_bar: float) -> dict:
    """Return the state of a fold over a trend."""
    desk = gated().open()
    trend(desk, WARM, per_bar)
    desk.grid.bars.read(desk.engine.market(desk.facts.id).bars, desk.now_ns)
    return desk.grid.bars.signals.snapshot()


# ---- on a desk --------------------------------------------------------------------------------------------------------


def test_12_3_what_stands_on_the_book_stays_and_a_follow_up_against_the_market_waits():
    desk = gated().open()
    standing = set(desk.sent)
    trend(desk, WARM, RISING)
    assert set(desk.sent) == standing, "live entries are never cancelled"
    desk.fill(desk.one("A"))
    exit_a = desk.one("A")
    assert desk.sent[exit_a].reduces, "an exit is never kept back"
    desk.fill(exit_a)
    assert desk.waits() == {"A": "momentum_defer"}
    assert entry_legs(desk) == {"B"}
    assert submits(desk.loops(FIVE_MINUTES)) == []
    assert cancels(desk.commands) == []


def test_12_3_the_other_leg_goes_on_as_ever():
    desk = gated().open()
    trend(desk, WARM, RISING)
    for _ in range(3):
        desk.fill(desk.one("B"))
        desk.accept()
        desk.fill(desk.one("B"))
        desk.loops(3)
        desk.accept()
    assert entry_legs(desk) == {"A", "B"}
    assert desk.slot().state.b.cycle == 4


def test_12_3_a_deferred_leg_goes_out_on_the_flip_and_its_age_is_shown():
    desk = gated().open()
    trend(desk, WARM, RISING)
    desk.fill(desk.one("A"))
    desk.accept()
    desk.fill(desk.one("A"))
    since = desk.now_ns
    trend(desk, 2, RISING)
    shown = desk.status()
    assert shown["momentum"]["deferred_a"] == 1
    assert shown["momentum"]["deferred_b"] == 0
    assert shown["momentum"]["oldest_defer_sec"] == (desk.now_ns - since) / SECOND_NS
    assert shown["slots"][0]["deferred_since"] == {"A": since / SECOND_NS}
    signals = []
    for _ in range(40):
        trend(desk, 1, FALLING)
        signals.append(desk.grid.bars.signals.reading(desk.now_ns).signal)
        if entry_legs(desk) == {"A", "B"}:
            break
    assert signals.index(-1) == len(signals) - 1, "at the loop of the bar that turned it"
    assert desk.slot().deferred_ns == {}


def test_12_3_the_gate_goes_before_the_rules_about_money_of_an_empty_slot():
    """Slots 5.2: in sticky mode the gate applies before rule 1."""
    cfg = SlotConfig(sticky_mode_enabled=True)
    sizes = UsdSizes(20.0, {}, cfg)
    for held, other, waits in (("A", "B", {"A"}), ("B", "A", {"B"})):
        state = SlotState(market_price=0.2, now=1.0)
        opening = bootstrap(state, cfg, sizes, 1e6, 1e6, held)
        assert [action.trade_id for action in opening.actions] == [other]
        assert {leg for leg, reason in opening.waits.items() if reason is WaitReason.MOMENTUM_DEFER} == waits
    # Without money for the other leg a reseed of the held one (rules 2 and 3) is not a way round the gate.
    for held, money in (("A", (1e6, 0.0)), ("B", (0.0, 1e6))):
        opening = bootstrap(SlotState(market_price=0.2), SlotConfig(min_cost_usd=0.5), sizes, *money, held)
        assert opening.actions == []
        assert set(opening.waits.values()) == {WaitReason.MOMENTUM_DEFER, WaitReason.UNFUNDED}


def test_12_3_a_new_slot_opens_with_the_one_leg():
    desk = gated().open()
    trend(desk, WARM, FALLING)
    desk.ask("add_slot", force=True)
    desk.loops(2)
    desk.accept()
    assert entry_legs(desk, 2) == {"A"}
    assert desk.waits(2) == {"B": "momentum_defer"}
    state = desk.slot(2).state
    assert (state.short_only, state.mode_source) == (True, "momentum")


def test_5_3_one_sidedness_of_momentum_is_repaired_when_its_owner_lets_go_and_not_before():
    desk = gated().open()
    trend(desk, WARM, FALLING)
    desk.ask("add_slot", force=True)
    desk.loops(2)
    desk.accept()
    desk.grid.wake_all()
    assert submits(desk.loops(5)) == []
    state = desk.slot(2).state
    assert repair_legs(state, desk.grid.cfg(desk.slot(2)), (), 1e6, 1e6) == []
    trend(desk, 30, RISING)
    assert entry_legs(desk, 2) == {"A", "B"}
    assert (state.short_only, state.long_only, state.mode_source) == (False, False, "none")


def test_12_3_a_remainder_is_a_new_entry():
    """Slots 6.2 a: the carve-out's exit leaves, what was left of the entry waits."""
    desk = gated(order_size_doge=200.0).open()
    trend(desk, WARM, RISING)
    sell = desk.one("A")
    desk.end(sell, volume=100.0)
    assert [desk.sent[client_id].reduces for client_id in desk.find("A")] == [True]
    assert desk.waits() == {"A": "momentum_defer"}


def test_12_3_an_entry_that_the_loop_put_off_is_judged_when_it_would_leave():
    desk = gated(max_entry_adds_per_loop=1).open()
    trend(desk, WARM, FALLING)
    desk.fill(desk.one("A"))
    desk.accept()
    desk.grid.scheduler.open_loop(desk.now_ns // LOOP_NS, 99)
    desk.grid.scheduler.used = 99
    desk.fill(desk.one("A"))
    waiting = desk.slot().state.leg_order("A")
    assert waiting is not None, "put off by the pace of entries, not by the gate"
    desk.grid.bars.signals.restore(fallen(RISING))
    desk.loop()
    assert desk.waits() == {"A": "momentum_defer"}


def test_12_3_non_sticky_slots_are_not_gated():
    desk = gated(sticky_mode_enabled=False, order_size_mode="USD", order_size_usd=20.0).open()
    trend(desk, WARM, RISING)
    desk.ask("add_slot", force=True)
    desk.loops(2)
    assert entry_legs(desk, 2) == {"A", "B"}


def test_12_3_off_is_off_but_says_what_it_would_do():
    desk = Desk(1, volatility_auto_profit=False, refresh_pct=50.0).open()
    trend(desk, WARM, RISING)
    desk.ask("add_slot", force=True)
    desk.loops(2)
    assert entry_legs(desk, 2) == {"A", "B"}
    shown = desk.status()["momentum"]
    assert (shown["enabled"], shown["shadow"], shown["signal"]) == (False, True, 1)
    assert {order.trade_id: order.would_defer for order in desk.slot(2).state.orders} == {"A": True, "B": False}


def test_12_3_choppy_lets_both_go_and_trending_asks_the_index_where_the_averages_are_silent():
    silent = MomentumSettings(enabled=True, neutral_pct=50.0)
    plain = gated(momentum=silent).open()
    strict = gated(momentum=silent, regime=RegimeSettings(adx_enabled=True)).open()
    choppy = gated(regime=RegimeSettings(adx_enabled=True, adx_choppy_max=99.9, adx_trending_min=100.0)).open()
    for desk, legs in ((plain, {"A", "B"}), (strict, {"B"}), (choppy, {"A", "B"})):
        trend(desk, WARM, RISING)
        if desk is choppy:
            desk.loop(desk.price * 0.99)
            trend(desk, 20, RISING / 4)
        desk.ask("add_slot", force=True)
        desk.loops(2)
        assert entry_legs(desk, 2) == legs
    assert choppy.status()["momentum"]["signal"] == 1
    assert choppy.status()["regime_adx"]["band"] == "choppy"


# ---- the dark slot ----------------------------------------------------------------------------------------------------


def dark(**changes) -> Desk:
    """A falling market and an account without quote money for buys: sells go, then a rise finds the slot empty."""
    desk = gated(**changes).open()
    trend(desk, WARM, RISING)
    desk.money(RICH[0], 0.0)
    desk.ask("add_slot", force=True)
    desk.loops(2)
    assert desk.waits(2) == {"A": "momentum_defer", "B": "unfunded"}
    return desk


def test_12_3_a_slot_dark_for_the_longest_deferral_goes_past_the_gate_until_one_entry_fills():
    desk = dark()
    since = desk.slot(2).dark_since_ns
    assert desk.now_ns - since <= 2 * LOOP_NS
    desk.money(RICH[0], 0.0)
    while not desk.find(slot=2):
        desk.loop(desk.price * (1.0 + RISING / 10))
    assert 3600 * SECOND_NS <= desk.now_ns - since < 3600 * SECOND_NS + 2 * LOOP_NS
    assert entry_legs(desk, 2) == {"A"}, "rule 2 of the bootstrap, as without a gate"
    assert desk.slot(2).gate_bypassed
    assert desk.status()["momentum"]["overrides_total"] == 1
    assert len(desk.alerts("momentum_override")) == 1
    desk.accept()
    desk.fill(desk.one("A", 2))
    assert not desk.slot(2).gate_bypassed


def test_12_3_past_the_gate_both_legs_go_out():
    desk = gated(momentum=MomentumSettings(enabled=True, max_defer_sec=0.0)).open()
    trend(desk, WARM, RISING)
    desk.slot().state.orders.clear()
    desk.slot().sent.clear()
    desk.slot().dark_since_ns = desk.now_ns
    desk.sent.clear()
    desk.grid.wake_all()
    desk.loop()
    assert entry_legs(desk) == {"A", "B"}
    assert [order.would_defer for order in desk.slot().state.orders] == [False, True]


def test_12_3_the_dark_time_does_not_begin_anew_at_a_restart_or_a_pause():
    desk = dark()
    since = desk.slot(2).dark_since_ns
    desk.loops(HOUR // 4)
    desk.ask("pause")
    desk.loops(HOUR // 4)
    assert desk.waits(2) == {"A": "paused", "B": "paused"}
    desk.ask("resume")
    other = desk.restarted()
    assert other.slot(2).dark_since_ns == since
    other.loops(HOUR // 2 - 2)
    assert not other.find(slot=2)
    other.loops(6)
    assert other.find(slot=2)
    assert other.now_ns - since < 3600 * SECOND_NS + 6 * LOOP_NS


def test_12_3_a_slot_with_an_exit_is_not_dark():
    desk = gated().open()
    trend(desk, WARM, RISING)
    desk.money(RICH[0], 0.0)
    desk.fill(desk.one("B"))
    desk.accept()
    desk.fill(desk.one("A"))
    desk.accept()
    desk.money(RICH[0], 12.0 * 3)
    desk.fill(desk.one("A"))
    assert desk.waits() == {"A": "momentum_defer"}
    desk.loops(HOUR + 10)
    assert desk.slot().dark_since_ns is None
    assert not desk.find("A")


# ---- waking and resuming ----------------------------------------------------------------------------------------------


def test_a_waiting_leg_is_looked_at_when_a_bar_closes_and_costs_nothing_between():
    desk = gated().open()
    trend(desk, WARM, RISING)
    desk.fill(desk.one("A"))
    desk.accept()
    desk.fill(desk.one("A"))
    desk.loop()
    assert desk.slot().due_ns == NEVER_NS
    deadline_ns = desk.strategy.interest().deadline_ns
    assert deadline_ns is not None
    assert deadline_ns % (300 * SECOND_NS) == 0
    assert desk.now_ns < deadline_ns <= desk.now_ns + 300 * SECOND_NS


def test_an_entry_that_the_venue_refused_for_its_pace_has_passed_the_gate_before():
    desk = gated().open()
    desk.fill(desk.one("B"))
    desk.fill(desk.one("B"))
    again = desk.one("B")
    desk.grid.bars.signals.restore(fallen(FALLING))
    desk.reject(again, RejectReason.RATE_LIMIT)
    assert desk.slot().state.leg_order("B") is not None
    desk.loop()
    assert desk.one("B") != again


def test_a_refreshed_entry_is_not_new():
    desk = gated(refresh_pct=0.3).open()
    desk.one("B")
    trend(desk, WARM, RISING)
    moved = [cancel for cancel in cancels(desk.commands) if cancel.reason == "stale_entry"]
    assert moved
    for _ in range(10):
        for cancel in moved:
            if cancel.client_id in desk.sent:
                desk.end(cancel.client_id)
        desk.accept()
        desk.loop()
    assert entry_legs(desk) == {"A", "B"}, "the sell entry follows the market although sells wait"


# ---- properties -------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.sampled_from(["up", "down", "flat"]), st.sampled_from(["A", "B", ""]), st.integers(0, 2)),
    min_size=4,
    max_size=24,
)


@settings(max_examples=30, deadline=None)
@given(STEPS, st.booleans())
def test_12_3_no_exit_is_kept_back_no_zero_signal_keeps_a_leg_and_never_are_both(steps, strict):
    desk = gated(
        2,
        regime=RegimeSettings(adx_enabled=strict),
        momentum=MomentumSettings(enabled=True, ema_slow_bars=6, ema_fast_bars=2),
    )
    desk.open()
    for way, leg, slot in steps:
        trend(desk, 3, {"up": RISING, "down": FALLING, "flat": 0.0}[way])
        if leg and desk.find(leg, slot or 1):
            desk.fill(desk.find(leg, slot or 1)[0])
        signal = desk.grid.bars.read(desk.engine.market(desk.facts.id).bars, desk.now_ns).signal
        for one in desk.grid.slots.values():
            waits = {leg for leg, reason in one.wait.items() if reason is WaitReason.MOMENTUM_DEFER}
            assert waits != {"A", "B"}
            if one.slot_id == (slot or 1) and leg in waits and not strict:
                assert signal == {"A": 1, "B": -1}[leg]
            unsent = [order for order in one.state.orders if order.local_id not in one.sent]
            assert all(order.role == "entry" for order in unsent), "an exit waits"
            assert not one.gate_bypassed
    other = desk.restarted()
    assert json.dumps(other.strategy.snapshot()) == json.dumps(desk.strategy.snapshot())
    assert books(desk.commands) == [] or all("would_defer" in book.values for book in books(desk.commands))


ENDS = st.lists(st.tuples(st.sampled_from(["ended", "part", "filled"]), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=30, deadline=None)
@given(ENDS)
def test_12_3_the_way_past_the_gate_ends_with_the_first_execution_and_with_nothing_else(ends):
    desk = dark(order_size_doge=200.0, momentum=MomentumSettings(enabled=True, max_defer_sec=60.0))
    while not desk.find(slot=2):
        desk.loop()
    for kind, restart in ends:
        if restart:
            desk = desk.restarted()
        assert desk.slot(2).gate_bypassed
        (entry,) = desk.find("A", 2)
        desk.accept()
        if kind == "ended":
            desk.end(entry)
            desk.money(RICH[0], 0.0)
            desk.wait(700)
            desk.loops(3)
            continue
        if kind == "part":
            desk.end(entry, volume=100.0)
        else:
            desk.fill(entry)
        assert not desk.slot(2).gate_bypassed
        break
    assert desk.grid.momentum.overrides_total == 1


def test_12_3_switched_off_at_a_start_the_gate_lets_all_go_in_the_next_loop():
    desk = gated().open()
    trend(desk, WARM, FALLING)
    desk.ask("add_slot", force=True)
    desk.loops(2)
    desk.accept()
    assert desk.waits(2) == {"B": "momentum_defer"}
    other = desk.restarted()
    other.grid.settings = changed(other.grid.settings, momentum=MomentumSettings())
    other.grid.reconfigured(["momentum.enabled"])
    other.loop()
    assert entry_legs(other, 2) == {"A", "B"}
    assert other.slot(2).deferred_ns == {}
