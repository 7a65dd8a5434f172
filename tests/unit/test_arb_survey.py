"""What a screen shows and what is left of it: each filter takes away what it should, and nothing else (arb 2.5, 6, 17)."""

from millrace.core.fee_terms import FeeSchedule, FeeTerms
from millrace.core.instrument import InstrumentId
from millrace.research.arb_survey import Form, Group, Seen, Step, Surveyor, added, lines

SECOND = 10**9
FREE = FeeSchedule(FeeTerms())
DEAR = FeeSchedule(FeeTerms(quadratic_ppm=70_000))
A, B, C = (InstrumentId("kalshi", name) for name in "ABC")


def group(*, exhaustive=True, sizes=False, quotes=True, members=(A, B, C)) -> Group:
    return Group("g", members, exhaustive=exhaustive, sizes=sizes, quotes=quotes)


def surveyed(rows, fees=FREE, **more):
    return Surveyor(group(**more), fees).run(Seen(*row) for row in rows)


def steps(survey, form):
    return {step: survey.forms[form.value].get(step.value) for step in Step}


def rows(*asks, every=SECOND // 10, start=1, no=9_900):
    return [(start + place * every, market, ask, no, None, None) for place, (market, ask) in enumerate(asks)]


def test_a_sum_below_the_payout_counts_until_it_is_gone() -> None:
    survey = surveyed([*rows((A, 3_000), (B, 3_000), (C, 3_500)), (5 * SECOND, C, 4_500, 9_900, None, None)])
    found = steps(survey, Form.ALL_YES)
    assert found[Step.NAIVE].stretches == 1
    assert found[Step.NAIVE].best_ticks == 500
    assert found[Step.NAIVE].held_ns == 5 * SECOND - (1 + 2 * SECOND // 10)
    assert found[Step.NAIVE].longest_ns == found[Step.NAIVE].held_ns
    assert found[Step.NAIVE].dollars is None  # no size was recorded


def test_all_yes_of_an_open_group_pays_nothing_and_all_no_of_it_does() -> None:
    survey = surveyed([*rows((A, 3_000), (B, 3_000), (C, 3_000), no=6_000)], exhaustive=False)
    assert steps(survey, Form.ALL_YES)[Step.NAIVE].moments == 1
    assert steps(survey, Form.ALL_YES)[Step.LABEL] is None
    assert steps(survey, Form.ALL_NO)[Step.LABEL].best_ticks == 2_000  # two of three pay: 2.00 - 1.80


def test_fees_take_what_they_take() -> None:
    seen = rows((A, 3_000), (B, 3_000), (C, 3_700))
    assert steps(surveyed(seen), Form.ALL_YES)[Step.FEES].best_ticks == 300
    # 7 % of 0.3 x 0.7 twice and of 0.37 x 0.63: 4.57 cents, more than the three that are there
    assert steps(surveyed(seen, DEAR), Form.ALL_YES)[Step.FEES] is None


def test_old_prices_do_not_count_and_what_lasts_must_outlast_an_order() -> None:
    fresh = rows((A, 3_000), (B, 3_000), (C, 3_500))
    again = rows((A, 3_000), (B, 3_000), (C, 3_500), start=SECOND) + rows(
        (A, 3_000), (B, 3_000), (C, 3_500), start=2 * SECOND
    )
    brief = steps(surveyed([*fresh, (SECOND, A, 5_000, 9_900, None, None)]), Form.ALL_YES)
    assert brief[Step.FRESH].stretches == 1
    assert brief[Step.LASTING] is None
    lasting = steps(surveyed([*fresh, *again]), Form.ALL_YES)
    assert lasting[Step.LASTING].stretches == 1
    apart = steps(surveyed(rows((A, 3_000), (B, 3_000), (C, 3_500), every=3 * SECOND)), Form.ALL_YES)
    assert apart[Step.OFFERED].stretches == 1
    assert apart[Step.FRESH] is None


def test_a_fresh_price_is_fresh_for_two_seconds_and_no_longer() -> None:
    late = [*rows((A, 3_000), (B, 3_000), (C, 3_500)), (60 * SECOND, C, 9_000, 9_900, None, None)]
    assert steps(surveyed(late), Form.ALL_YES)[Step.FRESH].held_ns == 2 * SECOND - 2 * SECOND // 10


def test_prices_that_nobody_offered_are_no_opportunity() -> None:
    found = steps(surveyed(rows((A, 3_000), (B, 3_000), (C, 3_500)), quotes=False), Form.ALL_YES)
    assert found[Step.FEES].stretches == 1
    assert found[Step.OFFERED] is None


def test_sizes_give_dollars_and_a_missing_side_gives_nothing() -> None:
    seen = [(1, A, 4_500, 5_000, 7_000_000, 3_000_000), (SECOND, A, None, 5_000, None, 3_000_000)]
    survey = surveyed(seen, sizes=True, members=(A,))
    assert steps(survey, Form.INTRA)[Step.NAIVE].dollars == 0.05 * 3
    assert steps(survey, Form.INTRA)[Step.NAIVE].stretches == 1
    total = added([survey, survey])
    assert total.forms[Form.INTRA.value][Step.NAIVE.value].dollars == 0.05 * 6
    assert any("0.30 dollars" in line for line in lines(total))
    assert any("never below" in line for line in lines(total))
