"""`audit_pnl`: the running sums against the ledger's records, to 1e-8 (slots 7.3), each wrong sum by its name."""

import pytest

from millrace.strategies.slots.books.pnl_audit import opening_records
from millrace.strategies.slots.books.retired import Totals
from slots_desk import DAY_NS, Desk, books

CYCLES = {"reentry_base_cooldown_sec": 0.0, "daily_loss_limit_usd": 0.0}


def traded(rounds=3, **changes):
    """Return a desk that has won, lost and holds a part fill and an open exit."""
    desk = Desk(2, **(CYCLES | changes)).open()
    for price in [0.1, *[None] * (rounds - 1)]:
        desk.fill(desk.one("B"))
        desk.accept()
        desk.fill(desk.one("B"), price=price)
        desk.loops(2)
        desk.accept()
    desk.fill(desk.one("A"))
    desk.accept()
    desk.fill(desk.one("A"), 10.0)
    desk.fill(desk.one("B", 2), 20.0)
    return desk


def test_sums_of_wins_losses_open_exits_and_part_fills_agree():
    desk = traded()
    answer = desk.audited()
    assert answer.ok, answer.message
    assert (answer.request, answer.action) == ("r1", "audit_pnl")
    assert answer.data["compared"] == 2 * 6 + 6 + 1
    assert desk.status()["pnl_audit"]["ok"] is True
    assert desk.grid.totals().loss_usd > 1.0
    assert sum(book.values["net"] for book in books(desk.commands)) == pytest.approx(desk.grid.totals().profit_usd)
    assert desk.restarted().status()["pnl_audit"] == desk.status()["pnl_audit"]


def test_before_the_first_audit_nobody_knows():
    assert Desk().status()["pnl_audit"]["ok"] is None
    assert Desk().ask("audit_pnl").startswith("ok: the ledger is being added up")
    assert Desk().ask("audit_pnl", force=True).startswith("refused: audit_pnl knows no argument force")


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("profit", "total_profit"),
        ("settled", "total_settled_usd"),
        ("loss", "today_realized_loss"),
        ("round_trips", "total_round_trips"),
        ("fees_booked", "total_fees"),
    ],
)
def test_a_sum_that_is_wrong_by_a_hundred_millionth_and_a_bit_is_named(name, field):
    desk = traded()
    state = desk.slot().state
    setattr(state, field, getattr(state, field) + (1 if field == "total_round_trips" else 1.1e-8))
    answer = desk.audited()
    assert answer.code == 400
    assert {(row["subject"], row["name"]) for row in answer.data["differences"]} >= {("slot1", name)}
    assert "slot1" in answer.message
    setattr(state, field, getattr(state, field) - (1 if field == "total_round_trips" else 1.0e-8))
    assert desk.audited().ok


def test_fees_that_the_venue_charged_and_the_slot_did_not_count_are_found():
    desk = traded()
    order = desk.slot(2).state.leg_order("B")
    order.executed_fee -= 0.01
    (row,) = desk.audited().data["differences"]
    assert (row["subject"], row["name"], round(row["difference"], 9)) == ("slot2", "fees_paid", -0.01)


def test_the_days_loss_is_the_ledgers_of_this_utc_day():
    desk = traded()
    desk.grid.lock.book(-0.5, desk.now_ns)
    (row,) = desk.audited().data["differences"]
    assert (row["subject"], row["name"]) == ("account", "today_realized_loss")
    desk.now_ns += DAY_NS
    desk.loop()
    assert desk.audited().ok, "yesterday's loss is not today's"


def test_sums_that_came_with_an_old_slot_are_in_the_ledger_from_the_start():
    """What an import brings was realised before this ledger began (slots 17)."""
    desk = Desk(1, **CYCLES).open()
    state = desk.slot().state
    state.total_profit, state.total_settled_usd, state.total_fees = 12.5, 12.0, 3.25
    state.today_realized_loss, state.total_round_trips = 1.0, 40
    desk.grid.lock.book(-0.25, desk.now_ns)
    desk.grid.retired.take(9, Totals(profit_usd=2.0, round_trips=3))
    assert not desk.audited().ok
    desk.commands += opening_records(
        "slots", str(desk.facts.id), {1: state}, desk.grid.retired, desk.grid.lock.loss_usd(desk.now_ns), desk.now_ns
    )
    desk.fill(desk.one("B"))
    desk.accept()
    desk.fill(desk.one("B"))
    answer = desk.audited()
    assert answer.ok, answer.message
    desk.now_ns += DAY_NS
    desk.loop()
    assert desk.audited().ok, "yesterday's loss is not today's"
