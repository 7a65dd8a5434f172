"""Skipping what cannot matter gives the commands of waking on everything (design sections 3 and 9; issue 2, Speed)."""

import pytest

import grid_runs as grid
from millrace.core.commands import Alert, Book, CancelOrder, Lift, OrderState, Post, RecordOrder, Refuse, Reply, Submit
from millrace.core.events import Print, Timer
from millrace.core.permission import ReasonCode
from millrace.sim.market_generator import DAY_NS

DOGE_1M = "bybit_DOGEUSDT_1m_2025-06.parquet"
BTC_1M = "kraken_XBTUSDC_1m_2023Q1.parquet"
TWO_DAYS_NS = 48 * grid.HOUR_NS
FAST_TIMEOUTS = {
    "slots.s1_orphan_after_sec": 900.0,
    "slots.s2_orphan_after_sec": 1800.0,
    "slots.recovery_evict_books": True,
}


def two_days(shared, settings, name, from_day=0):
    columns = grid.recording(shared, settings, name)
    first_ns = int(columns.ts_ns[0]) + from_day * 24 * grid.HOUR_NS
    return grid.between(columns, first_ns, first_ns + TWO_DAYS_NS)


@pytest.mark.parametrize(
    ("profile", "changes", "from_day", "fills"),
    [
        ("demo", {}, 0, 2_000),
        ("legacy10", FAST_TIMEOUTS, 0, 100),
        ("demo", grid.ACTING_SIZER, 4, 300),
        ("demo", grid.USD_STICKY | {"slots.count": 40}, 8, 200),
        ("demo", grid.ADAPTIVE | {"slots.refresh_pct": 0.3}, 4, 300),
        ("demo", grid.REBALANCING | {"slots.count": 40}, 4, 200),
        ("demo", grid.MOMENTUM, 0, 300),
        ("demo", grid.STRICT | grid.ACTING_SIZER, 8, 300),
    ],
    ids=[
        "80 sticky slots",
        "10 slots that time out",
        "sizer acting",
        "USD mode",
        "adaptive",
        "rebalancing",
        "momentum",
        "strict",
    ],
)
def test_two_days_of_real_minutes(shared, profile, changes, from_day, fills):
    settings = grid.settings_for(profile, changes)
    outcome = grid.assert_lazy_is_exact(settings, two_days(shared, settings, DOGE_1M, from_day))
    assert outcome.fills >= fills
    assert outcome.booked > 0


def test_two_days_with_missing_minutes(shared):
    settings = grid.settings_for("demo_btc")
    columns = two_days(shared, settings, BTC_1M)
    assert len(columns) < 4 * 48 * 60, "the window must have holes"
    outcome = grid.assert_lazy_is_exact(settings, columns)
    assert outcome.fills > 200


def test_the_acting_sizer_changes_sizes():
    columns = grid.generated(seed=1, hours=24)
    settings = grid.settings_for("demo", grid.ACTING_SIZER, bar_ns=0)
    outcome = grid.assert_lazy_is_exact(settings, columns)
    plain = grid.played(grid.settings_for("demo", bar_ns=0), columns, lazy=True)
    assert entry_lots(outcome) > entry_lots(plain), "the sizer never acted"


def test_the_rebalancer_changes_sizes_of_fresh_entries():
    columns = grid.generated(seed=1, hours=24)
    settings = grid.settings_for("demo", grid.REBALANCING | {"rebalance.interval_sec": 45.0}, bar_ns=0)
    outcome = grid.assert_lazy_is_exact(settings, columns)
    lots = entry_lots(outcome)
    assert min(lots) == 60 * 10**8, "never smaller"
    assert 60 * 10**8 < max(lots) <= 90 * 10**8


def entry_lots(outcome):
    return {
        command.order.order.lots
        for _, command in outcome.commands
        if isinstance(command, Submit) and not command.order.order.reduces
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("profile", ["demo", "legacy10"])
def test_the_built_in_market(profile, seed):
    changes = FAST_TIMEOUTS if profile == "legacy10" else {}
    settings = grid.settings_for(profile, changes, bar_ns=0)
    outcome = grid.assert_lazy_is_exact(settings, grid.generated(seed, hours=12, day=grid.FIRST_DAY + 7 * seed))
    assert outcome.fills > 20


HARD = {
    "momentum and hardly any money": {
        **grid.MOMENTUM,
        "momentum.max_defer_sec": 400.0,
        "venue.base_balance": 400.0,
        "venue.quote_balance": 90.0,
        "slots.poll_interval_sec": 7.0,
    },
    "no latency": {"venue.request_latency_ms": 0, "venue.response_latency_ms": 0, "venue.latency_jitter_ms": 0},
    "a second each way": {
        "venue.request_latency_ms": 900,
        "venue.response_latency_ms": 900,
        "venue.latency_jitter_ms": 90,
        "slots.refresh_pct": 0.05,
    },
    "a minute each way": {"venue.request_latency_ms": 60_000, "venue.response_latency_ms": 60_000},
    "hardly any money": {"venue.base_balance": 130.0, "venue.quote_balance": 30.0},
    "one side only": {"venue.quote_balance": 0.0},
    "hardly any money to rebalance": {"venue.base_balance": 900.0, "venue.quote_balance": 150.0, **grid.REBALANCING},
    "all money shared out": {
        **grid.USD_STICKY,
        **grid.REBALANCING,
        "venue.quote_balance": 600.0,
        "slots.b_side_max_mult": 0.0,
        "slots.capital_layers": 5,
        "slots.refresh_pct": 0.3,
    },
    "exits at the cap": {
        "slots.open_orders_per_pair_limit": 40,
        "slots.open_order_safety_ratio": 0.8,
        "slots.entry_cap_policy": "entry_reserve",
        "slots.entry_reserve_orders": 4,
    },
    "orders at the minimum": {"slots.order_size_doge": 50.0, **grid.ACTING_SIZER},
    "tiny fills": {"venue.participation": 1e-3, "slots.refresh_pct": 0.1, "venue.request_latency_ms": 1_500},
    "part fills that the market leaves": {
        "venue.participation": 1e-3,
        "slots.refresh_pct": 0.1,
        "slots.order_size_doge": 120.0,
        "slots.partial_open_max_age_sec": 100.0,
    },
    "at the cap": {"slots.count": 100, "slots.max_entry_adds_per_loop": 100, "slots.open_order_safety_ratio": 0.5},
    "loops of a second": {"slots.poll_interval_sec": 1.0, "slots.count": 20},
    "a loss ends the day": {
        **FAST_TIMEOUTS,
        "slots.sticky_mode_enabled": False,
        "slots.order_size_usd": 12.0,
        "slots.s1_orphan_after_sec": 60.0,
        "slots.daily_loss_limit_usd": 0.01,
    },
}


SLOW_CANCELS = {"slots.private_api_wave_calls": 1, "slots.private_api_wave_sec": 15.0}
HARD |= {
    "released by rule": grid.RELEASING
    | {"release.panic_stuck_pct": 90.0, "release.min_distance_pct": 0.5, "regime.adx_enabled": True},
    "released in a panic": grid.RELEASING,
    "released at the market": grid.RELEASING | {"release.close_mode": "market"},
    "released over a slow line": grid.RELEASING | SLOW_CANCELS,
    "released up to a day's losses": grid.RELEASING | {"slots.daily_loss_limit_usd": 1.5},
}


@pytest.mark.parametrize("name", HARD)
def test_hard_circumstances(name):
    settings = grid.settings_for("demo", {"slots.count": 30} | HARD[name], bar_ns=0)
    outcome = grid.assert_lazy_is_exact(
        settings, grid.generated(seed=5, hours=10, day=grid.FIRST_DAY + 2, from_hour=18)
    )
    assert outcome.sent > 0
    assert MET[name](outcome), "the circumstance was not met"


def test_news_at_a_loop_s_own_time_postpones_no_release():
    """What comes just before a loop may not put what that loop has to do off to the next one."""
    settings = grid.settings_for("demo", {"slots.count": 30} | HARD["released in a panic"], bar_ns=0)
    columns = grid.generated(seed=5, hours=6, day=grid.FIRST_DAY + 2, from_hour=20)
    loop_ns = round(settings.slots.poll_interval_sec * 1e9)
    first_ns = -(-int(columns.ts_ns[0]) // loop_ns) * loop_ns
    asked = [grid.Request(first_ns + place * loop_ns, "audit_pnl", {}) for place in range(1, 6 * 120)]
    outcome = grid.assert_lazy_is_exact(settings, columns, asked)
    assert any(isinstance(made, CancelOrder) and made.reason == "release" for _, made in outcome.commands)


NO_LATENCY = HARD["no latency"]


def busy_minutes(seed):
    changes = {"slots.poll_interval_sec": 1.0, "slots.profit_pct": 0.6, "slots.daily_loss_limit_usd": 0.2}
    settings = grid.settings_for("legacy10", FAST_TIMEOUTS | NO_LATENCY | changes | {"slots.count": 20})
    return settings, grid.minutes(seed, hours=6)


@pytest.mark.parametrize("seed", range(6))
def test_everything_at_once_on_the_loops_own_times(seed):
    """Bars print on loop times; with no latency all of a print's news comes at that time, before the loop."""
    outcome = grid.assert_lazy_is_exact(*busy_minutes(seed))
    assert outcome.fills > 10


def lock_opened(outcome):
    return lock_posted(outcome) and any(
        isinstance(command, Lift) and command.restriction_id == "slots/loss_lock" for _, command in outcome.commands
    )


def lock_posted(outcome):
    return any(
        isinstance(command, Post) and command.restriction.reason is ReasonCode.DAILY_LOSS_LOCK
        for _, command in outcome.commands
    )


def left_partials(outcome):
    return sum(
        isinstance(command, CancelOrder) and command.reason == "stale_partial" for _, command in outcome.commands
    )


def breaker_posted(outcome):
    """Answers that come after two seconds count as none: nothing that opens a position leaves then."""
    return any(
        isinstance(command, Post) and command.restriction.reason is ReasonCode.BREAKER_OPEN
        for _, command in outcome.commands
    )


def recorded(outcome, state):
    return sum(isinstance(command, RecordOrder) and command.state is state for _, command in outcome.commands)


def alerted(outcome, code):
    return any(isinstance(command, Alert) and command.code == code for _, command in outcome.commands)


def releases(run, /, **wanted):
    return sum(
        isinstance(command, Book) and command.kind == "release" and wanted.items() <= command.values.items()
        for _, command in run.commands
    )


MET = {
    "momentum and hardly any money": lambda outcome: outcome.assembled.program.grid.grid.momentum.overrides_total,
    "released by rule": lambda outcome: releases(outcome, tier=1, outcome="released") > 5,
    "released in a panic": lambda outcome: releases(outcome, tier=2, outcome="released") > 100,
    "released at the market": lambda outcome: releases(outcome, outcome="released"),
    "released over a slow line": lambda outcome: releases(outcome, outcome="failed"),
    "released up to a day's losses": lambda outcome: releases(outcome) and alerted(outcome, "release_daily_loss"),
    "no latency": lambda outcome: outcome.fills > 10,
    "a second each way": lambda outcome: recorded(outcome, OrderState.CANCELLED) > 10,
    "a minute each way": breaker_posted,
    "hardly any money": lambda outcome: outcome.assembled.program.grid.grid.unfunded,
    "hardly any money to rebalance": lambda outcome: outcome.assembled.program.grid.grid.idle.looked_ns,
    "all money shared out": lambda outcome: outcome.fills > 10,
    "exits at the cap": lambda outcome: outcome.assembled.program.grid.grid.low_headroom_told,
    "one side only": lambda outcome: outcome.fills > 10,
    "orders at the minimum": lambda outcome: outcome.assembled.program.grid.grid.floors.total > 0,
    "tiny fills": lambda outcome: recorded(outcome, OrderState.PARTIAL) > 10,
    "part fills that the market leaves": lambda outcome: left_partials(outcome) > 10,
    "at the cap": lambda outcome: outcome.assembled.program.grid.grid.low_headroom_told,
    "loops of a second": lambda outcome: outcome.fills > 10,
    "a loss ends the day": lock_opened,
}


def test_an_operator_at_any_moment():
    columns = grid.generated(seed=9, hours=12)
    first_ns = int(columns.ts_ns[0])
    asked = [
        (1.0, "pause", {}),
        (1.2, "resume", {}),
        (2.0, "add_slot", {"force": True}),
        (2.5, "set_entry_pct", {"value": 0.5}),
        (3.01, "set_profit_pct", {"value": 0.7}),
        (4.0, "halt", {}),
        (5.0, "clear", {"id": "kill/control/global", "operator": "test", "reason": "test"}),
        (6.3, "pause", {}),
        (7.0, "add_slot", {"force": True}),
        (9.0, "resume", {}),
        (9.2, "remove_slot", {"slot_id": 7, "confirm": True}),
        (9.41, "remove_slots", {"count": 4}),
    ]
    requests = [grid.Request(first_ns + round(hour * grid.HOUR_NS), action, args) for hour, action, args in asked]
    on_a_loop_ns = (first_ns // grid.HOUR_NS + 3) * grid.HOUR_NS
    requests.append(grid.Request(on_a_loop_ns, "add_slot", {"force": True}))
    outcome = grid.assert_lazy_is_exact(grid.settings_for("demo", {"slots.count": 40}, bar_ns=0), columns, requests)
    told = [command.said for _, command in outcome.commands if isinstance(command, Reply)]
    assert sum(" added" in text for text in told) == 3
    removed = outcome.assembled.program.grid.grid.retired.slot_ids
    assert 7 in removed, told
    assert outcome.count(Refuse) == 0


def test_an_operator_of_slots_that_time_out():
    columns = grid.generated(seed=9, hours=10)
    first_ns = int(columns.ts_ns[0])
    asked = [
        (2.013, "soft_close_next", {}),
        (3.0, "toggle_sticky", {"slot_id": 3}),
        (2.5, "soft_close_next", {}),
        (5.11, "cancel_stale_recoveries", {"min_distance_pct": 0.0, "max_batch": 20}),
        (6.0, "toggle_sticky", {"slot_id": 3, "confirm": True}),
        (7.0, "remove_slot", {"slot_id": 5, "confirm": True}),
    ]
    requests = [grid.Request(first_ns + round(hour * grid.HOUR_NS), action, args) for hour, action, args in asked]
    changes = {"slots.count": 12, "slots.sticky_mode_enabled": False, "slots.order_size_mode": "USD"}
    changes |= {"slots.order_size_usd": 25.0, "slots.s1_orphan_after_sec": 600, "slots.s2_orphan_after_sec": 600}
    outcome = grid.assert_lazy_is_exact(grid.settings_for("demo", changes, bar_ns=0), columns, requests)
    told = [command.said for _, command in outcome.commands if isinstance(command, Reply) and command.final]
    assert sum(text.startswith("ok") for text in told) == len(asked), told
    causes = {
        command.values["cause"]
        for _, command in outcome.commands
        if isinstance(command, Book) and command.kind == "cycle"
    }
    assert causes >= {"exit", "recovery", "soft_close"}
    assert outcome.assembled.program.grid.grid.violations == 0


def test_an_operator_beside_tiers_that_close_at_the_market():
    """Slots lose their stickiness, their exits and themselves while releases are under way."""
    columns = grid.generated(seed=5, hours=8)
    first_ns = int(columns.ts_ns[0]) + grid.HOUR_NS
    asked: list[tuple[str, dict[str, object]]] = []
    for slot_id in range(1, 9):
        asked.append(("toggle_sticky", {"slot_id": slot_id, "sticky": slot_id % 2 == 0, "confirm": True}))
        asked.append(("release_slot", {"slot_id": slot_id}))
        asked.append(("cancel_stale_recoveries", {"min_distance_pct": 0.0}))
        asked.append(("remove_slot", {"slot_id": slot_id, "confirm": True}))
        asked.append(("add_layer", {}))
    requests = [
        grid.Request(first_ns + place * 11 * grid.MINUTE_NS + place * 3_000_000_000, name, args)
        for place, (name, args) in enumerate(asked)
    ]
    changes = grid.RELEASING | {"release.close_mode": "market", "slots.count": 30, "slots.s1_orphan_after_sec": 300.0}
    changes |= {"release.min_age_sec": 600.0, "release.panic_min_age_sec": 300.0, "release.min_distance_pct": 0.1}
    changes |= {"release.adx_threshold": 0.0, "regime.adx_period": 3, "slots.s2_orphan_after_sec": 300.0}
    outcome = grid.assert_lazy_is_exact(grid.settings_for("demo", changes, bar_ns=0), columns, requests)
    done = outcome.assembled.program.grid.grid
    assert min(done.releases.totals[kind] for kind in ("manual", "tier1", "tier2")) > 0, done.releases.totals
    assert len(done.retired.slot_ids) > 3
    assert done.violations == 0


def test_a_print_at_midnight_does_not_hide_the_moment_at_which_the_loss_lock_opens():
    """Found on a real month: a fill's print at 00:00:00 sharp put the opening off by a day where loops are skipped."""
    settings = grid.settings_for("demo", {"slots.count": 30} | HARD["a loss ends the day"], bar_ns=0)
    columns = grid.generated(seed=5, hours=10, day=grid.FIRST_DAY + 2, from_hour=18)
    midnight_ns = (grid.FIRST_DAY + 3) * DAY_NS
    assembled, _ = grid.prepared(settings, columns, lazy=True)
    assembled.simulation.run_until(midnight_ns - 1)
    engine, strategy = assembled.program.engine, assembled.program.grid
    assert strategy.grid.lock.locked
    strategy.grid.dirty.clear()
    last_ticks = engine.market(assembled.program.instrument.id).last_ticks
    engine.step(Print(assembled.program.instrument.id, midnight_ns, last_ticks, 1))
    assert strategy.interest().deadline_ns == midnight_ns


def test_a_paused_grid_is_left_alone():
    """Entries that drifted away while nothing may replace them once woke every loop until a person resumed."""
    settings, columns = busy_minutes(seed=1)
    assembled, commands = grid.prepared(settings, columns, lazy=True)
    loops = []
    assembled.simulation.sequencer.listen(lambda event, _: loops.append(event) if isinstance(event, Timer) else None)
    assembled.simulation.run_until(int(columns.ts_ns[-1]))
    locked_ns = next(ts_ns for ts_ns, command in commands if isinstance(command, Post))
    assert locked_ns < columns.ts_ns[-1] - 3 * grid.HOUR_NS
    assert sum(event.ts_ns > locked_ns for event in loops) < 500, "of more than 10,000"
