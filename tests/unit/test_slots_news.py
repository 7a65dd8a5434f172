"""What the venue says about the grid's orders (slots 4.2 rule 8, 4.3, 4.5, 6, 15.4), each rule on the real engine."""

import pytest

from millrace.core.commands import Refuse, Severity
from millrace.core.events import NOT_SENT, EndStatus, RejectReason
from millrace.core.permission import Level
from millrace.strategies.slots.reducer.model import Order, tracked_position
from slots_desk import Desk, books, cancels, doge, submits

LEGACY = {"sticky_mode_enabled": False, "order_size_mode": "USD", "order_size_usd": 20.0}


# ---- refusals


def test_insufficient_funds_is_not_an_error_and_makes_the_slot_one_sided():
    desk = Desk(max_consecutive_errors=1).open()
    desk.fill(desk.one("A"))
    desk.accept()
    desk.fill(desk.one("A"))
    desk.loops(3)
    desk.reject(desk.one("A"), RejectReason.INSUFFICIENT_FUNDS)
    state = desk.slot().state
    assert (state.long_only, state.short_only, state.mode_source) == (True, False, "balance")
    assert desk.waits() == {"A": "unfunded"}
    assert desk.grid.errors == 0
    assert desk.status()["mode"] == "OPEN"


def test_a_post_only_refusal_is_priced_once_again_at_once_and_then_by_the_next_loop():
    desk = Desk()
    desk.loop()
    desk.print(0.21)
    (again,) = submits(desk.reject(desk.one("A"), RejectReason.POST_ONLY_WOULD_CROSS))
    assert desk.facts.price(again.limit_ticks) == pytest.approx(0.21 * 1.002, abs=1e-7)
    assert submits(desk.reject(desk.one("A"), RejectReason.POST_ONLY_WOULD_CROSS)) == []
    made = submits(desk.loop(0.22))
    assert [desk.facts.price(place.limit_ticks) for place in made if place.position.leg == "A"] == [
        pytest.approx(0.22 * 1.002, abs=1e-7)
    ]
    assert desk.grid.errors == 0


def test_a_refused_exit_moves_away_from_the_market_only_and_keeps_its_target():
    desk = Desk(volatility_auto_profit=False).open()
    desk.fill(desk.one("B"))
    target = desk.limit(desk.one("B"))
    desk.ask("set_profit_pct", value=5.0)
    (again,) = submits(desk.reject(desk.one("B"), RejectReason.POST_ONLY_WOULD_CROSS))
    assert desk.facts.price(again.limit_ticks) == target, "the market is not in its way: same price"
    assert submits(desk.reject(desk.one("B"), RejectReason.POST_ONLY_WOULD_CROSS)) == []
    (later,) = [place for place in submits(desk.loop(target * 1.05)) if place.reduces]
    assert desk.facts.price(later.limit_ticks) == pytest.approx(target * 1.05 * 1.002, rel=1e-6)


def test_other_refusals_count_a_success_resets_and_the_limit_pauses():
    desk = Desk(max_consecutive_errors=3)
    desk.loop()
    for _ in range(2):
        desk.reject(desk.one("A"), RejectReason.OTHER)
        desk.loop()
    assert desk.grid.errors == 2
    desk.accept(desk.one("B"))
    assert desk.grid.errors == 0
    for _ in range(3):
        assert desk.status()["mode"] == "OPEN"
        desk.reject(desk.one("A"), RejectReason.OTHER)
        desk.loop()
    assert desk.status()["mode"] == Level.REDUCE_ONLY.name
    assert desk.status()["pause_reason"] == ["consecutive_errors"]
    assert len(desk.alerts("order_rejected")) == 5
    assert desk.find("A") == []
    assert desk.ask("resume").startswith("ok")
    assert desk.grid.errors == 0
    desk.loop()
    assert len(desk.find("A")) == 1


def test_the_default_limit_is_25_in_a_row():
    desk = Desk()
    desk.loop()
    for _ in range(24):
        desk.reject(desk.one("A"), RejectReason.OTHER)
        desk.loop()
    assert desk.status()["mode"] == "OPEN"
    desk.reject(desk.one("A"), RejectReason.OTHER)
    assert desk.board.standing("slots", desk.facts.id).level is Level.REDUCE_ONLY


@pytest.mark.parametrize(
    ("reason", "wait", "errors"),
    [
        (RejectReason.BELOW_MINIMUM, "min_size_wait", 1),
        (RejectReason.OPEN_ORDER_LIMIT, "capacity_block", 0),
        (RejectReason.INSUFFICIENT_FUNDS, "unfunded", 0),
    ],
)
def test_refusals_that_make_a_leg_wait(reason, wait, errors):
    desk = Desk()
    desk.loop()
    desk.accept(desk.one("B"))
    desk.reject(desk.one("A"), reason)
    assert desk.waits() == {"A": wait}
    assert desk.grid.errors == errors
    assert submits(desk.loops(9)) == [], "no call is spent before something changed"
    assert len(submits(desk.loops(2))) == 1, "after five minutes it is tried again"


@pytest.mark.parametrize("reason", sorted(NOT_SENT))
def test_an_entry_that_never_left_is_priced_anew_and_nothing_is_counted(reason):
    desk = Desk(max_consecutive_errors=1)
    desk.loop()
    desk.accept(desk.one("B"))
    for price in (0.2, 0.201, 0.202, 0.203, 0.204):
        desk.print(price)
        at_once = submits(desk.reject(desk.one("A"), reason))
        assert bool(at_once) is (reason is RejectReason.TOO_OLD), "its call has come, the others' may not have"
        (again,) = at_once or [place for place in submits(desk.loop()) if place.position.leg == "A"]
        assert desk.facts.price(again.limit_ticks) == pytest.approx(price * 1.002, abs=1e-7)
    assert desk.grid.errors == 0
    assert desk.slot().state.a.cancel_times == [], "the venue ended nothing"
    assert desk.waits() == {}


@pytest.mark.parametrize("reason", sorted(NOT_SENT))
def test_an_entry_that_a_restriction_kept_from_leaving_waits_for_its_end(reason):
    desk = Desk()
    desk.loop()
    desk.accept(desk.one("B"))
    desk.ask("pause")
    desk.reject(desk.one("A"), reason)
    assert submits(desk.loops(3)) == []
    assert desk.waits() == {"A": "paused"}
    desk.ask("resume")
    assert [place.position.leg for place in submits(desk.loop())] == ["A"]


@pytest.mark.parametrize("reason", [RejectReason.RATE_LIMIT, RejectReason.LOST])
def test_refusals_that_are_tried_again_in_the_next_loop(reason):
    desk = Desk()
    desk.loop()
    assert submits(desk.reject(desk.one("A"), reason)) == []
    assert len(submits(desk.loop())) == 1
    assert desk.grid.errors == 0


def test_a_refused_exit_of_any_reason_stays_and_is_tried_every_loop():
    desk = Desk(max_consecutive_errors=100).open()
    desk.fill(desk.one("A"))
    for reason in RejectReason:
        if reason is not RejectReason.DUPLICATE_CLIENT_ID:
            made = desk.reject(desk.one("A"), reason)
            again = submits(made) or [place for place in submits(desk.loop()) if place.reduces]
            assert len(again) == 1, reason
    assert desk.grid.violations == 0


def test_an_unknown_outcome_is_never_resent():
    desk = Desk()
    desk.loop()
    desk.accept(desk.one("B"))
    desk.lose(desk.one("A"))
    assert submits(desk.loops(20)) == []
    assert len(desk.alerts("order_unknown")) == 1
    (exit_,) = submits(desk.fill(desk.one("A")))
    assert exit_.reduces


def test_what_the_board_refuses_is_taken_back_within_the_step():
    desk = Desk(daily_loss_limit_usd=0.001, reentry_base_cooldown_sec=0.0).open()
    desk.fill(desk.one("B"))
    made = desk.fill(desk.one("B"), price=0.19)
    assert [command for command in made if isinstance(command, Refuse)], (
        "the follow-up met the loss lock of its own step"
    )
    assert desk.slot().state.leg_order("B") is None
    assert desk.waits() == {"B": "paused"}
    assert desk.slot().sent.keys() == {order.local_id for order in desk.slot().state.orders}


# ---- cancels


def test_a_replacement_leaves_only_after_its_predecessors_end_and_at_the_price_of_then():
    desk = Desk().open()
    made = desk.loop(0.21)
    (cancel,) = cancels(made)
    assert desk.sent[cancel.client_id].position.leg == "B"
    assert submits(made) == []
    assert submits(desk.loops(3)) == [], "however long the cancel takes"
    desk.wait(1.0)
    desk.print(0.2101)
    (replacement,) = submits(desk.end(cancel.client_id))
    assert desk.facts.price(replacement.limit_ticks) == pytest.approx(0.2101 * 0.998, abs=1e-7)


def test_a_fill_that_wins_the_race_becomes_a_carve_out_beside_the_replacement():
    desk = Desk().open()
    desk.grid.direction = lambda turn: 2  # type: ignore[method-assign]
    (cancel,) = cancels(desk.loop(0.21))
    (exit_,) = submits(desk.fill(cancel.client_id))
    assert exit_.reduces
    (recovery,) = desk.slot().state.recovery_orders
    assert (recovery.reason, recovery.volume, recovery.regime_at_entry) == ("partial_cancel", 60.0, 2)
    assert tracked_position(desk.slot().state) == 60.0
    assert [place.reduces for place in submits(desk.loop())] == [False]
    assert desk.grid.violations == 0


@pytest.mark.parametrize(("reason", "sent_again"), [("rate_limit", 1), ("lost", 1), ("unknown order", 0)])
def test_a_cancel_that_was_put_off_is_sent_again(reason, sent_again):
    desk = Desk().open()
    (cancel,) = cancels(desk.loop(0.21))
    assert cancels(desk.refuse_cancel(cancel.client_id, reason)) == []
    again = [later for later in cancels(desk.loop()) if later.client_id == cancel.client_id]
    assert len(again) == sent_again
    assert cancel.client_id in [desk.orders.client_id("slots", key) for key in desk.slot().sent.values()]


def test_an_untouched_entry_that_the_venue_ends_is_put_back_three_times_then_the_leg_waits():
    desk = Desk().open()
    for _ in range(4):
        desk.end(desk.one("A"), status=EndStatus.EXPIRED)
        desk.loop()
    assert desk.find("A") == []
    assert desk.waits() == {"A": "exchange_cancels"}
    assert len(desk.alerts("exchange_cancels")) == 1
    desk.loops(21)
    assert len(desk.find("A")) == 1


# ---- fills


def test_the_regime_and_the_profit_target_are_those_at_the_entrys_fill():
    desk = Desk(volatility_auto_profit=False).open()
    desk.ask("set_profit_pct", value=2.0)
    desk.grid.direction = lambda turn: 0  # type: ignore[method-assign]
    desk.fill(desk.one("B"))
    exit_ = desk.slot().state.leg_order("B")
    assert exit_ is not None
    assert exit_.regime_at_entry == 0
    assert desk.limit(desk.one("B")) == pytest.approx(0.1996 * 1.02, abs=1e-7)
    desk.grid.direction = lambda turn: 2  # type: ignore[method-assign]
    desk.ask("set_profit_pct", value=3.0)
    (booked,) = books(desk.fill(desk.one("B")))
    assert booked.values["regime"] == 0
    assert booked.values["exit_price"] == pytest.approx(0.1996 * 1.02, abs=1e-7)


def test_the_other_legs_entry_stays_when_one_leg_fills():
    desk = Desk().open()
    other = desk.one("B")
    made = desk.fill(desk.one("A"))
    assert cancels(made) == []
    assert desk.one("B") == other


def test_a_part_filled_entry_is_counted_once_and_not_refreshed():
    desk = Desk().open()
    entry = desk.one("B")
    for volume in (10.0, 20.0):
        assert submits(desk.fill(entry, volume)) == []
    assert desk.status()["capacity_fill_health"]["partial_fill_open_events_1d"] == 1
    assert entry not in [cancel.client_id for cancel in [*cancels(desk.loop(0.25)), *cancels(desk.loop())]]
    assert desk.grid.violations == 0


def test_a_part_fill_that_overtakes_its_acceptance_still_names_the_order():
    desk = Desk()
    desk.loop()
    entry = desk.one("B")
    desk.fill(entry, 10.0)
    desk.accept(entry)
    order = desk.slot().state.leg_order("B")
    assert order is not None
    assert (order.txid, order.state) == (entry, "live")


SIZES = {"order_size_doge": 120.0}


@pytest.mark.parametrize("lot_decimals", [0, 2, 8])
@pytest.mark.parametrize(
    ("executed", "exits", "carved", "remainder", "dust"),
    [(60.0, [60.0], 1, [60.0], 0.0), (80.0, [80.0], 0, [], 0.0), (30.0, [], 0, [90.0], 30.0)],
    ids=["6.2a carve-out and remainder", "6.2b exit", "6.2c dust"],
)
def test_an_entry_that_ends_part_filled(lot_decimals, executed, exits, carved, remainder, dust):
    desk = Desk(facts=doge(lot_decimals), **SIZES).open()
    made = desk.end(desk.one("B"), executed)
    volumes = {True: [], False: []}
    for place in submits(made):
        volumes[place.reduces].append(desk.facts.volume(place.lots))
    assert volumes == {True: exits, False: remainder}
    state = desk.slot().state
    assert len(state.recovery_orders) == carved
    assert state.b.dust.volume == dust
    assert tracked_position(state) == pytest.approx(executed)
    assert desk.grid.violations == 0
    (canary,) = desk.alerts("partial_cancel")
    assert canary.text.startswith("PHANTOM_POSITION_CANARY txid=")
    assert f"vol_exec={executed} vol=120.0 handled=true" in canary.text
    health = desk.status()["capacity_fill_health"]
    assert (health["partial_fill_cancel_events_1d"], health["status_band"]) == (1, "stop")
    assert health["partial_cancel_handled_total"] == 1


def test_dust_joins_the_legs_next_exit():
    desk = Desk(**SIZES).open()
    desk.end(desk.one("B"), 30.0)
    desk.accept()
    (exit_,) = submits(desk.fill(desk.one("B")))
    assert desk.facts.volume(exit_.lots) == 120.0
    assert desk.slot().state.b.dust.volume == 0.0
    (booked,) = books(desk.fill(desk.one("B")))
    assert booked.values["volume"] == 120.0
    assert desk.grid.violations == 0


@pytest.mark.parametrize("lot_decimals", [0, 2, 8])
@pytest.mark.parametrize(("executed", "rest"), [(60.0, 60.0), (100.0, 0.0), (0.0, 120.0)])
def test_an_exit_that_ends_early_keeps_its_rest_at_its_price(lot_decimals, executed, rest):
    desk = Desk(facts=doge(lot_decimals), **SIZES).open()
    desk.fill(desk.one("A"))
    desk.accept()
    exit_ = desk.one("A")
    limit = desk.limit(exit_)
    made = desk.end(exit_, executed)
    assert [booked.values["volume"] for booked in books(made)] == ([executed] if executed else [])
    placed = [place for place in submits(made) if place.reduces]
    assert [(desk.facts.price(place.limit_ticks), desk.facts.volume(place.lots)) for place in placed] == (
        [(limit, rest)] if rest else []
    )
    assert desk.slot().state.a.dust.volume == pytest.approx(120.0 - executed - rest)
    assert desk.grid.violations == 0
    assert [command for command in desk.commands if isinstance(command, Refuse)] == []


def test_the_same_news_twice_changes_nothing():
    desk = Desk().open()
    entry = desk.one("A")
    news = desk.progress(entry, 60.0)
    assert submits(desk.step(news))
    assert desk.step(news) == []
    assert len(desk.slot().state.orders) == 2


def test_a_fill_after_the_end_is_told_to_a_person():
    desk = Desk().open()
    entry = desk.one("A")
    late, limit = desk.progress(entry, 60.0), desk.limit(entry)
    desk.end(entry)
    desk.step(late)
    (alert,) = desk.alerts("unclaimed_fill")
    assert alert.severity is Severity.PAGE
    assert desk.slot().quarantined
    assert desk.slot().residue_base == desk.grid.residue.base == -60.0
    assert desk.grid.residue.cost_usd == pytest.approx(-60.0 * limit)


def test_a_slot_with_a_fill_after_the_end_trades_again_when_a_person_resumes_it():
    desk = Desk().open()
    entry = desk.one("A")
    late = desk.progress(entry, 60.0)
    desk.end(entry)
    desk.step(late)
    assert not [place for place in submits(desk.loops(30)) if place.position.leg == "A"]
    assert desk.ask("resume") == "ok: resumed"
    assert not desk.slot().quarantined
    assert [place for place in submits(desk.loops(30)) if place.position.leg == "A"]
    assert desk.grid.violations == 0


# ---- recoveries


def test_an_evicted_recovery_that_fills_after_all_leaves_no_residue():
    desk = Desk(
        recovery_evict_books=True,
        max_recovery_slots=1,
        s1_orphan_after_sec=60.0,
        reentry_base_cooldown_sec=0.0,
        daily_loss_limit_usd=0.0,
        **LEGACY,
    ).open()
    desk.fill(desk.one("A"))
    desk.accept()
    first = desk.one("A")
    desk.price = 0.201
    desk.loops(3)
    desk.accept()
    assert [row.reason for row in desk.slot().state.recovery_orders] == ["s1_timeout"]
    (second,) = [entry for entry in desk.find("A") if entry != first]
    desk.fill(second)
    desk.accept()
    desk.price = 0.202
    made = desk.loops(3)
    assert [cancel.client_id for cancel in cancels(made) if cancel.client_id == first] == [first]
    assert [booked.values["cause"] for booked in books(made)] == ["eviction"]
    assert desk.slot().residue_base < 0.0
    desk.fill(first)
    assert desk.slot().residue_base == pytest.approx(0.0)
    assert [row.values["cause"] for row in books(desk.commands, "residue")] == ["eviction", "fill_after_write_off"]
    assert desk.grid.residue.base == pytest.approx(0.0)
    assert desk.restarted().grid.residue.snapshot() == desk.grid.residue.snapshot()
    assert len(desk.alerts("fill_after_write_off")) == 1
    desk.loops(3)
    assert desk.grid.violations == 0
    assert set(desk.grid.keys) == set(desk.slot().sent.values())


def test_an_orphan_keeps_its_order_at_the_venue_and_books_its_fill():
    desk = Desk(s1_orphan_after_sec=60.0, **LEGACY).open()
    desk.fill(desk.one("A"))
    desk.accept()
    exit_ = desk.one("A")
    desk.price = 0.201
    made = desk.loops(3)
    assert cancels(made) == []
    assert not any(isinstance(row, Order) and row.role == "exit" for row in desk.slot().state.orders)
    (booked,) = books(desk.fill(exit_))
    assert booked.values["cause"] == "recovery"
    assert desk.grid.violations == 0
