"""Part fills and orders that ended early, from the venue's news to the books (slots 6), each clause on the real engine."""

import pytest

from millrace.core.events import RejectReason
from millrace.strategies.slots.model import tracked_position
from slots_desk import Desk, cancels, submits

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
