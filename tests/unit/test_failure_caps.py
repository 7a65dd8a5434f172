"""Failures in a row: 5 per venue, 3 per family, 8 in all; 15 minutes, then three small orders (runtime 2.17 rule 4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard_floor import BTC, DOGE, Floor, stops
from millrace.config.load import load_settings
from millrace.core.commands import Alert, OrderState, Severity, Side
from millrace.core.events import (
    NOT_SENT,
    EndStatus,
    OrderEnded,
    OrderProgress,
    OrderUnknown,
    RejectReason,
)
from millrace.core.ids import SubPosition
from millrace.core.permission import Level, Recovery
from millrace.risk.failure_caps import ECONOMIC, FailureCaps, least_lots

FAMILY, VENUE, TOTAL = "failures/halt/family:E", "failures/halt/venue:kraken", "failures/halt/global"
LEAST = 50.0
LEG = SubPosition("arb", DOGE.id, "x/E/b", "A")


def floor(**changes) -> Floor:
    made = Floor(FailureCaps((DOGE, BTC), stops(**changes)))
    made.price(0.2)
    return made


def fail(desk: Floor, times: int = 1, group: str = "x/E/b", reason: RejectReason = RejectReason.OTHER, **more) -> None:
    for _ in range(times):
        facts = more.get("facts", DOGE)
        client_id = desk.want(leg=SubPosition("arb", facts.id, group, "A"), **more)
        assert isinstance(client_id, str), client_id
        desk.reject(client_id, reason)


def test_the_defaults_are_those_of_2_17():
    chosen = load_settings().stops
    assert (chosen.venue_failures, chosen.family_failures, chosen.total_failures) == (5, 3, 8)
    assert (chosen.probation_after_sec, chosen.probation_orders) == (15 * 60, 3)


def test_three_in_a_row_halt_their_family_only():
    desk = floor()
    fail(desk, 2, "x/E1/b")
    assert desk.standing() == {}
    fail(desk, 1, "x/E1/b")
    assert desk.standing() == {"failures/halt/family:E1": Level.HALT}
    (halt,) = desk.board.active()
    assert halt.recovery is Recovery.PROBATION
    assert isinstance(desk.want(), str), "others trade on"
    assert [alert.severity for alert in desk.made if isinstance(alert, Alert)] == [Severity.PAGE]


def test_an_instrument_alone_is_no_family_and_its_venue_counts():
    desk = floor()
    fail(desk, 4, "slot1")
    assert desk.standing() == {}
    fail(desk, 1, "slot2")
    assert desk.standing() == {VENUE: Level.HALT}


def test_five_in_a_row_halt_the_venue_and_eight_everything():
    desk = floor()
    for number in range(4):
        fail(desk, 1, f"x/E{number}/b")
    assert desk.standing() == {}
    fail(desk, 1, "x/E4/b")
    assert desk.standing() == {VENUE: Level.HALT}
    for number in range(2):
        fail(desk, 1, f"x/E{number}/b", facts=BTC, units=0.01, price=20_000.0)
    assert desk.standing() == {VENUE: Level.HALT}
    fail(desk, 1, "x/E7/b", facts=BTC, units=0.01, price=20_000.0)
    assert desk.standing() == {VENUE: Level.HALT, TOTAL: Level.HALT}


@pytest.mark.parametrize("reason", sorted(ECONOMIC | NOT_SENT))
def test_refusals_that_belong_to_trading_are_no_failures(reason):
    desk = floor()
    fail(desk, 2)
    fail(desk, 9, reason=reason)
    assert desk.standing() == {}
    fail(desk)
    assert FAMILY in desk.standing(), "neither do they end a run"


@pytest.mark.parametrize("how", ["accepted", "filled", "answered"])
def test_a_success_ends_a_run(how):
    desk = floor()
    fail(desk, 2)
    client_id = desk.want(leg=LEG)
    if how == "answered":
        desk.step(OrderUnknown(client_id, "time-out", desk.now_ns))
    desk.fill(client_id) if how == "filled" else desk.accept(client_id)
    fail(desk, 2)
    assert desk.standing() == {}
    fail(desk)
    assert desk.standing() == {FAMILY: Level.HALT}


def test_what_nobody_knows_and_what_we_took_back_is_no_outcome():
    desk = floor()
    for _ in range(9):
        client_id = desk.want(leg=LEG)
        desk.step(OrderUnknown(client_id, "time-out", desk.now_ns))
        desk.step(OrderEnded(OrderProgress(client_id, 0, 0, 0, desk.now_ns), EndStatus.CANCELLED, "withdrawn"))
    assert desk.standing() == {}


def halted() -> Floor:
    desk = floor()
    fail(desk, 3)
    assert desk.board.standing_of(LEG).level is Level.HALT
    return desk


def test_after_15_minutes_three_orders_of_least_size_must_succeed():
    desk = halted()
    assert desk.wait(899) == []
    assert desk.want(leg=LEG) == ("execution_failures",)
    desk.wait(1)
    assert desk.board.standing_of(LEG).multiplier == 0.25
    assert desk.board.standing_of(LEG).level is Level.CAUTION
    assert desk.want(LEAST * 1.03, leg=LEG) == ("probation",), "no more than the minimum"
    first = [desk.want(LEAST * 1.02, leg=LEG) for _ in range(3)]
    assert desk.want(LEAST, leg=LEG) == ("probation",), "no more than are needed"
    for client_id in first[:2]:
        desk.accept(client_id)
    assert desk.board.standing_of(LEG).level is Level.CAUTION
    desk.accept(first[2])
    assert desk.standing() == {}
    assert isinstance(desk.want(500.0, leg=LEG), str)


def test_a_failure_on_probation_begins_the_wait_anew():
    desk = halted()
    desk.wait(900)
    desk.accept(desk.want(LEAST, leg=LEG))
    desk.reject(desk.want(LEAST, leg=LEG))
    assert desk.standing() == {FAMILY: Level.HALT}
    desk.wait(899)
    assert desk.board.standing_of(LEG).level is Level.HALT
    desk.wait(1)
    assert desk.board.standing_of(LEG).level is Level.CAUTION
    for _ in range(3):
        assert desk.board.standing_of(LEG).level is Level.CAUTION
        desk.accept(desk.want(LEAST, leg=LEG))
    assert desk.standing() == {}


def test_exits_leave_on_probation_at_any_size_and_count():
    desk = floor()
    desk.trade(600.0, leg=LEG)
    fail(desk, 3)
    desk.wait(900)
    desk.accept(desk.want(600.0, side=Side.SELL, reduces=True, leg=LEG))
    runs = desk.engine.guards[0].status(desk.engine)
    assert runs["family:E"]["probation_orders_needed"] == 2


def test_a_restart_keeps_run_halt_and_probation():
    desk = floor()
    fail(desk, 2)
    desk.restarted(FailureCaps((DOGE, BTC), stops()))
    fail(desk)
    assert desk.standing() == {FAMILY: Level.HALT}
    desk.restarted(FailureCaps((DOGE, BTC), stops()))
    desk.wait(900)
    desk.restarted(FailureCaps((DOGE, BTC), stops()))
    assert desk.want(60.0, leg=LEG) == ("probation",)


def test_nought_switches_a_cap_off():
    desk = floor(family_failures=0, venue_failures=0)
    fail(desk, 7)
    assert desk.standing() == {}
    fail(desk)
    assert desk.standing() == {TOTAL: Level.HALT}


def test_status_is_computed():
    desk = floor()
    fail(desk, 2)
    shown = desk.engine.guards[0].status(desk.engine)
    assert shown["venue:kraken"] == {
        "consecutive_failures": 2, "limit": 5, "halted_until_ns": None, "probation_orders_needed": None,
    }  # fmt: skip


@given(st.integers(1, 10**8))
def test_the_least_size_meets_both_minimums_and_little_more(ticks: int):
    lots = least_lots(DOGE, ticks)
    assert lots % DOGE.lot == 0
    assert lots >= DOGE.min_lots
    assert DOGE.cost(ticks, lots) >= DOGE.min_cost
    smaller = lots * 100 // 103
    assert smaller < DOGE.min_lots or DOGE.cost(ticks, smaller) < DOGE.min_cost


@given(st.lists(st.sampled_from(["ok", "bad", "wait"]), max_size=40))
def test_any_history_halts_exactly_after_three_in_a_row(history):
    """With the family's cap alone, a model of three lines says the same."""
    desk = floor(venue_failures=0, total_failures=0)
    run, until, needed = 0, None, None
    for what in history:
        if what == "wait":
            desk.wait(600)
            if until is not None and desk.now_ns >= until:
                run, until, needed = 0, None, 3
            continue
        client_id = desk.want(LEAST, leg=LEG)
        assert isinstance(client_id, str) == (until is None)
        if until is not None:
            continue
        (desk.accept if what == "ok" else desk.reject)(client_id)
        if what == "ok":
            run = 0
            needed = None if needed in {None, 1} else needed - 1
        else:
            run += 1
            if needed is not None or run >= 3:
                until, needed = desk.now_ns + 900 * 10**9, None
    expected = Level.HALT if until is not None else Level.CAUTION if needed is not None else Level.OPEN
    assert desk.board.standing_of(LEG).level is expected
    assert all(order.state is not OrderState.SENT for order in desk.orders.unfinished())
