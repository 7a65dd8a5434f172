"""Pairs of markets that others believed to be one, from recordings, and whether they are, decided by their terms.

Two bots left lists behind: crypto thresholds that a text matcher paired, and games paired by hand and by code. The
decision reads tickers and addresses, and uses nothing of the desk's own reader of words, so that each can be held
against the other (arb 14, issue 5 "Real input").
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from millrace.core.instrument import InstrumentId
from millrace.research.arb_data.tables import read_columns
from millrace.strategies.arb.model import MarketFacts

_TITLE = re.compile(r"Will the price of (?P<coin>\w+) be above \$(?P<strike>[\d,]+) on (?P<month>\w+) (?P<day>\d+)\?")
_TICKER = re.compile(
    r"KX(?P<coin>BTC|ETH)D-(?P<year>\d\d)(?P<month>[A-Z]{3})(?P<day>\d\d)(?P<hour>\d\d)-T(?P<strike>[\d.]+)"
)
_COINS = {"BTC": "Bitcoin", "ETH": "Ethereum"}
_SUMMER_HOURS = 4
"""New York in June and July is four hours behind UTC; Kalshi's tickers give its hour."""
_NOON = 12
"""The recorded rules of Polymarket's ladders of this series: the candle of noon in New York."""
_GAME = re.compile(r"aec-(?P<sport>\w+?)-(?P<one>\w+)-(?P<other>\w+)-(?P<day>\d{4}-\d\d-\d\d)(?P<inverse>-inverse)?")
_GAME_TICKER = re.compile(
    r"KX(?P<series>[A-Z0-9]+?)(?P<what>GAME|MATCH|FIGHT|MAP|SETWINNER)-(?P<day>\d\d[A-Z]{3}\d\d)(?P<time>\d{4})?"
    r"(?P<teams>\w+?)(?:-(?P<part>\d))?-(?P<team>\w+)"
)
_PARTS = {"MAP": "map", "SETWINNER": "set"}
_CENT = Decimal("0.01")
_NS = 10**9


class Difference(StrEnum):
    """In what two recorded terms differ."""

    ASSET = "asset"
    STRIKE = "strike"
    DATE = "date"
    HOUR = "hour"
    PART = "part"


class Terms(NamedTuple):
    """What decides a threshold market: the price of what, above what, when, in New York's hours."""

    asset: str
    strike: Decimal
    month: int
    day: int
    hour: int


class RecordedPair(NamedTuple):
    """A pair that somebody believed in, in what it differs, and whether the strikes agree to the cent."""

    left: MarketFacts
    right: MarketFacts
    differs: frozenset[Difference]
    near: bool

    @property
    def true(self) -> bool:
        """Whether the two are one proposition as far as the recording can tell."""
        return not self.differs


def adjudicate(left: Terms, right: Terms) -> frozenset[Difference]:
    """Decide whether two threshold markets are one proposition: every term has to be equal, the strike exactly.

    Above 57,999.99 is not above 58,000: a price of exactly 58,000.00 tells them apart.
    """
    terms = (
        (Difference.ASSET, left.asset == right.asset),
        (Difference.STRIKE, left.strike == right.strike),
        (Difference.DATE, left[2:4] == right[2:4]),
        (Difference.HOUR, left.hour == right.hour),
    )
    return frozenset(term for term, same in terms if not same)


def text_pairs(path: Path) -> tuple[RecordedPair, ...]:
    """Read the crypto pairs that a text matcher proposed, one per row; raises OperatorError for another file."""
    columns = ["titulo_a", "titulo_b", "url_a", "url_b"]
    rows = read_columns(path, columns).to_pylist()
    return tuple(_text_pair(*(row[name] for name in columns)) for row in rows)


def _text_pair(left_title: str, right_title: str, left_address: str, right_address: str) -> RecordedPair:
    said, ticker = _TITLE.fullmatch(left_title), _TICKER.fullmatch(right_address.rpartition("/")[2])
    if said is None or ticker is None:
        raise ValueError(f"{left_title!r} and {right_address!r} are no pair of crypto thresholds")
    left = Terms(said["coin"], _number(said["strike"]), _month(said["month"]), int(said["day"]), _NOON)
    right = Terms(
        _COINS[ticker["coin"]],
        _number(ticker["strike"]),
        _month(ticker["month"]),
        int(ticker["day"]),
        int(ticker["hour"]),
    )
    settles = datetime(2000 + int(ticker["year"]), right.month, right.day, tzinfo=UTC).timestamp()
    symbol = f"{left_address.rpartition('/')[2]}-{left.strike:f}"
    return RecordedPair(
        left=MarketFacts(market=InstrumentId("polymarket", symbol), event=left_address, title=left_title),
        right=MarketFacts(
            market=InstrumentId("kalshi", ticker[0]),
            event=ticker[0].rpartition("-")[0],
            title=right_title,
            strike_type="greater",
            strike_low=float(right.strike),
            close_ns=round(settles + (right.hour + _SUMMER_HOURS) * 3600) * _NS,
        ),
        differs=adjudicate(left, right),
        near=abs(left.strike - right.strike) <= _CENT,
    )


def game_pairs(path: Path) -> tuple[RecordedPair, ...]:
    """Read the map of games: whole games are pairs, maps and sets of a game that are paired with the game are not."""
    found = json.loads(path.read_bytes())["POLYMARKET_KALSHI_MAPPING"]["Moneyline_Events"]["sports"]
    return tuple(_game_pairs(found))


def _game_pairs(rows: list[dict[str, str]]) -> Iterator[RecordedPair]:
    for row in rows:
        game, ticker = _GAME.fullmatch(row["polymarket_ticker"]), _GAME_TICKER.fullmatch(row["kalshi_ticker"])
        if game is None or ticker is None:
            raise ValueError(f"{row['polymarket_ticker']!r} and {row['kalshi_ticker']!r} are no pair of games")
        day = datetime.strptime(ticker["day"], "%y%b%d").replace(tzinfo=UTC)
        part = f" {_PARTS[ticker['what']]} {ticker['part']}" if ticker["what"] in _PARTS else ""
        teams = ticker["teams"].replace(ticker["team"], "", 1)
        same = (
            (Difference.DATE, game["day"] == f"{day:%Y-%m-%d}"),
            (Difference.PART, not part),
        )
        yield RecordedPair(
            left=MarketFacts(
                market=InstrumentId("polymarket-us", game[0]),
                event=game[0],
                title=f"{game['sport']} {game['one']} v {game['other']} {game['day']}",
            ),
            right=MarketFacts(
                market=InstrumentId("kalshi", ticker[0]),
                event=ticker[0].rpartition("-")[0],
                title=f"{ticker['series']} {ticker['team']} v {teams} {day:%Y-%m-%d}{part}".lower(),
            ),
            differs=frozenset(term for term, holds in same if not holds),
            near=True,
        )


def _number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def _month(name: str) -> int:
    return datetime.strptime(name[:3].title(), "%b").replace(tzinfo=UTC).month
