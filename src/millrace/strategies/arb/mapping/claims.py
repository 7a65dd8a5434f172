"""What a market claims, read from its fields and its words: who, which number, when, and how it is settled.

A wrong reading costs money and a missing one costs an opportunity, so the reader takes a field only where the wording
is plain, and leaves it empty otherwise. Structured fields of the venue stand before words (arb 4.5, 14.1).
"""

import re
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from millrace.strategies.arb.mapping.text import STOP_WORDS, tokens, words
from millrace.strategies.arb.model import MarketFacts


class Operator(StrEnum):
    """How an outcome compares with its threshold; `touch_*` means at any time of a period."""

    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"
    BETWEEN = "between"
    EXACTLY = "exactly"
    TOUCH_UP = "touch_up"
    TOUCH_DOWN = "touch_down"


class Day(NamedTuple):
    """A day or month as far as it is said; 0 stands for what is not."""

    year: int
    month: int
    day: int


class Claim(NamedTuple):
    """A market's claim, field by field; None and empty mean that nothing was said.

    `bounds` are the threshold, or both of them; `minute` is the time of day in minutes of UTC where the zone and the
    season are known, and `years` all years that the title names.
    """

    subject: frozenset[str]
    names: frozenset[str]
    words: frozenset[str]
    operator: Operator | None
    bounds: tuple[Decimal, ...]
    unit: str
    day: Day | None
    years: frozenset[int]
    season: bool
    minute: int | None
    scope: tuple[str, str] | None
    numbers: frozenset[str]
    tie: str
    void: str
    sources: frozenset[str]


_MONTH_NAMES = (
    "jan january",
    "feb february",
    "mar march",
    "apr april",
    "may",
    "jun june",
    "jul july",
    "aug august",
    "sep sept september",
    "oct october",
    "nov november",
    "dec december",
)
_MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_MONTH = "(?P<month>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\.?"
_SCALES = {"k": 3, "thousand": 3, "m": 6, "mm": 6, "million": 6, "b": 9, "bn": 9, "billion": 9, "t": 12, "trillion": 12}
_UNITS = {
    "$": "usd", "%": "percent", "percent": "percent", "°f": "f", "°": "degree", "degrees": "degree", "°c": "c",
    "bps": "bps", "basis points": "bps", "bp": "bps", "points": "point", "goals": "goal", "games": "game",
    "runs": "run", "seats": "seat", "votes": "vote", "inches": "inch", "awards": "award", "sets": "set",
}  # fmt: skip
_NUMBER = (
    r"(?P<usd{0}>\$)?\s?(?P<number{0}>-?\d[\d,]*(?:\.\d+)?)\s?(?P<scale{0}>(?:k|mm?|bn?|t|thousand|million|billion|"
    r"trillion)\b)?\s?(?P<unit{0}>%|°f|°c|°|(?:percent|degrees|bps|bp|basis points|points|goals|games|runs|seats|votes|"
    r"inches|awards|sets)\b)?"
)
_ONE = _NUMBER.format("")
_COMPARISONS = [
    (Operator.BETWEEN, rf"between\s+{_NUMBER.format(1)}\s+(?:and|to)\s+{_NUMBER.format(2)}"),
    (Operator.BETWEEN, rf"\bfrom\s+{_NUMBER.format(1)}\s+to\s+{_NUMBER.format(2)}"),
    (Operator.EXACTLY, rf"exactly\s+{_ONE}"),
    (Operator.AT_LEAST, rf"(?:at least|no less than|not less than)\s+{_ONE}"),
    (Operator.AT_LEAST, rf"{_ONE}\s*(?:or (?:more|higher|above|greater|over)|\+)"),
    (Operator.AT_MOST, rf"(?:at most|no more than|not more than)\s+{_ONE}"),
    (Operator.AT_MOST, rf"{_ONE}\s*or (?:less|lower|below|fewer|under)"),
    (Operator.ABOVE, rf"(?:above|over|more than|greater than|higher than|exceeds?)\s+{_ONE}"),
    (Operator.BELOW, rf"(?:below|under|less than|lower than|fewer than)\s+{_ONE}"),
    (Operator.TOUCH_UP, rf"(?:reach(?:es)?|hits?|touch(?:es)?|rises? to|climbs? to)\s+{_ONE}"),
    (Operator.TOUCH_DOWN, rf"(?:dips? to|falls? to|drops? to|crash(?:es)? to)\s+{_ONE}"),
]
_COMPARED = [(operator, re.compile(pattern)) for operator, pattern in _COMPARISONS]
_AT_A_MOMENT = {Operator.ABOVE, Operator.AT_LEAST, Operator.BELOW, Operator.AT_MOST, Operator.BETWEEN}
_STRIKES = {
    "greater": Operator.ABOVE,
    "greater_or_equal": Operator.AT_LEAST,
    "less": Operator.BELOW,
    "less_or_equal": Operator.AT_MOST,
    "between": Operator.BETWEEN,
}
_DAYS = [
    re.compile(rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(?P<year>20\d\d))?"),
    re.compile(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?:,?\s+(?P<year>20\d\d))?"),
    re.compile(r"\b(?P<year>20\d\d)-(?P<number>\d\d)-(?P<day>\d\d)\b"),
    re.compile(rf"\b(?:in|of|for)\s+{_MONTH}(?:,?\s+(?P<year>20\d\d))?(?!\s*\d)"),
    re.compile(rf"\b{_MONTH},?\s+(?P<year>20\d\d)"),
]
_BEFORE = re.compile(r"\bbefore\s+(?:(?:jan|january)\.?\s+1(?:st)?,?\s+)?(?P<year>20\d\d)\b")
_SEASON = re.compile(r"\b(20\d\d)[-/\u2013](\d\d)\b(?!-)")
_YEAR = re.compile(r"\b20\d\d\b")
_CLOCK = re.compile(
    r"\b(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s?(?P<half>am|pm|a\.m\.|p\.m\.)?\s*(?:in the\s+)?\(?"
    r"(?P<zone>et|edt|est|utc|gmt)\b"
)
_NOON = re.compile(r"\b(?P<word>noon|midnight)\s+(?P<zone>et|edt|est|utc|gmt)\b")
_SCOPE = re.compile(
    r"\b(?P<kind>set|map|game|half|quarter|period|inning|round|leg|week)\s+(?P<number>\d+)\b"
    r"|\b(?P<order>first|second|third|fourth|1st|2nd|3rd|4th)\s+(?P<what>half|quarter|period|set|map|round|inning)\b"
    r"|\bfirst\s+(?P<count>\d+)\s+(?P<many>innings)\b"
)
_ORDERS = {"first": "1", "1st": "1", "second": "2", "2nd": "2", "third": "3", "3rd": "3", "fourth": "4", "4th": "4"}
_SUBJECT = re.compile(
    r"\bwill\s+(?:the\s+)?(?P<subject>.+?)\s+(?:be|win|run|reach|hit|dip|fall|finish|close|announce|become|leave|"
    r"resign|qualify|nominate|have|say|beat|defeat|get|rise|drop|exceed|advance|make|sign|acquire|visit|cover)\b"
)
_LABELS_OF_NOBODY = re.compile(r"(?:yes|no|up|down|other|[\W\d]*)", re.IGNORECASE)
_SOURCE = re.compile(
    r"(?i:resolution sources?(?: for this market)?(?: is| are| will be|:)|according to|as reported by|as published by|"
    r"source agenc(?:y|ies):?)\s+(?i:the\s+)?(?P<source>[A-Z][\w&'-]*(?:\s+(?:of\s+)?[A-Z][\w&'-]*){0,4})"
)
_TIE = re.compile(r"\b(?:tie|ties|tied|draw|draws)\b")
_VOID = re.compile(r"\b(?:cancel\w*|postpone\w*|abandon\w*|walkover|forfeit\w*|void\w*|not occur|no contest)\b")
_VERDICTS = [
    ("half", re.compile(r"50[-/ ]50|50/50|\$?0\.50?\b|split|half")),
    ("refund", re.compile(r"refund|void|returned|fair (?:market )?(?:price|value)|last (?:traded )?price")),
    ("no", re.compile(r"resolves?\W+(?:to\W+)?(?:no\b|n\b)")),
    ("yes", re.compile(r"resolves?\W+(?:to\W+)?yes\b")),
    ("open", re.compile(r"remains? open|rescheduled")),
]
_NO_NAMES = frozenset(["utc", "gmt", "et", "edt", "est", "am", "pm"]) | STOP_WORDS | _MONTHS.keys()
_NAME = re.compile(r"\b[A-Z][A-Za-z0-9.&'-]*")
_BARE = re.compile(r"\d[\d,]*(?:\.\d+)?")
_SENTENCE_END = re.compile(r"(?<=[.;])\s")
_MINUTES = 60
_NOON_HOUR = 12
_DAY_MINUTES = 1440


def claim_of(facts: MarketFacts) -> Claim:
    """Read what a market claims."""
    title = facts.title or facts.event_title
    plain = title.lower()
    day, years, season, left = _time(plain)
    day = day or _only_day(facts.rules_text.lower())
    minute, left = _clock(left, day)
    if minute is None:
        minute, _ = _clock(facts.rules_text.lower(), day)
    scope, left = _scope(left)
    operator, bounds, unit, left = _comparison(left, facts)
    if minute is None and operator in _AT_A_MOMENT and day is not None:
        minute = _closing_minute(facts.close_ns, day)
    label = facts.outcome_label
    named = bool(label) and not _LABELS_OF_NOBODY.fullmatch(label) and not any(map(str.isdigit, label))
    subject = tokens(label) if named else _subject(plain)
    said = tokens(f"{title} {label} {facts.event_title}")
    return Claim(
        subject=subject,
        names=said.intersection(words(" ".join(_NAME.findall(f"{title} {facts.event_title}")))) - _NO_NAMES,
        words=said,
        operator=operator,
        bounds=bounds,
        unit=unit,
        day=day,
        years=years,
        season=season,
        minute=minute,
        scope=scope,
        numbers=frozenset(number.replace(",", "") for number in _BARE.findall(left)),
        tie=_verdict(_TIE, facts.rules_text.lower()),
        void=_verdict(_VOID, facts.rules_text.lower()),
        sources=_sources(facts),
    )


def _time(text: str) -> tuple[Day | None, frozenset[int], bool, str]:
    """Return the day, all years, whether a season is meant, and the text without them."""
    if found := _BEFORE.search(text):
        year = int(found["year"]) - 1
        return Day(year, 12, 31), frozenset({year}), False, text[: found.start()] + " " + text[found.end() :]
    season = _SEASON.search(text)
    years = set(map(int, _YEAR.findall(text)))
    if season:
        years = {int(season[1]), int(season[1]) // 100 * 100 + int(season[2])}
        text = text[: season.start()] + " " + text[season.end() :]
    day = None
    for pattern in _DAYS:
        if found := pattern.search(text):
            said = found.groupdict()
            month = int(said["number"]) if said.get("number") else _MONTHS[said["month"]]
            day = Day(int(said.get("year") or 0), month, int(said.get("day") or 0))
            text = text[: found.start()] + " " + text[found.end() :]
            break
    return day, frozenset(years), season is not None, _YEAR.sub(" ", text)


def _only_day(rules: str) -> Day | None:
    """Return the one day that the rules name; where they name several, nothing says which one counts."""
    found = {day for sentence in _SENTENCE_END.split(rules) if (day := _time(sentence)[0]) is not None and day.day}
    return found.pop() if len(found) == 1 else None


def _clock(text: str, day: Day | None) -> tuple[int | None, str]:
    """Return the minute of the day in UTC, and the text without it; New York's summer time by the month."""
    found = _NOON.search(text)
    if found:
        minute = _NOON_HOUR * _MINUTES if found["word"] == "noon" else 0
    else:
        found = _CLOCK.search(text)
        if not found or int(found["hour"]) > 24:  # noqa: PLR2004
            return None, text
        hour = int(found["hour"])
        if half := found["half"]:
            hour = hour % _NOON_HOUR + (_NOON_HOUR if half[0] == "p" else 0)
        minute = hour * _MINUTES + int(found["minute"] or 0)
    left = text[: found.start()] + " " + text[found.end() :]
    zone = found["zone"]
    if zone in {"utc", "gmt"}:
        return minute % _DAY_MINUTES, left
    if zone == "et":
        if day is None or day.month in {3, 11}:
            return None, left  # the clocks change in these months, and a wrong hour is worse than none
        zone = "edt" if 3 < day.month < 11 else "est"  # noqa: PLR2004
    return (minute + (4 if zone == "edt" else 5) * _MINUTES) % _DAY_MINUTES, left


def _closing_minute(close_ns: int | None, day: Day) -> int | None:
    """Return when a market that is settled by a number on its closing day closes; midnight says nothing of the hour."""
    if close_ns is None:
        return None
    moment = np.datetime64(close_ns, "ns")
    year, month, date = (int(part) for part in str(moment.astype("datetime64[D]")).split("-"))
    if (month, date) != (day.month, day.day) or day.year not in {0, year}:
        return None
    return close_ns // (_MINUTES * 10**9) % _DAY_MINUTES or None


def _scope(text: str) -> tuple[tuple[str, str] | None, str]:
    """Return which part of a game is meant (a set, a map, a half), and the text without it."""
    found = _SCOPE.search(text)
    if not found:
        return None, text
    left = text[: found.start()] + " " + text[found.end() :]
    if found["kind"]:
        return (found["kind"], found["number"]), left
    if found["many"]:
        return ("innings", found["count"]), left
    return (found["what"], _ORDERS[found["order"]]), left


def _comparison(text: str, facts: MarketFacts) -> tuple[Operator | None, tuple[Decimal, ...], str, str]:
    """Return operator, bounds and unit, and the text without them; the venue's own strike stands before words."""
    operator, bounds, unit, left = _said_comparison(text)
    strike = _STRIKES.get(facts.strike_type)
    sides = {Operator.BETWEEN: (facts.strike_low, facts.strike_high)}
    one = facts.strike_low if facts.strike_low is not None else facts.strike_high
    values = sides.get(strike, (one,)) if strike else ()
    if strike and values and None not in values:
        return (
            strike,
            tuple(Decimal(repr(float(value))).normalize() for value in values if value is not None),
            unit,
            left,
        )
    return operator, bounds, unit, left


def _said_comparison(text: str) -> tuple[Operator | None, tuple[Decimal, ...], str, str]:
    for operator, pattern in _COMPARED:
        if found := pattern.search(text):
            said = found.groupdict()
            ends = ("1", "2") if operator is Operator.BETWEEN else ("",)
            scales = [said[f"scale{end}"] for end in ends]
            bounds = tuple(
                (
                    Decimal(said[f"number{end}"].replace(",", "")).scaleb(_SCALES.get(scale or scales[-1] or "", 0))
                ).normalize()
                for end, scale in zip(ends, scales, strict=True)
            )
            units = {said[f"usd{end}"] or said[f"unit{end}"] for end in ends} - {None}
            unit = _UNITS.get(str(next(iter(sorted(map(str, units))), "")), "")
            return operator, bounds, unit, text[: found.start()] + " " + text[found.end() :]
    return None, (), "", text


def _subject(text: str) -> frozenset[str]:
    found = _SUBJECT.search(text)
    return tokens(found["subject"]) if found else frozenset()


def _verdict(topic: re.Pattern[str], rules: str) -> str:
    """Return what the rules say of a topic in the same sentence, empty when they say nothing plain."""
    for sentence in _SENTENCE_END.split(rules):
        if topic.search(sentence):
            for verdict, pattern in _VERDICTS:
                if pattern.search(sentence):
                    return verdict
    return ""


def _sources(facts: MarketFacts) -> frozenset[str]:
    if facts.resolution_source:
        return tokens(facts.resolution_source)
    found = _SOURCE.search(facts.rules_text)
    return tokens(found["source"]) if found else frozenset()
