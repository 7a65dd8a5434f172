"""Soft closes and stale recoveries: an operator's word, real trades, every coin accounted for (slots 18, P7)."""

import pytest

from millrace.core.commands import Reply, Style
from millrace.core.events import Operator
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.strategies.slots.release.gates import ReleaseSettings
from slots_desk import Desk, books, cancels, saw, submits

LEGACY = {
    "sticky_mode_enabled": False,
    "order_size_mode": "USD",
    "order_size_usd": 25.0,
    "s1_orphan_after_sec": 60.0,
    "s2_orphan_after_sec": 60.0,
    "reentry_base_cooldown_sec": 0.0,
    "daily_loss_limit_usd": 0.0,
    "max_recovery_slots": 4,
}


def ask(desk, action, **args):
    made = desk.step(Operator(action, args, desk.now_ns, "r1"))
    return next(command for command in made if isinstance(command, Reply)), made


def recovering(count=2, price=0.19, **changes):
    """Return a desk whose slots each have a recovery that the market has left far behind, slot 1's the oldest."""
    desk = Desk(count, **(LEGACY | changes)).open()
    for slot_id in range(1, count + 1):
        desk.fill(desk.one("B", slot_id))
    desk.accept()
    desk.loop(price)
    for _ in range(6):
        desk.loop()
        desk.accept()
    assert all(desk.slot(slot_id).state.recovery_orders for slot_id in range(1, count + 1))
    return desk


def order_of(desk, slot_id, recovery_id):
    """Return the client id of a recovery's order."""
    key = desk.slot(slot_id).sent[-recovery_id]
    return next(client_id for client_id, place in desk.sent.items() if place.key == key)


def test_a_soft_close_places_the_recovery_again_near_the_market_and_books_what_trades_under_its_name():
    desk = recovering(1)
    (row,) = desk.slot().state.recovery_orders
    order = order_of(desk, 1, row.recovery_id)
    answer, made = ask(desk, "soft_close", slot_id=1, recovery_id=row.recovery_id)
    assert answer.ok, answer.message
    assert [command.client_id for command in cancels(made)] == [order]
    (again,) = submits(desk.end(order))
    near = desk.price * (1.0 + desk.grid.entry_pct / 100.0)
    assert desk.facts.price(again.limit_ticks) == pytest.approx(near, rel=1e-5)
    assert again.reduces
    desk.accept()
    (new,) = desk.slot().state.recovery_orders
    made = desk.fill(order_of(desk, 1, new.recovery_id))
    (cycle,) = books(made)
    assert cycle.values["cause"] == "soft_close"
    assert cycle.values["net"] < 0.0
    assert desk.grid.lock.loss_usd(desk.now_ns) == pytest.approx(-cycle.values["net"]), "the daily lock counts it"
    assert desk.audited().ok


def test_without_an_id_the_slots_oldest_is_closed():
    desk = recovering(1)
    assert ask(desk, "soft_close", slot_id=1)[0].data["recovery_id"] == desk.slot().state.recovery_orders[0].recovery_id
    desk.slot().state.recovery_orders.clear()
    assert "has no recovery to close; it has none" in ask(desk, "soft_close", slot_id=1)[0].message


def test_the_next_to_close_is_the_one_that_waited_longest():
    desk = recovering(2)
    desk.slot(2).state.recovery_orders[0].orphaned_at -= 60.0
    first, second = ask(desk, "soft_close_next")[0], ask(desk, "soft_close_next")[0]
    assert [first.data["slot_id"], second.data["slot_id"]] == [2, 1]
    assert ask(desk, "soft_close_next")[0].message == "no slot that is not sticky has a recovery to close"


def test_a_stale_recovery_is_given_up_its_coins_become_residue_and_nothing_is_booked():
    desk = recovering(2)
    answer, made = ask(desk, "cancel_stale_recoveries", min_distance_pct=3.0, max_batch=1)
    assert answer.ok, answer.message
    (gone,) = answer.data["cancelled"]
    assert answer.data["left"] == 1
    assert gone["distance_pct"] >= 3.0
    (cancel,) = cancels(made)
    before = desk.grid.totals()
    booked = len(books(desk.commands))
    desk.end(cancel.client_id)
    slot = desk.slot(gone["slot_id"])
    assert slot.state.recovery_orders == []
    assert desk.grid.totals() == before
    assert len(books(desk.commands)) == booked
    (residue,) = books(desk.commands, "residue")
    assert residue.values["cause"] == "stale_recovery"
    assert residue.values["volume"] > 0.0
    assert desk.grid.violations == 0
    assert desk.audited().ok, desk.audited().message
    desk.loops(3)
    assert desk.grid.violations == 0


def test_one_that_trades_while_it_is_cancelled_is_booked_for_what_it_traded():
    desk = recovering(1)
    (row,) = desk.slot().state.recovery_orders
    order = order_of(desk, 1, row.recovery_id)
    ask(desk, "cancel_stale_recoveries")
    desk.end(order, 60.0)
    (cycle,) = books(desk.commands)
    assert (cycle.values["cause"], cycle.values["volume"]) == ("recovery", pytest.approx(60.0))
    (residue,) = books(desk.commands, "residue")
    assert residue.values["volume"] == pytest.approx(row.volume - 60.0)
    assert desk.slot().state.recovery_orders == []
    assert desk.grid.violations == 0
    assert desk.audited().ok


def test_near_ones_and_those_that_fill_already_are_left():
    desk = recovering(1)
    answer, made = ask(desk, "cancel_stale_recoveries", min_distance_pct=50.0)
    assert answer.code == 400
    assert "at 50 % or more" in answer.message
    (row,) = desk.slot().state.recovery_orders
    desk.fill(order_of(desk, 1, row.recovery_id), 10.0)
    assert ask(desk, "cancel_stale_recoveries")[0].code == 400
    assert cancels(made) == []


@pytest.mark.parametrize("action", ["soft_close", "soft_close_next", "cancel_stale_recoveries"])
def test_a_sticky_grid_refuses_and_names_what_to_do_instead(action):
    desk = Desk(2).open()
    args = {"slot_id": 1, "recovery_id": 1} if action == "soft_close" else {}
    answer, _ = ask(desk, action, **args)
    assert answer.code == 400
    assert "sticky" in answer.message
    assert "release_slot" in answer.message


def test_a_sticky_slot_in_a_grid_that_is_not_refuses_too():
    desk = recovering(2)
    desk.slot(1).sticky = True
    (row,) = desk.slot(1).state.recovery_orders
    assert "sticky" in desk.ask("soft_close", slot_id=1, recovery_id=row.recovery_id)
    assert ask(desk, "soft_close_next")[0].data["slot_id"] == 2


@pytest.mark.parametrize(
    ("action", "args", "text"),
    [
        ("soft_close", {}, "soft_close needs slot_id="),
        ("soft_close", {"slot_id": 1, "recovery_id": 99}, "slot 1 has no recovery 99"),
        ("soft_close", {"slot_id": 99, "recovery_id": 1}, "there is no slot 99"),
        ("soft_close", {"slot_id": 1.0, "recovery_id": 1}, "slot_id must be a whole number"),
        ("soft_close_next", {"slot_id": 1}, "soft_close_next knows no argument slot_id"),
        ("cancel_stale_recoveries", {"max_batch": 21}, "max_batch must be a whole number from 1 to 20, not 21"),
        ("cancel_stale_recoveries", {"max_batch": 0}, "max_batch must be a whole number from 1 to 20, not 0"),
        ("cancel_stale_recoveries", {"min_distance_pct": -1}, "min_distance_pct must be a number of at least 0"),
        ("cancel_stale_recoveries", {"min_distance_pct": "far"}, "min_distance_pct must be a number"),
    ],
)
def test_arguments_are_checked_before_anything_happens(action, args, text):
    desk = recovering(1)
    answer, made = ask(desk, action, **args)
    assert answer.code == 400
    assert answer.message.startswith(text)
    assert cancels(made) == []


def test_carve_outs_belong_to_every_grid_and_are_left_alone():
    desk = recovering(1)
    row = desk.slot().state.recovery_orders[0]
    row.reason = "partial_cancel"
    assert "has no recovery" in desk.ask("soft_close", slot_id=1, recovery_id=row.recovery_id)
    assert desk.ask("soft_close_next").startswith("refused")
    assert desk.ask("cancel_stale_recoveries").startswith("refused")


@pytest.mark.parametrize("mode", ["synthetic", "market"])
def test_a_recovery_under_release_is_left_to_the_release(mode):
    release = ReleaseSettings(min_age_sec=0.0, min_distance_pct=0.0, adx_threshold=0.0, close_mode=mode)
    desk = recovering(1, release=release)
    (row,) = desk.slot().state.recovery_orders
    saw(desk, 40)
    order = order_of(desk, 1, row.recovery_id)
    answer, _ = ask(desk, "release_slot", slot_id=1, local_id=-row.recovery_id)
    assert answer.ok, answer.message

    def others():
        wanted = {"slot_id": 1, "recovery_id": desk.slot().state.recovery_orders[0].recovery_id}
        yield ask(desk, "soft_close", **wanted)
        yield ask(desk, "soft_close_next")
        yield ask(desk, "cancel_stale_recoveries", min_distance_pct=0.0)

    assert [(answer.ok, cancels(made)) for answer, made in others()] == [(False, [])] * 3
    made = desk.end(order)
    if mode == "market":
        assert [(answer.ok, cancels(made)) for answer, made in others()] == [(False, [])] * 3
        (closing,) = [client_id for client_id, place in desk.sent.items() if place.style is Style.IOC]
        made = desk.fill(closing, price=desk.price)
    assert [row.values["cause"] for row in books(made)] == ["release" if mode == "synthetic" else "market_release"]
    assert desk.audited().ok


@pytest.mark.parametrize(("action", "named"), [("soft_close", {"slot_id": 1}), ("soft_close_next", {})])
def test_a_halt_leaves_recoveries_on_the_book(action, named):
    desk = recovering(1)
    scope = Scope(ScopeKind.GLOBAL)
    desk.board.post(Restriction("test", scope, Level.HALT, ReasonCode.OPERATOR_PAUSE, "", "test", desk.now_ns))
    answer, made = ask(desk, action, **named)
    assert not answer.ok
    assert answer.message.startswith("trading is halted")
    assert cancels(made) == []
    desk.board.lift("test")
    assert ask(desk, action, **named)[0].ok
