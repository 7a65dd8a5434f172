"""Recorded Kalshi books with their depth, as the quotes that a program would have seen.

A recording is a folder of sessions: snapshots and signed changes of each outcome's resting bids, a control file that
says which market was watched until when, and the markets' results as far as somebody looked them up. A book is told
when its visible levels changed, once per moment of receipt; a message that left them alone is a sign of life. Where a
session ends or begins the stream is broken, and says so.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from millrace.core.binary_events import (
    BinaryQuote,
    BookLevel,
    Levels,
    MarketResolved,
    QuoteSource,
    StreamBeat,
    StreamReset,
)
from millrace.core.failure import OperatorError
from millrace.core.fee_terms import PAYOUT_TICKS, FeeSchedule
from millrace.core.instrument import InstrumentId, Lots, Outcome, Ticks
from millrace.research.arb_data.tables import read_columns
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.utc import time_ns

VENUE = "kalshi"
_LOTS_PER_UNIT = 10_000
"""Quantities are hundredths of a contract."""
_MS = 1_000_000
_RESULT_AFTER_NS = 300_000_000_000
"""Results have no time in the recording; they are told five minutes after the close."""
_BOOK, _CONTROL, _TICKER = ".book.parquet", ".control.jsonl", ".ticker.parquet"


class RecordedRow(NamedTuple):
    """One thing that was recorded; the venue's book and the program's are the same."""

    event: BinaryQuote | StreamBeat | StreamReset | MarketResolved
    to_venue: bool
    to_program: bool


class Session(NamedTuple):
    """One recording without a break: its name and the times of its first and last message."""

    name: str
    first_ns: int
    last_ns: int
    changes: int


class RecordedBooks:
    """A folder of recorded sessions. `fees` are those of a series; of each side so many `levels` are shown.

    Raises OperatorError when the folder holds none, or one without its control file.
    """

    def __init__(self, folder: Path, fees: Callable[[str], FeeSchedule], levels: int = 10) -> None:
        self._folder = folder
        self._levels = levels
        names = sorted(path.name.removesuffix(_BOOK) for path in folder.glob(f"*{_BOOK}"))
        if not names:
            raise OperatorError(f"{folder}: no recorded books (NAME{_BOOK}) in this folder")
        watched: dict[str, dict[str, Any]] = {}
        for name in names:
            watched |= _watched(folder / f"{name}{_CONTROL}")
        self.facts = tuple(_facts(ticker, said, fees) for ticker, said in sorted(watched.items()))
        self.results = _results(folder / "market_results.json")
        spans = [(_span(folder / f"{name}{_BOOK}"), name) for name in names]
        self.sessions = tuple(Session(name, *span) for span, name in sorted(spans))

    @property
    def first_ns(self) -> int:
        """When the first message was received."""
        return self.sessions[0].first_ns

    @property
    def last_ns(self) -> int:
        """When the last message was received, or the last result told."""
        closes = [facts.close_ns or 0 for facts in self.facts if facts.market.symbol in self.results]
        return max([session.last_ns for session in self.sessions] + [close + _RESULT_AFTER_NS for close in closes])

    def rows(self, from_ns: int = 0) -> Iterator[RecordedRow]:
        """Yield everything from `from_ns` on, in order of time; sessions that overlap follow each other."""
        endings = sorted(self._endings(), key=_when)
        last_ns, version = 0, 0
        for session in self.sessions:
            for event in self._session(session.name, version):
                if event.ts_ns < last_ns:
                    continue
                while endings and endings[0].ts_ns <= event.ts_ns:
                    ended = endings.pop(0)
                    if ended.ts_ns >= from_ns:
                        yield RecordedRow(ended, True, False)
                last_ns = event.ts_ns
                if isinstance(event, BinaryQuote):
                    version = event.version
                if event.ts_ns >= from_ns:
                    yield RecordedRow(event, isinstance(event, BinaryQuote), True)
        yield from (RecordedRow(ended, True, False) for ended in endings if ended.ts_ns >= from_ns)

    def _endings(self) -> Iterator[MarketResolved]:
        for facts in self.facts:
            result = self.results.get(facts.market.symbol)
            if result is not None and facts.close_ns is not None:
                yield MarketResolved(
                    facts.market, PAYOUT_TICKS if result == "yes" else 0, facts.close_ns + _RESULT_AFTER_NS
                )

    def _session(self, name: str, version: int) -> Iterator[BinaryQuote | StreamBeat | StreamReset]:
        names = ("recv_ns", "exch_ts_ms", "kind", "market", "side", "price_e4", "qty_e2")
        table = read_columns(self._folder / f"{name}{_BOOK}", names)
        columns = [table.column(column).to_pylist() for column in names]
        books: dict[str, _Book] = {}
        beats = self._beats(name)
        beat = next(beats, None)
        now_ns, told = columns[0][0], ""
        yield StreamReset(VENUE, now_ns)
        said_ms = 0
        for recv_ns, exch_ms, kind, market, side, ticks, quantity in zip(*columns, strict=True):
            if told and (recv_ns, market) != (now_ns, told):
                version += 1
                yield books[told].told(now_ns, said_ms, version, self._levels)
            while beat is not None and beat <= recv_ns:
                yield StreamBeat(VENUE, max(beat, now_ns))
                beat = next(beats, None)
            now_ns, told, said_ms = recv_ns, market, exch_ms or 0
            book = books.setdefault(market, _Book(InstrumentId(VENUE, market)))
            book.take(kind, side, ticks, quantity)
        if told:
            yield books[told].told(now_ns, said_ms, version + 1, self._levels)

    def _beats(self, name: str) -> Iterator[int]:
        path = self._folder / f"{name}{_TICKER}"
        if path.is_file():
            yield from read_columns(path, ["recv_ns"]).column(0).to_pylist()


def _when(event: MarketResolved) -> int:
    return event.ts_ns


class _Side:
    """The resting bids of one outcome: prices ascending, and the quantity at each."""

    __slots__ = ("lots", "prices")

    def __init__(self) -> None:
        self.prices: list[Ticks] = []
        self.lots: dict[Ticks, Lots] = {}

    def add(self, ticks: Ticks, lots: Lots) -> None:
        """Change what rests at a price; nothing left, and the price is gone."""
        before = self.lots.get(ticks)
        after = (before or 0) + lots
        if after > 0:
            if before is None:
                insort(self.prices, ticks)
            self.lots[ticks] = after
        elif before is not None:
            del self.lots[ticks]
            del self.prices[bisect_left(self.prices, ticks)]

    def best(self, count: int) -> Levels:
        """Return the highest bids."""
        lots = self.lots
        return tuple([BookLevel(ticks, lots[ticks]) for ticks in self.prices[: -count - 1 : -1]])


class _Book:
    """One market's bids of both outcomes."""

    __slots__ = ("last", "market", "sides")

    def __init__(self, market: InstrumentId) -> None:
        self.market = market
        self.last: tuple[Levels, Levels] | None = None
        self.sides = {outcome.value: _Side() for outcome in Outcome}

    def take(self, kind: str, side: str | None, ticks: Ticks | None, quantity: int | None) -> None:
        """Take one row: a snapshot begins, a level of it, or a signed change."""
        if kind == "S":
            self.sides = {outcome.value: _Side() for outcome in Outcome}
        elif side is not None and ticks is not None and quantity is not None:
            self.sides[side].add(ticks, quantity * _LOTS_PER_UNIT)

    def told(self, ts_ns: int, said_ms: int, version: int, count: int) -> BinaryQuote | StreamBeat:
        """Return the book as it stands, or a sign of life when it looks as it was told last."""
        yes, no = (self.sides[outcome.value].best(count) for outcome in Outcome)
        if (yes, no) == self.last:
            return StreamBeat(VENUE, ts_ns)
        self.last = (yes, no)
        sides = (_turned(no), _turned(yes), yes, no)
        return BinaryQuote(self.market, ts_ns, said_ms * _MS, version, QuoteSource.STREAM, *sides)


def _turned(levels: Levels) -> Levels:
    return tuple([BookLevel(PAYOUT_TICKS - ticks, lots) for ticks, lots in levels])


def _watched(path: Path) -> dict[str, dict[str, Any]]:
    """Return what a session's control file says of each market that it watched."""
    if not path.is_file():
        raise OperatorError(f"{path}: the session has no control file; its markets' closing times are not known")
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines() if line.strip()]
    return {line["market"]: line["payload"] for line in lines if line.get("event") == "watch_market"}


def _facts(ticker: str, said: dict[str, Any], fees: Callable[[str], FeeSchedule]) -> MarketFacts:
    event = ticker.rpartition("-")[0]
    series = event.partition("-")[0]
    return MarketFacts(
        market=InstrumentId(VENUE, ticker),
        event=event,
        title=f"{event} above {said.get('strike')}",
        series=series,
        category="crypto",
        close_ns=time_ns(said.get("close_time") or ""),
        resolves_ns=time_ns(said.get("close_time") or ""),
        strike_type="greater",
        strike_low=said.get("strike"),
        fees=fees(series),
        tick=10,
        lot=_LOTS_PER_UNIT,
        min_lots=100 * _LOTS_PER_UNIT,
        mirrored=True,
    )


def _results(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    said = msgspec.json.decode(path.read_bytes())
    return {ticker: row["result"] for ticker, row in said.items() if row and row.get("result") in {"yes", "no"}}


def _span(path: Path) -> tuple[int, int, int]:
    times = read_columns(path, ["recv_ns"]).column(0)
    if not len(times):
        raise OperatorError(f"{path}: the session holds no row; remove it")
    return times[0].as_py(), times[-1].as_py(), len(times)
