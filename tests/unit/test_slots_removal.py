"""Slots leave the grid when their orders have left the book, and take nothing out of the books (slots 18, 7.3, P31)."""

import pytest

from millrace.core.commands import Reply, Severity
from millrace.core.events import Operator
from millrace.strategies.slots.books.balance_recon import unrealised_usd
from millrace.strategies.slots.release.gates import ReleaseSettings
from slots_desk import Desk, books, cancels, saw, submits

QUIET = {"reentry_base_cooldown_sec": 0.0, "daily_loss_limit_usd": 0.0}


def ask(desk, action, **args):
    """Return the first reply, and everything that was commanded with it."""
    made = desk.step(Operator(action, args, desk.now_ns, "r1"))
    return next(command for command in made if isinstance(command, Reply)), made


def replies(commands):
    return [command for command in commands if isinstance(command, Reply)]


def account(desk):
    """Return what must not jump: realised sums, and open profit with that of the residue."""
    open_usd = sum(unrealised_usd(slot.state, desk.price) for slot in desk.grid.slots.values())
    return desk.grid.totals(), open_usd + desk.grid.residue.unrealised_usd(desk.price)


def traded(count=2):
    """Return a desk whose slots have each made a round trip and hold none."""
    desk = Desk(count, **QUIET).open()
    for slot_id in range(1, count + 1):
        desk.fill(desk.one("B", slot_id))
        desk.accept()
        desk.fill(desk.one("B", slot_id))
    desk.loops(2)
    desk.accept()
    return desk


def test_a_slot_goes_when_the_venue_has_confirmed_the_end_of_its_entries():
    desk = traded()
    before = account(desk)
    first, made = ask(desk, "remove_slot", slot_id=1)
    assert (first.ok, first.final, first.request) == (True, False, "r1")
    mine = desk.find(slot=1)
    assert {command.client_id for command in cancels(made)} == set(mine)
    assert replies(desk.end(mine[0])) == []
    assert 1 in desk.grid.slots
    (last,) = replies(desk.end(mine[1]))
    assert (last.ok, last.final, last.request, last.action) == (True, True, "r1", "remove_slot")
    assert last.data == {"removed": [1], "slot_count": 1}
    assert list(desk.grid.slots) == [2]
    assert account(desk) == before
    assert desk.grid.retired.totals.round_trips == 1
    assert desk.status()["totals"]["round_trips"] == 2
    assert desk.audited().ok, desk.audited().message
    assert submits(desk.loops(3)) == []
    assert desk.restarted().grid.totals() == desk.grid.totals()


def test_ids_are_never_given_again():
    desk = traded()
    ask(desk, "remove_slot", slot_id=2)
    for order in desk.find(slot=2):
        desk.end(order)
    assert desk.ask("add_slot") == "ok: slot 3 added"


def test_while_in_position_it_needs_a_confirmation():
    desk = traded()
    desk.fill(desk.one("B"))
    desk.accept()
    answer, made = ask(desk, "remove_slot", slot_id=1)
    assert answer.code == 400
    assert "slot 1 is in position" in answer.message
    assert "confirm=true" in answer.message
    assert cancels(made) == []
    assert not desk.grid.removal.is_active
    answer, _ = ask(desk, "remove_slot", slot_id=1, confirm="maybe")
    assert answer.code == 400


@pytest.mark.parametrize("leg", ["A", "B"])
@pytest.mark.parametrize("part", [0.0, 20.0])
def test_a_confirmed_removal_leaves_the_position_in_the_residue_and_no_total_jumps(leg, part):
    desk = traded()
    desk.fill(desk.one(leg))
    desk.accept()
    if part:
        desk.fill(desk.one(leg), part)
    lots = desk.engine.position(desk.grid.position(1, leg))
    desk.loop(0.21)
    totals, open_usd = account(desk)
    ask(desk, "remove_slot", slot_id=1, confirm=True)
    for order in desk.find(slot=1):
        made = desk.end(order, part if order == desk.one(leg) else 0.0)
    (last,) = replies(made)
    assert last.ok, last.message
    assert 1 not in desk.grid.slots
    after, open_after = account(desk)
    booked = after.profit_usd - totals.profit_usd
    assert booked == pytest.approx(0.0) if not part else booked != 0.0
    assert after.profit_usd + open_after == pytest.approx(totals.profit_usd + open_usd - _fees_of(desk, part))
    (residue,) = books(desk.commands, "residue")
    assert residue.values["cause"] == "slot_removed"
    assert residue.values["volume"] == pytest.approx(desk.facts.volume(abs(lots)))
    assert desk.engine.position(desk.grid.position(1, leg)) != 0, "the ledger keeps the coins under the slot's name"
    assert desk.audited().ok, desk.audited().message
    assert submits(desk.loops(3)) == []


def _fees_of(desk, part):
    """Return the fees that the booking of a part fill took out of the profit; open profit is before fees."""
    if not part:
        return 0.0
    return books(desk.commands)[-1].values["fees"]


def test_an_entry_that_fills_before_it_is_off_the_book_calls_the_removal_off():
    desk = traded()
    ask(desk, "remove_slot", slot_id=1)
    made = desk.fill(desk.one("B"))
    (last,) = replies(made)
    assert last.code == 400
    assert "filled before it was off the book" in last.message
    assert last.data["stopped_at"] == 1
    (exit_,) = submits(made)
    assert exit_.reduces, "the position has its exit"
    desk.end(desk.one("A"))
    assert [place.position.leg for place in submits(desk.loop())] == ["A"], "and the other leg is armed again"
    assert desk.audited().ok


def test_with_a_confirmation_that_position_goes_too():
    desk = traded()
    desk.fill(desk.one("B"))
    desk.accept()
    ask(desk, "remove_slot", slot_id=1, confirm=True)
    assert submits(desk.fill(desk.one("A"))) == [], "no exit is sent for a slot that goes"
    (last,) = replies(desk.end(desk.one("B")))
    assert last.ok, last.message
    assert len(books(desk.commands, "residue")) == 2
    assert desk.grid.residue.base == pytest.approx(0.0)
    assert desk.audited().ok


def test_an_exit_that_fills_during_the_cancel_is_booked_as_the_fill_that_it_is():
    desk = traded()
    desk.fill(desk.one("B"))
    desk.accept()
    ask(desk, "remove_slot", slot_id=1, confirm=True)
    desk.end(desk.one("A"))
    (last,) = replies(desk.fill(desk.one("B")))
    assert last.ok
    assert books(desk.commands, "residue") == []
    assert desk.grid.retired.totals.round_trips == 2
    assert desk.audited().ok


def test_a_cancel_that_is_not_confirmed_in_time_keeps_the_slot():
    desk = traded()
    ask(desk, "remove_slot", slot_id=1)
    stuck = desk.one("A")
    desk.refuse_cancel(stuck, "unknown order")
    desk.end(desk.one("B"))
    assert replies(desk.loop()) == []
    (last,) = replies(desk.loop())
    assert last.code == 400
    assert "did not confirm" in last.message
    assert 1 in desk.grid.slots
    assert stuck in desk.find(slot=1), "and its order is still tracked"
    assert [place.position.leg for place in submits(desk.loops(2))] == ["B"]
    assert desk.alerts("remove_slot")[-1].severity is Severity.INFO


def test_the_loop_in_which_time_is_up_is_waited_for():
    desk = traded()
    desk.loops(2)
    ask(desk, "remove_slot", slot_id=1)
    desk.refuse_cancel(desk.one("A"), "unknown order")
    desk.loop()
    assert desk.strategy.interest().deadline_ns <= desk.grid.loop_at_ns(desk.grid.removal.ends_ns)


def test_many_go_from_the_highest_id_and_the_first_that_cannot_stops_it():
    desk = traded(4)
    desk.fill(desk.one("B", 2))
    desk.accept()
    ask(desk, "remove_slots", count=3)
    heard = []
    for slot_id in (4, 3):
        for order in desk.find(slot=slot_id):
            heard += replies(desk.end(order))
    (last,) = heard
    assert last.code == 400
    assert last.message.startswith("slots 4, 3 removed; slot 2 is in position")
    assert last.data == {"removed": [4, 3], "stopped_at": 2, "slot_count": 2}
    assert list(desk.grid.slots) == [1, 2]
    assert desk.audited().ok


def test_slots_that_have_nothing_at_the_venue_go_at_once():
    desk = Desk(3)
    answer, _ = ask(desk, "remove_slots", count=3)
    assert (answer.ok, answer.final, answer.data) == (True, True, {"removed": [3, 2, 1], "slot_count": 0})
    assert desk.loops(2) == []
    assert desk.ask("add_slot") == "ok: slot 4 added"
    assert {place.position.group for place in submits(desk.loop())} == {"slot4"}


def test_one_removal_at_a_time_and_it_survives_a_restart():
    desk = traded()
    ask(desk, "remove_slot", slot_id=1)
    assert desk.ask("remove_slot", slot_id=2) == "refused: slot 1 is being removed; wait until it is gone"
    desk = desk.restarted()
    first, second = desk.find(slot=1)
    desk.end(first)
    (last,) = replies(desk.end(second))
    assert (last.request, last.ok) == ("r1", True)


def test_a_slot_that_does_not_know_what_it_holds_stays():
    desk = traded()
    desk.slot().residue_base = 5.0
    answer, _ = ask(desk, "remove_slot", slot_id=1, confirm=True)
    assert answer.message.startswith("slot 1 does not know what it holds")


def test_the_side_watch_forgets_a_slot_that_went():
    desk = traded()
    ask(desk, "remove_slot", slot_id=1)
    for order in desk.find(slot=1):
        desk.end(order)
    assert desk.grid.sides.starved is None
    assert desk.grid.sides.snapshot()["rows"] == [[2, [1, 1, 0, 0]]]


def test_what_a_removed_slot_executed_after_all_is_residue():
    desk = Desk(2).open()
    entry, other = desk.one("A", 1), desk.one("B", 1)
    late, limit = desk.progress(entry, 60.0), desk.limit(entry)
    ask(desk, "remove_slot", slot_id=1)
    desk.end(entry)
    desk.end(other)
    assert list(desk.grid.slots) == [2]
    desk.step(late)
    assert len(desk.alerts("unclaimed_fill")) == 1
    assert desk.grid.residue.base == -60.0
    assert desk.grid.residue.cost_usd == pytest.approx(-60.0 * limit)
    assert desk.audited().ok, desk.audited().message


@pytest.mark.parametrize("taken", [60.0, 5.0, 0.0])
def test_a_release_that_closes_at_the_market_stays_one_when_its_slot_is_removed(taken):
    release = ReleaseSettings(min_age_sec=0.0, min_distance_pct=0.0, adx_threshold=0.0, close_mode="market")
    desk = Desk(1, release=release, refresh_pct=90.0, **QUIET).open()
    saw(desk, 40)
    desk.fill(desk.one("B"))
    desk.accept()
    desk.print(0.17)
    exit_ = desk.one("B")
    ask(desk, "release_slot", slot_id=1)
    desk.end(exit_)
    closing, entry = desk.one("B"), desk.one("A")
    _, made = ask(desk, "remove_slot", slot_id=1, confirm=True)
    assert [command.client_id for command in cancels(made)] == [entry], "it takes what is there and ends by itself"
    desk.end(entry)
    made = desk.fill(closing, price=0.17) if taken == 60.0 else desk.end(closing, taken)
    assert [row.values["cause"] for row in books(made)] == (["market_release"] if taken else [])
    assert desk.alerts("partial_cancel") == []
    assert desk.grid.slots == {}
    assert desk.grid.residue.base == 60.0 - taken
    assert desk.audited().ok, desk.audited().message
