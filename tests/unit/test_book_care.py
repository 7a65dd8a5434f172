"""How often one market's book is asked for anew, when that is too often, and what ends it (runtime 2.4 rule 4)."""

import pytest

from millrace.core.book_events import BookCause
from millrace.risk.book_care import BookCare, Step

SEC = 1_000_000_000
BEGIN = 1_000 * SEC


def resync(care: BookCare, ts_ns: int) -> bool:
    """Spoil the book, have it asked for as soon as may be, and get it; return whether it went into quarantine."""
    if care.spoilt(BookCause.CHECKSUM, ts_ns):
        return True
    assert care.step(max(ts_ns, care.due_ns)) is Step.ASK
    care.asked(care.due_ns)
    care.live(care.due_ns)
    return False


def in_quarantine(care: BookCare, ts_ns: int) -> int:
    """Break the book until it is in quarantine; return when that was."""
    while not resync(care, ts_ns):
        ts_ns += 6 * SEC
    return ts_ns


def test_nothing_is_due_of_a_book_that_is_well() -> None:
    care = BookCare()
    assert care.step(BEGIN) is Step.NOTHING
    assert not care.is_restricted


def test_a_wrong_book_is_asked_for_at_once_but_not_again_within_five_seconds() -> None:
    care = BookCare()
    care.spoilt(BookCause.CHECKSUM, BEGIN)
    assert care.step(BEGIN) is Step.ASK
    care.asked(BEGIN)
    care.live(BEGIN + 1)
    assert not care.spoilt(BookCause.CHECKSUM, BEGIN + SEC)
    assert care.step(BEGIN + 5 * SEC - 1) is Step.NOTHING
    assert care.step(BEGIN + 5 * SEC) is Step.ASK


def test_the_fourth_resync_within_a_minute_is_a_quarantine_of_a_minute() -> None:
    care = BookCare()
    assert [resync(care, BEGIN + number * 10 * SEC) for number in range(4)] == [False, False, False, True]
    assert care.is_restricted
    assert care.held_until_ns == BEGIN + 30 * SEC + 60 * SEC


def test_four_resyncs_in_more_than_a_minute_are_served() -> None:
    care = BookCare()
    assert not any(resync(care, BEGIN + number * 21 * SEC) for number in range(8))


@pytest.mark.parametrize(("rest_sec", "longer"), [(600, 2), (601, 1)])
def test_a_relapse_within_ten_minutes_of_the_last_one_is_held_twice_as_long(rest_sec: int, longer: int) -> None:
    care = BookCare()
    in_quarantine(care, BEGIN)
    left_ns = care.held_until_ns
    assert care.live(left_ns)
    again_ns = in_quarantine(care, left_ns + (rest_sec - 18) * SEC)
    assert again_ns == left_ns + rest_sec * SEC
    assert care.held_until_ns - again_ns == longer * 60 * SEC


def test_no_quarantine_lasts_longer_than_a_quarter_of_an_hour() -> None:
    care, ts_ns, held = BookCare(), BEGIN, []
    for _ in range(12):
        ts_ns = in_quarantine(care, ts_ns)
        held.append((care.held_until_ns - ts_ns) // SEC)
        ts_ns = care.held_until_ns
        assert care.live(ts_ns)
    assert held == [60, 120, 240, 480, *[900] * 8]


def test_a_book_that_comes_before_the_hold_is_over_does_not_end_it() -> None:
    care = BookCare()
    in_quarantine(care, BEGIN)
    until_ns = care.held_until_ns
    assert not care.live(until_ns - 1)
    assert care.is_restricted
    assert care.step(until_ns) is Step.ASK
    care.asked(until_ns)
    assert care.live(until_ns + SEC)
    assert not care.is_restricted


def test_a_question_without_an_answer_is_asked_again_later_each_time_and_the_third_gives_up() -> None:
    care, now_ns, waits = BookCare(), BEGIN, []
    care.spoilt(BookCause.GAP, now_ns)
    for _ in range(3):
        assert care.step(now_ns) is Step.ASK
        care.asked(now_ns)
        waits.append((care.due_ns - now_ns) // SEC)
        assert care.step(care.due_ns - 1) is Step.NOTHING
        now_ns = care.due_ns
    assert waits == [5, 10, 20]
    assert care.step(now_ns) is Step.GIVE_UP
    care.unquotable = True
    care.asked(now_ns)
    assert care.due_ns - now_ns == 60 * SEC
    assert care.step(care.due_ns) is Step.ASK
    assert care.live(care.due_ns)
    assert not care.is_restricted
    assert care.step(care.due_ns + 3_600 * SEC) is Step.NOTHING


def test_a_snapshot_that_comes_by_itself_is_given_five_seconds() -> None:
    care = BookCare()
    care.awaits(BookCause.NO_SNAPSHOT, BEGIN)
    assert care.step(BEGIN + 5 * SEC - 1) is Step.NOTHING
    assert care.step(BEGIN + 5 * SEC) is Step.ASK
    assert not care.was_asked_for
    care.asked(BEGIN + 5 * SEC)
    assert care.was_asked_for


def test_it_is_told_since_when_the_book_is_wrong_and_not_when_it_broke_again() -> None:
    care = BookCare()
    care.spoilt(BookCause.CHECKSUM, BEGIN)
    care.spoilt(BookCause.GAP, BEGIN + SEC)
    assert (care.wrong_ns, care.cause) == (BEGIN, BookCause.GAP)
    care.live(BEGIN + 2 * SEC)
    assert care.wrong_ns == 0


def test_a_restored_market_goes_on_where_it_stood() -> None:
    care = BookCare()
    ts_ns = in_quarantine(care, BEGIN)
    care.live(care.held_until_ns)
    for number in range(2):
        resync(care, ts_ns + (100 + number * 6) * SEC)
    other = BookCare()
    other.restore(care.snapshot())
    assert other.snapshot() == care.snapshot()
    for number in range(2):
        moment = ts_ns + (112 + number * 6) * SEC
        assert resync(other, moment) == resync(care, moment)
        assert other.snapshot() == care.snapshot()
    assert care.held_until_ns
