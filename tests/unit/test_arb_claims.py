"""What is read from a market's words, and what two readings must agree on (arb 14.1)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.mapping.claims import Claim, Day, Operator, claim_of
from millrace.strategies.arb.mapping.text import rules_hash, similarity, tokens
from millrace.strategies.arb.mapping.vetoes import Field, agreeing, vetoes
from millrace.strategies.arb.model import MarketFacts


def claim(title: str, **facts: object) -> Claim:
    return claim_of(MarketFacts(market=InstrumentId("v", "m"), event="e", title=title, **facts))


def disagree(left: str, right: str) -> set[Field]:
    return {veto.field for veto in vetoes(claim(left), claim(right))}


@pytest.mark.parametrize(
    ("title", "operator", "bounds", "unit"),
    [
        ("Bitcoin above $58,000 on July 4?", Operator.ABOVE, ("58000",), "usd"),
        ("Bitcoin at $58k or more?", Operator.AT_LEAST, ("58000",), "usd"),
        ("Will Opensea be worth more than $1.5B?", Operator.ABOVE, ("1500000000",), "usd"),
        ("Will unemployment be below 4.2%?", Operator.BELOW, ("4.2",), "percent"),
        ("High in NYC between 50 and 51° on Dec 4?", Operator.BETWEEN, ("50", "51"), "degree"),
        ("Will it win exactly 4 awards?", Operator.EXACTLY, ("4",), "award"),
        ("At least 3 goals?", Operator.AT_LEAST, ("3",), "goal"),
        ("No more than 25 bps?", Operator.AT_MOST, ("25",), "bps"),
        ("Will Bitcoin reach $130,000 by December 31, 2026?", Operator.TOUCH_UP, ("130000",), "usd"),
        ("Will Ethereum dip to $600 by December 31, 2026?", Operator.TOUCH_DOWN, ("600",), "usd"),
        ("Will it snow?", None, (), ""),
    ],
)
def test_thresholds_are_read_with_operator_and_unit(title, operator, bounds, unit) -> None:
    found = claim(title)
    assert (found.operator, found.bounds, found.unit) == (operator, tuple(map(Decimal, bounds)), unit)


def test_a_venues_own_strike_stands_before_words() -> None:
    found = claim("Bitcoin above $58,000?", strike_type="greater", strike_low=57999.99)
    assert (found.operator, found.bounds) == (Operator.ABOVE, (Decimal("57999.99"),))
    span = claim("Between 50 and 51?", strike_type="between", strike_low=50.0, strike_high=52.0)
    assert span.bounds == (Decimal(50), Decimal(52))
    assert claim("Above 5?", strike_type="custom").bounds == (Decimal(5),)


@pytest.mark.parametrize(
    ("title", "day", "years", "minute"),
    [
        ("Bitcoin above $1 on July 4?", Day(0, 7, 4), set(), None),
        ("Ethereum price at Jul 1, 2026 at 12pm EDT?", Day(2026, 7, 1), {2026}, 16 * 60),
        ("On 4 July 2026 at 17:00 UTC?", Day(2026, 7, 4), {2026}, 17 * 60),
        ("On 2026-01-20 at noon ET?", Day(2026, 1, 20), {2026}, 17 * 60),
        ("On July 20 at noon ET?", Day(0, 7, 20), set(), 16 * 60),
        ("On March 8, 2026 at noon ET?", Day(2026, 3, 8), {2026}, None),
        ("CPI in May 2026?", Day(2026, 5, 0), {2026}, None),
        ("Before Jan 1, 2027?", Day(2026, 12, 31), {2026}, None),
        ("Will it happen before 2050?", Day(2049, 12, 31), {2049}, None),
        ("Serie A 2025-26 top scorer?", None, {2025, 2026}, None),
        ("D.C. mayor 2026?", None, {2026}, None),
    ],
)
def test_times_are_read_and_an_hour_only_where_it_is_certain(title, day, years, minute) -> None:
    found = claim(title)
    assert (found.day, set(found.years), found.minute) == (day, years, minute)


def test_the_hour_may_stand_in_the_rules() -> None:
    rules = 'Resolves to "Yes" if the candle 12:00 in the ET timezone (noon) has a close above the price.'
    assert claim("Above $1 on July 4?", rules_text=rules).minute == 16 * 60


def test_the_day_may_stand_in_the_rules_where_they_name_only_one() -> None:
    """Recorded titles of games name neither the day nor the opponent."""
    title = "Cleveland wins by over 10.5 points?"
    one, other = (claim(title, rules_text=f"The game is on May {day}, 2026. It may be moved.") for day in (23, 24))
    assert (one.day, other.day) == (Day(2026, 5, 23), Day(2026, 5, 24))
    assert [veto.field for veto in vetoes(one, other)] == [Field.DATE]
    assert claim(title, rules_text="The game is on May 23, 2026. Settled by June 1, 2026.").day is None


def test_the_opponent_may_stand_in_the_title_of_the_event() -> None:
    one, other = (claim("Cleveland wins?", event_title=f"Cleveland vs {team}") for team in ("Boston", "Miami"))
    assert [veto.field for veto in vetoes(one, other)] == [Field.ENTITY]
    assert vetoes(one, claim("Cleveland wins?")) == ()


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=40))
def test_whatever_a_venue_writes_is_read_and_agrees_with_itself(title: str, rules: str, label: str) -> None:
    found = claim(title, rules_text=rules, outcome_label=label)
    assert vetoes(found, found) == ()


WORDS = st.sampled_from(
    [
        "Will",
        "Bitcoin",
        "be",
        "above",
        "below",
        "exactly",
        "between",
        "at",
        "least",
        "$58,000",
        "58k",
        "4%",
        "and",
        "or",
        "more",
        "on",
        "May",
        "5",
        "5pm",
        "ET",
        "12:61",
        "2026-13-45",
        "2025-26",
        "set",
        "2",
        "first",
        "half",
        "before",
        "Jan",
        "1,",
        "2027",
        "noon",
        "UTC",
        "24:00",
        "no.",
        "tie",
        "50-50",
        "cancelled",
    ]
)


@given(st.lists(WORDS, max_size=14), st.lists(WORDS, max_size=14))
def test_disagreement_is_mutual(left: list[str], right: list[str]) -> None:
    one, other = claim(" ".join(left), rules_text=" ".join(right)), claim(" ".join(right), rules_text=" ".join(left))
    assert {veto.field for veto in vetoes(one, other)} == {veto.field for veto in vetoes(other, one)}
    assert vetoes(one, one) == ()


def test_a_date_leaves_no_number_behind_and_a_seat_does() -> None:
    assert claim("Bitcoin above $58,000 on July 4, 2026 at 5pm EDT?").numbers == frozenset()
    assert claim("OH-03 House winner?").numbers == {"03"}


# ---- vetoes


SAME = "Will the price of Bitcoin be above $58,000 on July 4?"


@pytest.mark.parametrize(
    ("left", "right", "field"),
    [
        (SAME, "Will the price of Ethereum be above $58,000 on July 4?", Field.ENTITY),
        ("Will Robert White win?", "Will Robert Black win?", Field.ENTITY),
        ("Will Donald Trump win?", "Will Donald Trump Jr win?", Field.ENTITY),
        ("Democratic Senate nominee in Ohio?", "Republican Senate nominee in Ohio?", Field.ENTITY),
        ("Will Bernie Sanders run for president in 2028?", "Will Bernie Sanders win president in 2028?", Field.ACTION),
        (SAME, "Will the price of Bitcoin be below $58,000 on July 4?", Field.OPERATOR),
        (SAME, "Will the price of Bitcoin be at least $58,000 on July 4?", Field.OPERATOR),
        ("Will Bitcoin reach $58,000 on July 4?", SAME, Field.OPERATOR),
        (SAME, "Will the price of Bitcoin be above $58,500 on July 4?", Field.THRESHOLD),
        ("Above 4.2% in May?", "Above 4.2 points in May?", Field.UNIT),
        (SAME, "Will the price of Bitcoin be above $58,000 on July 3?", Field.DATE),
        ("CPI above 3% in May 2026?", "CPI above 3% in June 2026?", Field.DATE),
        ("Will Vance win in 2028?", "Will Vance win in 2032?", Field.YEAR),
        ("Ether on Jul 1, 2026 at 12pm EDT?", "Ether on Jul 1, 2026 at 5pm EDT?", Field.HOUR),
        ("Ether on Jul 1, 2026 at 12pm EDT?", "Ether on Jul 1, 2026 at 12:00 UTC?", Field.HOUR),
        ("Rune vs Ruud: Set 1", "Rune vs Ruud: Set 2", Field.SCOPE),
        ("Rune vs Ruud", "Rune vs Ruud: Set 1", Field.SCOPE),
        ("OH-03 House winner?", "OH-04 House winner?", Field.NUMBER),
        ("Will Napoli finish in the top 4?", "Will Napoli finish in the top 5?", Field.NUMBER),
    ],
)
def test_a_field_on_which_both_sides_speak_must_agree(left, right, field) -> None:
    assert field in disagree(left, right)
    assert field in disagree(right, left)
    assert disagree(left, left) == disagree(right, right) == set()


def test_58000_is_not_57999_99() -> None:
    """Arb 14.1 and the recorded crypto pairs: at exactly 58,000.00 one of them pays and the other does not."""
    kalshi = claim("Bitcoin price on Jul 4, 2026?", strike_type="greater", strike_low=57999.99)
    assert [str(veto) for veto in vetoes(claim(SAME), kalshi)] == ["threshold: 58000 against 57999.99"]


def test_the_same_in_other_words_is_no_veto() -> None:
    for left, right in (
        (SAME, "Bitcoin above 58K on July 4, 2026?"),
        ("Will Bitcoin hit $1m before 2027?", "Will Bitcoin reach $1,000,000 by December 31, 2026?"),
        ("Who will be the Democratic nominee? Ann Lee", "Will Ann Lee win the Democratic nomination?"),
        ("Serie A 2025-26 winner", "Serie A winner 2026"),
        ("Ether on Jul 1, 2026 at 12pm EDT?", "Ether on Jul 1, 2026 at 16:00 UTC?"),
    ):
        assert disagree(left, right) == set(), (left, right)


@pytest.mark.parametrize(
    ("left", "right", "field"),
    [
        ("If the game ends in a tie, resolves to 50-50.", "In a tie, it resolves to No.", Field.TIE_RULE),
        ("If cancelled, resolves 50-50.", "If cancelled, resolves to No.", Field.VOID_RULE),
        ("According to Binance.", "According to CF Benchmarks.", Field.SOURCE),
    ],
)
def test_different_rules_of_settlement_are_vetoes(left, right, field) -> None:
    pair = [claim("Lions win?", rules_text=text) for text in (left, right)]
    assert {veto.field for veto in vetoes(*pair)} == {field}
    assert vetoes(pair[0], claim("Lions win?")) == ()


def test_the_venues_resolution_source_stands_before_the_rules_text() -> None:
    named = claim("X?", resolution_source="CF Benchmarks", rules_text="According to Binance.")
    assert named.sources == {"cf", "benchmarks"}


def test_only_fields_that_both_sides_say_agree() -> None:
    found = agreeing(claim(SAME), claim("Bitcoin above $58,000?"))
    assert found == {Field.OPERATOR, Field.THRESHOLD}
    assert agreeing(claim(SAME), claim("Bitcoin above $58,001?")) == {Field.OPERATOR}


# ---- words


def test_similarity_is_seven_parts_jaccard_and_three_parts_containment() -> None:
    """Arb 14.1."""
    assert similarity("abc", "abd") == pytest.approx(0.7 * 2 / 4 + 0.3 * 2 / 3)
    assert similarity("abc", "abc") == pytest.approx(1.0)
    assert similarity("", "abc") == 0.0


def test_spellings_of_one_word_count_as_one() -> None:
    assert tokens("Will BTC's winner be the U.S. Dem nominee?") == {"bitcoin", "win", "us", "democratic", "nominate"}
    assert tokens("$58,000") == {"58000"}


def test_a_hash_of_rules_ignores_spacing_and_order_and_is_empty_when_a_text_is_missing() -> None:
    assert rules_hash("a  B", "c") == rules_hash("c", "A b")
    assert rules_hash("a", "c") != rules_hash("a", "d")
    assert rules_hash("a", "") == ""
