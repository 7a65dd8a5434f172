"""What structured strikes prove, against figures that are tried one by one (arb 4.5, 5)."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.rules.strikes import covering, disjoint, ladders

FIGURES = [figure / 4 for figure in range(-12, 60)]
bounds = st.integers(0, 12).map(float) | st.integers(0, 24).map(lambda half: half / 2)


@st.composite
def markets(draw) -> list[MarketFacts]:
    kinds = st.sampled_from(["greater", "greater_or_equal", "less", "less_or_equal", "between"])
    rows = draw(st.lists(st.tuples(kinds, bounds, bounds), min_size=1, max_size=5))
    return [_market(number, *row) for number, row in enumerate(rows)]


@st.composite
def partitions(draw) -> list[MarketFacts]:
    """Groups as venues list them: an end below, intervals, an end above; with gaps of one or none."""
    cuts = sorted(draw(st.lists(st.integers(0, 12), min_size=1, max_size=4, unique=True)))
    step = draw(st.sampled_from([0.0, 1.0]))
    rows = [("less" if step else draw(st.sampled_from(["less", "less_or_equal"])), 0.0, float(cuts[0]))]
    rows += [("between", float(low), float(high) - step) for low, high in pairwise(cuts)]
    rows.append((draw(st.sampled_from(["greater", "greater_or_equal"])), float(cuts[-1]), 0.0))
    return [_market(number, *row) for number, row in enumerate(rows)]


def _market(number, kind, low, high) -> MarketFacts:
    return MarketFacts(
        market=InstrumentId("kalshi", f"M{number}"), event="E", strike_type=kind, close_ns=1,
        strike_low=None if kind.startswith("less") else low, strike_high=None if kind.startswith("greater") else high,
    )  # fmt: skip


def true(market, figure) -> bool:
    match market.strike_type:
        case "greater":
            return figure > market.strike_low
        case "greater_or_equal":
            return figure >= market.strike_low
        case "less":
            return figure < market.strike_high
        case "less_or_equal":
            return figure <= market.strike_high
        case _:
            return market.strike_low <= figure <= market.strike_high


@given(markets() | partitions())
def test_disjoint_intervals_never_come_true_together(found) -> None:
    if disjoint(found):
        assert all(sum(true(market, figure) for market in found) <= 1 for figure in FIGURES)


@given(markets() | partitions())
def test_covering_intervals_leave_no_figure_out(found) -> None:
    where = covering(found)
    figures = {"": [], "everywhere": FIGURES, "whole_numbers": [one for one in FIGURES if one.is_integer()]}[where]
    assert all(sum(true(market, figure) for market in found) == 1 for figure in figures)


@given(partitions())
def test_a_partition_into_whole_numbers_is_seen(found) -> None:
    """No whole number left out and none twice: then both are said, unless an interval is empty or turned around."""
    whole = [figure for figure in FIGURES if figure.is_integer()]
    if all(sum(true(market, figure) for market in found) == 1 for figure in whole):
        proper = all(market.strike_type != "between" or market.strike_low < market.strike_high for market in found)
        assert bool(covering(found)) == proper


@given(markets())
def test_a_stronger_rung_implies_the_weaker_ones(found) -> None:
    of = {market.market: market for market in found}
    for ladder in ladders("E", found):
        if not ladder.why_not:
            rungs = [of[rung.market] for rung in ladder.rungs]
            for stronger, weaker in pairwise(rungs):
                assert all(true(weaker, figure) for figure in FIGURES if true(stronger, figure))
