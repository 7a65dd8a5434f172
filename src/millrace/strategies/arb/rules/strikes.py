"""What structured strike fields prove: intervals that do not overlap, and rungs that imply each other (arb 4.5).

The venue's own words for the operator and its figures are the only source; a title never is. A strike is about one
subject: two teams' spreads in one event are two ladders.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import inf
from typing import NamedTuple

from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.rules.wording import same_but_numbers

UPWARD = {"greater", "greater_or_equal"}
"""Above the strike: the higher, the stronger."""
DOWNWARD = {"less", "less_or_equal", "by_date"}
"""Below the strike, or before the date: the lower, the stronger."""
_FEWEST_RUNGS = 2
_Interval = tuple[tuple[float, int], tuple[float, int]]
"""Least and greatest figure; the second number is -1 just below it, 0 at it, 1 just above it."""


class Rung(NamedTuple):
    """One market of a ladder and its strike."""

    strike: float
    market: InstrumentId


class Ladder(NamedTuple):
    """Rungs from the strongest to the weakest, or why there is no ladder."""

    event: str
    subject: str
    operator: str
    rungs: tuple[Rung, ...]
    why_not: str = ""


def ladders(event: str, markets: Iterable[MarketFacts]) -> list[Ladder]:
    """Return every ladder of an event's open markets, and each group of strikes that is none with its reason."""
    groups: dict[tuple[str, str, str], list[MarketFacts]] = {}
    for market in markets:
        if market.strike_type in UPWARD | DOWNWARD:
            key = (market.subject, market.strike_type, market.resolution_source)
            groups.setdefault(key, []).append(market)
    return [_ladder(event, subject, word, found) for (subject, word, _), found in groups.items()]


def disjoint(markets: Sequence[MarketFacts]) -> bool:
    """Tell whether structured strikes prove that no two of the markets can resolve yes together."""
    return _line(markets) is not None


def covering(markets: Sequence[MarketFacts]) -> str:
    """Return what a person may look at before calling disjoint strikes exhaustive; empty when a gap is sure.

    `everywhere`: the intervals touch. `whole_numbers`: they leave gaps that no whole number lies in.
    """
    line = _line(markets)
    if not line or line[0][0][0] != -inf or line[-1][1][0] != inf:
        return ""
    steps = [(low[0] - high[0], low[1] - high[1]) for (_, high), (low, _) in pairwise(line)]
    if all(step == (0.0, 1) for step in steps):
        return "everywhere"
    figures = [bound[0] for interval in line for bound in interval if abs(bound[0]) != inf]
    if all(figure.is_integer() for figure in figures) and all(gap == 1 - move for gap, move in steps):
        return "whole_numbers"
    return ""


def _ladder(event: str, subject: str, word: str, markets: list[MarketFacts]) -> Ladder:
    strikes = [market.strike_low if word in UPWARD else market.strike_high for market in markets]
    rungs = [Rung(strike, market.market) for strike, market in zip(strikes, markets, strict=True) if strike is not None]
    if len(rungs) < len(markets):
        why_not = "strike_missing"
    elif len({rung.strike for rung in rungs}) < len(rungs):
        why_not = "strike_repeated"
    elif len(rungs) < _FEWEST_RUNGS:
        why_not = "one_rung"
    elif word != "by_date" and len({market.close_ns for market in markets}) > 1:
        why_not = "deadlines_differ"
    elif not same_but_numbers(markets):
        why_not = "wording_differs"
    else:
        why_not = ""
    rungs.sort(key=lambda rung: rung.strike, reverse=word in UPWARD)
    return Ladder(event, subject, word, tuple(rungs), why_not)


def _line(markets: Sequence[MarketFacts]) -> list[_Interval] | None:
    """Return the intervals of one subject in order; None when one is unknown or two overlap."""
    found = [_interval(market) for market in markets]
    line = sorted(interval for interval in found if interval is not None)
    if len(line) < len(markets) or len({(market.subject, market.close_ns) for market in markets}) > 1:
        return None
    return line if all(high < low for (_, high), (low, _) in pairwise(line)) else None


def _interval(market: MarketFacts) -> _Interval | None:
    low, high = market.strike_low, market.strike_high
    match market.strike_type:
        case "greater" | "greater_or_equal" if low is not None:
            return (float(low), int(market.strike_type == "greater")), (inf, 0)
        case "less" | "less_or_equal" if high is not None:
            return (-inf, 0), (float(high), -int(market.strike_type == "less"))
        case "between" if low is not None and high is not None and low < high:
            return (float(low), 0), (float(high), 0)
        case _:
            return None
