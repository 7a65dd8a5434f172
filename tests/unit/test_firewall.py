"""The data-quality firewall (runtime 2.2): one fixture per reason, confirmation, quarantine, and the gate per leg."""

import math

import pytest

from feeds import FREE, NOON, RAIN, SECOND, book, firewall, outcome_facts, seconds
from millrace.core import clock_skew
from millrace.core.binary_events import BookLevel, MarketResolved, QuoteSource, StreamBeat, StreamReset
from millrace.core.codec import decode_state, encode_state
from millrace.core.data_quality import LegNeeds, QuoteReason, Verdict
from millrace.core.events import Measured, Print, Quote, Started
from millrace.core.fee_terms import CONTRACT_LOTS, UNKNOWN_SOURCE, FeeSchedule, FeeTerms
from millrace.core.instrument import InstrumentId, Outcome
from millrace.market.binary_checks import BinaryRules
from millrace.market.firewall import Firewall
from millrace.market.view import MarketView

PAIR = InstrumentId("kraken", "DOGE/USD")
YEAR = 365 * 86_400 * SECOND
R = QuoteReason


def reasons(judged):
    return () if judged is None else judged.reasons


def verdict(judged):
    return Verdict.ACCEPT if judged is None else judged.verdict


def row(ticks, lots=CONTRACT_LOTS):
    return (BookLevel(ticks, lots),)


WRONG = {
    R.MISSING_IDENTITY: book(market=InstrumentId("kalshi", "")),
    R.MISSING_FIELD: book(yes_asks=None),
    R.NON_NUMERIC: book(yes_asks=row("4000")),
    R.NON_FINITE: book(yes_asks=row(math.nan)),
    R.PRICE_OUT_OF_RANGE: book(no_asks=row(10_100)),
    R.OFF_TICK: book(yes_asks=row(4_050)),
    R.NON_POSITIVE_SIZE: book(yes_asks=row(4_000, 0)),
    R.UNSORTED_BOOK: book(yes_asks=(*row(4_000), *row(3_900))),
    R.BAD_TIMESTAMP: book(venue_ts_ns=-1),
    R.FUTURE_TIMESTAMP: book(venue_ts_ns=NOON + 3 * SECOND),
    R.UNVERIFIED_BOOK: book(source=QuoteSource.SUMMARY),
    R.LOCKED: book(yes=40, yes_bid=40),
    R.DEGENERATE: book(yes=99, no=99, yes_bid=1, no_bid=1),
    R.COMPLEMENT_HIGH: book(yes=58, no=58),
}


@pytest.mark.parametrize("reason", WRONG)
def test_2_2_a1_one_fixture_per_reason_of_a_wrong_book(reason):
    judged = firewall().judge(WRONG[reason])
    assert (judged.verdict, judged.reasons) == (Verdict.REJECT, (reason,))


def test_2_2_the_future_is_judged_after_correction_for_a_clock_that_is_off():
    """3 s ahead is the future, and is not where the venue's clock is known to be 1.5 s ahead; behind, it begins sooner."""
    wall = firewall()
    wall.skewed("kalshi", 1.5)
    assert wall.judge(WRONG[R.FUTURE_TIMESTAMP]) is None
    assert reasons(wall.judge(book(version=2, venue_ts_ns=NOON + 4 * SECOND))) == (R.FUTURE_TIMESTAMP,)
    again = firewall()
    again.restore(decode_state(encode_state(wall.snapshot())))
    assert again.snapshot() == wall.snapshot()
    wall.skewed("kalshi", -1.5)
    assert reasons(wall.judge(book(version=3, venue_ts_ns=NOON + SECOND))) == (R.FUTURE_TIMESTAMP,)
    assert wall.judge(book(version=4, venue_ts_ns=NOON - SECOND)) is None
    again.skewed(None, 0.0)
    assert reasons(again.judge(WRONG[R.FUTURE_TIMESTAMP])) == (R.FUTURE_TIMESTAMP,)


def test_2_2_the_market_view_hears_a_skew_and_forgets_it_at_a_start():
    view = MarketView()
    view.hear(Measured(clock_skew.FIGURE, "kalshi", 1.5, NOON))
    view.hear(Measured("disk_free_bytes", "polymarket", 1.0, NOON))
    assert view.firewall.snapshot()["binary"]["ahead_ns"] == {"kalshi": 1_500_000_000}
    for value in (9 * 3_600.0, -9 * 3_600.0):
        view.hear(Measured(clock_skew.FIGURE, "kalshi", value, NOON))
        corrected_ns = view.firewall.snapshot()["binary"]["ahead_ns"]["kalshi"]
        assert corrected_ns == math.copysign(5 * SECOND, value), "what halts a venue makes no time of it good"
    view.hear(Started(restart=False, ts_ns=NOON))
    assert view.firewall.snapshot()["binary"]["ahead_ns"] == {}


UNLIKELY = {
    R.CROSSED: book(yes=38, yes_bid=40, no=62, no_bid=58),
    R.COMPLEMENT_LOW: book(yes=40, no=44, yes_bid=38, no_bid=42),
    R.BID_COMPLEMENT: book(yes=50, no=56, yes_bid=48, no_bid=53),
}


@pytest.mark.parametrize("reason", UNLIKELY)
def test_2_2_a1_one_fixture_per_reason_of_an_unlikely_book(reason):
    judged = firewall().judge(UNLIKELY[reason])
    assert (judged.verdict, judged.reasons) == (Verdict.SUSPECT, (reason,))
    assert judged.figures, "the number stands beside the reason"


def test_2_2_a1_fees_order_jump_and_end():
    paying = FeeSchedule(FeeTerms(flat_nano=-1_000_000))
    assert reasons(firewall(fees=paying).judge(book())) == (R.NEGATIVE_FEE,)
    assert reasons(firewall(fees=FeeSchedule(FeeTerms(), source=UNKNOWN_SOURCE)).judge(book())) == (R.FEE_UNKNOWN,)
    assert reasons(Firewall().judge(book())) == (R.FEE_UNKNOWN,), "a market that nobody told"
    wall = firewall()
    assert wall.judge(book(version=5)) is None
    assert reasons(wall.judge(book(version=5, at=1))) == (R.DUPLICATE,)
    assert reasons(wall.judge(book(version=4, at=1))) == (R.OUT_OF_ORDER,)
    assert reasons(wall.judge(book(yes=52, no=50, yes_bid=50, no_bid=48, version=6, at=1))) == (R.PRICE_JUMP,)
    wall.hear(MarketResolved(RAIN, 10_000, seconds(2)))
    assert reasons(wall.judge(book(version=7, at=3))) == (R.MARKET_ENDED,)
    assert wall.book(RAIN) is None
    assert R.MARKET_ENDED in wall.tradable(RAIN, seconds(3))


def test_2_2_a_rebate_for_makers_is_no_fault():
    fees = FeeSchedule(FeeTerms(quadratic_ppm=70_000), FeeTerms(flat_nano=-1_000_000))
    assert firewall(fees=fees).judge(book()) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 0.4, None, "0.40", True])
@pytest.mark.parametrize("field", ["ticks", "lots"])
def test_2_2_a1_what_is_no_integer_is_refused_by_default(field, value):
    level = BookLevel(value, CONTRACT_LOTS) if field == "ticks" else BookLevel(4_000, value)
    assert verdict(firewall().judge(book(yes_asks=(level,)))) is Verdict.REJECT


@pytest.mark.parametrize("off_ns", [-(10**9) * YEAR, 9 * 3_600 * SECOND, 2 * SECOND + 1])
def test_2_2_a1_times_that_cannot_be_are_refused_by_default(off_ns):
    assert verdict(firewall().judge(book(venue_ts_ns=NOON + off_ns))) is Verdict.REJECT


def test_2_2_a_venue_time_just_ahead_or_absent_is_taken():
    assert firewall().judge(book(venue_ts_ns=NOON + 2 * SECOND)) is None
    assert firewall().judge(book(venue_ts_ns=0)) is None


def test_2_2_a_check_that_raises_rejects_and_is_counted(monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    wall = firewall()
    monkeypatch.setattr(BinaryRules, "wrong", broken)
    assert reasons(wall.judge(book())) == (R.INTERNAL_ERROR,)
    assert wall.counts()["kalshi"].reasons == {R.INTERNAL_ERROR: 1}


# Confirmation


def high(at, version, source=QuoteSource.STREAM):
    return book(yes=61, no=41, yes_bid=59, no_bid=39, at=at, version=version, source=source)


def low(at, version, source=QuoteSource.STREAM):
    return book(yes=31, no=71, yes_bid=29, no_bid=69, at=at, version=version, source=source)


def test_2_2_a2_a_move_that_persists_is_a_level_shift_at_the_second_confirming_observation():
    wall = firewall()
    wall.judge(low(0, 1))
    assert [verdict(wall.judge(high(at, version))) for at, version in ((1, 2), (1.5, 3), (2, 4))] == [
        Verdict.SUSPECT,
        Verdict.SUSPECT,
        Verdict.ACCEPT,
    ], "at most a second at 2 Hz"
    assert wall.book(RAIN).yes_asks[0].ticks == 6_100
    assert wall.counts()["kalshi"].shifts == 1
    assert wall.judge(high(2.5, 5)) is None, "the new level is the baseline"


def test_2_2_a2_a_single_bad_print_never_reaches_a_strategy():
    wall = firewall()
    wall.judge(low(0, 1))
    assert verdict(wall.judge(high(1, 2))) is Verdict.SUSPECT
    assert wall.book(RAIN).version == 1
    assert R.PRICE_JUMP in wall.tradable(RAIN, seconds(1)), "nothing is traded while one thing contradicts another"
    assert wall.judge(low(1.5, 3)) is None
    assert verdict(wall.judge(high(2, 4))) is Verdict.SUSPECT, "what was dropped does not count"
    assert verdict(wall.judge(high(2.3, 5))) is Verdict.SUSPECT


def test_2_2_observations_too_near_each_other_confirm_once():
    wall = firewall()
    wall.judge(low(0, 1))
    seen = [verdict(wall.judge(high(1 + 0.1 * step, 2 + step))) for step in range(7)]
    assert seen == [Verdict.SUSPECT] * 6 + [Verdict.ACCEPT], "a confirmation every 250 ms"
    assert not wall.tradable(RAIN, seconds(1.6)), "one episode is one strike, not six"


@pytest.mark.parametrize(("cents", "agrees"), [(68, True), (69.5, False)])
def test_2_2_agreement_is_within_a_quarter_of_the_jump(cents, agrees):
    wall = firewall(tick=50)
    wall.judge(low(0, 1))
    wall.judge(high(1, 2))
    for at, version in ((1.5, 3), (2, 4)):
        last = wall.judge(
            book(yes=cents, no=102 - cents, yes_bid=cents - 2, no_bid=100 - cents, at=at, version=version)
        )
    assert (verdict(last) is Verdict.ACCEPT) == agrees


@pytest.mark.parametrize(("cents", "agrees"), [(62, True), (63, False)])
def test_2_2_one_polled_snapshot_within_a_tick_confirms(cents, agrees):
    wall = firewall()
    wall.judge(low(0, 1))
    wall.judge(high(1, 2))
    polled = book(
        yes=cents, no=102 - cents, yes_bid=cents - 2, no_bid=100 - cents, at=1.1, version=3, source=QuoteSource.POLL
    )
    assert (verdict(wall.judge(polled)) is Verdict.ACCEPT) == agrees


def test_2_2_a_suspect_state_ends_after_half_a_minute_by_a_snapshot():
    wall = firewall()
    wall.judge(low(0, 1))
    wild = [47, 61, 80, 47]
    for step, cents in enumerate(wild):
        seen = wall.judge(book(cents, 102 - cents, cents - 2, 100 - cents, at=1 + 9 * step, version=2 + step))
        assert verdict(seen) is Verdict.SUSPECT
    assert wall.unsettled(seconds(31)) == ()
    assert wall.unsettled(seconds(31.5)) == (RAIN,), "it must be asked for"
    assert wall.tradable(RAIN, seconds(31.5)), "until then it cannot be traded"
    snapshot = book(90, 12, 88, 10, at=32, version=20, source=QuoteSource.POLL)
    assert verdict(wall.judge(snapshot)) is Verdict.ACCEPT
    assert wall.unsettled(seconds(33)) == ()


def cheap(at, version, source=QuoteSource.STREAM):
    return book(yes=40, no=44, yes_bid=38, no_bid=42, at=at, version=version, source=source)


def test_2_2_a4_a_cheap_pair_that_is_held_and_confirmed_becomes_tradable():
    wall = firewall()
    for step in range(5):
        wall.judge(cheap(0.5 * step, step + 1))
    wall.judge(cheap(2, 9, QuoteSource.POLL))
    wall.hear(StreamBeat("kalshi", seconds(2)))
    assert wall.tradable(RAIN, seconds(2), Outcome.YES) == ()
    assert wall.tradable(RAIN, seconds(2), Outcome.NO) == ()


def test_2_2_a4_the_same_state_for_one_message_does_not():
    wall = firewall()
    wall.judge(cheap(0, 1))
    assert R.COMPLEMENT_LOW in wall.tradable(RAIN, seconds(0.1), Outcome.YES)
    assert wall.book(RAIN) is None


def test_2_2_eight_times_the_usual_move_is_a_jump_and_less_is_none():
    wall = firewall()
    for step in range(20):  # three cents each time: 8 x 3 = 24
        cents = 40 + 3 * (step % 2)
        assert wall.judge(book(cents, 102 - cents, cents - 2, 100 - cents, at=0.1 * step, version=step + 1)) is None
    assert wall.judge(book(65, 37, 63, 35, at=2.1, version=30)) is None
    assert reasons(wall.judge(book(98, 4, 96, 2, at=2.2, version=31))) == (R.PRICE_JUMP,)


def test_2_2_a_reconnect_clears_the_baseline_and_asks_for_a_new_book():
    wall = firewall()
    wall.judge(low(0, 10))
    wall.hear(StreamReset("kalshi", seconds(1)))
    assert wall.tradable(RAIN, seconds(1)) == (R.UNVERIFIED_BOOK,)
    assert wall.leg_verdict(RAIN).verdict is Verdict.REJECT
    assert wall.judge(high(1.5, 1)) is None, "versions begin anew, and no jump is known"
    assert wall.tradable(RAIN, seconds(1.5)) == ()


# Quarantine


def struck(wall, times, first_version=100):
    for index, at in enumerate(times):
        wall.judge(book(yes=58, no=58, at=at, version=first_version + index))


def recovered(wall, at, first_version, source=QuoteSource.POLL):
    """Three good observations from `at` on; returns their verdicts."""
    return [verdict(wall.judge(book(at=at + step, version=first_version + step, source=source))) for step in range(3)]


def test_2_2_five_strikes_in_a_minute_are_a_quarantine_of_a_minute():
    wall = firewall()
    struck(wall, [0, 10, 20, 30])
    assert R.QUARANTINED not in wall.tradable(RAIN, seconds(31))
    struck(wall, [59], 200)
    assert R.QUARANTINED in wall.tradable(RAIN, seconds(59))
    assert wall.counts()["kalshi"].quarantined == 1
    assert recovered(wall, 110, 300) == [Verdict.REJECT] * 3, "good ones before its end do not count"
    assert recovered(wall, 119, 400) == [Verdict.REJECT, Verdict.REJECT, Verdict.ACCEPT]
    assert wall.tradable(RAIN, seconds(121)) == ()


def test_2_2_four_strikes_or_five_over_more_than_a_minute_are_none():
    wall = firewall()
    struck(wall, [0, 10, 20, 30, 61])
    assert R.QUARANTINED not in wall.tradable(RAIN, seconds(61))


def test_2_2_a_quarantine_ends_only_with_a_verified_snapshot():
    wall = firewall()
    wall.judge(book(at=-1))
    struck(wall, [0, 1, 2, 3, 4])
    assert wall.unsettled(seconds(64)) == (RAIN,)
    assert recovered(wall, 64, 300, QuoteSource.STREAM) == [Verdict.REJECT] * 3
    assert verdict(wall.judge(book(at=68, version=400, source=QuoteSource.POLL))) is Verdict.ACCEPT


def test_2_2_a_relapse_doubles_up_to_a_quarter_of_an_hour():
    wall = firewall()
    at, lengths, version = 0.0, [], 100
    for _ in range(7):
        struck(wall, [at, at + 1, at + 2, at + 3, at + 4], version)
        began, at = at + 4, at + 4
        version += 10
        while R.QUARANTINED in wall.tradable(RAIN, seconds(at)):
            at += 1
            version += 1
            wall.judge(book(at=at, version=version, source=QuoteSource.POLL))
        lengths.append(round(at - began) - 2)
        version += 10
        at += 1
    assert lengths == [60, 120, 240, 480, 900, 900, 900]


def test_2_2_a_market_in_quarantine_and_duplicates_do_not_count_as_dirty():
    wall = firewall()
    struck(wall, [0, 1, 2, 3, 4])
    for step in range(10):
        wall.judge(book(at=5 + step, version=200 + step, source=QuoteSource.POLL))
        wall.judge(book(at=5 + step, version=1))
    assert wall.health("kalshi", seconds(15)).rejected == 5


# The gate


def test_2_2_the_gate_needs_a_quote():
    assert firewall().tradable(RAIN, NOON) == (R.NO_QUOTE,)
    wall = firewall()
    wall.judge(cheap(0, 1))
    assert R.NO_QUOTE in wall.tradable(RAIN, NOON), "none that was accepted"


@pytest.mark.parametrize(
    ("shown", "outcome", "needs", "reason"),
    [
        (book(yes=None, no_bid=None), Outcome.YES, LegNeeds(), R.ONE_SIDED),
        (book(yes_bid=None), Outcome.YES, LegNeeds(buys=False), R.ONE_SIDED),
        (book(yes=99.5, no=5, yes_bid=95, no_bid=0.5), Outcome.YES, LegNeeds(), R.MICRO_PRICE),
        (book(size=0.5), Outcome.YES, LegNeeds(), R.THIN_BOOK),
        (book(), Outcome.YES, LegNeeds(least_lots=101 * CONTRACT_LOTS), R.THIN_BOOK),
        (book(yes_bid=29), Outcome.YES, LegNeeds(), R.SPREAD_WIDE),
        (book(), Outcome.YES, LegNeeds(limit_ticks=3_900), R.PRICE_MOVED),
        (book(), Outcome.YES, LegNeeds(buys=False, limit_ticks=3_900), R.PRICE_MOVED),
        (book(), Outcome.YES, LegNeeds(least_confidence=0.9), R.MAPPING_CONFIDENCE),
        (book(), Outcome.YES, LegNeeds(least_confidence=0.9, confidence=0.89), R.MAPPING_CONFIDENCE),
    ],
)
def test_2_2_the_gate_has_one_fixture_per_reason(shown, outcome, needs, reason):
    wall = firewall(tick=50)
    assert wall.judge(shown) is None
    assert wall.tradable(RAIN, NOON, outcome, needs) == (reason,)


@pytest.mark.parametrize(
    ("shown", "outcome", "needs"),
    [
        (book(yes=None, yes_bid=None), Outcome.NO, LegNeeds()),
        (book(yes=None), Outcome.YES, LegNeeds(limit_ticks=10_000)),
        (book(yes_bid=29), Outcome.YES, LegNeeds(taker=False, limit_ticks=3_000)),
        (book(yes_bid=30), Outcome.YES, LegNeeds(limit_ticks=4_000)),
        (book(), Outcome.YES, LegNeeds(least_confidence=0.9, confidence=0.9)),
    ],
    ids=[
        "the other side is there",
        "the other outcome's bid is a way in",
        "wide blocks takers only",
        "exactly wide, exactly the limit",
        "sure enough",
    ],
)
def test_2_2_the_gate_lets_through(shown, outcome, needs):
    wall = firewall()
    assert wall.judge(shown) is None
    assert wall.tradable(RAIN, NOON, outcome, needs) == ()


def test_2_2_a6_a_quiet_book_on_a_live_feed_stays_tradable_and_a_silent_connection_does_not():
    wall = firewall()
    wall.judge(book())
    for at in range(1, 601):
        wall.hear(StreamBeat("kalshi", seconds(at)))
    assert wall.tradable(RAIN, seconds(600), Outcome.YES) == ()
    assert wall.flags(RAIN, seconds(600)) == ()
    assert wall.tradable(RAIN, seconds(606), Outcome.YES) == (R.STALE_FEED,)
    assert wall.tradable(RAIN, seconds(602), Outcome.YES) == ()
    assert wall.tradable(RAIN, seconds(602.1), Outcome.YES) == (R.STALE_FEED,), "the gate wants two seconds"


def test_2_2_a_book_that_never_changes_is_flagged_and_stays_tradable():
    wall = firewall()
    for at in (0, 300, 901):
        wall.judge(book(at=at, version=at + 1))
    assert wall.flags(RAIN, seconds(900)) == ()
    assert wall.flags(RAIN, seconds(901)) == (R.STALE_BOOK,)
    assert (wall.stale_books("kalshi", seconds(901)), wall.stale_books("polymarket", seconds(901))) == (1, 0)
    assert wall.tradable(RAIN, seconds(901)) == ()


def test_2_2_a_polled_book_is_as_old_as_its_poll():
    wall = firewall()
    wall.judge(book(source=QuoteSource.POLL))
    wall.hear(StreamBeat("kalshi", seconds(10)))
    assert wall.tradable(RAIN, seconds(2)) == ()
    assert wall.tradable(RAIN, seconds(2.1)) == (R.STALE_FEED,)
    assert wall.judge(book(at=3, source=QuoteSource.POLL)) is None, "a poll repeats the version while nothing changed"
    assert wall.tradable(RAIN, seconds(4)) == ()


def test_2_2_a_market_whose_newest_message_is_rubbish_is_not_traded():
    wall = firewall()
    wall.judge(book())
    wall.judge(book(at=0.5, version=2, yes_asks=row(4_050)))
    assert wall.tradable(RAIN, seconds(0.6), Outcome.NO) == (R.OFF_TICK,)
    assert wall.leg_verdict(RAIN) == (RAIN, 1, Verdict.REJECT)
    assert wall.judge(book(at=1, version=3)) is None
    assert wall.leg_verdict(RAIN) == (RAIN, 3, Verdict.ACCEPT)


# Spot


def printed(wall, price, at, lots=1):
    return verdict(wall.judge(Print(PAIR, seconds(at), price, lots)))


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Print(PAIR, NOON, 0, 1), R.PRICE_OUT_OF_RANGE),
        (Print(PAIR, NOON, 15, 1), R.OFF_TICK),
        (Print(PAIR, NOON, 10, -1), R.NON_POSITIVE_SIZE),
        (Print(PAIR, 0, 10, 1), R.BAD_TIMESTAMP),
        (Quote(PAIR, NOON, 10, 10, 1, 1), R.LOCKED),
        (Quote(PAIR, NOON, 10, 20, 0, 1), R.NON_POSITIVE_SIZE),
        (Quote(PAIR, NOON, 20, 10, 1, 1), R.CROSSED),
    ],
)
def test_2_2_a1_one_fixture_per_reason_of_spot(event, reason):
    wall = Firewall()
    wall._spot.know(PAIR, 10)
    assert reasons(wall.judge(event)) == (reason,)


def test_2_2_three_per_cent_of_spot_is_no_jump_and_more_is():
    wall = Firewall()
    assert [printed(wall, price, at) for price, at in ((10_000, 0), (10_300, 1), (10_610, 2))] == [
        Verdict.ACCEPT,
        Verdict.ACCEPT,
        Verdict.SUSPECT,
    ]
    assert [printed(wall, 10_620, at) for at in (2.3, 2.6)] == [Verdict.SUSPECT, Verdict.ACCEPT]


def test_2_2_a_spot_baseline_older_than_a_minute_says_nothing():
    wall = Firewall()
    printed(wall, 10_000, 0)
    assert printed(wall, 20_000, 60) is Verdict.SUSPECT
    wall = Firewall()
    printed(wall, 10_000, 0)
    assert printed(wall, 20_000, 60.1) is Verdict.ACCEPT


def test_2_2_a_spot_market_is_suspected_for_half_a_minute_at_most():
    wall = Firewall()
    printed(wall, 10_000, 0)
    seen = [printed(wall, price, 1 + 5 * step) for step, price in enumerate([12_000, 15_000, 19_000, 24_000])]
    assert seen == [Verdict.SUSPECT] * 4
    assert printed(wall, 30_000, 31.5) is Verdict.ACCEPT, "a spot feed has no snapshots: the next observation decides"


def test_2_2_a_time_that_goes_back_is_out_of_order():
    wall = Firewall()
    printed(wall, 10_000, 1)
    assert reasons(wall.judge(Print(PAIR, seconds(0.5), 10_000, 1))) == (R.OUT_OF_ORDER,)


# Snapshots


def test_a_restored_firewall_goes_on_as_the_other():
    wall, twin = firewall(), firewall()
    struck(wall, [0, 1, 2, 3, 4])
    wall.judge(book(at=70, version=300, source=QuoteSource.POLL))
    printed(wall, 10_000, 71)
    printed(wall, 12_000, 72)
    other = InstrumentId("kalshi", "SNOW")
    wall.know(outcome_facts(other, fees=FREE))
    twin.know(outcome_facts(other, fees=FREE))
    wall.judge(cheap(73, 1))
    twin.restore(decode_state(encode_state(wall.snapshot())))
    assert twin.snapshot() == wall.snapshot()
    later = [book(at=74 + step, version=301 + step, source=QuoteSource.POLL) for step in range(3)]
    later += [cheap(80, 2), cheap(81, 3)]
    for event in later:
        assert wall.judge(event) == twin.judge(event)
    assert printed(wall, 12_010, 73) is printed(twin, 12_010, 73)
    assert wall.snapshot() == twin.snapshot()
    assert wall.counts() == twin.counts()
