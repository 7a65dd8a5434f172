"""Part fills and orders that ended early, from the venue's news to the books (slots 6), each clause on the real engine."""

import pytest

from millrace.core.events import EndStatus, OrderEnded, RejectReason
from millrace.strategies.slots.reducer.model import tracked_position
from slots_desk import Desk, books, cancels, submits

SIZES = {"order_size_doge": 120.0}
MAX_AGE_SEC = 1_800.0


def part_filled(volume: float = 60.0, **changes) -> tuple[Desk, str]:
    """Return a desk whose only slot has a part-filled buy entry, and that entry."""
    desk = Desk(**(SIZES | changes)).open()
    entry = desk.one("B")
    desk.fill(entry, volume)
    return desk, entry


def stale_cancels(desk: Desk, loops: int, price: float | None = None) -> list[str]:
    desk.price = price or desk.price
    return [cancel.client_id for cancel in cancels(desk.loops(loops)) if cancel.reason == "stale_partial"]


# ---- 6.4 open with 0 < executed < volume


def test_6_4_a_part_filled_entry_that_the_market_left_is_cancelled_after_1800_s_and_split():
    desk, entry = part_filled()
    assert desk.grid.settings.partial_open_max_age_sec == MAX_AGE_SEC
    assert stale_cancels(desk, 59, price=0.21) == [], "touched less than half an hour ago"
    assert stale_cancels(desk, 1) == [entry]
    assert stale_cancels(desk, 5) == [], "it is on its way off the book; its leg waits for its end"
    (carved, rest) = submits(desk.end(entry, 60.0))
    assert (carved.reduces, desk.facts.volume(carved.lots)) == (True, 60.0)
    assert (rest.reduces, desk.facts.volume(rest.lots)) == (False, 60.0)
    assert desk.facts.price(rest.limit_ticks) == pytest.approx(0.21 * 0.998, abs=1e-7)
    assert tracked_position(desk.slot().state) == 60.0
    assert desk.grid.violations == 0


def test_6_4_more_of_it_counts_as_touched():
    desk, entry = part_filled()
    stale_cancels(desk, 50, price=0.21)
    desk.fill(entry, 61.0)
    assert stale_cancels(desk, 59) == []
    assert stale_cancels(desk, 1) == [entry]


def test_6_4_an_entry_near_its_target_stays_however_old_until_the_price_leaves_it():
    desk, entry = part_filled()
    assert stale_cancels(desk, 200, price=0.2015) == []
    assert stale_cancels(desk, 2, price=0.21) == [entry]


def test_6_4_the_age_is_a_setting():
    desk, entry = part_filled(partial_open_max_age_sec=60.0)
    assert stale_cancels(desk, 3, price=0.21) == [entry]


def test_6_4_nothing_is_cancelled_while_its_rest_could_not_be_placed():
    desk, entry = part_filled()
    desk.ask("pause")
    assert stale_cancels(desk, 100, price=0.21) == []
    desk.ask("resume")
    assert stale_cancels(desk, 1) == [entry]


@pytest.mark.parametrize("reason", [RejectReason.RATE_LIMIT, RejectReason.LOST])
def test_6_4_a_cancel_that_was_put_off_is_sent_again_and_an_unknown_one_too(reason):
    desk, entry = part_filled()
    stale_cancels(desk, 61, price=0.21)
    desk.refuse_cancel(entry, reason.value)
    assert [cancel.client_id for cancel in cancels(desk.loop())] == [entry]
    desk.lose(entry)
    assert [cancel.client_id for cancel in cancels(desk.loop())] == [entry]


def test_6_4_the_fill_that_wins_the_race_opens_a_plain_exit():
    desk, entry = part_filled()
    assert stale_cancels(desk, 61, price=0.21) == [entry]
    (exit_,) = submits(desk.fill(entry))
    assert (exit_.reduces, desk.facts.volume(exit_.lots)) == (True, 120.0)
    assert desk.slot().state.recovery_orders == []


def test_6_4_a_part_filled_exit_is_left_alone():
    desk = Desk(**SIZES).open()
    desk.fill(desk.one("B"))
    desk.accept()
    exit_ = desk.one("B")
    desk.fill(exit_, 30.0)
    assert exit_ not in [cancel.client_id for cancel in [*cancels(desk.loops(100)), *cancels(desk.loop(0.18))]]


# ---- 6.2 c, 6.3: dust is booked, 7.3


def dust_moves(commands) -> list[tuple[str, float, float]]:
    return [(row.values["trade_id"], row.values["moved"], row.values["volume"]) for row in books(commands, "dust")]


def test_6_2c_and_7_3_every_dust_move_is_a_record_and_dust_counts_in_status_and_position():
    desk = Desk(**SIZES).open()
    made = desk.end(desk.one("B"), 30.0)
    (first,) = books(made, "dust")
    assert first.values == {
        "slot": 1, "trade_id": "B", "moved": 30.0, "volume": 30.0,
        "cost": pytest.approx(30.0 * 0.1996), "fee": pytest.approx(30.0 * 0.1996 * 0.0025),
    }  # fmt: skip
    health = desk.status()["capacity_fill_health"]
    assert (health["dust_base"], health["dust_cost_usd"]) == (30.0, pytest.approx(30.0 * 0.1996))
    assert desk.status()["totals"]["unrealised_usd"] == pytest.approx(30.0 * (0.2 - 0.1996))
    assert tracked_position(desk.slot().state) == 30.0
    desk.accept()
    again = desk.fill(desk.one("B"))
    assert dust_moves(again) == [("B", -30.0, 0.0)], "it joined the exit"
    assert len({row.key for row in books(desk.commands, "dust")}) == 2
    assert desk.status()["capacity_fill_health"]["dust_base"] == 0.0


def test_6_3_the_rest_of_an_exit_that_is_too_small_becomes_recorded_dust():
    desk = Desk(**SIZES).open()
    desk.fill(desk.one("A"))
    desk.accept()
    assert dust_moves(desk.end(desk.one("A"), 100.0)) == [("A", 20.0, 20.0)]


def test_7_3_dust_is_remembered_over_a_restart_and_its_records_do_not_start_again():
    desk = Desk(**SIZES).open()
    desk.end(desk.one("B"), 30.0)
    desk.accept()
    before = desk.status()["capacity_fill_health"]
    desk = desk.restarted()
    assert desk.status()["capacity_fill_health"] == before
    (joined,) = books(desk.fill(desk.one("B")), "dust")
    assert joined.key.endswith("/dust/2")


# ---- 6.5 operator view


def canaries(desk: Desk) -> list[tuple[str, bool]]:
    alerts = [alert for alert in desk.alerts("partial_cancel") if alert.text.startswith("PHANTOM_POSITION_CANARY ")]
    return [(alert.severity.value, alert.text.endswith(" handled=true")) for alert in alerts]


def test_6_5_a_part_filled_end_that_was_taken_care_of_says_so():
    desk = Desk(**SIZES).open()
    desk.end(desk.one("B"), 60.0)
    health = desk.status()["capacity_fill_health"]
    assert canaries(desk) == [("warn", True)]
    assert (health["partial_cancel_handled_total"], health["partial_cancel_unhandled_total"]) == (1, 0)
    assert not desk.slot().quarantined


def test_6_5_a_position_without_a_record_stops_the_band_and_its_slot():
    desk = Desk(2, **SIZES).open()
    entry = desk.one("B", 2)
    late = desk.progress(entry, 60.0)
    desk.end(entry)
    desk.step(OrderEnded(late, EndStatus.CANCELLED, "late"))
    health = desk.status()["capacity_fill_health"]
    assert canaries(desk) == [("page", False)]
    assert (health["partial_cancel_handled_total"], health["partial_cancel_unhandled_total"]) == (0, 1)
    assert health["status_band"] == "stop"
    assert [slot.quarantined for slot in desk.grid.slots.values()] == [False, True]
    assert desk.grid.residue.base == 60.0, "the position is kept, without an exit"
    assert desk.ask("resume") == "ok: resumed", "a person has looked"
    assert not desk.slot(2).quarantined
    assert desk.restarted().status()["capacity_fill_health"]["partial_cancel_unhandled_total"] == 1


def test_6_5_the_band_stays_stop_after_a_day_while_one_was_not_handled():
    desk = Desk(**SIZES).open()
    entry = desk.one("B")
    late = desk.progress(entry, 60.0)
    desk.end(entry)
    desk.step(OrderEnded(late, EndStatus.EXPIRED, "late"))
    desk.wait(86_401.0)
    desk.print(0.2)
    health = desk.status()["capacity_fill_health"]
    assert (health["partial_fill_cancel_events_1d"], health["status_band"]) == (0, "stop")


# ---- 6.6 idempotence on (order, cumulative executed)


@pytest.mark.parametrize("leg_news", ["entry", "exit"])
@pytest.mark.parametrize("executed", [30.0, 60.0, 120.0])
def test_6_6_stream_then_poll_then_replay_of_the_same_row_changes_the_books_once(leg_news, executed):
    desk = Desk(**SIZES).open()
    if leg_news == "exit":
        desk.fill(desk.one("B"))
        desk.accept()
    order = desk.one("B")
    news = desk.progress(order, executed)
    ended = OrderEnded(news, EndStatus.CANCELLED, "test")
    desk.step(news)
    desk.step(ended)
    once = desk.engine.snapshot()
    for again in (news, ended, desk.progress(order, executed / 2.0), ended, news):
        assert desk.step(again) == []
    assert desk.engine.snapshot() == once
    assert desk.restarted().step(ended) == []
