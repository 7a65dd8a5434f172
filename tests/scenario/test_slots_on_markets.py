"""The assembled slot grid on markets made for one question each (slots 2.4, 8.2, 10, 16, 23 P1, 24)."""

import numpy as np
import pytest

import grid_runs as grid
from millrace.core.commands import Alert, Book, CancelOrder, Refuse, Severity, Submit
from millrace.risk.breakers import Breaker
from millrace.sim.candles import PrintColumns
from millrace.strategies.slots.telemetry.vintage import DAY_SEC

START_NS = grid.FIRST_DAY * 24 * grid.HOUR_NS
STEP_NS = 10_000_000_000
RICH = {"venue.base_balance": 1e6, "venue.quote_balance": 1e6}


def market(prices, lots_each=10_000 * 10**8, step_ns=STEP_NS):
    """Return one print per step, each its own bar."""
    ticks = np.round(np.asarray(prices) * 1e7).astype(np.int64)
    rows = np.arange(len(ticks), dtype=np.int64)
    lots = np.full(len(ticks), lots_each, np.int64)
    return PrintColumns(ts_ns=START_NS + rows * step_ns, ticks=ticks, lots=lots, bar=rows, bar_lots=lots)


def wave(hours, mean=0.2, swing=0.02, period_min=90.0):
    """Return a flat market that swings around its mean."""
    minutes = np.arange(int(hours * 360)) / 6.0
    return mean * (1.0 + swing * np.sin(2.0 * np.pi * minutes / period_min))


def noise(hours, seed=1, mean=0.2, pull=0.002, step=0.0025):
    """Return a market that wanders and is pulled back to its mean."""
    steps = np.random.default_rng(seed).normal(0.0, step, int(hours * 360))
    away = np.zeros(len(steps))
    for place in range(1, len(steps)):
        away[place] = away[place - 1] * (1.0 - pull) + steps[place]
    return mean * np.exp(away)


def played(prices, lots_each=10_000 * 10**8, step_ns=STEP_NS, **changes):
    settings = grid.settings_for("demo", {"slots.count": 4} | RICH | changes, bar_ns=step_ns)
    return grid.played(settings, market(prices, lots_each, step_ns), lazy=True)


def of(outcome, kind):
    return [command for _, command in outcome.commands if isinstance(command, kind)]


def assert_sound(outcome):
    the_grid = outcome.assembled.program.grid.grid
    assert the_grid.violations == 0
    assert of(outcome, Refuse) == []
    assert [alert for alert in of(outcome, Alert) if alert.severity is Severity.PAGE] == []
    for slot in the_grid.slots.values():
        for leg in ("A", "B"):
            assert (slot.state.leg_order(leg) is None) == (leg in slot.wait)
    venue, facts = outcome.assembled.venue, outcome.assembled.program.instrument
    assert (
        len(venue.open_orders(facts.id)) == len(the_grid.keys) == outcome.assembled.program.engine.live_orders(facts.id)
    )


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_in_doge_mode_the_volume_is_the_same_at_half_and_double_the_price(factor):
    outcome = played(wave(6, mean=0.2 * factor))
    assert_sound(outcome)
    entries = [submit.order.order for submit in of(outcome, Submit) if not submit.order.order.reduces]
    assert len(entries) > 20
    assert {place.lots for place in entries} == {60 * 10**8}


@pytest.mark.parametrize(("factor", "trades"), [(0.5, True), (1.0, True), (2.0, False)])
def test_in_usd_mode_the_doubled_price_falls_below_the_minimum_and_says_so(factor, trades):
    usd = {"slots.order_size_mode": "USD", "slots.order_size_usd": 12.0, "slots.b_side_account_sizing": False}
    outcome = played(wave(6, mean=0.2 * factor), **usd)
    assert_sound(outcome)
    assert bool(of(outcome, Submit)) is trades
    if not trades:
        status = outcome.assembled.program.grid.status(outcome.assembled.program.engine)
        assert {reason for slot in status["slots"] for reason in slot["wait_reason"].values()} == {"min_size_wait"}
        assert status["slots"][0]["too_small"]["A"]["required"] == 50.0


def test_sticky_exits_are_untouched_for_thirty_days():
    """Both legs fill near the start, then the price runs away and stays away for a month."""
    first = np.concatenate([np.full(30, 0.2), np.full(10, 0.19), np.full(10, 0.21), np.full(30, 0.3)])
    prices = np.concatenate([first, 0.3 * (1.0 + 0.001 * np.sin(np.arange(30 * 24 * 6) / 7.0))])
    outcome = played(prices, step_ns=600_000_000_000, **{"slots.volatility_auto_profit": False})
    the_grid = outcome.assembled.program.grid.grid
    assert the_grid.violations == 0
    exits = [row for slot in the_grid.slots.values() for row in slot.state.orders if row.role == "exit"]
    old = [row for row in exits if outcome.commands[-1][0] / 1e9 - row.entry_filled_at > 20 * DAY_SEC]
    assert old, "some exit must have waited for weeks"
    cancelled = {command.client_id for command in of(outcome, CancelOrder)}
    reducing = {submit.order.client_id for submit in of(outcome, Submit) if submit.order.order.reduces}
    assert cancelled & reducing == set()
    assert [book for book in of(outcome, Book) if book.values.get("cause") in {"eviction", "release"}] == []
    recoveries = [row.reason for slot in the_grid.slots.values() for row in slot.state.recovery_orders]
    assert set(recoveries) <= {"partial_cancel"}, "nothing was orphaned"
    days = [book for book in of(outcome, Book) if book.kind == "vintage_day"]
    assert len(days) >= 30
    assert len({book.key for book in days}) == len(days)
    assert days[-1].values["wait_p99_sec"] > 20 * DAY_SEC
    assert days[-1].values["stuck_capital_pct"] > 0.0


def test_non_sticky_exits_time_out_by_the_contracts_times():
    legacy = {
        "slots.sticky_mode_enabled": False,
        "slots.order_size_usd": 12.0,
        "slots.s1_orphan_after_sec": 1350.0,
        "slots.s2_orphan_after_sec": 1800.0,
        "slots.refresh_pct": 50.0,
    }
    prices = np.concatenate([np.full(60, 0.2), np.full(800, 0.2012)])
    outcome = played(prices, **legacy | {"slots.count": 1})
    assert_sound(outcome)
    (slot,) = outcome.assembled.program.grid.grid.slots.values()
    recovery = slot.state.recovery_orders[0]
    assert recovery.reason == "s1_timeout"
    assert 1350.0 <= recovery.orphaned_at - recovery.entry_filled_at < 1350.0 + 30.0


@pytest.fixture
def patient(monkeypatch):
    """Let no breaker take a venue for broken that is so slow that cancels cross with fills."""
    monkeypatch.setattr(Breaker, "told", lambda *_, **__: "")


@pytest.mark.parametrize("lots_each", [2 * 10**8, 350 * 10**8, 3_333_333_333_3])
def test_on_a_thin_market_part_fills_become_positions_or_dust_and_nothing_is_lost(lots_each, patient):
    changes = {"venue.participation": 0.1, "slots.order_size_doge": 120.0, "slots.refresh_pct": 0.1}
    slow = {"venue.request_latency_ms": 4_000, "venue.response_latency_ms": 1_000}
    outcome = played(wave(24, swing=0.03), lots_each, **changes | slow)
    assert_sound(outcome)
    status = outcome.assembled.program.grid.status(outcome.assembled.program.engine)
    assert status["capacity_fill_health"]["partial_fill_open_events_1d"] > 0
    the_grid = outcome.assembled.program.grid.grid
    facts, engine = outcome.assembled.program.instrument, outcome.assembled.program.engine
    held = sum(engine.position(the_grid.position(slot, leg)) for slot in the_grid.slots for leg in ("A", "B"))
    base = engine.total("kraken", "DOGE")
    assert base is not None
    assert facts.volume(held) == pytest.approx(facts.base_float(base) - 1e6, abs=1e-6)


def test_partial_cancels_happen_on_a_thin_market_and_are_all_handled(patient):
    changes = {"slots.order_size_doge": 120.0, "slots.refresh_pct": 0.05, "venue.request_latency_ms": 20_000}
    outcome = played(wave(24, swing=0.03), 300 * 10**8, **changes)
    assert_sound(outcome)
    canaries = [alert for alert in of(outcome, Alert) if alert.code == "partial_cancel"]
    assert canaries
    assert all(alert.text.endswith("handled=true") for alert in canaries)


def test_a_funded_account_with_the_sizer_acting_never_loses_a_leg_to_its_multiplier():
    """The market falls for a day after swinging, so that waits grow and the multiplier goes to its floor (P1)."""
    prices = np.concatenate([wave(24), 0.2 * np.exp(-np.linspace(0.0, 0.5, 8_640))])
    changes = grid.ACTING_SIZER | {"sizer.floor_mult": 0.1, "sizer.age_pressure_floor": 0.1, "slots.count": 8}
    settings = grid.settings_for("demo", RICH | changes, bar_ns=STEP_NS)
    outcome = grid.played(settings, market(prices), lazy=True)
    assert_sound(outcome)
    the_grid = outcome.assembled.program.grid.grid
    assert the_grid.floors.total > 0, "the guard must have had something to lift"
    assert "min_size_wait" not in {reason.value for slot in the_grid.slots.values() for reason in slot.wait.values()}
    entries = [submit.order.order.lots for submit in of(outcome, Submit) if not submit.order.order.reduces]
    assert min(entries) >= 50 * 10**8


def test_memory_does_not_grow_with_fills():
    quick = {"slots.count": 6, "slots.reentry_base_cooldown_sec": 0.0, "slots.volatility_auto_profit": False}
    outcome = played(noise(72), **quick | {"slots.profit_pct": 0.6})
    assert_sound(outcome)
    the_grid = outcome.assembled.program.grid.grid
    assert outcome.fills > 300
    assert len(the_grid.keys) <= 12
    for slot in the_grid.slots.values():
        assert len(slot.attempts) <= 4
        assert len(slot.sent) <= 2
        assert len(slot.partial_seen) <= 2
        assert len(slot.state.cancelling) <= 2
    assert len(the_grid.cycles) <= the_grid.settings.throughput.lookback_cycles
