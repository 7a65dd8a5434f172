"""What ids, outcomes and titles of an event say against reading it as exclusive outcomes (arb 5).

Words can only speak against a group, never for it: "above 100" and "above 90" can both come true, and so can "by March"
and "by June". Whether a group is exclusive, and which way an inequality points, is left to structured fields.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from millrace.strategies.arb.model import MarketFacts

_HALF = 0.5
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_TEMPORAL_ID = re.compile(
    rf"(\d{{0,4}}({_MONTHS})[a-z]*-?\d{{1,4}}|({_MONTHS})|q[1-4](-?\d{{2,4}})?|\d{{2,4}}-?q[1-4])$"
)
_THRESHOLD = re.compile(
    r"[<>≤≥]|\d\+|\b(above|below|over|under|at least|at most|more than|less than|fewer than|greater than|exceeds?"
    r"|or (more|less|fewer|higher|lower|above|below|over|under|greater|later|earlier))\b"
)
_BEFORE = re.compile(rf"\b(by|before|until|prior to)\b.*\b({_MONTHS}|q[1-4]|end of|\d{{4}})")
_WHICH = re.compile(r"\b(which|what) (countries|companies|teams|states|cities|people|players|parties|coins|stocks)\b")
_NUMBER = re.compile(r"[-+]?[$€£]?\d[\d,]*(\.\d+)?\s?[%°a-z]{0,2}")
_DIGITS = re.compile(r"[-+]?\d[\d,.]*")
_FEWEST_NUMBERS = 3


def objections(markets: Sequence[MarketFacts]) -> Iterator[str]:
    """Yield each reason why the open markets of an event may not be exclusive outcomes."""
    ids = [market.market.symbol.rpartition("-")[2].lower() for market in markets]
    if sum(bool(_TEMPORAL_ID.search(name)) for name in ids) >= _HALF * len(ids):
        yield "temporal_ids"
    if _uneven([market.outcome_label for market in markets]):
        yield "numeric_uneven"
    texts = [f"{market.outcome_label} | {market.title} | {market.event_title}".lower() for market in markets]
    if any(_THRESHOLD.search(text) for text in texts):
        yield "threshold_words"
    if any(_BEFORE.search(text) for text in texts):
        yield "date_words"
    if any(_WHICH.search(text) for text in texts):
        yield "asks_which_of_many"


def title_share(markets: Sequence[MarketFacts]) -> float:
    """Return the share of the markets with the commonest title, leaving out what names the outcome itself."""
    common = Counter(_without_outcome(market) for market in markets).most_common(1)
    return common[0][1] / len(markets) if markets else 0.0


def same_but_numbers(markets: Sequence[MarketFacts]) -> bool:
    """Tell whether titles and rules differ in nothing but their numbers and the outcome's own words."""
    return len({(_plain(market.title, market), _plain(market.rules_text, market)) for market in markets}) == 1


def _plain(text: str, market: MarketFacts) -> str:
    words = text.lower()
    if market.outcome_label:
        words = words.replace(market.outcome_label.lower(), " ")
    return " ".join(_DIGITS.sub("#", words).split())


def _without_outcome(market: MarketFacts) -> str:
    title, outcome = market.title.lower(), market.outcome_label.lower()
    return " ".join((title.replace(outcome, " ") if outcome else title).split())


def _uneven(labels: Sequence[str]) -> bool:
    """Tell whether all outcomes are single numbers whose steps differ: thresholds, not a count of something."""
    found = [label.strip().lower() for label in labels]
    if len(found) < _FEWEST_NUMBERS or not all(_NUMBER.fullmatch(label) for label in found):
        return False
    numbers = sorted(float(re.sub(r"[^\d.\-]", "", label)) for label in found)
    steps = [round(high - low, 9) for low, high in pairwise(numbers)]
    return len(set(steps)) > 1
